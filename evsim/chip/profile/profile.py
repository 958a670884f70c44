"""A chip: what is assumed of it, and what its actions cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evsim.base.errors import EvsimError, Parameter, mismatch, nearest, shown
from evsim.base.toml import read_toml
from evsim.chip.profile.capacity import Capacity
from evsim.chip.profile.charges import Charge, check_charged_once
from evsim.chip.profile.memories import Memory, check_held_once
from evsim.chip.profile.numeric import Numeric
from evsim.chip.profile.queues import Queue
from evsim.chip.profile.records import Record, Sourced, choice, field, lines, table, tables, text
from evsim.chip.profile.schedule import Schedule
from evsim.chip.profile.time import Time
from evsim.counting.machine import CHOICES

SCHEMA = "evsim-hw/1"
DEFAULT = "horowitz-45nm"


@dataclass(frozen=True, kw_only=True)
class PricedMachine(Sourced):
    """The machine whose actions the prices are of; keys and values as in `counts.Machine`."""

    accumulate: str = field(choice(*CHOICES["accumulate"]), "direct")  # where a weight goes
    update: str = field(choice(*CHOICES["update"]), "clock")  # which neurons
    input: str = field(choice(*CHOICES["input"]), "recompute")  # a constant input

    @property
    def choices(self) -> dict[str, str]:
        """The machine as arguments of `Run.counts`, by name."""
        return {name: getattr(self, name) for name in CHOICES}


@dataclass(frozen=True, kw_only=True)
class Profile(Record):
    """One technology or chip. `None`, or nothing in a list: it does not say.

    `open`: costs that are known to exist and have no price; `claims`: expressions to check.
    """

    schema: str = field(choice(SCHEMA), SCHEMA)  # of this format
    name: str = field(text, "")  # absent: that of the file
    title: str = field(text, "")  # absent: the name
    machine: PricedMachine = field(table(PricedMachine), PricedMachine())  # of the prices
    numeric: Numeric = field(table(Numeric), Numeric())  # formats of numbers
    schedule: Schedule = field(table(Schedule), Schedule())  # order of what happens
    queues: tuple[Queue, ...] = field(tables(Queue), (), "queue")  # of events
    capacity: Capacity = field(table(Capacity), Capacity())  # what fits
    time: Time = field(table(Time), Time())  # how long what takes
    memories: tuple[Memory, ...] = field(tables(Memory), (), "memory")  # and their prices
    charges: tuple[Charge, ...] = field(tables(Charge), (), "charge")  # prices of actions
    open: tuple[str, ...] = field(lines, ())  # costs that exist and have no price
    claims: tuple[str, ...] = field(lines, ())  # expressions that `evsim check` tests

    def __post_init__(self):
        check_named_once("queue", self.queues)
        check_named_once("memory", self.memories)
        check_held_once(self.memories)
        check_charged_once(self._charged())

    @classmethod
    def read(cls, path: Path) -> Profile:
        """Read and check a profile; raises EvsimError with the file and the place in it."""
        try:
            return cls._of_file(Path(path))
        except EvsimError as error:
            raise error.within(file=str(path)) from None

    @classmethod
    def _of_file(cls, path: Path) -> Profile:
        content = read_toml(path, "a hardware profile")
        if content.get("schema") != SCHEMA:
            raise mismatch(shown(content.get("schema")), repr(SCHEMA), "schema")
        if not set(content) - {"schema", "name", "title"}:
            raise mismatch("nothing about a chip", "[[charge]] tables, or others")
        content.setdefault("name", path.stem)
        content.setdefault("title", content["name"])
        return super().read(content)

    @property
    def prices(self) -> tuple[Charge, ...]:
        """All charges of the chip, with those of reads and writes of its memories."""
        return tuple(charge for _, charge in self._charged())

    def _charged(self) -> list[tuple[str, Charge]]:
        """(place, charge) of every price."""
        charged = [(f"charge[{i}]", charge) for i, charge in enumerate(self.charges)]
        for i, memory in enumerate(self.memories):
            place = f"memory[{i}] ({memory.name})"
            charged += [(f"{place}.{key}", charge) for key, charge in memory.charges().items()]
        return charged

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the prices leave out, as lines of text: open costs, leakage of memories."""
        leaking = (m.name for m in self.memories if m.leakage_mw is not None)
        return (*self.open, *(f"leakage of memory {name}" for name in leaking))


def check_named_once(key: str, records: tuple[Queue | Memory, ...]) -> None:
    """Raise EvsimError where two tables of a list have one name: results tell them by it."""
    first: dict[str, int] = {}
    for i, record in enumerate(records):
        if record.name in first:
            raise mismatch(
                f"{record.name!r} again, as {key}[{first[record.name]}]",
                "a name of its own",
                f"{key}[{i}]/name",
            )
        first[record.name] = i


def shipped() -> dict[str, Path]:
    """The files of the profiles that come with evsim, by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"))}


def find(name: str, parameter: str = "prices") -> Path:
    """The file of a profile: of a chip that comes with evsim by its name, or a path.

    Raises EvsimError that names `parameter`, which `name` was given for.
    """
    known = shipped()
    if name in known:
        return known[name]
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    expected = f"a TOML file or one of {', '.join(sorted(known))}{nearest(name, known)}"
    raise mismatch(repr(name), expected, Parameter(parameter))
