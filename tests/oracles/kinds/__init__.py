"""What the oracles know of a kind of neurons, one kind a file, the file's name is the kind.

`Law`: the law of a timestep, for `oracles.naive`. `Tally`: the same over memories that count, for
`oracles.tally`. A kind without a file is one of those that these two simulators hold themselves.
"""

from importlib import import_module
from importlib.util import find_spec


def own(kind, name):
    """The class `name` of the file of a kind; None without a file."""
    module = f"{__name__}.{kind}"
    return getattr(import_module(module), name) if find_spec(module) else None
