"""evsim.quantize: a network in fixed point."""

from __future__ import annotations

import os
from pathlib import Path as FilePath
from typing import Any

from evsim.chip.profile import Profile
from evsim.interface._call import called
from evsim.interface._given import (
    Path,
    Samples,
    free_target,
    network_of,
    opened,
    profile_of,
    samples_text,
)
from evsim.interface._tables import Described
from evsim.network.network import Network


@called
def quantize(
    network: Network | Path,
    *,
    out: Path | None = None,
    bits: int | None = None,
    per_channel: bool = False,
    potential_bits: int | None = None,
    current_bits: int | None = None,
    readout_bits: int | None = None,
    overflow: str | None = None,
    overflow_at: str | None = None,
    chip: Profile | Path | None = None,
    coding: str | None = None,
    data: Any = None,
    samples: Samples = None,
    labels: Any = None,
    timesteps: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    keep: Path | None = None,
    cluster: Any = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Network:
    """The network in fixed point; what `evsim quantize` does.

    Weights, thresholds and potentials become integers of declared widths: `bits` of a weight,
    `per_channel` a unit for each output channel, `potential_bits`, and beside these
    `current_bits`, `readout_bits`, `overflow` ("error", "saturate" or "wrap") and `overflow_at`
    ("commit" or "each_add"). `chip`: whose widths hold where none is given. With `data` the
    network runs as it was and in fixed point, and `made` of the result compares them; `samples` to
    `cluster` are of these runs, as for `evsim.run`.

    The result has `made`, what the command prints as JSON. `out`: write it to a file, too.
    Raises EvsimError.
    """
    given = dict(locals())
    from evsim.studies.quantized import Comparison, check_given, described, made_of, take_widths

    if chip is not None:
        take_widths(profile_of(chip, "chip"), given)
    free_target(out, overwrite)
    check_given(given)
    loaded = network_of(network)
    how = {"samples": samples_text(samples), "timesteps": timesteps, "seed": seed, "jobs": jobs}
    folder = None if keep is None else FilePath(os.fspath(keep))
    if data is None:
        made = made_of(loaded, None, given)
        said = described(made, given)
    else:
        with opened(data, labels) as held:
            made = made_of(loaded, held, given)
            rest = not progress, folder, cluster
            said = described(made, given) | Comparison(loaded, made, held, how, *rest).as_dict()
    if out is not None:
        from evsim.interface.files import save

        save(made.network, out, overwrite=overwrite)
        said = {"network": os.fspath(out)} | said
    made.network.made = Described(said)
    return made.network
