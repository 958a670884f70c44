"""Small networks in simulators that hold every synapse: Brian2 and SANA-FE.

In both a spike arrives a timestep later, so that the n-th layer behind the input is n timesteps
late; what it does is compared with these taken off.
"""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.resources import files
from itertools import islice

import numpy as np
from oracles.geometry import connections
from support.build import description

from benchmarks import peers
from benchmarks.works import Work, grid

COPIES = 8  # samples that Brian2 simulates side by side
CORE = 1024  # neurons of a core of the chip that SANA-FE ships
HALF = 1 / 64  # half a step of the grid as SANA-FE is given it, of which it cuts the rest off


def ways(work: Work, sent: dict) -> Iterator[tuple[str, str, Callable[[], float], float]]:
    """(peer, how, what runs it and returns CPU seconds a sample, these) of the peers here.

    Raises ValueError where one of them sends other spikes than `sent`, those of a run.
    """
    for peer, package, make in (("Brian2", "brian2", brian), ("SANA-FE", "sanafe", sanafe)):
        if peers.installed(package):
            how, seconds, spikes = make(work)
            compare(work, sent, peer, spikes)
            yield peer, how, seconds, min(seconds(), seconds())


def compare(work: Work, sent: dict, peer: str, spikes: dict[str, np.ndarray]) -> None:
    """Raise ValueError unless the spikes (timestep, neuron) of the first sample are the run's."""
    for name, theirs in spikes.items():
        found = sent[name]
        ours = np.stack([found["timestep"], found["neuron"]], axis=1)[found["sample"] == 0]
        theirs = theirs[(theirs[:, 0] >= 0) & (theirs[:, 0] < work.timesteps)]
        theirs = theirs[np.lexsort(theirs.T[::-1])]
        if not np.array_equal(ours, theirs):
            found = f"{len(ours)} and {len(theirs)}"
            raise ValueError(f"{work.name}: the spikes of {name} differ in {peer}: {found}")


def synapses(work: Work) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """(source, target, pairs of neurons, weights) of every set between spiking populations."""
    described = description(work.network)
    for fields in described["synapses"].values():
        source, target = (described["populations"][fields[end]] for end in ("source", "target"))
        if target["kind"] == "iaf":
            lists = connections(fields, source["shape"], target["shape"])
            pairs = [(i, synapse.target) for i, some in enumerate(lists) for synapse in some]
            weights = [float(synapse.weight) for some in lists for synapse in some]
            yield fields["source"], fields["target"], np.array(pairs), np.array(weights)


def late(work: Work) -> dict[str, int]:
    """How many sets lie between the input and each population that fires."""
    found = {work.network.input: 0}
    for stage in work.network.stages:
        for name in stage.populations:
            if name in found or not work.network.populations[name].sends:
                continue
            [before] = {found[work.network.synapses[s].source] for s in work.network.incoming(name)}
            found[name] = before + 1
    return found


def values(part, name: str) -> np.ndarray:
    """A field of a population, one value a neuron."""
    value = getattr(part, name, None)
    value = np.zeros(()) if value is None else np.asarray(value, np.float64)
    return np.broadcast_to(value, part.shape).ravel()


def brian(work: Work) -> tuple[str, Callable[[], float], dict[str, np.ndarray]]:
    """Brian2, Cython at run time: copies of the network side by side, a sample each.

    Generating code and preparing a run is not counted: timesteps are timed from inside.
    """
    import brian2

    brian2.prefs.codegen.target = "cython"
    copies, behind = min(COPIES, len(work.spikes)), late(work)
    steps, dt = work.timesteps + max(behind.values()), brian2.defaultclock.dt
    groups, objects = {}, []
    for name, depth in behind.items():
        part = work.network.populations[name]
        if name == work.network.input:
            at = [np.nonzero(sample) for sample in work.spikes[:copies]]
            neuron = np.concatenate([n + k * part.neurons for k, (_, n) in enumerate(at)])
            when = np.concatenate([t for t, _ in at])
            groups[name] = brian2.SpikeGeneratorGroup(copies * part.neurons, neuron, when * dt)
            continue
        space = {"theta": float(part.threshold), "depth": depth, "step": dt}
        groups[name] = brian2.NeuronGroup(
            copies * part.neurons,
            "v : 1\nbias : 1 (constant)",
            threshold="v >= theta",
            reset="v -= theta",
            namespace=space,
        )
        groups[name].v = np.tile(values(part, "v_init"), copies)
        groups[name].bias = np.tile(values(part, "bias"), copies)
        if part.bias is not None:
            groups[name].run_regularly("v += bias * int(t >= (depth - 0.5) * step)", when="start")
    for source, target, pairs, weights in synapses(work):
        sizes = [work.network.populations[name].neurons for name in (source, target)]
        i, j = (
            np.concatenate([some + k * size for k in range(copies)])
            for some, size in zip(pairs.T, sizes, strict=True)
        )
        objects.append(brian2.Synapses(groups[source], groups[target], "w : 1", on_pre="v += w"))
        objects[-1].connect(i=i, j=j)
        objects[-1].w = np.tile(weights, copies)
    network = brian2.Network(*groups.values(), *objects)
    monitors = {n: brian2.SpikeMonitor(g) for n, g in groups.items() if n != work.network.input}

    ticks = []  # of the processor's time, at every timestep
    network.add(brian2.NetworkOperation(lambda: ticks.append(time.process_time()), when="start"))

    def simulated() -> None:
        network.restore()
        ticks.clear()
        network.run(steps * dt, namespace={})

    def seconds() -> float:
        simulated()
        return (ticks[-1] - ticks[0]) * steps / (steps - 1) / copies

    network.add(*monitors.values())
    network.store()
    simulated()
    spikes = {}
    for name, monitor in monitors.items():
        first = monitor.i < work.network.populations[name].neurons
        when = np.rint(np.asarray(monitor.t / dt)).astype(int) - behind[name]
        spikes[name] = np.stack([when, np.asarray(monitor.i)], axis=1)[first]
    network.remove(*monitors.values())
    network.store()
    return f"batch {copies}, double precision, Cython", seconds, spikes


