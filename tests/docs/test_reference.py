"""The reference pages are those that the records make, and leave nothing out."""

import dataclasses

import generate
import pytest
import records
from support.places import ROOT

import evsim
from evsim.chip.profile import Profile
from evsim.cli.main import COMMANDS


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_page_is_what_its_records_say(name):
    path = ROOT / "docs" / "reference" / f"{name}.md"
    made = generate.HEAD + generate.PAGES[name]()
    assert path.read_text(encoding="utf-8") == made, "python docs/generate.py"


def test_no_page_is_left_over():
    pages = {path.stem for path in (ROOT / "docs" / "reference").glob("*.md")}
    assert pages == generate.PAGES.keys()


KINDS = {**evsim.neuron_kinds(), **evsim.synapse_kinds()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_it_is_and_every_kind_its_law(kind):
    cls = KINDS[kind]
    assert cls.__doc__
    for field in dataclasses.fields(cls):
        unit, text = records.told(cls, field.name)
        assert unit or text, field.name
        assert field.metadata["takes"], field.name


@pytest.mark.parametrize("kind", evsim.neuron_kinds())
def test_every_kind_can_be_built_to_see_its_cost(kind):
    assert records.built(evsim.neuron_kinds()[kind]) is not None


def test_every_key_of_a_profile_says_what_it_is():
    page = generate.chips()
    for field in dataclasses.fields(Profile):
        assert f"| `{field.metadata['key'] or field.name}` |" in page
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert all(row[-1].strip(" |") or row[-2].strip() for row in rows)


def test_every_command_and_public_name_is_there():
    page = generate.commands()
    assert all(f"## evsim {name}\n" in page for name in COMMANDS)
    page = generate.python()
    assert all(f"heading: evsim.{name}\n" in page for name in evsim.__all__)
