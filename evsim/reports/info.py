"""What a file holds, as `evsim info` tells it."""

from __future__ import annotations

from collections import Counter
from math import prod
from pathlib import Path

import numpy as np

from evsim.base.arrays import address
from evsim.base.errors import EvsimError, Parameter, mismatch
from evsim.chip.profile import Profile
from evsim.formats import _hdf5 as hdf5
from evsim.formats import data, result, trainers
from evsim.formats import network as native
from evsim.formats.recognize import recognized
from evsim.formats.trainers._definition import Definition
from evsim.formats.trainers._draft import drafted
from evsim.network.network import Network
from evsim.reports import chips

LONGEST = "those of the longest recording"  # to say how many would be to read them all
OURS = "an attribute format (a network, a result); datasets images or events (data)"
MOST = 1000  # classes that are listed


def describe(path) -> dict:
    """The content of a network, data, result, trainer's file, chip or definition of layers.

    Tables are lists of rows.
    """
    if Path(path).suffix == ".toml":
        return _toml(path)
    if data.source_of(path) is not None:
        return _data(path)
    with trainers.Source.opened(path) as source:
        file, found = source.file, None
        if file is not None and "format" in file.attrs:
            found = hdf5.attribute(file, "format")
        if file is None or (found is None and not {"images", "events"} & set(file)):
            claim = trainers.claimed(source)
            if claim:
                return _trained(path, source, *claim)
        known = file is not None and {"images", "events", "populations", "synapses"} & set(file)
        if file is None or (found is None and not known):
            raise trainers.unknown(source, "an HDF5 file or " if file is None else OURS)
    if found == result.FORMAT:
        return _result(path)
    if found == native.FORMAT or found not in (None, data.FORMAT):
        return _network(path)
    return _data(path)


