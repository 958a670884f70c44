"""NIR files read with `like`, against the neurons of the tool itself: the same spikes?

`python tests/benchmarks/like.py [--write FILE]`: builds random small networks of each tool's own
neurons, has its own exporter write them as NIR where it has one, reads the file with `like`, feeds
both the same spikes, and compares what every population sends, timestep by timestep and value by
value. The three real files are put on the grid first (weights and thresholds to multiples of
2^-10, leaks to multiples of 1/16), so that every sum is exact in float32 and not one spike may
differ; their neurons are those of the tool, in layers of PyTorch. Beside it the same files without
`like`. Exit status 1 where a spike differs with `like`.

The tools: `pip install -e '.[bench-like]'`, then `pip install --no-deps sinabs==3.1.3
spikingjelly==2.0.0 pbr tqdm`, as Sinabs asks for an older `nir` than the others.
"""

import argparse
import contextlib
import dataclasses
import importlib
import importlib.util
import io
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
from claims import SHARED, table

import evsim

WRITE = "python tests/benchmarks/like.py --write tests/benchmarks/LIKE.md"
TOOLS = ("snntorch", "sinabs", "norse", "spikingjelly", "rockpool")
HEADER = [
    "tool",
    "network",
    "steps",
    "networks",
    "spikes, evsim",
    "spikes, tool",
    "differ",
    "without `like`",
]
SEEDS, STEPS, GRID = 4, 60, 2.0**-10
REAL = {"nmnist-cnn.nir": 1.0, "braille-recurrent-subtract.nir": 1e-4, "lif.nir": 1e-3}  # dt


@dataclasses.dataclass
class Case:
    """A network in a NIR file, and what the tool makes of a stimulus."""

    name: str
    path: Path
    stimulus: np.ndarray  # (timesteps, ...) as NIR has it
    sent: list  # by layer, in order: what its neurons send, (timesteps, ...)
    options: dict = dataclasses.field(default_factory=dict)


