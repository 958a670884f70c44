"""Queues of a declared depth, drawn."""

from hypothesis import strategies as st

from evsim.engine.queue import Queue

ALONE, SHARED = ("drop_new", "drop_old", "stall"), ("drop_new", "stall")


def policies(names):
    """One policy, or a pair: that of the input and that of all others."""
    one = st.sampled_from(names)
    return st.one_of(one, st.tuples(one, one))


QUEUES = st.one_of(
    st.tuples(st.integers(1, 6), policies(ALONE)),
    st.tuples(st.integers(1, 12), policies(SHARED), st.integers(1, 3)),
)


def queue_of(case, depth, policy, cores=0):
    """A queue of every set, or of every core; populations take turns with `cores` cores."""
    own = {}
    if not isinstance(policy, str):
        own, policy = {"policies": {case.network["input"]: policy[0]}}, policy[1]
    if not cores:
        return Queue(depth, policy, **own)
    on = cores_of(case, cores)
    sets = {name: on[s["target"]] for name, s in case.network["synapses"].items()}
    return Queue(depth, policy, shared=True, cores=sets if cores > 1 else None, **own)


def cores_of(case, cores):
    return {name: i % cores for i, name in enumerate(sorted(case.network["populations"]))}
