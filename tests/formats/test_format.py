"""What a file means: every way to write a value is read the same, and saving loses nothing."""

import dataclasses

import h5py
import numpy as np
import pytest
from support.files import events, images, network, network_parts, put, ran, touch, write

import evsim
from evsim import EvsimError

WEIGHT = "synapses/in-a/weight"


def fields(part):
    return {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}


def assert_same(first, second):
    """Two networks are the same, their arrays' dtypes too."""
    assert dict(first.attributes) == dict(second.attributes)
    assert (first.input, first.output) == (second.input, second.output)
    for folder in ("populations", "synapses"):
        one, other = getattr(first, folder), getattr(second, folder)
        assert list(one) == list(other)
        for name in one:
            assert one[name].kind == other[name].kind
            for field, value in fields(one[name]).items():
                found = fields(other[name])[field]
                assert type(found) is type(value), field
                if isinstance(value, np.ndarray):
                    assert (found.dtype, found.shape) == (value.dtype, value.shape), field
                    assert found.tolist() == value.tolist(), field
                else:
                    assert found == value, field


def text(kind):
    """A change: the strings of a network file are of another HDF5 type."""
    dtypes = {
        "variable UTF-8": h5py.string_dtype("utf-8"),
        "variable ASCII": h5py.string_dtype("ascii"),
        "fixed UTF-8": h5py.string_dtype("utf-8", 20),
        "fixed ASCII": h5py.string_dtype("ascii", 20),
    }

    def change(file):
        def rewrite(_, thing):
            for name, value in list(thing.attrs.items()):
                if not isinstance(value, str):
                    continue
                if kind == "dataset":
                    if thing.name != "/":
                        del thing.attrs[name]
                        thing[name] = value
                elif kind == "one element":
                    thing.attrs.create(name, [value], dtype=h5py.string_dtype())
                elif kind == "bytes":
                    thing.attrs[name] = np.bytes_(value)
                else:
                    thing.attrs.create(name, value, dtype=dtypes[kind])

        rewrite("/", file)
        file.visititems(rewrite)

    return change


def scalars(dtype=None, dataset=None):
    """A change: whole numbers are of another integer type, or datasets of a shape."""

    def change(file):
        def rewrite(_, thing):
            for name, value in list(thing.attrs.items()):
                if np.asarray(value).dtype.kind not in "iu":
                    continue
                if dtype is not None:
                    thing.attrs.create(name, value, dtype=dtype)
                elif thing.name != "/":
                    del thing.attrs[name]
                    shape = np.shape(value) if np.ndim(value) else dataset
                    thing[name] = np.reshape(value, shape)

        rewrite("/", file)
        file.visititems(rewrite)

    return change


def converted(dtype):
    """A change: all arrays of floats are of another dtype; every value is on a grid."""

    def change(file):
        places = []
        file.visit(places.append)
        for place in places:
            if isinstance(file[place], h5py.Dataset) and file[place].dtype.kind == "f":
                touch(place, lambda a: a.astype(dtype))(file)

    return change


def big_endian(file):
    places = []
    file.visit(places.append)
    for place in places:
        if isinstance(file[place], h5py.Dataset):
            touch(place, lambda a: a.astype(a.dtype.newbyteorder(">")))(file)


def stored(**layout):
    """A change: arrays are chunked, compressed, ..."""

    def change(file):
        array = file[WEIGHT][()]
        del file[WEIGHT]
        file.create_dataset(WEIGHT, data=array, **layout)

    return change


