"""The bounds of what is needed are those that were tried; every page names one version of evsim."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.version import Version
from support.places import ROOT

from evsim import __version__
from evsim.formats.result import settings_of


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
        if requirement.name not in ("ruff", "mypy"):  # of which every version has its own way
            assert bounds[">="] == Version(oldest[requirement.name])


def test_the_pages_name_the_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.M) == [__version__]
    released = re.findall(r"^## \[?(\d[\d.]*)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert released[0] == __version__


def test_a_result_of_an_older_version_is_read(command):
    older = ROOT / "networks" / "digits-dense.golden.h5"
    assert settings_of(older)["evsim"] == "0.1.0" != __version__
    for words in (["cost", older, "--chip", "loihi"], ["info", older]):
        status, printed, told = command(*words)
        assert (status, told) == (0, "")
        assert printed
