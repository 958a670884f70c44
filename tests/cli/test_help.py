"""What --help says of every command and option; --version; completion; chips."""

import json
import shlex
import subprocess
import sys
from importlib import import_module

import pytest

from evsim.base.version import __version__
from evsim.chip.profile import shipped
from evsim.cli.main import COMMANDS, _command, run_command

PARAMETERS = [
    (name, option)
    for name in COMMANDS
    for option in _command().commands[name].params
    if option.name != "help"
]


@pytest.mark.parametrize(("name", "option"), PARAMETERS, ids=lambda p: getattr(p, "name", p))
def test_every_option_has_a_text_a_default_and_a_group(name, option):
    assert option.help
    assert len(option.help) > 8
    assert len(option.metavar or "") <= 20  # more would be broken anywhere
    if option.param_type_name == "option":
        assert option.rich_help_panel, f"{name} {option.opts}"
        said = isinstance(option.show_default, str) or option.default is not None
        assert option.required or option.is_flag or said, f"{name} {option.opts}: no default"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_is_right(name, command):
    examples = import_module(f"evsim.cli.commands.{name}").EXAMPLES
    assert examples
    long = " ".join(command(name, "--help")[1].split())
    for example in examples:
        program, first, *words = shlex.split(example)
        assert (program, first) == ("evsim", name)
        assert example in long
        _command().commands[name].make_context(name, words)  # raises a usage error


def test_a_short_option_for_help(command):
    assert command("chips -h") == command("chips --help")
    assert command("-h") == command("--help") == command("")


def test_version(command):
    assert command("--version") == (0, f"evsim {__version__}\n", "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("evsim co", {"convert", "compare", "cost"}),
        ("evsim run --acc", {"--accumulate"}),
        ("evsim check n.h5 --chip tr", {"truenorth"}),
    ],
)
def test_a_shell_completes(line, expected, monkeypatch, capsys):
    monkeypatch.setenv("_EVSIM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    with pytest.raises(SystemExit, match="0"):
        run_command([])
    out, err = capsys.readouterr()
    assert (set(out.split()), err) == (expected, "")


def test_starting_loads_nothing_for_the_completion():
    script = "import sys; from evsim.cli.main import _command; _command(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert not {"matplotlib", "jinja2", "pandas", "scipy.sparse"} & set(done.stdout.split())


def test_chips(command):
    rows = {row["name"]: row for row in json.loads(command("chips --json")[1])["chips"]}
    assert set(rows) == set(shipped())
    assert rows["loihi"]["check"] == ["capacity", "bits", "schedule", "queues", "time"]
    assert (rows["loihi"]["prices"], rows["loihi"]["units"]) == (4, ["pJ", "ns"])
    assert (rows["horowitz-45nm"]["check"], rows["horowitz-45nm"]["units"]) == ([], ["pJ"])
    _, out, _ = command("chips")
    assert all(name in out and row["title"] in out for name, row in rows.items())


def test_info_of_a_chip_by_name_and_by_file(command):
    given = "loihi", shipped()["loihi"]
    found = [json.loads(command("info", name, "--json")[1]) for name in given]
    assert found[0] == found[1]
    assert found[0]["format"] == "a chip's profile"
    settings = {row["setting"]: row["value"] for row in found[0]["settings"]}
    assert settings["numeric.weight.bits"] == "8"
    assert settings["capacity.neurons_per_core"] == "1,024"
    assert settings["time.ns.barrier"] == "113 to 465"
    assert [row["name"] for row in found[0]["queues"]] == ["host_input"]
    assert {row["action"] for row in found[0]["prices"]} >= {"synaptic_add", "event_push"}


@pytest.mark.parametrize("name", shipped())
def test_info_of_every_chip(name, command):
    status, out, _ = command("info", name)
    assert status == 0
    assert name in out
