"""Hypothesis strategies for small legal networks of temporal switch coding."""

from itertools import chain, count

from hypothesis import strategies as st
from support.strategies import (
    NAMES,
    SHAPES,
    Case,
    add,
    chance,
    images,
    input_population,
    maybe,
    put_maxpool,
    put_set,
    spread,
)


def sloped(draw, shape, whole, window):
    """The fields that every population with a slope takes."""
    fields = {"shape": shape, "window": window}
    maybe(draw, fields, "bias", [0, 1, -1] if whole else [0, 3 / 64, 0.125, -2 / 64], shape)
    maybe(draw, fields, "v_init", [0, 1, 2] if whole else [0, 0.125, -0.25, 0.75], shape)
    return fields


def switch(draw, shape, whole, window):
    fields = {"kind": "switch", **sloped(draw, shape, whole, window)}
    fields["threshold"] = spread(draw, [1, 2, 3.0] if whole else [0.25, 13 / 64, 0.5, 1], shape)
    return fields


def sent_first(network, name):
    """The first timestep at which a population sends."""
    fields = network["populations"][name]
    if fields["kind"] == "maxpool":
        [into] = [s for s in network["synapses"].values() if s["target"] == name]
        return sent_first(network, into["source"]) + into.get("delay", 0)
    return 0 if fields["kind"] == "input" else fields["start"]


@st.composite
def window_cases(draw, online=False):
    """A network whose populations fire once per window, one window after the other.

    `online`: they switch on and off, some timesteps after their sources.
    """
    window = draw(st.integers(2, 7))
    delta = draw(st.integers(1, window)) if online else window
    names = chain(NAMES, map(str, count(100)))
    source = next(names)
    network = {"input": source, "populations": {}, "synapses": {}, "window": window}
    populations = network["populations"]
    populations[source] = input_population(draw, draw(st.sampled_from(SHAPES)))
    layers = draw(st.integers(0, 3))
    for depth in range(1, layers + 2):
        name, shape, whole = next(names), draw(st.sampled_from(SHAPES)), chance(draw, 30)
        start = depth * delta
        earlier = [n for n in populations if sent_first(network, n) <= start - delta]
        if depth > layers:
            fields, start = sloped(draw, shape, whole, window), start - delta + window
            populations[name] = {"kind": "readout", "slope": True, "start": start, **fields}
        else:
            populations[name] = {**switch(draw, shape, whole, window), "start": start}
            if online:
                populations[name] |= {"firing": "online", "delta": delta}
                shares = [0, 1] if whole else [0, 0.25, 0.5, 1]
                add(draw, populations[name], "prediction", draw(st.sampled_from(shares)), 0)
                maybe(draw, populations[name], "onset", [1, 3] if whole else [0.125, 2], shape, 20)
            else:
                add(draw, populations[name], "rounding", draw(st.sampled_from([0.0, 0.5])), 0.0)
        listens = (depth - 1) * delta
        for _ in range(draw(st.integers(0 if chance(draw, 5) else 1, 3))):
            chosen = earlier[-1] if chance(draw, 60) else draw(st.sampled_from(earlier))
            if len(populations[chosen]["shape"]) == 3 and chance(draw, 20):
                pool, delay = next(names), listens - sent_first(network, chosen)
                delay = draw(st.integers(0, delay))
                put_maxpool(draw, network, pool, next(names), chosen, delay)
                chosen = pool
            delay = listens - sent_first(network, chosen)
            put_set(draw, network, next(names), chosen, name, delay, whole)
    network["output"] = name
    image = draw(images(populations[source]))
    return Case(network, image, layers * delta + window, "switch")


@st.composite
def online_cases(draw):
    """A network whose populations switch on and off while they listen, with cycles, too."""
    window, timesteps = draw(st.integers(2, 6)), draw(st.integers(1, 9))
    names = chain(NAMES, map(str, count(100)))
    source = next(names)
    network = {"input": source, "populations": {}, "synapses": {}, "window": window}
    populations = network["populations"]
    populations[source] = input_population(draw, draw(st.sampled_from(SHAPES)))
    whole = {}
    for last in [*[False] * draw(st.integers(1, 3)), True]:
        name, shape = next(names), draw(st.sampled_from(SHAPES))
        whole[name] = chance(draw, 30)
        if last:
            fields = sloped(draw, shape, whole[name], max(timesteps, 2))
            fields |= {"kind": "readout", "slope": True, "start": max(timesteps, 2)}
        else:
            fields = {**switch(draw, shape, whole[name], window), "firing": "online"}
            maybe(draw, fields, "onset", [1, 3] if whole[name] else [0.125, 0.5, 2], shape, 30)
        before = [n for n in populations if populations[n]["kind"] != "readout"]
        populations[name] = fields
        chosen = draw(st.sampled_from(before))
        if len(populations[chosen]["shape"]) == 3 and chance(draw, 15):
            pool = next(names)
            put_maxpool(draw, network, pool, next(names), chosen, draw(st.sampled_from([0, 1])))
            chosen = pool
        put_set(draw, network, next(names), chosen, name, draw(st.integers(0, 2)), whole[name])
    order = [n for n in populations if populations[n]["kind"] != "maxpool"]
    for _ in range(draw(st.integers(0, 2))):
        chosen = draw(st.sampled_from([n for n in order if populations[n]["kind"] != "readout"]))
        target = draw(st.sampled_from(order[1:]))
        delay = draw(st.integers(int(order.index(chosen) >= order.index(target)), 2))
        put_set(draw, network, next(names), chosen, target, delay, whole[target])
    network["output"] = name
    return Case(network, draw(images(populations[source])), timesteps, "switch")
