"""What records say of themselves, for the reference pages: fields, prose, what kinds cost."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import re
import textwrap
import tokenize
from functools import cache

UNIT = re.compile(r"\[(.+?)\] ?(.*)", re.S)
# What kinds are tried with: a value of each required field, and others that may cost something.
TRIED = {"shape": (2, 2, 2), "threshold": 1, "window": 2, "start": 2, "leak": 0.5}
TRIED |= {"current_leak": 0.5, "current_decay": 1, "potential_decay": 1, "bias": 1}
TRIED |= {"current_bias": 1, "delta": 2, "leak_shift": 1}
NOTHING = ("0", "0", "0")


# What the records say


@cache
def comments(cls: type) -> dict[str, str]:
    """The comment on the line of each field that a class declares itself."""
    source = textwrap.dedent(inspect.getsource(cls))
    lines = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    return {
        node.target.id: next((lines[n] for n in _lines(node) if n in lines), "")
        for node in ast.parse(source).body[0].body
        if isinstance(node, ast.AnnAssign)
    }


def _lines(node) -> range:
    return range(node.lineno, node.end_lineno + 1)


def told(cls: type, name: str) -> tuple[str, str]:
    """(unit, description) of a field, from where it is declared."""
    for owner in cls.__mro__:
        if dataclasses.is_dataclass(owner) and name in comments(owner):
            text = comments(owner)[name]
            with_unit = UNIT.fullmatch(text)
            return (with_unit[1], with_unit[2]) if with_unit else ("", text)
    raise KeyError(name)


def default_of(field: dataclasses.Field) -> str:
    """The default of a field as a page shows it."""
    if field.default is dataclasses.MISSING:
        return "**required**"
    value = field.default
    if value is None or value == () or dataclasses.is_dataclass(value):
        return "absent"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"`{text}`" if text else "absent"


# Markdown


def prose(text: str) -> str:
    """A docstring as Markdown: nothing in it is markup but code in backquotes."""
    pieces = re.split(r"(`[^`]*`)", inspect.cleandoc(text or ""))
    plain = [re.sub(r"([*<\\])", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(a + b for a, b in zip(plain, [*pieces[1::2], ""], strict=True))


def table(columns: tuple[str, ...], rows) -> str:
    """A table; cells are Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def fields_table(cls: type, names: list[str] | None = None, key=lambda field: field.name) -> str:
    """The fields of a record: what they take, their defaults, units and what they are."""
    rows = []
    for field in dataclasses.fields(cls):
        if names is None or field.name in names:
            unit, text = told(cls, field.name)
            takes = prose(field.metadata["takes"])
            rows.append((f"`{key(field)}`", takes, default_of(field), unit, prose(text)))
    return table(("field", "takes", "default", "unit", "what"), rows)


# What kinds cost


class Sum:
    """A sum of facts with their names in the place of numbers."""

    def __init__(self, terms: dict[str, int]):
        self.terms = {name: n for name, n in terms.items() if n}

    def __add__(self, other):
        names = self.terms.keys() | (other.terms.keys() if isinstance(other, Sum) else set())
        return Sum({n: self.terms.get(n, 0) + getattr(other, "terms", {}).get(n, 0) for n in names})

    __radd__ = __add__

    def __mul__(self, factor: int):
        return Sum({name: n * factor for name, n in self.terms.items()})

    __rmul__ = __mul__

    def __str__(self):
        each = [name if n == 1 else f"{n} {name}" for name, n in sorted(self.terms.items())]
        return " + ".join(each)


def actions_of(part: dict, target: dict | None, facts) -> dict[str, tuple[str, ...]]:
    """How often each action is done, for the three ways to accumulate, in facts."""
    from evsim.counting.machine import CHOICES, Machine, population_actions, set_actions

    symbols = {fact: Sum({fact: 1}) for fact in facts}
    found: dict[str, dict[str, str]] = {}
    for where in CHOICES["accumulate"]:
        machine = Machine(where)
        if target is None:
            done = population_actions(part, symbols, machine)
        else:
            done = set_actions(part, symbols, machine, target)
        for action, times in done.items():
            found.setdefault(action, {})[where] = str(times)
    return {a: tuple(t.get(w, "") for w in CHOICES["accumulate"]) for a, t in found.items()}


def built(cls: type, **given):
    """Neurons of a kind with these fields, the others of an example; None if they do not fit."""
    from evsim.base.errors import EvsimError

    example = cls.EXAMPLES[0] if cls.EXAMPLES else {}
    more = ((), ("start",), ("window", "start"), ("current_leak",))  # what a field may ask for
    for names in more:
        fields = {"shape": TRIED["shape"], **{n: TRIED[n] for n in names}, **example, **given}
        try:
            return cls(**fields)
        except (EvsimError, TypeError):
            continue
    return None


def state_of(cls: type) -> str:
    """The arrays of a kind's state, and what they cost where that is not the rule of their name."""
    costs = {"memory": " (read and written at every update)", "circuit": " (free)"}
    arrays = [f"`{n}`{costs.get(where, '')}" for n, where in cls.STATE.items() if where != "room"]
    return f"State: {', '.join(arrays)}." if arrays else ""


def population_cost(cls: type) -> str:
    """The actions of a kind of neurons, and what its fields change in them."""

    def cost(neurons):
        done = actions_of(neurons.describe(), None, neurons.facts)
        return done if neurons.draws else {a: n for a, n in done.items() if a != "random_draw"}

    plain = cost(built(cls))
    rows = [("", f"`{action}`", *times) for action, times in plain.items()]
    for field in dataclasses.fields(cls):
        for value in _others(field):
            other = built(cls, **{field.name: value})
            changed = plain if other is None else dict.fromkeys(plain, NOTHING) | cost(other)
            for action, times in changed.items():
                if times != plain.get(action):
                    shown = f"`{field.name}`" + (f" = `{value}`" if isinstance(value, str) else "")
                    rows.append((f"with {shown}", f"`{action}`", *times))
    return table(("", "action", "direct", "buffer", "register"), rows)


def _others(field: dataclasses.Field) -> list:
    """Values of an optional field that may cost something else than its default."""
    if field.default is dataclasses.MISSING:
        return []
    if isinstance(field.default, str):
        return [word for word in field.metadata["takes"].split(" or ") if word != field.default]
    if isinstance(field.default, bool):
        return [not field.default]
    return [TRIED[field.name]] if field.name in TRIED else []


def set_cost(cls: type) -> str:
    """The actions of a kind of sets into neurons that integrate."""
    from evsim.counting.facts import SET_FACTS
    from evsim.neurons import neuron_kinds

    target = built(neuron_kinds()["iaf"]).describe()
    weighted = bool({"weight", "data"} & {field.name for field in dataclasses.fields(cls)})
    part = {"kind": cls.__module__.rpartition(".")[2], "weighted": weighted}
    rows = [(f"`{a}`", *times) for a, times in actions_of(part, target, SET_FACTS).items()]
    return table(("action", "direct", "buffer", "register"), rows)
