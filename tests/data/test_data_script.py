"""`data/prepare.py`: images that people download become data files; what is wrong is one line."""

import gzip
import hashlib
import io
import os
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.image_files import idx, write_images
from support.prepared import FOLDER, attribute, done, known, output, pixels, prepare, refused
from support.real import real

import evsim

pytestmark = pytest.mark.usefixtures("inside")


# MNIST's format


def write_idx(images, labels, split="t10k", ending="", open=open):
    for name, values in (("images-idx3", images), ("labels-idx1", labels)):
        with open(f"{split}-{name}-ubyte{ending}", "wb") as file:
            file.write(idx(values))


@pytest.mark.parametrize(("ending", "opener"), [("", open), (".gz", gzip.open)])
def test_idx(capsys, ending, opener, monkeypatch):
    monkeypatch.setattr("_images.CHUNK", 1000)  # several parts
    images, labels = pixels(30, 7, 5), pixels(30, seed=1) % 10
    write_idx(images, labels, "t10k", ending, opener)
    write_idx(images[:4], labels[:4], "train", ending, opener)
    with done("mnist", ".") as data:
        np.testing.assert_array_equal(data.images[:], images)
        np.testing.assert_array_equal(data.labels, labels)
        assert data.file["labels"].dtype == np.uint8
    assert "found 30 samples, the well-known file has 10000" in capsys.readouterr().err
    assert attribute("layout") == "samples, height, width"
    with done("mnist", ".", "--split", "train", "--overwrite") as data:
        assert data.samples == 4


def test_files_of_any_name_are_named(capsys):
    Path("a.idx").write_bytes(idx(pixels(3, 2, 2)))
    Path("b.idx").write_bytes(idx(pixels(3)))
    done("mnist", "a.idx", "--labels", "b.idx").close()
    assert capsys.readouterr().err == ""
    Path("o.h5").unlink()
    assert "no file of labels" in refused(capsys, "mnist", "a.idx")
    assert "found no such file" in refused(capsys, "mnist", ".")


def test_known_digests(monkeypatch, capsys):
    write_idx(pixels(3, 2, 2), pixels(3), "t10k", ".gz", gzip.open)
    assert "not that of MNIST, Fashion-MNIST" in refused(capsys, "mnist", ".", "--strict")
    for name in known.DIGESTS:
        if name.startswith("t10k"):
            digest = hashlib.md5(Path(name).read_bytes()).hexdigest()
            monkeypatch.setitem(known.DIGESTS, name, {digest: "MNIST"})
    assert "10000" in refused(capsys, "mnist", ".", "--strict")
    done("mnist", ".").close()
    assert "MD5" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (idx(pixels(3, 2, 2))[:-1], idx(pixels(3)), "the end of the file inside"),
        (idx(pixels(3, 2, 2)) + b"x", idx(pixels(3)), "found more bytes"),
        (idx(pixels(3, 2, 2)), idx(pixels(4)), "found 4 labels, expected 3"),
        (idx(pixels(3)), idx(pixels(3)), "found the bytes 00000801, expected 00000803"),
        (idx(pixels(3, 2, 2)), idx(pixels(3, 2, 2)), "expected 00000801"),
        (b"\x80\x04", idx(pixels(3)), "the end of the file inside the header"),
        (b"", idx(pixels(3)), "the end of the file inside the header"),
        (idx(pixels(0, 2, 2)), idx(pixels(0)), "no axis of length 0"),
        (struct.pack(">4I", 2051, 1, 1 << 31, 1 << 31), idx(pixels(1)), "bytes per image"),
    ],
)
def test_bad_idx(capsys, images, labels, words):
    Path("x-images-idx3-ubyte").write_bytes(images)
    Path("x-labels-idx1-ubyte").write_bytes(labels)
    assert words in refused(capsys, "mnist", "x-images-idx3-ubyte")


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-20], lambda b: b[:-8] + bytes(8), lambda b: b"not packed"]
)
def test_damaged_gz(capsys, spoil):
    write_idx(pixels(30, 7, 5), pixels(30), "x", ".gz", gzip.open)
    path = Path("x-images-idx3-ubyte.gz")
    path.write_bytes(spoil(path.read_bytes()))
    words = refused(capsys, "mnist", path)
    assert "x-images-idx3-ubyte.gz: found a damaged archive" in words


