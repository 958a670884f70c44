"""Topologies: the pairing of weights, and every definition that is shipped."""

# ruff: noqa: E501  the tables of networks and mistakes have a line each

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bundles import convs, denses, norms, read, renamed, zeros
from support.effort import examples

from evsim.base.errors import EvsimError
from evsim.base.shipped import shipped
from evsim.formats.trainers import _topology as topology
from evsim.formats.trainers._definition import Definition
from evsim.formats.trainers._trainer import Bundle, Options, Source

NAMES = sorted(path.stem for path in shipped("networks").glob("*.toml"))


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
    "digits": ([*convs(24, 48, inputs=1, bias=True), *denses(192, 10, bias=True)], (10,), 12_586),
    "mlp": (list(denses(784, 300, 100, 10, bias=True)), (10,), 266_610),
    "mnist-cnn-avgpool": ([*convs(32, 32, inputs=1, bias=True), *denses(4608, 128, 10, bias=True)], (10,), None),
    "lenet5": ([*convs(6, inputs=1, kernel=5, bias=True), *convs(16, inputs=6, kernel=5, bias=True), *denses(400, 120, 84, 10, bias=True)], (10,), 61_706),
    "lenet5-caffe": ([*convs(20, inputs=1, kernel=5, bias=True), *convs(50, inputs=20, kernel=5, bias=True), *denses(800, 500, 10, bias=True)], (10,), 431_080),
    **{f"vgg{d}-imagenet": (imagenet_vgg(d), (1000,), n) for d, n in ((11, 132_863_336), (13, 133_047_848), (16, 138_357_544), (19, 143_667_240))},
    **{f"vgg{d}{kind}": ([*convs(*VGG[d]), *norms(*VGG[d]), *denses(512, 10, bias=True)], (10,), None) for d in VGG for kind in ("", "-maxpool")},
    **{f"vgg9{kind}": ([*convs(*PURDUE), *norms(*PURDUE, 1024, 1024), *denses(8192, 1024, 1024, 10)], (10,), None) for kind in ("", "-stochastic", "-stochastic-xnor")},
    "vgg16-stochastic": ([*convs(*VGG[16]), *norms(*VGG[16], 4096, 4096), *denses(512, 4096, 4096, 100)], (100,), None),
    "vgg5": ([*convs(64, 128, 128), *denses(8192, 1024, 10)], (10,), None),
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
    **{f"vgg{n}x{m}": ([*convs(*[64] * (n + 1)), *norms(*[64] * (n + 1)), *denses(4096, 10, bias=True)], (10,), None) for n, m in ((2, 4), (3, 2))},
    **{f"resnet{n}x{m}": ([*convs(*[64] * (n + 1)), *norms(*[64] * (n + 1)), *denses(64, 10, bias=True)], (10,), None) for n, m in ((2, 4), (4, 2))},
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
    again = {name for block in model.blocks for turn in block.turns[1:] for name in turn}
    first = [layer for name, layer in model.layers.items() if name not in again]
    weighted = [layer for layer in first if layer.kind in topology.WEIGHTED]
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


@pytest.mark.parametrize(("trainer", "order"), [("pytorch", "chw"), ("keras", "hwc")])
def test_flattening_is_the_trainer_s(trainer, order):
    model = read("lenet5", WEIGHTS["lenet5"][0], trainer)
    assert model.layers["flatten"].order == order


def test_an_unknown_topology_names_the_nearest():
    with pytest.raises(EvsimError, match="did you mean 'resnet56'"):
        topology.find("resnet5")


def marked(bundles):
    """The bundles, each weight or gamma filled with the bundle's number."""
    return [
        Bundle(b.name, {r: np.full(a.shape, k + 1, np.float32) for r, a in b.arrays.items()})
        for k, b in enumerate(bundles)
    ]


def marks(model, bundles):
    """The layer that each marked bundle came to."""
    found = {}
    for name, layer in model.layers.items():
        if layer.kind in topology.WEIGHTED:
            array = layer.gamma if layer.kind == "normalize" else layer.weight
            found[int(array.flat[0]) - 1] = name
    return [found[k] for k in range(len(bundles))]


def small_vgg(depth, *, dense_norms=False):
    """Narrow weights of a VGG with three dense layers, in the order of its layers."""
    found, inputs = [], 3
    for k, _ in enumerate(VGG[depth]):
        found += [*convs(2, inputs=inputs), *norms(2, prefix=f"norm{k}.")]
        inputs = 2
    for k, (inputs, out) in enumerate(pairwise((98, 4, 4, 10))):
        found += denses(inputs, out)
        found += norms(4, prefix=f"dense_norm{k}.") if dense_norms and out == 4 else []
    return renamed(found)


def applied(name, bundles):
    options, source = Options(topology=name), Source(Path("w.h5"), b"")
    return topology.apply(bundles, options, source, "pytorch").result()


