"""Prices of actions, and what the actions of a run cost under them.

A profile is a TOML file in `evsim/hardware/`, or one of a user's own; nothing in it is executed.
Counts are exact integers and stay as they are; energies are floats, in picojoule.
"""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from evsim.counts import ACTIONS
from evsim.parts import EvsimError, mismatch, nearest, shown
from evsim.shipped import shipped

SCHEMA = "evsim-hw/1"
DEFAULT = "horowitz-45nm"
MOST = 1e12  # picojoule: one joule
EVIDENCE = ("measured", "published", "simulated", "derived", "assumed")
ROOT = ("schema", "name", "title", "charge")
REQUIRED = ("action", "pj", "source", "evidence")
CHARGE = (*REQUIRED, "includes")


@dataclass(frozen=True)
class Charge:
    """What each of some actions costs; `includes`: further actions that are paid with it."""

    action: tuple[str, ...]
    pj: float
    source: str
    evidence: str
    includes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """The prices of one technology or chip."""

    name: str
    title: str
    charges: tuple[Charge, ...]

    @classmethod
    def read(cls, path: Path) -> Profile:
        """Read and check a profile; raises EvsimError with the file and the place in it."""
        try:
            return cls._read(path)
        except EvsimError as error:
            raise error.within(file=str(path)) from None

    @classmethod
    def _read(cls, path: Path) -> Profile:
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise EvsimError(f"cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise mismatch(f"no TOML ({error})", "a hardware profile") from None
        _known(content, ROOT)
        if content.get("schema") != SCHEMA:
            raise mismatch(shown(content.get("schema")), repr(SCHEMA), "schema")
        charges = content.get("charge")
        if not isinstance(charges, list) or not charges:
            raise mismatch(shown(charges), "[[charge]] tables", "charge")
        read = []
        for number, fields in enumerate(charges):
            try:
                read.append(_charge(fields))
            except EvsimError as error:
                raise error.within(f"charge[{number}]") from None
        _check_charged_once(read)
        name = _text(content.get("name", path.stem), "name")
        return cls(name, _text(content.get("title", name), "title"), tuple(read))


def find(name: str) -> Path:
    """The file of a profile: one that comes with evsim, or a path."""
    known = {path.stem: path for path in shipped("hardware").glob("*.toml")}
    if name in known:
        return known[name]
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    expected = f"a TOML file or one of {', '.join(sorted(known))}{nearest(name, known)}"
    raise mismatch(repr(name), expected, "--prices")


def price(counts: dict, profile: Profile) -> dict:
    """What `Run.counts` costs, in picojoule: in total, by action, by part and by evidence.

    `unpriced`: how often actions were done that have no price, or are included in that of
    actions which their part does not do; where there are any, the total is a lower bound.
    """
    each = {action: charge for charge in profile.charges for action in charge.action}
    by_action = {a: counts["total"][a] * charge.pj for a, charge in each.items()}
    unpriced = _unpriced(counts["parts"], profile, each)
    return {
        "profile": profile.name,
        "total": math.fsum(by_action.values()),
        "lower_bound": bool(unpriced),
        "unpriced": unpriced,
        "actions": by_action,
        "parts": {
            part: math.fsum(done[action] * charge.pj for action, charge in each.items())
            for part, done in counts["parts"].items()
        },
        "evidence": {
            kind: math.fsum(by_action[a] for a, charge in each.items() if charge.evidence == kind)
            for kind in EVIDENCE
        },
    }


def _unpriced(parts: dict, profile: Profile, each: dict[str, Charge]) -> dict[str, int]:
    """How often each action was done that nothing pays for."""
    with_others = {name: charge.action for charge in profile.charges for name in charge.includes}
    found = Counter()
    for done in parts.values():
        for action, n in done.items():
            if action not in each and not any(done[a] for a in with_others.get(action, ())):
                found[action] += n
    return {action: n for action, n in found.items() if n}


def _charge(fields) -> Charge:
    if not isinstance(fields, dict):
        raise mismatch(shown(fields), "a table")
    _known(fields, CHARGE)
    for key in REQUIRED:
        if key not in fields:
            unit = ", the price in picojoule" if key == "pj" else ""
            raise EvsimError(f"missing field {key!r}{unit}")
    pj = fields["pj"]
    if type(pj) not in (int, float) or not 0 <= pj <= MOST:
        raise mismatch(shown(pj), f"a number from 0 to {MOST:g}, in picojoule", "pj")
    evidence = fields["evidence"]
    if evidence not in EVIDENCE:
        near = nearest(str(evidence), EVIDENCE)
        raise mismatch(shown(evidence), f"one of {', '.join(EVIDENCE)}{near}", "evidence")
    return Charge(
        action=_actions(fields["action"], "action"),
        pj=float(pj),
        source=_text(fields["source"], "source"),
        evidence=evidence,
        includes=_actions(fields.get("includes", []), "includes"),
    )


def _actions(value, key: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise mismatch(shown(value), "names of actions", key)
    if key == "action" and not names:
        raise mismatch("no action", "at least one", key)
    for name in names:
        if name not in ACTIONS:
            expected = f"an action that is counted{nearest(name, ACTIONS)}"
            raise mismatch(shown(name), expected, key)
    return tuple(names)


def _check_charged_once(charges: list[Charge]) -> None:
    by: dict[str, str] = {}
    for number, charge in enumerate(charges):
        for key in ("action", "includes"):
            for name in getattr(charge, key):
                place = f"charge[{number}].{key}"
                if name in by:
                    raise EvsimError(f"{name!r} is charged twice: by {by[name]} and by {place}")
                by[name] = place


def _text(value, key: str) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise mismatch(shown(value), "a line of text that is not empty", key)
    return value


def _known(fields: dict, known) -> None:
    for key in fields:
        if key not in known:
            expected = f"one of {', '.join(known)}{nearest(key, known)}"
            raise mismatch(f"unknown key {key!r}", expected)
