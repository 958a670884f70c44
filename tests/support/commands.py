"""Commands in this process whose output a test looks at itself; the fixture `command` tells it."""

from evsim.cli.main import run_command


def run(line):
    """The exit status of a command line."""
    return run_command(line.split())