@examples(40)
@given(st.data(), st.booleans())
def test_only_the_order_within_a_kind_counts(data, dense_norms):
    """However the kinds are interleaved, with the norms of all layers or of convolutions alone."""
    bundles = marked(small_vgg(13, dense_norms=dense_norms))
    wanted = marks(applied("vgg13-imagenet", bundles), bundles)
    assert all("head" not in layer for layer in wanted[:20])
    queues = {
        kind: [b for b in bundles if topology.kind_of(b) == kind] for kind in topology.WEIGHTED
    }
    mixed = []
    while any(queues.values()):
        mixed.append(queues[data.draw(st.sampled_from([k for k in queues if queues[k]]))].pop(0))
    mixed = [Bundle(f"{k:03d}", b.arrays) for k, b in enumerate(mixed)]
    assert marks(applied("vgg13-imagenet", mixed), bundles) == wanted


@pytest.mark.parametrize("gone", [1, 5, 19])
def test_a_norm_that_is_left_out(gone):
    """In the order of the layers every norm is its convolution's; in another it is an error."""
    bundles = small_vgg(13)
    del bundles[gone]
    found = marks(applied("vgg13-imagenet", marked(bundles)), bundles)
    for k, bundle in enumerate(bundles[:19]):
        if topology.kind_of(bundle) == "normalize":
            assert found[k].removesuffix("norm") == found[k - 1].removesuffix("conv")
    apart = sorted(bundles, key=topology.kind_of)
    with pytest.raises(EvsimError, match="9 left over"):
        applied("vgg13-imagenet", [Bundle(f"{k:03d}", b.arrays) for k, b in enumerate(apart)])


@examples(30)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=9))
def test_a_perceptron_is_as_deep_and_wide_as_its_weights(widths):
    model = applied("mlp", list(denses(*widths)))
    shapes = [layer.weight.shape for layer in model.layers.values() if layer.kind == "dense"]
    assert shapes == list(pairwise(widths))
    assert sum(layer.kind == "relu" for layer in model.layers.values()) == len(widths) - 2


def test_layers_are_named_as_in_torchvision():
    blocks = [(s, b) for s in (1, 2, 3, 4) for b in (0, 1)]
    resnet18 = {"conv1", "bn1", "fc"} | {
        f"layer{s}.{b}.{name}{n}" for s, b in blocks for name in ("conv", "bn") for n in (1, 2)
    }
    resnet18 |= {f"layer{s}.0.downsample.{n}" for s in (2, 3, 4) for n in (0, 1)}
    fires = {
        "squeezenet1_0": (3, 4, 5, 7, 8, 9, 10, 12),
        "squeezenet1_1": (3, 4, 6, 7, 9, 10, 11, 12),
    }
    wanted = {"resnet18-imagenet": resnet18}
    for name, places in fires.items():
        parts = ("squeeze", "expand1x1", "expand3x3")
        wanted[name] = {f"features.{k}.{part}" for k in places for part in parts}
        wanted[name] |= {"features.0", "classifier.1"}
    for name, names in wanted.items():
        entries = Definition.read(topology.find(name)).expanded(1)
        assert {e.name for e in entries if e.kind in topology.WEIGHTED} == names, name


HYBRID = {  # widths and average pools in the authors' code (Rathi et al. 2020)
    5: "64 A 128 128 A",
    9: "64 A 128 256 A 256 512 A 512 A 512",
    11: "64 A 128 256 A 512 512 A 512 A 512 512",
    13: "64 64 A 128 128 A 256 256 A 512 512 512 A 512",
    16: "64 64 A 128 128 A 256 256 256 A 512 512 512 A 512 512 512",
    19: "64 64 A 128 128 A 256 256 256 256 A 512 512 512 512 A 512 512 512 512",
}


@pytest.mark.parametrize("depth", HYBRID)
def test_hybrid_networks_pool_where_their_authors_do(depth):
    wanted = ["pool" if word == "A" else "conv" for word in HYBRID[depth].split()]
    entries = Definition.read(topology.find(f"vgg{depth}-hybrid")).expanded(1)
    assert [e.kind for e in entries if e.kind in ("pool", "conv")] == wanted
    assert all(e.fields.get("operation") == "average" for e in entries if e.kind == "pool")


def test_weights_in_the_wrong_order_name_some_that_fit():
    bundles = renamed(WEIGHTS["lenet5"][0])
    bundles[3], bundles[2] = bundles[2], bundles[3]
    source, options = Source(Path("w.h5"), b""), Options(topology="lenet5")
    in_vain = [Bundle(f"{k}", b.arrays) for k, b in enumerate(bundles)]
    with pytest.raises(EvsimError) as error:
        topology.apply(in_vain, options, source, "pytorch")
    said = str(error.value)
    assert said.startswith("layers/fc1: found an input of shape (400,), expected 120 values")
    assert "its weights are '2': weight (120, 84)" in said
    assert "such as would fit: '3': weight (400, 120)" in said
    assert "matched by the file's order and shape" in said
