"""A byte that changes in a file we wrote: an error in one line, or nothing that is read changes.

`python tests/formats/test_checksums.py [STEP]` changes every STEPth byte (or every one) of a
file of each kind, in one of three ways that take turns, and prints a table.
"""

import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

if __name__ == "__main__":  # as a command
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import h5py
import numpy as np
import pytest
from support.damage import outcomes
from support.files import content, images, network
from support.prepared import output

import evsim
from evsim.base.errors import EvsimError
from evsim.formats import _checksums as checksums
from evsim.formats import _hdf5 as hdf5
from evsim.formats import network as native
from evsim.formats.result import load

CHANGES = (0x01, 0x80, 0xFF)  # what a byte is combined with, one after the other


def saved_network(path):
    """A network as evsim writes it: long, short, shared and packed arrays, text, notes."""
    read = evsim.load(network(path))
    parts = [dict(read.populations), dict(read.synapses)]
    c = parts[0]["c"].shape[0]
    parts[0]["signs"] = evsim.neuron_kinds()["stochastic"](shape=(c,), output="bipolar")
    dense, weight = evsim.synapse_kinds()["dense"], np.ones((c, 3), np.float32)
    signs = np.where(weight > 0, 1, -1).astype(np.int8)
    parts[1]["c-signs"] = evsim.synapse_kinds()["identity"](source="c", target="signs")
    parts[1]["signs-out"] = dense(source="signs", target="out", weight=signs, bits=1)
    for name in ("one", "two"):
        parts[1][name] = dense(source="c", target="out", weight=weight)
    about = {"name": "Größe", "description": "d" * 300, "ann_accuracy": 0.5, "timesteps": 8}
    found = evsim.Network(*parts, classes=np.array(["a", "bc", "ü"]), **about)
    native.save(found, path, overwrite=True, notes={"a": {"x-scales": np.arange(3) / 4}})
    return path


