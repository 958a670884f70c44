"""A sample gives the same bits and the same facts, whatever is advanced beside it."""

import dataclasses
import threading

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import build
from support.effort import examples
from support.kinds import KINDS
from support.kinds import cases as cases_of_kind
from support.places import ROOT
from support.strategies import cases

import evsim
from evsim.base.errors import EvsimError
from evsim.engine.plan import Plan
from evsim.engine.queue import Queue
from evsim.engine.settings import settle
from evsim.engine.simulation import Stopped
from evsim.engine.threads import simulate

SAMPLES = 8


def bits(value):
    """What was counted and recorded, so that == compares types and bits."""
    if dataclasses.is_dataclass(value):
        return {field.name: bits(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: bits(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    return type(value), value


def ran(network, inputs, settings, batch, jobs=1, **given):
    """The samples of a run of at most `batch` together."""
    plan = Plan(network, settings, **given)
    assert plan.batch >= 1
    plan.batch = min(batch, plan.batch)
    return list(simulate(plan, inputs, settings, jobs, threading.Event()))


def samples_of(case):
    """The input of a case and others like it: moved along the neurons, one of them not signed."""
    if case.coding != "events":
        moved = [np.roll(case.inputs.ravel(), n) for n in range(SAMPLES)]
        moved[3] = np.abs(moved[3])
        turned = [case._replace(inputs=image.reshape(case.inputs.shape)) for image in moved]
        return build.samples(turned)
    shape = case.network["populations"][case.network["input"]]["shape"]
    count = int(np.prod(shape))
    turned = [
        case._replace(
            inputs=sorted((t, (neuron + n) % count, value) for t, neuron, value in events)
        )
        for n, events in enumerate([case.inputs] * 3 + [[]] + [case.inputs] * 4)
    ]
    return build.samples(turned)


def assert_batches_change_nothing(case, batches, jobs=1, **given):
    network, inputs = build.network(case.network), samples_of(case)
    choices = {name: getattr(case, name) for name in ("timesteps", "coding", "seed")}
    settings = settle(network, inputs, first_sample=case.sample, **choices)
    assume(Plan(network, settings, **given).batch > 1)
    alone = bits(dict(enumerate(ran(network, inputs, settings, 1, **given))))
    assert len(alone) == SAMPLES
    for batch in batches:
        together = ran(network, inputs, settings, batch, jobs, **given)
        assert bits(dict(enumerate(together))) == alone


@examples(45)
@given(cases(plain=True), st.sampled_from([(2, 3), (7,), (8,)]), st.integers(1, 2))
def test_no_batch_changes_a_bit_or_a_fact(case, batches, jobs):
    assert_batches_change_nothing(case, batches, jobs, record=("rates",))


@pytest.mark.slow
@examples(400)
@given(cases(), st.integers(2, 8), st.integers(1, 8))
def test_no_batch_with_a_window_changes_a_bit_or_a_fact(case, batch, window):
    assert_batches_change_nothing(case, (batch,), span=window)


@pytest.mark.parametrize("kind", [name for name, k in KINDS["neurons"].items() if k.batches])
def test_kinds_of_neurons_take_samples_together(kind):
    several = 0
    for form, case in list(cases_of_kind("neurons", kind))[::2]:
        network, inputs = build.network(case.network), samples_of(case)
        choices = {name: getattr(case, name) for name in ("timesteps", "coding", "seed")}
        settings = settle(network, inputs, dtype=form.dtype, **choices)
        several += Plan(network, settings).batch > 1
        alone, together = (ran(network, inputs, settings, batch) for batch in (1, SAMPLES))
        assert bits(dict(enumerate(together))) == bits(dict(enumerate(alone)))
    assert several


@pytest.mark.parametrize(
    ("name", "coding"),
    [("dense", "poisson"), ("conv", "constant"), ("int8", "poisson"), ("backres", "constant")],
)
def test_shipped_networks_give_the_same_in_batches(name, coding):
    network = evsim.load(ROOT / "networks" / f"digits-{name}.h5")
    with evsim.open_data(ROOT / "data" / "digits_test.h5") as data:
        images = data.images[:9]
    settings = settle(network, images, timesteps=16, coding=coding)
    assert Plan(network, settings).batch >= 4
    alone = bits(dict(enumerate(ran(network, images, settings, 1))))
    for batch in (2, 4, 9):
        assert bits(dict(enumerate(ran(network, images, settings, batch)))) == alone


def little():
    """A network of two neurons in a row, and images of one value, 1."""
    populations = {
        "input": {"kind": "input", "shape": (1,), "scale": 1},
        "n": {"kind": "iaf", "shape": (1,), "threshold": 1},
        "out": {"kind": "readout", "shape": (1,)},
    }
    one = np.ones((1, 1))
    synapses = {
        "input-n": {"kind": "dense", "source": "input", "target": "n", "weight": one},
        "n-out": {"kind": "dense", "source": "n", "target": "out", "weight": one},
    }
    parts = {"populations": populations, "synapses": synapses}
    return build.network(parts | {"input": "input", "output": "out"})


def test_what_is_recorded_or_queued_or_large_is_run_alone():
    network, images = little(), np.ones((4, 1))
    settings = settle(network, images, timesteps=4)
    assert Plan(network, settings).batch > 1
    assert Plan(network, settings, record=("rates",)).batch > 1
    for record in ("spikes", "trace", "queues", "ranges", "arrivals"):
        assert Plan(network, settings, record=(record,)).batch == 1
    assert Plan(network, settings, queue=Queue(3)).batch == 1
    assert Plan(network, settings, memory=1).batch == 1
    long = settle(network, images, timesteps=1 << 22)
    assert Plan(network, long).batch == 1


def taken(samples, finished, stop=None):
    """Take in the indices of samples; after three say `stop`, where there is what stops them."""
    for sample in samples:
        finished.append(sample.index)
        if stop is not None and len(finished) == 3:
            stop.set()


@pytest.mark.parametrize("wrong", [0, 2, 5])
def test_a_mistake_in_a_batch_is_of_its_sample_and_comes_after_those_before_it(wrong):
    network, images = little(), np.ones((6, 1))
    images[wrong] = 2e38
    settings = settle(network, images, timesteps=8, first_sample=10)
    said = []
    for batch in (1, 4, 6):
        plan, finished = Plan(network, settings), []
        plan.batch = batch
        with pytest.raises(EvsimError) as error:
            taken(simulate(plan, images, settings, 1, threading.Event()), finished)
        assert finished == list(range(10, 10 + wrong))
        said.append(str(error.value))
    assert f"sample {10 + wrong}" in said[0]
    assert said == said[:1] * 3


def test_a_run_that_is_stopped_yields_what_is_finished():
    network, images = little(), np.ones((200, 1))
    settings = settle(network, images, timesteps=4)
    plan, stop, finished = Plan(network, settings), threading.Event(), []
    with pytest.raises(Stopped):
        taken(simulate(plan, images, settings, 1, stop), finished, stop)
    assert finished == list(range(len(finished)))
    assert 3 <= len(finished) <= 200
