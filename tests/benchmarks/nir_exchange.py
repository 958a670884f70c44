"""Networks that evsim exports as NIR graphs, run in another simulator: the same spikes?

`python tests/benchmarks/nir_exchange.py [--write FILE]`: exports networks, loads the files with
Sinabs (`pip install -e '.[bench]'`), sets there what NIR cannot say (one spike a timestep, the
potential at the beginning, no lower limit), feeds both the same events or values, and compares the
spikes of every population, timestep by timestep. Exit status 1 where more than one in ten
thousand differs or a decision does: both add float32 in an order of their own, so that a potential
next to its threshold may fall on either side.
"""

import argparse
import contextlib
import io
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
from claims import SHARED, table

import evsim

ROOT = Path(__file__).resolve().parents[2]
WRITE = "python tests/benchmarks/nir_exchange.py --write tests/benchmarks/NIR.md"
MOST = 1e-4  # of the spikes may differ
CASES = (  # network, what it is shown in every timestep, samples
    ("digits-dense", "values", 20),
    ("digits-dense", "spikes", 20),
    ("digits-int8", "values", 20),
    ("digits-int8", "spikes", 20),
    ("LeNet", "values", 5),
    ("LeNet", "spikes", 5),
)
HEADER = ["network, input", "samples", "spikes, evsim", "spikes, Sinabs", "differ", "decisions"]


def main() -> int:
    """Compare all cases; print the table, and write it with --write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown")
    arguments = parser.parse_args()
    rows, held = [], True
    with tempfile.TemporaryDirectory() as folder:
        for name, what, samples in CASES:
            found = compared(name, what, samples, Path(folder) / "n.nir")
            if found is None:
                print(f"{name}: ../shared is not here", file=sys.stderr)
                continue
            ours, theirs, differ, same = found
            held &= differ <= MOST * ours and same == samples
            numbers = [f"{ours:,}", f"{theirs:,}", f"{differ:,}", f"{same} of {samples} the same"]
            rows.append([f"{name}, {what}", str(samples), *numbers])
    text = "\n".join(table(HEADER, rows)).strip()
    print(text)
    if arguments.write:
        tools = ", ".join(
            f"{n} {metadata.version(n)}" for n in ("sinabs", "nirtorch", "nir", "torch")
        )
        said = " ".join(__doc__.split("\n\n")[1].split("`: ", 1)[1].split())
        page = (
            f"# Networks in another simulator, by NIR\n\nMade by `{WRITE}` with {tools}: {said}\n\n"
        )
        Path(arguments.write).write_text(f"{page}{text}\n", encoding="utf-8")
    return int(not held)


def network_of(name: str):
    """A network and its data; None where they are not here."""
    if name != "LeNet":
        return evsim.load(ROOT / "networks" / f"{name}.h5"), ROOT / "data" / "digits_test.h5"
    model = SHARED / "networks" / "mnist-lenet-avgpool.keras2.h5"
    if not model.exists():
        return None
    data = SHARED / "data"
    how = {"calibrate": data / "mnist_train.h5", "samples": 200, "timesteps": 64}
    return evsim.convert(str(model), **how), data / "mnist_test.h5"


def compared(name: str, what: str, samples: int, path: Path):
    """Spikes of evsim, of Sinabs, how many differ, and how many decisions are the same."""
    found = network_of(name)
    if found is None:
        return None
    network, data = found
    part, timesteps = network.populations[network.input], network.timesteps or 64
    with evsim.open_data(data) as opened:
        images = opened.images[:samples]
    shown = np.stack([part.scaled(image, np.float32) for image in images])
    shown = np.repeat(shown[:, None], timesteps, axis=1)  # (samples, timesteps, neurons)
    given = images
    if what == "spikes":
        shown = (np.random.default_rng(1).random(shown.shape) < shown).astype(np.float32)
        about = {"shape": part.shape, "samples": samples, "timesteps": timesteps}
        given = evsim.Events(*shown.nonzero(), **about)
    run = evsim.run(network, given, record="spikes", timesteps=timesteps)
    evsim.nir_export(network, path, overwrite=True)
    inputs = shown.reshape(samples, timesteps, *part.shape)
    inputs = np.moveaxis(inputs, -1, 2) if len(part.shape) == 3 else inputs
    sums, spikes = simulated(network, path, inputs)
    ours = theirs = differ = 0
    for population, events in run.spikes.items():
        if population == network.input:
            continue
        part = network.populations[population]
        dense = np.zeros((samples, timesteps, part.neurons), bool)
        dense[events["sample"], events["timestep"], events["neuron"]] = True
        other = last(spikes[population], part.shape).reshape(dense.shape)
        ours, theirs = ours + int(dense.sum()), theirs + int(other.sum())
        differ += int((dense != (other != 0)).sum())
    decided = sums.reshape(samples, timesteps, -1).sum(axis=1).argmax(axis=1)
    return ours, theirs, differ, int((decided == run.predictions).sum())


def simulated(network, path: Path, inputs: np.ndarray) -> tuple[np.ndarray, dict]:
    """The outputs of Sinabs, and the spikes of every population, samples and timesteps in one."""
    import nir
    import sinabs.activation as activation
    import sinabs.layers as layers
    import sinabs.nir
    import torch

    graph = nir.read(path)
    samples, timesteps = inputs.shape[:2]
    with contextlib.redirect_stdout(io.StringIO()):
        model = sinabs.nir.from_nir(graph, batch_size=samples)
    modules, found = dict(model.named_modules()), {}
    for name in network.populations:
        layer = modules.get(name.replace(".", "_"))
        if not isinstance(layer, layers.IAF):
            continue
        layer.spike_fn, layer.min_v_mem = activation.SingleSpike, None
        begin = np.asarray(graph.nodes[name].metadata.get("evsim_v_init", 0.0))
        begin = np.broadcast_to(begin, graph.nodes[name].v_threshold.shape)
        layer.v_mem = torch.tensor(np.repeat(begin[None], samples, 0), dtype=torch.float32)
        layer.register_forward_hook(
            lambda _, __, out, name=name: found.__setitem__(name, out.detach().numpy())
        )
    flat = torch.tensor(inputs.reshape(samples * timesteps, *inputs.shape[2:]), dtype=torch.float32)
    with torch.no_grad():
        result = model(flat)
    sums = result[0] if isinstance(result, tuple) else result
    return sums.numpy(), found


def last(spikes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Spikes with their channels last, as evsim numbers neurons."""
    return np.moveaxis(spikes, 1, -1) if len(shape) == 3 else spikes


if __name__ == "__main__":
    sys.exit(main())
