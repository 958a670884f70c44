"""What `evsim check` prints."""

from __future__ import annotations

from evsim.report.tables import Output, percent, table

VERDICTS = {True: "holds", False: "BROKEN", None: "-"}


def show(check, findings, job) -> None:
    """Print every assumption, what it was measured at, and what a run takes and costs."""
    out, profile, values = Output(), check.profile, check.values(job)
    out.print(
        f"{job.network.path} on {profile.title}, {len(job.run.samples)} samples", soft_wrap=True
    )
    if values["accuracy"] is not None:
        out.print(f"accuracy {percent(values['accuracy'])}")
    rows = [
        [
            f.assumption,
            VERDICTS[f.holds],
            _number(f.measured),
            _number(f.limit),
            _number(f.margin),
            f.place,
        ]
        for f in findings
    ]
    columns = ["assumption", "holds", "measured", "limit", "margin", "place"]
    out.print(table("Assumptions", columns, rows))
    time = check.time
    if time:
        span = f"{time['latency_low']:,.0f} to {time['latency']:,.0f} {time['unit']}"
        where = f"core {time['bottleneck_core']} ({', '.join(time['populations'])})"
        out.print(
            f"latency {span} an inference; the bottleneck is {where}, mostly by {time['bound_by']}",
            soft_wrap=True,
        )
    if values["energy_uj"] is not None:
        out.print(f"energy {values['energy_uj']:,.4g} microjoule an inference, as far as priced")
    broken = sum(f.holds is False for f in findings)
    out.print(f"{broken} of {sum(f.holds is not None for f in findings)} assumptions do not hold")


def _number(value) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