# CIFAR


def cifar_records(count, seed=0, hundred=False):
    """Images, labels, and the bytes of a file of CIFAR."""
    images, labels = pixels(count, 32, 32, 3, seed=seed), pixels(count, 1 + hundred, seed=seed) % 10
    content = np.concatenate([labels, images.transpose(0, 3, 1, 2).reshape(count, -1)], axis=1)
    return images, labels, content.tobytes()


def write_tar(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"folder/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_folder(path, files):
    Path(path).mkdir()
    for name, content in files.items():
        (Path(path) / name).write_bytes(content)


@pytest.mark.parametrize("write", [write_tar, write_folder])
def test_cifar_10(write, monkeypatch, capsys):
    monkeypatch.setattr("_images.CHUNK", 7000)
    batches = {f"data_batch_{i}.bin": cifar_records(3, i) for i in (2, 1)}
    batches["test_batch.bin"] = cifar_records(5, 9)
    files = {name: content for name, (_, _, content) in batches.items()}
    write("c", {**files, "batches.meta.txt": b"airplane\ncat\n\n", "readme.html": b""})
    with done("cifar", "c") as data:
        np.testing.assert_array_equal(data.images[:], batches["test_batch.bin"][0])
        np.testing.assert_array_equal(data.labels, batches["test_batch.bin"][1][:, 0])
    assert attribute("classes") == "airplane,cat"
    assert "found 5 samples" in capsys.readouterr().err
    with done("cifar", "c", "--split", "train", "--overwrite") as data:
        expected = [batches[f"data_batch_{i}.bin"][0] for i in (1, 2)]
        np.testing.assert_array_equal(data.images[:], np.concatenate(expected))


def test_cifar_100():
    images, labels, content = cifar_records(4, hundred=True)
    write_tar("c", {"train.bin": content, "fine_label_names.txt": b"apple\n"})
    with done("cifar", "c", "--split", "train") as data:
        np.testing.assert_array_equal(data.images[:], images)
        np.testing.assert_array_equal(data.labels, labels[:, 1])
    with done("cifar", "c", "--split", "train", "--labels", "coarse", "--overwrite") as data:
        np.testing.assert_array_equal(data.labels, labels[:, 0])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"data_batch_1": b"\x80", "test_batch": b"\x80"}, "a pickle"),
        ({"train": b"\x80", "meta": b"\x80"}, "a pickle"),
        ({"x.txt": b""}, "no file *.bin"),
        ({"data_batch_1.bin": bytes(3073)}, "no images"),
        ({"data_batch_1.bin": b"", "test_batch.bin": bytes(3074)}, "a multiple of 3073"),
        ({"train.bin": b"", "test.bin": bytes(3073)}, "a multiple of 3074"),
    ],
)
def test_bad_cifar(capsys, files, words):
    write_tar("c", files)
    assert words in refused(capsys, "cifar", "c")


