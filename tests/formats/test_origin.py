"""Data and networks that change while they are used: an error, and whose digest is told."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from support.files import write
from support.prepared import pixels
from support.sources import SHAPES, archive, folder, sha256sum, small
from support.torch_files import TOPOLOGY, hdf5
from support.torch_files import small as trained

import evsim
from evsim.cli.main import run_command
from evsim.formats import network as native
from evsim.formats.data import Images, open_data

pytestmark = pytest.mark.usefixtures("inside")


def test_digests():
    archive(np.savez)()
    with open_data("a.npz") as data:
        plain = data.sha256
        assert plain == sha256sum("a.npz")[0][:64]
    with open_data("a.npz::channels-first=0") as data:
        assert data.sha256 == plain  # the default is no option
    with open_data("a.npz::channels-first") as data:
        text = "channels-first=1\n" + sha256sum("a.npz")[0]
        assert data.sha256 == hashlib.sha256(text.encode()).hexdigest()
    folder()
    with open_data("f::size=4,gray") as data:
        data.begin_digest()
        os.chdir("f")
        names = [
            f"{c}/{i:02d}.png"
            for c, some in (("ant", "024"), ("bee", "135"))
            for i in map(int, some)
        ]
        text = "gray=1\nsize=4x4\n" + "".join(sha256sum(*names))
        os.chdir("..")
        assert data.sha256 == hashlib.sha256(text.encode()).hexdigest()


def exchanged(path):
    os.replace(path.with_name("other"), path)


def truncated(path):
    os.truncate(path, path.stat().st_size - 1)


def overwritten(path):
    with path.open("r+b") as file:
        file.write(b"\x89")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**7))  # clocks of file systems are coarse


@pytest.mark.parametrize("change", [exchanged, truncated, overwritten, os.unlink])
@pytest.mark.parametrize("source", ["o.h5", "a.npz", "f::size=4"])
def test_what_changes_under_a_run(source, change):
    write("o.h5", {"/": {"images": pixels(6, 4, 4, 3)}})
    archive(np.savez)()
    folder()
    path = Path("f/bee/03.png" if source[0] == "f" else source)
    path.with_name("other").write_bytes(path.read_bytes())
    with open_data(source) as data:
        data.verify()
        change(path)
        for use in (data.verify, lambda: data.sha256):
            with pytest.raises(evsim.EvsimError, match="changed while it was used: found") as error:
                use()
            assert error.value.file == str(path)


def test_files_that_come_to_a_folder():
    folder()
    with open_data("f::size=4") as data:
        Path("f/cat").mkdir()
        data.verify()
        Path("f/cat/9.png").write_bytes(Path("f/ant/00.png").read_bytes())
        with pytest.raises(evsim.EvsimError, match=r"f/cat/9.png: changed .*another list of files"):
            data.verify()


COMMANDS = {
    "run": "run n.h5 d.h5",
    "run --out": "run n.h5 d.h5 --out r.h5",
    "ann": "ann m.h5 d.h5 --topology t.toml",
    "convert": "convert m.h5 --topology t.toml --calibrate d.h5 -o c.h5",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_notices_it(command, capsys, monkeypatch):
    small(SHAPES["colours"])
    write("d.h5", {"/": {"images": pixels(6, 4, 4, 3), "labels": np.arange(6)}})
    hdf5(Path("m.h5"), trained())
    Path("t.toml").write_text(TOPOLOGY)
    before = Images.__getitem__

    def read_while_somebody_writes(images, index):
        truncated(Path("d.h5"))
        return before(images, index)

    monkeypatch.setattr(Images, "__getitem__", read_while_somebody_writes)
    assert run_command([*COMMANDS[command].split(), "--quiet"]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert "d.h5: changed while it was used: found" in error
    assert not {"r.h5", "c.h5"} & set(os.listdir())


def test_a_network_that_changes_while_it_is_read(monkeypatch):
    path = small(SHAPES["colours"])
    before = native._network

    def read_while_somebody_writes(file):
        exchanged_by_a_copy(Path(path))
        return before(file)

    monkeypatch.setattr(native, "_network", read_while_somebody_writes)
    with pytest.raises(evsim.EvsimError, match=r"n\.h5: changed while it was used: found another"):
        evsim.load(path)


def exchanged_by_a_copy(path):
    path.with_name("other").write_bytes(path.read_bytes())
    exchanged(path)
