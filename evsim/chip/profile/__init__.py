"""Chips: a TOML file each, beside the records that read them.

`Profile.read(find("loihi"))` is a chip. What its sections may say is in `numeric`, `schedule`,
`queues`, `capacity`, `time`, `memories`, `charges`; units and errors are in `records`.
"""

from evsim.chip.profile.charges import Charge
from evsim.chip.profile.profile import DEFAULT, SCHEMA, Profile, find, shipped
from evsim.chip.profile.records import EVIDENCE

__all__ = ["DEFAULT", "EVIDENCE", "SCHEMA", "Charge", "Profile", "find", "shipped"]
