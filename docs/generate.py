"""The reference pages, made from the records that they are about: `python docs/generate.py`.

writes docs/reference/*.md; a test compares them with what this writes. What a field is, and its
unit in brackets, is the comment on its line; what a kind is and computes, its docstring; what it
costs, the actions of `evsim.counting.machine` with names in the place of numbers.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import tempfile
from pathlib import Path

from records import (
    default_of,
    fields_table,
    population_cost,
    prose,
    set_cost,
    state_of,
    table,
    told,
)

DOCS = Path(__file__).resolve().parent

HEAD = "<!-- Made by docs/generate.py: change the records or that file, not this page. -->\n\n"
ATTRIBUTES_ARE = {  # the root attributes of a network
    "coding": "how images become events, where the command does not say",
    "name": "shown in tables",
    "description": "for people",
    "source": "where the network comes from",
    "timesteps": "how many, where the command does not say",
    "window": "N of kinds that speak in windows, [timesteps]",
    "seed": "of random numbers, where the command does not say",
    "classes": "names of the classes, with commas between them",
    "ann_accuracy": "of the artificial network it was converted from, 0 to 1",
}
COSTS = (
    "Counts are in *facts* of a run ([what is counted](counting.md)), for the three ways in which"
    ' a machine accumulates, with `update = "clock"`; with `"active"` `updates` are'
    " `active_updates`."
)


def networks() -> str:
    """The network format."""
    from evsim.network.network import ATTRIBUTES
    from evsim.neurons import Neurons, neuron_kinds
    from evsim.synapses import Synapses, synapse_kinds

    attributes = [(f"`{name}`", ATTRIBUTES_ARE[name]) for name in ATTRIBUTES]
    page = [(DOCS / "reference" / "_networks.txt").read_text(encoding="utf-8")]
    page.append("## Attributes of the file\n\n" + table(("attribute", "what"), attributes))
    page.append("## Neurons\n\nEvery kind has `kind` and `shape`. " + COSTS)
    for kind, cls in neuron_kinds().items():
        own = [f.name for f in dataclasses.fields(cls) if f not in dataclasses.fields(Neurons)]
        page.append(f"### {kind}\n\n{prose(cls.__doc__)}")
        if own:
            page.append(fields_table(cls, own))
        page += [state_of(cls), population_cost(cls)]
    page.append("## Sets of synapses\n\nEvery kind has\n\n" + fields_table(Synapses))
    shared = [f.name for f in dataclasses.fields(Synapses)]
    for kind, cls in synapse_kinds().items():
        own = [f.name for f in dataclasses.fields(cls) if f.name not in shared]
        page += [f"### {kind}\n\n{prose(cls.__doc__)}", fields_table(cls, own), set_cost(cls)]
    return "\n\n".join(part.rstrip() for part in page if part) + "\n"


def codings_page() -> str:
    """The codings."""
    from evsim.codings import codings

    page = ["# Codings", "How an image becomes events. `--coding`, or the network's attribute."]
    rows = []
    for name, module in codings().items():
        graded = "where the data say so" if name == "events" else "yes" if module.GRADED else "no"
        first, _, rest = module.__doc__.partition("\n\n")
        rows.append((f"`{name}`", prose(" ".join(first.split())), graded, str(module.DRAWS)))
        page += [prose(rest)] if rest else []
    head = ("coding", "what", "graded", "random numbers per neuron and timestep")
    page.insert(2, table(head, rows))
    return "\n\n".join(part.rstrip() for part in page if part) + "\n"


def counting() -> str:
    """Facts, actions and machines."""
    from evsim.counting import facts, machine
    from evsim.neurons import neuron_kinds

    page = [(DOCS / "reference" / "_counting.txt").read_text(encoding="utf-8")]
    lists = [
        ("Facts of a set", facts.SET_FACTS),
        ("Facts of a population", facts.POPULATION_FACTS),
        *(
            (f"Facts of kind {k} beside these", c.FACTS)
            for k, c in neuron_kinds().items()
            if c.FACTS
        ),
        ("Facts of neurons that predict", facts.PREDICTION_FACTS),
        ("Facts of a set whose queue has a depth", facts.QUEUE_FACTS),
        ("Facts of a set of a constant input behind such a queue", facts.FIRST_FACTS),
        ("Facts of a population of a declared width", facts.WIDTH_FACTS),
        ("Actions", machine.ACTIONS),
        ("What a machine updates", machine.UPDATES),
    ]
    for title, names in lists:
        rows = [(f"`{name}`", prose(what)) for name, what in names.items()]
        page.append(f"## {title}\n\n" + table(("name", "what"), rows))
    rows = [(f"`{n}`", ", ".join(f"`{c}`" for c in own)) for n, own in machine.CHOICES.items()]
    page.append("## Machines\n\n" + table(("", "one of, the first is the default"), rows))
    words = " + ".join(f"`{name}`" for name in machine.ADDITIONS)
    m3 = " + ".join(f"`{name}`" for name in machine.M3)
    page.append(f"`additions` = {words}. `M3` = {m3}.")
    return "\n\n".join(part.rstrip() for part in page if part) + "\n"


def data() -> str:
    """The data format and the sources that are read where they are."""
    from evsim.formats import sources
    from evsim.formats.sources._options import Options

    page = [(DOCS / "reference" / "_data.txt").read_text(encoding="utf-8")]
    rows = []
    for name, module in sources.kinds().items():
        options = ", ".join(f"`{o.replace('_', '-')}`" for o in module.OPTIONS)
        where = ", ".join([module.WHERE] if isinstance(module.WHERE, str) else module.WHERE)
        rows.append((f"`{name}`", prose(module.TITLE), where, options))
    page.append("## Kinds of sources\n\n" + table(("kind", "what", "lies in", "options"), rows))
    rows = []
    for field in dataclasses.fields(Options):
        unit, text = told(Options, field.name)
        rows.append((f"`{field.name.replace('_', '-')}`", default_of(field), unit, prose(text)))
    page.append("## Options\n\n" + table(("option", "default", "unit", "what"), rows))
    return "\n\n".join(part.rstrip() for part in page if part) + "\n"


RESULT = {  # what a result file holds; N samples, T timesteps
    "samples": ("(N,)", "their indices in the data"),
    "labels": ("(N,)", "where the data have some"),
    "predictions": ("(N,)", "the classes decided for"),
    "predictions_by_timestep": ("(N, T)", "and at the end of each timestep"),
    "potential/OUTPUT": (
        "(N, classes)",
        "of the output at the end (in the arithmetic of its neurons)",
    ),
    "work/PART/FACT": ("(N,)", "[facts](counting.md) of each population and set"),
    "accesses/PART": ("(N, k)", "how many synapses carried, or neurons sent, 0, 1, 2, ... events"),
    "spikes/POPULATION/sample": ("(events,)", "`record` spikes; readable as an event file"),
    "spikes/POPULATION/timestep": ("(events,)", ""),
    "spikes/POPULATION/neuron": ("(events,)", ""),
    "spikes/POPULATION/value": ("(events,)", ""),
    "trace/POPULATION": ("(N, T, neurons)", "`record` trace: potentials after the reset"),
    "queue/SET": ("(N, T)", "`record` queues: events that arrive"),
    "ranges/POPULATION": (
        "(N, 2) or (N, 4)",
        "`record` ranges: least and greatest sum of integers",
    ),
    "first_overflows/POPULATION": (
        "(N, 2)",
        "timestep, neuron of the first sum that left its width",
    ),
}


def results() -> str:
    """The result format, from a file that is written here."""
    page = [(DOCS / "reference" / "_results.txt").read_text(encoding="utf-8")]
    places, settings, parts = written()
    known = {"work": "PART/FACT", "accesses": "PART", "potential": "OUTPUT", "queue": "SET"}
    found = {}
    for place, kind in places.items():
        folder, *rest = place.split("/")
        name = known.get(folder, "/".join(["POPULATION", *rest[1:]])) if rest else ""
        found[f"{folder}/{name}".rstrip("/")] = kind
    if found.keys() != RESULT.keys():
        raise ValueError(f"a result file holds other things: {found.keys() ^ RESULT.keys()}")
    rows = [(f"`/{p}`", RESULT[p][0], found[p], RESULT[p][1]) for p in RESULT]
    page.append("## Datasets\n\n" + table(("place", "shape", "type", "what"), rows))
    page.append("## Attributes\n\n" + _listed("The file", settings))
    page += [_listed(f"`/parts/NAME` of a {what}", names) for what, names in parts.items()]
    return "\n\n".join(part.rstrip() for part in page if part) + "\n"


def _listed(what: str, names) -> str:
    return f"{what}: {', '.join(f'`{name}`' for name in sorted(names))}."


def written() -> tuple[dict[str, str], set[str], dict[str, set[str]]]:
    """The datasets of a result file with their types, its attributes, those of its parts."""
    import h5py
    import numpy as np

    import evsim

    neurons, sets = evsim.neuron_kinds(), evsim.synapse_kinds()
    ones = np.ones((2, 2), np.int8)
    width = {"potential_bits": 2, "overflow": "saturate"}
    network = evsim.Network(
        {
            "in": neurons["input"](shape=(2,)),
            "hidden": neurons["iaf"](shape=(2,), threshold=1, **width),
            "out": neurons["readout"](shape=(2,)),
        },
        {
            "in-hidden": sets["dense"](source="in", target="hidden", weight=2 * ones),
            "hidden-out": sets["dense"](source="hidden", target="out", weight=ones),
        },
    )
    record = ("spikes", "trace", "queues", "ranges")
    run = evsim.run(network, np.ones((1, 2)), timesteps=2, coding="poisson", record=record)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.h5"
        run.save(path, labels=np.zeros(1, int))
        with h5py.File(path) as file:
            places: dict[str, str] = {}
            file.visititems(lambda name, item: places.update(_typed(name, item)))
            kinds = {"set": "in-hidden", "population": "hidden"}
            parts = {what: set(file["parts"][name].attrs) for what, name in kinds.items()}
            settings = {*file.attrs, *json.loads(file.attrs["settings"])}
            return places, settings, parts


def _typed(name: str, item) -> dict[str, str]:
    return {name: str(item.dtype)} if hasattr(item, "dtype") else {}


def chips() -> str:
    """Chip profiles: every table and key."""
    from evsim.chip.profile import Profile, find
    from evsim.chip.profile import profile as module

    page = [(DOCS / "reference" / "_chips.txt").read_text(encoding="utf-8")]
    shipped = [
        (f"`{path.stem}`", prose(Profile.read(path).title))
        for path in sorted(find("loihi").parent.glob("*.toml"))
    ]
    page.append("## Profiles that come with evsim\n\n" + table(("name", "what"), shipped))
    todo = {Profile: []}
    for record in (records := list(todo)):
        for field in dataclasses.fields(record):
            inner = _record_of(field, module, record)
            if inner is not None:
                key, many = field.metadata["key"] or field.name, "tuple" in str(field.type)
                outer = "" if record is Profile else f"{todo[record][0].strip('`[]')}."
                name = f"`[[{outer}{key}]]`" if many else f"`[{outer}{key}]`"
                todo.setdefault(inner, []).append(name)
                records += [] if inner in records else [inner]
    for record, names in todo.items():
        page.append(f"## {', '.join(names) or 'The file itself'}\n\n{prose(record.__doc__)}")
        page.append(fields_table(record, key=lambda field: field.metadata["key"] or field.name))
    return "\n\n".join(part.rstrip() for part in page if part) + "\n"


def _record_of(field: dataclasses.Field, module, record: type):
    """The record that a field of a profile holds, if it holds any."""
    from evsim.chip.profile.records import Record

    names = {**vars(module), **vars(sys.modules[record.__module__])}
    for word in re.findall(r"\w+", str(field.type)):
        if isinstance(names.get(word), type) and issubclass(names[word], Record):
            return names[word]
    return None


def commands() -> str:
    """The commands and their options."""
    from evsim.cli.main import _command

    group = _command()
    page = [(DOCS / "reference" / "_commands.txt").read_text(encoding="utf-8")]
    for name, command in group.commands.items():
        words = " ".join(
            _usage(parameter) for parameter in command.params if _is_argument(parameter)
        )
        page.append(f"## evsim {name}\n\n{prose(command.help)}")
        page.append(f"```text\nevsim {name} {words} [OPTIONS]\n```".replace("  ", " "))
        if command.epilog:
            lines = [line.strip() for line in command.epilog.splitlines()]
            shown = "\n".join(line for line in lines if line.startswith("evsim"))
            page.append(f"```text\n{shown}\n```")
        asked = [parameter for parameter in command.params if parameter.name != "help"]
        panels = dict.fromkeys(parameter.rich_help_panel for parameter in asked)
        for panel in panels:
            rows = [_option(parameter) for parameter in asked if parameter.rich_help_panel == panel]
            page.append(table((panel or "", "takes", "default", "what"), rows))
    return "\n\n".join(part.rstrip() for part in page if part) + "\n"


def _is_argument(parameter) -> bool:
    return parameter.param_type_name == "argument"


def _usage(parameter) -> str:
    return parameter.name.upper() + ("..." if parameter.nargs == -1 else "")


def _type(parameter) -> str:
    """What an option without a word for it takes, by its annotation."""
    named = {"str": "a word", "Path": "a path", "int": "a whole number", "float": "a number"}
    return named.get(parameter.type_descriptor.annotation.__name__, "")


def _option(parameter) -> tuple[str, str, str, str]:
    text = (parameter.help or "").replace("\\[", "[")
    if _is_argument(parameter):
        takes = "one or more paths" if parameter.nargs == -1 else "a path"
        return f"`{_usage(parameter)}`", takes, "**required**", prose(text)
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    takes = "" if parameter.is_flag else prose(parameter.metavar or _type(parameter))
    takes += ", again for another" if parameter.multiple else ""
    default = parameter.default
    if parameter.required:
        shown = "**required**"
    elif isinstance(parameter.show_default, str):
        shown = prose(parameter.show_default)
    elif default in (None, False) or not isinstance(default, str | int | float):
        shown = "off" if parameter.is_flag else "none"
    else:
        shown = f"`{default}`"
    return names, takes, shown, prose(text)


def python() -> str:
    """The public names."""
    import evsim

    page = [(DOCS / "reference" / "_python.txt").read_text(encoding="utf-8")]
    for name in sorted(evsim.__all__, key=str.lower):
        found = getattr(evsim, name)
        where = f"{found.__module__}.{found.__qualname__}"
        page.append(
            f"::: {where}\n    options:\n      heading: evsim.{name}\n      toc_label: {name}"
        )
    return "\n\n".join(part.rstrip() for part in page if part) + "\n"


PAGES = {
    "networks": networks,
    "codings": codings_page,
    "counting": counting,
    "data": data,
    "results": results,
    "chips": chips,
    "commands": commands,
    "python": python,
}


def main() -> None:
    """Write all pages."""
    for name, make in PAGES.items():
        (DOCS / "reference" / f"{name}.md").write_text(HEAD + make(), encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(DOCS.parent))
    main()
