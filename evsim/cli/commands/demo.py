"""evsim demo"""

from __future__ import annotations

from evsim.base.screen import course, say
from evsim.base.shipped import shipped
from evsim.cli import options as options
from evsim.studies.job import Job, byte_count

MEMORY = "512M"
EXAMPLES = ("evsim demo", "evsim demo --all")
All = options.flag("--all", panel=options.SIMULATED, help="every shipped network, side by side")


def demo(
    all_networks: All = False,
    wide: options.Wide = False,
) -> None:
    """Run a shipped network over the shipped handwritten digits."""
    from evsim.formats.data import open_data
    from evsim.formats.network import load
    from evsim.reports.run import show

    with open_data(shipped("data") / "digits_test.h5") as data:
        if all_networks:
            _compare(data, wide)
            return
        job = Job(load(shipped("networks") / "digits-conv.h5"), data)
        job.simulate(None, byte_count(MEMORY))
        show(options.output(wide), job, {})


def _compare(data, wide: bool) -> None:
    """Run every shipped network and print them one below the other."""
    from evsim.chip.prices import DEFAULT, Profile, find
    from evsim.counting.machine import Machine
    from evsim.formats.network import load
    from evsim.reports import comparison as report
    from evsim.studies.compare import Comparison

    paths = sorted(shipped("networks").glob("digits-*.h5"))
    networks = [load(path) for path in paths if not path.stem.endswith(".golden")]
    profile, how = Profile.read(find(DEFAULT)), {"jobs": None, "memory": byte_count(MEMORY)}
    compared = Comparison(data, None, vars(Machine()), profile, **how, quiet=False)
    with course([network.timesteps or 64 for network in networks]):
        for number, network in enumerate(networks, 1):
            say(f"{network.name}, {number} of {len(networks)}")
            compared.add(network)
    rows = [column.row for column in compared.columns]
    report.overview(options.output(wide), rows, networks, profile.title)
