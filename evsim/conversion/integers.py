"""Fixed point: weights, thresholds and potentials as integers, of declared widths."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from evsim.base.arrays import address
from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.codings import codings
from evsim.network.network import Network
from evsim.neurons import Neurons, neuron_kinds
from evsim.synapses import Synapses, synapse_kinds

MOST = 16  # bits of a weight
LEAK_BITS = 12  # of a leak n / 2^k, at most


@dataclass(frozen=True)
class Quantized:
    """A network of integers, what an integer of each population stands for, and what is left.

    `units`: by population one unit (1, 1) or one per channel (1, channels). `floats`: the
    populations that stay floating-point, and why; the weights into them are integers too.
    """

    network: Network
    units: dict[str, np.ndarray]
    floats: dict[str, str]


def graded_input(network: Network) -> bool:
    """Whether the input sends values, under the coding that the network names."""
    return codings()[network.coding or "constant"].GRADED


def bounded(
    network: Network,
    potential_bits: int,
    *,
    current_bits: int | None = None,
    readout_bits: int | None = None,
    potential_signed: bool = True,
    overflow: str = "error",
    overflow_at: str = "commit",
    graded: bool | None = None,
) -> Network:
    """The network with these widths in every population of integers.

    Those of kind readout get `readout_bits`, or stay as wide as int32. `graded`: whether the
    input sends values; None: as under the coding that the network names. Raises EvsimError where a
    threshold or another field does not fit, and where no population is one of integers.
    """
    populations = dict(network.populations)
    graded = graded_input(network) if graded is None else graded
    integers = sorted(network.integer_populations(graded))
    if not integers:
        expected = "one of integers: all sets into it of whole weights, from spiking sources"
        raise mismatch("no population of integers", expected, "populations")
    for name in integers:
        part = populations[name]
        check_kind(name, part)
        bits = potential_bits if part.sends else readout_bits
        if bits is None:
            continue
        fields = {"potential_bits": bits, "overflow": overflow, "overflow_at": overflow_at}
        if part.sends:
            fields |= {"potential_signed": potential_signed, "current_bits": current_bits}
        try:
            populations[name] = replace(part, **fields)
        except EvsimError as error:
            raise error.within(f"populations/{name}") from None
    return rebuilt(network, populations, network.synapses)


def check_kind(name: str, part: Neurons) -> None:
    """Raise EvsimError for a population whose potential cannot be an integer of a width."""
    if not part.takes_width:
        kinds = [name for name, kind in neuron_kinds().items() if kind.takes_width]
        known = f"one of {', '.join(kinds)}{nearest(part.kind, kinds)}"
        raise mismatch(f"kind {part.kind!r}, which cannot be bounded", known, f"populations/{name}")


def rebuilt(network: Network, populations, synapses, **attributes) -> Network:
    """The network with these parts and attributes in place of its own."""
    ends = {"input": network.input, "output": network.output}
    return Network(populations, synapses, **ends, **{**network.attributes, **attributes})


def quantize(
    network: Network,
    bits: int,
    *,
    per_channel: bool = False,
    potential_bits: int | None = None,
    most_threshold: int | None = None,
    coding: str | None = None,
    graded: bool | None = None,
) -> Quantized:
    """The network with weights of `bits`; thresholds, biases and potentials in the same units.

    A unit is the largest weight into a population (`per_channel`: into a channel of it; a readout
    has one, as its neurons are compared) by 2^(bits - 1) - 1, and then as much larger as makes
    the threshold a whole number. With `potential_bits` a threshold is at most half of what they
    hold, and never more than `most_threshold`. An integer is the nearest one, halves to the
    even. `coding`: what the network is for; `graded` as for `bounded`.
    """
    if not 2 <= bits <= MOST:
        raise mismatch(bits, f"2 to {MOST}", "bits")
    if coding is not None:
        network = rebuilt(network, network.populations, network.synapses, coding=coding)
    graded = graded_input(network) if graded is None else graded
    rounding = Rounding(network, bits, per_channel, potential_bits, graded, most_threshold)
    for name, part in network.populations.items():
        if name != network.input and not part.passes:
            rounding.population(name)
    if not rounding.units and not rounding.floats:
        raise mismatch("an integer network", "one with floating-point weights", "synapses")
    made = rebuilt(network, rounding.populations, rounding.synapses)
    return Quantized(made, rounding.units, rounding.floats)


class Rounding:
    """The parts of a network on their way to integers."""

    def __init__(
        self,
        network: Network,
        bits: int,
        per_channel: bool,
        potential_bits: int | None,
        graded: bool,
        most_threshold: int | None = None,
    ):
        self.network, self.bits, self.per_channel = network, bits, per_channel
        self.potential_bits, self.graded = potential_bits, graded
        self.most_threshold = most_threshold or np.inf
        self.populations, self.synapses = dict(network.populations), dict(network.synapses)
        self.integers = network.integer_populations(self.graded)
        self.units: dict[str, np.ndarray] = {}
        self.floats: dict[str, str] = {}
        self.kept: dict = {}  # arrays that sets share stay shared

    def population(self, name: str) -> None:
        """Make integers of a population and the sets into it, or of the sets only."""
        part, sets = self.populations[name], self.network.incoming(name)
        check_kind(name, part)
        if name in self.integers or not sets:
            return
        for s in sets:
            if self.synapses[s].integer:
                expected = "floating-point weights into a population that is none of integers"
                raise mismatch("whole weights", expected, f"synapses/{s}")
        reason = self.reason(part, sets)
        if reason:
            self.floats[name] = f"{reason}: whole weights with a scale"
            for s in sets:
                self.scaled(s, part)
            return
        sets = {s: as_weights(self.synapses[s], self.source(s), part) for s in sets}
        largest = np.max([largest_into(s, part) for s in sets.values()], axis=0)[None]
        if not self.per_channel or not part.sends:
            largest = largest.max(keepdims=True)
        unit = self.unit(part, largest)
        for s, weighted in sets.items():
            self.synapses[s] = self.whole(weighted, unit, part)
        self.populations[name] = whole_fields(part, unit)
        self.units[name] = unit

    def source(self, name: str) -> Neurons:
        """The source population of a set."""
        return self.network.populations[self.synapses[name].source]

    def reason(self, part: Neurons, sets: list[str]) -> str:
        """Why a population cannot be one of integers; "" if it can."""
        if any(self.network.graded(self.synapses[s].source, self.graded) for s in sets):
            return "its input has values"
        if getattr(part, "slope", False) or getattr(part, "current_leak", None) is not None:
            return "it has a slope or a current that stays"
        leak = getattr(part, "leak", None)
        if leak is not None and not part.sends and (leak != 1).any():
            return "its readout leaks"
        return "its neurons leak differently" if np.unique(leak).size > 1 else ""

    def unit(self, part: Neurons, largest: np.ndarray) -> np.ndarray:
        """What an integer of a population stands for: (1, 1), or (1, channels)."""
        unit = largest / (2 ** (self.bits - 1) - 1)
        if not part.sends:
            return np.where(unit > 0, unit, 1.0)
        threshold = part.grid(np.float64(part.threshold))
        axis = 0 if unit.size > 1 else (0, 1)
        highest = threshold.max(axis=axis, keepdims=True)
        most = self.most_threshold
        if self.potential_bits is not None:
            most = min(most, 2 ** (self.potential_bits - 2))
            held = [np.abs(part.grid(np.float64(v))) for v in (part.v_init, part.v_reset)]
            held = np.maximum(*held).max(axis=axis, keepdims=True)
            unit = np.maximum(unit, held / (2 ** (self.potential_bits - 1) - 1))
        unit = np.where(unit > 0, unit, highest)
        steps = np.minimum(np.floor(highest / unit), most)
        return np.where(steps >= 1, highest / np.maximum(steps, 1), unit)

    def whole(self, part: Synapses, unit: np.ndarray, target: Neurons) -> Synapses:
        """A set whose weights are whole multiples of a unit."""
        field = "data" if part.kind == "sparse" else "weight"
        key = address(part.weights()), unit.tobytes(), part.kind, getattr(part, "channel_offset", 0)
        if part.kind == "sparse":
            key += (address(part.indices),)
        if key not in self.kept:  # and the array: its address must not be used again
            steps = np.rint(part.weights() / per_weight(part, unit.ravel(), target))
            weights = steps.astype(np.int8 if self.bits <= 8 else np.int16)
            self.kept[key] = part.weights(), weights
        return replace(part, **{field: self.kept[key][1]}, bits=self.bits)

    def scaled(self, name: str, target: Neurons) -> None:
        """Give a set into a population of floats whole weights and a scale, if it has weights."""
        part = self.synapses[name]
        if part.weights() is None:
            return
        largest = largest_into(part, target)
        if not self.per_channel:
            largest = largest.max(keepdims=True)
        scale = np.where(largest > 0, largest, 1.0) / (2 ** (self.bits - 1) - 1)
        made = self.whole(part, scale[None], target)
        self.synapses[name] = replace(made, scale=scale if scale.size > 1 else scale[0])


def as_weights(part: Synapses, source: Neurons, target: Neurons) -> Synapses:
    """A set in a form with a weight at every synapse, which pools and bare identities lack."""
    ends = {"source": part.source, "target": part.target, "delay": part.delay}
    if part.kind == "pool":
        area = part.kernel[0] * part.kernel[1]
        weight = np.full((*part.kernel, 1, source.channels), 1 / area)
        fixed = {
            "stride": part.stride or part.kernel,
            "padding": part.padding,
            "groups": source.channels,
        }
        return synapse_kinds()["conv"](**ends, weight=weight, **fixed)
    if part.weights() is None:
        return replace(part, weight=np.ones(source.channels))
    return part


def channels_of(part: Synapses, target: Neurons) -> np.ndarray:
    """The channel of the target that each weight reaches, by the last axis of the weights."""
    if part.kind == "sparse":
        return part.indices % target.channels
    offset = part.channel_offset if part.kind == "identity" else 0
    return (np.arange(part.weights().shape[-1]) + offset) % target.channels


def per_weight(part: Synapses, values: np.ndarray, target: Neurons) -> np.ndarray:
    """One value, or for each weight that of the channel it reaches, by the weights' last axis."""
    return values if values.size == 1 else values[channels_of(part, target)]


