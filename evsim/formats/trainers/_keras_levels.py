"""Quantised activations of QKeras and Larq: rectifiers with levels, and signs."""

from __future__ import annotations

import numpy as np

from evsim.artificial.layers.add import Add
from evsim.artificial.layers.normalize import Normalize
from evsim.artificial.layers.relu import Relu
from evsim.artificial.layers.stochastic import Stochastic
from evsim.formats.trainers._keras_build import Building
from evsim.formats.trainers._keras_config import Node
from evsim.formats.trainers._keras_fields import Unsupported
from evsim.formats.trainers._keras_quantizers import (
    Quantizer,
    bits_of,
    power_of,
    threshold_of,
)

WORKS = "quantized_relu, quantized_bits, binary, ternary, ste_sign and ste_heaviside work"


def quantised(build: Building, node: Node, source: str, quantizer: Quantizer, suffix: str) -> str:
    """Add the layers that a quantiser of activations is; returns the name of its result."""
    if quantizer.name not in RULES:
        raise Unsupported(f"activations quantised by {quantizer.name}: {WORKS}")
    quantizer.require_plain()
    if isinstance(quantizer.settings.get("alpha"), str):
        what = f"activations quantised by {quantizer.name} with an alpha that depends on the batch"
        raise Unsupported(f"{what}: a number works")
    return RULES[quantizer.name](Place(build, node, suffix), source, quantizer.settings)


class Place:
    """Where the layers of one activation are put, and under what name."""

    def __init__(self, build: Building, node: Node, suffix: str):
        self.build, self.node, self.suffix = build, node, suffix

    def put(self, layer) -> str:
        """Add a layer."""
        return self.build.put(self.node, layer, self.suffix)

    def relu(self, source: str, step: float, levels: int) -> str:
        """Add a rectifier of so many levels above 0."""
        ceiling = np.float64(step) * levels
        return self.put(Relu(sources=source, ceiling=ceiling, levels=levels, halves="even"))

    def step(self, source: str, output: str, compare: str = "ge") -> str:
        """Add what is 1 from 0 on, or above 0 (`compare` "gt"), else 0 or -1."""
        fixed = {"probability": "hardtanh", "sampled": False, "compare": compare}
        return self.put(Stochastic(sources=source, output=output, **fixed))

    def affine(self, source: str, gain: float, offset: float = 0.0) -> str:
        """Add gain x + offset, where that changes anything."""
        if gain == 1 and offset == 0:
            return source
        fields = {"gamma": np.float64(gain), "beta": np.float64(offset)}
        return self.put(Normalize(sources=source, **fields))


def _relu(place: Place, source: str, settings) -> str:
    """quantized_relu: 2^bits - 1 levels of 2^(integer - bits) above 0."""
    for name in ("use_sigmoid", "negative_slope"):
        if settings.number(name, default=0):
            raise Unsupported(f"quantized_relu with {name}: without it works")
    if not settings.flag("is_quantized_clip", default=True):
        raise Unsupported("quantized_relu without is_quantized_clip: with it works")
    bits = bits_of(settings)
    return place.relu(source, power_of(settings) / 2.0**bits, 2**bits - 1)


def _bits(place: Place, source: str, settings) -> str:
    """quantized_bits: levels on both sides of 0, from -m to m - 1; or those from 0 on."""
    bits, integer = bits_of(settings), np.float64(power_of(settings))
    negative = settings.flag("keep_negative", default=True)
    alpha = settings.number("alpha", default=1.0)
    if bits == negative:
        return place.affine(place.step(source, "bipolar"), alpha)
    if settings.flag("symmetric", default=False) and negative:
        raise Unsupported("activations quantised by symmetric quantized_bits: symmetric=0 works")
    most = 2 ** (bits - negative)
    step, below = integer / most, most if negative else 0
    source = place.affine(source, 1.0, step * below)
    result = place.relu(source, step, below + most - 1)
    return place.affine(result, alpha, -alpha * step * below)


def _binary(place: Place, source: str, settings) -> str:
    output = "unipolar" if settings.flag("use_01", default=False) else "bipolar"
    return place.affine(place.step(source, output), settings.number("alpha", default=1.0))


def _ternary(place: Place, source: str, settings) -> str:
    """ternary: 1 from the threshold on, -1 from its negative down: two steps between 0 and 1."""
    threshold = np.float64(np.float32(threshold_of(settings)))
    alpha = settings.number("alpha", default=1.0)
    high = place.step(place.affine(source, 1.0, -threshold), "unipolar")
    low = place.step(place.affine(source, 1.0, threshold), "unipolar", "gt")
    return place.affine(place.put(Add(sources=(high, low))), alpha, -alpha)


def _dorefa(place: Place, source: str, settings) -> str:
    if settings.text("mode", default="activations") != "activations":
        raise Unsupported("activations quantised by DoReFa in mode 'weights'")
    levels = 2 ** bits_of(settings, "k_bit", 2) - 1
    whole = place.relu(place.affine(source, levels), 1.0, levels)  # it rounds levels x
    return place.affine(whole, 1 / levels)


RULES = {
    "quantized_relu": _relu,
    "quantized_bits": _bits,
    "binary": _binary,
    "ternary": _ternary,
    "ste_sign": lambda place, source, settings: place.step(source, "bipolar"),
    "ste_heaviside": lambda place, source, settings: place.step(source, "unipolar", "gt"),
    "dorefa_quantizer": _dorefa,
    "no_op": lambda place, source, settings: source,
}
