"""Files that trainers wrote, one reader a file: a module with `claims` and `read`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from evsim.base.errors import EvsimError, mismatch
from evsim.formats import _hdf5 as hdf5
from evsim.formats.trainers._trainer import Options, Reading, Source


@cache
def readers() -> dict[str, ModuleType]:
    """The readers of trainers' files: modules with claims(source) and read(source, options)."""
    return {
        module.name: importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    }


def claimed(source: Source) -> tuple[ModuleType, str] | None:
    """The reader of a trainer's file and what it takes the file for; None if nobody claims it."""
    claims = [(module, module.claims(source)) for module in readers().values()]
    claimants = [(module, claim) for module, claim in claims if claim]
    if len(claimants) > 1:
        formats = " and ".join(claim for _, claim in claimants)
        raise mismatch(f"a file that is {formats}", "a file of one format", source.place)
    return claimants[0] if claimants else None


def read(path, options: Options | None = None) -> Reading:
    """Read a trainer's file; what is in it, and what of it is unsupported.

    Raises EvsimError, in one line, where the file is damaged or no trainer's file.
    """
    with Source.opened(path) as source:
        reader_and_claim = claimed(source)
        if reader_and_claim is None:
            if source.file is not None:
                hdf5.names(source.file)  # perhaps nobody knows it because its links lead elsewhere
            raise unknown(source)
        module, claim = reader_and_claim
        options = options or Options()
        for name in (
            ("compare", "bias_start", "skip_encoder") if module is not readers()["lava"] else ()
        ):
            options.refuse(name, "only lava-dl leaves it open")
        if module not in (readers()["lava"], readers()["nir"]):
            options.refuse("like", "its network does not spike")
        reading = module.read(source, options)
        reading.format = claim
        return reading


def unknown(source: Source, others: str = "") -> EvsimError:
    """The error of a file that no reader claims: what it is, and what was looked for in vain.

    `others`: what else was looked for in HDF5, beside what trainers write.
    """
    if source.file is None:
        return mismatch(source.described(), f"{others}a trainer's file: {', '.join(titles())}")
    marks = [module.MARK for module in readers().values() if hasattr(module, "MARK")]
    return mismatch(source.described(), f"one of: {'; '.join([*filter(None, [others]), *marks])}")


def titles() -> list[str]:
    """What trainers' files can be read, in words, one text a reader."""
    return [module.TITLE for module in readers().values()]


__all__ = [
    "EvsimError",
    "Options",
    "Reading",
    "Source",
    "claimed",
    "read",
    "readers",
    "titles",
    "unknown",
]
