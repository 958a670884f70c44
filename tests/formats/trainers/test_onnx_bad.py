"""ONNX files that are damaged, or hold what evsim has no layers for: one line each."""

import builtins
import random

import numpy as np
import pytest

from evsim.base.errors import EvsimError
from evsim.formats import trainers
from evsim.formats.trainers import Options

pytest.importorskip("onnx")
from support.onnx_files import Maker, onnx


def unsupported(maker, path):
    """What of a graph cannot be read: (place, what) each."""
    return trainers.read(maker.save(path)).unsupported


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "what"),
    [
        ("Gelu", (), {}, "operator 'Gelu' is not supported: of ONNX's operators Conv, Gemm"),
        ("Relo", (), {}, "did you mean 'Relu'?"),
        ("Mul", ("image",), {}, "Mul of two results: Add, Sum and Concat work"),
        ("Div", (), {"turned": True}, "Div of a constant by a result"),
        ("Conv", ([2, 2, 3],), {}, "Conv with weights of 3 axes"),
        ("Conv", ([2, 2, 1, 1],), {"pads": [-1, 0, 0, 0]}, "pads [-1, 0, 0, 0]"),
        ("Gemm", ([4, 3],), {}, "Gemm of values of shape (2, 4, 4): Flatten before it"),
        ("Flatten", (), {"axis": 2}, "Flatten at axis 2 mixes samples"),
        ("Transpose", (), {"perm": [1, 0, 2, 3]}, "mixes samples"),
        ("Softmax", (), {"axis": 3}, "Softmax along axis 3"),
        ("LeakyRelu", (), {}, "operator 'LeakyRelu' is not supported"),
        ("ReduceMean", (), {"axes": [1]}, "ReduceMean along axes [1]"),
        ("MaxPool", (), {"kernel_shape": [2, 2], "dilations": [2, 2]}, "MaxPool with dilations"),
        ("Pad", ((0, 0, 1, 0, 0, 0, 0, 0),), {"mode": "reflect"}, "Pad by 'reflect': zeros work"),
        ("Cast", (), {"to": 6}, "Cast to int32: to floats works"),
        ("Add", ([1, 1, 4, 4],), {}, "numbers that differ between places of a map"),
        ("Concat", ("image",), {"axis": 2}, "Concat along axis 2: the channels (1) work"),
    ],
)
def test_what_is_not_supported_is_told_with_its_node(operator, inputs, attributes, what, tmp_path):
    maker = Maker((2, 4, 4))
    maker.add("Relu")
    names = []
    for part in inputs:
        if isinstance(part, list):
            names.append(maker.weights(*part))
        else:
            names.append(maker.array(np.int64(part)) if isinstance(part, tuple) else part)
    if attributes.pop("turned", False):
        names = [maker.last]
        maker.add(operator, *names, source=maker.array(np.float32(2)))
    else:
        maker.add(operator, *names, **attributes)
    maker.nodes[-1].name = "/the/node"
    maker.add("Relu")
    path = tmp_path / "n.onnx"
    ((place, said),) = unsupported(maker, path)
    assert place == "nodes/the/node"
    assert what in said
    with pytest.raises(EvsimError) as error:
        trainers.read(path).result()
    assert "\n" not in str(error.value)


def test_every_operator_that_is_not_supported_is_listed(tmp_path, command):
    maker = Maker((2, 4, 4))
    for operator in ("Elu", "Relu", "Erf"):
        maker.add(operator)
    path = tmp_path / "n.onnx"
    assert [place for place, _ in unsupported(maker, path)] == [
        "nodes/result0/Elu",
        "nodes/result2/Erf",
    ]
    status, _, said = command("convert", path, "-o", tmp_path / "o.h5", "-T", "4")
    assert status == 2
    assert "operator 'Elu' is not supported" in said
    assert "(and 1 more: evsim info lists them)" in said


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        (None, "an input of unknown shape"),
        (["n", 3, "height", "width"], "an input of shape ('?', 3, '?', '?')"),
        (["n", 2, 2, 2, 2], "an input of shape ('?', 2, 2, 2, 2)"),
    ],
)
def test_images_have_a_fixed_shape(shape, what, tmp_path):
    maker = Maker((3, 4, 4))
    maker.add("Relu")
    model = maker.model()
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)
    model.graph.input[0].CopyFrom(image)
    path = tmp_path / "n.onnx"
    path.write_bytes(model.SerializeToString())
    ((place, said),) = trainers.read(path).unsupported
    assert place == "graph/image"
    assert what in said


def test_one_input_and_one_output(tmp_path):
    maker = Maker((3, 4, 4))
    maker.add("Relu")
    model = maker.model()
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", 1, [1]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("other", 1, [1]))
    path = tmp_path / "n.onnx"
    path.write_bytes(model.SerializeToString())
    assert trainers.read(path).unsupported == [
        ("graph/input", "2 inputs (image, mask): a network with one works"),
        ("graph/output", "2 outputs (result0, other): a network with one works"),
    ]


