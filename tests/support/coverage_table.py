"""Print what `coverage combine` gathered: the whole and the files with the lowest share."""

import json
import sys
import tempfile
from pathlib import Path

from coverage import Coverage

WORST = 10


def share(summary: dict) -> float:
    """The lines and branches of a file that ran, in percent."""
    return float(summary["percent_covered"])


def main() -> None:
    """Read `.coverage` in the working directory and print a table."""
    coverage = Coverage()
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(path))
        found = json.loads(path.read_text())
    files = sorted(found["files"].items(), key=lambda row: share(row[1]["summary"]))
    for name, content in [*files[:WORST], (f"evsim, {len(files)} files", found)]:
        summary = content.get("summary") or content["totals"]
        lines, branches = summary["missing_lines"], summary["missing_branches"]
        print(f"{share(summary):6.1f} %  {lines:4d} lines, {branches:4d} branches left  {name}")


if __name__ == "__main__":
    sys.exit(main())
