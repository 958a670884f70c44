"""Numeric formats: the bits of weights, accumulators, potentials and thresholds."""

from __future__ import annotations

from dataclasses import dataclass

from evsim.chip.profile.records import Record, Sourced, choice, field, flag, table, whole

OVERFLOW = ("saturate", "wrap", "error")
AT = ("each_add", "commit")
WIDEST = 256  # bits


@dataclass(frozen=True, kw_only=True)
class Format(Sourced):
    """An integer of `bits` bits, two's complement if `signed`.

    `overflow`: what a value outside becomes: the nearest end, the value modulo 2**bits, or an
    error. `at`: after each addition, in the order of events, or once a timestep at the update.
    """

    bits: int = field(whole(1, WIDEST))  # [bits]
    signed: bool = field(flag, True)  # two's complement
    overflow: str = field(choice(*OVERFLOW), "error")  # what a value outside becomes
    at: str = field(choice(*AT), "commit")  # after each addition, or once a timestep

    @property
    def least(self) -> int:
        """The smallest value that the format holds."""
        return -(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def most(self) -> int:
        """The largest value that the format holds."""
        return 2 ** (self.bits - self.signed) - 1


@dataclass(frozen=True, kw_only=True)
class Numeric(Record):
    """`[numeric.weight]` and so on. `accumulator`: what sums the weights of a timestep."""

    weight: Format | None = field(table(Format), None)  # of a synapse
    accumulator: Format | None = field(table(Format), None)  # of the sum of a timestep
    membrane: Format | None = field(table(Format), None)  # of a potential
    threshold: Format | None = field(table(Format), None)  # of a neuron
