"""Every option that takes a value, found in the commands: at 0, and at its default.

A number is either refused at 0, in one line that names it, or it is seen in what is written; to
give the default is to give nothing. An option or a command without an entry here fails.
"""

import json
import re
import shutil
import typing
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.files import content
from support.torch_files import TOPOLOGY, hdf5, small

import evsim
from evsim.base.errors import EvsimError
from evsim.base.processors import cores
from evsim.cli.main import COMMANDS, _command, run_command
from evsim.conversion import convert
from evsim.engine.events import Events
from evsim.formats.trainers import Options

REFUSED = None
NUMBERS = {  # option: its default, if there is one, and where 0 is no mistake another number
    "--timesteps": ("64", REFUSED),
    "--samples": (":", REFUSED),
    "--jobs": (str(cores()), REFUSED),
    "--memory": ("512M", REFUSED),
    "--seed": ("0", "1"),
    "--scale": ("255", REFUSED),
    "--mean": ("0", "0.5"),
    "--std": ("1", REFUSED),
    "--passes": ("1", REFUSED),
    "--dt": (None, REFUSED),  # the file's, or guessed from it
    "--target-loss": (None, "1"),
    "--percentile": ("99.9", REFUSED),
    "--threshold-scale": ("1", REFUSED),
    "--v-init": ("0.5", "0.25"),
    "--stagger": ("0", "1"),
    "--feedback-delay": ("1", REFUSED),
    "--window": ("8", REFUSED),
    "--rounding": ("0.5", "0.25"),
    "--delta": ("4", "2"),  # half of the window below
    "--prediction": ("0.5", "0.25"),
    "--bias-start": (None, REFUSED),  # of lava-dl's files alone
    "--bits": (None, REFUSED),
    "--potential-bits": (None, REFUSED),
    "--current-bits": (None, REFUSED),
    "--readout-bits": (None, REFUSED),
    "--title": (None, "1"),  # any words, these too
}
WORDS = {  # options that take no number: 0 is a mistake
    *("--coding", "--dtype", "--accumulate", "--update", "--input", "--record", "--convention"),
    *(
        "--topology",
        "--reset",
        "--compare",
        "--like",
        "--method",
        "--balance",
        "--pooling",
        "--scheme",
        "--firing",
    ),
    *("--unroll", "--unroll-thresholds", "--analog", "--overflow", "--overflow-at", "--placing"),
    *("--chip", "--prices", "--claim", "--cluster"),
}
QUANTIZE = "quantize c.h5 -o o.h5 --overwrite --coding poisson --json"
LINES = {  # a command line that is right; with another option beside it for some
    "run": "run c.h5 d.h5 --coding poisson --out r.h5 --overwrite --json",
    "ann": "ann m.h5 d.h5 --topology drawn.toml --json",
    "convert": "convert m.h5 -o o.h5 --overwrite --topology small.toml --calibrate d.h5 --json",
    "compare": "compare c.h5 d.h5 --ann m.h5 --topology small.toml --coding poisson --json",
    "quantize": f"{QUANTIZE} --bits 8 --data d.h5",
    "check": "check c.h5 d.h5 --chip loihi --coding poisson --json",
    "cost": "cost c.result.h5 --chip loihi --json",
    "report": "report c.result.h5 -o o.html --overwrite",
    "info": "info c.h5 --json",
    "demo": "demo",
    "chips": "chips --json",
    "warm": "warm",
    "convert --seed": "convert m.h5 -o o.h5 --overwrite --topology small.toml --calibrate d.h5 "
    "--json --coding poisson --correct-bias",
    "convert --stagger": "convert t.h5 -o o.h5 --overwrite --topology turns.toml --calibrate d.h5 "
    "--json",
    "convert --feedback-delay": "convert t.h5 -o o.h5 --overwrite --topology turns.toml "
    "--calibrate d.h5 --json --unroll recurrent",
    "convert --window": "convert m.h5 -o o.h5 --overwrite --topology small.toml --calibrate d.h5 "
    "--json --scheme phase",
    "convert --rounding": "convert m.h5 -o o.h5 --overwrite --topology small.toml "
    "--calibrate d.h5 --json --scheme switch --window 8",
    **{
        f"convert {option}": "convert m.h5 -o o.h5 --overwrite --topology small.toml "
        "--calibrate d.h5 --json --scheme switch --window 8 --firing online"
        for option in ("--delta", "--prediction")
    },
    **{
        f"convert {option}": "convert m.h5 -o o.h5 --overwrite --topology small.toml "
        "--calibrate d.h5 --json --method percentile"
        for option in ("--percentile", "--threshold-scale", "--v-init")
    },
    "quantize --bits": f"{QUANTIZE} --data d.h5",
    "quantize --potential-bits": f"{QUANTIZE} --bits 8 --data d.h5",
    "quantize --current-bits": f"{QUANTIZE} --bits 8 --potential-bits 16",
    "quantize --readout-bits": f"{QUANTIZE} --bits 8 --potential-bits 16",
}
TURNS = """
input = [4, 4, 3]
layers = [
  { name = "conv1", kind = "conv", kernel = 3, padding = 1 },
  { name = "relu", kind = "relu" },
  { use = "b", name = "back", turns = 2 },
  { name = "flatten", kind = "flatten" },
  { name = "fc", kind = "dense" },
]
[blocks.b]
layers = [
  { name = "conv", kind = "conv", kernel = 3, padding = 1 },
  { name = "relu", kind = "relu" },
]
"""