def main() -> int:
    """Compare all tools that are installed; print the table, and write it with --write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--tool", choices=TOOLS, help="this one alone")
    arguments = parser.parse_args()
    rows, wrong = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        for tool in [arguments.tool] if arguments.tool else TOOLS:
            if importlib.util.find_spec(tool) is None:
                print(f"{tool} is not here: see the top of this file", file=sys.stderr)
                continue
            for case in cases(tool, Path(folder)):
                ours, theirs, differ = compared(case, like=tool)
                try:
                    _, _, plain = compared(case)
                except evsim.EvsimError:
                    plain = None
                wrong += differ
                row = rows.setdefault((tool, case.name, len(case.stimulus)), [0, 0, 0, 0, 0])
                for place, figure in enumerate((1, ours, theirs, differ, plain)):
                    row[place] = None if None in (row[place], figure) else row[place] + figure
    shown = [
        [*map(str, names), *("not read" if n is None else f"{n:,}" for n in figures)]
        for names, figures in rows.items()
    ]
    text = "\n".join(table(HEADER, shown)).strip()
    print(text)
    if arguments.write:
        known = [tool for tool in (*TOOLS, "torch", "nir", "nirtorch") if _version(tool)]
        versions = ", ".join(f"{tool} {_version(tool)}" for tool in known)
        said = " ".join(__doc__.split("\n\n")[1].split("`: ", 1)[1].split())
        page = f"# As the tool fires\n\nMade by `{WRITE}` with {versions}: {said}\n\n"
        Path(arguments.write).write_text(f"{page}{text}\n", encoding="utf-8")
    return int(wrong > 0)


def _version(tool: str) -> str:
    try:
        return metadata.version(tool)
    except metadata.PackageNotFoundError:
        return ""


def compared(case: Case, **like) -> tuple[int, int, int]:
    """Spikes of evsim, of the tool, and how many differ."""
    network = evsim.read(case.path, **case.options, **like)
    steps = len(case.stimulus)
    shape = network.populations[network.input].shape
    timestep, neuron = last(case.stimulus).nonzero()
    about = {"shape": shape, "samples": 1, "timesteps": steps}
    events = evsim.Events(np.zeros_like(timestep), timestep, neuron, **about)
    run = evsim.run(network, events, timesteps=steps, record="spikes")
    names = [name for stage in network.stages for name in stage.populations]
    names = [name for name in names if name != network.input and name in run.spikes]
    ours = theirs = differ = 0
    for name, sent in zip(names, case.sent, strict=True):
        found = np.zeros((steps, network.populations[name].neurons))
        table_of = run.spikes[name]
        found[table_of["timestep"], table_of["neuron"]] = table_of["value"]
        expected = last(sent)
        ours, theirs = ours + int(found.sum()), theirs + int(expected.sum())
        differ += int((found != expected).sum())
    return ours, theirs, differ


def last(values: np.ndarray) -> np.ndarray:
    """(timesteps, neurons), channels last, of (timesteps, channels, height, width) or fewer."""
    values = np.moveaxis(values, 1, -1) if values.ndim == 4 else values
    return values.reshape(len(values), -1)


def cases(tool: str, folder: Path):
    """The random networks of a tool, then the real files."""
    module = importlib.import_module("like_tools")
    for seed in range(SEEDS):
        for build in module.RANDOM[tool]:
            path = folder / f"{tool}-{build.__name__}-{seed}.nir"
            random = np.random.default_rng(seed)
            stimulus = (random.random((STEPS, 12)) < 0.4).astype(np.float32)
            with contextlib.redirect_stdout(io.StringIO()):
                options, sent = build(random, stimulus, path)
            name = build.__doc__.splitlines()[0].rstrip(".")
            yield Case(name, path, stimulus, sent, options)
    for name, dt in REAL.items():
        source = SHARED / "networks" / name
        if not source.exists():
            print(f"{name}: ../shared is not here", file=sys.stderr)
            continue
        path = Path(shutil.copy(source, folder / f"{tool}-{name}"))
        path.chmod(0o644)
        on_grid(path, dt)
        stimulus = real_stimulus(name)
        sent = module.real(tool, path, stimulus, dt)
        if sent is not None:
            options = {"dt": dt}
            if "subtract" in name and tool in ("norse", "spikingjelly"):
                options["reset"] = "subtract"
            yield Case(f"{name} on the grid", path, stimulus, sent, options)


def on_grid(path: Path, dt: float) -> None:
    """Round weights and thresholds to multiples of 2^-10, leaks to multiples of 1/16."""
    with h5py.File(path, "r+") as file:
        for node in file["node/nodes"].values():
            for name in ("weight", "v_threshold"):
                if name in node:
                    node[name][...] = np.round(node[name][...] / GRID) * GRID
            for name, factor in (("tau", "r"), ("tau_mem", "r"), ("tau_syn", "w_in")):
                if name in node:
                    before = np.float64(node[name][...])
                    gain = node[factor][...] * dt / before
                    leak = np.clip(np.round((1 - dt / before) * 16), 1, 15) / 16
                    kept = (node[factor][...] == 1).all()  # the input leaks, too
                    changed = {name: dt / (1 - leak)}
                    changed |= {} if kept else {factor: gain / (1 - leak)}
                    for field, value in changed.items():
                        del node[field]
                        node[field] = value


def real_stimulus(name: str) -> np.ndarray:
    """Spikes for a real file: of a real recording, or random ones."""
    random = np.random.default_rng(7)
    if not name.startswith("nmnist"):
        return (random.random((256, 12 if "braille" in name else 1)) < 0.3).astype(np.float32)
    found = np.zeros((300, 2, 34, 34), np.float32)
    with evsim.open_data(SHARED / "data" / "nmnist_small.h5") as data:
        timestep, neuron, _ = data.events.of(0)
        y, x, polarity = np.unravel_index(neuron, (34, 34, 2))
        inside = timestep < len(found)
        found[timestep[inside], polarity[inside], y[inside], x[inside]] = 1
    return found


if __name__ == "__main__":
    raise SystemExit(main())
