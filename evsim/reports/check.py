"""What `evsim check` prints."""

from __future__ import annotations

from itertools import groupby

from evsim.base.screen import Output, Table
from evsim.reports.answer import Answer
from evsim.reports.tables import percent
from evsim.reports.wording import numeral
from evsim.studies.capacity import UNTOLD

VERDICTS = {True: "holds", False: "BROKEN", None: "-"}


def show(out: Output, check, found: Answer) -> None:
    """Print the answer `found`, every assumption, and what a run takes and costs."""
    _answer(out, found)
    values, samples = check.values, check.job.run.count
    out.print(f"{check.network.path} on {check.profile.title}, {samples} samples")
    out.print(_outcome(values))
    if check.free.run is not check.job.run:
        out.print(f"without these limits: {_outcome(values['unconstrained'])}")
    _assumptions(out, check.findings)
    _memory(check.traffic.as_dict(), samples, out)
    views, means = values["accesses_per_synapse"], values["per_synapse"]
    out.print(
        f"accesses per synapse: M1 {means['M1']:.3f} (at most {views['M1']['max']}), M2 "
        f"{means['M2']:.3f} (at most {views['M2']['max']}), M3 {means['M3']:.3f}",
    )
    _time(check.timing.as_dict(), out)
    if values["energy_uj"] is not None:
        least = "at least " if values["energy_is_lower_bound"] else ""
        out.print(f"energy {least}{values['energy_uj']:,.4g} microjoule an inference")
    _count(out, check.findings)


def show_capacity(out: Output, capacity, found: Answer) -> None:
    """Print the answer `found`, as far as it shows without data."""
    _answer(out, found)
    cores = capacity.placement.count
    out.print(f"{capacity.network.path} on {capacity.profile.title}, {cores:,} cores used")
    _assumptions(out, capacity.findings)
    out.print(f"not checked without data: {UNTOLD}")
    _count(out, capacity.findings)


def _answer(out: Output, found: Answer) -> None:
    """Print the answer: one sentence, the remedy, and what else is broken."""
    out.print(found.verdict)
    if found.remedy:
        out.print(f"remedy: {found.remedy}")
    if found.also:
        out.print(f"also broken: {', '.join(found.also)}")


def _assumptions(out: Output, findings: list) -> None:
    rows = []
    for (assumption, holds, *numbers), alike in groupby(findings, _figures):
        place, *more = [finding.place for finding in alike]
        place += f" and {len(more)} more" if more else ""
        rows.append([assumption, VERDICTS[holds], *map(numeral, numbers), place])
    columns = ["assumption", "holds", "measured", "limit", "margin", "place"]
    out.print(Table("Assumptions", columns, rows, left=("place",), spare=("margin",)))
    if any(finding.holds is None for finding in findings):
        out.print("-: not decided, as the chip names no limit or evsim does not simulate it")


def _count(out: Output, findings: list) -> None:
    known = [f.holds for f in findings if f.holds is not None]
    out.print(f"{known.count(False)} of {len(known)} assumptions do not hold")


def _figures(finding) -> tuple:
    return finding.assumption, finding.holds, finding.measured, finding.limit, finding.margin


def _outcome(found: dict) -> str:
    accuracy = "" if found["accuracy"] is None else f"accuracy {percent(found['accuracy'])}, "
    return f"{accuracy}{found['spikes']:,.1f} spikes a sample"


def _memory(moved: dict, samples: int, out: Output) -> None:
    """What the reads of weights move, and what of it is distinct."""
    rows = [
        [
            name,
            f"{found['weight_read'] / samples:,.0f}",
            f"{found['weight_words'] / samples:,.0f}",
            percent(found["bits_used"] / found["bits_moved"]) if found["bits_moved"] else "",
            f"{found['distinct_per_timestep'] / samples:,.0f}",
            f"{found['distinct_per_sample'] / samples:,.0f}",
        ]
        for name, found in (*moved["sets"].items(), ("total", moved["total"]))
    ]
    columns = ["set", "weights read", "words", "bits used", "distinct in timesteps", "in samples"]
    title = f"Weights of a sample, in words of {moved['word_bits']} bits"
    out.print(Table(title, columns, rows, spare=("words", "in samples")))


def _time(time: dict, out: Output) -> None:
    """Latency, throughput, the bottleneck and what bounds it."""
    if not time:
        return

    def span(what: str) -> str:
        least, most = f"{time[f'{what}_low']:,.0f}", f"{time[what]:,.0f}"
        return f"{least if least == most else f'{least} to {most}'} {time['unit']}"

    where = f"core {time['bottleneck_core']} ({', '.join(time['populations'])})"
    out.print(
        f"latency {span('latency')}, an inference every {span('interval')}; the bottleneck is "
        f"{where}, bound by {time['bound_by']}"
    )
