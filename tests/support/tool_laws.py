"""What the neurons of other tools do in a timestep, from their sources, as plain NumPy."""

import numpy as np


def snntorch(node, dt, reset="subtract"):
    """Leaky and Synaptic (snnTorch 1.0.0, `reset_delay` as by default)."""
    two = node["type"] == "CubaLIF"
    alpha = 1 - dt / node["tau_syn"] if two else 0
    beta = 1.0 if node["type"] == "IF" else 1 - dt / node["tau_mem" if two else "tau"]
    threshold, syn, mem = node["v_threshold"], 0.0, 0.0
    while True:
        x = yield mem > threshold
        before = np.float64(mem > threshold)
        syn = alpha * syn + x
        if reset == "subtract":
            mem = beta * mem + syn - before * threshold
        elif two:  # what arrives in the timestep after a spike is lost to the potential
            mem = (beta * mem + syn) * (1 - before)
        else:
            mem = beta * (1 - before) * mem + x


def sinabs(node, dt, reset="subtract"):
    """IAF and LIF (Sinabs 3.1.3): MultiSpike; the floor of from_nir; LIF with norm_input."""
    alpha = 1.0 if node["type"] == "IF" else np.exp(-dt / node["tau"])
    share = 1.0 if node["type"] == "IF" else 1 - alpha
    threshold, v, spikes = node["v_threshold"], 0.0, None
    while True:
        x = yield spikes
        v = alpha * v + share * x
        spikes = (v > 0) * np.trunc(v / threshold)
        v = v - spikes * threshold if reset == "subtract" else v * (spikes == 0)
        if node["type"] == "IF":
            v = np.maximum(v + threshold, 0) - threshold


def norse(node, dt, reset="zero"):
    """IAFCell, LIFBoxCell, and CubaLIF as from_nir makes it (Norse 1.1.0)."""
    rest = node.get("v_leak", 0.0)
    threshold, v, u, spikes = node["v_threshold"], 0.0 if node["type"] == "IF" else rest, 0.0, None
    while True:
        x = yield spikes
        if node["type"] == "IF":
            v = v + x
        elif node["type"] == "LIF":
            v = v + dt / node["tau"] * (x + rest - v)
        else:
            u = u + dt / node["tau_syn"] * (node["w_in"] * x - u)
            v = v + dt / node["tau_mem"] * (node["r"] * u - v)
        spikes = np.float64(v - threshold > 0)
        v = v - spikes * threshold if reset == "subtract" else (1 - spikes) * v


def norse_own(node, dt):
    """LIFCell, whose time constants its exporter writes times dt (Norse 1.1.0)."""
    threshold, rest = node["v_threshold"], node["v_leak"]
    rates, v, i, spikes = {n: 1e-3 / node[n] for n in ("tau_mem", "tau_syn")}, rest, 0.0, None
    while True:
        x = yield spikes
        i = i + x
        v = v + 1e-3 * rates["tau_mem"] * (rest - v + i)
        i = i - 1e-3 * rates["tau_syn"] * i
        spikes = np.float64(v - threshold > 0)
        v = (1 - spikes) * v


def spikingjelly(node, dt, reset="zero"):
    """IFNode, LIFNode, CUBALIFNode (SpikingJelly 2.0.0)."""
    home = node.get("v_reset", 0.0) if reset == "zero" else 0.0
    threshold, v, u, spikes = node["v_threshold"], home, 0.0, None
    while True:
        x = yield spikes
        if node["type"] == "IF":
            v = v + x
        elif node["type"] == "LIF":
            tau = node["tau"] / dt
            inward = x / tau if np.all(node["r"] == 1) else x
            v = v - (v - home) / tau + inward
        else:
            u = u * (1 - dt / node["tau_syn"]) + x
            v = v * (1 - dt / node["tau_mem"]) + u
        spikes = np.float64(v - threshold >= 0)
        v = np.where(spikes > 0, v - threshold if reset == "subtract" else home, v)


def rockpool(node, dt):
    """LIFNeuronTorch and LIFTorch (Rockpool 3.1.0)."""
    two = node["type"] == "CubaLIF"
    alpha = np.exp(-dt / node["tau_mem" if two else "tau"])
    threshold, v, u, spikes = node["v_threshold"], 0.0, 0.0, None
    while True:
        x = yield spikes
        if two:
            u = (u + x) * np.exp(-dt / node["tau_syn"])
        v = alpha * v + (u if two else x) + node.get("v_leak", 0.0)
        spikes = (v >= threshold) * np.minimum(np.floor(v / threshold), 2.0**16)
        v = v - spikes * threshold


def sent(tool, node, dt, arriving, **reset):
    """What the neurons of a node send for what arrives at them, a timestep a row."""
    law = globals()[tool](node, dt, **reset)
    next(law)
    return np.array([law.send(x) for x in arriving]).astype(float)