def options():
    """(command, click parameter, types it may have) of all that take a value, files apart."""
    for name in COMMANDS:
        hints = typing.get_type_hints(getattr(import_module(f"evsim.cli.commands.{name}"), name))
        for option in _command().commands[name].params:
            if option.param_type_name == "option" and not option.is_flag:
                hint = hints[option.name]
                kinds = {hint, *typing.get_args(hint)}
                if not {Path, list[Path]} & kinds:
                    yield name, option, kinds


OPTIONS = list(options())
NAMES = [(command, option.opts[-1]) for command, option, _ in OPTIONS]
EFFECTIVE = [place for place in NAMES if NUMBERS.get(place[1], (None, REFUSED))[1]]
ALIKE = [("convert", "--target-loss")]  # where few timesteps lose nothing: test_search.py has it
DEFAULTS = {
    (command, option.opts[-1]): option.default
    if isinstance(option.default, str)
    else NUMBERS.get(option.opts[-1], (None, REFUSED))[0]
    for command, option, _ in OPTIONS
}
DEFAULTS = {place: default for place, default in DEFAULTS.items() if default is not None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Trainers' files, definitions, images, a converted network and its result."""
    folder = tmp_path_factory.mktemp("options")
    random = np.random.default_rng(3)
    (folder / "small.toml").write_text(TOPOLOGY)
    (folder / "drawn.toml").write_text(TOPOLOGY.replace('kind = "relu"', 'kind = "stochastic"'))
    (folder / "turns.toml").write_text(TURNS)
    state = small()
    for key in ("conv1.weight", "fc.weight"):
        state[key] = np.float32(random.normal(size=state[key].shape) / 4)
    hdf5(folder / "m.h5", state)
    turns = {key: state[key] for key in ("conv1.weight", "fc.weight", "fc.bias")}
    turns["back.conv.weight"] = np.float32(random.normal(size=(4, 4, 3, 3)) / 4)
    hdf5(folder / "t.h5", turns)
    with h5py.File(folder / "d.h5", "w") as file:
        file["images"] = random.integers(0, 256, (6, 4, 4, 3), np.uint8)
        file["labels"] = random.integers(0, 10, 6)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EVSIM_NO_GUARD", "1")
        line = "convert m.h5 -o c.h5 --topology small.toml --calibrate d.h5 --quiet"
        assert run_command(line.split()) == 0
        line = "run c.h5 d.h5 -T 8 --out c.result.h5 --quiet"
        assert run_command(line.split()) == 0
        yield folder


@pytest.fixture
def said(folder, command):
    """Run a command with some words; returns (status, standard output, standard error)."""

    def run(name, option, *words):
        line = LINES.get(f"{name} {option}", LINES[name]).split()
        if words and option in line:  # it takes the place of the line's own
            at = line.index(option)
            del line[at : at + 2]
        return command(*line, *words)

    return run


@pytest.fixture
def written(said):
    """What a command prints, and the file that it writes."""

    def run(command, option, *words):
        status, out, err = said(command, option, *words)
        assert status in (0, 1), err
        file = {"run": "r.h5", "report": "o.html"}.get(command, "o.h5")
        made = None
        if Path(file).exists():
            made = content(file) if file.endswith("h5") else Path(file).read_text()
            Path(file).unlink()
        return _timeless(json.loads(out)) if out else None, made

    return run


def _timeless(found):
    """The same without how long it took."""
    if isinstance(found, dict):
        return {k: _timeless(v) for k, v in found.items() if "seconds" not in k}
    return [_timeless(v) for v in found] if isinstance(found, list) else found


def named(value):
    """The name of a test: of a command and an option, as sets have no order."""
    return value if isinstance(value, str) else getattr(value, "name", "")


@pytest.mark.parametrize(("name", "option", "kinds"), OPTIONS, ids=named)
def test_every_option_is_known_here(name, option, kinds):
    word = option.opts[-1]
    assert name in LINES
    assert (word in NUMBERS) != (word in WORDS), f"what does {name} {word} do at 0?"
    if kinds & {int, float}:
        assert word in NUMBERS
    default = option.show_default if isinstance(option.show_default, str) else ""
    told = re.match(r"\d[\d.]*", default)
    assert told is None or NUMBERS[word][0] == told[0]


@pytest.mark.parametrize(("name", "option"), [p for p in NAMES if p not in EFFECTIVE])
def test_0_is_refused(name, option, said):
    status, out, err = said(name, option, option, "0")
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert not list(Path().glob("*.part"))
    assert option in err.split(", expected")[0] or "'0'" in err or "0: no such file" in err, err


@pytest.mark.slow
@pytest.mark.parametrize(("name", "option"), [p for p in EFFECTIVE if p not in ALIKE])
def test_0_is_a_number(name, option, written):
    default, other = NUMBERS[option]
    nothing, zero = written(name, option), written(name, option, option, "0")
    assert zero != written(name, option, option, other)
    assert (zero == nothing) == (default == "0")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "option"), DEFAULTS)
