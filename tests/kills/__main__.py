"""Kill commands at random and let them go on: `python tests/kills [kills] [seed]`."""

import contextlib
import io
import json
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.files import content, images, network

from evsim import store
from evsim.cli.main import run_command
from kills import Simulated, somewhere, whole_samples

COMMANDS = {
    "run": "run n.h5 d.h5 -T 4 --record spikes,trace,queues,ranges --quiet --out kept/r.h5",
    "check": "check n.h5 d.h5 --chip odin -T 6 --json --keep kept",
    "compare": "compare n.h5 n.h5 d.h5 -T 6 --json --keep kept",
    "quantize": "quantize n.h5 -o q.h5 --bits 4 --potential-bits 6 --data d.h5 -T 6 --json "
    "--overwrite --keep kept",
}


def said(line: str) -> str:
    """Run a command in this process; returns what it printed, without times."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        assert run_command(line.split()) in (0, 1), line
    if not out.getvalue():
        return ""
    found = json.loads(out.getvalue())
    for row in found.get("networks", ()):
        del row["seconds"]
    return json.dumps(found)


def result(name: str, line: str):
    """What a command came to, and nothing of it left but what is kept."""
    printed = said(line)
    if name == "run":
        printed = content("kept/r.h5")
        left = sorted(str(path) for path in Path("kept").rglob("*"))
        assert left == ["kept/r.h5"], left
    assert not list(Path().rglob("*.tmp"))
    return printed


def again(name: str, line: str) -> str:
    """The command as a user gives it after what came before."""
    if name == "run" and Path("kept/r.h5.part").exists():
        return f"{line} --resume"
    if name == "run" and Path("kept/r.h5").exists():
        return f"{line} --overwrite"
    return line


def clear() -> None:
    for path in sorted(Path("kept").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def kills(count: int, seed: int, names=tuple(COMMANDS)) -> tuple[Counter, Counter]:
    """Kill commands `count` times in the current folder; raises AssertionError at the first loss.

    Returns by (command, way): how many were killed, and how many samples shards then had.
    """
    chance = random.Random(seed)
    network("n.h5")
    images("d.h5", samples=8)
    Path("kept").mkdir()
    wanted = {}
    for name in names:
        wanted[name] = result(name, COMMANDS[name])
        clear()
    done, had = Counter(), Counter()
    while done.total() < count:
        name = chance.choice([*names, "run"])
        line = COMMANDS[name]
        jobs = f" --jobs {chance.randint(1, 2)}"
        for _ in range(2):  # twice in a row, one time in two
            way, was = somewhere(chance, again(name, line) + jobs)
            done[name, way] += was
            if chance.random() < 0.5 or not was:
                break
        shards = whole_samples(Path("kept"))
        had[name, way] += len(shards)
        with Simulated() as simulated:
            assert result(name, again(name, line)) == wanted[name]
        lost = shards & simulated.samples
        assert not lost, (name, lost)
        clear()
    return done, had


def main() -> None:
    count, seed = (int(text) for text in (sys.argv[1:] + ["2000", "0"][len(sys.argv) - 1 :]))
    store.MOST = 0  # every sample is a shard
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        done, had = kills(count, seed)
    print("| command | killed at | kills | samples that shards had | of them simulated again |")
    print("|---|---|---|---|---|")
    for name, way in sorted(done):
        print(f"| {name} | {way} | {done[name, way]} | {had[name, way]} | 0 |")
    print(f"| all | | {done.total()} | {had.total()} | 0 |")


if __name__ == "__main__":
    main()
