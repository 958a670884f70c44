"""Images that `evsim run` does not read itself: idx and CIFAR binary."""

import gzip
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _known import doubts
from _output import CHUNK, Images

from evsim.base.errors import mismatch
from evsim.formats.sources._archive import Archive, reading, whole, wrong

PIXELS = 3 * 32 * 32  # of an image of CIFAR
PICKLED = "a pickle, which can run any program when it is read; take the binary version"


def labelled(pixels, labels) -> Iterator:
    """Parts of images, each with its labels."""
    first = 0
    for some in pixels:
        yield some, None if labels is None else labels[first : first + len(some)]
        first += len(some)


# MNIST's format


def idx(source: Path, labels: Path | None, split: str) -> Images:
    """Images and labels in MNIST's format; `source` is their folder, or the file of images."""
    if source.is_dir():
        source = _idx_images(source, split)
    if labels is None:
        name = source.name.replace("images", "labels").replace("idx3", "idx1")
        labels = next((p for p in _forms(source.with_name(name)) if p.exists()), None)
        if labels is None or labels == source:
            found = f"{name} or the option --labels"
            raise wrong(source, "no file of labels", found)
    (count, *shape), pixels = idx_parts(source, 3)
    (others,), parts = idx_parts(labels, 1)
    if count != others:
        raise wrong(labels, f"{others} labels", f"{count}, one per image")
    names = np.concatenate(list(parts))
    sizes = {"train-": 60_000, "t10k-": 10_000}
    known = next((n for start, n in sizes.items() if source.name.startswith(start)), None)
    return Images(
        (count, *shape),
        np.dtype("u1"),
        labelled(pixels, names),
        labelled=True,
        source=f"{source.name}, {labels.name}",
        doubts=doubts([source, labels], count, known),
    )


def _forms(path: Path) -> list[Path]:
    """The file, compressed or not."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    return [path, plain, plain.with_name(plain.name + ".gz")]


def _idx_images(folder: Path, split: str) -> Path:
    """The one file of images of a split in a folder."""
    words = ("t10k", "test") if split == "test" else ("train",)
    found = sorted(
        path
        for path in folder.iterdir()
        if "idx3" in path.name and any(word in path.name for word in words)
    )
    found = [p for p in found if p.suffix != ".gz" or p.with_suffix("") not in found]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "no such file"
        expected = f"one of {split} images (*{words[0]}*idx3*), or the file itself"
        raise wrong(folder, names, expected)
    return found[0]


def idx_parts(path: Path, axes: int):
    """The shape that an idx file declares, and its content, some megabytes at a time."""
    magic, shape = bytes([0, 0, 8, axes]), ()
    open_file = gzip.open if path.suffix == ".gz" else open
    with reading(path), open_file(path, "rb") as file:
        found = whole(file, 4, "the header")
        if found != magic:
            expected = f"{magic.hex()}, an idx file of bytes with {axes} axes"
            raise mismatch(f"the bytes {found.hex()}", expected)
        shape = tuple(np.frombuffer(whole(file, 4 * axes, "the header"), ">u4").tolist())
        if 0 in shape:
            raise mismatch(f"shape {shape}", "no axis of length 0")

    def parts() -> Iterator[np.ndarray]:
        each = math.prod(shape[1:])
        with reading(path), open_file(path, "rb") as file:
            file.read(4 + 4 * axes)
            for first in range(0, shape[0], max(1, CHUNK // each)):
                count = min(max(1, CHUNK // each), shape[0] - first)
                content = whole(file, count * each, f"the items after {first} of {shape[0]}")
                yield np.frombuffer(content, np.uint8).reshape(count, *shape[1:])
            if file.read(1):
                raise mismatch("more bytes", f"the end of the file after {shape[0]} items")

    return shape, parts()


# CIFAR


def cifar(source: Path, split: str, labels: str) -> Images:
    """CIFAR-10 or CIFAR-100 from the binary archive, or the folder that was in it."""
    with reading(source), Archive(source) as archive:
        sizes = {member.path: member.size for member in archive.members}
        names = {Path(path).name: path for path in sizes}
        if not any(name.endswith(".bin") for name in names):
            pickled = {"data_batch_1", "train", "test_batch", "test"} & names.keys()
            found = PICKLED if pickled else "no file *.bin"
            raise mismatch(found, "data_batch_1.bin or train.bin")
        hundred = not any(name.startswith("data_batch") for name in names)
        label = {"coarse": 0, "fine": 1}[labels] if hundred else 0
        described = f"{labels}_label_names.txt" if hundred else "batches.meta.txt"
        classes = []
        if described in names:
            with archive.open(names[described]) as file:
                classes = file.read(1 << 16).decode(errors="replace").split()
    chosen = [
        path
        for path in sizes
        if path.endswith(".bin") and Path(path).name.startswith("test") == (split == "test")
    ]
    width = PIXELS + 1 + hundred
    for path in chosen:
        if sizes[path] % width:
            expected = f"a multiple of {width}"
            raise wrong(source, f"{sizes[path]} bytes", expected, path)
    count = sum(sizes[path] for path in chosen) // width

    def parts() -> Iterator:
        with reading(source), Archive(source) as archive:
            for path in chosen:
                with archive.open(path) as opened:
                    for first in range(0, sizes[path], width * (CHUNK // width)):
                        size = min(width * (CHUNK // width), sizes[path] - first)
                        rows = np.frombuffer(whole(opened, size, path), np.uint8)
                        rows = rows.reshape(-1, width)
                        pixels = rows[:, 1 + hundred :].reshape(-1, 3, 32, 32)
                        yield pixels.transpose(0, 2, 3, 1), rows[:, label]

    return Images(
        (count, 32, 32, 3),
        np.dtype("u1"),
        parts(),
        labelled=True,
        source=f"{source.name}, {split}",
        classes=classes,
        doubts=doubts([source], count, 10_000 if split == "test" else 50_000),
    )
