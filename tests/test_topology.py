"""Topologies: the language, the pairing of weights, and every definition that is shipped."""

# ruff: noqa: E501  the tables of networks and mistakes have a line each

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from evsim.formats import _topology as topology
from evsim.formats._definition import Definition
from evsim.formats._trainer import Bundle, Options, Source
from evsim.parts import EvsimError
from evsim.shipped import shipped

NAMES = sorted(path.stem for path in shipped("networks").glob("*.toml"))


def zeros(*shape):
    """An array of one zero, however large: ImageNet's classifiers take no memory."""
    return np.broadcast_to(np.float32(0), shape)


def convs(*widths, inputs=3, kernel=3, bias=False):
    """Bundles of convolutions one after the other."""
    for k, out in enumerate(widths):
        arrays = {"weight": zeros(kernel, kernel, inputs, out)}
        yield Bundle(f"conv{k}", arrays | ({"bias": zeros(out)} if bias else {}))
        inputs = out


def denses(*widths, bias=False):
    for k, (inputs, out) in enumerate(pairwise(widths)):
        arrays = {"weight": zeros(inputs, out)}
        yield Bundle(f"dense{k}", arrays | ({"bias": zeros(out)} if bias else {}))


def norms(*widths, prefix="norm"):
    for k, size in enumerate(widths):
        roles = ("gamma", "beta", "mean", "variance")
        yield Bundle(f"{prefix}{k}", {role: np.ones(size, np.float32) for role in roles})


def resnet(blocks, widths=(16, 32, 64), inputs=3, projection=False):
    """Bundles of He's CIFAR networks, in the order of their layers."""
    found = [*convs(widths[0], inputs=inputs), *norms(widths[0])]
    before = widths[0]
    for width in widths:
        for block in range(blocks):
            found += convs(width, width, inputs=before)
            found += norms(width, width)
            if projection and block == 0 and width != before:
                found += [*convs(width, inputs=before, kernel=1), *norms(width)]
            before = width
    return [*found, *denses(widths[-1], 10, bias=True)]


def renamed(bundles):
    """The same bundles, each with a name of its own."""
    return [Bundle(f"l{k}", bundle.arrays) for k, bundle in enumerate(bundles)]


def read(name, bundles, trainer="pytorch"):
    reading = topology.apply(
        renamed(bundles), Options(topology=name), Source(Path("w.h5"), b""), trainer
    )
    return reading.result()


def parameters(bundles):
    """The parameters that training changes: statistics of batch norms are none."""
    trained = ("weight", "bias", "gamma", "beta")
    return sum(math.prod(b.arrays[role].shape) for b in bundles for role in trained if role in b.arrays)  # fmt: skip


VGG = {
    11: (64, 128, 256, 256, 512, 512, 512, 512),
    13: (64, 64, 128, 128, 256, 256, 512, 512, 512, 512),
    16: (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
    19: (64, 64, 128, 128, *[256] * 4, *[512] * 8),
}


def imagenet_vgg(depth):
    return [*convs(*VGG[depth], bias=True), *denses(25088, 4096, 4096, 1000, bias=True)]


def fire(inputs, squeeze, expand):
    yield from convs(squeeze, inputs=inputs, kernel=1, bias=True)
    yield from convs(expand, inputs=squeeze, kernel=1, bias=True)
    yield from convs(expand, inputs=squeeze, bias=True)


def squeezenet(first, kernel):
    found, inputs = list(convs(first, kernel=kernel, bias=True)), first
    for squeeze, expand in ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)):  # fmt: skip
        found += fire(inputs, squeeze, expand)
        inputs = 2 * expand
    return [*found, *convs(1000, inputs=inputs, kernel=1, bias=True)]


def imagenet_resnet(*blocks):
    found = [*convs(64, kernel=7), *norms(64)]
    before = 64
    for width, count in zip((64, 128, 256, 512), blocks, strict=True):
        for block in range(count):
            found += [*convs(width, width, inputs=before), *norms(width, width)]
            if block == 0 and width != before:
                found += [*convs(width, inputs=before, kernel=1), *norms(width)]
            before = width
    return [*found, *denses(512, 1000, bias=True)]


def hybrid_resnet(*blocks):
    found, before = list(convs(64, 64, 64)), 64
    for width, count in zip((64, 128, 256, 512), blocks, strict=True):
        for block in range(count):
            found += convs(width, width, inputs=before)
            if block == 0 and width != before:
                found += convs(width, inputs=before, kernel=1)
            before = width
    return [*found, *denses(2048, 10)]


