"""Statistics of activations, batch by batch of images; what they are so far is kept."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from evsim.artificial.model import Model
from evsim.base.processors import thread_count
from evsim.conversion._graph import Node
from evsim.conversion._work import Work
from evsim.engine.simulation import Stopped


def gather(
    stage: str,
    kinds: list[dict],
    nodes: list[Node],
    model: Model,
    images,
    work: Work,
    told=lambda samples: None,
) -> None:
    """Let statistics take in the activations of all images, or of those they have not had yet.

    `kinds`: statistics by node, some of each; `stage`: under what name they are kept; `told` is
    called with how many images they have had.
    """
    wanted = list(dict.fromkeys(node.measured for node in nodes))
    if not wanted:
        return
    every = [
        (f"{k}-{place}-", kind[node.name], node)
        for k, kind in enumerate(kinds)
        for place, node in enumerate(nodes)
        if node.name in kind
    ]
    images_had, since, cost = _restored(stage, every, work), time.monotonic(), 0.0
    with ThreadPoolExecutor(thread_count(work.jobs)) as pool:
        try:
            batches = model.activations(
                images, wanted, jobs=work.jobs, done=images_had, check=work.check
            )
            for batch, results in batches:
                values = [node.values(results[node.measured]) for _, _, node in every]
                list(pool.map(_add, every, values))
                del results, values  # before the next batch is there
                images_had = batch.stop
                told(images_had)
                if work.kept.due(since, cost):
                    begin = time.monotonic()
                    _keep(stage, every, images_had, work)
                    since = time.monotonic()
                    cost = since - begin
                work.check()
        except Stopped:
            _keep(stage, every, images_had, work)
            raise
    _keep(stage, every, images_had, work)


def _add(one: tuple, values) -> None:
    one[1].add(values)


def _keep(stage: str, every: list, images_had: int, work: Work) -> None:
    label = f"{stage}-{images_had:08d}"
    if not images_had or label in work.kept.names(f"{stage}-"):
        return
    arrays = {}
    for start, statistic, _ in every:
        arrays |= {start + field: value for field, value in statistic.state().items()}
    work.kept.put(label, arrays)
    for other in work.kept.names(f"{stage}-"):
        if other != label:
            work.kept.drop(other)


def _restored(stage: str, every: list, work: Work) -> int:
    """How many images the statistics have had, as they were kept last."""
    for label in reversed(work.kept.names(f"{stage}-")):
        arrays = work.kept.get(label)
        if arrays is not None:
            for start, statistic, _ in every:
                state = {p.removeprefix(start): a for p, a in arrays.items() if p.startswith(start)}
                statistic.restore(state)
            return int(label.rpartition("-")[2])
    return 0