def largest_into(part: Synapses, target: Neurons) -> np.ndarray:
    """The largest magnitude of the weights into each channel of the target, (channels,)."""
    of_channels = np.zeros(target.channels)
    weights = np.abs(part.weights().astype(np.float64))
    largest = weights.max(axis=tuple(range(weights.ndim - 1)), initial=0)
    np.maximum.at(of_channels, channels_of(part, target), largest)
    return of_channels


def whole_fields(part: Neurons, unit: np.ndarray) -> Neurons:
    """A population with whole thresholds, biases and potentials in a unit."""

    def whole(name: str, least=-np.inf, most=np.inf):
        steps = np.rint(part.grid(np.float64(getattr(part, name))) / unit)
        steps = np.clip(steps, least, most)
        if (steps == steps.flat[0]).all():
            return steps.flat[0]
        return steps[0] if len(steps) == 1 else steps.reshape(part.shape)

    known = {field.name for field in fields(part)}
    given = {n for n in ("bias", "v_init", "v_min") if getattr(part, n, None) is not None}
    made = {name: whole(name) for name in given}
    if "threshold" in known:
        made["threshold"] = whole("threshold", least=1)
        limit = part.grid(np.asarray(made["threshold"])) - 1
        made["v_reset"] = whole("v_reset", most=limit)
        if "v_min" in given:
            made["v_min"] = whole("v_min", least=-(2**31), most=limit)
    if "leak_multiply" in known and part.leak is not None and (part.leak != 1).any():
        made |= {"leak": None, "leak_rounding": "nearest"}
        made["leak_multiply"] = whole_leak(float(np.ravel(part.leak)[0]))
    return replace(part, **made)


def whole_leak(leak: float) -> tuple[int, int]:
    """n and k of the leak n / 2^k nearest to `leak`, below 1, with k at most LEAK_BITS."""
    n, k = int(np.clip(np.rint(leak * 2**LEAK_BITS), 1, 2**LEAK_BITS - 1)), LEAK_BITS
    while n % 2 == 0 and k > 1:
        n, k = n // 2, k - 1
    return n, k