PURDUE = (128, 128, 256, 256, 512, 512)
WEIGHTS = {  # name: bundles, shape of the result, parameters where the literature has them
    "mlp": (list(denses(784, 300, 100, 10, bias=True)), (10,), 266_610),
    "mnist-cnn-avgpool": ([*convs(32, 32, inputs=1, bias=True), *denses(4608, 128, 10, bias=True)], (10,), None),
    "lenet5": ([*convs(6, inputs=1, kernel=5, bias=True), *convs(16, inputs=6, kernel=5, bias=True), *denses(400, 120, 84, 10, bias=True)], (10,), 61_706),
    "lenet5-caffe": ([*convs(20, inputs=1, kernel=5, bias=True), *convs(50, inputs=20, kernel=5, bias=True), *denses(800, 500, 10, bias=True)], (10,), 431_080),
    **{f"vgg{d}-imagenet": (imagenet_vgg(d), (1000,), n) for d, n in ((11, 132_863_336), (13, 133_047_848), (16, 138_357_544), (19, 143_667_240))},
    **{f"vgg{d}{kind}": ([*convs(*VGG[d]), *norms(*VGG[d]), *denses(512, 10, bias=True)], (10,), None) for d in VGG for kind in ("", "-maxpool")},
    **{f"vgg9{kind}": ([*convs(*PURDUE), *norms(*PURDUE, 1024, 1024), *denses(8192, 1024, 1024, 10)], (10,), None) for kind in ("", "-stochastic", "-stochastic-xnor")},
    "vgg16-stochastic": ([*convs(*VGG[16]), *norms(*VGG[16], 4096, 4096), *denses(512, 4096, 4096, 100)], (100,), None),
    "vgg5-hybrid": ([*convs(64, 128, 128), *denses(8192, 4096, 4096, 10)], (10,), None),
    "vgg9-hybrid": ([*convs(64, 128, 256, 256, 512, 512, 512), *denses(2048, 4096, 4096, 10)], (10,), None),
    "vgg11-hybrid": ([*convs(64, 128, 256, 512, 512, 512, 512, 512), *denses(2048, 4096, 4096, 10)], (10,), None),
    "vgg13-hybrid": ([*convs(64, 64, 128, 128, 256, 256, 512, 512, 512, 512), *denses(2048, 4096, 4096, 10)], (10,), None),
    "vgg16-hybrid": ([*convs(*VGG[16]), *denses(2048, 4096, 4096, 10)], (10,), None),
    "vgg19-hybrid": ([*convs(*VGG[19]), *denses(2048, 4096, 4096, 10)], (10,), None),
    **{f"resnet{6 * n + 2}": (resnet(n), (10,), {3: 269_722, 9: 853_018}.get(n)) for n in (3, 5, 7, 9, 18)},
    **{f"resnet{6 * n + 2}-conv": (resnet(n, projection=True), (10,), None) for n in (3, 5, 7, 9, 18)},
    "resnet18-imagenet": (imagenet_resnet(2, 2, 2, 2), (1000,), 11_689_512),
    "resnet34-imagenet": (imagenet_resnet(3, 4, 6, 3), (1000,), 21_797_672),
    "resnet20-hybrid": (hybrid_resnet(2, 2, 2, 2), (10,), None),
    "resnet34-hybrid": (hybrid_resnet(3, 4, 6, 3), (10,), None),
    "squeezenet1_0": (squeezenet(96, 7), (1000,), 1_248_424),
    "squeezenet1_1": (squeezenet(64, 3), (1000,), 1_235_496),
}  # fmt: skip


def test_every_definition_is_tried():
    assert sorted(WEIGHTS) == NAMES


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_definition_takes_the_weights_of_the_literature(name):
    bundles, shape, count = WEIGHTS[name]
    model = read(name, bundles)
    assert model.shapes[model.output] == shape
    if count is not None:
        assert parameters(bundles) == count
    weighted = [layer for layer in model.layers.values() if layer.kind in topology.WEIGHTED]
    assert len(weighted) == len(bundles)


def test_purdue_s_vgg9_has_the_weights_of_its_paper():
    kernels = [b for b in WEIGHTS["vgg9"][0] if "weight" in b.arrays]
    assert parameters(kernels) == 14_022_016


@examples(60)
@given(st.permutations(range(len(resnet(3)))))
def test_names_match_whatever_the_order(order):
    bundles = resnet(3)
    definition = Definition.read(topology.find("resnet20"))
    entries = [e for e in definition.expanded(1) if e.kind in topology.WEIGHTED]
    by_kind = {
        kind: iter([e.name for e in entries if e.kind == kind]) for kind in topology.WEIGHTED
    }
    named = [Bundle(next(by_kind[topology.kind_of(b)]), b.arrays) for b in bundles]
    source, options = Source(Path("w.h5"), b""), Options(topology="resnet20")
    shuffled = [named[k] for k in order]
    model = topology.apply(shuffled, options, source, "pytorch").result()
    assert any("by name" in note for note in model.notes)
    for bundle in named:
        layer = model.layers[bundle.name]
        own = layer.weight if layer.kind != "normalize" else layer.gamma
        assert own.shape == bundle.arrays["weight" if layer.kind != "normalize" else "gamma"].shape


