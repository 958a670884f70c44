"""Compiled kernels in files: damaged, exchanged, by two processes at once, or not kept at all."""

import importlib.util
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.files import network_parts, write

import evsim
from evsim.base import kernel as kernels
from evsim.base import width
from evsim.cli.main import run_command
from evsim.neurons import _integrate
from evsim.synapses import _bounded

SOURCE = '''
from evsim.base.kernel import kernel

@kernel
def total(x):
    """The sum."""
    s = x[0]
    for v in x[1:]:
        s += v
    return s
'''
X = np.arange(5.0)
ROOT = Path(evsim.__file__).parent
RUN = ["run", "small.h5", "d.h5", "-T", "2", "--samples", ":1"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "source.py").write_text(SOURCE)
    monkeypatch.setattr("numba.core.config.CACHE_DIR", "")  # beside the source
    kernels.UNKEPT.clear()
    yield tmp_path
    kernels.UNKEPT.clear()


def fresh(folder):
    """The kernel as a new process has it."""
    spec = importlib.util.spec_from_file_location("source", folder / "source.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module.total


def loaded(folder, *arguments):
    """How many of the calls found their machine code in a file; all give the right sum."""
    kernel = fresh(folder)
    for argument in arguments:
        assert kernel(argument) == argument.sum()
    return sum(kernel.stats.cache_hits.values())


def entry(folder, suffix):
    return next((folder / "__pycache__").glob(f"source.total-*.evsim*{suffix}"))


def cut(content):
    return content[: random.Random(len(content)).randrange(len(content))]


def flipped(content):
    place = random.Random(len(content)).randrange(len(content))
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


@pytest.mark.parametrize("suffix", [".nbi", ".1.nbc"])
def test_a_damaged_file_is_removed_and_made_again(folder, suffix):
    assert loaded(folder, X) == 0
    assert loaded(folder, X) == 1
    for damage in (cut, flipped, lambda content: b""):
        path = entry(folder, suffix)
        path.write_bytes(damage(path.read_bytes()))
        assert loaded(folder, X) == 0
    assert loaded(folder, X) == 1
    assert not kernels.UNKEPT


def test_all_damage_is_found(folder):
    assert loaded(folder, X) == 0
    whole = entry(folder, ".1.nbc").read_bytes()
    path, draws = folder / "copy", random.Random(1)
    spoiled = [whole[:-32], bytes(len(whole)), whole + b"0", whole[:31], whole[:32], b""]
    for _ in range(500):
        place = draws.randrange(8 * len(whole))
        spoiled.append(bytearray(whole))
        spoiled[-1][place // 8] ^= 1 << place % 8
    for content in spoiled:
        path.write_bytes(content)
        assert not kernels.is_whole(str(path))
        assert not path.exists()
    path.write_bytes(whole)
    assert kernels.is_whole(str(path))


def test_a_changed_source_is_compiled_again(folder):
    assert loaded(folder, X) == 0
    (folder / "source.py").write_text(SOURCE.replace("s += v", "s -= v"))
    assert fresh(folder)(X) == -X.sum()


def test_code_for_other_arguments_is_not_taken(folder):
    """Two processes that save at once: the index may be the one's and the code the other's."""
    whole = np.arange(5)
    assert loaded(folder, X, whole) == 0
    assert loaded(folder, X, whole) == 2
    first, second = (entry(folder, f".{n}.nbc") for n in (1, 2))
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b), second.write_bytes(a)
    assert loaded(folder, X, whole) == 0
    assert loaded(folder, X, whole) == 2


def test_code_that_cannot_be_unpickled_is_made_again(folder, monkeypatch):
    assert loaded(folder, X) == 0

    def gone(*_):
        raise ModuleNotFoundError("a module of another version")

    for name in ("_load_index", "_load_data"):
        with monkeypatch.context() as patched:
            patched.setattr(kernels.IndexDataCacheFile, name, gone)
            assert loaded(folder, X) == 0


def test_nothing_can_be_kept(folder, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        monkeypatch.setenv(name, "/dev/null/none")
    monkeypatch.setattr("numba.core.config.CACHE_DIR", "/dev/null/none")
    (folder / "__pycache__").write_text("")  # no folder
    assert loaded(folder, X) == 0
    assert loaded(folder, X) == 0
    assert [f"{folder / '__pycache__'}: File exists"] * 2 == kernels.UNKEPT


def test_a_full_disk_keeps_nothing_and_harms_nothing(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "kernels")

    monkeypatch.setattr(kernels.Hashing, "write", full)
    assert loaded(folder, X) == 0
    assert kernels.UNKEPT == ["kernels: No space left on device"]
    assert not list((folder / "__pycache__").glob("source.total*"))
    monkeypatch.undo()
    assert loaded(folder, X) == 0
    assert loaded(folder, X) == 1


def test_kernels_kept_beside_the_source_are_read_where_nothing_can_be_written(folder, monkeypatch):
    assert loaded(folder, X) == 0
    monkeypatch.setattr(kernels.Kept, "_locator_classes", [kernels.Installed])
    assert loaded(folder, X) == 1
    assert not kernels.UNKEPT


def test_without_a_home_no_folder_is_named_after_it(monkeypatch):
    names = {place.__name__.lstrip("_") for place in kernels.places()}
    assert "UserWideCacheLocator" in names
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert {place.__name__.lstrip("_") for place in kernels.places()} == names - {
        "UserWideCacheLocator"
    }


@pytest.mark.parametrize("quiet", [(), ("--quiet",), ("--json",)])
def test_what_is_not_kept_is_said_once(files, capsys, quiet):
    kernels.UNKEPT[:] = ["a: Read-only file system", "b: Read-only file system"]
    assert run_command(["run", "n.h5", "d.h5", "-T", "2", *quiet]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "kept" in line]
    line = "evsim: compiled kernels cannot be kept, every command compiles them again "
    line += "(NUMBA_CACHE_DIR names another folder): a: Read-only file system"
    assert said == ([] if quiet else [line])
    assert not kernels.UNKEPT


def small(files):
    """A network of few kernels."""
    parts = {place: network_parts()[place] for place in ("/", "populations/in", "populations/out")}
    ends = {"kind": "dense", "source": "in", "target": "out"}
    write("small.h5", {**parts, "synapses/in-out": {**ends, "weight": np.ones((32, 3), "f4")}})
    return files


def begun(*arguments, **environment):
    """A process that runs a command."""
    return subprocess.Popen(
        [sys.executable, "-m", "evsim", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(path):
    with h5py.File(path) as file:
        return file["predictions"][:].tolist(), file["potential/out"][:].tolist()


@pytest.mark.slow
def test_two_processes_compile_at_once_and_what_they_keep_is_damaged(files):
    small(files)
    folder = files / "kernels"
    own = {"NUMBA_CACHE_DIR": str(folder)}
    both = [begun(*RUN, "--out", f"{n}.h5", **own) for n in range(2)]
    for process in both:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    assert result("0.h5") == result("1.h5")
    assert not list(folder.rglob("*.tmp.*"))
    kept = sorted(folder.rglob("*.nb?"))
    assert len(kept) > 4
    after = begun(*RUN, "--quiet", **own)
    assert after.communicate(timeout=300)[1] == ""
    for n, path in enumerate(kept):
        path.write_bytes([cut, flipped][n % 2](path.read_bytes()))
    last = begun(*RUN, "--out", "2.h5", **own)
    said = last.communicate(timeout=300)[1]
    assert last.returncode == 0, said
    assert said.startswith("evsim: compiling kernels, once for this machine ... done in ")
    assert result("0.h5") == result("2.h5")


@pytest.mark.slow
def test_a_read_only_install_without_a_home(files):
    small(files)
    shutil.copytree(ROOT, files / "evsim", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [path for path in (files / "evsim").rglob("*") if path.is_dir()]:
        (folder / "__pycache__").write_text("")  # no folder can be made, whoever asks
    (files / "evsim" / "__pycache__").write_text("")
    none = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), "/dev/null/none")
    none["XDG_CONFIG_HOME"] = none["MPLCONFIGDIR"] = "/dev/null/none"
    process = begun(*RUN, **none, PYTHONPATH=str(files))
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    compiled, kept = said.splitlines()
    assert compiled.startswith("evsim: compiling kernels")
    assert kept.startswith("evsim: compiled kernels cannot be kept")
    assert "1 sample" in out
    pictures = "from evsim.reports.figures import figures; figures()"
    own = {**os.environ, **none, "PYTHONPATH": str(files)}
    done = subprocess.run([sys.executable, "-c", pictures], env=own, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_slots_have_one_meaning():
    """A kernel reads names of its own file only, so the slots of a report are named in three."""
    names = "OVERFLOWS", "FIRST", "LOWEST", "HIGHEST"
    meant = [getattr(width, name) for name in names]
    assert [getattr(_bounded, name) for name in (*names, "BASE")] == [*meant, width.BASE]
    firing = [getattr(_integrate, n) for n in (names[0], "FIRST_OVERFLOW", *names[2:])]
    assert firing == meant
