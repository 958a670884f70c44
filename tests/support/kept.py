"""A small model whose conversion goes through every stage that is kept, and its killings.

`python tests/support/kept.py [NUMBER]` kills so many conversions at random times and system
calls, goes on with each until it is finished, and compares what they write.
"""

import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":  # as a command
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import h5py
import numpy as np
from support.torch_files import hdf5

from evsim.cli.main import run_command
from evsim.store import stages

TOPOLOGY = """
title = "kept"
input = [6, 6, 2]
layers = [
  { name = "conv1", kind = "conv", kernel = 3, padding = 1 },
  { name = "relu1", kind = "relu" },
  { name = "pool1", kind = "pool", kernel = 2 },
  { name = "conv2", kind = "conv", kernel = 3, padding = 1 },
  { name = "relu2", kind = "relu" },
  { name = "add", kind = "add", sources = ["pool1", "relu2"] },
  { name = "relu3", kind = "relu" },
  { name = "flatten", kind = "flatten" },
  { name = "fc1", kind = "dense" },
  { name = "relu4", kind = "relu" },
  { name = "fc2", kind = "dense" },
]
"""
LINE = "convert m.h5 -o n.h5 --topology kept.toml --calibrate d.h5 --samples : --quiet "
WAYS = {  # and the digest of what version 0 wrote, when it held everything in memory
    "--method max -T 16": "c8dcc90594954962",
    "--method percentile --percentile 97 --per-channel -T 16": "ae2901f991ac75e9",
    "--method mmse -T 16": "9bae25ee8e7bcf16",
    "--method spike-norm -T 16 --coding poisson --seed 3": "73e48de5990aae37",
    "--method spike-norm -T 16 --per-channel --reset zero": "e2edbaaa56512e7f",
    "--correct-bias -T 16 --stagger 1 --pooling neurons": "c71ee2212a5c3d0b",
    "--correct-bias -T 16 --method spike-norm": "6cceb81d038e1eda",
    "--scheme switch --window 16": "c8d6eb928c132d79",
}
LONGEST = "--correct-bias -T 16 --method spike-norm"


def files(folder, samples=70):
    """Weights, their topology and images."""
    generator = np.random.default_rng(12)
    shapes = {"conv1": (5, 2, 3, 3), "conv2": (5, 5, 3, 3), "fc1": (12, 45), "fc2": (4, 12)}
    state = {}
    for name, shape in shapes.items():
        spread = np.sqrt(2 / np.prod(shape[1:]))
        state[f"{name}.weight"] = np.float32(generator.normal(size=shape) * spread)
        state[f"{name}.bias"] = np.float32(generator.normal(size=shape[0]) / 8)
    hdf5(folder / "m.h5", state)
    (folder / "kept.toml").write_text(TOPOLOGY)
    with h5py.File(folder / "d.h5", "w") as file:
        file["images"] = generator.integers(0, 256, (samples, 6, 6, 2), np.uint8)


def digest(path):
    """A digest of all that a file holds."""
    found = hashlib.sha256()

    def add(name, thing):
        for key, value in sorted(thing.attrs.items()):
            found.update(f"{name} {key} {np.asarray(value).tolist()!r}".encode())
        if isinstance(thing, h5py.Dataset):
            found.update(f"{name} {thing.shape} {thing.dtype.str}".encode() + thing[()].tobytes())

    with h5py.File(path) as file:
        add("/", file)
        file.visititems(add)
    return found.hexdigest()[:16]


def killed(line, seconds=None, call=None):
    """Run a command in a child that is killed: at a time, or at so many calls that touch files.

    Returns its status; None if it was killed.
    """
    child = os.fork()
    if child == 0:
        try:
            if call is not None:
                sys.addaudithook(_Hook(call))
            os._exit(run_command(line.split()))
        finally:
            os._exit(99)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


class _Hook:
    """Kills this process at a certain opening, renaming or removal of what is ours."""

    EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")

    def __init__(self, call):
        self.left = call

    def __call__(self, event, arguments):
        if event in self.EVENTS and "n.h5" in str(arguments[0]):
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def gone_on(line):
    """Finish a conversion that was killed; returns whether it had to be begun again."""
    if not Path("n.h5.part").exists():
        if not Path("n.h5").exists():
            assert run_command(line.split()) == 0
            return True
        return False
    if not Path("n.h5").exists() or (Path("n.h5.part") / stages.SETTINGS).exists():
        assert run_command(f"{line} --resume".split()) == 0
    else:
        Path("n.h5.part").rmdir()  # all else was removed, as the conversion was finished
    return False


def main(number):
    """Kill at random; what goes on and what is written must be right every time."""
    generator, ends = random.Random(number), {"finished": 0, "begun again": 0, "gone on with": 0}
    kills = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["EVSIM_NO_GUARD"] = "1"
        files(Path(folder))
        stages.PATIENCE = 0
        for way in WAYS:  # compiles
            assert run_command((LINE + way).split()) == 0
            assert digest("n.h5") == WAYS[way]
            Path("n.h5").unlink()
        while kills < number:
            way = generator.choice(list(WAYS))
            line, resumed = LINE + way, ""
            while True:
                place = (
                    {"seconds": generator.expovariate(4)}
                    if generator.random() < 0.5
                    else {"call": int(generator.expovariate(1 / 40))}
                )
                if killed(line + resumed, **place) is not None:
                    ends["finished"] += 1
                    break
                kills += 1
                if generator.random() < 0.3:
                    ends["begun again" if gone_on(line) else "gone on with"] += 1
                    break
                settings = Path("n.h5.part") / stages.SETTINGS
                resumed = " --resume" if settings.exists() else " --overwrite"
            assert digest("n.h5") == WAYS[way], way
            assert not list(Path().glob("n.h5?*")), list(Path().glob("n.h5?*"))
            Path("n.h5").unlink()
    print(f"{kills} kills; " + ", ".join(f"{name} {count}" for name, count in ends.items()))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
