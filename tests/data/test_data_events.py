"""`data/prepare.py`: recordings of event cameras become data files."""

import struct
import sys
import types
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.effort import examples
from support.event_files import aedat2, aedat3, nmnist_bytes, some_events, write_streams, write_zip
from support.prepared import attribute, done, refused
from support.real import real

from evsim.formats import sources

pytestmark = pytest.mark.usefixtures("inside")


def expected(columns, sensor=(34, 34), bin=1000, timesteps=10**9, pool=1, swap=False, start=0):
    """The events of a recording after binning, as a set: (timestep, neuron)."""
    width = -(-sensor[1] // pool)
    return {
        ((t - start) // bin, (y // pool * width + x // pool) * 2 + (1 - p if swap else p))
        for t, x, y, p in zip(*map(np.ndarray.tolist, columns), strict=True)
        if (t - start) // bin < timesteps
    }


def content(data):
    """The events of each sample, as sets."""
    found = []
    for index in range(data.samples):
        timesteps, neurons, values = data.events.of(index)
        assert (values == 1).all()
        found.append(set(zip(timesteps.tolist(), neurons.tolist(), strict=True)))
    return found


@examples(100)
@given(data=st.data())
def test_binning(data):
    sensor = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    columns = some_events(data.draw(st.integers(0, 40)), sensor, data.draw(st.integers(0, 99)), 60)
    options = {
        "bin": data.draw(st.integers(1, 30)),
        "timesteps": data.draw(st.integers(1, 20)),
        "pool": data.draw(st.integers(1, 3)),
        "swap": data.draw(st.booleans()),
    }
    cuts = sorted(data.draw(st.lists(st.integers(0, columns[0].size), max_size=3)))
    parts = zip(*(np.split(column, cuts) for column in columns), strict=True)
    start = data.draw(st.sampled_from([0, None]))
    recordings = sources.Recordings(sensor, 1, None, None, "", start=start)
    how = {name: value for name, value in options.items() if name != "swap"}
    how = sources.Options(**how, swap_polarity=options["swap"])
    timestep, neuron, shape, late = sources.binned(parts, recordings, how)
    first = int(columns[0][0]) if start is None and columns[0].size else 0
    should = expected(columns, sensor, start=first, **options)
    assert list(zip(timestep.tolist(), neuron.tolist(), strict=True)) == sorted(should)
    assert shape == (-(-sensor[0] // options["pool"]), -(-sensor[1] // options["pool"]), 2)
    assert late == sum((t - first) // options["bin"] >= options["timesteps"] for t in columns[0])


@pytest.mark.parametrize("packed", [True, False])
def test_nmnist(packed):
    recordings = [some_events(300, seed=seed) for seed in range(4)]
    names = ["Test/7/00002.bin", "Test/0/00001.bin", "Test/7/00004.bin", "Test/1/00003.bin"]
    files = {n: nmnist_bytes(r) for n, r in zip(names, recordings, strict=True)}
    write_zip("n.zip", {**files, "Train/3/00001.bin": b"", "Test/x.txt": b"?"})
    source = "n.zip"
    if not packed:
        zipfile.ZipFile("n.zip").extractall("n")
        source = "n"
    with done("nmnist", source) as data:
        assert content(data) == [expected(recordings[i]) for i in (1, 0, 3, 2)]
        assert data.labels.tolist() == [0, 7, 1, 7]
        assert data.events.shape == (34, 34, 2)
        assert data.events.timesteps == 20
        assert not data.events.graded
    options = ["--bin", 500, "-T", 30, "--swap-polarity", "--pool", 4, "--sensor", "34x35"]
    with done("nmnist", source, *options, "--overwrite") as data:
        how = {"sensor": (34, 35), "bin": 500, "timesteps": 30, "pool": 4, "swap": True}
        assert content(data)[0] == expected(recordings[1], **how)
        assert (data.events.shape, data.events.timesteps) == ((9, 9, 2), 30)


def test_the_clock_of_nmnist_goes_round():
    columns = [np.array(c) for c in ([5, 8000, 0, 30], [1, 2, 0, 3], [1, 2, 240, 3], [0, 1, 0, 1])]
    write_zip("n.zip", {"0/1.bin": nmnist_bytes(columns)})
    with done("nmnist", "n.zip") as data:
        assert content(data) == [{(0, 70), (8, 2 * (2 * 34 + 2) + 1), (8, 2 * (3 * 34 + 3) + 1)}]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"0/1.txt": b""}, "no file *.bin"),
        ({"0/1.bin": b"1234"}, "0/1.bin: found 4 bytes, expected 5 per event"),
        ({"0/1.bin": bytes([34, 0, 0, 0, 0])}, "0/1.bin: events: found x = 34, expected 0 to 33"),
        ({"0/1.bin": bytes([0, 34, 0, 0, 0])}, "found y = 34"),
    ],
)
def test_bad_nmnist(capsys, files, words):
    write_zip("n.zip", files)
    assert words in refused(capsys, "nmnist", "n.zip")


@pytest.mark.parametrize(("write", "sensor"), [(aedat2, (128, 128)), (aedat3, (128, 128))])
def test_aedat(write, sensor):
    recordings = [some_events(200, sensor, seed) for seed in range(3)]
    for i, columns in enumerate(recordings):
        columns[0][:] += 77_000
        folder = Path("a") / ("wave" if i else "clap")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.aedat").write_bytes(write(columns))
    with done("aedat", "a", "--sensor", "128") as data:
        should = [expected(c, sensor, start=int(c[0][0])) for c in recordings]
        assert content(data) == should
        assert data.labels.tolist() == [0, 1, 1]
    assert attribute("classes") == "clap,wave"
    with done("aedat", "a/clap/0.aedat", "--sensor", "128x128", "--overwrite") as data:
        assert content(data) == should[:1]
        assert data.labels is None
    with done("aedat", "a/wave", "--sensor", "128x128", "--overwrite") as data:
        assert content(data) == should[1:]


def test_aedat_2_of_a_davis():
    columns = some_events(200, (260, 346))
    Path("a.aedat").write_bytes(aedat2(columns, "davis.DAVIS346mini"))
    with done("aedat", "a.aedat") as data:
        assert data.events.shape == (260, 346, 2)
        assert content(data) == [expected(columns, (260, 346), start=int(columns[0][0]))]


def test_the_clock_of_aedat_3_goes_on():
    columns = some_events(30, (4, 4))
    columns[0][10:20] = (1 << 31) + np.arange(10)
    columns[0][20:] = (1 << 31) + 5000 + np.arange(10)
    columns[0][:10] = (1 << 31) - 10 + np.arange(10)
    Path("a.aedat").write_bytes(aedat3(columns))
    with done("aedat", "a.aedat", "--sensor", "4x4") as data:
        assert content(data) == [expected(columns, (4, 4), start=(1 << 31) - 10)]


class Decoder:
    """What the package aedat gives for a file, here an archive of arrays."""

    def __init__(self, path):
        if b"broken" in Path(path).read_bytes():
            raise ValueError("not a file")
        self.packets = iter(
            [{"frame": {}}, {"events": self.events[:50]}, {"events": self.events[50:]}]
        )

    def id_to_stream(self):
        return {0: {"type": "frame"}, 1: {"type": "events", "height": 20, "width": 30}}

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.packets)


