"""What a chip imposes on a run: the cores of neurons, a queue, the widths of integers."""

from __future__ import annotations

from evsim.base.errors import EvsimError
from evsim.chip.placement import Placement
from evsim.chip.profile import Profile
from evsim.chip.profile.numeric import Numeric
from evsim.conversion.integers import bounded
from evsim.engine.queue import Queue
from evsim.network.network import Network

WIDEST = 32  # bits that a run can hold


def placed(network: Network, profile: Profile, placing: str) -> Placement:
    """The neurons of a network on the cores of a chip; on one, where it does not say."""
    neurons = {name: part.neurons for name, part in network.populations.items()}
    most = sum(neurons.values()) - neurons[network.input]
    return Placement(network, profile.capacity.neurons_per_core or max(most, 1), placing)


def queue_of(profile: Profile, placement: Placement) -> tuple[str, Queue | None]:
    """The first queue that a run can simulate and its name, "" and None without one.

    Others are measured only, by the events that this one delivers. One of the input, one of every
    set, one of the chip, or one of each core, if no population lies on several of them. Where
    overflow is an error there is none: a check goes on and says so.
    """
    for queue in profile.queues:
        if simulated := _simulated(queue, placement):
            return queue.name, simulated
    return "", None


def _simulated(queue, placement: Placement) -> Queue | None:
    """A queue of a chip as a run simulates it, None where it cannot."""
    network = placement.network
    if "error" in queue.policies:
        return None
    policies = {"policies": {network.input: queue.policies[0]}}
    if queue.scope in ("input", "layer"):
        source = network.input if queue.scope == "input" else None
        return Queue(queue.depth, queue.policy, source, **policies)
    cores = {name: set(on.tolist()) for name, on in placement.cores.items()}
    whole = queue.scope == "chip" or all(len(on) == 1 for on in cores.values())
    if not whole or "drop_old" in queue.policies:
        return None
    sets = network.synapses.items()
    of_sets = {n: min(cores[s.target]) for n, s in sets} if queue.scope == "core" else None
    return Queue(queue.depth, queue.policy, shared=True, cores=of_sets, **policies)


def widths_of(numeric: Numeric) -> dict:
    """The widths and rules of a chip as arguments of `integers.bounded`; none without a format.

    Where an overflow is an error, potentials are as wide as they can be, so that a check measures
    the width that they need instead of ending. Currents have a width only where their rule is that
    of potentials and holds for each addition, as `bounded` has one rule for both.
    """
    membrane, accumulator = numeric.membrane, numeric.accumulator
    if membrane is None:
        return {}
    widths = {"overflow": membrane.overflow, "overflow_at": membrane.at}
    if membrane.overflow == "error":
        return widths | {"potential_bits": WIDEST}
    widths |= {"potential_bits": membrane.bits, "potential_signed": membrane.signed}
    if membrane.at == "commit" and accumulator is not None:
        # What wraps at the end of a timestep is what would have wrapped at every addition.
        at_each_addition = accumulator.at == "each_add" or accumulator.overflow == "wrap"
        if at_each_addition and accumulator.signed and accumulator.overflow == membrane.overflow:
            widths["current_bits"] = accumulator.bits
    return widths


def narrowed(network: Network, numeric: Numeric, graded: bool) -> tuple[Network, str]:
    """The network with the widths of a chip where it has integers, and why not, if it has not."""
    widths = widths_of(numeric)
    if not widths:
        return network, ""
    if widths["potential_bits"] > WIDEST:
        return network, f"potentials of more than {WIDEST} bits"
    if not network.integer_populations(graded):
        return network, "no population of integers (evsim quantize makes them)"
    try:
        made = bounded(network, **widths, graded=graded)
    except EvsimError as error:
        return network, str(error)
    made.path, made.sha256 = network.path, network.sha256
    return made, ""
