"""The quantisers of QKeras and Larq: what a file says of one, and what it makes of weights.

Sources: the code of QKeras 0.9.0 and of Larq 0.14.0. Nothing of a file is executed: a quantiser
that is written as a call has numbers, words, true, false and none in it, or it is refused.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch, shown
from evsim.formats.trainers._keras_fields import Fields, Unsupported

PARAMETERS = {  # of QKeras's, by position
    "quantized_bits": (
        *("bits", "integer", "symmetric", "keep_negative", "alpha", "use_stochastic_rounding"),
        *("scale_axis", "qnoise_factor"),
    ),
    "quantized_relu": (
        *("bits", "integer", "use_sigmoid", "negative_slope", "use_stochastic_rounding"),
        *("relu_upper_bound", "is_quantized_clip", "qnoise_factor"),
    ),
    "binary": ("use_01", "alpha", "use_stochastic_rounding"),
    "ternary": ("alpha", "threshold", "use_stochastic_rounding", "number_of_unrolls"),
}
LARQ = {  # the names under which one is saved
    "ste_sign": ("SteSign", "approx_sign", "ApproxSign", "swish_sign", "SwishSign"),
    "ste_heaviside": ("SteHeaviside",),
    "magnitude_aware_sign": ("MagnitudeAwareSign",),
    "ste_tern": ("SteTern",),
    "dorefa_quantizer": ("DoReFa", "DoReFaQuantizer"),
    "no_op": ("NoOp", "NoOpQuantizer"),
}
REFUSED = (
    *("quantized_linear", "quantized_po2", "quantized_relu_po2", "quantized_tanh"),
    *("quantized_sigmoid", "quantized_ulaw", "quantized_hswish", "bernoulli"),
    *("stochastic_ternary", "stochastic_binary"),
)
NAMES = {alias: name for name, aliases in LARQ.items() for alias in (name, *aliases)}
NAMES |= {name: name for name in (*PARAMETERS, *REFUSED)}
KERNELS = "quantized_bits, binary, ternary, ste_sign, magnitude_aware_sign and ste_tern work"
EPSILON = np.float32(1e-7)  # Keras's
MOST_BITS, UNROLLS = 16, 100  # of a number; turns of a fit that no file needs more of
LONGEST = 1000  # characters of a call


@dataclass(frozen=True)
class Quantizer:
    """A quantiser by its name, with its settings."""

    name: str
    settings: Fields

    def require_plain(self) -> None:
        """Raise Unsupported where it mixes its result with what it was given."""
        if self.settings.number("qnoise_factor", default=1.0) != 1:
            raise Unsupported(f"{self.name} with a qnoise_factor other than 1")


def quantizer_of(value, place: str) -> Quantizer | None:
    """The quantiser that a setting names; None for what is none of QKeras's or Larq's."""
    settings: dict = {}
    if isinstance(value, dict):
        name, given = value.get("class_name"), value.get("config")
        settings = given if isinstance(given, dict) else {}
    elif isinstance(value, str):
        name, settings = _called(value, place)
    else:
        return None
    name = name.rpartition(">")[2] if isinstance(name, str) else ""  # Larq>SteSign
    return Quantizer(NAMES[name], Fields(settings, place)) if name in NAMES else None


def _called(text: str, place: str) -> tuple[str, dict]:
    """The name and the settings in the text of a call, such as quantized_relu(4, integer=1)."""
    name = text.partition("(")[0].strip()
    if "(" not in text or name not in NAMES or name in REFUSED:
        return name, {}
    problem = mismatch(shown(text), "a quantiser with numbers or words in brackets", place)
    try:
        call = ast.parse(text.strip(), mode="eval").body if len(text) <= LONGEST else None
        if not isinstance(call, ast.Call):
            raise problem
        values = [ast.literal_eval(value) for value in call.args]
        named = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise problem from None
    known = PARAMETERS.get(name, ())
    if None in named or len(values) > len(known):
        raise problem
    return name, dict(zip(known, values, strict=False)) | named


def of_weights(quantizer: Quantizer, x: np.ndarray, kernel: bool) -> np.ndarray:
    """The quantised values of a `kernel` or of another array, float32; the channels come last.

    Raises Unsupported for a quantiser whose values are no whole multiples of one step.
    """
    if quantizer.name not in RULES:
        raise Unsupported(f"weights quantised by {quantizer.name}: {KERNELS}")
    x = np.asarray(x, np.float32)
    alpha = quantizer.settings.get("alpha")
    if alpha is None and kernel and quantizer.name in PARAMETERS:
        alpha = "auto_po2"  # what QKeras takes for kernels
    if isinstance(alpha, str) and alpha != "auto_po2":
        what = f"weights quantised by {quantizer.name} with alpha {shown(alpha)}, no whole steps"
        raise Unsupported(f"{what}: alpha=1, another number, or 'auto_po2' works")
    if quantizer.name in PARAMETERS and alpha != "auto_po2":
        alpha = np.float32(1 if alpha is None else quantizer.settings.numbers("alpha"))
        alpha = alpha[0] if alpha.ndim and alpha.size == 1 else alpha
        if alpha.ndim and alpha.size != x.shape[-1]:
            raise quantizer.settings.wrong(("alpha",), f"1 or {x.shape[-1]} numbers")
    quantizer.require_plain()
    return np.float32(RULES[quantizer.name](quantizer.settings, x, alpha))


def _bits(settings: Fields, x: np.ndarray, alpha) -> np.ndarray:
    """quantized_bits: whole numbers of so many bits, nearest ones, halves to the even."""
    bits, integer = bits_of(settings), power_of(settings)
    negative = settings.flag("keep_negative", default=True)
    symmetric = settings.flag("symmetric", default=False)
    if alpha is not None and isinstance(alpha, str):
        return _bits_scaled(x / integer, bits) * integer
    if bits - negative == 0:
        sign = np.where(x >= 0, 1, -1)
        return alpha * (sign if negative else (sign + 1) / 2)
    most = np.float32(2.0 ** (bits - negative))
    steps = np.clip(np.rint(x * most / integer), negative * (symmetric - most), most - 1)
    return alpha * (integer * steps / most)


def bits_of(settings: Fields, name: str = "bits", default: int = 8) -> int:
    """The width of a quantiser's numbers."""
    bits = settings.whole(name, default=default)
    if bits > MOST_BITS:
        raise Unsupported(f"numbers quantised to {bits} bits: up to {MOST_BITS} work")
    return bits