def test_aedat_4(capsys, monkeypatch):
    columns = some_events(100, (20, 30))
    Decoder.events = np.rec.fromarrays(columns, names="t,x,y,on")
    Path("a.aedat4").write_bytes(b"#!AER-DAT4.0\r\n\0\0")
    monkeypatch.setitem(sys.modules, "aedat", None)
    assert "pip install 'evsim[recordings]'" in refused(capsys, "aedat", "a.aedat4")
    monkeypatch.setitem(sys.modules, "aedat", types.SimpleNamespace(Decoder=Decoder))
    with done("aedat", "a.aedat4") as data:
        assert content(data) == [expected(columns, (20, 30), start=int(columns[0][0]))]
        assert data.events.shape == (20, 30, 2)
    Path("o.h5").unlink()
    Path("a.aedat4").write_bytes(b"#!AER-DAT4.0\r\nbroken")
    capsys.readouterr()
    assert "a damaged AEDAT 4 file (not a file)" in refused(capsys, "aedat", "a.aedat4")


DVS = some_events(20, (128, 128))
EIGHT, NINE = (struct.pack("<hhi", 1, 0, size) for size in (8, 9))  # how a packet begins


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"nothing", "found no AEDAT file, expected AEDAT 2.0, 3.1 or 4.0"),
        (b"#!AER-DAT3.0\r\n", "found AEDAT 3.0"),
        (b"#!AER-DAT2.0\r\n", "--chip: found no chip named in the file, expected dvs128"),
        (aedat2(DVS)[:-3], "the end of the file inside an event"),
        (aedat3(DVS)[:-3], "no resolution in the file"),
        (aedat3(DVS)[:80], "no resolution in the file"),
    ],
)
def test_bad_aedat(capsys, content, words):
    Path("a.aedat").write_bytes(content)
    assert words in refused(capsys, "aedat", "a.aedat")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (aedat3(DVS)[:-50], "the end of the file"),
        (aedat3(DVS)[:80], "inside a packet"),
        (aedat3(DVS).replace(EIGHT, NINE, 1), "9 bytes"),
    ],
)
def test_bad_packets(capsys, content, words):
    Path("a.aedat").write_bytes(content)
    assert words in refused(capsys, "aedat", "a.aedat", "--sensor", "128")


