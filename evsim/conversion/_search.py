"""The conversion that keeps most: which layers begin when, chosen on images held back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from evsim.artificial.model import Model
from evsim.base.errors import mismatch
from evsim.conversion._artificial import samples_that_fit, values_of_nodes
from evsim.conversion._build import build
from evsim.conversion._fit import Fitted, fit, starts_of
from evsim.conversion._graph import Graph
from evsim.conversion._walk import Choices
from evsim.conversion._work import Work
from evsim.engine.plan import Plan
from evsim.engine.settings import settle
from evsim.engine.simulation import Stopped
from evsim.engine.threads import simulate

ALPHAS = (0.0, 0.25, 0.5, 0.75)  # see `starts_of`
FIRST = 2  # of them, tried first; then those beside it, as long as they are better
HELD_BACK = 4  # every so many-th image is for choosing only
IMAGES = 256  # to fit to, at most, and to choose with half as many
STEPS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # timesteps that are tried
ENOUGH = 1.0  # points of accuracy that too few timesteps cost


@dataclass(frozen=True)
class Trial:
    """What one conversion did on the images held back.

    `error`: the squared error of its outputs as a share of the artificial network's, each less its
    mean over the classes. `spikes` and `synops` are of a sample, on average.
    """

    timesteps: int
    alpha: float
    error: float
    decisions: np.ndarray = field(repr=False)
    spikes: float
    synops: float


@dataclass(frozen=True)
class Found:
    """What a search tried and chose; `artificial`, `quantized`: decisions on the images held back.

    `fitted_to`, `held_back`: places of these images among all. `enough`: a trial with more
    timesteps that loses less, or None.
    """

    chosen: Trial
    tried: tuple[Trial, ...]
    artificial: np.ndarray
    quantized: np.ndarray
    fitted_to: np.ndarray
    held_back: np.ndarray
    enough: Trial | None = None


class Search:
    """Conversions of one graph, fitted to some images and compared on others.

    `images` are raw (samples, ...); `labels` (samples,), if they are known, say what a lost point
    is: else it is one more image in a hundred that is decided otherwise.
    """

    def __init__(self, graph: Graph, model: Model, images, labels, choices: Choices, work: Work):
        self.graph, self.model, self.choices, self.work = graph, model, choices, work
        every = np.arange(len(images))
        back = every[HELD_BACK - 1 :: HELD_BACK] if len(every) >= HELD_BACK else every
        rest = np.setdiff1d(every, back) if len(every) >= HELD_BACK else every
        self.fitted_to = _spread(rest, samples_that_fit(model, graph, IMAGES))
        self.held_back = _spread(back, IMAGES // 2)
        self.images = np.stack([images[int(k)] for k in self.fitted_to])
        self.others = np.stack([images[int(k)] for k in self.held_back])
        self.labels = None if labels is None else np.asarray(labels)[self.held_back]
        self.artificial = values_of_nodes(graph, model, self.images, work)
        output = _before_softmax(model)
        results = model.activations(self.others, (output,), jobs=work.jobs)
        outputs = [result[output] for _, result in results]
        self.outputs = np.concatenate(outputs).reshape(len(self.others), -1)
        self.decided = self.outputs.argmax(axis=1)
        self.tried: dict[tuple[int, float], tuple[Trial, Fitted]] = {}

    def best(self, timesteps: int) -> tuple[Trial, Fitted]:
        """The trial with the least error for so many timesteps: 1/2, or better beside it."""
        best, at = self.trial(timesteps, ALPHAS[FIRST]), FIRST
        for step in (1, -1):
            while 0 <= at + step < len(ALPHAS):
                other = self.trial(timesteps, ALPHAS[at + step])
                if other[0].error >= best[0].error:
                    break
                best, at = other, at + step
            if at != FIRST:
                break
        return best

    def smallest(self, loss: float) -> int:
        """The fewest timesteps tried that lose at most so many points."""
        low, high = 0, None
        for k in range(2, len(STEPS), 2):  # doubled
            if self.lost(self.trial(STEPS[k], ALPHAS[FIRST])[0]) <= loss:
                high = k
                break
            low = k + 1
        if high is None:
            worst = self.lost(self.trial(STEPS[-1], ALPHAS[FIRST])[0])
            found = f"a loss of {worst:.1f} points with {STEPS[-1]} timesteps"
            raise mismatch(found, f"one of at most {loss:g}", "target_loss")
        while low < high:
            middle = (low + high) // 2
            if self.lost(self.trial(STEPS[middle], ALPHAS[FIRST])[0]) <= loss:
                high = middle
            else:
                low = middle + 1
        return STEPS[high]

    def enough(self, chosen: Trial) -> Trial | None:
        """With more timesteps, a trial that loses hardly anything, where the chosen one does."""
        before = self.lost(chosen)
        if before <= ENOUGH:
            return None
        for timesteps in [t for t in STEPS if chosen.timesteps < t <= 4 * chosen.timesteps][1::2]:
            trial = self.trial(timesteps, chosen.alpha)[0]
            if self.lost(trial) <= min(ENOUGH, before / 2):
                return trial
        return None

    def lost(self, trial: Trial) -> float:
        """How many points a trial loses to the artificial network."""
        if self.labels is None:
            return 100.0 * float((trial.decisions != self.decided).mean())
        right = (self.decided == self.labels).mean() - (trial.decisions == self.labels).mean()
        return 100.0 * float(right)

    def trial(self, timesteps: int, alpha: float) -> tuple[Trial, Fitted]:
        """Fit a conversion, unless that was done, and run it over the images held back."""
        key = timesteps, alpha
        if key not in self.tried:
            starts = starts_of(self.graph, alpha, timesteps)
            choices = replace(self.choices, timesteps=timesteps, starts=starts)
            name = f"fit-{timesteps}-{int(100 * alpha)}"
            given = self.model, self.images, self.artificial
            fitted = fit(name, self.graph, *given, choices, self.work)
            self.work.kept.drop(name)
            self.tried[key] = self._run(fitted, timesteps, alpha), fitted
        return self.tried[key]

    def network(self, fitted: Fitted, timesteps: int, **rules):
        """The network of a fitted graph."""
        choices = self.choices
        rules = {"balance": "weights", "reset": choices.reset, "coding": choices.coding} | rules
        rules |= {"starts": fitted.starts, "v_init": fitted.v_init, "timesteps": timesteps}
        rules["seed"] = choices.seed or None
        return build(fitted.graph, fitted.scales, self.model.input, **rules)

    def _run(self, fitted: Fitted, timesteps: int, alpha: float) -> Trial:
        network = self.network(fitted, timesteps)
        settings = settle(network, self.others, seed=self.choices.seed)
        plan, stop = Plan(network, settings), threading.Event()
        outputs, spikes, synops = [], 0, 0
        for sample in simulate(plan, self.others, settings, self.work.jobs, stop):
            if self.work.stop.is_set():
                stop.set()
                raise Stopped
            outputs.append(sample.potential / timesteps)
            spikes += sum(sample.facts[name]["spikes"] for name in network.populations if "spikes" in sample.facts[name])
            synops += sum(sample.facts[name]["synops"] for name in network.synapses)
        outputs = np.stack(outputs).reshape(self.outputs.shape)
        due, there = (x - x.mean(axis=1, keepdims=True) for x in (self.outputs, outputs))
        error = float(((due - there) ** 2).sum() / max((due**2).sum(), 1e-30))
        count = len(self.others)
        return Trial(timesteps, alpha, error, outputs.argmax(axis=1), spikes / count, synops / count)


def _spread(places: np.ndarray, most: int) -> np.ndarray:
    """At most so many of some places, all over them."""
    if len(places) <= most:
        return places
    return places[np.arange(most) * len(places) // most]


def _before_softmax(model: Model) -> str:
    """The layer whose result the readout sums: the last one, but for a softmax."""
    name = model.output
    while model.layers[name].kind == "softmax":
        [name] = model.layers[name].sources
    return name