def write_draft(path, toml, read=lambda path, reader: reader(path)) -> dict:
    """Write a drafted definition to a new TOML file; returns both paths and notes on the guesses.

    `read`: how draft(path) is called. Raises EvsimError if the TOML file exists.
    """
    toml = Path(toml)
    if toml.suffix != ".toml":
        raise mismatch(repr(str(toml)), "a file NAME.toml", Parameter("draft"))
    if toml.exists():
        raise EvsimError("exists already (a draft replaces nothing)", file=str(toml))
    text, notes = read(path, draft)
    try:
        with open(toml, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise EvsimError(f"cannot be written: {error.strerror}", file=str(toml)) from None
    return {"file": str(path), "draft": str(toml), "notes": notes}


def draft(path) -> tuple[str, list[str]]:
    """A definition in TOML for a file of weights alone, and what of it is guessed, in words.

    Raises EvsimError where the file says its layers itself, or is none of a state_dict.
    """
    with trainers.Source.opened(path) as source:
        claim = trainers.claimed(source)
        if claim is None:
            of_ours = source.file is not None and "format" in source.file.attrs
            found = "a file of evsim's own" if of_ours else source.described()
            raise mismatch(found, "weights without their layers")
        reading = claim[0].read(source, trainers.Options())
        if not reading.bundles:
            raise mismatch(f"{claim[1]}, with layers of its own", "weights without their layers")
        return drafted(reading.bundles, source)


def _toml(path) -> dict:
    """A chip's profile, or a definition of layers with all blocks written out once."""
    if recognized(path) == "chip":
        return chips.describe(Profile.read(path), str(path))
    definition = Definition.read(path)
    rows = [
        {
            "layer": entry.name,
            "kind": entry.kind,
            "sources": ", ".join(entry.sources),
            "fields": ", ".join(f"{name}={_told(value)}" for name, value in entry.fields.items()),
            "optional": "yes" if entry.optional else "",
        }
        for entry in definition.expanded(1)
    ]
    found = {"file": str(path), "format": "a definition of layers", "title": definition.title}
    shape = definition.input
    found["input"] = "as the weights say" if shape is None else list(shape)
    return found | {"layers": rows}


def _told(value) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _trained(path, source, reader, claim: str) -> dict:
    """A trainer's file: its layers, and what of it cannot be taken over."""
    reading = reader.read(source, trainers.Options())
    found = {"file": str(path), "format": claim}
    content = reading.content
    if isinstance(content, Network):
        found |= _content(content)
    elif content is not None:
        found |= {"input": list(content.input.shape), "output": content.output}
    found |= {"notes": reading.notes, "layers": reading.layers}
    found["unsupported"] = [{"place": place, "what": what} for place, what in reading.unsupported]
    return found


def _network(path) -> dict:
    return {"file": str(path), "format": native.FORMAT, **_content(native.load(path))}


def _content(network: Network) -> dict:
    integer = network.integer_populations(graded_input=False)
    bounded = any(part.bounded for part in network.populations.values())
    populations = [
        {
            "population": name,
            "kind": part.kind,
            "shape": list(part.shape),
            "neurons": part.neurons,
            "integer": name in integer,
            **({"bits": getattr(part, "potential_bits", None)} if bounded else {}),
        }
        for name, part in network.populations.items()
    ]
    synapses = [
        {
            "set": name,
            "kind": part.kind,
            "source": part.source,
            "target": part.target,
            "delay": part.delay,
            "synapses": int(network.connections[name].fan_out.sum()),
            "weights": 0 if part.weights() is None else int(part.weights().size),
            "dtype": None if part.weights() is None else str(part.weights().dtype),
            "bits": part.weight_bits or None,
        }
        for name, part in network.synapses.items()
    ]
    windows = {stage.populations: stage.span for stage in network.stages if stage.span}
    return {
        **{k: v if isinstance(v, int | float) else str(v) for k, v in network.attributes.items()},
        "input": network.input,
        "output": network.output,
        "neurons": sum(part.neurons for part in network.populations.values()),
        "synapses": network.synapse_count,
        "parameters": network.parameters,
        "memory of parameters": f"{_bytes(network) / 1e6:,.1f} MB",
        "shared arrays": _shared(network),
        "order of visits": ", ".join(n for stage in network.stages for n in stage.populations),
        "windows": "; ".join(f"{', '.join(p)}: {w} timesteps" for p, w in windows.items())
        or "all timesteps in one (no cycle)",
        "populations": populations,
        "sets": synapses,
    }


def _shared(network: Network) -> str:
    """How many arrays several parts share, and what they would hold if each had its own."""
    uses = Counter()
    for part in (*network.populations.values(), *network.synapses.values()):
        uses.update(address(v) for v in vars(part).values() if isinstance(v, np.ndarray) and v.ndim)
    shared = {key: count for key, count in uses.items() if count > 1}
    saved = sum((count - 1) * prod(shape) for (_, shape, _), count in shared.items())
    if not shared:
        return "none"
    return f"{len(shared)}, used {sum(shared.values())} times ({saved:,} numbers less than copies)"


def _bytes(network: Network) -> int:
    """The bytes of all arrays; a shared one is counted once."""
    arrays = {}
    for part in (*network.populations.values(), *network.synapses.values()):
        for value in vars(part).values():
            if isinstance(value, np.ndarray):
                arrays[value.__array_interface__["data"][0]] = value.nbytes
    return sum(arrays.values())


def _data(path) -> dict:
    with data.open_data(path) as opened:
        found = {"file": str(path), "format": opened.kind, "samples": opened.samples}
        if opened.images is not None:
            found |= {
                "images": list(opened.images.shape[1:]),
                "dtype": str(opened.images.dtype),
            }
        else:
            events = opened.events
            stored = opened.file is not None
            found |= {"events": int(events.offsets[-1])} if stored else {}
            steps = events.timesteps if stored else events.options.timesteps or LONGEST
            found |= {"shape": list(events.shape), "timesteps": steps, "graded": events.graded}
        if opened.origin.options:
            found["options"] = ", ".join(f"{k}={v}" for k, v in opened.origin.options.items())
        if opened.labels is not None:
            found["labels"] = f"{opened.labels.min()} to {opened.labels.max()}"
        if opened.classes:
            some, more = opened.classes[:MOST], len(opened.classes) - MOST
            also = f", ... ({more:,} more)" if more > 0 else ""
            found["classes"] = ", ".join(f"{i} {name}" for i, name in enumerate(some)) + also
        return found


def _result(path) -> dict:
    stored = result.load(path)
    with hdf5.reading(path):  # facts that do not fit each other are a damaged file
        counts = stored.counts()
    found = {"accuracy": None, "finished samples": stored.count}
    if stored.labels is not None:
        found["accuracy"] = float((stored.labels == stored.predictions).mean())
    found["additions"] = counts["total"]["additions"]
    found |= {f"memory accesses {k}": n for k, n in counts["total"]["memory_accesses"].items()}
    found["facts"] = [
        {"part": name, **{fact: int(n.sum()) for fact, n in facts.items() if fact != "peak"}}
        for name, facts in stored.work.items()
        if "arrivals" in facts
    ]
    told = {"file": str(path), "format": result.FORMAT}
    settings = {k: _scalar(v) for k, v in stored.settings.items() if k not in told | found}
    return told | settings | found  # what is measured is not what a file says of itself


def _scalar(value):
    return value if value is None or isinstance(value, str | int | float) else str(value)