def power_of(settings: Fields) -> np.float32:
    """2 to the number of bits in front of the point."""
    integer = settings.get("integer", default=0)
    if isinstance(integer, bool) or not isinstance(integer, int | float) or abs(integer) > 64:
        raise settings.wrong(("integer",), "a whole number from -64 to 64")
    if integer != int(integer):
        raise settings.wrong(("integer",), "a whole number")
    return np.float32(2.0 ** int(integer))


def _bits_scaled(x: np.ndarray, bits: int) -> np.ndarray:
    """quantized_bits with alpha 'auto_po2': the scale of a channel is fitted, a power of two."""
    most = np.float32(2 ** (bits - 1) - 1)
    if not most:
        raise Unsupported("weights quantised by quantized_bits of 1 bit with alpha 'auto_po2'")
    scale = _power(np.abs(x).max(axis=_others(x), keepdims=True) * 2 / (2 * most))
    steps = x
    for _ in range(5):
        steps = np.sign(x) * np.minimum(np.floor(np.abs(x) / scale + np.float32(0.5)), most)
        scale = _fitted(x, steps)
    return scale * steps


def _others(x: np.ndarray) -> tuple[int, ...]:
    """The axes beside that of the channels; of a vector its own."""
    return tuple(range(max(1, x.ndim - 1)))


def _power(scale: np.ndarray) -> np.ndarray:
    """The power of two next to a scale, by its logarithm."""
    return np.float32(2.0) ** np.rint(np.log(np.float32(scale) + EPSILON) / np.log(np.float32(2)))


def _fitted(x: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The power of two by which steps come nearest to the values of each channel."""
    x, steps = np.float64(x), np.float64(steps)
    if x.ndim == 1:
        return _power(x * steps / (steps * steps + EPSILON))
    products = (x * steps).mean(axis=_others(x), keepdims=True)
    squares = (steps * steps).mean(axis=_others(x), keepdims=True)
    return _power(products / (squares + EPSILON))


def _binary(settings: Fields, x: np.ndarray, alpha) -> np.ndarray:
    """binary: -1 below 0, else 1; or 0 and 1."""
    sign = np.where(x >= 0, 1, -1)
    if settings.flag("use_01", default=False):
        sign = (sign + 1) // 2
    return (_fitted(x, sign) if isinstance(alpha, str) else alpha) * sign


def _ternary(settings: Fields, x: np.ndarray, alpha) -> np.ndarray:
    """ternary: 0 below a threshold, else the sign."""
    if not isinstance(alpha, str):
        return alpha * (np.abs(x) >= np.float32(threshold_of(settings))) * np.sign(x)
    axes = None if x.ndim == 1 else _others(x)
    scale = _power(2 * np.abs(x).max(axis=axes, keepdims=True) / np.float32(3))
    steps = x
    for _ in range(min(settings.whole("number_of_unrolls", default=5), UNROLLS)):
        near = scale * np.rint(x / scale)
        steps = (np.abs(near) >= scale / 2) * np.sign(x)
        scale = _fitted(x, steps)
    return scale * steps


def threshold_of(settings: Fields) -> float:
    """What ternary takes for 0 below."""
    found = settings.number("threshold", default=0.33)
    if found <= 0:
        raise settings.wrong(("threshold",), "a number above 0")
    return found


def _sign(settings: Fields, x: np.ndarray, alpha) -> np.ndarray:
    return np.where(x >= 0, 1, -1)


def _magnitude(settings: Fields, x: np.ndarray, alpha) -> np.ndarray:
    """The sign times the mean magnitude of a filter."""
    size = np.abs(x).mean(axis=_others(x), dtype=np.float64)
    return np.where(x >= 0, np.float32(size), -np.float32(size))


def _ste_tern(settings: Fields, x: np.ndarray, alpha) -> np.ndarray:
    if settings.flag("ternary_weight_networks", default=False):
        raise Unsupported("ste_tern with ternary_weight_networks: a threshold_value works")
    least = np.float32(settings.number("threshold_value", default=0.05))
    return np.sign(np.sign(x + least) + np.sign(x - least))


RULES = {
    "quantized_bits": _bits,
    "binary": _binary,
    "ternary": _ternary,
    "ste_sign": _sign,
    "magnitude_aware_sign": _magnitude,
    "ste_tern": _ste_tern,
    "no_op": lambda settings, x, alpha: x,
}
