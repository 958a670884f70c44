"""The neurons of NIR nodes as populations: by the forward Euler rule, or as a tool fires (`like`).

    snntorch      latereset: v > threshold, the undecayed threshold is subtracted a timestep later
    sinabs        multispike: IF with a floor at -threshold; LIF with exp(-dt / tau), input scaled
    norse         v > threshold, set to 0; r of IF and LIF is not used; v of LIF starts at v_leak
    spikingjelly  v >= threshold, set to v_reset, where v starts
    rockpool      multispike with exp(-dt / tau); what arrives is added before the current decays

Where a tool's exporter and importer disagree, the law is that of the network that was exported. A
leak that a file in float32 cannot tell from a multiple of 2^-12 is taken for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.formats.trainers import _nir_linear as linear
from evsim.formats.trainers._nir_graph import Node
from evsim.formats.trainers._trainer import Options

FIRING = ("IF", "LIF", "CubaLIF")
TOOLS = ("snntorch", "sinabs", "norse", "spikingjelly", "rockpool")
NAMES = dict(zip(TOOLS, ("snnTorch", "Sinabs", "Norse", "SpikingJelly", "Rockpool"), strict=True))
GRID, ROUNDED = 2**12, 2.0**-21  # of leaks: the grid, and what float32 makes of a value below 1
NORSE_DT = 1e-6  # of a file that Norse 1.1 wrote: dt x tau stands there for tau, dt = 1 ms
ROCKPOOL_MOST = 2**16  # spikes of a neuron in a timestep


@dataclass
class Law:
    """A kind of neurons, its fields but the shape, and what scales all that arrives."""

    kind: str
    fields: dict
    gain: np.ndarray


class _Values:
    """The fields of a node as evsim has them, at one length of a timestep."""

    def __init__(self, node: Node, dt: float, options: Options):
        self.node, self.dt, self.options = node, dt, options

    def __call__(self, name: str, default=None, positive=False, endless=False) -> np.ndarray:
        node = self.node
        value = node.array(name, default, positive, endless)
        return linear.moved(value, node.shape, f"{node.place}/{name}")

    @property
    def has_current(self) -> bool:
        """Whether the node has a synaptic current of its own."""
        return self.node.type.startswith("Cuba")

    @property
    def tau(self) -> str:
        """The name of the time constant of the potential."""
        return "tau_mem" if self.has_current else "tau"

    def kept(self, name: str, endless: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """What a timestep leaves of a state by Euler's rule, and what it takes."""
        tau = self(name, positive=True, endless=endless)
        if (tau <= self.dt).any():
            found = f"{name} = {tau.min():g} s at dt = {self.dt:g} s"
            raise mismatch(found, "more than dt (`dt`)", f"{self.node.place}/{name}")
        leak = self._exact(1 - self.dt / tau)
        return leak, 1 - leak if self.options.like else self.dt / tau

    def decayed(self, name: str) -> np.ndarray:
        """What a timestep leaves of a state that decays exponentially."""
        return self._exact(np.exp(-self.dt / self(name, positive=True)))

    def _exact(self, leak: np.ndarray) -> np.ndarray:
        """The leak, or the multiple of 2^-12 that it is but for rounding, where a tool wrote it."""
        near = np.round(leak * GRID) / GRID
        return np.where(abs(leak - near) < ROUNDED, near, leak) if self.options.like else leak

    def refuse(self, what: str) -> EvsimError:
        """The error of what the tool that is asked for does not have."""
        tool = NAMES[self.options.like]
        return EvsimError(f"{what}, which {tool} does not have (`like`)", self.node.place)

    def without_rest(self) -> None:
        """Raise EvsimError where the potential rests elsewhere than at 0."""
        if (self("v_leak", 0.0) != 0).any():
            raise self.refuse("v_leak other than 0")


def law_of(node: Node, dt: float, options: Options, is_output: bool) -> Law:
    """The population of a node of neurons; one that never fires sends, where it is no output."""
    if node.type == "Threshold":
        return _threshold(node, dt, options)
    values = _Values(node, dt, options)
    tool = options.like if node.type != "I" else None
    law = LAWS.get(tool, _euler)(values)
    if node.type not in FIRING:
        law.kind = "readout" if is_output else "integrator"
    return law


def _threshold(node: Node, dt: float, options: Options) -> Law:
    """1 where what arrives is above the threshold, without memory."""
    bias = -_Values(node, dt, options)("threshold")
    fields = {"probability": "hardtanh", "sampled": False, "bias": bias}
    return Law("stochastic", fields, np.ones(()))


def _euler(values: _Values) -> Law:
    """The equations of NIR, a step of length dt; v takes the new synaptic current."""
    node, fields = values.node, {}
    endless = values.options.like == "snntorch"  # whose beta = 1 is tau = r = infinity
    gain = values("r", 1.0, positive=True, endless=endless)
    if node.type in ("IF", "I"):
        gain = gain * values.dt
    else:
        fields["leak"], step = values.kept(values.tau, endless)
        gain = _product(gain, step, node, values.options.like)
        rest = values("v_leak", 0.0) * step
        if (rest != 0).any():
            fields["bias"] = rest
        if values.has_current:
            fields["current_leak"], step = values.kept("tau_syn", endless)
            gain = gain * _product(
                values("w_in", 1.0, endless=endless), step, node, values.options.like
            )
    if node.type not in FIRING:
        return Law("readout", fields, np.asarray(gain))
    fields["threshold"] = values("v_threshold", positive=True)
    noted = {n: node.notes[n] for n in ("compare", "reset") if n in node.notes}
    fields |= {"compare": "gt", "reset": "zero"} | noted
    fields["reset"] = values.options.reset or fields["reset"]
    reset = values("v_reset", 0.0)
    if fields["reset"] == "zero" and (reset != 0).any():
        fields["v_reset"] = reset
    kind = {"IF": "iaf", "LIF": "lif", "CubaLIF": "cubalif"}[node.type]
    return Law(kind, fields, np.asarray(gain))


