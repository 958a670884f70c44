"""evsim: an event-driven simulator that counts what a spiking network costs.

What is public is imported when it is asked for: a command passes here before it can end on Ctrl-C.
"""

__version__ = "0.1.0"
_MODULES = {
    "Events": "events",
    "EvsimError": "parts",
    "Network": "network",
    "Queue": "queues",
    "Run": "runs",
    "load": "formats.native",
    "neuron_kinds": "neurons",
    "open_data": "formats.data",
    "run": "runs",
    "save": "formats.native",
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