def sanafe(work: Work) -> tuple[str, Callable[[], float], dict[str, np.ndarray]]:
    """SANA-FE on the Loihi that it ships, with its simple timing; one sample at a time.

    Its potentials begin at 0 and are cut to multiples of 1/64 every timestep, it fires above the
    threshold and not at it, and biases come from the beginning, before a late layer has its first
    input. So everything is counted in half steps of the grid, and one more input neuron sends once
    what each neuron begins with, half a step more, less the biases that come too early.
    """
    import sanafe as tool

    arch = tool.load_arch(files("sanafe.examples") / "loihi.yaml")
    network, cores, behind = tool.Network(), iter(arch.cores()), late(work)
    unit = {name: HALF * 2 / grid(work.network, name) for name in list(behind)[1:]}
    first = network.create_neuron_group("begin", 1)
    groups = {"begin": first}
    trains = {("begin", 0): [True]}
    first[0].set_attributes("loihi_inputs[0]")
    first[0].map_to_core(next(cores))
    for name, depth in behind.items():
        part = work.network.populations[name]
        used = list(islice(cores, -(-part.neurons // CORE)))
        groups[name] = group = network.create_neuron_group(name, part.neurons)
        bias = values(part, "bias") * unit.get(name, 1)
        for index, neuron in enumerate(group):
            if name == work.network.input:
                trains[name, index] = (work.spikes[0][:, index] != 0).tolist()
                neuron.set_attributes(f"loihi_inputs[{index % CORE}]")
            else:
                law = {"threshold": float(part.threshold) * unit[name], "bias": float(bias[index])}
                law |= {"reset_mode": "soft", "leak_decay": 1.0, "force_update": True}
                neuron.set_attributes("loihi_lif", model_attributes=law, log_spikes=True)
            neuron.map_to_core(used[index // CORE])
        if name != work.network.input:
            start = values(part, "v_init") * unit[name] - depth * bias + HALF
            listed = [(0, index) for index in range(part.neurons)]
            first.connect_neurons_sparse(group, {"weight": start.tolist()}, listed)
    for source, target, pairs, weights in synapses(work):
        listed = [tuple(pair) for pair in pairs.tolist()]
        weighted = {"weight": (weights * unit[target]).tolist()}
        groups[source].connect_neurons_sparse(groups[target], weighted, listed)
    chip = tool.SpikingChip(arch)
    chip.load(network)
    steps = work.timesteps + max(behind.values())

    def simulated(**more) -> tuple[float, dict]:
        chip.reset()  # it forgets what the inputs send
        for (group, index), train in trains.items():
            neuron = chip.mapped_neuron_groups[group][index]
            neuron.set_attributes(model_attributes={"spikes": train})
        begin = time.process_time()
        with redirect_stdout(io.StringIO()):  # it says how many steps it took
            found = chip.sim(steps, timing_model="simple", processing_threads=1, **more)
        return time.process_time() - begin, found

    spikes, (_, result) = {name: [] for name in unit}, simulated(spike_trace=True)
    for step, sent in enumerate(result["spike_trace"]):
        for address in sent:
            name = address.group_name
            spikes[name].append((step - behind[name], address.neuron_offset))

    def seconds() -> float:
        taken, again = simulated()
        if again["spikes"] != result["spikes"]:
            raise ValueError(f"{work.name}: SANA-FE sends other spikes the second time")
        return taken

    found = {name: np.array(some).reshape(-1, 2) for name, some in spikes.items()}
    return "batch 1, simple timing", seconds, found