SAME = {
    **{f"text: {kind}": text(kind) for kind in ("variable UTF-8", "variable ASCII", "fixed UTF-8",
       "fixed ASCII", "bytes", "one element", "dataset")},
    **{f"scalars: {t}": scalars(t) for t in ("i1", "i2", "<i4", ">i8", "u1", ">u4", "u8")},
    "scalar datasets": scalars(dataset=()),
    "datasets of one element": scalars(dataset=(1,)),
    "float16": converted(np.float16),
    "float64": converted(np.float64),
    "big-endian": big_endian,
    "big-endian float64": converted(np.dtype(">f8")),
    "chunks": stored(chunks=(1, 2, 2, 1)),
    "compressed": stored(compression="gzip", shuffle=True, fletcher32=True),
    "weights of int64": touch("synapses/b-c/weight", np.int64),
    "own attributes": lambda f: (put("_mine", 1)(f), put("synapses/in-a/x-y", b"z")(f)),
    "threshold for each neuron": put("populations/a/threshold", np.tile([0.5, 0.75, 1.0], 16)),
    "threshold as the shape": put("populations/a/threshold", np.tile([0.5, 0.75, 1.0], (4, 4, 1))),
    "threshold for each channel": put("populations/b/threshold", np.full(3, 0.5)),
    "threshold of one element": put("populations/b/threshold", np.full(1, 0.5)),
    "indices of uint8": touch("synapses/c-out/indices", np.uint8),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_values_may_be_written_in_many_ways(name, tmp_path):
    data = events(tmp_path / "d.h5")
    usual = ran(network(tmp_path / "n.h5"), data)
    assert ran(network(tmp_path / "m.h5", SAME[name]), data) == usual
    network(tmp_path / "o.h5", put("populations/b/threshold", 0.75))
    assert ran(tmp_path / "o.h5", data) != usual  # the comparison can fail


def test_what_has_a_default_may_be_absent(tmp_path):
    given = {
        "synapses/in-a/stride": (1, 1),
        "synapses/in-a/dilation": (1, 1),
        "synapses/in-a/groups": 1,
        "synapses/in-a/prepool": (1, 1),
        "synapses/in-a/delay": 0,
        "synapses/a-b/padding": (0, 0, 0, 0),
        "synapses/b-b/channel_offset": 0,
        "populations/a/compare": "ge",
        "populations/a/reset": "subtract",
        "populations/a/v_init": 0.0,
        "populations/a/v_reset": 0.0,
        "populations/a/start": 0,
        "populations/a/refractory": 0,
        "populations/in/mean": 0.0,
        "populations/in/std": 1.0,
    }
    changes = [put(place, value) for place, value in given.items()]
    absent, present = network(tmp_path / "n.h5"), network(tmp_path / "m.h5", *changes)
    assert_same(evsim.load(absent), evsim.load(present))


def shared_parts():
    """Two dense sets whose weights are one dataset."""
    parts = network_parts()
    weight = np.arange(-9, 9).reshape(6, 3) / 8
    kind = {"kind": "iaf", "shape": (3,), "threshold": 1}
    populations = {"in": {"kind": "input", "shape": (6,)}, "x": kind, "y": kind}
    populations["out"] = {"kind": "readout", "shape": (3,)}
    parts = {"/": parts["/"]} | {f"populations/{n}": p for n, p in populations.items()}
    for name in ("x", "y"):
        ends = {"kind": "dense", "source": "in", "target": name}
        parts[f"synapses/in-{name}"] = {**ends, "weight": weight}
    last = {"kind": "identity", "source": "x", "target": "out"}
    return parts | {"synapses/x-out": last}


def linked(file):
    del file["synapses/in-y/weight"]
    file["synapses/in-y/weight"] = file["synapses/in-x/weight"]


def test_a_shared_dataset_is_one_array(tmp_path):
    twice = evsim.load(write(tmp_path / "twice.h5", shared_parts()))
    path = write(tmp_path / "once.h5", shared_parts())
    with h5py.File(path, "r+") as file:
        linked(file)
    once = evsim.load(path)
    assert twice.parameters - once.parameters == 18
    x, y = (once.synapses[name].weight for name in ("in-x", "in-y"))
    assert np.shares_memory(x, y)
    assert not x.flags.writeable
    evsim.save(once, tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as file:
        assert file["synapses/in-x/weight"] == file["synapses/in-y/weight"]
    again = evsim.load(tmp_path / "again.h5")
    assert again.parameters == once.parameters
    assert_same(once, again)


def packed(file):
    """The weights of b-c as -1 and +1, eight a byte."""
    weight = file["synapses/b-c/weight"][()]
    put("synapses/b-c/weight", np.packbits(weight >= 0, axis=-1))(file)
    file["synapses/b-c"].attrs.update(bits=1, weight_shape=weight.shape)


def signs(file):
    put("synapses/b-c/bits", 1)(file)
    touch("synapses/b-c/weight", lambda w: np.where(w >= 0, 1, -1).astype(np.int8))(file)


def test_weights_of_one_bit(tmp_path):
    data = images(tmp_path / "d.h5")
    one = evsim.load(network(tmp_path / "packed.h5", packed))
    other = evsim.load(network(tmp_path / "signs.h5", signs))
    assert_same(one, other)
    assert one.synapses["b-c"].weight.dtype == np.int8
    assert ran(tmp_path / "packed.h5", data) == ran(tmp_path / "signs.h5", data)
    evsim.save(other, tmp_path / "saved.h5")
    with h5py.File(tmp_path / "saved.h5") as file:
        assert file["synapses/b-c/weight"].dtype == np.uint8
        assert file["synapses/b-c/weight"].shape == (12, 4)
    assert_same(evsim.load(tmp_path / "saved.h5"), one)


def test_weights_of_one_bit_whose_rows_are_no_whole_bytes(tmp_path):
    weight = np.where(np.random.default_rng(1).random((6, 3)) < 0.5, 1, -1).astype(np.int8)
    parts = shared_parts()
    for name in ("x", "y"):
        parts[f"synapses/in-{name}"].update(weight=weight, bits=1)
    built = evsim.load(write(tmp_path / "n.h5", parts))
    evsim.save(built, tmp_path / "m.h5")
    again = evsim.load(tmp_path / "m.h5")
    assert_same(built, again)
    assert again.synapses["in-x"].weight.tolist() == weight.tolist()


def test_one_array_packed_in_one_set_and_not_in_another(tmp_path):
    weight = np.where(np.arange(18).reshape(6, 3) % 4 == 1, 1, -1).astype(np.int8)
    dense = evsim.synapse_kinds()["dense"]
    built = evsim.load(write(tmp_path / "n.h5", shared_parts()))
    sets = dict(built.synapses)
    sets["in-x"] = dense(source="in", target="x", weight=weight, bits=1)
    sets["in-y"] = dense(source="in", target="y", weight=weight)
    built = evsim.Network(dict(built.populations), sets)
    evsim.save(built, tmp_path / "m.h5")
    assert_same(evsim.load(tmp_path / "m.h5"), built)


def test_what_is_saved_is_what_was_loaded(tmp_path):
    about = {"coding": "poisson", "timesteps": 7, "seed": 2**63, "window": 8, "name": "ñ",
             "description": "two\nlines", "source": "here", "ann_accuracy": 0.5,
             "classes": np.array(["a", "b", "ç"], object)}  # fmt: skip
    loaded = evsim.load(network(tmp_path / "n.h5", lambda f: f.attrs.update(about)))
    evsim.save(loaded, tmp_path / "m.h5")
    again = evsim.load(tmp_path / "m.h5")
    assert again.attributes["classes"].tolist() == ["a", "b", "ç"]
    for network_ in (loaded, again):
        network_.attributes = {k: v for k, v in network_.attributes.items() if k != "classes"}
    assert_same(loaded, again)
    assert {path.name for path in tmp_path.iterdir()} == {"n.h5", "m.h5"}
    with pytest.raises(EvsimError, match=r"m\.h5: exists already"):
        evsim.save(loaded, tmp_path / "m.h5")
    evsim.save(loaded, tmp_path / "m.h5", overwrite=True)
    with pytest.raises(EvsimError, match=r"no/m\.h5: cannot be written: No such file or directory"):
        evsim.save(loaded, tmp_path / "no" / "m.h5")
