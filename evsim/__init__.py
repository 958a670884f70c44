"""evsim: an event-driven simulator that counts what a spiking network costs.

What is public is imported when it is asked for: a command passes here before it can end on Ctrl-C.
"""

from typing import TYPE_CHECKING

from evsim.base.version import __version__ as __version__

if TYPE_CHECKING:  # what editors and type checkers see; the same names as in _MODULES
    from evsim.base.errors import EvsimError as EvsimError
    from evsim.engine.events import Events as Events
    from evsim.engine.queue import Queue as Queue
    from evsim.formats.data import Data as Data
    from evsim.interface.ann import ann as ann
    from evsim.interface.check import check as check
    from evsim.interface.compare import compare as compare
    from evsim.interface.convert import convert as convert
    from evsim.interface.cost import cost as cost
    from evsim.interface.files import info as info
    from evsim.interface.files import load as load
    from evsim.interface.files import open_data as open_data
    from evsim.interface.files import save as save
    from evsim.interface.files import warm as warm
    from evsim.interface.model import Model as Model
    from evsim.interface.model import read as read
    from evsim.interface.nir import nir_export as nir_export
    from evsim.interface.quantize import quantize as quantize
    from evsim.interface.report import report as report
    from evsim.interface.results import Result as Result
    from evsim.interface.results import load_result as load_result
    from evsim.interface.run import run as run
    from evsim.interface.runs import Run as Run
    from evsim.network.network import Network as Network
    from evsim.neurons import neuron_kinds as neuron_kinds
    from evsim.neurons.analog import Analog as Analog
    from evsim.neurons.burst import Burst as Burst
    from evsim.neurons.cuba import Cuba as Cuba
    from evsim.neurons.cubalif import CurrentBasedLeaky as Cubalif
    from evsim.neurons.iaf import IntegrateAndFire as Iaf
    from evsim.neurons.input import Input as Input
    from evsim.neurons.integrator import SendingIntegrator as Integrator
    from evsim.neurons.latereset import LateReset as Latereset
    from evsim.neurons.lif import LeakyIntegrateAndFire as Lif
    from evsim.neurons.maxpool import Maxpool as Maxpool
    from evsim.neurons.multispike import Multispike as Multispike
    from evsim.neurons.phase import Phase as Phase
    from evsim.neurons.readout import Readout as Readout
    from evsim.neurons.signed import Signed as Signed
    from evsim.neurons.stochastic import Stochastic as Stochastic
    from evsim.neurons.switch import Switch as Switch
    from evsim.neurons.ttfs import TimeToFirstSpike as Ttfs
    from evsim.synapses import synapse_kinds as synapse_kinds
    from evsim.synapses.conv import Convolution as Conv
    from evsim.synapses.dense import Dense as Dense
    from evsim.synapses.identity import Identity as Identity
    from evsim.synapses.pool import Pool as Pool
    from evsim.synapses.sparse import Sparse as Sparse

_MODULES = {
    "Data": "formats.data",
    "Events": "engine.events",
    "EvsimError": "base.errors",
    "Model": "interface.model",
    "Network": "network.network",
    "Queue": "engine.queue",
    "Result": "interface.results",
    "Run": "interface.runs",
    "ann": "interface.ann",
    "check": "interface.check",
    "compare": "interface.compare",
    "convert": "interface.convert",
    "cost": "interface.cost",
    "info": "interface.files",
    "load": "interface.files",
    "load_result": "interface.results",
    "neuron_kinds": "neurons",
    "nir_export": "interface.nir",
    "open_data": "interface.files",
    "quantize": "interface.quantize",
    "read": "interface.model",
    "report": "interface.report",
    "run": "interface.run",
    "save": "interface.files",
    "synapse_kinds": "synapses",
    "warm": "interface.files",
}
__all__ = [
    "Analog",
    "Burst",
    "Conv",
    "Cuba",
    "Cubalif",
    "Data",
    "Dense",
    "Events",
    "EvsimError",
    "Iaf",
    "Identity",
    "Input",
    "Integrator",
    "Latereset",
    "Lif",
    "Maxpool",
    "Model",
    "Multispike",
    "Network",
    "Phase",
    "Pool",
    "Queue",
    "Readout",
    "Result",
    "Run",
    "Signed",
    "Sparse",
    "Stochastic",
    "Switch",
    "Ttfs",
    "ann",
    "check",
    "compare",
    "convert",
    "cost",
    "info",
    "load",
    "load_result",
    "neuron_kinds",
    "nir_export",
    "open_data",
    "quantize",
    "read",
    "report",
    "run",
    "save",
    "synapse_kinds",
    "warm",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        found = getattr(import_module(f"evsim.{_MODULES[name]}"), name)
    else:
        found = _kind(name)
    globals()[name] = found
    return found


def _kind(name: str) -> object:
    """The class of a kind of neurons or synapses: a file's name with a capital letter."""
    if name == name.capitalize() and name.isalpha():
        from evsim.neurons import neuron_kinds
        from evsim.synapses import synapse_kinds

        kinds: dict[str, object] = {**neuron_kinds(), **synapse_kinds()}
        if name.lower() in kinds:
            return kinds[name.lower()]
    raise AttributeError(f"module 'evsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
