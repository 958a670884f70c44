"""Memory that does not grow with the number of samples, as Python and NumPy allocate it.

`python tests/benchmarks flat` measures processes over 60,000 images.
"""

import tracemalloc

import pytest
from support.files import images

from evsim.cli.main import run_command

FEW, MANY = 128, 320  # whole batches
BYTES = 500  # that a sample may leave behind: its label, its decision; its facts alone are 1,000
COMMANDS = (
    "run n.h5 {d} -T 12 --quiet --jobs 1",
    "run n.h5 {d} -T 12 --quiet --jobs 1 --out r.h5 --overwrite --record spikes,trace",
    "check n.h5 {d} --chip loihi -T 12 --quiet --jobs 1",
    "compare n.h5 n.h5 {d} -T 12 --quiet --jobs 1 --keep {d}.kept",
    "quantize n.h5 -o q.h5 --bits 4 --data {d} -T 12 --overwrite --quiet --jobs 1",
    "info {d}.result",
    "cost {d}.result --chip loihi --json",
    "report {d}.result -o p.html --overwrite",
)


def peak(line):
    """The most bytes that a command in this process has allocated at a time."""
    tracemalloc.start()
    try:
        assert run_command(line.split()) in (0, 1)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_does_not_grow_with_samples(files, monkeypatch, capsys):
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    from evsim import store
    from evsim.engine import totals
    from evsim.formats import data, result

    monkeypatch.setattr(store, "BYTES", 1 << 17)
    monkeypatch.setattr(totals, "BLOCK", 16)
    monkeypatch.setattr(data, "READ", 1 << 12)
    monkeypatch.setattr(result, "ROWS", 64)
    for count in (FEW, MANY):
        images(f"{count}.h5", samples=count)
        line = f"run n.h5 {count}.h5 -T 12 --quiet --out {count}.h5.result"
        assert run_command(line.split()) == 0
    for line in COMMANDS:
        peak(line.format(d=f"{FEW}.h5").replace(".kept", ".first"))  # what is loaded once
        few, many = (peak(line.format(d=f"{count}.h5")) for count in (FEW, MANY))
        assert many - few < (MANY - FEW) * BYTES, (line, few, many)
