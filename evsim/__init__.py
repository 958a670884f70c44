"""evsim: an event-driven simulator that counts what a spiking network costs.

What is public is imported when it is asked for: a command passes here before it can end on Ctrl-C.
"""

from typing import TYPE_CHECKING

from evsim.base.version import __version__ as __version__

if TYPE_CHECKING:  # what editors and type checkers see; the same names as in _MODULES
    from evsim.base.errors import EvsimError as EvsimError
    from evsim.engine.events import Events as Events
    from evsim.engine.queue import Queue as Queue
    from evsim.interface.ann import ann as ann
    from evsim.interface.convert import convert as convert
    from evsim.interface.files import info as info
    from evsim.interface.files import load as load
    from evsim.interface.files import open_data as open_data
    from evsim.interface.files import save as save
    from evsim.interface.files import warm as warm
    from evsim.interface.model import Model as Model
    from evsim.interface.model import read as read
    from evsim.interface.run import run as run
    from evsim.interface.runs import Run as Run
    from evsim.network.network import Network as Network
    from evsim.neurons import neuron_kinds as neuron_kinds
    from evsim.synapses import synapse_kinds as synapse_kinds

_MODULES = {
    "Events": "engine.events",
    "EvsimError": "base.errors",
    "Model": "interface.model",
    "Network": "network.network",
    "Queue": "engine.queue",
    "Run": "interface.runs",
    "ann": "interface.ann",
    "convert": "interface.convert",
    "info": "interface.files",
    "load": "interface.files",
    "neuron_kinds": "neurons",
    "open_data": "interface.files",
    "read": "interface.model",
    "run": "interface.run",
    "save": "interface.files",
    "synapse_kinds": "synapses",
    "warm": "interface.files",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'evsim' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"evsim.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