def test_to_give_the_default_is_to_give_nothing(name, option, written):
    default = DEFAULTS[name, option]
    assert written(name, option, option, default) == written(name, option)


def test_a_seed_of_0_takes_the_place_of_the_networks(folder, capsys):
    shutil.copy("c.h5", "seeded.h5")
    with h5py.File("seeded.h5", "r+") as other:
        other.attrs["seed"] = 7
    for words, seed in (("", 7), (" --seed 0", 0), (" --seed 3", 3)):
        capsys.readouterr()
        assert run_command(f"run seeded.h5 d.h5 -T 2 --json{words}".split()) == 0
        assert json.loads(capsys.readouterr().out)["seed"] == seed


def test_the_first_sample_may_be_0_of_later_events(folder):
    events = Events(*[np.array([4])] * 3, shape=(4, 4, 3), samples=6, timesteps=8)
    for choices, first in (({}, 4), ({"first_sample": 0}, 0), ({"first_sample": 9}, 9)):
        run = evsim.run(evsim.load("c.h5"), events[4:6], timesteps=8, **choices)
        assert run.samples == [first, first + 1]


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_threads_are_refused(jobs, folder):
    from evsim.formats import trainers

    model = trainers.read("m.h5", Options(topology="small.toml")).result()
    images = np.zeros((2, 4, 4, 3), np.uint8)
    for compute in (
        lambda: convert(model, images, jobs=jobs),
        lambda: convert(model, images, jobs=jobs, method="spike-norm"),
        lambda: model.predictions(images, jobs=jobs),
    ):
        with pytest.raises(EvsimError, match=f"jobs: found {jobs}, expected a whole number"):
            compute()


def test_an_option_of_0_that_contradicts_a_file_is_refused():
    for choices in ({"scale": 0}, {"dt": 0.0}, {"scale": 1.0}):
        [name] = choices
        with pytest.raises(EvsimError, match=rf"^{name}: contradicts the file"):
            Options(**choices).refuse(name, "it says 2")
    Options().refuse("bgr", "it says so")


def test_what_help_says_of_a_default_is_shown(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for command in COMMANDS:
        run_command([command, "--help"])
        shown = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
        for name, option, _ in options():
            default = option.show_default if isinstance(option.show_default, str) else ""
            for told in (option.help, default) if name == command else ():
                assert told in shown, f"{command} {option.opts[-1]}"


def test_what_is_of_switching_online_is_refused_elsewhere(said):
    for option in ("--delta", "--prediction"):
        status, _, err = said("convert", "--rounding", option, "0")
        assert (status, err) == (
            2,
            f"evsim: {option}: found firing 'window', expected 'online' with it\n",
        )
