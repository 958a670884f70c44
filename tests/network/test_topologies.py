"""The sizes of well-known networks: exact ones, and nominal ones as the literature counts."""

import numpy as np
import pytest
from support.topologies import STEP, resnet20, vgg16, vgg16_imagenet, weights

import evsim


def synapses(network, kind=None):
    """The connections of the sets of one kind, or of all."""
    return sum(
        int(connections.fan_out.sum())
        for name, connections in network.connections.items()
        if kind in (None, network.synapses[name].kind)
    )


def nominal_macs(network):
    return sum(part.get("nominal_macs", 0) for part in network.describe().values())


def nominal_and_exact(network, names):
    """Synops if every source of some sets sends one event: as the literature counts, and exact."""
    nominal = exact = 0
    for name in names:
        fan_out = network.connections[name].fan_out
        nominal += fan_out.size * network.describe()[name]["nominal_fan_out"]
        exact += int(fan_out.sum())
    return nominal, exact


@pytest.fixture(scope="module")
def vgg():
    return vgg16(dtype=np.int8, seed=None)


def test_vgg16_at_cifar_size(vgg):
    assert synapses(vgg, "pool") == 124_928
    assert vgg.synapse_count == synapses(vgg) == 247_314_176 + 124_928
    assert nominal_macs(vgg) == 313_201_664
    assert vgg.populations["pool5"].shape == (1, 1, 512)


def test_nominal_counts_of_vgg16_exceed_the_exact_ones(vgg):
    weighted = [name for name, part in vgg.synapses.items() if part.kind != "pool"]
    nominal, exact = nominal_and_exact(vgg, weighted)
    assert (nominal, exact) == (313_201_664, 247_314_176)
    assert round(100 * (nominal / exact - 1), 1) == 26.6
    nominal, exact = nominal_and_exact(vgg, [name for name in weighted if "conv5" in name])
    assert nominal / exact - 1 == 1.25


def test_vgg16_at_imagenet_size():
    network = vgg16_imagenet(dtype=np.int8, seed=None)
    assert synapses(network) - synapses(network, "pool") == 14_969_824_000
    assert network.populations["pool5"].neurons == 25_088


def test_resnet20():
    network = resnet20(dtype=np.int8, seed=None)
    assert synapses(network, "pool") == 4_096
    assert synapses(network, "identity") == 79_872
    assert synapses(network) == 36_957_504 + 4_096 + 79_872
    assert nominal_macs(network) == 40_551_040


def test_shortcuts_of_resnet20_leave_zero_channels_on_both_sides():
    network = resnet20(dtype=np.int8, seed=None)
    jump = network.synapses["past_block2_1b"]
    assert (jump.stride, jump.channel_offset) == ((2, 2), 8)
    assert network.synapses["past_block3_1b"].channel_offset == 16
    assert network.synapses["past_block3_2b"].channel_offset == 0


def test_weights_are_seeded_and_the_same_in_int8_and_float32():
    steps, floats = weights(np.int8, 1)((4, 5)), weights(np.float32, 1)((4, 5))
    assert steps.dtype == np.int8
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(steps * np.float32(STEP), floats)
    assert (steps % 2 != 0).all()
    assert (weights(np.int8, 2)((4, 5)) != steps).any()


def test_int8_and_float32_weights_give_the_same_spikes():
    """Convolutions behind spiking neurons are integer populations, pools are not."""
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    networks = {dtype: vgg16(dtype=dtype, seed=3) for dtype in (np.int8, np.float32)}
    whole = networks[np.int8].integer_populations(False)
    assert {name[:4] for name in whole} == {"conv", "read"}
    assert networks[np.float32].integer_populations(False) == set()
    runs = {
        dtype: evsim.run(network, image, timesteps=8, coding="poisson").work
        for dtype, network in networks.items()
    }
    for name, facts in runs[np.int8].items():
        assert {fact: n.tolist() for fact, n in facts.items()} == {
            fact: n.tolist() for fact, n in runs[np.float32][name].items()
        }, name
    assert runs[np.int8]["pool5"]["spikes"].item() > 0
