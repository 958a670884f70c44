"""evsim compare"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.base.screen import tell_json
from evsim.chip.prices import DEFAULT
from evsim.cli import files
from evsim.cli import model_options as model_options
from evsim.cli import options as options
from evsim.counting.machine import chosen
from evsim.studies.job import byte_count

EXAMPLES = (
    "evsim compare networks/digits-conv.h5 networks/digits-int8.h5 data/digits_test.h5",
    "evsim compare network.h5 test.h5 --ann model.h5 --picture accuracy.png",
)
Ann = options.option(
    Path | None,
    panel=options.SIMULATED,
    metavar="MODEL",
    help="a trainer's file, whose artificial network is run beside them",
    default="none",
)
Picture = options.option(
    Path | None,
    panel=options.OUTPUT,
    metavar="FILE",
    help="draw accuracy against cost; with --ann the diagnosis, too",
    default="none is drawn",
)


def compare(
    networks: Annotated[list[Path], typer.Argument(help="network files", show_default=False)],
    data: options.DataFile,
    ann: Ann = None,
    topology: model_options.Topology = None,
    scale: model_options.Scale = None,
    mean: model_options.Mean = None,
    std: model_options.Std = None,
    bgr: model_options.Bgr = False,
    flip_kernels: model_options.FlipKernels = False,
    force: model_options.Force = False,
    timesteps: options.Timesteps = None,
    coding: options.Coding = None,
    samples: options.Samples = None,
    seed: options.Seed = None,
    jobs: options.Jobs = None,
    dtype: options.Dtype = "float32",
    memory: options.Memory = "512M",
    keep: options.Keep = None,
    cluster: options.Cluster = None,
    cluster_writes: options.ClusterWrites = False,
    accumulate: options.OwnAccumulate = None,
    update: options.OwnUpdate = None,
    input_machine: options.OwnInput = None,
    prices: options.Prices = DEFAULT,
    picture: Picture = None,
    wide: options.Wide = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Several networks on the same data, side by side."""
    given = dict(locals())
    from evsim.cluster import opened as opened_cluster
    from evsim.formats.data import open_data
    from evsim.formats.network import load
    from evsim.reports import comparison as report
    from evsim.studies.compare import Comparison

    silent = quiet or as_json
    own_machine = chosen(accumulate, update, input_machine)
    profile = options.profile(prices)
    machine = profile.machine.choices | own_machine
    reading = None if ann is None else model_options.artificial(ann, given)
    loaded = [(str(path), files.opened(path, load, "NETWORK")) for path in networks]
    choices = {"timesteps": timesteps, "coding": coding, "seed": seed, "dtype": dtype}
    options.check_writes(cluster_writes, keep)
    with (
        files.opened(data, open_data, "DATA") as opened,
        opened_cluster(cluster, cluster_writes) as workers,
    ):
        if as_json:
            opened.begin_digest()
        how = {"jobs": jobs, "memory": byte_count(memory), "quiet": silent, "cluster": workers}
        compared = Comparison(opened, samples, machine, profile, keep, **how)
        model = reading and reading.content
        compared.run_all(loaded, choices, model, str(ann), curves=picture is not None)
        if reading is not None:
            model_options.tell(reading, silent)
        if picture is not None:
            report.draw_all(compared, picture)
        if as_json:
            tell_json(compared.as_dict())
        elif not quiet:
            report.show(
                options.output(wide), compared.as_dict(), compared.profile.title, compared.diagnoses
            )
