"""From an artificial network to a spiking one whose firing rates stand for activations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from evsim.artificial.model import Model
from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.conversion import _levels
from evsim.conversion._blocks import Unrolling, unshared
from evsim.conversion._build import build
from evsim.conversion._correction import correct
from evsim.conversion._fold import fold
from evsim.conversion._graph import Graph
from evsim.conversion._scales import Finish, from_activations, spread
from evsim.conversion._schemes import SCHEMES, recoded, settled
from evsim.conversion._spike_norm import spike_norm
from evsim.conversion._stochastic import hybrid, network_of
from evsim.conversion._switch import Switching, build_switching
from evsim.conversion._walk import Choices, Walk
from evsim.conversion._work import Work
from evsim.conversion.units import Unit
from evsim.engine.settings import check_shape
from evsim.network.network import Network

WORDS = {
    "method": ("max", "percentile", "spike-norm", "mmse"),
    "reset": ("subtract", "zero"),
    "balance": ("weights", "thresholds"),
    "pooling": ("prepool", "neurons"),
    "coding": ("constant", "poisson"),
    "scheme": SCHEMES,
}


@dataclass(frozen=True)
class Conversion:
    """A network, which layers its populations stand for, and what had to be decided."""

    network: Network
    units: tuple[Unit, ...]
    notes: tuple[str, ...] = ()


def convert(
    model: Model,
    images=None,
    *,
    method: str = "percentile",
    percentile: float = 99.9,
    per_channel: bool = False,
    threshold_scale: float = 1.0,
    timesteps: int | None = None,
    reset: str = "subtract",
    v_init: float = 0.5,
    balance: str = "weights",
    pooling: str = "prepool",
    coding: str | None = None,
    seed: int = 0,
    stagger: int = 0,
    correct_bias: bool = False,
    unroll: str = "copies",
    feedback_delay: int | None = None,
    unroll_thresholds: str | None = None,
    scheme: str = "rate",
    window: int | None = None,
    analog: Collection[str] = (),
    first_sample: int = 0,
    jobs: int | None = None,
    progress=None,
    kept=None,
    stop=None,
) -> Conversion:
    """The spiking network of an artificial one, its scales measured on raw `images`.

    `method`: a population's scale is the largest activation of its layer (max), an exact
    percentile of them, the one with the least squared error of rates at so many timesteps
    (mmse), or the largest current while all layers before it spike (spike-norm). `per_channel`:
    a scale for every channel instead of one for all. `threshold_scale` multiplies all scales.
    `v_init` is a share of the threshold. `balance`, `pooling`: as for `build` and `fold`.
    `stagger`: so many timesteps later than its sources a population begins to fire, when what
    arrives has settled. `correct_bias`: biases that make up for what rates miss on average, in a
    run over the images. `unroll`: turns of a block with tied weights become copies, with
    `unroll_thresholds` own or shared, or one recurrent block that sends back to itself
    `feedback_delay` (1) later. `scheme`: rate, signed, burst, phase (with period `window`) or ttfs
    (in windows of `window` timesteps); `timesteps` is 64, but for ttfs as its windows say.
    `analog`: ReLU layers that stay as they are and send their value at every timestep (rate).
    `progress`, `kept` (in memory) and `stop`: as for `Work`. Raises EvsimError.
    """
    given = {"method": method, "reset": reset, "balance": balance, "pooling": pooling}
    _check_words(given | {"scheme": scheme})
    given |= {"coding": coding, "stagger": stagger, "correct_bias": correct_bias}
    coding, timesteps, window = settled(scheme, given, timesteps, window)
    _check_words({"coding": coding})
    if analog and scheme != "rate":
        raise mismatch(f"scheme {scheme!r}", "'rate' with analog layers", "scheme")
    _check_numbers(percentile, threshold_scale, v_init, timesteps, stagger)
    unrolling = Unrolling(unroll, feedback_delay, unroll_thresholds)
    unrolling.check(model, scheme, correct_bias)
    graph = hybrid(model, pooling, analog) if analog else fold(model, pooling)
    _check_images(graph, model, images)
    every = images
    if not any(node.levels is None for node in graph.measured):
        images = images[:0] if images is not None else ()
    work = Work.of(jobs, progress=progress, kept=kept, stop=stop)
    rules = reset, v_init, coding, timesteps, seed, first_sample
    choices = Choices(*rules, graph.starts(stagger))
    if method == "spike-norm" and len(images):
        walk = Walk("norm", graph, model.input, images, choices, work)
        measured = spike_norm(walk, per_channel, Finish(graph))
    else:
        rule = {"method": method, "percentile": percentile, "per_channel": per_channel}
        rule |= {"timesteps": timesteps, "v_init": v_init}
        measured = from_activations(graph, model, images, **rule, work=work)
    graph, scales = unrolling.apply(graph, spread(graph, measured, threshold_scale))
    if correct_bias and len(images):
        walk = Walk("bias", graph, model.input, images, choices, work)
        correct(walk, scales, model, images, work)
    rules = {"balance": balance, "reset": reset, "v_init": v_init, "starts": graph.starts(stagger)}
    rules |= {"coding": coding, "timesteps": timesteps, "seed": seed or None}
    network = build(graph, scales, model.input, **rules, description=model.description or None)
    return _conversion(recoded(network, scheme, window, every), graph, scales, model)


def convert_to_switches(
    model: Model,
    images=None,
    *,
    window: int,
    firing: str = "window",
    rounding: float | None = None,
    delta: int | None = None,
    prediction: float | None = None,
    method: str = "percentile",
    percentile: float = 99.9,
    per_channel: bool = False,
    threshold_scale: float = 1.0,
    pooling: str = "prepool",
    unroll_thresholds: str | None = None,
    jobs: int | None = None,
    progress=None,
    kept=None,
    stop=None,
) -> Conversion:
    """The network of temporal switch coding of an artificial one, scales measured on `images`.

    `window`: the timesteps in which a value is told; `firing` and `rounding` (1/2) as of kind
    switch. Firing online, a layer fires `delta` timesteps after its sources (half a window; 0: all
    layers together) by its potential and a share `prediction` (1/2) of what is still due; there
    `rounding` is the part of a threshold to begin with. `method` (max, percentile or mmse at so
    many levels) and the others: as for `convert`. Raises EvsimError.
    """
    switching = Switching(window, firing, rounding, delta, prediction)
    _check_words({"method": method, "pooling": pooling})
    if method == "spike-norm":
        raise mismatch("'spike-norm', which measures rates", "max, percentile or mmse", "method")
    _check_numbers(percentile, threshold_scale, 0, 1, 0)
    unrolling = Unrolling(thresholds=unroll_thresholds)
    unrolling.check(model, "switch")
    graph = fold(model, pooling)
    _check_images(graph, model, images)
    measured = from_activations(
        graph,
        model,
        images,
        method=method,
        percentile=percentile,
        per_channel=per_channel,
        timesteps=window - 1,
        v_init=switching.lift,
        work=Work.of(jobs, progress=progress, kept=kept, stop=stop),
    )
    graph, scales = unrolling.apply(graph, spread(graph, measured, threshold_scale))
    description = model.description or None
    network = build_switching(
        graph, scales, model.input, switching, images, description=description
    )
    return _conversion(network, graph, scales, model)


def convert_to_passes(
    model: Model, *, timesteps: int = 1, pooling: str = "prepool", seed: int = 0
) -> Conversion:
    """The network of a ReLU or stochastic model that runs all its layers in every timestep.

    Its output sums so many passes; nothing is measured. `pooling`: as for `fold`. Raises
    EvsimError.
    """
    _check_words({"pooling": pooling})
    _check_numbers(timesteps=timesteps)
    network, notes = network_of(model, timesteps=timesteps, pooling=pooling, seed=seed)
    return Conversion(network, (), notes)


def convert_to_levels(model: Model) -> Conversion:
    """The network of a model whose activations are quantised, with the model's very results.

    Every layer fires in timesteps of its own, as many as it has levels; nothing is measured.
    Raises EvsimError.
    """
    network, notes = _levels.network_of(model)
    return Conversion(network, (), notes)


def _conversion(network: Network, graph: Graph, scales, model: Model) -> Conversion:
    units = [
        Unit(node.name, node.layer, scales[node.name])
        for node in graph.nodes.values()
        if node.kind not in ("input", "readout", "analog")
    ]
    notes = (*model.notes, *graph.notes, *unshared(graph, network, model), *_halves(model))
    return Conversion(network, tuple(units), notes)


def _halves(model: Model) -> tuple[str, ...]:
    """What is said of rectifiers that do not round halves up, as neurons do."""
    names = [n for n, layer in model.layers.items() if getattr(layer, "halves", "up") == "even"]
    if not names:
        return ()
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (
        f"{names[0]!r}{more} round halves to the even level, spikes here round them up; "
        "`scheme=levels` is exact",
    )


def _check_words(given: dict[str, str]) -> None:
    for name, value in given.items():
        if value not in WORDS[name]:
            known = f"one of {', '.join(WORDS[name])}{nearest(str(value), WORDS[name])}"
            raise mismatch(repr(value), known, name)


def _check_numbers(percentile=50, threshold_scale=1, v_init=0, timesteps=1, stagger=0) -> None:
    bounds = {
        "percentile": (percentile, 50 <= percentile <= 100, "50 to 100"),
        "threshold_scale": (threshold_scale, 0 < threshold_scale < np.inf, "above 0"),
        "v_init": (v_init, 0 <= v_init < 1, "a share of the threshold, from 0 to below 1"),
        "timesteps": (timesteps, timesteps >= 1, "at least 1"),
        "stagger": (stagger, stagger >= 0, "at least 0"),
    }
    for name, (value, fits, expected) in bounds.items():
        if not fits:
            raise mismatch(value, expected, name)


def _check_images(graph: Graph, model: Model, images) -> None:
    """Raise an error unless the images can be measured with, where anything is to be measured."""
    if images is None:
        if any(node.levels is None for node in graph.measured):
            raise mismatch("no images", "some to measure activations on", "images")
        return
    if not len(images):
        raise mismatch("no samples", "at least one", "images")
    try:
        check_shape(model.input, images)
    except EvsimError as error:
        raise EvsimError(error.problem, "images") from None
