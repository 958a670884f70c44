"""evsim.convert: from an artificial network to a spiking one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from evsim.artificial.model import Model
from evsim.base.errors import mismatch
from evsim.base.overview import Overview
from evsim.formats.data import Data
from evsim.interface._call import called
from evsim.interface._given import Names, Path, Samples, free_target, names_of, opened, samples_text
from evsim.interface._record import Record
from evsim.interface.model import reading, refuse_options
from evsim.network.network import Network


class Made(Record):
    """How a network was made, with the keys that the command prints as JSON."""

    def overview(self) -> Overview:
        """Its units: which populations stand for which layers, or their steps."""
        units = self.get("units") or []
        title = ", ".join(f"{key} {self[key]:,}" for key in ("neurons", "synapses") if key in self)
        columns = list(units[0]) if units else ()
        return Overview(
            title, columns, [list(row.values()) for row in units], self.get("notes", ())
        )


@called
def convert(
    model: Model | Network | Path,
    calibrate: Any = None,
    *,
    out: Path | None = None,
    topology: str | None = None,
    scale: float | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    bgr: bool = False,
    flip_kernels: bool = False,
    dt: float | None = None,
    reset: str | None = None,
    compare: str | None = None,
    bias_start: int | None = None,
    skip_encoder: bool = False,
    like: str | None = None,
    force: bool = False,
    samples: Samples = None,
    method: str | None = None,
    percentile: float | None = None,
    per_channel: bool = False,
    threshold_scale: float | None = None,
    timesteps: int | None = None,
    v_init: float | None = None,
    balance: str | None = None,
    pooling: str | None = None,
    correct_bias: bool = False,
    stagger: int | None = None,
    coding: str | None = None,
    seed: int | None = None,
    unroll: str | None = None,
    feedback_delay: int | None = None,
    unroll_thresholds: str | None = None,
    scheme: str = "rate",
    window: int | None = None,
    firing: str | None = None,
    rounding: float | None = None,
    delta: int | None = None,
    prediction: float | None = None,
    analog: Names | None = None,
    diagnose: bool = False,
    picture: Path | None = None,
    jobs: int | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Network:
    """The spiking network of an artificial one; what `evsim convert` does.

    `model`: what `evsim.read` gave, or the path of a trainer's file, read with `topology` to
    `force` as `evsim.read` takes them. `calibrate`: the path of images, open data, or an array
    (samples, ...), to balance thresholds with; `samples`: those of them, the first 600 where it is
    not given. `scheme`: "rate", "switch", "stochastic", "signed", "burst", "phase", "ttfs" or
    "levels"; the parameters from `method` to `analog` are the options of the command. `diagnose`:
    compare rates with activations on other images of the same data; with `picture`, the path of the
    drawing.

    The network has `notes` and `made`, what the command prints as JSON. `out`: write it to a
    file, too. Raises EvsimError.
    """
    return _converted(dict(locals()))


def _converted(given: dict[str, Any]) -> Network:
    """The network of the parameters of `convert`, by name."""
    from evsim.studies import converted as studies

    given["analog"] = names_of(given["analog"]) or None
    scheme, calibrate, out = given["scheme"], given["calibrate"], given["out"]
    choices = {name: given[name] for name in studies.CHOICES if studies.is_asked(given[name])}
    studies.check_scheme(scheme, given)
    free_target(out, given["overwrite"])
    file, read = _read(given["model"], given)
    if isinstance(read, Network):
        told = {**choices, "scheme": scheme != "rate"}
        told |= {name: given[name] for name in ("calibrate", "samples", "diagnose")}
        refused = [name for name, value in told.items() if studies.is_asked(value)]
        studies.refuse(read.source or "a spiking network", refused)
        network, said = read, {"notes": list(read.notes)}
    elif studies.unmeasured(scheme):
        made = studies.without_images(read, file, scheme, choices)
        network, said = made.network, {"notes": studies.notes_on(read, made, choices)}
    elif calibrate is None:
        raise mismatch("none", "images to balance the thresholds with", "calibrate")
    else:
        choices |= {"reset": given["reset"]} if given["reset"] is not None else {}
        with opened(calibrate, place="calibrate") as data:
            network, said = _balanced(read, file, data, scheme, choices, given)
    network.notes = tuple(said["notes"])
    network.made = Made(studies.size_of(network) | said)
    if out is not None:
        from evsim.interface.files import save

        save(network, out, overwrite=given["overwrite"])
        network.made = Made({"network": os.fspath(out)} | network.made)
    return network


def _balanced(
    model: Model, file: str, data: Data, scheme: str, choices: dict, given: dict[str, Any]
) -> tuple[Network, dict[str, Any]]:
    """The network balanced with images of open data, and what is said of it."""
    from evsim.conversion.units import as_kept
    from evsim.studies import converted as studies

    some = studies.to_calibrate_with(data, samples_text(given["samples"]))
    how: dict[str, Any] = {"jobs": given["jobs"], "quiet": not given["progress"]}
    made = studies.calibrated(model, file, data, some, scheme, choices, **how)
    said = studies.described(model, made, data, some, choices)
    made.network.units = as_kept(made.units) if studies.notes_of(made, scheme) else ()
    if given["diagnose"]:
        diagnosis = studies.diagnosed(model, made.network, as_kept(made.units), data, some, **how)
        said |= diagnosis.as_dict()
        if given["picture"] is not None:
            from evsim.reports import diagnosis as report

            report.draw(diagnosis, FilePath(given["picture"]))
            said["picture"] = os.fspath(given["picture"])
    return made.network, said


def _read(model: Any, given: dict[str, Any]) -> tuple[str, Any]:
    """The path of a model's file, "" without one, and the model or spiking network."""
    if not isinstance(model, Model | Network):
        return str(model), reading(model, given)
    refuse_options(given, but="reset")
    return str(getattr(model, "path", None) or ""), model
