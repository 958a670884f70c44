"""evsim demo"""

from __future__ import annotations

from typing import Annotated

import typer

from evsim.job import Job, byte_count
from evsim.shipped import shipped


def demo(
    all_networks: Annotated[bool, typer.Option("--all", help="every shipped network")] = False,
) -> None:
    """Run a shipped network over the shipped handwritten digits."""
    from evsim.formats.data import open_data
    from evsim.formats.native import load

    names = ["digits-conv"]
    if all_networks:
        golden = ".golden"
        stems = [path.stem for path in shipped("networks").glob("digits-*.h5")]
        names = sorted(stem for stem in stems if not stem.endswith(golden))
    for name in names:
        with open_data(shipped("data") / "digits_test.h5") as data:
            job = Job(load(shipped("networks") / f"{name}.h5"), data)
            job.simulate(None, byte_count("512M"), None, False, False, False)
            job.show({})
