"""What the commands tell of a case, and how a difference is said."""

import contextlib
import io
import json
from collections import defaultdict
from functools import cached_property
from math import isclose
from pathlib import Path

import numpy as np

import evsim
from agreement.networks import Case
from agreement.recount import Recount, placed, span
from evsim.chip.profile import Profile
from evsim.cli.main import run_command
from evsim.formats.data import open_data

NO_NEURONS = ("input", "readout", "maxpool")  # for spikes of neurons
EVERYTHING = ("spikes", "queues", "ranges")
ADDITIONS = ("synaptic_add", "commit_add", "bias_add", "reset_subtract", "slope_add")
ADDITIONS += ("prediction_add",)
MACHINE = {"accumulate": "direct", "update": "clock", "input": "recompute"}


def command(*line: str) -> tuple[int, str, str]:
    """(status, output, errors) of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run_command([str(word) for word in line])
    return status, out.getvalue(), err.getvalue()


class Told:
    """The commands on one case; `differences` are lines of text, `met` what was there and did
    something."""

    def __init__(self, case: Case):
        self.case, self.chip = case, case.chip
        self.differences: list[str] = []
        self.met: set[str] = set()
        self.machine = MACHINE | self.chip["machine"]
        self.network = evsim.load(case.path("network.h5"))
        self.profile = Profile.read(Path(case.path("chip.toml")))

    # saying what differs

    def same(self, what: str, one, other) -> None:
        """Exactly the same, of numbers, lists and tables."""
        if isinstance(one, dict) and isinstance(other, dict):
            if set(one) != set(other):
                self.differences.append(f"{what}: keys {sorted(set(one) ^ set(other))}")
            for key in one.keys() & other.keys():
                self.same(f"{what}.{key}", one[key], other[key])
        elif one != other:
            self.differences.append(f"{what}: {str(one)[:90]} and {str(other)[:90]}")

    def near(self, what: str, one, other, absolute: float = 0.0) -> None:
        """The same but for the order of float sums; ranges at both ends."""
        if one is None or other is None:
            return self.same(what, one, other)
        for a, b in zip(span(one), span(other), strict=True):
            if not isclose(a, b, rel_tol=1e-12, abs_tol=absolute):
                self.differences.append(f"{what}: {one} and {other}")
                break
        return None

    def told(self, *line: str, statuses=(0,)) -> dict:
        """What a command prints as JSON."""
        status, out, err = command(*line, "--json")
        if status not in statuses or (err and not err.startswith("evsim: ")):
            raise AssertionError(f"{self.case.number}: {line[0]} ends with {status}: {err}")
        return json.loads(out)

    # the commands

    @cached_property
    def run(self) -> dict:
        machine = [word for name, choice in self.machine.items() for word in (f"--{name}", choice)]
        record = ["--record", "spikes,queues,ranges", "--out", self.case.path("run.h5")]
        return self.told("run", *self.inputs, *machine, *record)

    @cached_property
    def inputs(self) -> list[str]:
        return [self.case.path("network.h5"), self.case.path("data.h5"), *self.case.options]

    @cached_property
    def check(self) -> dict:
        chip = ["--chip", self.case.path("chip.toml"), "--placing", self.case.placing]
        found = self.told("check", *self.inputs, *chip, statuses=(0, 1))
        Path(self.case.path("check.json")).write_text(json.dumps(found), encoding="utf-8")
        return found

    def in_python(self, network, queue=None):
        """The same run from Python."""
        settings = {name: self.run[name] for name in ("timesteps", "coding", "seed", "dtype")}
        with open_data(self.case.path("data.h5")) as data:
            inputs = data.events if data.images is None else data.images
            inputs = inputs[slice(*self.case.samples)]
            first = self.case.samples[0]
            return evsim.run(
                network, inputs, first_sample=first, record=EVERYTHING, queue=queue, **settings
            )

    @cached_property
    def labels(self):
        found = self.case.data.get("labels")
        return None if found is None else found[slice(*self.case.samples)]

    @cached_property
    def graded_input(self) -> bool:
        events = self.case.data.get("events")
        if events is None:
            return self.case.coding == "constant"
        values = np.asarray(events.get("value", np.ones(1)))
        return bool(events.get("graded", (np.abs(values) != 1).any()))

    @cached_property
    def recount(self) -> Recount:
        return self._recount(None)

    def _recount(self, queue) -> Recount:
        order, timesteps = self.network.order, self.run["timesteps"]
        return Recount(self.case.network, order, timesteps, queue, self.graded_input)

    def sent(self, run) -> list[dict[str, dict]]:
        """By sample, population and timestep: the neurons that sent, as recorded."""
        index = {sample: i for i, sample in enumerate(run.samples)}
        found = [defaultdict(lambda: defaultdict(list)) for _ in run.samples]
        for name, events in run.spikes.items():
            for sample, t, neuron, _ in events.tolist():
                found[index[sample]][name][t].append(neuron)
        name = self.network.input
        if name not in run.spikes:  # what is graded is not recorded
            for i, sample in enumerate(run.samples):
                found[i][name] = self.graded_events(sample)
        return found

    def graded_events(self, sample: int) -> dict[int, list[int]]:
        """By timestep: the neurons of a graded input that send."""
        events, timesteps = self.case.data.get("events"), self.run["timesteps"]
        found = defaultdict(list)
        if events is not None:
            some = events["sample"] == sample
            for t, neuron in zip(events["timestep"][some], events["neuron"][some], strict=True):
                if t < timesteps:
                    found[int(t)].append(int(neuron))
            return found
        image, part = self.case.data["images"][sample], self.case.network["populations"]["in"]
        channels = image.shape[-1] if image.ndim == 3 else 1
        x = image.reshape(-1, channels).astype(np.float64)
        x = x / part.get("scale", 255) if image.dtype == np.uint8 else x
        x = ((x - part.get("mean", 0.0)) / part.get("std", 1.0)).astype(self.run["dtype"]).ravel()
        return {t: np.flatnonzero(x).tolist() for t in range(timesteps)}

    @cached_property
    def cores(self):
        per_core = self.chip.get("capacity", {}).get("neurons_per_core")
        return placed(self.case.network, self.network.order, per_core, self.case.placing)

    @cached_property
    def limited_samples(self):
        recount = self._recount(self.queue)
        return [recount.sample(sent) for sent in self.sent(self.limited)]


def summed(work: dict) -> dict:
    """Facts of samples added up, the peak at its most."""
    return {
        name: {fact: int(n.max() if fact == "peak" else n.sum()) for fact, n in facts.items()}
        for name, facts in work.items()
    }


def overflowed(work: dict) -> bool:
    """Whether a sum left its width."""
    return any(facts.get("overflows") for facts in work.values())


def text_keys(counts):
    """As JSON gives it back."""
    return json.loads(json.dumps(counts))
