"""Folders of images, NumPy arrays and recordings as data: what they hold prepared, they hold."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from recordings import write as written
from support.event_files import aedat2, aedat3, nmnist_bytes, some_events, write_streams, write_zip
from support.files import content, write
from support.image_files import write_images
from support.places import TESTS
from support.prepared import pixels, prepare
from support.sources import SHAPES, archive, folder, sha256sum, small
from support.torch_files import TOPOLOGY, hdf5
from support.torch_files import small as trained

import evsim
from evsim.cli.main import run_command
from evsim.formats import guard, sources
from evsim.formats.data import open_data

RECORDINGS = TESTS / "recordings"


pytestmark = pytest.mark.usefixtures("inside")


def floats():
    images = (pixels(6, 2, 4, 4) / 255).astype(">f4")
    np.savez("a.npz", x_train=images, y_train=np.eye(3)[[0, 1, 2, 0, 1, 2]], x_test=images[:1])


def beside():
    np.save("images.npy", pixels(6, 4, 4, 2).astype(np.int64))
    np.save("labels.npy", np.arange(6) % 3)


def recordings():
    return [some_events(60, (4, 4), seed, 9000) for seed in range(6)]


def nmnist(packed):
    def make():
        names = [f"Test/{i % 3}/{9 - i:05d}.bin" for i in range(6)]
        content = map(nmnist_bytes, recordings())
        write_zip(
            "n.zip", {**dict(zip(names, content, strict=True)), "Train/0/1.bin": b"", "a": b""}
        )
        if not packed:
            zipfile.ZipFile("n.zip").extractall("n")

    return make


def aedat(write):
    def make():
        for i, columns in enumerate(recordings()):
            folder = Path("a") / ("wave" if i % 2 else "clap")
            folder.mkdir(parents=True, exist_ok=True)
            columns[0][:] += 5000 * i
            (folder / f"{i}.aedat").write_bytes(write(columns))

    return make


KINDS = {  # what makes it, the source, how it is prepared, what shape it has
    "folder": (folder, "f::size=4", "folder f --size 4", "colours"),
    "gray": (folder, "f::gray,size=4x4", "folder f --gray --size 4x4", "gray"),
    "npz": (archive(np.savez), "a.npz", "numpy a.npz", "images"),
    "packed npz": (archive(np.savez_compressed), "a.npz", "numpy a.npz", "images"),
    "train": (floats, "a.npz::split=train,channels-first=1",
              "numpy a.npz --split train --channels-first", "images"),
    "npy": (beside, "images.npy", "numpy images.npy", "images"),
    "zip": (nmnist(True), "n.zip::sensor=4", "nmnist n.zip --sensor 4", "events"),
    "bin": (nmnist(False), "n::sensor=4x4,bin=500,timesteps=12,swap-polarity",
            "nmnist n --sensor 4 --bin 500 -T 12 --swap-polarity", "events"),
    "aedat 2": (aedat(aedat2), "a::sensor=128,pool=32", "aedat a --sensor 128 --pool 32", "events"),
    "aedat 3": (aedat(aedat3), "a::sensor=4", "aedat a --sensor 4", "events"),
    "streams": (lambda: write_streams(recordings()), "s.h5::sensor=4,bin=700",
                "streams s.h5 --sensor 4 --bin 700", "events"),
}  # fmt: skip


def said(command, *arguments):
    """What a command prints as JSON, without what differs by the clock or the file."""
    status, out, err = command(*arguments, "--json")
    assert status == 0, err
    return without_clocks(json.loads(out))


def without_clocks(found):
    """A value of JSON without what differs by the clock or the file."""
    if isinstance(found, list):
        return [without_clocks(each) for each in found]
    if not isinstance(found, dict):
        return found
    return {k: without_clocks(v) for k, v in found.items() if k not in ("seconds", "data")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_is_what_it_is_prepared(kind, command):
    make, source, words, shape = KINDS[kind]
    make()
    network = small(SHAPES[shape])
    assert prepare.main([*words.split(), "-o", "o.h5"]) == 0
    with open_data(source) as one, open_data("o.h5") as other:
        assert (one.samples, one.inputs.shape) == (6, other.inputs.shape)
        np.testing.assert_array_equal(one.labels, other.labels)
        if one.images is None:
            assert (one.events.timesteps, one.events.graded) == (other.events.timesteps, False)
            assert one.events[1:5].at_or_after(7) == other.events[1:5].at_or_after(7)
            for i in range(6):
                for mine, its in zip(one.events.of(i), other.events.of(i), strict=True):
                    np.testing.assert_array_equal(mine, its)
        else:
            assert one.images.dtype == other.images.dtype
            np.testing.assert_array_equal(one.images[:], other.images[:])
            np.testing.assert_array_equal(one.images[4], other.images[4])
            np.testing.assert_array_equal(one.images[1], other.images[1])
    for more in ([], ["--samples", "2:5", "-T", "7"]):
        found = said(command, "run", network, source, *more)
        assert found["accuracy"] is not None
        assert found == said(command, "run", network, "o.h5", *more)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_recording_that_the_maker_of_the_cameras_wrote(compression, capsys):
    pytest.importorskip("aedat", reason="AEDAT 4 needs the package aedat: evsim[recordings]")
    path = RECORDINGS / f"dv-{compression}.aedat4"
    steps = check_the_makers(path, capsys)
    assert steps == 30


def check_the_makers(path, capsys):
    """Read in place and prepared, a file holds the events that were written to it."""
    rows = written.events()
    should = sorted({((t - written.START) // 1000, (y * 34 + x) * 2 + p) for t, x, y, p in rows})
    assert prepare.main(["aedat", str(path), "-o", "o.h5", "--overwrite"]) == 0
    for source in (path, "o.h5"):
        with open_data(source) as data:
            assert (data.samples, data.events.shape) == (1, (26, 34, 2))
            timesteps, neurons, _ = data.events.of(0)
            assert list(zip(timesteps.tolist(), neurons.tolist(), strict=True)) == should
            assert data.sha256 == sha256sum(source)[0][:64]
    return data.events.timesteps


def test_what_the_maker_of_the_cameras_writes_today(capsys):
    library = pytest.importorskip("dv_processing", reason="dv-processing writes AEDAT 4")
    pytest.importorskip("aedat", reason="AEDAT 4 needs the package aedat: evsim[recordings]")
    for name in ("NONE", "LZ4", "LZ4_HIGH", "ZSTD", "ZSTD_HIGH"):
        written.write("a.aedat4", getattr(library.CompressionType, name))
        assert check_the_makers("a.aedat4", capsys) == 30
    content = Path("a.aedat4").read_bytes()
    packets = 18 + int.from_bytes(content[14:18], "little")
    first = packets + 8 + int.from_bytes(content[packets + 4 : packets + 8], "little")
    for size in (14, 60, packets, first, first + 9, len(content) - 400):
        Path("a.aedat4").write_bytes(content[:size])
        capsys.readouterr()
        network = small((26, 34, 2))
        assert run_command(["run", str(network), "a.aedat4", "--quiet"]) == 2
        out, error = capsys.readouterr()
        assert (out, error.count("\n")) == ("", 1)


def test_every_kind_is_tried():
    assert set(sources.kinds()) == {"pictures", "arrays", "nmnist", "aedat", "streams"}
    for module in sources.kinds().values():
        assert module.TITLE
        assert set(module.OPTIONS) <= set(vars(sources.Options()))


def test_what_a_source_is_told_of(command):
    folder()
    found = said(command, "info", "f::size=4")
    assert found["format"] == "a folder of images per class"
    assert (found["samples"], found["images"]) == (6, [4, 4, 3])
    assert found["classes"] == "0 ant, 1 bee"
    assert found["options"] == "size=4x4"
    nmnist(True)()
    found = said(command, "info", "n.zip")
    assert (found["samples"], found["shape"]) == (6, [34, 34, 2])
    assert found["timesteps"] == "those of the longest recording"
    assert said(command, "info", "n.zip::timesteps=9")["timesteps"] == 9


OTHERS = {
    "compare": "compare n.h5 DATA -T 5 --ann m.h5 --topology t.toml",
    "check": "check n.h5 DATA -T 5 --chip odin",
    "quantize": "quantize n.h5 --bits 8 --potential-bits 16 --data DATA -T 5 -o q.h5 --overwrite",
    "ann": "ann m.h5 DATA --topology t.toml",
    "convert": "convert m.h5 --topology t.toml --calibrate DATA -o q.h5 --overwrite",
}


@pytest.mark.parametrize("command", OTHERS)
def test_other_commands_take_sources_too(command, capsys):
    rows = {"x_test": pixels(6, 3, 4, 4), "y_test": np.arange(6)}
    np.savez_compressed("a.npz", **rows)
    small(SHAPES["colours"])
    hdf5(Path("m.h5"), trained())
    Path("t.toml").write_text(TOPOLOGY)
    assert prepare.main(["numpy", "a.npz", "--channels-first", "-o", "o.h5"]) == 0
    found = []
    for data in ("a.npz::channels-first", "o.h5"):
        capsys.readouterr()
        words = OTHERS[command].replace("DATA", data).split()
        assert run_command([*words, "--json"]) in (0, 1)
        found.append(without_clocks(json.loads(capsys.readouterr().out)))
        found[-1].pop("calibrated with", None)
        if "-o" in words:
            found[-1]["written"] = content("q.h5")
    assert found[0] == found[1]


WRONG = {
    "an unknown option": ("f::sise=4", "found the option 'sise', expected one of size, gray"),
    "a near one": ("f::sise=4", "(did you mean 'size'?)"),
    "twice": ("f::gray,gray", "found the option 'gray' twice, expected it once"),
    "of another kind": ("f::bin=3", "found the option 'bin', expected those of a folder of images"),
    "no size": ("f::size=4y", "size: found '4y', expected HEIGHTxWIDTH"),
    "nothing": ("f::size", "size: found '', expected HEIGHTxWIDTH"),
    "zero": ("f::size=0", "size: found '0', expected HEIGHTxWIDTH"),
    "a number": ("n.zip::bin=0", "bin: found '0', expected a whole number of at least 1"),
    "a flag": ("f::gray=yes", "gray: found 'yes', expected 1, 0 or the name alone"),
    "a split": ("n.zip::split=all", "split: found 'all', expected test or train"),
    "of a data file": ("o.h5::gray", "o.h5: found the options 'gray', expected none"),
    "not there": ("nowhere::gray", "nowhere: no such file"),
    "an empty folder": ("empty", "empty: found no regular file, expected an HDF5 file"),
    "shapes": ("f", "an image of shape (5, 4, 3), expected (4, 4, 3) as in ant/00.png (size="),
    "damaged": ("f::size=4", "f/bee/03.png: images, sample 3: found a damaged image ("),
    "labels": ("images.npy::labels=x.npy", "images.npy: labels: found no file x.npy, expected"),
    "elsewhere": ("images.npy::labels=../x", "labels: found no file ../x"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_mistakes(case, capsys):
    source, words = WRONG[case]
    network = small(SHAPES["colours"])
    write_images([pixels(4, 4, 3), pixels(5, 4, 3), pixels(4, 4, 3), pixels(4, 4, 3)])
    if case == "damaged":
        path = Path("f/bee/03.png")
        path.write_bytes(path.read_bytes()[:-30])
    nmnist(True)()
    beside()
    Path("empty").mkdir()
    write("o.h5", {"/": {"images": pixels(6, 4, 4, 3)}})
    capsys.readouterr()
    assert run_command(["run", str(network), source, "--json"]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert words in error


def test_a_mistake_in_a_later_image_names_it_and_leaves_the_others_alone(capsys):
    images = pixels(6, 4, 4, 2).astype(np.float32)
    images[4, 0, 0, 0] = np.nan
    np.savez("a.npz", images=images, labels=np.arange(6) % 3)
    network = small(SHAPES["images"])
    assert run_command(["run", str(network), "a.npz", "--samples", ":4", "--quiet"]) == 0
    assert run_command(["run", str(network), "a.npz", "--quiet"]) == 2
    assert "a.npz: /images, sample 4: found NaN or infinity" in capsys.readouterr().err
    np.save("a.npy", (images[:4] * 2).astype(np.int16))
    assert run_command(["run", str(network), "a.npy", "--quiet"]) == 2
    assert "a.npy: images, sample 0: found" in capsys.readouterr().err


def test_flips_in_a_stored_array_are_found_where_all_is_read(capsys):
    archive(np.savez)()
    content = bytearray(Path("a.npz").read_bytes())
    content[200] ^= 1  # a pixel
    Path("a.npz").write_bytes(content)
    assert run_command(["run", str(small(SHAPES["images"])), "a.npz", "--quiet"]) == 2
    assert "a.npz: found a damaged archive (Bad CRC-32" in capsys.readouterr().err


def test_a_name_with_the_separator_is_a_name():
    np.save("a.npy", pixels(3, 4, 4))
    os.rename("a.npy", "a::gray")
    with open_data("a::gray") as data:
        assert data.images.shape == (3, 4, 4)


def test_without_pillow(capsys, monkeypatch):
    folder()
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert run_command(["info", "f"]) == 2
    assert "pip install 'evsim[images]'" in capsys.readouterr().err


def test_nothing_is_unpickled(capsys):
    np.save("a.npy", np.array([{}, {}]))
    assert run_command(["info", "a.npy"]) == 2
    assert "a pickle, which can run any program" in capsys.readouterr().err


def test_a_child_tries_a_source_first(capsys, monkeypatch):
    monkeypatch.delenv("EVSIM_NO_GUARD")
    archive(np.savez)()
    tried = []

    def in_the_child(path, read, *_):
        tried.append(path)
        if path.name == "a.npz":
            read(path).close()

    monkeypatch.setattr(guard, "_try", in_the_child)
    assert run_command(["run", str(small(SHAPES["images"])), "a.npz::split=train", "--quiet"]) == 0
    assert tried == [Path("n.h5"), Path("a.npz")]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images():
    for index in range(1200):
        folder = Path(f"f/{index % 5}")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(96, 96, 3, seed=index)).save(folder / f"{index}.png")
    small((64, 64, 3))
    script = (
        "import resource, sys; from evsim.cli.main import run_command;"
        "assert run_command(sys.argv[1:]) == 0;"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for samples in (":100", ":"):
        words = ["run", "n.h5", "f::size=64", "-T", "4", "--samples", samples, "--quiet"]
        done = subprocess.run([sys.executable, "-c", script, *words], stdout=subprocess.PIPE)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 8 << 10  # kB; all of them are 14 MB


def test_a_network_takes_no_more_than_it_reads(monkeypatch):
    """Rows of a packed array are read forward: to go back costs another pass, not memory."""
    np.savez_compressed("a.npz", images=pixels(50, 9, 9))
    monkeypatch.setattr("evsim.formats.data.READ", 200)
    with evsim.open_data("a.npz") as data:
        images, packed = data.images[:], data.images.dataset.array.bytes
        opened = []
        monkeypatch.setattr(packed, "close", lambda: opened.append(packed.file.close()))
        for index in (3, 30, 4, 49):
            np.testing.assert_array_equal(data.images[index], images[index])
        assert len(opened) == 2  # for 3, which lies before the end, and for 4
        monkeypatch.undo()


@pytest.mark.parametrize("scan", [1, 2, 7, 1 << 20])
def test_where_samples_begin_in_a_file_of_events(scan, monkeypatch):
    monkeypatch.setattr("evsim.engine.events.SCAN", scan)
    samples = np.array([1, 1, 1, 4, 4, 4, 4, 5, 5, 8, 8])
    columns = {
        "timestep": [0, 0, 2, 0, 1, 1, 1, 0, 1, 1, 3],
        "neuron": [1, 2, 0, 5, 0, 1, 2, 3, 3, 4, 0],
    }
    columns = {name: np.array(column, np.uint16) for name, column in columns.items()}
    about = {"shape": (6,), "samples": 10, "timesteps": 4}
    events = evsim.Events(samples.astype(np.uint8), **columns, **about)
    assert events.offsets.tolist() == [0, 0, 3, 3, 3, 7, 9, 9, 9, 11, 11]
    for k, what in ((0, "repeated"), (1, "unordered")):
        for name in columns:
            columns[name][5:7] = columns[name][[6, 5]] if k else columns[name][6]
        with pytest.raises(evsim.EvsimError, match=f"found {what} event 6"):
            evsim.Events(samples, **columns, **about)
        columns["neuron"][5:7] = 1, 2


def test_events_of_a_file_stay_in_it():
    write_streams(recordings())
    assert prepare.main(["streams", "s.h5", "--sensor", "4", "-o", "o.h5"]) == 0
    with open_data("o.h5") as data:
        assert all(isinstance(column, h5py.Dataset) for column in data.events.columns.values())
