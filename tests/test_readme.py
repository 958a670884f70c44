"""The README is true: its demo, its contents, its set-up; tests/docs runs the rest of it."""

import re

import examples
from support.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_demo_prints_what_the_readme_shows():
    blocks = examples.blocks(README)
    demo = next(i for i, block in enumerate(blocks) if block.text == "evsim demo\n")
    with examples.folder():
        printed = examples.run(blocks[demo], {}, "README.md")
    shown = examples.shown(printed, "", "README.md")
    assert examples.masked(blocks[demo + 1].text) == examples.masked(shown)


def test_ci_runs_the_readme_s_test_command():
    commands = re.findall(r"^python3 -m venv.*$", README, re.M)
    assert len(commands) == 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_readme_is_short_and_has_contents_and_a_picture():
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S)
    assert len(prose.split()) < 1500
    titles = re.findall(r"^## (.*)$", README, re.M)
    anchors = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
    assert [anchor for anchor in anchors if f"](#{anchor})" in README] == anchors[:-1]  # licence
    [picture] = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert (ROOT / picture).stat().st_size < 150_000
