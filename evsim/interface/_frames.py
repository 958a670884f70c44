"""A run as tables of pandas, which is imported here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evsim.base.errors import EvsimError, mismatch, nearest

if TYPE_CHECKING:
    import pandas

TABLES = ("samples", "parts", "spikes")


def frame(run: Any, what: str) -> pandas.DataFrame:
    """One of the tables of a `Run` or `Result`."""
    try:
        import pandas
    except ImportError as error:
        raise EvsimError(f"needs pandas: pip install 'evsim[pandas]' ({error})") from None
    if what not in TABLES:
        known = f"one of {', '.join(TABLES)}{nearest(what, TABLES)}"
        raise mismatch(repr(what), known, "what")
    if what == "spikes":
        tables = [pandas.DataFrame(events).assign(population=n) for n, events in run.spikes.items()]
        columns = ["population", "sample", "timestep", "neuron", "value"]
        if not tables:
            return pandas.DataFrame(columns=columns)
        return pandas.concat(tables, ignore_index=True)[columns]
    if what == "parts":
        about = run.overview()
        return pandas.DataFrame([row for row in about.rows if row[1]], columns=about.columns)
    found = pandas.DataFrame({"sample": run.samples, "prediction": run.predictions})
    if run.labels is not None:
        found["label"] = run.labels
        found["right"] = found["prediction"] == found["label"]
    for name, facts in run.work.items():
        for fact in ("spikes", "synops", "macs"):
            if fact in facts and len(facts[fact]) == len(found) and facts[fact].any():
                found[f"{name} {fact}"] = facts[fact]
    return found
