"""Networks: populations joined by sets of synapses; every structural error is raised here."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from evsim.base.arrays import address
from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.base.overview import Overview, Shown
from evsim.codings import codings
from evsim.network.graph import origin, sets_to_origin, stages
from evsim.network.schedule import schedule
from evsim.neurons import Neurons
from evsim.synapses import Connections, Synapses

WORDS = ("coding", "name", "description", "source")
COUNTS = {"timesteps": 1, "window": 2, "seed": 0}
POSITIONS = ("indices", "indptr")  # of sparse weights: no parameters
SAID = ("coding", "timesteps", "window", "ann_accuracy")  # where a network shows itself
ATTRIBUTES = (*WORDS, *COUNTS, "classes", "ann_accuracy")


class Network(Shown):
    """Populations and sets by name, an input population and an output population.

    `input` and `output` may be left out where only one population can be meant: the only one of
    kind input, the only readout. `attributes` are those of a network file: coding, timesteps,
    window, seed, name, description, source, classes, ann_accuracy; a missing one is None.
    Raises EvsimError with the place of what does not fit.
    """

    path: str | None = None  # of its file
    sha256: str | None = None
    units: tuple = ()  # of a converted network: the layers that its populations stand for
    notes: tuple[str, ...] = ()  # what was decided where it was read or converted
    made: Mapping | None = None  # what was said where it was converted or brought to integers

    def __init__(
        self,
        populations: dict[str, Neurons],
        synapses: dict[str, Synapses],
        *,
        input: str | None = None,
        output: str | None = None,
        **attributes: Any,
    ) -> None:
        self.populations = MappingProxyType(dict(sorted(populations.items())))
        self.synapses = MappingProxyType(dict(sorted(synapses.items())))
        self.input = input or self._only("input")
        self.output = output or self._only("readout")
        self.attributes = MappingProxyType(_checked(attributes))
        self._check_names()
        self._check_ends()
        self._check_passing()
        self._check_sources()
        parts = self.populations, self.synapses
        self.schedule = schedule(*parts, self.input, self.attributes.get("window"))
        if self.schedule is not None and self.last_window_end is not None:
            self.attributes = MappingProxyType(self.attributes | {"window": self.schedule.window})
        self.connections = MappingProxyType(dict(self._connect()))
        self.stages = stages(self.populations, self.synapses)

    def __reduce__(self) -> tuple:
        """What makes the same network in another process."""
        files = {name: vars(self)[name] for name in ("path", "sha256") if name in vars(self)}
        ends = self.input, self.output
        own = dict(self.populations), dict(self.synapses), *ends, dict(self.attributes), files
        return _again, own

    def __getattr__(self, name: str) -> Any:
        if name in ATTRIBUTES:
            return self.attributes.get(name)
        raise AttributeError(f"a network has no attribute {name!r}")

    def overview(self) -> Overview:
        """Every part: its kind, its shape or its ends, and its neurons or synapses."""
        rows: list[tuple] = []
        for name in self.order:
            if name in self.populations:
                part = self.populations[name]
                shape = " x ".join(map(str, part.shape))
                rows.append((name, part.kind, shape, part.neurons, None))
            else:
                set_ = self.synapses[name]
                ends = f"{set_.source} -> {set_.target}"
                count = int(self.connections[name].fan_out.sum())
                rows.append((name, set_.kind, ends, None, count))
        neurons = sum(part.neurons for part in self.populations.values())
        title = f"{self.name or self.path or 'network'}: {len(self.populations)} populations, "
        title += f"{neurons:,} neurons, {self.synapse_count:,} synapses"
        about = (f"{key} {self.attributes[key]}" for key in SAID if key in self.attributes)
        columns = "part", "kind", "shape or ends", "neurons", "synapses"
        return Overview(title, columns, rows, [", ".join(about)] if self.attributes else ())

    def _only(self, kind: str) -> str:
        found = [name for name, part in self.populations.items() if part.kind == kind]
        if len(found) != 1:
            which = "input" if kind == "input" else "output"
            raise mismatch(f"{len(found)} populations of kind {kind!r}", "one, or a name", which)
        return found[0]

    def _check_names(self) -> None:
        for name in (*self.populations, *self.synapses):
            if not isinstance(name, str) or not name or "/" in name or name in (".", ".."):
                raise mismatch(repr(name), "a name without '/'", "populations and synapses")
        both = self.populations.keys() & self.synapses.keys()
        if both:
            raise EvsimError(
                f"{min(both)!r} is the name of a population and of a set, expected unique names",
                f"synapses/{min(both)}",
            )
        for which in ("input", "output"):
            self._population(getattr(self, which), which)
        if self.input == self.output:
            raise mismatch(f"{self.output!r}, the input population", "another one", "output")
        for name, part in self.populations.items():
            if (part.kind == "input") != (name == self.input):
                expected = f"kind 'input' for the input population {self.input!r} and no other"
                raise mismatch(repr(part.kind), expected, f"populations/{name}/kind")

    def _population(self, name: str, place: str) -> Neurons:
        if name not in self.populations:
            known = f"one of {', '.join(self.populations)}{nearest(name, self.populations)}"
            raise mismatch(repr(name), known, place)
        return self.populations[name]

    def _check_ends(self) -> None:
        for name, part in self.synapses.items():
            source = self._population(part.source, f"synapses/{name}/source")
            target = self._population(part.target, f"synapses/{name}/target")
            if not source.sends:
                expected = f"a source (kind {source.kind!r} sends no events)"
                raise mismatch(repr(part.source), expected, f"synapses/{name}/source")
            if not target.listens:
                expected = f"a target (kind {target.kind!r} takes no events)"
                raise mismatch(repr(part.target), expected, f"synapses/{name}/target")

    def _check_passing(self) -> None:
        for name, part in self.populations.items():
            sets = [self.synapses[s] for s in self.incoming(name)] if part.passes else []
            if part.passes and [s.kind for s in sets] != ["pool"]:
                found = f"{len(sets)} sets into it" + "".join(f", of kind {s.kind!r}" for s in sets)
                raise mismatch(found, "one set of kind 'pool'", f"populations/{name}")

    def _check_sources(self) -> None:
        """A max pool stands for the population whose sums it takes, some timesteps later."""
        for name, part in self.synapses.items():
            source = self.populations[self.origin(part.source)]
            delay = part.delay + self.delay_from_origin(part.source)
            try:
                self.populations[part.target].check_source(source, delay)
            except EvsimError as error:
                raise error.within(f"synapses/{name}") from None

    def _connect(self) -> Iterator[tuple[str, Connections]]:
        for name, part in self.synapses.items():
            source, target = self.ends(part)
            try:
                connections = part.connect(source, target)
                part.scale_of(target)
            except EvsimError as error:
                raise error.within(f"synapses/{name}") from None
            yield name, connections

    def period(self, timesteps: int) -> int:
        """After how many timesteps of a run of `timesteps` the next sample may follow."""
        return (self.schedule and self.schedule.period) or timesteps

    def ends(self, part: Synapses) -> tuple[Neurons, Neurons]:
        """The source of a set, and its target as sets see it."""
        return self.populations[part.source], self.populations[part.target].listening

    @property
    def synapse_count(self) -> int:
        """The connections of all sets, pools and identities included."""
        return sum(int(c.fan_out.sum()) for c in self.connections.values())

    @property
    def parameters(self) -> int:
        """The weights, biases and thresholds; a shared array is counted once."""
        arrays = {}
        for part in (*self.populations.values(), *self.synapses.values()):
            for name, value in vars(part).items():
                if isinstance(value, np.ndarray) and value.ndim and name not in POSITIONS:
                    arrays[address(value)] = value.size
        return sum(arrays.values())

    @property
    def order(self) -> list[str]:
        """All parts in the order of visits, the sets into a population before it."""
        visits = (name for stage in self.stages for name in stage.populations)
        return [part for name in visits for part in (*self.incoming(name), name)]

    def incoming(self, name: str) -> list[str]:
        """The sets into a population, in order of name."""
        return list(self._into.get(name, ()))

    @cached_property
    def _into(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, part in self.synapses.items():
            found.setdefault(part.target, []).append(name)
        return found

    def graded(self, name: str, graded_input: bool) -> bool:
        """Whether the events of a population are graded."""
        name = self.origin(name)
        return graded_input if name == self.input else self.populations[name].graded

    @property
    def last_window_end(self) -> int | None:
        """The timesteps of a run, where populations send their first spikes in windows."""
        return None if self.schedule is None else self.schedule.first_spikes_end

    def sets_to_origin(self, name: str) -> list[Synapses]:
        """The sets from a max pool back to the population whose sums it takes; else none."""
        return sets_to_origin(name, self.populations, self.synapses)

    def origin(self, name: str) -> str:
        """The population whose sums a max pool takes; else itself. Their events are of a kind."""
        return origin(name, self.populations, self.synapses)[0]

    def delay_from_origin(self, name: str) -> int:
        """The delays of the sets between a max pool and the population whose sums it takes."""
        return origin(name, self.populations, self.synapses)[1]

    def integer_populations(self, graded_input: bool) -> set[str]:
        """The populations whose currents and potentials are int32."""
        found = set()
        for name in self.populations:
            sets = [self.synapses[s] for s in self.incoming(name)]
            exact = all(
                (s.integer and not s.scaled) or (s.kind == "identity" and s.weights() is None)
                for s in sets
            )
            spiking = not any(self.graded(s.source, graded_input) for s in sets)
            if exact and spiking and any(s.integer for s in sets):
                found.add(name)
        return found

    @cached_property
    def digest(self) -> str:
        """A SHA-256 of all that the network is: equal where, and only where, runs must be."""
        own = self.input, self.output, sorted(self.attributes.items())
        found = hashlib.sha256(repr(own).encode())
        for name, part in sorted((self.populations | self.synapses).items()):
            found.update(repr((name, part.kind)).encode())
            for field in dataclasses.fields(part):
                value = getattr(part, field.name)
                if isinstance(value, np.ndarray):
                    found.update(repr((field.name, value.dtype.str, value.shape)).encode())
                    found.update(np.ascontiguousarray(value).data)
                else:
                    found.update(repr((field.name, value)).encode())
        return found.hexdigest()

    def describe(self) -> dict[str, dict]:
        """What a machine needs to know of every part, by name."""
        parts = {name: part.describe() for name, part in self.populations.items()}
        for name, part in self.synapses.items():
            parts[name] = part.describe(self.connections[name])
            source, target = self.ends(part)
            per_arrival, macs = part.nominal(source, target)
            parts[name] |= {"nominal_fan_out": per_arrival, "nominal_macs": macs}
        return parts


def _again(
    populations: dict, synapses: dict, input: str, output: str, attributes: dict, files: dict
) -> Network:
    found = Network(populations, synapses, input=input, output=output, **attributes)
    vars(found).update(files)
    return found


def _checked(attributes: dict) -> dict:
    kept = {}
    for name, value in attributes.items():
        if name not in ATTRIBUTES:
            known = f"one of {', '.join(ATTRIBUTES)}{nearest(name, ATTRIBUTES)}"
            raise EvsimError(f"unknown attribute, expected {known}", name)
        if value is None:
            continue
        if name in WORDS and not isinstance(value, str):
            raise mismatch(repr(value)[:60], "text", name)
        if name == "coding" and value not in codings():
            known = f"one of {', '.join(codings())}{nearest(value, codings())}"
            raise mismatch(repr(value), known, name)
        if name in COUNTS:
            number = np.asarray(value)
            least = COUNTS[name]
            if number.size != 1 or number.dtype.kind not in "iu" or number.item() < least:
                raise mismatch(repr(value)[:60], f"a whole number of at least {least}", name)
            value = int(number.item())
        if name == "ann_accuracy":
            number = np.asarray(value)
            if number.size != 1 or number.dtype.kind not in "fiu" or not 0 <= number.item() <= 1:
                raise mismatch(repr(value)[:60], "a fraction from 0 to 1", name)
            value = float(number.item())
        kept[name] = value
    return kept
