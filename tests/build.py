"""From the oracles' plain descriptions to networks and runs of evsim."""

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
        for name, fields in description[folder].items():
            fields = dict(fields)
            parts[name] = kinds[fields.pop("kind")].build(fields)
        folders.append(parts)
    ends = {"input": description["input"], "output": description["output"]}
    return evsim.Network(*folders, **ends, **attributes)


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
