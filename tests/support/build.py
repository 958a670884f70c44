"""From the oracles' plain descriptions to networks and runs of evsim."""

from dataclasses import fields

import numpy as np

import evsim


def network(description: dict, **attributes) -> evsim.Network:
    """The evsim network of a description."""
    folders = []
    for folder, kinds in (
        ("populations", evsim.neuron_kinds()),
        ("synapses", evsim.synapse_kinds()),
    ):
        parts = {}
        for name, own in description[folder].items():
            own = dict(own)
            parts[name] = kinds[own.pop("kind")].build(own)
        folders.append(parts)
    ends = {"input": description["input"], "output": description["output"]}
    if "window" in description:
        attributes["window"] = description["window"]
    return evsim.Network(*folders, **ends, **attributes)


def description(found: evsim.Network) -> dict:
    """The oracles' description of an evsim network."""
    folders = {"populations": found.populations, "synapses": found.synapses}
    described = {
        folder: {
            name: {"kind": part.kind}
            | {
                f.name: getattr(part, f.name)
                for f in fields(part)
                if getattr(part, f.name) is not None
            }
            for name, part in parts.items()
        }
        for folder, parts in folders.items()
    }
    return {"input": found.input, "output": found.output, **described}


def inputs(case):
    """The inputs of a case as evsim takes them: one sample, at index case.sample."""
    if case.coding != "events":
        return np.asarray(case.inputs)[None]
    shape = case.network["populations"][case.network["input"]]["shape"]
    columns = np.array([event[:2] for event in case.inputs], np.int64).reshape(-1, 2)
    return evsim.Events(
        np.zeros(len(columns), np.int64),
        columns[:, 0],
        columns[:, 1],
        np.array([float(event[2]) for event in case.inputs]),
        shape=shape,
        samples=1,
        timesteps=max(case.timesteps, *columns[:, 0] + 1, 1),
        graded=case.graded,
    )


def samples(cases, graded=None):
    """The inputs of cases of one network and one coding: a sample each, from index 0 on."""
    each = [inputs(case) for case in cases]
    if cases[0].coding != "events":
        return np.concatenate(each)
    columns = {name: [e.columns[name] for e in each] for name in ("timestep", "neuron", "value")}
    sample = [np.full(len(c), i) for i, c in enumerate(columns["timestep"])]
    return evsim.Events(
        np.concatenate(sample),
        *(np.concatenate(c) for c in columns.values()),
        shape=each[0].shape,
        samples=len(cases),
        timesteps=max(e.timesteps for e in each),
        graded=any(e.graded for e in each) if graded is None else graded,
    )


def outcome(run, place=0) -> dict:
    """All that a run gave for one sample, to the bit, as something that `==` compares."""
    index = run.samples[place]
    arrays = {"potential": run.potential, "decisions": run.predictions_by_timestep}
    traces, queues = (
        getattr(run, what) if what in run.record else {} for what in ("trace", "queues")
    )
    arrays |= {("trace", name): trace for name, trace in traces.items()}
    arrays |= {("queue", name): queue for name, queue in queues.items()}
    arrays = {name: array[place] for name, array in arrays.items()}
    spikes = run.spikes if "spikes" in run.record else {}
    arrays |= {("spikes", n): events[events["sample"] == index] for n, events in spikes.items()}
    facts = {n: {fact: int(c[place]) for fact, c in own.items()} for n, own in run.work.items()}
    return {"index": index, "facts": facts} | {
        name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()
    }


def run(case, **options) -> evsim.Run:
    """Run one case; everything is recorded."""
    options = {"record": ("spikes", "trace", "queues"), "dtype": "float32", **options}
    return evsim.run(
        network(case.network),
        inputs(case),
        timesteps=case.timesteps,
        coding=case.coding,
        seed=case.seed,
        first_sample=case.sample,
        **options,
    )
