"""Rows of results and how they are shown."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import evsim

HEADER = ("work", "measured", "bar", "met")
PACKAGES = ("numpy", "numba", "torch", "spikingjelly", "sinabs", "snntorch", "sanafe", "brian2")


@dataclass
class Row:
    """One measurement; `met` None: no bar, or not measured. `detail` explains the number."""

    work: str
    measured: str
    bar: str = ""
    met: bool | None = None
    detail: str = ""

    @property
    def verdict(self) -> str:
        """Whether the bar is met, in a word."""
        return {True: "met", False: "NOT MET", None: "-"}[self.met]

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands in the table."""
        return self.work, self.measured, self.bar, self.verdict


def at_least(work: str, found: float, least: float, detail: str = "") -> Row:
    """A ratio that should be at least so large."""
    return Row(work, f"{found:.2f} times", f"at least {least:g}", found >= least, detail)


def at_most(work: str, found: float, most: float, unit: str, detail: str = "") -> Row:
    """An amount that should be below `most`."""
    return Row(work, f"{found:.3g} {unit}", f"under {most:g} {unit}", found < most, detail)


def plain(rows: list[Row]) -> str:
    """The table with aligned columns, details below their rows."""
    lines = [HEADER, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = []
    for cells, detail in zip(lines, ["", *(row.detail for row in rows)], strict=True):
        aligned = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        text.append("  ".join(aligned).rstrip())
        if detail:
            text.append(f"    {detail}")
    return "\n".join(text)


def markdown(rows: list[Row], command: str) -> str:
    """The table as a page, with the machine and the versions."""
    body = [(*HEADER, "how"), ("---",) * 5, *((*row.cells, row.detail) for row in rows)]
    lines = ["| " + " | ".join(cells) + " |" for cells in body]
    head = ["# Benchmarks", "", f"`{command}`", "", machine(), "", versions(), ""]
    return "\n".join([*head, *lines, ""])


def machine() -> str:
    """The processor and how many cores may be used."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()}."


def versions() -> str:
    """Python and the packages that take part."""
    found = [f"Python {platform.python_version()}", f"evsim {evsim.__version__}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found) + "."
