"""`python -m evsim` and the command `evsim`."""

from __future__ import annotations

import os
import sys

from evsim.base import interruption


def main() -> None:
    """Run a command; every way it can end has its exit status and at most one line."""
    interruption.begin()
    from evsim.base import screen

    screen.open_streams()
    from evsim.cli.main import run_command

    if os.environ.get("EVSIM_DEBUG") != "1":
        _silence_libraries()
    try:
        interruption.go_on()
        status = run_command(sys.argv[1:])
        interruption.finish()
    except screen.ReaderGone:
        interruption.finish()
        status = 0
    except KeyboardInterrupt:
        interruption.finish()
        status = screen.complain("interrupted", interruption.status())
    sys.exit(screen.close_streams(status))


def _silence_libraries() -> None:
    """Their warnings are for who calls them, not for who runs a command."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    warnings.showwarning = lambda *_, **__: None  # whatever a library adds to the filters
    logging.getLogger().addHandler(logging.NullHandler())


if __name__ == "__main__":
    main()
