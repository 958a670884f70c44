"""A network file with a mistake ends a command with one line: file, place, found, expected."""

import h5py
import numpy as np
import pytest
from support.files import network, put, touch

from evsim.cli.main import run_command

IN_A, B_C, C_OUT = "synapses/in-a", "synapses/b-c", "synapses/c-out"


def several(*changes):
    """A change made of several."""

    def change(file):
        for each in changes:
            each(file)

    return change


def at(index, value):
    """A function that sets one element of an array."""

    def change(array):
        array = array.copy()
        array[index] = value
        return array

    return change


def hard_link(new, old):
    return lambda file: file.__setitem__(new, file[old])


def stored_elsewhere(place):
    """The dataset's content lies in another file."""

    def change(file):
        array = file[place][()]
        del file[place]
        raw = [("elsewhere.bin", 0, array.nbytes)]
        file.create_dataset(place, array.shape, array.dtype, external=raw)

    return change


def virtual(place):
    def change(file):
        array = file[place][()]
        del file[place]
        layout = h5py.VirtualLayout(array.shape, array.dtype)
        layout[:] = h5py.VirtualSource("elsewhere.h5", "x", array.shape)
        file.create_virtual_dataset(place, layout)

    return change


def terabytes(file):
    del file[IN_A]["weight"]
    file.create_dataset(f"{IN_A}/weight", (3, 3, 2, 1 << 40), "f4", chunks=(3, 3, 2, 64))


def packed(shape=(12, 32), width=4, **more):
    """Weights of one bit each."""
    bits = np.zeros((12, width), np.uint8)
    changes = [put(f"{B_C}/weight", bits), put(f"{B_C}/bits", 1)]
    changes += [put(f"{B_C}/weight_shape", shape)] if shape else []
    return several(*changes, *(put(f"{B_C}/{name}", value) for name, value in more.items()))


def complete(place, **fields):
    """A group with these fields."""
    return several(*(put(f"{place}/{name}", value) for name, value in fields.items()))


def new(place, **fields):
    return several(lambda file: file.create_group(place), complete(place, **fields))


