"""Parts: frozen records whose fields check themselves, and the folders that are their registry."""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from evsim.base.errors import EvsimError, mismatch, nearest, shown

NEURONS = 2**31 - 1  # of a population: event queues and random numbers count them in 32 bits
MOST = 2**62  # of a whole number: what kernels add to it still fits int64


def _field(check, default=dataclasses.MISSING, array=False, takes=""):
    """A field that `check` checks; `takes`: what, in a word, for the reference.

    A comment on the field's line says what it is, its unit in brackets first.
    """
    metadata = {"check": check, "array": array, "takes": takes}
    return dataclasses.field(default=default, metadata=metadata)


def whole(default=dataclasses.MISSING, least: int = 0, most: int = MOST):
    """A field: an integer from `least` to `most`; None only where that is the default."""

    def check(part, value):
        if value is None and default is None:
            return None
        value = np.asarray(value)
        if value.size != 1 or value.dtype.kind not in "iu" or int(value.item()) < least:
            raise mismatch(shown(value), f"a whole number of at least {least}")
        if int(value.item()) > most:
            raise mismatch(shown(value), f"at most {'2^62' if most == MOST else most}")
        return int(value.item())

    return _field(check, default, takes=f"whole number from {least}")


def wholes(length: int | None, default=dataclasses.MISSING, least: int = 0):
    """A field: a tuple of `length` integers of at least `least`.

    `length` None: a shape, of one axis or three, with at most 2^31 - 1 neurons in all.
    """

    def check(part, value):
        if value is None:
            return None
        value = np.asarray(value)
        fits = value.ndim == 1 and (value.size == length if length else value.size in (1, 3))
        expected = f"{length or '1 or 3'} whole numbers of at least {least}"
        if not fits or value.dtype.kind not in "iu" or (value < least).any():
            raise mismatch(shown(value), expected)
        if (value > MOST).any():
            raise mismatch(shown(value), "at most 2^62")
        sizes = tuple(int(v) for v in value)
        if length is None and math.prod(sizes) > NEURONS:
            raise mismatch(f"{math.prod(sizes)} neurons", f"at most {NEURONS}")
        return sizes

    return _field(check, default, takes=f"{length or '1 or 3'} whole numbers")


def choice(*allowed: str):
    """A field: one of the `allowed` words, the first of which is the default."""

    def check(part, value):
        if not isinstance(value, str) or value not in allowed:
            near = nearest(value, allowed) if isinstance(value, str) else ""
            raise mismatch(shown(value), " or ".join(map(repr, allowed)) + near)
        return value

    return _field(check, allowed[0], takes=" or ".join(allowed))


def word():
    """A field: a name, a text that is not empty."""

    def check(part, value):
        if not isinstance(value, str) or not value:
            raise mismatch(shown(value), "a name")
        return value

    return _field(check, takes="a name")


def words(count: int | None = None):
    """A field: a tuple of `count` names, or where it is None of one or more; a text is one name."""

    def check(part, value):
        names = (value,) if isinstance(value, str) else tuple(value)
        fits = len(names) == count if count else names
        if not fits or not all(isinstance(name, str) and name for name in names):
            raise mismatch(shown(value), f"{count or 'one or more'} names")
        return names

    return _field(check, takes="names")


def flag(default: bool):
    """A field: true or false, also as 0 or 1, as files hold it."""

    def check(part, value):
        value = np.asarray(value)
        if value.size != 1 or value.dtype.kind not in "biu" or value.item() not in (0, 1):
            raise mismatch(shown(value), "true or false")
        return bool(value.item())

    return _field(check, default, takes="true or false")


def fraction(default: float, closed: bool = False):
    """A field: a number from 0 to below 1, or to 1 where `closed`."""

    def check(part, value):
        value = numbers(value)
        if value.size != 1 or not (0 <= value.item() < 1 or (closed and value.item() == 1)):
            raise mismatch(shown(value), f"a number from 0 to {'1' if closed else 'below 1'}")
        return float(value.item())

    return _field(check, default, takes="from 0 to 1" if closed else "from 0 to below 1")


def per_neuron(default=dataclasses.MISSING, positive: bool = False):
    """A field: a scalar, one value per channel, the population's shape, or that shape flattened.

    `positive`: all values are above 0.
    """

    def check(part, value):
        if value is None:
            return None
        value = numbers(value)
        neurons = math.prod(part.shape)
        allowed = {(), (1,), (part.shape[-1],), part.shape, (neurons,)}
        if value.shape not in allowed:
            shapes = sorted(allowed - {(), (1,)}, key=len)
            raise mismatch(
                f"shape {value.shape}", "a scalar or shape " + " or ".join(map(str, shapes))
            )
        if positive and (value <= 0).any():
            raise mismatch(value.min(), "a value above 0")
        return frozen(value.reshape(()) if value.size == 1 else value)

    return _field(check, default, array=True, takes="number, per channel or neuron")


