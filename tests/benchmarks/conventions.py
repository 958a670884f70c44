"""What other tools count for evsim's own networks, by the tools themselves.

`python tests/benchmarks/conventions.py [--write FILE] [--keep FILE]`: runs networks, feeds the
recorded events layer by layer into every counter that is installed, and sets its numbers beside
those of `evsim run --convention`. Exit status 1 where they differ. syops needs an older
SpikingJelly than the others: run it in two environments with one `--keep`, which keeps finished
rows (JSON).
"""

import argparse
import json
import sys
import tempfile
import warnings
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from claims import SHARED, command, table

ROOT = Path(__file__).resolve().parents[2]
WRITE = "python tests/benchmarks/conventions.py --write tests/benchmarks/CONVENTIONS.md"
CLOSE = 1e-9  # relative, of sums of quotients; whole numbers must be the same


@dataclass(frozen=True)
class Case:
    """A network and what it is shown; `model`: of ../shared, with the options to convert it."""

    network: str
    samples: int
    coding: str | None = None
    timesteps: int | None = None
    model: tuple[str, ...] = ()
    data: str = "digits_test"

    @property
    def name(self) -> str:
        return f"{self.network}, {self.coding}" if self.coding else self.network


CASES = (
    Case("digits-conv", 10, "constant"),
    Case("digits-conv", 10, "poisson"),
    Case("digits-dense", 10, "constant"),
    Case("digits-dense", 10, "poisson"),
    Case("digits-int8", 10, "poisson"),
    Case("digits-backres", 10, "poisson"),
    Case("digits-hybrid", 10, "constant"),
    Case("digits-stochastic", 10, "constant"),
    Case("digits-binary", 10, "constant"),
    Case("digits-switch", 10, "switch"),
    Case("digits-ttfs", 10, "latency"),
    Case(
        "LeNet (average pools)", 2, "poisson", 64, ("mnist-lenet-avgpool.keras2.h5",), "mnist_test"
    ),
    Case(
        "LeNet (average pools)", 2, "constant", 64, ("mnist-lenet-avgpool.keras2.h5",), "mnist_test"
    ),
    Case(
        "LeNet (pools of neurons)",
        2,
        "poisson",
        64,
        ("mnist-lenet-avgpool.keras2.h5", "--pooling", "neurons"),
        "mnist_test",
    ),
    Case(
        "VGG-16",
        1,
        "constant",
        32,
        ("cifar10-vgg16.torch-state.h5", "--topology", "vgg16"),
        "cifar10_test_exact",
    ),
)