def saved_images(path):
    """A data file of images as data/prepare.py writes it, of several chunks."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 2), np.uint8)
    parts = iter([(pixels, np.arange(40) % 3)])
    content = output.Images(pixels.shape, pixels.dtype, parts, True, "somewhere", ["a", "b", "c"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "PACK", 1 << 10)
        output.write_images(path, content, overwrite=True)
    return path


def saved_events(path):
    """A data file of events as data/prepare.py writes it, of several chunks."""
    random = np.random.default_rng(0)

    def recording(number):
        t = np.sort(random.integers(0, 9000, 200))
        yield t, *(random.integers(0, n, 200) for n in (8, 8, 2))

    labels = np.arange(4) % 2
    content = output.Recordings((8, 8), 4, lambda n: (f"{n}", recording(n)), labels, "somewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "CHUNK", 1 << 10)
        output.write_events(path, content, output.Options(), range(4), overwrite=True)
    return path


def numbers(path):
    """What a file holds but the text of its attributes, which nothing in HDF5 has checksums of."""

    def text(value):
        return isinstance(value, str | bytes) or (isinstance(value, list) and any(map(text, value)))

    with hdf5.reading(path):
        return {k: v for k, v in content(path).items() if "@" not in k or not text(v)}


def read_network(path):
    evsim.load(path)
    return numbers(path)


def read_data(path):
    with evsim.open_data(path) as data:
        for index in range(data.samples):
            _ = data.inputs.of(index) if data.images is None else data.images[index]
    return numbers(path)


def saved_result(path):
    """A result as evsim writes it."""
    found = evsim.run(evsim.load(network(path)), np.ones((2, 4, 4, 2)), timesteps=3, jobs=1)
    found.seconds = 1.0
    found.save(path, overwrite=True)
    return path


def read_result(path):
    load(path)
    return numbers(path)


FILES = {
    "network": (saved_network, read_network),
    "result": (saved_result, read_result),
    "images": (saved_images, read_data),
    "events": (saved_events, read_data),
}


def flipped(name, folder, places, monkeypatch):
    """How many changed bytes are found and how many change nothing; the places of the others."""
    write, read = FILES[name]
    path = folder / "x.h5"
    whole = write(path).read_bytes()
    wanted = read(path)

    def same(path):
        assert read(path) == wanted

    def change(content, number):
        place, kind = divmod(number, len(CHANGES))
        changed = bytearray(content)
        changed[place % len(changed)] ^= CHANGES[kind]
        return bytes(changed)

    monkeypatch.setattr("support.damage.damaged", change)
    found = outcomes(whole, same, places(len(whole) * len(CHANGES)), path)
    wrong = {number: said for number, said in found.items() if not isinstance(said, str | None)}
    return Counter(said is not None for said in found.values()), wrong, len(whole)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found(name, tmp_path, monkeypatch):
    count, wrong, _ = flipped(name, tmp_path, lambda n: range(0, n, n // 23), monkeypatch)
    assert wrong == {}
    assert count[True] > 8


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_many_changed_bytes_are_found(name, tmp_path, monkeypatch):
    few = 151 if name == "result" else 503  # the largest of them
    count, wrong, _ = flipped(name, tmp_path, lambda n: range(1, n, n // few), monkeypatch)
    assert wrong == {}
    assert count[True] > count[False] / 2


@pytest.mark.slow
def test_equal_content_gives_equal_bytes(tmp_path):
    path = tmp_path / "x.h5"
    first = [write(path).read_bytes() for write, _ in FILES.values()]
    time.sleep(1.01)  # HDF5 counts seconds
    assert [write(path).read_bytes() for write, _ in FILES.values()] == first


def test_everything_has_a_checksum(tmp_path):
    """All datasets but those without values, which have nothing to check."""
    for write, _ in FILES.values():
        with h5py.File(write(tmp_path / "x.h5")) as file:

            def check(_, thing):
                if isinstance(thing, h5py.Dataset):
                    assert thing.fletcher32

            check("/", file)
            file.visititems(check)


@pytest.mark.parametrize("shape", [(3,), (0, 4), (), (5, 1 << 20), (1 << 21,), (2, 3, 4, 5)])
def test_datasets(shape, tmp_path):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    with checksums.create(tmp_path / "x.h5") as file:
        stored = checksums.dataset(file, "x", array)
        assert stored.chunks is None or np.prod(stored.chunks) <= 1 << 20
        assert (stored.chunks is None) == (array.ndim == 0 or array.size == 0)
        assert np.array_equal(stored[()], array)


def test_attributes(tmp_path):
    about = {"text": "ü", "empty": "", "list": ["a", "bcd"], "whole": 3, "truth": True}
    about |= {"numbers": (1.5, 2.0), "x-y": np.float32(0.5), "array": np.array(["ß", ""])}
    with checksums.create(tmp_path / "x.h5") as file:
        checksums.note(file, **about)
        for name, value in about.items():
            assert np.array_equal(hdf5.attribute(file, name), value), name


def test_files_without_checksums_are_read_as_before(tmp_path):
    old, new = evsim.load(network(tmp_path / "n.h5")), tmp_path / "new.h5"
    evsim.save(old, new)
    assert evsim.load(new).describe() == old.describe()
    with evsim.open_data(images(tmp_path / "d.h5")) as data:
        assert data.samples == 6


def test_a_changed_weight_says_so_in_one_line(tmp_path):
    path = saved_network(tmp_path / "n.h5")
    whole = path.read_bytes()
    weight = evsim.load(path).synapses["one"].weight.tobytes()
    place = whole.index(weight)
    path.write_bytes(whole[:place] + b"\1" + whole[place + 1 :])
    with pytest.raises(EvsimError) as error:
        evsim.load(path)
    assert str(error.value).startswith(f"{path}: /synapses/one/weight: found a damaged HDF5 file (")


def main():
    """Change every STEPth byte of each file, or of those named, and print what became of it."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1

    def some_bytes(count):
        places = range(0, count // len(CHANGES), step)
        return [len(CHANGES) * place + i % len(CHANGES) for i, place in enumerate(places)]

    print(
        "| file | bytes | changes | found | nothing read changes | only a guard ends it | wrong |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in sys.argv[2:] or FILES:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            count, wrong, size = flipped(name, Path(folder), some_bytes, patch)
        hangs = sum(said == signal.SIGALRM for said in wrong.values())  # in the HDF5 library
        row = size, sum(count.values()), count[True] - len(wrong), count[False]
        row += hangs, len(wrong) - hangs
        print(f"| {name} |", *(f"{n:,} |" for n in row), flush=True)
        for number, said in list(wrong.items())[:5]:
            print(number, said, file=sys.stderr)


if __name__ == "__main__":
    main()