def changed(path, change):
    """A small graph, written after a change of its protobuf."""
    maker = Maker((2, 4, 4))
    maker.add("Conv", maker.weights(2, 2, 3, 3), maker.weights(2), shape=(2, 2, 2))
    maker.add("Relu")
    model = maker.model()
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


CHANGES = {
    "no graph": lambda m: m.ClearField("graph"),
    "opset 6, expected opset 7 or newer": lambda m: setattr(m.opset_import[0], "version", 6),
    "no opset": lambda m: m.ClearField("opset_import"),
    "an input 'nowhere'": lambda m: m.graph.node[1].input.__setitem__(0, "nowhere"),
    "an output 'result0' again": lambda m: m.graph.node[1].output.__setitem__(0, "result0"),
    "no operator that makes the output": lambda m: setattr(m.graph.output[0], "name", "gone"),
    "no operator that computes anything": lambda m: setattr(m.graph.output[0], "name", "image"),
    "an array that is not whole": lambda m: setattr(m.graph.initializer[0], "raw_data", b"1234"),
    "sizes from 0 on": lambda m: m.graph.initializer[0].dims.__setitem__(0, -2),
    "data type 77": lambda m: setattr(m.graph.initializer[0], "data_type", 77),
    "into shape (1099511627776,2,3,3)": lambda m: m.graph.initializer[0].dims.__setitem__(
        0, 1 << 40
    ),
    "expected (1,)": lambda m: m.graph.initializer[0].dims.__setitem__(slice(0, 2), [1, 4]),
    "no empty axis": lambda m: (
        m.graph.initializer[0].dims.__setitem__(0, 0),
        setattr(m.graph.initializer[0], "raw_data", b""),
    ),
    "NaN or infinity": lambda m: setattr(
        m.graph.initializer[1], "raw_data", np.float32([np.nan, 1]).tobytes()
    ),
    "two of each, from 1": lambda m: m.graph.node[0].attribute.append(
        onnx.helper.make_attribute("strides", [0, 1])
    ),
    "expected whole numbers": lambda m: m.graph.node[0].attribute.append(
        onnx.helper.make_attribute("pads", "SAME")
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_that_says_what_cannot_be_is_refused_in_a_line(what, tmp_path):
    path = changed(tmp_path / "n.onnx", CHANGES[what])
    with pytest.raises(EvsimError) as error:
        trainers.read(path).result()
    said = str(error.value)
    assert said.startswith(str(path))
    assert what in said
    assert "\n" not in said


def test_damaged_files_are_refused_in_a_line(tmp_path):
    whole = changed(tmp_path / "n.onnx", lambda model: None).read_bytes()
    path, draw = tmp_path / "cut.onnx", random.Random(0)
    path.write_bytes(b"no model")
    with pytest.raises(EvsimError, match="a damaged ONNX file"):
        trainers.read(path)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
        try:
            trainers.read(path).result()
        except EvsimError as error:
            said = str(error)
            assert "\n" not in said, said
            assert "object has no" not in said, said


def external(model, **about):
    """Say that the first array of a model lies in another file."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in about.items():
        tensor.external_data.add(key=key, value=value)


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ({}, "a file in the folder of the ONNX file"),
        ({"location": "../outside.data"}, "a file in the folder of the ONNX file"),
        ({"location": "/etc/passwd"}, "a file in the folder of the ONNX file"),
        ({"location": "link.data"}, "a file in the folder of the ONNX file"),
        ({"location": "gone.data"}, "no file 'gone.data'"),
        ({"location": "."}, "no file '.'"),
        ({"location": "n.data"}, "160 bytes from 0 on"),
        ({"location": "n.data", "length": "144", "offset": "20"}, "144 bytes from 20 on"),
        ({"location": "n.data", "length": "-1"}, "found '-1', expected a whole number"),
        ({"location": "n.data", "length": "100"}, "100 bytes"),
    ],
)
def test_data_outside_of_the_file_lie_in_its_folder(about, what, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("outside.data", "folder/n.data"):
        (tmp_path / name).write_bytes(bytes(160))
    (folder / "link.data").symlink_to(tmp_path / "outside.data")
    path = changed(folder / "n.onnx", lambda model: external(model, **about))
    with pytest.raises(EvsimError) as error:
        trainers.read(path)
    assert what in str(error.value)
    assert "initializers/array0" in str(error.value)


def test_options_that_the_file_settles(tmp_path):
    path = changed(tmp_path / "n.onnx", lambda model: None)
    for options in (Options(topology="mlp"), Options(flip_kernels=True)):
        with pytest.raises(EvsimError, match="contradicts the file"):
            trainers.read(path, options)


def test_without_the_package_its_name_is_told(tmp_path, monkeypatch):
    path = changed(tmp_path / "n.onnx", lambda model: None)
    imported = builtins.__import__

    def refuse(name, *rest):
        if name == "onnx":
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(EvsimError, match=r"pip install 'evsim\[onnx\]'"):
        trainers.read(path)
