"""evsim: an event-driven simulator that counts what a spiking network costs.

What is public is imported when it is asked for: a command passes here before it can end on Ctrl-C.
"""

from evsim.base.version import __version__ as __version__

_MODULES = {
    "Events": "engine.events",
    "EvsimError": "base.errors",
    "Network": "network.network",
    "Queue": "engine.queue",
    "Run": "runs",
    "load": "formats.network",
    "neuron_kinds": "neurons",
    "open_data": "formats.data",
    "run": "runs",
    "save": "formats.network",
    "synapse_kinds": "synapses",
}
__all__ = list(_MODULES)


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module 'evsim' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"evsim.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__():
    return sorted({*globals(), *_MODULES})
