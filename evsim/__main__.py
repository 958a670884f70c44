"""`python -m evsim` and the command `evsim`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a command; every way it can end has its exit status and at most one line."""
    from evsim.cli import run_command

    status = 70
    try:
        status = run_command(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


if __name__ == "__main__":
    main()