def test_numbers_in_names_are_numbers():
    bundles = [*convs(4, 5, 6, 7, 8, 9, 10, 11, inputs=3)]
    bundles = [Bundle(f"{3 * k}", b.arrays) for k, b in enumerate(bundles)]
    shuffled = sorted([*bundles, Bundle("99", {"weight": zeros(11, 10)})], key=lambda b: b.name)
    options, source = Options(topology="vgg11"), Source(Path("w.h5"), b"")
    model = topology.apply(shuffled, options, source, "pytorch").result()
    assert any("natural order" in note for note in model.notes)


def test_binary_weights():
    bundles = [*convs(4, inputs=1, kernel=1), *denses(4, 3)]
    weight = np.float32([[[[0.5, -1, 0, -0.25]]]])
    bundles[0].arrays["weight"] = weight
    model = definition_of(
        'input = [1, 1, 1]\nlayers = [{ name = "c", kind = "conv", weights = "sign" }, '
        '{ name = "d", kind = "dense" }]',
        bundles,
    )
    assert np.array_equal(model.layers["c"].weight, np.float32([[[[0.5, -1, 0, -0.25]]]]))
    bundles = [Bundle("c", {"weight": np.float32([[[[1], [-2], [0]]]])}), *denses(1, 3)]
    model = definition_of(
        'input = [1, 1, 3]\nlayers = [{ name = "c", kind = "conv", weights = "sign" }, '
        '{ name = "d", kind = "dense" }]',
        bundles,
    )
    assert np.array_equal(model.layers["c"].weight.ravel(), [1, -1, 1])


@pytest.mark.parametrize(("trainer", "order"), [("pytorch", "chw"), ("keras", "hwc")])
def test_flattening_is_the_trainer_s(trainer, order):
    model = read("lenet5", WEIGHTS["lenet5"][0], trainer)
    assert model.layers["flatten"].order == order


def definition_of(text, bundles, path=Path("/tmp/none.toml")):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.toml"
        path.write_text(text)
        return read(str(path), bundles)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layers = [", "found no TOML"),
        ('layers = [{ name = "a", kind = "cnov" }]', "layers[0]/kind: found 'cnov'"),
        ('layers = [{ name = "a", kind = "conv", kernl = 3 }]', "unknown field 'kernl'"),
        ('layers = [{ kind = "conv" }]', "layers[0]/name: found None, expected a name"),
        ('layers = [{ name = "a", use = "b" }]', "layers[0]/use: found 'b'"),
        ('layers = [{ name = "a", kind = "$k" }]', "found the parameter '$k'"),
        ('layers = 3', "layers: found 3, expected a list of layers"),
        ('title = 3\nlayers = []', "title: found 3, expected text"),
        ('layer = []', "found unknown field 'layer'"),
        ('title = "x"', "missing field 'layers'"),
        ('input = [0]\nlayers = []', "input: found [0]"),
        ('extends = "t"', "8 definitions that extend each other"),
        ('extends = "none"', "cannot be read: No such file"),
        ('layers = [{ name = "a", kind = "relu" }, { name = "a", kind = "relu" }]', "two layers 'a'"),
        ('layers = [{ name = "a", kind = "relu", sources = ["b"] }]', "sources: found 'b'"),
        ('layers = [{ name = "a", use = "r", repeat = 1e9 }]\n[blocks.r]\nlayers = []', "repeat: found 1000000000.0"),
        ('layers = [{ name = "a{i}", use = "r", repeat = 9000 }]\n[blocks.r]\nlayers = [{ name = "x{i}", use = "s", repeat = 9000 }]\n[blocks.s]\nlayers = [{ name = "y", kind = "relu" }]', "more than 10000 layers"),
        ('layers = [{ name = "a", use = "r" }]\n[blocks.r]\nlayers = [{ name = "x", use = "r" }]', "deep in each other"),
        ('input = [3, 3, 3]\nlayers = [{ name = "c", kind = "conv", padding = "full" }]', "padding: found 'full'"),
        ('input = [3, 3, 3]\nlayers = [{ name = "c", kind = "conv", channels = 5 }]', "found channels 4 in the weights, expected 5"),
        ('input = [3, 3, 3]\nlayers = [{ name = "c", kind = "conv", kernel = 5 }]', "found kernel (3, 3) in the weights"),
        ('input = [3, 3, 3]\nlayers = [{ name = "c", kind = "conv", weights = "ternary" }]', "weights: found 'ternary'"),
        ('input = [3, 3, 3]\nlayers = [{ name = "d", kind = "dense" }]', "1 left over: l0 (weight (3, 3, 3, 4))"),
        ('layers = [{ name = "c", kind = "conv" }]', "the shape of the image is not known"),
    ],
)  # fmt: skip
def test_definitions_that_are_wrong(text, said):
    with pytest.raises(EvsimError) as error:
        definition_of(text, list(convs(4)))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_topology_names_the_nearest():
    with pytest.raises(EvsimError, match="did you mean 'resnet56'"):
        topology.find("resnet5")
