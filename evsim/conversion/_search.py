"""The conversion that keeps most: which layers begin when, chosen on images held back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import numpy as np

from evsim.artificial.model import Model
from evsim.base.errors import mismatch
from evsim.conversion._artificial import samples_that_fit, values_of_nodes
from evsim.conversion._build import build
from evsim.conversion._fit import Fitted, fit, restored, starts_of
from evsim.conversion._graph import Graph
from evsim.conversion._scales import Finish
from evsim.conversion._walk import Choices
from evsim.conversion._work import Work
from evsim.engine.plan import Plan
from evsim.engine.settings import settle
from evsim.engine.simulation import Stopped
from evsim.engine.threads import simulate

ALPHAS = (0.0, 0.25, 0.5, 0.75)  # see `starts_of`
FIRST = 2  # of them, tried first; then those beside it, as long as they are better
HELD_BACK = 4  # every so many-th image is for choosing only
IMAGES = 450  # to fit to, at most, and to choose with a third as many
COARSE = 4  # fitting to every so many-th of them does to tell which of ALPHAS is best,
MANY = 128  # where there are so many
STEPS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # timesteps that are tried
EXPECTED = 4  # trials: the first, those beside it, and the best with all images
ENOUGH = 1.0  # points of accuracy that too few timesteps cost
MORE = (1.5, 3)  # times as many are tried then


@dataclass(frozen=True, eq=False)
class Trial:
    """What one conversion did on the images held back.

    `error`: the squared error of its outputs as a share of the artificial network's, each less its
    mean over the classes. `spikes` and `synops` are of a sample, on average.
    """

    timesteps: int
    alpha: float
    every: int  # so many-th image was fitted to
    error: float
    decisions: np.ndarray = field(repr=False)
    spikes: float
    synops: float
    macs: float


@dataclass(frozen=True)
class Found:
    """What a search tried and chose.

    `right`, of the images held back: by the artificial network, by the one that is quantised to as
    many levels as there are timesteps (the bound), and by each trial; without labels those that
    are decided as the artificial network does. `fitted_to`, `held_back`: places of the images
    among all. `enough`: a trial with more timesteps that loses less, or None.
    """

    chosen: Trial
    tried: tuple[Trial, ...]
    labelled: bool
    artificial: float
    bound: float
    right: dict[Trial, float]
    fitted_to: np.ndarray
    held_back: np.ndarray
    enough: Trial | None = None

    def as_dict(self) -> dict:
        """What the command prints as JSON."""
        rows = [
            {
                "timesteps": trial.timesteps,
                "alpha": trial.alpha,
                "every": trial.every,
                "error": trial.error,
                "accuracy": self.right[trial],
                "spikes": trial.spikes,
                "synops": trial.synops,
            }
            for trial in self.tried
        ]
        return {
            "labelled": self.labelled,
            "images": len(self.fitted_to),
            "held back": len(self.held_back),
            "artificial": self.artificial,
            "bound": self.bound,
            "chosen": rows[self.tried.index(self.chosen)],
            "tried": rows,
        }

    def sentences(self) -> list[str]:
        """What was tried, what was chosen, and what to expect."""
        chosen, count = self.chosen, len(self.held_back)
        what = "accuracy" if self.labelled else "decisions as the artificial network's"
        said = [
            f"fitted to {len(self.fitted_to)} images, chosen by {count} others: the last layer "
            f"begins {chosen.alpha:g} of {chosen.timesteps} timesteps after the first",
            f"at T = {chosen.timesteps} expect {self._share(self.right[chosen])} {what} on images "
            f"like these; artificial network {100 * self.artificial:.1f} %, with "
            f"{chosen.timesteps} levels {100 * self.bound:.1f} %",
        ]
        if self.enough is not None:
            said.append(
                f"T = {chosen.timesteps} is too small: {self.enough.timesteps} would keep "
                f"{self._share(self.right[self.enough])}"
            )
        return said

    def _share(self, right: float) -> str:
        """A share with its standard error, in percent."""
        error = (max(right * (1 - right), 0) / len(self.held_back)) ** 0.5
        return f"{100 * right:.1f} +- {100 * error:.1f} %"


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
        self.held_back = _spread(back, IMAGES // (HELD_BACK - 1))
        self.images = np.stack([images[int(k)] for k in self.fitted_to])
        self.others = np.stack([images[int(k)] for k in self.held_back])
        self.labels = None if labels is None else np.asarray(labels)[self.held_back]
        self.artificial = values_of_nodes(graph, model, self.images, work)
        finish = Finish(graph)
        for node in graph.measured:  # says which channels are 0 for all images
            values = self.artificial[node.name].reshape(-1, node.channels)
            finish(node, np.float64(values.max(axis=0)))
        output = _before_softmax(model)
        results = model.activations(self.others, (output,), jobs=work.jobs)
        outputs = [result[output] for _, result in results]
        self.outputs = np.concatenate(outputs).reshape(len(self.others), -1)
        self.decided = self.outputs.argmax(axis=1)
        self.tried: dict[tuple[int, float, int], Trial] = {}

    def best(self, timesteps: int) -> tuple[Trial, Fitted]:
        """The conversion of so many timesteps whose error is least, fitted to a part of the images.

        1/2 is tried, and what is beside it as long as that is better.
        """
        every = COARSE if len(self.fitted_to) >= MANY else 1
        best, at = self.trial(timesteps, ALPHAS[FIRST], every), FIRST
        for step in (1, -1):
            while 0 <= at + step < len(ALPHAS):
                other = self.trial(timesteps, ALPHAS[at + step], every)
                if other.error >= best.error:
                    break
                best, at = other, at + step
            if at != FIRST:
                break
        return self.trial(timesteps, best.alpha), self._fitted(timesteps, best.alpha, 1)

    def smallest(self, loss: float) -> int:
        """The fewest timesteps tried that lose at most so many points."""
        low, high = 0, None
        for k in range(2, len(STEPS), 2):  # doubled
            if self.lost(self.trial(STEPS[k], ALPHAS[FIRST])) <= loss:
                high = k
                break
            low = k + 1
        if high is None:
            worst = self.lost(self.trial(STEPS[-1], ALPHAS[FIRST]))
            found = f"a loss of {worst:.1f} points with {STEPS[-1]} timesteps"
            raise mismatch(found, f"one of at most {loss:g}", "target_loss")
        while low < high:
            middle = (low + high) // 2
            if self.lost(self.trial(STEPS[middle], ALPHAS[FIRST])) <= loss:
                high = middle
            else:
                low = middle + 1
        return STEPS[high]

    def enough(self, chosen: Trial) -> Trial | None:
        """With more timesteps, a trial that loses hardly anything, where the chosen one does."""
        before = self.lost(chosen)
        if before <= ENOUGH:
            return None
        for factor in MORE:
            timesteps = min((t for t in STEPS if t >= factor * chosen.timesteps), default=None)
            if timesteps is None:
                break
            trial = self.trial(timesteps, chosen.alpha)
            if self.lost(trial) <= max(ENOUGH, before / 2):
                return trial
        return None

    def lost(self, trial: Trial) -> float:
        """How many points a trial loses to the artificial network."""
        if self.labels is None:
            return 100.0 * float((trial.decisions != self.decided).mean())
        right = (self.decided == self.labels).mean() - (trial.decisions == self.labels).mean()
        return 100.0 * float(right)

    def trial(self, timesteps: int, alpha: float, every: int = 1) -> Trial:
        """Fit a conversion, unless that was done, and run it over the images held back.

        `every`: so many-th image is fitted to.
        """
        key = timesteps, alpha, every
        if key not in self.tried:
            self.tried[key] = Trial(*key, **self._run(self._fitted(*key), timesteps))
        return self.tried[key]

    def _fitted(self, timesteps: int, alpha: float, every: int) -> Fitted:
        """What is fitted to every so many-th image; the work keeps it."""
        starts = starts_of(self.graph, alpha, timesteps)
        name, kept = f"{every}-{timesteps}-{int(100 * alpha)}", self.work.kept
        arrays = kept.get(f"fitted-{name}")
        if arrays is not None:
            return restored(self.graph, starts, arrays)
        choices = replace(self.choices, timesteps=timesteps, starts=starts)
        artificial = {node: values[::every] for node, values in self.artificial.items()}
        given = self.model, self.images[::every], artificial, choices
        fitted = fit(f"fit-{name}", self.graph, *given, replace(self.work, progress=self._told))
        kept.put(f"fitted-{name}", fitted.arrays(self.graph))
        kept.drop(f"fit-{name}-")
        return fitted

    def _told(self, done: int, total: int) -> None:
        """Say how far a trial is, of as many as there will be if the first two are the best."""
        trials = max(EXPECTED, len(self.tried) + 1)
        self.work.progress(len(self.tried) * total + done, trials * total)

    def network(self, fitted: Fitted, timesteps: int, **rules):
        """The network of a fitted graph."""
        choices = self.choices
        rules = {"balance": "weights", "reset": choices.reset, "coding": choices.coding} | rules
        rules |= {"starts": fitted.starts, "v_init": fitted.v_init, "timesteps": timesteps}
        rules["seed"] = choices.seed or None
        return build(fitted.graph, fitted.scales, self.model.input, **rules)

    def _run(self, fitted: Fitted, timesteps: int) -> dict:
        """What a conversion does on the images held back."""
        network = self.network(fitted, timesteps)
        settings = settle(network, self.others, seed=self.choices.seed)
        plan, stop = Plan(network, settings), threading.Event()
        outputs, totals = [], dict.fromkeys(("spikes", "synops", "macs"), 0)
        for sample in simulate(plan, self.others, settings, self.work.jobs, stop):
            if self.work.stop.is_set():
                stop.set()
                raise Stopped
            outputs.append(sample.potential / timesteps)
            for facts in sample.facts.values():
                for fact in totals:
                    totals[fact] += facts.get(fact, 0)
        outputs = np.stack(outputs).reshape(self.outputs.shape)
        due, there = (x - x.mean(axis=1, keepdims=True) for x in (self.outputs, outputs))
        error = float(((due - there) ** 2).sum() / max((due**2).sum(), 1e-30))
        means = {fact: total / len(self.others) for fact, total in totals.items()}
        return {"error": error, "decisions": outputs.argmax(axis=1), **means}

    def found(self, chosen: Trial, fitted: Fitted) -> Found:
        """What was tried, and that this one was chosen."""
        enough = self.enough(chosen)
        tried = tuple(self.tried.values())
        return Found(
            chosen,
            tried,
            self.labels is not None,
            self._right(self.decided),
            self._right(self._bound(fitted, chosen.timesteps)),
            {trial: self._right(trial.decisions) for trial in tried},
            self.fitted_to,
            self.held_back,
            enough,
        )

    def _right(self, decisions: np.ndarray) -> float:
        """The share of decisions that are right."""
        expected = self.decided if self.labels is None else self.labels
        return float((decisions == expected).mean())

    def _bound(self, fitted: Fitted, timesteps: int) -> np.ndarray:
        """What the artificial network decides whose activations have as many levels."""
        layers = dict(self.model.layers)
        for node in self.graph.nodes.values():
            if node.kind == "neurons" and node.places is None:
                share = 1 - fitted.starts[node.name] / timesteps
                ceiling = np.float32(fitted.scales[node.name] * share)
                rules = {"ceiling": ceiling, "levels": timesteps, "rounding": np.float32(0.5)}
                layers[node.measured] = replace(layers[node.measured], **rules)
        given = {"output": self.model.output, "blocks": self.model.blocks}
        return Model(layers, self.model.input, **given).predictions(
            self.others, jobs=self.work.jobs
        )


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
