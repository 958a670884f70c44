"""`python -m evsim` and the command `evsim`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a command; every way it can end has its exit status and at most one line."""
    try:
        from evsim.cli import complain, run_command

        sys.stdout.reconfigure(errors="replace")  # names may hold what a terminal cannot show
        status = run_command(sys.argv[1:])
    except BrokenPipeError:  # the reader of our output has gone
        status = 0
    except KeyboardInterrupt:
        print("evsim: interrupted", file=sys.stderr)
        status = 130
    try:
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            status = complain(f"standard output: {error.strerror}", 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


if __name__ == "__main__":
    main()
