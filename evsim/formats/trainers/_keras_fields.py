"""The settings of a layer of Keras, read with their types checked."""

from __future__ import annotations

from evsim.base.errors import EvsimError, mismatch, shown


class Unsupported(Exception):
    """What a layer does that evsim cannot do, and what would work."""


class Fields:
    """The settings of a layer; every one is checked for its type when it is asked for."""

    def __init__(self, values: dict, place: str):
        self.values, self.place = values, place

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def get(self, *names: str, default=None):
        """The value of the first of several names, new and old ones, that is set."""
        for name in names:
            if name in self:
                return unpacked(self.values[name])
        return default

    def wrong(self, names: tuple[str, ...], expected: str) -> EvsimError:
        """The error of a setting that is not as expected."""
        value = self.get(*names)
        return mismatch("none" if value is None else shown(value), expected, self.at(names[0]))

    def at(self, name: str) -> str:
        """The place of a setting in the file, for errors."""
        return f"{self.place}/{name}"

    def text(self, *names: str, default: str = "") -> str:
        """A setting that is a word."""
        value = self.get(*names, default=default)
        if not isinstance(value, str):
            raise self.wrong(names, "text")
        return value

    def flag(self, *names: str, default: bool) -> bool:
        """A setting that is true or false; some files have 1 or 0 for it."""
        value = self.get(*names, default=default)
        if not isinstance(value, bool) and value not in (0, 1):
            raise self.wrong(names, "true or false")
        return bool(value)

    def whole(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """A setting that is a whole number of at least `least`."""
        value = self.get(*names, default=default)
        if not _whole(value, least):
            raise self.wrong(names, f"a whole number of at least {least}")
        return value

    def pair(self, *names: str, default=None, least: int = 1) -> tuple[int, int]:
        """A setting that is two whole numbers, for height and width; one stands for both."""
        value = self.get(*names, default=default)
        value = [value, value] if isinstance(value, int) else value
        fits = isinstance(value, list | tuple) and len(value) == 2
        if not fits or not all(_whole(v, least) for v in value):
            raise self.wrong(names, f"two whole numbers of at least {least}")
        return value[0], value[1]

    def number(self, *names: str, default=None) -> float | None:
        """A setting that is a finite number; None where it is not set."""
        value = self.get(*names, default=default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
            raise self.wrong(names, "a number")
        return float(value)

    def numbers(self, *names: str) -> list[float]:
        """A setting that is a number or several, nested or not, as one list."""
        value, read = self.get(*names), []
        ahead = [value]
        while ahead:
            item = unpacked(ahead.pop())
            if isinstance(item, list):
                ahead += reversed(item)
            elif isinstance(item, bool) or not isinstance(item, int | float):
                raise self.wrong(names, "a number, or one per channel")
            elif not abs(item) < 1e30:
                raise self.wrong(names, "numbers within 1e30")
            else:
                read.append(float(item))
        return read


def unpacked(value):
    """A value without what tf.keras wraps around tuples, shapes and NumPy's numbers."""
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        return value["items"]
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        config = value.get("config")
        return config.get("value") if isinstance(config, dict) else None
    return value


def _whole(value, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31