def per_channel(default=None):
    """A field: a scalar or a vector of a value per channel; the part checks its length."""

    def check(part, value):
        if value is None:
            return None
        value = numbers(value)
        if value.ndim > 1:
            raise mismatch(f"shape {value.shape}", "a scalar or a vector")
        return frozen(value.reshape(()) if value.size == 1 else value)

    return _field(check, default, array=True, takes="number, per channel")


def array(rank: int, kinds: str = "fi", default=dataclasses.MISSING):
    """A field: an array of `rank` axes whose dtype is of one of NumPy's `kinds` (f, i, u)."""

    def check(part, value):
        if value is None:
            return None
        value = numbers(value, kinds)
        if value.ndim != rank:
            raise mismatch(f"shape {value.shape}", f"{rank} axes")
        return frozen(value)

    return _field(check, default, array=True, takes=f"array of {rank} axes")


def numbers(value: Any, kinds: str = "fiu") -> np.ndarray:
    """`value` as an array of finite numbers, its dtype of one of `kinds`; else EvsimError."""
    value = np.asarray(value)
    if value.dtype.kind not in kinds or value.dtype.itemsize > 8:
        names = {"f": "float16/32/64", "i": "signed integers", "u": "unsigned integers"}
        raise mismatch(f"dtype {value.dtype}", " or ".join(names[k] for k in kinds))
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        index = np.argwhere(~np.isfinite(np.atleast_1d(value)))[0].tolist()
        raise mismatch(f"{np.atleast_1d(value)[tuple(index)]} at index {index}", "finite numbers")
    return value


def rounded(value: np.ndarray, dtype, place: str = "") -> np.ndarray:
    """`value` rounded once to `dtype`; EvsimError where that makes a finite number infinite."""
    with np.errstate(over="ignore"):
        result = value.astype(dtype)
    if result.dtype.kind == "f" and value.dtype.itemsize > result.dtype.itemsize:
        lost = np.isinf(result) & np.isfinite(value)
        if lost.any():
            raise mismatch(value[lost].flat[0], f"values within {result.dtype}", place)
    return result


def frozen(value: np.ndarray) -> np.ndarray:
    """A read-only view of `value`, or a copy where it is not C-ordered in native byte order.

    A view keeps an array that two sets share one array in memory.
    """
    value = np.ascontiguousarray(value, value.dtype.newbyteorder("=")).reshape(value.shape).view()
    value.flags.writeable = False
    return value


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A population or a set of synapses: a frozen record whose kind is its file's name."""

    kind: ClassVar[str] = ""

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        cls.kind = cls.__module__.rpartition(".")[2]
        cls.__repr__ = Part.__repr__  # else the decorator makes one that shows whole arrays

    def __repr__(self) -> str:
        """Its kind as Python exports it, and the fields that are not at their defaults."""
        said = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray) or value != field.default:
                same = isinstance(value, np.ndarray) and np.array_equal(value, field.default)
                said += [] if same else [f"{field.name}={_short(value)}"]
        return f"{self.kind.capitalize()}({', '.join(said)})"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            try:
                value = field.metadata["check"](self, getattr(self, field.name))
            except EvsimError as error:
                raise error.within(field.name) from None
            object.__setattr__(self, field.name, value)
        self.check()

    def check(self) -> None:
        """Raise EvsimError if the fields do not fit each other; each was checked by itself."""

    @classmethod
    def build(cls, fields: dict[str, Any]) -> Part:
        """The part with these fields by name; EvsimError for a missing or an unknown one."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        for name in fields:
            if name not in known:
                raise EvsimError(
                    f"unknown field for kind {cls.kind!r}, expected one of "
                    f"{', '.join(known)}{nearest(name, known)}",
                    name,
                )
        for name, field in known.items():
            if field.default is dataclasses.MISSING and name not in fields:
                raise EvsimError(f"missing field {name!r}, required by kind {cls.kind!r}")
        return cls(**fields)


def _short(value: Any) -> str:
    """A value on a few characters: of an array that is long, its dtype and shape."""
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"<{value.dtype} {value.shape}>"
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


def kinds(package: ModuleType, base: type) -> dict[str, type]:
    """The kinds that a folder holds, by file name: of each file the class that derives from `base`.

    Files whose names begin with _ are shared by the others and are no kinds.
    """
    classes = {}
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            content = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
            classes[module.name] = next(
                c
                for c in content.values()
                if isinstance(c, type)
                and issubclass(c, base)
                and c.__module__.endswith(f".{module.name}")
            )
    return classes
