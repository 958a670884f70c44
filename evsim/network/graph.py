"""What follows from the graph alone: the order of visits, and whose sums a max pool takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

from evsim.base.errors import EvsimError
from evsim.neurons import Neurons
from evsim.synapses import Synapses


@dataclass(frozen=True)
class Stage:
    """Populations advanced together, `span` timesteps at a time (None: any number)."""

    populations: tuple[str, ...]
    span: int | None = None


def sets_to_origin(
    name: str, populations: Mapping[str, Neurons], synapses: Mapping[str, Synapses]
) -> list[Synapses]:
    """The sets from a max pool back to the population whose sums it takes; else none.

    There may be other max pools in between.
    """
    sets: list[Synapses] = []
    for _ in populations:  # a ring of max pools has no origin, and no events
        if not populations[name].passes:
            break
        sets.append(next(part for part in synapses.values() if part.target == name))
        name = sets[-1].source
    return sets


def origin(
    name: str, populations: Mapping[str, Neurons], synapses: Mapping[str, Synapses]
) -> tuple[str, int]:
    """The population whose sums a max pool takes, and the delays in between; else itself, and 0."""
    sets = sets_to_origin(name, populations, synapses)
    return sets[-1].source if sets else name, sum(part.delay for part in sets)


def _order(names: Iterable[str], sets: Iterable[Synapses], below: float) -> list[str]:
    """The names, sources first along the sets whose delay is below `below`."""
    sorter = TopologicalSorter(dict.fromkeys(sorted(names), ()))
    for part in sets:
        if part.delay < below:
            sorter.add(part.target, part.source)
    return list(sorter.static_order())


def stages(populations: Mapping[str, Neurons], synapses: Mapping[str, Synapses]) -> list[Stage]:
    """The populations upstream first; each cycle is one stage.

    A stage's span is the largest for which the sets inside it that are shorter form no cycle:
    then every event of a span is decided by earlier spans or by populations before it.
    """
    try:
        for below in (1, np.inf):
            order = _order(populations, synapses.values(), below)
    except CycleError as error:
        if below == 1:
            raise EvsimError(
                f"a cycle without delay, {' -> '.join(error.args[1])}, expected a delay of at "
                f"least 1 in a cycle",
                "synapses",
            ) from None
        return _stages_with_cycles(populations, synapses)
    return [Stage((name,)) for name in order]


def _stages_with_cycles(populations, synapses) -> list[Stage]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = list(populations)
    ends = [(names.index(s.source), names.index(s.target)) for s in synapses.values()]
    rows, columns = np.array(ends).T
    graph = coo_array((np.ones(len(ends)), (rows, columns)), (len(names), len(names)))
    _, labels = connected_components(graph, connection="strong")
    component = dict(zip(names, labels.tolist(), strict=True))
    between = TopologicalSorter(dict.fromkeys(component.values(), ()))
    for part in synapses.values():
        if component[part.source] != component[part.target]:
            between.add(component[part.target], component[part.source])
    stages = []
    for label in between.static_order():
        members = [name for name in names if component[name] == label]
        inside = [
            s for s in synapses.values() if component[s.source] == component[s.target] == label
        ]
        order, span = members, None
        for below in sorted({s.delay for s in inside}):
            try:
                order, span = _order(members, inside, below), below
            except CycleError:
                break
        stages.append(Stage(tuple(order), span))
    return stages
