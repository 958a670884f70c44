"""Compare: `python tests/agreement [CASES [FIRST]]`. Prints what differs, and what was met."""

import os
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path


def main() -> int:
    """Compare so many cases, from a first one on; exit status 1 where any differ."""
    sys.path[0] = str(Path(__file__).parents[1])
    compared = import_module("agreement").compared
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    begin, wrong, met = time.perf_counter(), 0, Counter()
    for number in range(first, first + cases):
        agreement = compared(number)
        met.update(agreement.met)
        wrong += bool(agreement.differences)
        for line in agreement.differences:
            print(f"{number}: {line}", flush=True)
    took = time.perf_counter() - begin
    print(f"{cases} networks from {first} on, {wrong} with differences, {took:.0f} s")
    print(", ".join(f"{name} {n}" for name, n in sorted(met.items())))
    return 1 if wrong else 0


if __name__ == "__main__":
    os.environ["EVSIM_NO_GUARD"] = "1"
    sys.exit(main())
