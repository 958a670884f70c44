"""What is handed out: the wheel and the source distribution, and what they hold."""

import subprocess
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

BESIDE = {"networks": "evsim/networks", "data": "evsim/data"}  # in a checkout: in the wheel


def tracked(root: Path) -> set[str]:
    """The files that git knows in a folder."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    return {name for name in listed.stdout.split("\0") if name and (root / name).exists()}


def expected_in_wheel(files: set[str]) -> set[str]:
    """What the wheel holds of a checkout: the package, its networks and its data."""
    found = set()
    for name in files:
        first, _, rest = name.partition("/")
        if first == "evsim":
            found.add(name)
        elif first in BESIDE:
            found.add(f"{BESIDE[first]}/{rest}")
    return found


def in_wheel(path: Path) -> set[str]:
    """The files of a wheel, without what installers read."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    return {name for name in names if not PurePosixPath(name).parts[0].endswith(".dist-info")}


def in_sdist(path: Path) -> set[str]:
    """The files of a source distribution, without its description, in the folder it unpacks to."""
    with tarfile.open(path) as archive:
        names = {PurePosixPath(member.name) for member in archive if member.isfile()}
    return {str(PurePosixPath(*name.parts[1:])) for name in names} - {"PKG-INFO"}
