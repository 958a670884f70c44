"""Valid files, written with h5py alone; a test changes one thing of them."""

from pathlib import Path

import h5py
import numpy as np

import evsim

STEP = 2.0**-5  # all values are whole multiples of it, so that every sum is exact


def grid(seed, *shape, low=-16, high=17):
    """Small multiples of STEP."""
    return (np.random.default_rng(seed).integers(low, high, shape) * STEP).astype(np.float32)


def network_parts():
    """A network with a set of every kind, a cycle, an integer set: {place: fields}."""
    return {
        "/": {"format": "evsim-network", "version": 1, "input": "in", "output": "out"},
        "populations/in": {"kind": "input", "shape": (4, 4, 2), "scale": 16.0},
        "populations/a": {
            "kind": "iaf",
            "shape": (4, 4, 3),
            "threshold": np.array([0.5, 0.75, 1.0]),
            "bias": grid(1, 3, low=0),
        },
        "populations/b": {"kind": "lif", "shape": (2, 2, 3), "threshold": 0.5, "leak": 0.5},
        "populations/c": {"kind": "iaf", "shape": (32,), "threshold": 4},
        "populations/out": {"kind": "readout", "shape": (3,)},
        "synapses/in-a": {
            "kind": "conv",
            "source": "in",
            "target": "a",
            "padding": (1, 1, 1, 1),
            "weight": grid(2, 3, 3, 2, 3),
        },
        "synapses/a-b": {"kind": "pool", "source": "a", "target": "b", "kernel": (2, 2)},
        "synapses/b-b": {
            "kind": "identity",
            "source": "b",
            "target": "b",
            "delay": 2,
            "weight": grid(3, 3),
        },
        "synapses/b-c": {
            "kind": "dense",
            "source": "b",
            "target": "c",
            "bits": 4,
            "weight": np.random.default_rng(4).integers(-8, 8, (12, 32)).astype(np.int8),
        },
        "synapses/c-out": {
            "kind": "sparse",
            "source": "c",
            "target": "out",
            "data": grid(5, 32),
            "indices": np.arange(32) % 3,
            "indptr": np.arange(33),
        },
    }


def write(path, parts):
    """Write groups of fields: arrays become datasets, anything else attributes."""
    with h5py.File(path, "w") as file:
        for place, fields in parts.items():
            group = file.require_group(place)
            for name, value in fields.items():
                if isinstance(value, np.ndarray) and value.ndim:
                    group[name] = value
                else:
                    group.attrs[name] = value
    return path


def network(path, *changes):
    """A network file."""
    return changed(write(path, network_parts()), *changes)


def images(path, *changes, samples=6):
    """A data file of images with labels."""
    content = {
        "images": grid(6, samples, 4, 4, 2, low=0, high=33),
        "labels": np.arange(samples) % 3,
    }
    return changed(write(path, {"/": {"format": "evsim-data", "version": 1, **content}}), *changes)


def events(path, *changes, samples=6, timesteps=20):
    """A data file of events with labels."""
    happens = np.random.default_rng(7).random((samples, timesteps, 32)) < 0.1
    columns = dict(zip(("sample", "timestep", "neuron"), happens.nonzero(), strict=True))
    about = {"shape": (4, 4, 2), "samples": samples, "timesteps": timesteps}
    root = {"format": "evsim-data", "version": 1, "labels": np.arange(samples) % 3}
    return changed(write(path, {"/": root, "events": {**columns, **about}}), *changes)


def changed(path, *changes):
    """The file after some changes."""
    with h5py.File(path, "r+") as file:
        for change in changes:
            change(file)
    return path


def put(place, value):
    """A change: the field at a place gets another value; None removes it."""
    folder, _, name = place.rpartition("/")

    def change(file):
        group = file[folder or "/"]
        group.attrs.pop(name, None)
        if name in group:
            del group[name]
        if isinstance(value, np.ndarray | h5py.SoftLink | h5py.ExternalLink):
            group[name] = value
        elif value is not None:
            group.attrs[name] = value

    return change


def touch(place, change):
    """A change: the array at a place is passed through a function."""
    return lambda file: put(place, np.asarray(change(file[place][()])))(file)


def ran(network_file, data_file, **options):
    """Everything that a run of two files gives."""
    data = evsim.open_data(data_file)
    run = evsim.run(evsim.load(network_file), data.inputs, timesteps=12, **options)
    work = {n: {f: c.tolist() for f, c in facts.items()} for n, facts in run.work.items()}
    return run.predictions_by_timestep.tolist(), run.potential.tolist(), work


def content(path):
    """All datasets and attributes of a file, but how long the run took."""
    found = {}

    def add(place, thing):
        for name, value in thing.attrs.items():
            if name != "seconds":
                found[f"{place}@{name}"] = np.asarray(value).tolist()
        if isinstance(thing, h5py.Dataset):
            found[place] = thing.dtype.str, thing.shape, thing[()].tobytes()

    with h5py.File(path) as file:
        add("/", file)
        file.visititems(add)
    return found


def finished(part):
    """How many samples the shards of a part hold, while they are written or after."""
    bounds = [path.name.split(".")[0].split("-") for path in Path(part).glob("0*.npz")]
    return sum(int(last) - int(first) for first, last in bounds)
