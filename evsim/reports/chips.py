"""Chips: those that ship, side by side, and what the profile of one says."""

from __future__ import annotations

import dataclasses

from evsim.base.screen import Output, Table
from evsim.chip.profile import Profile
from evsim.chip.profile.amounts import Amount
from evsim.chip.profile.overview import overview
from evsim.reports.tables import amount


def show(out: Output, rows: list[dict]) -> None:
    """Print the rows of `evsim chips`."""
    body = []
    for row in rows:
        prices = f"{row['prices']} action{'s'[: row['prices'] != 1]}" if row["prices"] else ""
        checks, units = ", ".join(row["check"]) or "", ", ".join(row["units"])
        body.append([row["name"], row["title"], checks, prices, units])
    columns = ["name", "title", "evsim check: limits of", "evsim cost: prices of", "units"]
    out.print(Table("Chips that come with evsim", columns, body, left=tuple(columns)))
    out.print("evsim info NAME says all of one; a TOML file of your own is used in the same way")


def describe(profile: Profile, path: str) -> dict:
    """What a profile says; tables are lists of rows."""
    row = overview(profile)
    found = {"file": path, "format": "a chip's profile", "name": profile.name}
    found |= {"title": profile.title, "checks": row["check"], "units": ", ".join(row["units"])}
    found["settings"] = [
        {"setting": f"{name}.{key}", "value": value, "evidence": evidence}
        for name, record in _records(profile)
        for key, value, evidence in _settings(record)
    ]
    found["queues"] = [_row(queue) for queue in profile.queues]
    found["memories"] = [_row(memory) for memory in profile.memories]
    found["prices"] = [
        {
            "action": ", ".join(charge.action),
            "pJ": amount(charge.pj),
            "includes": ", ".join(charge.includes),
            "evidence": charge.evidence,
            "source": charge.source,
        }
        for charge in profile.prices
    ]
    return found | {"open": list(profile.left_out), "claims": list(profile.claims)}


def _records(profile: Profile):
    """(name, record) of the tables that a profile has once."""
    yield "machine", profile.machine
    for name in ("weight", "accumulator", "membrane", "threshold"):
        if getattr(profile.numeric, name) is not None:
            yield f"numeric.{name}", getattr(profile.numeric, name)
    for name in ("schedule", "capacity", "time"):
        yield name, getattr(profile, name)
    for name in ("cycles", "ns"):
        yield f"time.{name}", getattr(profile.time, name)


def _settings(record):
    """(key, value as text, evidence) of what a record says."""
    evidence = getattr(record, "evidence", None) or ""
    for one in dataclasses.fields(record):
        value = getattr(record, one.name)
        if value is None or one.name in ("source", "evidence") or dataclasses.is_dataclass(value):
            continue
        yield one.name, _told(value), evidence


def _row(record) -> dict:
    """A row of a table: every field in words."""
    return {
        one.name: "" if (value := getattr(record, one.name)) is None else _told(value)
        for one in dataclasses.fields(record)
        if one.name not in ("source", "evidence")
    }


def _told(value: str | bool | int | Amount | tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return str(value).lower()  # as TOML has it
    if isinstance(value, str):
        return value
    if isinstance(value, tuple) and value and isinstance(value[0], str):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else amount(value)