ROOT = {
    "another format": (put("format", "evsim-date"), "format: found format 'evsim-date', expected"),
    "no format": (put("format", None), "format: found no attribute 'format', expected"),
    "format is a number": (put("format", 3), "format: found no attribute 'format', expected"),
    "newer": (put("version", 2), "version: found version 2, expected version 1 (the file was"),
    "no version": (put("version", None), "version: found none, expected version 1"),
    "version 1.5": (put("version", 1.5), "version: found 1.5, expected version 1"),
    "version 0": (put("version", 0), "version: found 0, expected version 1"),
    "no input": (put("input", None), "input: found no attribute, expected the name of a"),
    "input is a number": (put("input", 1), "input: found a number, expected the name of a"),
    "input is nobody": (put("input", "im"), "/input: found 'im', expected one of a, b, c, in, out"),
    "output is nobody": (put("output", "ouput"), "(did you mean 'out'?)"),
    "output is the input": (put("output", "in"), "/output: found 'in', the input population,"),
    "input is another": (put("input", "a"), "found 'iaf', expected kind 'input' for the input"),
    "unknown attribute": (put("timestep", 3), "timestep: unknown attribute, expected one of"),
    "misspelt attribute": (put("timestep", 3), "(did you mean 'timesteps'?)"),
    "unknown group": (lambda f: f.create_group("extra"), "/extra: unknown group, expected"),
    "misspelt group": (lambda f: f.move("synapses", "synapse"), "(did you mean 'synapses'?)"),
    "no synapses": (lambda f: f.__delitem__("synapses"), "missing group 'synapses'"),
    "unknown coding": (put("coding", "poison"), "/coding: found 'poison', expected one of"),
    "coding is a number": (put("coding", 1), "coding: found a number, expected the name of a"),
    "no timesteps": (put("timesteps", 0), "/timesteps: found 0, expected a whole number of at"),
    "half a timestep": (put("timesteps", 1.5), "expected a whole number of at least 1"),
    "negative seed": (put("seed", -1), "/seed: found -1, expected a whole number of at least 0"),
    "accuracy in percent": (put("ann_accuracy", 98.0), "/ann_accuracy: found 98.0, expected a"),
    "name is a number": (put("name", 5), "/name: found 5, expected text"),
    "empty attribute": (put("name", h5py.Empty("f4")), "name: found an empty value, expected a"),
    "text is not UTF-8": (put("name", np.bytes_(b"\xff")), "name: found text that is not UTF-8,"),
}  # fmt: skip
LINKS = {
    "soft link": (
        put(f"{IN_A}/weight", h5py.SoftLink(f"/{C_OUT}/data")),
        "in-a/weight: found a",
    ),
    "dangling link": (
        put(f"{IN_A}/weight", h5py.SoftLink("/nothing")),
        "in-a/weight: found a soft",
    ),
    "external link": (
        put(IN_A, h5py.ExternalLink("x.h5", "/x")),
        "/synapses/in-a: found a soft or",
    ),
    "linked folder": (
        several(lambda f: f.move("synapses", "x"), put("synapses", h5py.SoftLink("/x"))),
        "synapses: found a soft or external link, expected the object itself",
    ),
    "external storage": (stored_elsewhere(f"{IN_A}/weight"), "in-a/weight: found data kept in"),
    "virtual dataset": (virtual(f"{IN_A}/weight"), "in-a/weight: found data kept in another file"),
    "terabytes": (terabytes, "in-a/weight: found 79164.8 GB declared and 0 bytes stored, expected"),
    "group twice": (hard_link("synapses/twin", IN_A), "/synapses/twin: found the same group as"),
    "group in a cycle": (hard_link(f"{IN_A}/weights", "/"), "in-a/weights: found a group,"),
    "dataset as group": (put("synapses/in-a", np.zeros(3)), "/synapses/in-a: found a dataset,"),
    "name with a line break": (
        hard_link("populations/a\nb", "populations/a"),
        "/populations: found the name 'a\\nb', expected one of printable characters",
    ),
}  # fmt: skip
FIELDS = {
    "no kind": (put(f"{IN_A}/kind", None), "/synapses/in-a: missing field 'kind', one of"),
    "misspelt field": (
        several(put(f"{IN_A}/weights", np.zeros((3, 3, 2, 3))), put(f"{IN_A}/weight", None)),
        "/synapses/in-a/weights: unknown field for kind 'conv', expected one of source, target,",
    ),
    "nearest field": (put("populations/a/treshold", 1), "(did you mean 'threshold'?)"),
    "missing field": (put(f"{IN_A}/weight", None), "/synapses/in-a: missing field 'weight',"),
    "missing threshold": (
        put("populations/a/threshold", None),
        "/populations/a: missing field",
    ),
    "missing shape": (put("populations/in/shape", None), "/populations/in: missing field 'shape',"),
    "field of another kind": (put("populations/a/leak", 1), "a/leak: unknown field for kind 'iaf'"),
    "unknown kind": (put(f"{IN_A}/kind", "conw"), "in-a/kind: found 'conw', expected one of conv,"),
    "nearest kind": (put("populations/b/kind", "liff"), "(did you mean 'lif'?)"),
    "kind is a number": (put(f"{IN_A}/kind", 3), "in-a/kind: found 3, expected one of"),
    "twice": (
        several(
            put("populations/b/bias", np.zeros(3)),
            lambda f: f["populations/b"].attrs.update(bias=1),
        ),
        "/populations/b/bias: found an attribute and a dataset of this name, expected one",
    ),
    "one name for two": (
        hard_link("synapses/b", "synapses/in-a"),
        "/synapses/in-a: found the same group as /synapses/b",
    ),
    "population and set": (
        lambda f: f.move("synapses/in-a", "synapses/a"),
        "/synapses/a: 'a' is the name of a population and of a set, expected unique names",
    ),
    "empty array": (put("populations/a/bias", np.zeros(0)), "a/bias: found shape (0,), expected a"),
    "no values": (
        lambda f: (
            f["populations/a"].pop("bias"),
            f["populations/a"].create_dataset("bias", data=h5py.Empty("f4")),
        ),
        "/populations/a/bias: found an empty dataset, expected values",
    ),
    "shape of two": (put("populations/in/shape", (4, 8)), "in/shape: found [4, 8], expected 1 or "),
    "shape of zeros": (put("populations/c/shape", (0,)), "c/shape: found [0], expected 1 or 3"),
    "shape of halves": (put("populations/c/shape", (1.5,)), "c/shape: found [1.5], expected 1 or "),
    "reset": (put("populations/a/reset", "none"), "a/reset: found 'none', expected 'subtract' or "),
    "compare": (put("populations/a/compare", "g"), "a/compare: found 'g', expected 'ge' or 'gt'"),
    "start": (put("populations/a/start", -1), "a/start: found -1, expected a whole number of at"),
    "start too large": (put("populations/a/start", np.uint64(2**63)), "a/start: found 92233720368"),
    "too many neurons": (
        new("populations/d", kind="iaf", shape=(2**62,), threshold=1),
        "/populations/d/shape: found 4611686018427387904 neurons, expected at most 2147483647",
    ),
    "refractory": (put("populations/a/refractory", 0.5), "a/refractory: found 0.5, expected a"),
    "pool of a vector": (
        new("populations/d", kind="analog", shape=(4,), pool=(2, 2)),
        "/populations/d/pool: found (2, 2), expected 1, 1 for a population without rows",
    ),
    "pool of 0": (
        new("populations/d", kind="analog", shape=(2, 2, 1), pool=(0, 2)),
        "/populations/d/pool: found [0, 2], expected 2 whole numbers of at least 1",
    ),
    "too many places": (
        new("populations/d", kind="stochastic", shape=(2**14, 2**14, 1), pool=(4, 4)),
        "/populations/d/pool: found 4294967296 places, expected at most 2147483647",
    ),
    "probability": (
        new("populations/d", kind="stochastic", shape=(4,), probability="tanh"),
        "/populations/d/probability: found 'tanh', expected 'sigmoid' or 'hardtanh'",
    ),
    "sampled": (
        new("populations/d", kind="stochastic", shape=(4,), sampled=0.5),
        "/populations/d/sampled: found 0.5, expected true or false",
    ),
}  # fmt: skip
ARRAYS = {
    "rank": (touch(f"{IN_A}/weight", np.ravel), "in-a/weight: found shape (54,), expected 4 axes"),
    "shape": (touch(f"{IN_A}/weight", lambda w: w[:, :, :1]), "in-a/weight: found shape (3, 3, 1,"),
    "dense shape": (touch(f"{B_C}/weight", np.transpose), "found shape (32, 12), expected shape ("),
    "NaN": (
        touch(f"{IN_A}/weight", at((1, 2, 0, 1), np.nan)),
        "found nan at index [1, 2, 0, 1],",
    ),
    "infinity": (touch(f"{C_OUT}/data", at(5, -np.inf)), "c-out/data: found -inf at index [5],"),
    "complex": (touch(f"{IN_A}/weight", lambda w: w * 1j), "in-a/weight: found dtype complex64,"),
    "text": (put(f"{C_OUT}/data", np.array([b"x"] * 32)), "c-out/data: found dtype <U1, expected "),
    "unsigned": (
        touch(f"{C_OUT}/data", lambda w: np.ones(32, "u2")),
        "data: found dtype uint16,",
    ),
    "compound": (put(f"{C_OUT}/data", np.zeros(32, "i4,f4")), "c-out/data: found dtype [('f0', '<"),
    "quadruple": (touch(f"{C_OUT}/data", np.longdouble), "data: found dtype float128, expected"),
    "truth": (
        put("populations/a/threshold", np.array([True] * 3)),
        "threshold: found dtype bool,",
    ),
    "threshold shape": (
        put("populations/a/threshold", np.ones(4)),
        "threshold: found shape (4,),",
    ),
    "bias shape": (
        put("populations/a/bias", np.ones((3, 1))),
        "a/bias: found shape (3, 1), expected a",
    ),
    "bias NaN": (touch("populations/a/bias", at(1, np.nan)), "a/bias: found nan at index [1],"),
    "threshold 0": (put("populations/b/threshold", 0.0), "b/threshold: found 0.0, expected a"),
    "threshold -1": (
        touch("populations/a/threshold", at(2, -1)),
        "a/threshold: found -1.0, expected a",
    ),
    "threshold infinite": (
        put("populations/b/threshold", np.inf),
        "b/threshold: found inf at index [0",
    ),
    "v_reset": (put("populations/a/v_reset", 0.5), "a/v_reset: found 0.5, expected a value below "),
    "v_init": (
        complete("populations/a", v_init=-1, v_min=-0.5),
        "a/v_init: found -1, expected a value",
    ),
    "v_min": (
        complete("populations/a", v_min=0.1, v_init=0.2),
        "a/v_reset: found 0.0, expected a",
    ),
    "leak 0": (put("populations/b/leak", 0.0), "b/leak: found 0.0, expected a value above 0"),
    "leak 2": (put("populations/b/leak", 2.0), "b/leak: found 2.0, expected a value in (0, 1]"),
    "leak of readout": (put("populations/out/leak", 1.5), "out/leak: found 1.5, expected a value "),
    "scale 0": (put("populations/in/scale", 0.0), "in/scale: found 0.0, expected a value above 0"),
    "std -1": (
        put("populations/in/std", np.array([1.0, -1])),
        "in/std: found -1.0, expected a value",
    ),
    "mean of 3": (put("populations/in/mean", np.ones(3)), "in/mean: found 3 values, expected 1"),
    "bits": (put(f"{B_C}/bits", 3), "b-c/bits: found weights from -8 to 7, expected values that"),
    "no bits": (put(f"{B_C}/bits", 0), "b-c/bits: found 0, expected a whole number of at least 1"),
    "bits of floats": (put(f"{IN_A}/bits", 8), "in-a/bits: found float32 weights, expected"),
    "scale of floats": (put(f"{IN_A}/scale", 0.5), "in-a/scale: found float32 weights, expected"),
    "scale shape": (put(f"{B_C}/scale", np.ones(5)), "b-c/scale: found shape (5,), expected 1"),
    "scale NaN": (put(f"{B_C}/scale", np.nan), "b-c/scale: found nan at index [0], expected"),
    "bits without shape": (packed(None), "b-c: missing field 'weight_shape', required with bits ="),
    "bits of another shape": (packed((12, 40)), "b-c/weight: found shape (12, 4), expected (12, 5"),
    "bits of a negative shape": (packed((-12, 32)), "b-c/weight: found shape (12, 4), expected (-"),
    "bits of half a shape": (packed((12.0, 32.0)), "b-c/weight_shape: found [12.0, 32.0],"),
    "bytes without bits": (packed(bits=None), "b-c/weight: found uint8 weights, expected bits = 1"),
    "bytes of 8 bits": (packed(bits=8), "b-c/weight: found uint8 weights, expected bits = 1 with "),
    "shape without bits": (put(f"{IN_A}/weight_shape", (1,)), "in-a/weight_shape: only uint8"),
    "one bit is not enough": (put(f"{B_C}/bits", 1), "b-c/bits: found "),
}  # fmt: skip
SETS = {
    "no source": (put(f"{IN_A}/source", "im"), "/synapses/in-a/source: found 'im', expected one"),
    "no target": (put(f"{IN_A}/target", "A"), "/synapses/in-a/target: found 'A', expected one of "),
    "source is a number": (put(f"{IN_A}/source", 1), "in-a/source: found 1, expected a name"),
    "readout as source": (put(f"{C_OUT}/source", "out"), "source: found 'out', expected a source "),
    "input as target": (put(f"{C_OUT}/target", "in"), "target: found 'in', expected a target"),
    "second input": (
        new("populations/in2", kind="input", shape=(3,)),
        "/populations/in2/kind: found 'input', expected kind 'input' for the input population 'in'",
    ),
    "size of target": (put("populations/c/shape", (31,)), "b-c/weight: found shape (12, 32),"),
    "size of conv": (put(f"{IN_A}/padding", (0, 1, 1, 1)), "found a target population of shape (4"),
    "size of pool": (put("synapses/a-b/kernel", (3, 3)), "/synapses/a-b: found a target"),
    "pool too large": (put("synapses/a-b/kernel", (5, 5)), "/synapses/a-b: found an output of 0 x"),
    "rank of source": (put("synapses/a-b/target", "c"), "/synapses/a-b: found a target population"),
    "identity": (put("synapses/b-b/stride", (2, 2)), "/synapses/b-b: found a target population of"),
    "channel_offset": (put("synapses/b-b/channel_offset", 1), "b-b/channel_offset: found 1,"),
    "identity weight": (
        put("synapses/b-b/weight", np.ones(2, "f4")),
        "b-b/weight: found shape (2,),",
    ),
    "stride 0": (put(f"{IN_A}/stride", (0, 1)), "in-a/stride: found [0, 1], expected 2 whole"),
    "stride of one": (put(f"{IN_A}/stride", 1), "in-a/stride: found 1, expected 2 whole numbers"),
    "padding of two": (put(f"{IN_A}/padding", (1, 1)), "in-a/padding: found [1, 1], expected 4"),
    "groups": (put(f"{IN_A}/groups", 2), "in-a/weight: found shape (3, 3, 2, 3) with groups = 2, "),
    "prepool": (put(f"{IN_A}/prepool", (0, 1)), "in-a/prepool: found [0, 1], expected 2 whole"),
    "delay -1": (put("synapses/b-b/delay", -1), "b-b/delay: found -1, expected a whole number of "),
    "delay 1.5": (put("synapses/b-b/delay", 1.5), "b-b/delay: found 1.5, expected a whole number "),
    "delay is text": (put("synapses/b-b/delay", "1"), "b-b/delay: found '1', expected a whole"),
    "cycle": (put("synapses/b-b/delay", 0), "/synapses: a cycle without delay, b -> b, expected a"),
    "longer cycle": (
        new(
            "synapses/c-b",
            kind="dense",
            source="c",
            target="b",
            weight=np.zeros((32, 12), np.float32),
        ),
        "/synapses: a cycle without delay, b -> c -> b, expected a delay",
    ),
    "index too large": (touch(f"{C_OUT}/indices", at(4, 3)), "indices: found values from 0 to 3, "),
    "index -1": (touch(f"{C_OUT}/indices", at(4, -1)), "c-out/indices: found values from -1 to 2,"),
    "index unordered": (
        touch(f"{C_OUT}/indptr", at([2, 3], 4)),
        "c-out/indices: found unordered or repeated values, expected ascending in a row",
    ),
    "index repeated": (
        several(touch(f"{C_OUT}/indices", at(4, 0)), touch(f"{C_OUT}/indptr", at(4, 5))),
        "c-out/indices: found unordered or repeated values, expected ascending in a row",
    ),
    "index dtype": (touch(f"{C_OUT}/indices", np.float32), "c-out/indices: found dtype float32,"),
    "index count": (
        touch(f"{C_OUT}/indices", lambda i: i[1:]),
        "indices: found shape (31,), expected",
    ),
    "indptr": (touch(f"{C_OUT}/indptr", lambda i: i[1:]), "indptr: found shape (32,), expected"),
    "indptr falls": (touch(f"{C_OUT}/indptr", at(4, 9)), "indptr: found values from 0 to 32,"),
    "indptr begins late": (
        touch(f"{C_OUT}/indptr", at(0, 1)),
        "indptr: found values from 1 to 32,",
    ),
    "indptr too far": (touch(f"{C_OUT}/indptr", at(32, 33)), "indptr: found values from 0 to 33, "),
}  # fmt: skip
CASES = {
    f"{table}: {name}": case
    for table, cases in (
        ("root", ROOT),
        ("links", LINKS),
        ("fields", FIELDS),
        ("arrays", ARRAYS),
        ("sets", SETS),
    )
    for name, case in cases.items()
}  # fmt: skip


@pytest.mark.parametrize(("change", "line"), CASES.values(), ids=CASES)
def test_a_mistake_in_a_network_is_one_line(change, line, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")  # a child per case would only take time
    path = network(tmp_path / "n.h5", change)
    assert run_command(["info", str(path), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"evsim: {path}: ")
    assert line in err
    assert err.count("\n") == 1
    assert err.endswith("\n")
