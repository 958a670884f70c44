"""What does not hold: of a run as its result tells, of a chip as `evsim check` found."""

from __future__ import annotations

import json
from pathlib import Path

from evsim.base.errors import EvsimError, mismatch, shown
from evsim.reports.recorded import Recorded
from evsim.reports.wording import COUNTS, digits, numeral, percent, unit_for

FACTS = {  # what a part may record that it should not: in words
    "undelivered": "events were due at or after the end of the run and did not arrive",
    "lost_synops": "synaptic operations reached neurons that were off for good",
    "near": "durations were next to another one, where rounding errors may decide",
    "overflows": "sums left the width that is declared for them",
}
FINDING = {  # a field of an assumption: types that it may have
    "assumption": str,
    "holds": bool | None,
    "measured": str | int | float | None,
    "limit": str | int | float | None,
    "margin": int | float | None,
    "place": str,
}


def of_run(recorded: Recorded) -> list[str]:
    """Sentences about a run."""
    run, found = recorded.run, []
    samples, asked = run.count, run.settings["samples"]
    if samples < asked:
        found.append(f"The run was not finished: {samples:,} of {asked:,} samples.")
    artificial, accuracy = run.settings.get("ann_accuracy"), recorded.accuracy
    if None not in (artificial, accuracy) and accuracy < artificial:
        less = percent(artificial - accuracy)
        found.append(
            f"Accuracy is {less} percentage points below the {percent(artificial)} % of the "
            "artificial network, which may have seen other samples."
        )
    for name in recorded.order:
        for fact, words in FACTS.items():
            times = run.work[name].get(fact)
            if times is not None and times.any():
                concerned = f"{run.concerned[name][fact]:,} of {samples:,} samples"
                found.append(f"{name}: {int(times.sum()):,} {words}, in {concerned}.")
    return found


def of_prices(energy: dict, profiles: int) -> list[str]:
    """Sentences about an energy, as `priced.of_profile` gives it, one of so many of its run."""
    found = []
    which = f"Energy ({energy['profile'].name})" if profiles > 1 else "Energy"
    if energy["unpriced"]:
        unpriced = (
            f"{action.replace('_', ' ')} ({digits(n, unit)}{unit.name and ' '}{unit.name})"
            for action, n in energy["unpriced"].items()
            for unit in (unit_for([n], COUNTS),)
        )
        words = ", ".join(unpriced)
        found.append(f"{which} is a lower bound: no price is known for (per inference) {words}.")
    if energy["left_out"]:
        found.append(f"{which} is a lower bound: left out are {'; '.join(energy['left_out'])}.")
    return found


def assumptions(path: Path) -> dict:
    """What `evsim check` printed as JSON into a file, broken assumptions first.

    Raises EvsimError with the file and the place in it.
    """
    try:
        return _assumptions(json.loads(path.read_text(encoding="utf-8")), path.name)
    except EvsimError as error:
        raise error.within(file=str(path)) from None
    except OSError as error:
        raise EvsimError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except (ValueError, RecursionError):
        raise mismatch("no JSON", "what evsim check `json` prints").within(file=str(path)) from None


def _assumptions(content, file: str) -> dict:
    known = isinstance(content, dict) and isinstance(content.get("findings"), list)
    known = known and isinstance(content.get("chip"), str)
    network = content.get("network") if known else None
    if not isinstance(network, dict) or not isinstance(network.get("path"), str):
        raise mismatch("other JSON", "what evsim check `json` prints")
    rows = content["findings"]
    for number, row in enumerate(rows):
        for key, types in FINDING.items():
            place = f"findings[{number}].{key}"
            if not isinstance(row, dict) or key not in row:
                raise EvsimError("is missing", place)
            if not isinstance(row[key], types):
                raise mismatch(shown(row[key]), "a value as evsim check gives it", place)
    broken = sum(row["holds"] is False for row in rows)
    tested = sum(row["holds"] is not None for row in rows)
    order = {False: 0, None: 1, True: 2}
    rows = [
        {**row, **{key: numeral(row[key]) for key in ("measured", "limit", "margin")}}
        for row in sorted(rows, key=lambda row: order[row["holds"]])
    ]
    found = {"chip": content["chip"], "network": Path(network["path"]).name, "file": file}
    return found | {
        "sha256": network.get("sha256"),
        "broken": broken,
        "tested": tested,
        "rows": rows,
    }
