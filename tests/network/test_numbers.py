"""Whole numbers of any size in a network: a line, or no more work than a small one makes."""

import dataclasses
import time

import numpy as np
import pytest
from support import build
from support.damage import outcomes
from support.files import network, put
from support.kinds import FORMS, KINDS, NEURONS, SYNAPSES, neuron_network, set_network, takes

import evsim
from evsim.formats import guard

LARGE = (2**62, 2**31, 2**31 - 1, -1)
BYTES = 400 << 20  # beyond what is in use
SECONDS = 1


def examples():
    """(folder, name, class, description) of an example of each kind."""
    for kind, (*_, example) in NEURONS.items():
        form = next(f for f in (FORMS[0], FORMS[2]) if takes(kind, example, f))
        name = "in" if kind == "input" else "n"
        yield "populations", name, KINDS["neurons"][kind], neuron_network(kind, example, form)
    for kind, (example, *_) in SYNAPSES.items():
        description = set_network(kind, *example, FORMS[2])
        yield "synapses", "in-n", KINDS["synapses"][kind], description


def variants():
    """(name, field, value, description, attributes): each number of each kind is large, in turn,
    and of several each by itself and all together."""
    for folder, part, kind, description in examples():
        own = description[folder][part]
        for field in dataclasses.fields(kind):
            form = str(field.type).removeprefix("<class '")
            values = LARGE if form.startswith("int") else ()
            if form.startswith("tuple[int"):
                count = len(own["shape"]) if field.name == "shape" else form.count("int")
                now = np.ravel(own.get(field.name, [field.name != "padding"] * count))
                each = [np.arange(count) == i for i in range(count)] + [np.full(count, True)]
                values = [np.where(some, n, now) for n in LARGE for some in each]
            for value in values:
                parts = description[folder] | {part: own | {field.name: value}}
                yield kind.kind, field.name, value, description | {folder: parts}, {}
        for name in ("timesteps", "window", "seed"):
            plain = {key: value for key, value in description.items() if key != "window"}
            for value in LARGE:
                yield kind.kind, name, value, plain, {name: value}


def make(description, attributes):
    """The network, with all that is said of it."""
    made = build.network(description, **attributes)
    made.describe()
    assert made.synapse_count >= 0
    assert made.parameters >= 0
    return made


def run(description, attributes):
    """Run the network, as long as its windows demand."""
    made = make(description, attributes)
    needed = (made.schedule and made.schedule.timesteps) or made.last_window_end
    coding = "poisson" if made.last_window_end is None else "latency"
    coding = "switch" if made.schedule and made.schedule.coded else coding
    image = np.full((1, *made.populations[made.input].shape), 0.5, np.float32)
    evsim.run(made, image, timesteps=needed or 3, coding=coding, jobs=1)


def tried(folder, monkeypatch, use, step=1):
    """How many numbers were tried, and (kind, field, value, what happened) where it is wrong."""
    monkeypatch.setattr("support.damage.BYTES", BYTES)
    monkeypatch.setattr("support.damage.SECONDS", 2 * SECONDS)
    monkeypatch.setattr("support.damage.damaged", lambda _, number: str(number).encode())
    cases = list(variants())[::step]
    for *_, description in examples():  # kernels are compiled here, once for all children
        use(description, {})

    def read(path):
        begin = time.process_time()
        try:
            use(*cases[int(path.read_text())][3:])
        finally:
            assert time.process_time() - begin < SECONDS

    found = outcomes(b"", read, range(len(cases)), folder / "number")
    wrong = {number: said for number, said in found.items() if not isinstance(said, str | None)}
    return len(cases), [(*cases[number][:3], said) for number, said in wrong.items()]


def test_large_numbers_make_no_work(tmp_path, monkeypatch):
    count, wrong = tried(tmp_path, monkeypatch, make, step=3)
    assert count > 250
    assert wrong == [], wrong


@pytest.mark.slow
def test_large_numbers_are_run_without_work(tmp_path, monkeypatch):
    count, wrong = tried(tmp_path, monkeypatch, run)
    assert count > 700
    assert wrong == [], wrong


def test_bits_of_a_weight(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "BYTES", BYTES)
    path = network(tmp_path / "n.h5", put("synapses/b-c/bits", 2**62))
    with pytest.raises(evsim.EvsimError) as error:
        guard.guarded(path, evsim.load)
    place = "/synapses/b-c/bits"
    assert str(error.value) == f"{path}: {place}: found 4611686018427387904, expected at most 64"
    path = network(tmp_path / "n.h5", put("synapses/b-c/bits", 64))
    assert guard.guarded(path, evsim.load).synapses["b-c"].bits == 64
