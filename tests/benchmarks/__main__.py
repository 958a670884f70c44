"""Measure evsim against its bars: `python tests/benchmarks [NAME...] [--quick] [--write FILE]`."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

NAMES = ("kernel", "vgg", "cost", "threads", "memory", "imagenet", "digits", "switch")
NAMES += ("repricing", "saturation", "large", "flat", "cluster", "everywhere")


def main() -> int:
    """Run the benchmarks that are named, or all; exit status 1 where a bar is not met."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="one or two rounds of everything")
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown too")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in NAMES:
            parser.error(f"no benchmark {name!r}, expected {', '.join(NAMES)}")
    sys.path[0] = str(Path(__file__).parents[1])
    table = import_module("benchmarks.table")
    rows = []
    for name in arguments.names or NAMES:
        for row in import_module(f"benchmarks.{name}").rows(arguments.quick):
            print(f"{name}: {row.work}: {row.measured} [{row.verdict}]", file=sys.stderr)
            rows.append(row)
    print(table.plain(rows))
    if arguments.write:
        options = ["--quick"] if arguments.quick else []
        command = " ".join(["python tests/benchmarks", *arguments.names, *options])
        Path(arguments.write).write_text(table.markdown(rows, command), encoding="utf-8")
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
