"""What the pages show is what their examples print, and their links lead somewhere."""

import re

import examples
import hooks
import pytest
from support.places import ROOT

QUICK = ("guide/networks.md", "guide/setup.md", "guide/trainers.md", "tutorials/my-kind.md")
REFERENCE = "docs/reference/"
EVERY = {path.relative_to(ROOT).as_posix(): path for path in examples.pages()}
PAGES = [name for name in EVERY if not name.startswith(REFERENCE)]
FENCE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.M | re.S)


@pytest.mark.parametrize(
    "name", [n if n.endswith(QUICK) else pytest.param(n, marks=pytest.mark.slow) for n in PAGES]
)
def test_a_page_shows_what_its_examples_print(name, monkeypatch):
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    page = EVERY[name].read_text(encoding="utf-8")
    with examples.folder():
        assert examples.checked(page, name) == page, f"python docs/examples.py --write {name}"


def test_an_example_that_fails_is_told(inside):
    page = "text\n\n```sh\nevsim run missing.h5 missing.h5\n```\n"
    with pytest.raises(examples.Wrong, match=r"page\.md, line 3: .* ended with 2, not 0"):
        examples.checked(page, "page.md")
    with pytest.raises(examples.Wrong, match="KeyError"):
        examples.checked("```python\n{}[1]\n```\n", "page.md")
    with pytest.raises(examples.Wrong, match="'rm' is not run here"):
        examples.checked("```sh\nrm file\n```\n", "page.md")


def test_what_is_printed_takes_the_place_of_what_is_shown(inside):
    page = "```python\nprint('a 0.5 s', end=' ')\n[1]\n```\n\n{}```text\n{}\n```\n"
    assert examples.checked(page.format("", "old"), "p") == page.format("", "a 0.5 s [1]")
    same = page.format("", "a 7.25 s [1]")  # but for the time
    assert examples.checked(same, "p") == same
    some = (
        '```python\nprint(\'a\\nb\\nc\')\n```\n<!-- shown from "b" until "c" -->\n```text\n{}```\n'
    )
    assert examples.checked(some.format("x\n"), "p") == some.format("b\n")


@pytest.mark.parametrize("name", sorted({*EVERY, *hooks.elsewhere()}))
def test_links_lead_somewhere(name):
    text = FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
        assert (ROOT / name).parent.joinpath(link).exists(), link


def test_the_table_of_another_tool_is_the_committed_one():
    page = (ROOT / "docs/tutorials/other-tools.md").read_text(encoding="utf-8")
    committed = (ROOT / "tests/benchmarks/CONVENTIONS.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) > 10
    assert set(rows) <= set(committed.splitlines())


@pytest.mark.slow
def test_another_tool_counts_what_the_page_shows():
    pytest.importorskip("spikingjelly", reason="its own counter is asked: evsim[bench]")
    path = ROOT / "docs/tutorials/other-tools.md"
    page = path.read_text(encoding="utf-8")
    with examples.folder():
        assert examples.checked(page, path.name) == page