def main() -> int:
    """Count what is asked for, print the tables; 1 where a tool's number is another than ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="of tools or networks")
    parser.add_argument("--keep", metavar="FILE")
    parser.add_argument("--write", metavar="FILE")
    arguments = parser.parse_args()
    kept = Path(arguments.keep) if arguments.keep else None
    found = json.loads(kept.read_text()) if kept and kept.exists() else {}
    for case in CASES:
        wanted = {tool: f"{tool}: {case.name}" for tool in TOOLS if installed(tool)}
        left = {tool: key for tool, key in wanted.items() if key not in found}
        left = {t: k for t, k in left.items() if all(word in k for word in arguments.words)}
        if not left or (case.model and not SHARED.is_dir()):
            continue
        run, inputs = simulated(case)
        for tool, key in left.items():
            found[key] = counted(tool, run, inputs)
            print(key, "differs" if differing(found[key]) else "equal", file=sys.stderr, flush=True)
            if kept:
                kept.write_text(json.dumps(found, indent=1))
    text = markdown(found)
    print(text, end="")
    if arguments.write:
        Path(arguments.write).write_text(text, encoding="utf-8")
    return int(any(differing(row) for row in found.values()))


def installed(tool: str) -> bool:
    """Whether this environment has the tool, in the version whose numbers evsim tells."""
    try:
        return all(metadata.version(name) == version for name, version in TOOLS[tool].items())
    except metadata.PackageNotFoundError:
        return False


def simulated(case: Case):
    """The run of a case with its events recorded, and its images."""
    import evsim

    with tempfile.TemporaryDirectory() as folder:
        path, images = ROOT / "networks" / f"{case.network}.h5", ROOT / "data"
        if case.model:
            path, images = Path(folder) / "network.h5", SHARED / "data"
            model, *options = case.model
            train = images / f"{case.data.replace('test', 'train')}.h5"
            some = ("--calibrate", str(train), "--samples", ":100")
            command("convert", str(SHARED / "networks" / model), "-o", str(path), *some, *options)
        network = evsim.load(path)
    with evsim.open_data(images / f"{case.data}.h5") as data:
        inputs = data.images[: case.samples]
    rule = {"timesteps": case.timesteps, "coding": case.coding}
    return evsim.run(network, inputs, record=("spikes",), **rule), inputs


def counted(tool: str, run, inputs) -> dict:
    """What a tool counts for every part, what evsim says that it would, and the exact number."""
    import torch

    from evsim.studies.other_tools import conventions, reported

    torch.set_default_dtype(torch.float64)  # so that its sums are exact
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers = COUNTERS[tool](run, inputs)
    [said] = reported((tool,), run, inputs, jobs=None, memory=1 << 29, quiet=True)
    scale = len(run.samples) if conventions(tool).per_sample else 1
    scale *= run.settings.timesteps if conventions(tool).per_timestep else 1
    rows = {}
    for part, row in said["parts"].items():
        number = numbers.get(part)
        rows[part] = {
            "tool": None if number is None else number / scale,
            "evsim": row["reported"],
            "exact": row["exact"],
            "reason": row["reason"],
        }
    return {"unit": said["unit"], "parts": rows}


# The layers of a network as these tools have them


def layers(run, inputs):
    """Of every set that PyTorch has a layer for: its name, modules, and what the first is fed.

    That is (timesteps, samples, channels, height, width) or (timesteps, samples, neurons).
    """
    import torch
    from torch import nn

    network = run.network
    for name in network.order:
        if name not in network.synapses:
            continue
        part = network.synapses[name]
        source, target = network.ends(part)
        fed = torch.tensor(events(run, inputs, part))
        if len(source.shape) == 3:
            fed = fed.unflatten(2, source.shape).permute(0, 1, 4, 2, 3)
        first = getattr(part, "prepool", (1, 1))
        made = [nn.AvgPool2d(first)] if first != (1, 1) else []
        biased = run.parts[part.target]["bias"]
        weight = part.weights()
        if part.kind == "dense":
            if len(source.shape) == 3:
                height, width, channels = source.shape
                size = (height // first[0], width // first[1], channels)
                weight = weight.reshape(*size, -1).transpose(2, 0, 1, 3).reshape(weight.shape)
                made.append(nn.Flatten())
            made.append(nn.Linear(*weight.shape, bias=biased))
            made[-1].weight = nn.Parameter(torch.tensor(np.float64(weight.T)))
        elif part.kind == "conv" and part.padding[::2] == part.padding[1::2]:
            fields = {name: getattr(part, name) for name in ("stride", "dilation", "groups")}
            fields |= {"padding": part.padding[::2], "bias": biased}
            kernel = weight.shape[:2]
            made.append(nn.Conv2d(source.channels, target.channels, kernel, **fields))
            weight = np.float64(weight).transpose(3, 2, 0, 1)
            made[-1].weight = nn.Parameter(torch.tensor(weight.copy()))
        elif part.kind == "pool" and not any(part.padding):
            made.append(nn.AvgPool2d(part.kernel, part.stride))
        else:
            continue
        yield name, made, fed


def events(run, inputs, part) -> np.ndarray:
    """What arrives through a set: (timesteps, samples, neurons of the source)."""
    from evsim.engine.settings import values_of

    steps, source = run.settings.timesteps, run.network.populations[part.source]
    found = np.zeros((steps, len(run.samples), source.neurons))
    if part.source in run.spikes:
        sent = run.spikes[part.source]
        arrives = sent["timestep"] + part.delay
        sent, arrives = sent[arrives < steps], arrives[arrives < steps]
        found[arrives, sent["sample"], sent["neuron"]] = sent["value"]
    else:  # a constant input, which is no event but a value at every timestep
        for sample in range(len(run.samples)):
            values = values_of(source, inputs, sample, np.dtype(run.settings.dtype))
            found[part.delay :, sample] = np.ravel(values)
    return found


def calls(made, fed):
    """(the last module, what it is fed) at each timestep; what stands before it has worked."""
    *before, last = made
    for step in fed:
        for module in before:
            step = module(step)
        yield last, step


# The tools' own counters: sums over samples and timesteps, of sets and neurons by name


def spikingjelly(run, inputs) -> dict:
    """One sample a call: averages count in a call of 0 and 1 alone."""
    from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter

    found = {}
    for name, made, fed in layers(run, inputs):
        counter = SynOpCounter()
        with DispatchCounterMode([counter]):
            for layer, step in calls(made, fed.flatten(0, 1)[:, None]):
                layer(step)
        found[name] = counter.get_total()
    return found


def neurobench(run, inputs) -> dict:
    from neurobench.metrics.utils.layers import single_layer_MACs

    return {
        name: sum(single_layer_MACs(step, layer)[0] for layer, step in calls(made, fed))
        for name, made, fed in layers(run, inputs)
    }


def sinabs(run, inputs) -> dict:
    """All layers in one chain: the scale of a pool is that of the next layer with weights."""
    from sinabs.hooks import register_synops_hooks
    from torch import nn

    class Given(nn.Module):
        """Gives the recorded events, whatever comes, as spiking neurons would."""

        def __init__(self, events):
            super().__init__()
            self.events = events

        def forward(self, _):
            return self.events

    chain, last = [], {}
    for name, made, fed in layers(run, inputs):
        chain += [Given(fed.flatten(0, 1)), *made]
        last[name] = len(chain) - 1
    model = nn.Sequential(*chain)
    register_synops_hooks(model)
    model(None)
    numbers = model.hook_data["synops_per_timestep"]
    over = run.settings.timesteps * len(run.samples)  # it is their mean
    return {name: float(numbers.get(index, 0)) * over for name, index in last.items()}


def syops(run, inputs) -> dict:
    """ACs and MACs, one sample a call."""
    import torch
    from spikingjelly.clock_driven.neuron import IFNode, LIFNode
    from syops.ops import MODULES_MAPPING

    found = {}
    for name, made, fed in layers(run, inputs):
        output = None
        for layer, step in calls(made, fed.flatten(0, 1)[:, None]):
            if output is None:  # the hooks ask for its shape alone
                output, layer.__syops__ = layer(step), np.zeros(4)
            MODULES_MAPPING[type(layer)](layer, (step,), output)
        found[name] = layer.__syops__[1:3].sum()
    for name, part in run.network.populations.items():
        if part.kind in ("iaf", "lif"):
            node = {"iaf": IFNode, "lif": LIFNode}[part.kind]
            counting = torch.nn.Identity()
            counting.__syops__ = np.zeros(4)
            current = torch.zeros(1, part.neurons)
            for _ in range(run.settings.timesteps * len(run.samples)):
                MODULES_MAPPING[node](counting, (current,), (current,))
            found[name] = counting.__syops__[1]
    return found


COUNTERS = {
    "spikingjelly": spikingjelly,
    "neurobench": neurobench,
    "sinabs": sinabs,
    "syops": syops,
}
TOOLS = {  # what must be installed, in which version
    "spikingjelly": {"spikingjelly": "2.0.0"},
    "neurobench": {"neurobench": "2.3.0"},
    "sinabs": {"sinabs": "3.1.3"},
    "syops": {"syops": "0.0.5", "spikingjelly": "0.0.0.0.12"},
}


# The tables


def known(found: dict) -> dict:
    """The parts that both tell."""
    rows = found["parts"].items()
    return {name: row for name, row in rows if None not in (row["tool"], row["evsim"])}


def differing(found: dict) -> list[str]:
    """The parts for which the tool counted another number than evsim says."""

    def equal(row) -> bool:
        return abs(row["tool"] - row["evsim"]) <= CLOSE * abs(row["tool"])

    return [name for name, row in known(found).items() if not equal(row)]


def number(value) -> str:
    """A number as the tables show it."""
    if value is None:
        return "-"
    value = round(value, 6)  # sums in another order end in other bits
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}"


def markdown(found: dict) -> str:
    """All tables of what was counted so far."""
    lines = [
        "# Conventions of other tools, by the tools",
        "",
        f"Made by `{WRITE}` with `--keep FILE`, once beside SpikingJelly 2.0.0, once beside "
        "0.0.0.0.12, which syops needs. The events of a run are fed, layer by layer and timestep "
        "by timestep, into the counter of the installed tool, in float64 (SpikingJelly and syops: "
        "one sample a call); `evsim` is what `evsim "
        "run --convention` says of the same run, `exact` its own count in the tool's unit. Sums "
        "are over the parts (sets, and neurons where the tool counts them) that both tell; they "
        f"are equal where each of these parts is (whole numbers the same, means within {CLOSE:g}).",
    ]
    for tool, needed in TOOLS.items():
        own = {case: found.get(f"{tool}: {case.name}") for case in CASES}
        own = {case: row for case, row in own.items() if row}
        title = " beside ".join(f"{name} {version}" for name, version in needed.items())
        lines += ["", f"## {title}", ""]
        if not own:
            lines += ["Not installed where this page was made.", ""]
            continue
        lines.append(f"Unit: {next(iter(own.values()))['unit']}.")
        columns = ["network, coding", "samples", "tool", "evsim", "exact", "equal", "not known"]
        lines += table(columns, [row(case, one) for case, one in own.items()])
        lines += unknown(own)
    lines = [line for k, line in enumerate(lines) if line or lines[k - 1]]
    return "\n".join(lines).rstrip() + "\n"


def row(case: Case, found: dict) -> list:
    """A line of a table."""
    both, other = known(found), differing(found)
    sums = [number(sum(r[what] for r in both.values())) for what in ("tool", "evsim", "exact")]
    verdict = f"{len(both) - len(other)} of {len(both)}"
    verdict += f", not {', '.join(other)}" if other else ""
    sums = sums if both else ["-"] * 3
    return [case.name, case.samples, *sums, verdict, len(found["parts"]) - len(both) or "-"]


def unknown(own: dict[Case, dict]) -> list[str]:
    """What evsim does not tell, by reason; and what the tool counted, where it can."""
    reasons: dict[str, list[str]] = {}
    for case, found in own.items():
        for name, part in found["parts"].items():
            if name not in known(found):
                here = f"{case.name}: `{name}` {number(part['tool'])}"
                reasons.setdefault(part["reason"], []).append(here)
    if not reasons:
        return []
    lines = ["Not known to evsim, with the tool's number where it has a layer for it:", ""]
    return lines + [f"- {why}: {'; '.join(where)}" for why, where in reasons.items()] + [""]


if __name__ == "__main__":
    sys.exit(main())
