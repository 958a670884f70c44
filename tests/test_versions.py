"""The bounds of what is needed are those of the versions that were tried."""

import tomllib

from packaging.requirements import Requirement
from packaging.version import Version
from support.places import ROOT


def pinned(name):
    """The versions of a file of constraints."""
    lines = (ROOT / "tests" / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_bounds_are_those_that_were_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["test"]
    oldest, newest = pinned("oldest.txt"), pinned("newest.txt")
    assert set(oldest) <= set(newest)
    for requirement in map(Requirement, needed):
        bounds = {bound.operator: Version(bound.version) for bound in requirement.specifier}
        assert set(bounds) == {">=", "<"}, requirement
        assert requirement.specifier.contains(newest[requirement.name])
        if requirement.name != "ruff":  # of which every version formats in its own way
            assert bounds[">="] == Version(oldest[requirement.name])
