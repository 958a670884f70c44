"""ONNX: what evsim makes of a graph computes what ONNX's own reference computes."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evsim
from evsim.formats import trainers
from evsim.formats.trainers import Options

pytest.importorskip("onnx")
from support.onnx_files import Maker, computed, onnx


def agree(maker, path, images=None, options=None, relative=1e-5):
    """Assert that a graph's model computes what the reference does; returns the model."""
    model = trainers.read(maker.save(path), options or Options()).result()
    if images is None:
        samples = maker.batch if isinstance(maker.batch, int) else 3
        images = np.float32(np.random.default_rng(1).uniform(-1, 1, (samples, *maker.input)))
    wanted = computed(maker.model(), images)
    own = images.transpose(0, 2, 3, 1) if images.ndim == 4 else images
    own = own.reshape(len(own), *model.input.shape)
    got = model.forward(model.scaled(np.ascontiguousarray(own)))[model.output]
    got = got.transpose(0, 3, 1, 2) if wanted.ndim == 4 else got
    np.testing.assert_allclose(
        got.reshape(wanted.shape), wanted, rtol=relative, atol=1e-5 * max(1, np.abs(wanted).max())
    )
    return model


class Drawn:
    """A random network of maps, then of vectors; `draw` is Hypothesis's."""

    def __init__(self, draw):
        self.draw = draw
        whole = st.integers
        shape = [draw(whole(1, 4)), draw(whole(4, 9)), draw(whole(4, 9))]
        batch = draw(st.sampled_from(["n", 1, 3]))
        opset = draw(st.sampled_from([9, 11, 13, 18]))
        self.maker = Maker(shape, draw(whole(0, 99)), opset, batch)
        kinds = ["conv", "norm", "relu", "clip", "pool", "pad", "join", "concat", "scale", "none"]
        for kind in draw(st.lists(st.sampled_from(kinds), max_size=5)):
            getattr(self, kind)()
        getattr(self, draw(st.sampled_from(["flatten", "reshape", "turned", "computed", "mean"])))()
        for _ in range(draw(whole(1, 2))):
            self.dense()
        if draw(st.booleans()):
            self.maker.add("Softmax", axis=1)

    def some(self, *values):
        """One of some values."""
        return self.draw(st.sampled_from(values))

    def sized(self, array):
        """Numbers, perhaps in another precision and cast, as exporters do."""
        maker, dtype = self.maker, self.some(np.float32, np.float32, np.float16, np.float64)
        name = maker.array(dtype(array))
        return name if dtype is np.float32 else maker.computed("Cast", name, to=1)

    def geometry(self, kernel, dilation=(1, 1)):
        """Attributes of what slides, and the size of its result; None where nothing fits."""
        _, *sizes = self.maker.shape
        steps = [self.some(1, 2), self.some(1, 2)]
        mode = self.some("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
        pads = [self.draw(st.integers(0, (kernel[i % 2] - 1))) for i in range(4)]
        found = {"strides": steps, "kernel_shape": list(kernel)}
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        if mode == "NOTSET":
            found["pads"] = pads
            sizes = [n + pads[i] + pads[i + 2] for i, n in enumerate(sizes)]
        else:
            found["auto_pad"] = mode
        if mode.startswith("SAME"):
            after = [-(-n // s) for n, s in zip(sizes, steps, strict=True)]
        else:
            after = [(n - r) // s + 1 for n, r, s in zip(sizes, reach, steps, strict=True)]
        return (found, after) if min(after) > 0 else None

    def conv(self):
        """A convolution, perhaps grouped, dilated, with uneven padding."""
        maker, kernel = self.maker, (self.some(1, 2, 3), self.some(1, 3))
        dilation = (self.some(1, 2), 1)
        places = self.geometry(kernel, dilation)
        if places is None:
            return
        channels = maker.shape[0]
        groups = self.some(1, channels)
        out = groups * self.some(1, 2)
        weight = maker.random.normal(0, 0.5, (out, channels // groups, *kernel))
        bias = [maker.weights(out)] if self.draw(st.booleans()) else []
        found, after = places
        found |= {"group": groups, "dilations": list(dilation), "shape": (out, *after)}
        maker.add("Conv", self.sized(weight), *bias, **found)

    def norm(self):
        """A batch normalisation."""
        maker, size = self.maker, self.maker.shape[0]
        arrays = [maker.weights(size) for _ in range(3)]
        variance = maker.array(np.float32(maker.random.uniform(0.5, 2, size)))
        maker.add("BatchNormalization", *arrays, variance, epsilon=self.some(1e-5, 1e-3))

    def relu(self):
        """A rectifier."""
        self.maker.add("Relu")

    def clip(self):
        """A rectifier with a ceiling."""
        maker = self.maker
        if maker.opset < 11:
            maker.add("Clip", min=0.0, max=6.0)
        else:
            maker.add("Clip", maker.array(np.float32(0)), maker.array(np.float32(0.75)))

    def pool(self):
        """A pool over windows."""
        maker, kernel = self.maker, (self.some(2, 3), self.some(2, 3))
        places = self.geometry(kernel)
        if places is None:
            return
        found, after = places
        operator = self.some("MaxPool", "AveragePool")
        if maker.opset >= 10 and "pads" in found and self.draw(st.booleans()):
            found["ceil_mode"] = 1
            for axis in (0, 1):
                size, step = maker.shape[1 + axis], found["strides"][axis]
                lead, trail = found["pads"][axis], found["pads"][axis + 2]
                after[axis] = -(-(size + lead + trail - kernel[axis]) // step) + 1
                after[axis] -= (after[axis] - 1) * step >= size + lead
        if operator == "AveragePool":
            found["count_include_pad"] = self.some(0, 1)
        maker.add(operator, shape=(maker.shape[0], *after), **found)

    def pad(self):
        """Zeros around a map, and channels of zeros."""
        maker = self.maker
        ends = [0, self.some(0, 1), 1, 0, 0, self.some(0, 2), self.some(0, 1), 2]
        shape = [n + a + b for n, a, b in zip((1, *maker.shape), ends[:4], ends[4:], strict=True)]
        if maker.opset < 11:
            maker.add("Pad", pads=ends, shape=shape[1:])
        else:
            maker.add("Pad", maker.array(np.int64(ends)), shape=shape[1:])

    def branch(self):
        """A 1x1 convolution beside the latest result; returns the names of both."""
        maker, before = self.maker, self.maker.last
        weight = maker.weights(maker.shape[0], maker.shape[0], 1, 1)
        return before, maker.add("Conv", weight, kernel_shape=[1, 1])

    def join(self):
        """A residual join."""
        first, second = self.branch()
        self.maker.add("Add", first, source=second)

    def concat(self):
        """Channels of two branches side by side."""
        first, second = self.branch()
        channels, *sizes = self.maker.shape
        self.maker.add("Concat", second, source=first, axis=1, shape=(2 * channels, *sizes))

    def scale(self):
        """Arithmetic with constants, one or one a channel."""
        maker, operator = self.maker, self.some("Add", "Sub", "Mul", "Div")
        shape = self.some((), (maker.shape[0], 1, 1), (1, maker.shape[0], 1, 1))
        numbers = maker.random.uniform(0.5, 2, shape) * self.some(1, -1)
        if operator != "Div" and self.draw(st.booleans()):
            constant = self.sized(numbers)
            maker.add(operator, maker.last, source=constant)
        else:
            maker.add(operator, self.sized(numbers))

    def none(self):
        """What changes nothing in a trained network."""
        self.maker.add(self.some("Dropout", "Identity"))

    def flat(self, operator, *inputs, **attributes):
        """A map as a vector."""
        size = int(np.prod(self.maker.shape))
        self.maker.add(operator, *inputs, shape=(size,), **attributes)

    def flatten(self):
        """As PyTorch flattens."""
        self.flat("Flatten")

    def reshape(self):
        """As a traced view."""
        samples = self.maker.batch if isinstance(self.maker.batch, int) else -1
        target = self.some([0, -1], [samples, int(np.prod(self.maker.shape))])
        self.flat("Reshape", self.maker.array(np.int64(target)))

    def turned(self):
        """As TensorFlow flattens: channels last."""
        channels, *sizes = self.maker.shape
        self.maker.add("Transpose", perm=[0, 2, 3, 1], shape=(*sizes, channels))
        self.flat("Reshape", self.maker.array(np.int64([0, -1])))

    def computed(self):
        """As a traced view(x.size(0), -1)."""
        maker = self.maker
        sizes = maker.computed("Shape", maker.last)
        first = maker.computed("Gather", sizes, maker.array(np.int64([0])), axis=0)
        rest = maker.array(np.int64([-1]))
        self.flat("Reshape", maker.computed("Concat", first, rest, axis=0))

    def mean(self):
        """A global average, without the axes that it leaves."""
        channels = self.maker.shape[0]
        if self.maker.opset < 18 and self.draw(st.booleans()):
            self.maker.add("ReduceMean", axes=[-1, -2], keepdims=0, shape=(channels,))
        else:
            self.maker.add("GlobalAveragePool", shape=(channels, 1, 1))
            self.flatten()

    def dense(self):
        """A matrix and a bias, in one operator or two."""
        maker, (size,) = self.maker, self.maker.shape
        weight = maker.random.normal(0, 0.5, (size, 3))
        if self.draw(st.booleans()):
            maker.add("MatMul", self.sized(weight), shape=(3,))
            maker.add("Add", maker.weights(3))
        else:
            turned = self.some(0, 1)
            attributes = {
                "transB": turned,
                "alpha": self.some(1.0, 0.5),
                "beta": self.some(1.0, 2.0),
            }
            weight = self.sized(weight.T if turned else weight)
            maker.add("Gemm", weight, maker.weights(3), shape=(3,), **attributes)


@st.composite
def networks(draw):
    """A random network, as the Maker that made it."""
    return Drawn(draw).maker


@settings(max_examples=40)
@given(maker=networks())
def test_random_networks_compute_what_the_reference_computes(maker, tmp_path_factory):
    model = agree(maker, tmp_path_factory.mktemp("onnx") / "n.onnx")
    assert all("/" not in name for name in model.layers)


def small(**choices):
    """Two convolutions and a matrix, with names as PyTorch gives them."""
    maker = Maker((3, 6, 6), **choices)
    maker.array(np.float32(maker.random.normal(size=(4, 3, 3, 3))), "features.0.weight")
    maker.add("Conv", "features.0.weight", maker.weights(4), pads=[1, 1, 1, 1], shape=(4, 6, 6))
    maker.add("Relu")
    maker.add("Flatten", shape=(144,))
    maker.add("Gemm", maker.weights(144, 5), shape=(5,))
    return maker


@pytest.mark.parametrize("batch", ["n", None, 1, 3, 7])
def test_the_axis_of_samples_is_open_or_of_any_size(batch, tmp_path):
    maker = small(batch=batch)
    agree(
        maker, tmp_path / "n.onnx", np.ones((batch if isinstance(batch, int) else 2, 3, 6, 6), "f")
    )


def test_names_are_those_of_the_weights_or_of_the_modules(tmp_path):
    maker = small()
    maker.nodes[1].name = "/features/features.1/Relu"
    maker.nodes[3].name = "/classifier/Gemm"
    model = agree(maker, tmp_path / "n.onnx")
    assert list(model.layers) == ["features.0", "features.1", "classifier.flatten", "classifier"]


def test_operators_that_scale_the_image_become_its_scaling(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 6, 6), dtype=np.uint8)
    mean = np.float32([0.5, 0.4, 0.3])[:, None, None]
    std = np.float32([0.2, 0.25, 0.3])[:, None, None]
    for steps, unit in (
        ([("Sub", mean), ("Div", std)], 255),  # of pixels from 0 to 1
        ([("Mul", 1 / std), ("Add", -mean / std)], 255),
        ([("Div", 255)], 1),  # of pixels as they are stored
        ([("Mul", 1 / 255), ("Sub", mean), ("Div", std)], 1),
        ([("Sub", 255 * mean), ("Mul", 1 / 58)], 1),
    ):
        maker, path = Maker((3, 6, 6)), tmp_path / "n.onnx"
        for operator, array in steps:
            maker.add(operator, maker.array(np.float32(array)))
        maker.add("Conv", maker.weights(4, 3, 3, 3), pads=[1, 1, 1, 1], shape=(4, 6, 6))
        model = trainers.read(maker.save(path)).result()
        assert [layer.kind for layer in model.layers.values()] == ["conv"]
        got = model.forward(model.scaled(pixels.transpose(0, 2, 3, 1)))[model.output]
        wanted = computed(maker.model(), np.float32(pixels / unit)).transpose(0, 2, 3, 1)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)
        agree(maker, path)  # floats are what the graph takes
        refused = pytest.raises(evsim.EvsimError, match="contradicts the file")
        with refused if unit == 1 else contextlib.nullcontext():
            trainers.read(path, Options(scale=1.0))


def test_an_image_that_two_branches_take_is_not_scaled_for_both(tmp_path):
    maker = Maker((2, 4, 4))
    halves = maker.add("Mul", maker.array(np.float32(0.5)))
    maker.add("Conv", maker.weights(2, 2, 1, 1), source="image")
    maker.add("Add", halves)
    model = agree(maker, tmp_path / "n.onnx")
    assert [layer.kind for layer in model.layers.values()] == ["normalize", "conv", "add"]


def test_an_offset_is_a_bias_only_where_nobody_takes_the_sum_without_it(tmp_path):
    for shared in (False, True):
        maker = Maker((2, 4, 4))
        plain = maker.add("Conv", maker.weights(2, 2, 1, 1))
        maker.add("Add", maker.weights(2, 1, 1))
        if shared:
            maker.add("Add", plain)
        model = agree(maker, tmp_path / "n.onnx")
        kinds = [layer.kind for layer in model.layers.values()]
        assert kinds == (["conv", "normalize", "add"] if shared else ["conv"])


def test_images_with_channels_last_as_tensorflow_exports_them(tmp_path):
    maker = Maker((6, 5, 3))  # height, width, channels
    maker.add("Transpose", perm=[0, 3, 1, 2], shape=(3, 6, 5))
    maker.add("Conv", maker.weights(4, 3, 3, 3), auto_pad="SAME_UPPER", shape=(4, 6, 5))
    maker.add("Transpose", perm=[0, 2, 3, 1], shape=(6, 5, 4))
    maker.add("Reshape", maker.array(np.int64([-1, 120])), shape=(120,))
    maker.add("MatMul", maker.weights(120, 5), shape=(5,))
    images = np.float32(np.random.default_rng(1).uniform(size=(2, 6, 5, 3)))
    model = trainers.read(maker.save(tmp_path / "n.onnx")).result()
    assert model.input.shape == (6, 5, 3)
    got = model.forward(images)[model.output]
    np.testing.assert_allclose(got, computed(maker.model(), images), rtol=1e-5, atol=1e-5)


def test_vectors_that_become_images_and_matrices_as_images(tmp_path):
    flat = Maker((16,))
    flat.add("Reshape", flat.array(np.int64([-1, 1, 4, 4])), shape=(1, 4, 4))
    matrix = Maker((4, 4))
    matrix.add("Unsqueeze", matrix.array(np.int64([1])), shape=(1, 4, 4))
    for maker in (flat, matrix):
        maker.add("Conv", maker.weights(2, 1, 3, 3), shape=(2, 2, 2))
        maker.add("Reshape", maker.array(np.int64([0, 2, 4])), shape=(2, 4))
        maker.add("Reshape", maker.array(np.int64([0, -1])), shape=(8,))
        maker.add("Gemm", maker.weights(8, 3), shape=(3,))
        images = np.float32(np.random.default_rng(1).uniform(size=(2, *maker.input)))
        assert agree(maker, tmp_path / "n.onnx", images).input.shape == (4, 4, 1)


@pytest.mark.parametrize(
    ("start", "end", "step", "reads"),
    [(0, 5, 2, True), (0, 4, 2, False), (0, 4, 3, True), (1, 5, 2, False), (-5, 99, 2, True),
     (0, 5, 1, True), (0, 4, 1, False), (4, -9, -1, False)],
)  # fmt: skip
def test_a_slice_may_skip_but_not_cut(start, end, step, reads, tmp_path):
    maker = Maker((2, 5, 5))
    every = [maker.array(np.int64([n])) for n in (start, end, -1, step)]
    maker.add("Slice", *every)
    maker.add("Relu")
    if reads:
        agree(maker, tmp_path / "n.onnx")
    else:
        ((_, said),) = trainers.read(maker.save(tmp_path / "n.onnx")).unsupported
        assert said.startswith("Slice that cuts")


def test_shortcuts_by_subsampling_and_channels_of_zeros(tmp_path):
    maker = Maker((4, 6, 6))
    every = [maker.array(np.int64(v)) for v in ([0, 0], [2**63 - 1, 6], [2, 3], [2, 2])]
    maker.add("Slice", *every, shape=(4, 3, 3))
    maker.add("Pad", maker.array(np.int64([0, 2, 0, 0, 0, 2, 0, 0])), shape=(8, 3, 3))
    model = agree(maker, tmp_path / "n.onnx")
    assert [layer.kind for layer in model.layers.values()] == ["identity", "identity"]


def test_values_in_any_order_meet_the_rows_of_a_matrix(tmp_path):
    maker = Maker((2, 3, 4))
    maker.add("Relu")
    maker.add("Transpose", perm=[0, 3, 1, 2], shape=(4, 2, 3))
    maker.add("Relu")
    maker.add("Flatten", shape=(24,))
    maker.add("MatMul", maker.weights(24, 5), shape=(5,))
    agree(maker, tmp_path / "n.onnx")


def test_normalisation_of_vectors_and_a_clipped_minimum(tmp_path):
    maker = Maker((2, 3, 3))
    maker.add("Max", maker.array(np.float32(0)))
    maker.add("Min", maker.array(np.float32(0.5)))
    maker.add("Flatten", shape=(18,))
    arrays = [maker.array(np.float32(np.linspace(0.5, 2, 18))) for _ in range(4)]
    maker.add("BatchNormalization", *arrays)
    maker.add("MatMul", maker.weights(18, 5), shape=(5,))
    maker.add("LogSoftmax", axis=1)
    model = trainers.read(maker.save(tmp_path / "n.onnx")).result()
    assert any("LogSoftmax" in note for note in model.notes)
    images = np.float32(np.random.default_rng(1).uniform(size=(9, 2, 3, 3)))
    got = model.forward(images.transpose(0, 2, 3, 1))[model.output]
    wanted = computed(maker.model(), images)
    np.testing.assert_allclose(got - got[:, :1], wanted - wanted[:, :1], rtol=1e-4, atol=1e-4)


def test_weights_in_a_file_beside_it(tmp_path):
    maker = small()
    wanted = trainers.read(maker.save(tmp_path / "n.onnx")).result()
    model = onnx.load(str(tmp_path / "n.onnx"))
    path = tmp_path / "e.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="e.data", size_threshold=0)
    got = trainers.read(path).result()
    images = np.ones((1, 6, 6, 3), np.float32)
    np.testing.assert_array_equal(
        got.forward(images)[got.output], wanted.forward(images)[wanted.output]
    )


def test_nodes_with_the_same_weights_share_an_array(tmp_path):
    maker = Maker((2, 4, 4))
    weight = maker.weights(2, 2, 3, 3)
    for _ in range(2):
        maker.add("Conv", weight, pads=[1, 1, 1, 1])
    first, second = trainers.read(maker.save(tmp_path / "n.onnx")).result().layers.values()
    assert np.shares_memory(first.weight, second.weight)


def test_colours_the_other_way_round(tmp_path):
    path = small().save(tmp_path / "n.onnx")
    model, turned = (trainers.read(path, Options(bgr=bgr)).result() for bgr in (False, True))
    images = np.float32(np.random.default_rng(1).uniform(size=(2, 6, 6, 3)))
    got, wanted = turned.forward(images[..., ::-1].copy()), model.forward(images)
    np.testing.assert_allclose(got[turned.output], wanted[model.output], rtol=1e-5)


def test_the_command_tells_what_a_file_holds(tmp_path, command):
    path = small().save(tmp_path / "network")  # known by its content, not by its name
    status, said, _ = command("info", path, "--json")
    assert status == 0
    assert '"ONNX"' in said
    assert "opset 17, written by tests" in said


def test_it_converts_to_a_spiking_network(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), dtype=np.uint8)
    model = evsim.read(small().save(tmp_path / "n.onnx"))
    network = evsim.convert(model, calibrate=images, timesteps=8)
    shapes = sorted(part.shape for part in network.populations.values())
    assert shapes == [(5,), (6, 6, 3), (6, 6, 4)]
    assert evsim.run(network, images, timesteps=8).predictions.shape == (4,)
