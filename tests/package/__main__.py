"""Check what `python -m build` made: `python tests/package DIST CLEAN`.

DIST is the folder of a wheel and a source distribution, CLEAN the `python` of an environment into
which nothing but the wheel was installed. The wheel holds every file that git knows in `evsim/`,
`networks/` and `data/` and no other; the source distribution every file that git knows; the tests
in it are collected; the installed commands run, away from the checkout.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.places import ROOT

from evsim import __version__
from package import expected_in_wheel, in_sdist, in_wheel, tracked


def same(what: str, found: set[str], expected: set[str]) -> None:
    """Leave with the names that are in one of two lists only."""
    lines = [f"  missing: {name}" for name in sorted(expected - found)]
    lines += [f"  not expected: {name}" for name in sorted(found - expected)]
    if lines:
        sys.exit("\n".join([f"{what}: other files than git knows (commit or ignore them)", *lines]))
    print(f"{what}: {len(found)} files")


def ran(words: list, folder: Path, **more: str) -> str:
    """Run a command in a folder; returns what it printed, leaves where it fails."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=clean | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def lists_agree(wheel: Path, sdist: Path) -> None:
    """Compare what is in both with git, or where there is none, with each other."""
    if (ROOT / ".git").exists():
        files = tracked(ROOT)
        same(sdist.name, in_sdist(sdist), files)
    else:
        print("no git here: the wheel is compared with the source distribution")
        files = in_sdist(sdist)
    same(wheel.name, in_wheel(wheel), expected_in_wheel(files))


def commands_run(python: Path, folder: Path) -> None:
    """Run what a new user does first, with the installed wheel and its own kernels."""
    own = {"NUMBA_CACHE_DIR": str(folder / "kernels")}
    script = "import evsim; print(evsim.__version__, evsim.__file__)"
    version, _, place = ran([python, "-c", script], folder, **own).strip().partition(" ")
    if version != __version__ or Path(place).is_relative_to(ROOT / "evsim"):
        sys.exit(f"{python} imports evsim {version} from {place}, expected {__version__}, built")
    evsim, shipped = python.with_name("evsim"), Path(place).parent
    network, data = shipped / "networks/digits-dense.h5", shipped / "data/digits_test.h5"
    for words in (
        ["--help"],
        ["info", network],
        ["run", network, data, "--samples", "0:10", "--out", "r.h5"],
        ["cost", "r.h5", "--chip", "loihi"],
        ["report", "r.h5", "--out", "r.html"],
    ):
        ran([evsim, *words], folder, **own)
    if "synaptic operations, exact" not in ran([evsim, "demo"], folder, **own):
        sys.exit("evsim demo: no synaptic operations")
    print("the installed wheel: --help, info, run, cost, report and demo end well")


def tests_are_collected(sdist: Path, folder: Path) -> None:
    """Unpack the source distribution and let pytest find the tests in it."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = folder.glob("evsim-*")
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0"]
    told = ran([*words, "-p", "no:cacheprovider"], unpacked, PYTHONPATH=str(unpacked))
    print(f"the source distribution: {told.strip().splitlines()[-1].strip('= ')}")


def main() -> None:
    """Check the one wheel and the one source distribution of a folder."""
    built, python = Path(sys.argv[1]), Path(sys.argv[2]).absolute()
    (wheel,), (sdist,) = built.glob("evsim-*.whl"), built.glob("evsim-*.tar.gz")
    lists_agree(wheel.absolute(), sdist.absolute())
    with tempfile.TemporaryDirectory() as folder:
        commands_run(python, Path(folder))
        tests_are_collected(sdist, Path(folder))


if __name__ == "__main__":
    main()
