"""Every command that prints tables at 60, 80, 100 columns and piped."""

import contextlib
import io
import re
from itertools import pairwise

import h5py
import numpy as np
import pytest
from support.torch_files import TOPOLOGY, hdf5, small

from evsim.base import screen
from evsim.base.shipped import shipped
from evsim.base.table import JOINT, cells
from evsim.cli import options
from evsim.cli.main import run_command

WIDTHS = (60, 80, 100)
NETWORKS = "conv.h5 int8.h5 dense.h5 hybrid.h5"
LINES = {
    "run": "run conv.h5 d.h5",
    "run wide": "run wide.h5 i.h5 -T 2",
    "demo": "demo",
    "demo all": "demo --all",
    "compare": f"compare {NETWORKS} d.h5",
    "check": "check conv.h5 d.h5 --chip loihi",
    "check without data": "check conv.h5 --chip truenorth",
    "cost": "cost r.h5 --chip loihi --chip horowitz-45nm --chip truenorth --chip odin",
    "info": "info conv.h5",
    "info wide": "info wide.h5",
    "info of images": "info d.h5",
    "info of a result": "info r.h5",
    "info of a chip": "info loihi",
    "info of a definition": "info t.toml",
    "chips": "chips",
    "convert": "convert m.h5 -o o.h5 --overwrite --topology t.toml --calibrate i.h5",
    "diagnosis": "convert m.h5 -o o.h5 --overwrite --topology t.toml --calibrate i.h5 --diagnose",
    "probe": "ann m.h5 i.h5 --topology t.toml --probe",
    "quantize": "quantize dense.h5 -o q.h5 --overwrite --bits 8 --potential-bits 8 "
    "--coding poisson --data d.h5",
    "convention": "run conv.h5 d.h5 --convention spikingjelly",
}
TIMES = re.compile(r"[\d.]+ s \([\d,]+ samples/s\)")
SLOW = dict.fromkeys(("demo", "demo all", "diagnosis", "quantize"), pytest.mark.slow)
SHORT = re.compile(r"\d{1,3}(\.\d+)?[kMGT]|\d,\d{3}|\d{1,3}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shipped networks, a few of their images, a result, and a network of long names."""
    folder = tmp_path_factory.mktemp("screens")
    for name in ("conv", "int8", "dense", "hybrid"):
        (folder / f"{name}.h5").symlink_to(shipped("networks") / f"digits-{name}.h5")
    with (
        h5py.File(shipped("data") / "digits_test.h5") as source,
        h5py.File(folder / "d.h5", "w") as target,
    ):
        target["images"], target["labels"] = source["images"][:8], source["labels"][:8]
    random = np.random.default_rng(0)
    with h5py.File(folder / "i.h5", "w") as file:
        file["images"] = random.integers(0, 256, (12, 4, 4, 3), np.uint8)
        file["labels"] = random.integers(0, 10, 12)
    hdf5(folder / "m.h5", small())
    (folder / "t.toml").write_text(TOPOLOGY)
    _wide(folder / "wide.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EVSIM_NO_GUARD", "1")
        patch.setattr("evsim.cli.commands.demo.shipped", lambda name: _shipped(folder, name))
        assert run_command(["run", "conv.h5", "d.h5", "--out", "r.h5", "--quiet"]) == 0
        yield folder


def _shipped(folder, name):
    """The shipped networks with few images."""
    if name == "data":
        (folder / "digits_test.h5").unlink(missing_ok=True)
        (folder / "digits_test.h5").symlink_to(folder / "d.h5")
        return folder
    return shipped(name)


def _wide(path):
    """A network with long names whose potentials are counted in millions."""
    names = [f"stage{k}.block{k}.convolution-and-threshold" for k in range(4)]
    with h5py.File(path, "w") as file:
        file.attrs.update(format="evsim-network", version=1, input="in", output="out")
        for name, kind, n in (
            ("in", "input", 48),
            *((name, "iaf", 500) for name in names),
            ("out", "readout", 10),
        ):
            part = file.create_group(f"populations/{name}")
            part.attrs.update(kind=kind, shape=[4, 4, 3] if kind == "input" else [n])
            if kind == "iaf":
                part.attrs.update(threshold=0.01)
        chain = ["in", *names, "out"]
        for source, target in pairwise(chain):
            part = file.create_group(f"synapses/{source}-{target}")
            part.attrs.update(kind="dense", source=source, target=target)
            sizes = {"in": 48, "out": 10}
            shape = sizes.get(source, 500), sizes.get(target, 500)
            part["weight"] = np.full(shape, 0.5, np.float32)


@pytest.fixture(scope="module")
def printed(folder):
    """What a command prints, by name and width; each is run once for all widths."""
    kept = {}

    def run(name, width):
        if name not in kept:
            kept[name] = []
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(screen.Output, "print", lambda self, what: kept[name].append(what))
                assert run_command(LINES[name].split()) in (0, 1)
        text = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(text):
            patch.setattr(screen, "terminal_width", lambda: width)
            out = options.output(wide=False)
            for what in kept[name]:
                out.print(what)
        return text.getvalue()

    return run


def pieces(text):
    """The words of a text, and those of its names."""
    found = set(re.sub(r"[│┃━─┏┓┡┩└┘┬╇┳┴]", " ", text).split())
    return {piece for word in found for piece in JOINT.split(word)}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [pytest.param(n, marks=SLOW.get(n, ())) for n in LINES])
def test_a_screen_fits_and_breaks_no_word(name, width, printed):
    shown = printed(name, width)
    for line in shown.splitlines():
        assert cells(line) <= width or " " not in line.strip(), line
    told = re.sub(r"^to fit: .*?--wide\s+shows\s+all$", "", shown, flags=re.M | re.S)
    for piece in pieces(told) - pieces(printed(name, None)):
        assert SHORT.fullmatch(piece) or "…" in piece, piece
    assert not pieces(shown) & {"True", "False", "None"}


@pytest.mark.parametrize("name", ["run", "info", "cost"])
def test_what_is_piped_does_not_depend_on_the_screen(name, folder, capsys, monkeypatch):
    seen = set()
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        run_command(LINES[name].split())
        seen.add(TIMES.sub("", capsys.readouterr().out))
    assert len(seen) == 1


def test_wide_is_as_piped(folder, capsys, monkeypatch):
    monkeypatch.setattr(screen, "terminal_width", lambda: 60)
    run_command(["info", "conv.h5", "--wide"])
    wide = capsys.readouterr().out
    monkeypatch.setattr(screen, "terminal_width", lambda: None)
    run_command(["info", "conv.h5"])
    assert wide == capsys.readouterr().out
