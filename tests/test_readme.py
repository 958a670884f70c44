"""The README is true: its demo, its example and its commands."""

import re
import shlex

import pytest
from support.places import ROOT

from evsim.chip.prices import Profile
from evsim.cli.main import run_command

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """The code between two markers."""
    return re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```\n<!-- /{name} -->", README, re.S)[1]


def test_the_demo_prints_what_the_readme_shows(capsys):
    assert run_command(["demo"]) == 0
    timed = re.compile(r", [\d.]+ s \([\d,]+ samples/s\)")
    shown = [line.rstrip() for line in timed.sub("", block("demo")).splitlines()]
    assert shown == [line.rstrip() for line in timed.sub("", capsys.readouterr().out).splitlines()]


@pytest.mark.slow
def test_the_fixed_point_prints_what_the_readme_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = block("quantize-command").split()[1:]
    own = [f"{ROOT}/{w}" if w.startswith(("networks/", "data/")) else w for w in words]
    assert run_command(own) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed == block("quantize").splitlines()


def test_the_example_writes_a_network_that_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = block("example")
    assert len([line for line in code.splitlines() if line.strip()]) <= 17
    exec(compile(code, "README.md", "exec"), {})
    assert run_command(["run", "network.h5", "data.h5", "--json"]) == 0
    assert '"accuracy": 1.0' in capsys.readouterr().out


def test_the_costs_are_those_the_readme_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("networks", "data"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    run, cost = re.search(r"```sh\n(evsim run .*?)\n(evsim cost .*?)\n```", README).groups()
    assert run_command([*run.split()[1:], "--quiet"]) == 0
    assert run_command(cost.split()[1:]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    shown = [line.rstrip() for line in block("cost").splitlines()]
    begin = shown.index(next(line for line in shown if line.startswith("loihi: no price")))
    assert shown == printed[:begin] + printed[begin - len(shown) :]


@pytest.mark.slow
def test_the_check_is_the_one_the_readme_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("networks", "data"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    made, check = re.search(r"```sh\n(evsim quantize .*?)\n(evsim check .*?)\n```", README).groups()
    assert run_command([*shlex.split(made)[1:], "--quiet"]) == 0
    assert run_command(shlex.split(check)[1:]) == 1
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    shown = block("check").splitlines()
    assert shown == printed[: len(shown)]


def test_the_profile_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(re.search(r"```toml\n(schema.*?)```", README, re.S)[1])
    assert Profile.read(path).charges[0].pj == 0.9


def test_ci_runs_the_readme_s_test_command():
    commands = re.findall(r"^python3 -m venv.*$", README, re.M)
    assert len(commands) == 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_lead_somewhere():
    links = [
        (ROOT / page, link)
        for page in ("README.md", "DESIGN.md", "networks/README.md", "data/README.md")
        for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    ]
    assert len(links) > 10
    for page, link in links:
        assert page.parent.joinpath(link).exists(), f"{page}: {link}"
