"""What of the preprocessing would change the accuracy of an artificial network: try it.

A network whose images are scaled, ordered or turned otherwise than in its training guesses. The
scalings of `evsim.studies.scalings` are tried, each with what else a trainer's file may leave open:
blue first, kernels turned around, Flatten's order, images on their side. All on a few images, the
best of them on all that are given.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np

from evsim.artificial.model import Model
from evsim.base.errors import EvsimError, mismatch
from evsim.formats import trainers
from evsim.neurons.input import Input
from evsim.studies.chance import is_near_chance
from evsim.studies.job import announced_compilation, counted, sample_range
from evsim.studies.scalings import scalings

SAMPLES = 500  # of all, evenly spaced, unless asked otherwise
FEW = 100  # on which everything is tried
BEST = 8  # so many of that are tried on all samples
CHANGED = ("scale", "mean", "std", "bgr", "flip_kernels")  # options of a trainer's file


@dataclass
class Trial:
    """One way to prepare the images: the network that takes them so, and what it decides.

    `options`: of a trainer's file, as `evsim.read` takes them; `remedy`: what no option does.
    """

    name: str
    model: Model
    options: dict
    given: bool = False  # it is what was asked for
    axes: tuple[int, ...] | None = None  # the order that those of the images are brought into
    remedy: str = ""
    predictions: list[np.ndarray] = field(default_factory=list)
    right: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def take(self, images: np.ndarray, labels: np.ndarray, how: dict) -> None:
        """Decide some more images; -1 where a value in between is not finite."""
        images = images if self.axes is None else images.transpose(self.axes)
        try:
            predictions = self.model.predictions(images, **how)
        except EvsimError as error:
            if self.given or not error.place.startswith("layers/"):
                raise
            predictions = np.full(len(images), -1)
        self.predictions.append(predictions)
        self.right = np.append(self.right, self.predictions[-1] == labels)

    @property
    def accuracy(self) -> float:
        """The fraction of images decided rightly so far."""
        return float(self.right.mean())

    def beats(self, other: Trial) -> bool:
        """Whether it decides more of the same images rightly, by two standard errors (McNemar)."""
        gained = int((self.right & ~other.right).sum())
        lost = int((~self.right & other.right).sum())
        return gained - lost > 2 * sqrt(gained + lost)

    def as_dict(self) -> dict:
        """The row of the table; `error`: one standard error of the accuracy."""
        count, p = len(self.right), self.accuracy
        found = {"name": self.name, "samples": count, "correct": int(self.right.sum())}
        found |= {"accuracy": p, "error": sqrt(p * (1 - p) / count), "given": self.given}
        return found | {"options": self.options, "remedy": self.remedy or None}


class Probe:
    """What every preparation of the images gives; `trials`: best first, all samples before few.

    `model`: what a trainer's file at `path` holds, read with `options`; `data`: open labelled
    images; `samples`: a:b, or None for `SAMPLES` of all; `how`: jobs, seed and passes. Raises
    EvsimError where the images do not fit the model, or there are no labels.
    """

    def __init__(
        self,
        model: Model,
        path,
        options: trainers.Options,
        data,
        samples: str | None,
        quiet: bool,
        **how,
    ):
        self.how = {"jobs": how["jobs"], "seed": how["seed"] or 0, "passes": how["passes"] or 1}
        if data.images is None:
            raise mismatch("events", "images", "/events").within(file=data.path)
        if data.labels is None:
            raise mismatch("no labels", "labels, to try against", "/labels").within(file=data.path)
        chosen = _chosen(samples, data.samples)
        self.images = np.stack([data.images[int(index)] for index in chosen])
        self.labels = data.labels[chosen]
        every = list(_trials(model, path, options, self.images))
        stride = max(1, len(chosen) // FEW)
        self.order = np.argsort(np.arange(len(chosen)) % stride != 0, kind="stable")
        self.first = min(FEW, len(chosen))
        total = len(every) * self.first + min(BEST + 1, len(every)) * (len(chosen) - self.first)
        with announced_compilation(quiet), counted("probe", total, quiet) as finished:
            try:
                self.trials = self._tried(every, finished)
            except EvsimError as error:
                file = data.path if "images" in error.place else ""
                raise error.within(file=file) from None
        data.verify()

    def _tried(self, every: list[Trial], finished) -> list[Trial]:
        """All trials on the first samples, the best and the given one on the rest, too."""
        few, rest = self.order[: self.first], self.order[self.first :]
        for trial in every:
            trial.take(self.images[few], self.labels[few], self.how)
            finished(len(few))
        every.sort(key=lambda trial: -trial.accuracy)
        for number, trial in enumerate(every):
            if len(rest) and (number < BEST or trial.given):
                trial.take(self.images[rest], self.labels[rest], self.how)
                finished(len(rest))
        return sorted(every, key=lambda trial: (-len(trial.right), -trial.accuracy))

    @property
    def given(self) -> Trial:
        """What was asked for."""
        return next(trial for trial in self.trials if trial.given)

    @property
    def best(self) -> Trial | None:
        """What is better than what was asked for, by more than two standard errors; or None."""
        return self.trials[0] if self.trials[0].beats(self.given) else None

    @property
    def alike(self) -> list[Trial]:
        """What the first of all does not beat, beside itself."""
        best = self.trials[0]
        every = [trial for trial in self.trials[1:] if len(trial.right) == len(best.right)]
        return [trial for trial in every if not best.beats(trial)]

    @property
    def guesses(self) -> bool:
        """Whether even the best of all is near chance."""
        outputs = int(np.prod(self.given.model.shapes[self.given.model.output]))
        best = self.trials[0].right
        return is_near_chance(int(best.sum()), len(best), outputs)

    @property
    def predictions(self) -> np.ndarray:
        """What is decided as it was asked for, in the order of the samples."""
        predictions = np.empty(len(self.labels), np.int64)
        predictions[self.order] = np.concatenate(self.given.predictions)
        return predictions

    def as_dict(self) -> dict:
        """What `ann` tells of a probe, in JSON."""
        best = self.best
        return {
            "trials": [trial.as_dict() for trial in self.trials],
            "best": None if best is None else best.as_dict(),
            "alike": [trial.name for trial in self.alike],
            "guesses": self.guesses,
        }


def _chosen(samples: str | None, length: int) -> np.ndarray:
    """The samples to try on: those asked for, else some of all, evenly spaced."""
    if samples is None:
        return np.unique(np.linspace(0, length - 1, min(SAMPLES, length)).astype(int))
    return np.arange(length)[sample_range(samples, length)]


def _trials(model: Model, path, options: trainers.Options, images: np.ndarray) -> Iterator[Trial]:
    """All that is to be tried; the first is what was asked for."""
    asked = {name: getattr(options, name) for name in CHANGED if getattr(options, name)}
    yield Trial("as given", model, asked, given=True)
    whole, free = images.dtype.kind in "iub", _may_be_scaled(path, options)
    seen: list[Model] = [model]
    for flags, words in _flags(options):
        usual = _read(path, replace(options, scale=None, mean=None, std=None, **flags))
        other = bool(words)
        if usual is None or (other and any(_alike(usual, before) for before in seen)):
            continue  # the file settles it, or it changes nothing
        seen.append(usual)
        layouts = [(usual, "", None, "")]
        for base, layout, axes, remedy in layouts if other else layouts + _layouts(usual, images):
            for scaling in [None, *(scalings(images) if free else ())]:
                image = model.input if scaling is None else scaling.input(usual.input, whole)
                changed = scaling is not None and not _equal(image, model.input, whole)
                if not (changed or ((other or layout) and scaling is None)):
                    continue  # what was asked for
                name = ", ".join(filter(None, [scaling and scaling.name, *words, layout]))
                trial = Trial(name, copy.copy(base), _told(image, usual.input, flags))
                trial.model.input, trial.axes, trial.remedy = image, axes, remedy
                yield trial


def _flags(options: trainers.Options) -> Iterator[tuple[dict, list[str]]]:
    """Colours and kernels as asked, the other way, and in words what is other."""
    for bgr, flipped in ((False, False), (True, False), (False, True), (True, True)):
        words = []
        if bgr:
            words.append("red first" if options.bgr else "blue first")
        if flipped:
            words.append("kernels not turned" if options.flip_kernels else "kernels turned around")
        yield (
            {
                "bgr": options.bgr != bgr,
                "flip_kernels": options.flip_kernels != flipped,
            },
            words,
        )


def _may_be_scaled(path, options: trainers.Options) -> bool:
    """Whether the file leaves the scaling of images open."""
    every = {"scale": 255.0, "mean": (0.0,), "std": (1.0,)}
    return _read(path, replace(options, **every)) is not None


def _read(path, options: trainers.Options) -> Model | None:
    """The model of a file with other options; None where the file says otherwise."""
    try:
        return trainers.read(path, options).result()
    except EvsimError:
        return None


def _alike(one: Model, other: Model) -> bool:
    """Whether all layers of two models, read from one file, have equal arrays."""
    return all(
        np.array_equal(value, vars(other.layers[name])[key])
        for name, layer in one.layers.items()
        for key, value in vars(layer).items()
        if isinstance(value, np.ndarray)
    )


def _layouts(model: Model, images: np.ndarray) -> list[tuple]:
    """The model and images with axes in another order, that in words, and how to get it."""
    found = []
    flat = [
        name
        for name, layer in model.layers.items()
        if layer.kind == "flatten" and min(_sizes(model.shapes[layer.sources[0]])) > 1
    ]
    if flat:
        order = {"hwc": "chw", "chw": "hwc"}[model.layers[flat[0]].order]
        layers = dict(model.layers)
        layers |= {name: replace(layers[name], order=order) for name in flat}
        other = Model(layers, model.input, output=model.output, blocks=model.blocks)
        remedy = (
            f'no option; order = "{order}" of the layer {flat[0]!r} in a definition (`topology`)'
        )
        found.append((other, f"Flatten in the order {order}", None, remedy))
    if images.ndim > 2 and images.shape[1] == images.shape[2]:
        axes = (0, 2, 1, *range(3, images.ndim))
        remedy = "no option; write the images with rows and columns exchanged"
        found.append((model, "rows and columns exchanged", axes, remedy))
    return found


def _sizes(shape: tuple[int, ...]) -> tuple[int, int]:
    """Positions and channels of a map; (1, 1) of a vector, whose order is one."""
    return (shape[0] * shape[1], shape[2]) if len(shape) == 3 else (1, 1)


def _equal(image: Input, other: Input, whole: bool) -> bool:
    """Whether two populations scale images alike."""
    names = ("scale", "mean", "std") if whole else ("mean", "std")
    return all(np.array_equal(getattr(image, name), getattr(other, name)) for name in names)


def _told(image: Input, usual: Input, flags: dict) -> dict:
    """The options that make an image's scaling of the usual one, with flags that are set."""
    found: dict = {name: True for name, is_set in flags.items() if is_set}
    for name in ("scale", "mean", "std"):
        value = getattr(image, name)
        if not np.array_equal(value, getattr(usual, name)):
            values = value[::-1] if flags["bgr"] and value.ndim else value
            found[name] = values.tolist()
    return found
