"""`data/prepare.py`: downloads with any bytes spoiled are taken, or refused in one line."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.effort import examples
from support.event_files import aedat2, aedat3, nmnist_bytes, some_events
from support.image_files import idx
from support.prepared import pixels, prepare

from evsim.base.errors import EvsimError
from evsim.formats.data import open_data


def zipped(files):
    """The bytes of a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(name, content):
    """The bytes of a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        about = tarfile.TarInfo(name)
        about.size = len(content)
        archive.addfile(about, io.BytesIO(content))
    return packed.getvalue()


def saved(save, **arrays):
    """The bytes of a NumPy archive."""
    packed = io.BytesIO()
    save(packed, **arrays)
    return packed.getvalue()


def picture():
    """The bytes of an image."""
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(pixels(9, 9, 3)).save(packed, "png")
    return packed.getvalue()


EVENTS = some_events(40)
LABELLED = {"images": pixels(6, 5, 4), "labels": np.arange(6)}
DOWNLOADS = {  # name: content, command
    "x-images-idx3-ubyte": (idx(pixels(6, 5, 4)), "mnist x-images-idx3-ubyte"),
    "x-images-idx3-ubyte.gz": (gzip.compress(idx(pixels(6, 5, 4))), "mnist x-images-idx3-ubyte.gz"),
    "c.tar.gz": (tarred("c/test_batch.bin", bytes(3073 * 3)), "cifar c.tar.gz"),
    "a.npz": (saved(np.savez, **LABELLED), "numpy a.npz"),
    "b.npz": (saved(np.savez_compressed, **LABELLED), "numpy b.npz"),
    "n.zip": (zipped({f"Test/{n}/1.bin": nmnist_bytes(EVENTS) for n in "01"}), "nmnist n.zip"),
    "2.aedat": (aedat2(EVENTS), "aedat 2.aedat"),
    "3.aedat": (aedat3(EVENTS), "aedat 3.aedat --sensor 34"),
    "f/ant/1.png": (picture(), "folder f"),
}


IN_PLACE = {  # what is read without preparing it
    "a.npz": "a.npz",
    "b.npz": "b.npz",
    "n.zip": "n.zip",
    "2.aedat": "2.aedat",
    "3.aedat": "3.aedat::sensor=34",
    "f/ant/1.png": "f",
}


def content_of(source):
    """All that is read of data; None where any of it is refused."""
    try:
        with open_data(source) as data:
            if data.images is None:
                columns = [data.events.of(index) for index in range(data.samples)]
                found = [[column.tolist() for column in each] for each in columns]
                found = [found, data.events.shape, data.events.timesteps]
            else:
                found = [
                    image.tolist() for image in map(data.images.__getitem__, range(data.samples))
                ]
            return found, None if data.labels is None else data.labels.tolist()
    except EvsimError:
        return None


@pytest.mark.parametrize("name", DOWNLOADS)
@examples(60)
@given(data=st.data())
def test_spoiled(data, name, tmp_path_factory):
    content, command = DOWNLOADS[name]
    spoiled = bytearray(content)
    for _ in range(data.draw(st.integers(0, 4))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    del spoiled[data.draw(st.integers(0, 2 * len(spoiled))) :]
    before, output = os.getcwd(), io.StringIO()
    os.chdir(tmp_path_factory.mktemp("damage"))
    try:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(spoiled)
        Path("x-labels-idx1-ubyte").write_bytes(idx(pixels(6)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stderr", output)
            status = prepare.main([*command.split(), "-o", "o.h5"])
        found = Path("o.h5").exists()
        assert not Path("o.h5.part").exists()
        if name in IN_PLACE:
            prepared = content_of("o.h5") if found else None
            assert content_of(IN_PLACE[name]) == prepared
    finally:
        os.chdir(before)
    if status == 2:
        assert output.getvalue().count("\n") == 1
    assert (status, found) in ((0, True), (2, False))


HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': (6, 5, 4), }"
HEADERS = {  # of an array in a NumPy archive: what replaces what
    "negative": ("6,", "-6,"),
    "half": ("6,", "6.5,"),
    "product": ("6,", "2 * 3,"),
    "huge": ("6,", f"{2**62},"),
    "digits": ("6,", "9" * 5000 + ","),
    "lists": ("6,", "[" * 90 + "]" * 90 + ","),
    "open": (HEADER, "{" * 90),
    "object": ("|u1", "|O"),
    "nothing": ("|u1", "|V0"),
    "no dtype": ("|u1", "bytes"),
    "no text": (HEADER, "{'descr': '\xff"),
    "axes": ("(6, 5, 4)", "(" + "1, " * 500 + ")"),
}


@pytest.mark.parametrize("name", [*HEADERS, "encrypted", "names", "sizes"])
def test_spoiled_archives(name, tmp_path, capsys):
    header = HEADER.replace(*HEADERS.get(name, ("", ""))).encode("latin1")
    array = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(120)
    content = bytearray(zipped({"images.npy": array}))
    if name == "sizes":  # not packed, and yet of two lengths
        content = bytearray(saved(np.savez, **LABELLED))
    directory = content.index(b"PK\1\2")
    if name == "encrypted":
        content[6] |= 1
        content[directory + 8] |= 1
    if name == "sizes":
        content[directory + 20] = 0
    if name == "names":  # UTF-8, it says
        content[directory + 9] |= 8
        content[directory + 46] = 0xFF
    (tmp_path / "a.npz").write_bytes(content)
    out = tmp_path / "o.h5"
    assert prepare.main(["numpy", str(tmp_path / "a.npz"), "-o", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"prepare: {tmp_path / 'a.npz'}: ")
    assert said.count("\n") == 1
    assert len(said) < 500
    assert not out.exists()