def _product(factor: np.ndarray, step: np.ndarray, node: Node, like: str | None) -> np.ndarray:
    """tau / dt times dt / tau, which is 1 also where tau is infinite or a tool rounded it."""
    endless = np.isinf(factor) & (step == 0)
    product = np.where(endless, 1.0, factor) * np.where(endless, 1.0, step)
    if not np.isfinite(product).all():
        raise mismatch("an infinite gain", "one that is finite", node.place)
    return product if like is None else np.where(abs(product - 1) < ROUNDED, 1.0, product)


def _snntorch(values: _Values) -> Law:
    """Leaky and Synaptic: the undecayed threshold is subtracted a timestep later.

    A late reset to 0 is one at once: only that of Synaptic drops what arrives in between.
    """
    law = _euler(values)
    if law.kind == "readout":
        return law
    fields, reset = law.fields, values.options.reset or "subtract"
    fields |= {"compare": "gt", "reset": "zero"}
    fields.pop("v_reset", None)
    if reset == "subtract":
        del fields["reset"]
        return Law("latereset", fields, law.gain)
    if values.has_current:
        fields["refractory"] = 1
    return law


def _sinabs(values: _Values) -> Law:
    """IAF, LIF and ExpLeak: floor(v / threshold) spikes; the input of what leaks is normalised."""
    node, fields = values.node, {}
    if values.has_current:
        raise values.refuse(node.type)
    values.without_rest()
    gain = values("r", 1.0, positive=True)
    if node.type != "IF":
        fields["leak"] = values.decayed("tau")
        gain = gain * (1 - fields["leak"])
    if node.type == "LI":
        return Law("readout", fields, np.asarray(gain))
    threshold = values("v_threshold", positive=True)
    fields |= {"threshold": threshold, "reset": values.options.reset or "subtract"}
    if node.type == "IF":
        fields["v_min"] = -threshold
    return Law("multispike", fields, np.asarray(gain))


def _norse(values: _Values) -> Law:
    """IAFCell, LIFBoxCell, LIBoxCell; CubaLIF: LIFCell where Norse wrote it, else two of them."""
    node, law = values.node, _euler(values)
    law.fields.pop("v_reset", None)
    if values.has_current and values.dt > NORSE_DT:
        values.without_rest()
        return law
    law.gain = np.ones(())
    if node.type != "IF":
        law.gain = values.kept(values.tau)[1]
        rest = values("v_leak", 0.0)
        if (rest != 0).any():
            law.fields["v_init"] = rest
    if node.type in FIRING:
        law.fields["compare"] = "gt"
    return law


def _spikingjelly(values: _Values) -> Law:
    """IFNode, LIFNode, CUBALIFNode."""
    law = _euler(values)
    if law.kind == "readout":
        raise values.refuse(values.node.type)
    law.fields["compare"] = "ge"
    if "v_reset" in law.fields:
        law.fields["v_init"] = law.fields["v_reset"]
    return law


def _rockpool(values: _Values) -> Law:
    """LIFNeuronTorch, LIFTorch, ExpSynTorch: what arrives is added before the current decays."""
    node, fields, gain = values.node, {}, np.ones(())
    if node.type in ("IF", "CubaLI"):
        raise values.refuse(node.type)
    if values.options.reset == "zero":
        raise values.refuse("a reset to zero")
    fields["leak"] = values.decayed(values.tau)
    if values.has_current:
        fields["current_leak"] = gain = values.decayed("tau_syn")
    if node.type == "LI":
        return Law("readout", fields, fields["leak"])
    bias = values("v_leak", 0.0)
    if (bias != 0).any():
        fields["bias"] = bias
    threshold = values("v_threshold", positive=True)
    return Law("multispike", fields | {"threshold": threshold, "most": ROCKPOOL_MOST}, gain)


LAWS: dict[str | None, Callable[[_Values], Law]] = {
    "snntorch": _snntorch,
    "sinabs": _sinabs,
    "norse": _norse,
    "spikingjelly": _spikingjelly,
    "rockpool": _rockpool,
}


# The length of a timestep, which no file says


def dt_of(tool: str, nodes: list[Node]) -> float:
    """What the exporter of a tool took for the length of a timestep."""
    if tool == "sinabs":
        return 1.0  # its time constants are in timesteps
    if tool == "rockpool":
        return _of_rockpool(nodes)
    if tool != "norse":
        sums = [np.median(1 / n.array("r", 1.0, positive=True)) for n in nodes if n.type == "IF"]
        return float(np.median(sums)) if len(sums) == len(nodes) and sums else 1e-4
    leaky = {"LIF": "tau", "LI": "tau", "CubaLIF": "tau_mem"}
    least = [n.array(leaky[n.type], positive=True).min() for n in nodes if n.type in leaky]
    return 1e-3 if min(least, default=1.0) > 1e-3 else NORSE_DT


def _of_rockpool(nodes: list[Node]) -> float:
    """The dt of r = exp(-x) / x with x = dt / tau, as Rockpool exports r; 1 ms without neurons."""
    from scipy.special import lambertw

    found = []
    for node in nodes:
        if node.type in ("LIF", "CubaLIF", "LI"):
            name = "tau_mem" if node.type == "CubaLIF" else "tau"
            tau, r = node.array(name, positive=True), node.array("r", positive=True)
            found.append(np.ravel(tau * lambertw(1 / r).real))
    return float(np.median(np.concatenate(found))) if found else 1e-3
