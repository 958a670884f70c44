"""From a network of rates to one of another code: the same weights, thresholds and scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.engine.settings import values_of
from evsim.network.network import Network
from evsim.neurons import Neurons, neuron_kinds

WINDOWS = {"phase": 8, "ttfs": 32}  # timesteps of a period or a window, unless asked otherwise
SCHEMES = ("rate", "signed", "burst", *WINDOWS)
ONLY_RATE = {"method": "spike-norm", "reset": "zero", "correct_bias": True}


def settled(scheme: str, given: dict, timesteps: int | None, window: int | None) -> tuple:
    """(coding, timesteps, window) of a scheme; EvsimError for choices that do not fit it.

    For ttfs the timesteps are the levels that an activation has.
    """
    if scheme not in WINDOWS and window is not None:
        raise mismatch(window, f"none with scheme {scheme!r}", "window")
    window = WINDOWS.get(scheme) if window is None else window
    if window is not None and window < 2:
        raise mismatch(window, "at least 2", "window")
    for name, value in ONLY_RATE.items() if scheme != "rate" else ():
        if given[name] == value:
            raise mismatch(repr(value), f"another choice with scheme {scheme!r}", name)
    if scheme in WINDOWS and given["stagger"]:
        raise mismatch(given["stagger"], f"0 with scheme {scheme!r}", "stagger")
    if scheme != "ttfs":
        coding = "constant" if given["coding"] is None else given["coding"]
        return coding, 64 if timesteps is None else timesteps, window
    if given["coding"] not in (None, "latency"):
        raise mismatch(repr(given["coding"]), "'latency' with scheme 'ttfs'", "coding")
    if timesteps is not None:
        raise mismatch(timesteps, "none with scheme 'ttfs'", "timesteps")
    return "constant", window - 1, window


def recoded(network: Network, scheme: str, window: int | None, images) -> Network:
    """The network with neurons of another kind in place of `iaf`.

    phase: an input and a bias are charged over a period, not in a timestep. ttfs: a layer's window
    follows those of all its sources, whose events are delayed to match; the readout has a slope.
    """
    if scheme == "rate":
        return network
    if scheme == "ttfs":
        _check_values(network, images)
        return _in_windows(network, window)
    populations = {name: _like(part, scheme, window) for name, part in network.populations.items()}
    return _with(network, populations, network.synapses)


def _check_values(network: Network, images) -> None:
    """Raise an error unless the inputs lie in [0, 1], which coding latency can send."""
    part = network.populations[network.input]
    if part.mean.any() or (part.std != 1).any():
        raise EvsimError("found a mean or std of the input, expected neither with scheme 'ttfs'")
    for index in range(0 if images is None else len(images)):
        values = values_of(part, images, index, np.float32)
        if values.min(initial=0) < 0 or values.max(initial=0) > 1:
            found = f"inputs from {values.min()} to {values.max()}"
            raise mismatch(found, "values in [0, 1] with scheme 'ttfs'", f"images, sample {index}")


def _with(network: Network, populations, synapses, **changes) -> Network:
    attributes = {**network.attributes, **changes}
    ends = {"input": network.input, "output": network.output}
    return Network(dict(populations), dict(synapses), **ends, **attributes)


def _like(part: Neurons, scheme: str, window: int | None) -> Neurons:
    """A population of the network, in the kind of the scheme."""
    charged = 1 if window is None else window  # timesteps that a value takes to arrive
    if part.kind == "input":
        return replace(part, std=part.std * charged)
    bias = None if getattr(part, "bias", None) is None else part.bias / charged
    if part.kind == "readout":
        return replace(part, bias=bias)
    if part.kind != "iaf":
        return part
    fields = {"shape": part.shape, "threshold": part.threshold, "bias": bias, "start": part.start}
    if scheme == "phase":  # the same share of the smallest event
        return neuron_kinds()[scheme](**fields, period=window, v_init=part.v_init / 2**window)
    return neuron_kinds()[scheme](**fields, v_init=part.v_init)


def _in_windows(network: Network, window: int) -> Network:
    """The network of kind ttfs: every layer in a window after its sources."""
    depth, kind = {}, neuron_kinds()["ttfs"]
    for stage in network.stages:
        for name in stage.populations:
            sources = [network.synapses[s].source for s in network.incoming(name)]
            alone = int(name != network.input)  # what nothing reaches has a bias to send
            later = int(not network.populations[name].passes)
            depth[name] = max((depth[source] + later for source in sources), default=alone)
    populations = {}
    for name, part in network.populations.items():
        if part.kind == "readout":
            start = 0 if part.bias is None else part.bias * (window - 1)
            populations[name] = replace(part, bias=None, v_init=start, current_leak=1.0)
        elif part.kind == "iaf":
            fields = {"shape": part.shape, "threshold": part.threshold, "bias": part.bias}
            fields |= {"window": window, "start": depth[name] * window}
            populations[name] = kind(**fields, rounding=part.v_init / part.threshold)
        else:
            populations[name] = part
    synapses = dict(network.synapses)
    for name, part in network.synapses.items():
        if network.populations[part.target].passes:
            continue
        later = (depth[part.target] - depth[part.source] - 1) * window
        from_input = network.origin(part.source) == network.input
        synapses[name] = replace(part, delay=later + from_input)  # whose event means one less
    steps = depth[network.output] * window
    return _with(network, populations, synapses, coding="latency", timesteps=steps, window=window)