def test_damaged_tar(capsys):
    write_tar("c", {"test_batch.bin": os.urandom(30730)})
    content = Path("c").read_bytes()
    Path("c").write_bytes(content[: len(content) // 2])
    assert "c: found" in refused(capsys, "cifar", "c")
    Path("c").write_bytes(b"nothing")
    assert "no folder, zip or tar archive" in refused(capsys, "cifar", "c")


# A folder of images per class


def test_folder():
    images = pixels(6, 5, 4, 3)
    write_images(images)
    with done("folder", "f") as data:
        np.testing.assert_array_equal(data.images[:], images[[0, 2, 4, 1, 3, 5]])
        assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert attribute("classes") == "ant,bee"
    with done("folder", "f", "--gray", "--size", "4x2", "--overwrite") as data:
        assert data.images.shape == (6, 4, 2, 1)


def test_images_are_scaled_and_cut_around_their_centre():
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200
    tall = np.ascontiguousarray(wide.transpose(1, 0, 2))
    write_images([wide, tall])
    with done("folder", "f", "--size", "4") as data:
        assert data.images[:].min() == 200
    with done("folder", "f", "--size", "2x6", "--overwrite") as data:
        image = data.images[:][0]
        assert image[:, :1].max() == 0
        assert image[:, 2:4].min() > 150


def test_bad_folders(capsys, monkeypatch):
    Path("f/ant").mkdir(parents=True)
    assert "found no image" in refused(capsys, "folder", "f")
    write_images([pixels(4, 4, 3), pixels(4, 5, 3)])
    assert "shape (4, 5, 3), expected (4, 4, 3)" in refused(capsys, "folder", "f")
    Path("f/bee/01.png").write_bytes(b"x")
    assert "01.png: found a damaged image" in refused(capsys, "folder", "f")
    whole = Path("f/ant/00.png").read_bytes()
    Path("f/bee/01.png").write_bytes(whole[:-30])
    assert "01.png: found a damaged image" in refused(capsys, "folder", "f")
    assert "found '4y', expected HEIGHTxWIDTH" in refused(capsys, "folder", "f", "--size", "4y")
    assert "no folder" in refused(capsys, "folder", "f/ant/00.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "pip install 'evsim[images]'" in refused(capsys, "folder", "f")


# NumPy archives


@pytest.mark.parametrize("names", ["images labels", "x_test y_test", "x y"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpy_archives(names, save, monkeypatch):
    monkeypatch.setattr("_output.CHUNK", 200)
    images, labels = pixels(9, 4, 3, 2), np.arange(9)[:, None] % 3
    save("a.npz", **dict(zip(names.split(), (images, labels), strict=True)), extra=np.zeros(3))
    with done("numpy", "a.npz") as data:
        np.testing.assert_array_equal(data.images[:], images)
        np.testing.assert_array_equal(data.labels, labels[:, 0])


@pytest.mark.parametrize(
    ("images", "labels", "dtype"),
    [
        (pixels(4, 3, 3).astype(np.int64), np.eye(4)[[1, 0, 3, 2]], np.uint8),
        (pixels(4, 9) / np.float32(255), np.array([1.0, 0, 3, 2]), np.float32),
        ((pixels(4, 9) / 255).astype(">f8"), np.array([1, 0, 3, 2], ">i2"), np.float64),
    ],
)
def test_numpy_types(images, labels, dtype):
    np.savez("a.npz", images=images, labels=labels)
    with done("numpy", "a.npz") as data:
        assert data.images.dtype == dtype
        np.testing.assert_array_equal(data.images[:], images)
        assert data.labels.tolist() == [1, 0, 3, 2]


def test_channels_first_and_no_labels():
    images = pixels(5, 2, 4, 3)
    np.savez("a.npz", x_train=images)
    with done("numpy", "a.npz", "--split", "train", "--channels-first") as data:
        np.testing.assert_array_equal(data.images[:], images.transpose(0, 2, 3, 1))
        assert data.labels is None


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": np.array([{}, {}])}, "a pickle"),
        ({"images": pixels(3, 4, 4), "labels": np.array(["a", "b", "c"], object)}, "a pickle"),
        ({"images": pixels(3, 4, 4), "labels": np.arange(4)}, "found 4 labels, expected 3"),
        ({"images": pixels(3, 4, 4), "labels": np.array([0, 1, 0.5])}, "one whole number"),
        ({"images": pixels(3, 4, 4), "labels": np.array([0, 1, -2])}, "found label -2"),
        ({"images": pixels(3, 4, 4) + np.int16(200)}, "bytes 0 to 255"),
        ({"images": np.full((3, 4), np.nan)}, "found NaN or infinity"),
        ({"images": np.zeros((3, 4), complex)}, "complex128"),
        ({"images": pixels(3)}, "shape (3,)"),
        ({"images": np.array(3)}, "found one number"),
        ({"images": np.asfortranarray(pixels(3, 4, 4))}, "Fortran order"),
        ({"pictures": pixels(3, 4, 4)}, "the arrays pictures, expected images and labels"),
    ],
)
def test_bad_numpy_archives(capsys, arrays, words):
    np.savez("a.npz", **arrays)
    assert words in refused(capsys, "numpy", "a.npz")


def test_damaged_numpy_archives(capsys):
    np.savez_compressed("a.npz", images=pixels(50, 9, 9))
    content = bytearray(Path("a.npz").read_bytes())
    content[300:340] = bytes(40)
    Path("a.npz").write_bytes(content)
    assert "damaged archive" in refused(capsys, "numpy", "a.npz")
    np.save("a.npy", pixels(3, 4))
    Path("a.npy").write_bytes(Path("a.npy").read_bytes()[:-1])
    assert "a.npy: found 139 bytes, expected 140" in refused(capsys, "numpy", "a.npy")
    Path("a.npy").write_bytes(b"PK\3\4")
    assert "a.npy: found a damaged archive" in refused(capsys, "numpy", "a.npy")
    with zipfile.ZipFile("b.npz", "w") as file:
        file.writestr("images.npy", b"nothing")
    assert "no NumPy array" in refused(capsys, "numpy", "b.npz")


# Ends


def test_nothing_is_replaced_unasked(capsys):
    np.savez("a.npz", images=pixels(3, 2, 2))
    done("numpy", "a.npz").close()
    before = Path("o.h5").read_bytes()
    assert prepare.main(["numpy", "a.npz", "-o", "o.h5"]) == 2
    assert "o.h5: exists (--overwrite replaces it)" in capsys.readouterr().err
    assert Path("o.h5").read_bytes() == before


def test_usage(capsys):
    for arguments in (["numpy"], ["numpy", "a.npz", "-o", "o.h5"], ["nump"], ["numpy", "--what"]):
        assert prepare.main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
    np.savez("a.npz", images=pixels(3, 2, 2))
    assert prepare.main(["numpy", "a.npz", "-o", "no/o.h5"]) == 2
    assert capsys.readouterr().err.startswith("prepare: ")
    for arguments in ([], ["--help"], ["mnist", "--help"]):
        assert prepare.main(arguments) == 0
        assert "Usage" in capsys.readouterr().out


def test_an_interrupt_leaves_nothing_behind(capsys, monkeypatch):
    np.savez("a.npz", images=pixels(3, 2, 2), labels=np.arange(3))

    def interrupted(*_):
        assert Path("o.h5.part").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(output, "write_labels", interrupted)
    assert prepare.main(["numpy", "a.npz", "-o", "o.h5"]) == 130
    assert capsys.readouterr().err == "prepare: interrupted\n"
    assert os.listdir() == ["a.npz"]


@pytest.mark.slow
def test_an_interrupt_from_the_keyboard():
    with open("x-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">4I", 2051, 1 << 21, 28, 28))
        file.truncate(16 + (784 << 21))
    Path("x-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, 1 << 21) + bytes(1 << 21))
    command = [sys.executable, FOLDER / "prepare.py", "mnist", "x-images-idx3-ubyte", "-o", "o.h5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if Path("o.h5.part").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "prepare: interrupted\n")
    assert not list(Path().glob("o.h5*"))


@pytest.mark.slow
def test_mnist_goes_through_idx_unchanged():
    with evsim.open_data(real("data", "mnist_test.h5")) as original:
        write_idx(original.images[:], original.labels.astype(np.uint8), "t10k", ".gz", gzip.open)
        with done("mnist", ".") as data:
            np.testing.assert_array_equal(data.images[:], original.images[:])
            np.testing.assert_array_equal(data.labels, original.labels)