def test_folders_without_recordings(capsys):
    Path("a").mkdir()
    assert "no file *.aedat" in refused(capsys, "aedat", "a")
    Path("a/x.aedat").write_bytes(aedat2(DVS))
    Path("a/y.aedat").write_bytes(aedat2(DVS, "davis.DAVIS346"))
    assert "(128, 128), (260, 346), expected one size" in refused(capsys, "aedat", "a")
    assert "--chip: found 'eye'" in refused(capsys, "aedat", "a", "--chip", "eye")


def test_streams():
    recordings = [some_events(count, seed=count) for count in (50, 0, 70, 20)]
    write_streams(recordings)
    with done("streams", "s.h5") as data:
        assert content(data) == [expected(r) for r in recordings]
        assert data.labels.tolist() == [0, 1, 2, 3]
    with done("streams", "s.h5", "--samples", "1:3", "-T", 9, "--overwrite") as data:
        assert content(data) == [expected(r, timesteps=9) for r in recordings[1:3]]
        assert data.labels.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        ({"t": None}, [], "missing dataset 't'"),
        ({"offsets": None}, [], "missing dataset 'offsets'"),
        ({"p": np.zeros(3)}, [], "t, x, y, p: found shapes"),
        ({"offsets": np.array([0, 60])}, [], "offsets: found other values"),
        ({"labels": np.zeros(3)}, [], "labels: found shape (3,)"),
        ({"p": np.full(50, 2)}, [], "found polarity = 2"),
        ({}, ["--samples", "5:9"], "no sample in 5:9"),
        ({}, ["--samples", "5"], "--samples: found '5', expected first:last"),
        ({}, ["--bin", "0"], "--bin"),
        ({}, ["--sensor", "99999x99999"], "--sensor: found"),
    ],
)
def test_bad_streams(capsys, changes, arguments, words):
    write_streams([some_events(50)], **changes)
    assert words in refused(capsys, "streams", "s.h5", *arguments)


@pytest.mark.slow
def test_the_recordings_of_nmnist():
    source = real("data", "nmnist_small.h5")
    with (
        done("streams", source, "--samples", "1000:1100", "-T", "300") as data,
        h5py.File(source) as f,
    ):
        assert data.samples == 100
        offsets = f["offsets"][1000:1101]
        for index, found in enumerate(content(data)):
            part = slice(offsets[index], offsets[index + 1])
            columns = [f[name][part].astype(np.int64) for name in "txyp"]
            assert found == expected(columns, timesteps=300)
