"""evsim: an event-driven simulator that counts what a spiking network costs."""

from evsim.events import Events
from evsim.formats.data import open_data
from evsim.formats.native import load, save
from evsim.network import Network
from evsim.neurons import neuron_kinds
from evsim.parts import EvsimError
from evsim.queues import Queue
from evsim.runs import Run, run
from evsim.synapses import synapse_kinds

__version__ = "0.1.0"
__all__ = [
    "Events",
    "EvsimError",
    "Network",
    "Queue",
    "Run",
    "load",
    "neuron_kinds",
    "open_data",
    "run",
    "save",
    "synapse_kinds",
]
