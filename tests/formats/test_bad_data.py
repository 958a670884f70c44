"""A data file, or a file at all, with a mistake ends a command with one line on standard error."""

import fcntl
import os
import shutil

import h5py
import numpy as np
import pytest
from support.files import events, images, network, put, touch
from support.places import SHARED

from evsim.cli.main import run_command

NETWORKS = SHARED / "networks"


@pytest.fixture
def line(command):
    """Run a command that must fail; returns the one line it says."""

    def run(*arguments):
        status, out, err = command(*arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("evsim: ")
        assert err.endswith("\n")
        return err[7:-1]

    return run


def with_data(name, **keywords):
    """A change that puts a dataset of any layout in the place of another."""

    def change(file):
        del file[name]
        file.create_dataset(name, **keywords)

    return change


def swapped(file):
    """Two events of one sample in the wrong order."""
    for name in ("sample", "timestep", "neuron"):
        column = file[f"events/{name}"]
        column[[3, 4]] = column[[3, 4]][::-1]


def repeated(file):
    for name in ("sample", "timestep", "neuron"):
        column = file[f"events/{name}"]
        column[7] = column[6]


def valued(value, **attributes):
    """All events have the value 1, but the fourth."""

    def change(file):
        values = np.ones(len(file["events/sample"]))
        values[3] = value
        file["events/value"] = values
        file["events"].attrs.update(attributes)

    return change


def at(index, value, dtype=None):
    def change(array):
        array = array.astype(dtype or array.dtype)
        array[index] = value
        return array

    return change


IMAGES = {
    "another format": (put("format", "evsim-network"), "found a network, expected images or"),
    "newer": (put("version", 7), "version: found version 7, expected version 1 (the file was"),
    "half a format": (put("version", None), "version: found none, expected version 1"),
    "nothing": (put("images", None), "found no attribute 'format', expected either a dataset"),
    "group": (lambda f: (f.pop("images"), f.create_group("images")), "/images: found a group,"),
    "both": (lambda f: f.create_group("events"), "found both, expected either a dataset 'images' "),
    "no samples": (touch("images", lambda i: i[:0]), "/images: found no samples, expected at"),
    "no pixels": (touch("images", lambda i: i[:, :0]), "/images: found shape (6, 0, 4, 2),"),
    "rank 1": (touch("images", lambda i: i[:, 0, 0, 0]), "/images: found shape (6,), expected"),
    "rank 5": (touch("images", lambda i: i[..., None]), "/images: found shape (6, 4, 4, 2, 1),"),
    "int32": (touch("images", np.int32), "/images: found dtype int32, expected uint8 or float"),
    "complex": (touch("images", np.complex64), "/images: found dtype complex64, expected uint8 or"),
    "text": (touch("images", lambda i: i.astype("S3")), "/images: found dtype |S3, expected uint8"),
    "terabytes": (with_data("images", shape=(1 << 32, 4, 4, 2), dtype="f4", chunks=(9, 4, 4, 2)),
                  "/images: found 549.8 GB declared and 0 bytes stored, expected a dataset that"),
    "external link": (put("images", h5py.ExternalLink("x.h5", "/x")), "images: found a soft or"),
    "soft link": (put("labels", h5py.SoftLink("/x")), "labels: found a soft or external link,"),
    "shape": (touch("images", lambda i: i[:, :3]), "/images: found samples of shape (3, 4, 2),"),
    "channels": (touch("images", lambda i: i[..., :1]), "/images: found samples of shape (4, 4, 1"),
    "features": (touch("images", lambda i: i.reshape(6, -1)), "/images: found samples of shape"),
    "NaN": (touch("images", at((4, 1, 2, 0), np.nan)), "/images, sample 4: found NaN or infinity,"),
    "infinity": (touch("images", at((0, 1, 2, 0), np.inf)), "/images, sample 0: found NaN or"),
    "labels of another length": (touch("labels", lambda n: n[1:]), "/labels: found shape (5,),"),
    "labels of rank 2": (touch("labels", lambda n: n[:, None]), "/labels: found shape (6, 1),"),
    "labels are floats": (touch("labels", np.float32), "/labels: found dtype float32, expected"),
    "a label too large": (touch("labels", at(2, 3)), "/labels: found labels from 0 to 3, expected"),
    "a negative label": (touch("labels", at(5, -1)), "/labels: found labels from -1 to 2,"),
}  # fmt: skip
EVENTS = {
    "a dataset": (put("events", np.zeros(3)), "/events: found a dataset, expected a group"),
    "no neuron": (put("events/neuron", None), "/events: missing dataset 'neuron'"),
    "no shape": (put("events/shape", None), "/events: missing attribute 'shape'"),
    "no timesteps": (put("events/timesteps", None), "/events: missing attribute 'timesteps'"),
    "rank": (touch("events/neuron", lambda n: n[:, None]), "/events/neuron: found shape ("),
    "length": (touch("events/neuron", lambda n: n[1:]), "/events/neuron: found shape ("),
    "float neurons": (touch("events/neuron", np.float64), "/events/neuron: found dtype float64,"),
    "float timesteps": (touch("events/timestep", np.float32), "/events/timestep: found dtype"),
    "text values": (touch("events/neuron", lambda n: n.astype("S3")), "/events/neuron: found"),
    "neuron too large": (touch("events/neuron", at(9, 32)), "/events/neuron: found 32 at event 9,"),
    "neuron -1": (touch("events/neuron", at(9, -1)), "/events/neuron: found -1 at event 9,"),
    "timestep too large": (touch("events/timestep", at(-1, 20)), "/events/timestep: found 20 at"),
    "sample too large": (touch("events/sample", at(-1, 6)), "/events/sample: found 6 at event"),
    "huge": (touch("events/sample", at(-1, 2**63 + 1, "u8")), "/events/sample: found"),
    "unordered": (swapped, "/events: found unordered event 4, expected events strictly ascending "),
    "repeated": (repeated, "/events: found repeated event 7, expected events strictly ascending"),
    "value 0": (valued(0), "/events/value: found 0.0 at event 3, expected finite values other"),
    "value NaN": (valued(np.nan), "/events/value: found nan at event 3, expected finite values"),
    "value infinite": (valued(-np.inf), "/events/value: found -inf at event 3, expected finite"),
    "not graded": (valued(2, graded=False), "/events/value: found other values, expected +1 and -"),
    "graded is text": (put("events/graded", "yes"), "/events/graded: found 'yes', expected true"),
    "samples 2^31": (put("events/samples", 2**31), "/events/samples: found 2147483648, expect"),
    "timesteps 2^62": (put("events/timesteps", 2**62), "/events/timesteps: found 46116860184"),
    "shape 2^31": (put("events/shape", (2**31,)), "/events/shape: found 2147483648 neurons"),
    "samples 0": (put("events/samples", 0), "/events/samples: found 0, expected 1 whole numbers"),
    "timesteps 1.5": (put("events/timesteps", 1.5), "/events/timesteps: found 1.5, expected 1"),
    "shape of two": (put("events/shape", (4, 8)), "/events/shape: found [4, 8], expected 1 or 3"),
    "another shape": (put("events/shape", (4, 2, 4)), "/events/shape: found samples of shape (4, "),
    "an immense shape": (put("events/shape", (2**31, 2**31, 4)), "/events/shape: found 184467440"),
    "labels": (touch("labels", lambda n: n[1:]), "/labels: found shape (5,), expected (6,), one"),
}  # fmt: skip
CASES = [(images, *case) for case in IMAGES.values()] + [(events, *c) for c in EVENTS.values()]
NAMES = [f"images: {name}" for name in IMAGES] + [f"events: {name}" for name in EVENTS]


@pytest.mark.parametrize(("write", "change", "expected"), CASES, ids=NAMES)
def test_a_mistake_in_a_data_file(write, change, expected, tmp_path, line, monkeypatch):
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    path = write(tmp_path / "d.h5", change)
    assert line("run", network(tmp_path / "n.h5"), path, "--json").startswith(f"{path}: {expected}")


def test_nan_is_named_by_its_place_in_the_file(tmp_path, line):
    path = images(tmp_path / "d.h5", touch("images", at((4, 0, 0, 0), np.nan)))
    said = line("run", network(tmp_path / "n.h5"), path, "--samples", "2:", "--quiet")
    assert said == f"{path}: /images, sample 4: found NaN or infinity, expected finite values"
    assert run_command(["run", str(tmp_path / "n.h5"), str(path), "--samples", ":4", "--json"]) == 0


def truncated(path):
    content = network(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


FILES = {
    "absent": (lambda p: None, "no such file"),
    "a folder": (lambda p: p.mkdir(), "found no regular file, expected a"),
    "a pipe": (os.mkfifo, "found no regular file, expected a"),
    "empty": (lambda p: p.write_bytes(b""), "found an empty file, expected an HDF5 file"),
    "text": (lambda p: p.write_text("weights\n" * 99), "found a file of another format, expected"),
    "a signature": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n"), "found a damaged HDF5 file"),
    "truncated": (truncated, "found a damaged HDF5 file (Unable to"),
    "a zip archive": (lambda p: p.write_bytes(b"PK\3\4" + bytes(99)), "found a zip archive "),
    "a dangling link": (lambda p: p.symlink_to("nowhere"), "no such file"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("name", ["info", "network", "data"])
def test_a_file_that_is_not_hdf5(make, expected, name, tmp_path, line):
    path = tmp_path / "x.h5"
    make(path)
    if name == "info":
        said = line("info", path, "--json")
    elif name == "network":
        said = line("run", path, images(tmp_path / "d.h5"))
    else:
        said = line("run", network(tmp_path / "n.h5"), path)
    assert said.startswith(f"{path}: {expected}")


def test_names_that_no_file_can_have(tmp_path, line):
    name = "x" * 300
    assert line("info", name) == f"{name}: cannot be read: File name too long"
    below = network(tmp_path / "n.h5") / "below"
    assert line("info", below) == f"{below}: cannot be read: Not a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path, line):
    path = network(tmp_path / "n.h5")
    path.chmod(0)
    assert line("info", path) == f"{path}: cannot be read: Permission denied"


def test_a_file_that_another_program_writes(tmp_path, line):
    path = network(tmp_path / "n.h5")
    with path.open("r+") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)  # as the HDF5 library does
        said = line("info", path)
    assert (
        said == f"{path}: found a file that another program writes, expected one that is complete"
    )


def keras(file):
    file.attrs["model_config"] = "{}"


TRAINERS = {
    "Keras": keras,
    "Keras weights": lambda f: f.attrs.update(layer_names=[b"dense_1"]),
    "PyTorch": lambda f: f.create_dataset("features.0.weight", data=np.zeros((3, 3))),
    "NIR": lambda f: (f.create_group("node"), f.create_dataset("version", data="1.0")),
    "lava": lambda f: f.create_group("layer"),
}


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("name", ["network", "data"])
def test_a_trainers_file_has_to_be_converted(trainer, name, tmp_path, line):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        TRAINERS[trainer](file)
    if name == "network":
        said = line("run", path, images(tmp_path / "d.h5"))
    else:
        said = line("run", network(tmp_path / "n.h5"), path)
    unclaimed = f"found an unconverted {trainer} file (convert it to a network first), expected"
    advice = "evsim convert makes one of it" if name == "network" else "comes first"
    assert unclaimed in said or ("found a trainer's file, expected" in said and advice in said)


REAL = {"keras": "Keras", "torch": "PyTorch", "nir": "NIR", "lava": "lava"}


@pytest.mark.slow
@pytest.mark.skipif(not NETWORKS.is_dir(), reason="the trained networks of others are not here")
def test_real_files_of_trainers(tmp_path, line):
    data, found = images(tmp_path / "d.h5"), set()
    for path in sorted(p for p in NETWORKS.iterdir() if p.suffix in (".h5", ".nir", ".net")):
        [trainer] = {REAL[word] for word in REAL if word in path.name}
        said, unclaimed = line("run", path, data), f"found an unconverted {trainer} file"
        assert unclaimed in said or "found a trainer's file, expected a network" in said, path
        assert run_command(["info", str(path), "--json"]) == 0
        found.add(trainer)
    assert found == set(REAL.values())
    [archive] = NETWORKS.glob("*.keras")
    assert "found a trainer's file, expected a network" in line("run", archive, data)
    assert run_command(["info", str(archive), "--json"]) == 0


def test_a_network_in_the_place_of_data(tmp_path, line):
    path, data = network(tmp_path / "n.h5"), images(tmp_path / "d.h5")
    said = line("run", data, path)
    expected = "a network (NETWORK comes first, then DATA)"
    assert said == f"{data}: found a data file, expected {expected}"
    copy = shutil.copy(path, tmp_path / "copy.h5")
    assert line("run", path, copy).startswith(f"{copy}: found a network, expected images or")
