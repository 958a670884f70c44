"""Images as people download them: idx, CIFAR binary, a folder per class, NumPy archives."""

import gzip
import math
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _archive import DAMAGED, members, reading, whole, wrong
from _known import doubts
from _output import CHUNK, Images

from evsim.parts import EvsimError, mismatch, shown

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
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
    with members(source) as files:
        sizes = {str(file.path): file.size for file in files}
        names = {file.path.name: file for file in files}
        if not any(name.endswith(".bin") for name in names):
            pickled = {"data_batch_1", "train", "test_batch", "test"} & names.keys()
            found = PICKLED if pickled else "no file *.bin"
            raise mismatch(found, "data_batch_1.bin or train.bin")
        hundred = not any(name.startswith("data_batch") for name in names)
        label = {"coarse": 0, "fine": 1}[labels] if hundred else 0
        described = f"{labels}_label_names.txt" if hundred else "batches.meta.txt"
        classes = []
        if described in names:
            with names[described].open() as file:
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
        with members(source) as files:
            for file in (file for file in files if str(file.path) in chosen):
                with file.open() as opened:
                    for first in range(0, file.size, width * (CHUNK // width)):
                        size = min(width * (CHUNK // width), file.size - first)
                        rows = np.frombuffer(whole(opened, size, str(file.path)), np.uint8)
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


# A folder of images per class


def folder(source: Path, size: tuple[int, int] | None, gray: bool) -> Images:
    """Image files in one folder per class; `size` (height, width): scaled and cut to it."""
    try:
        from PIL import Image
    except ImportError:
        raise EvsimError("reading image files needs Pillow: pip install pillow") from None
    if not source.is_dir():
        raise wrong(source, "no folder", "one with a folder of images per class")
    classes = sorted(p.name for p in source.iterdir() if p.is_dir())
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((source / name).rglob("*"))
        if path.suffix.lower() in ENDINGS
    ]
    if not files:
        expected = f"folders, one per class, of {' '.join(ENDINGS)}"
        raise wrong(source, "no image", expected)

    def pixels(path: Path) -> np.ndarray:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(path) as image:
                    found = image.convert("L" if gray else "RGB")
                    found = _cut(found, size) if size else found
                    return np.asarray(found, np.uint8).reshape(found.height, found.width, -1)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise wrong(path, "too many pixels", "an ordinary image") from None
        except (OSError, SyntaxError, ValueError) as error:
            raise wrong(path, f"a damaged image ({error})", "a whole one") from None

    shape = pixels(files[0][0]).shape

    def parts() -> Iterator:
        for path, label in files:
            found = pixels(path)
            if found.shape != shape:
                expected = f"{shape} as in {files[0][0].name} (--size makes them equal)"
                raise wrong(path, f"an image of shape {found.shape}", expected)
            yield found[np.newaxis], np.array([label])

    return Images(
        (len(files), *shape),
        np.dtype("u1"),
        parts(),
        labelled=True,
        source=source.resolve().name,
        classes=classes,
    )


def _cut(image, size: tuple[int, int]):
    """The image scaled until it just covers `size`, then cut to it around its centre."""
    from PIL import Image

    factor = max(size[0] / image.height, size[1] / image.width)
    height, width = (max(n, round(m * factor)) for n, m in zip(size, image.size[::-1], strict=True))
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size[1]) // 2, (height - size[0]) // 2
    return image.crop((left, top, left + size[1], top + size[0]))


# NumPy archives


def archive(source: Path, split: str, channels_first: bool) -> Images:
    """Arrays in a .npz: `images` and `labels`, or `x_test` and `y_test` of the split."""
    with reading(source), zipfile.ZipFile(source) as file:
        names = [name.removesuffix(".npy") for name in file.namelist()]
        pairs = [("images", "labels"), (f"x_{split}", f"y_{split}"), (f"X_{split}", f"y_{split}")]
        pairs += [(f"{split}_images", f"{split}_labels"), ("x", "y"), ("data", "labels")]
        found = next((pair for pair in pairs if pair[0] in names), None)
        if found is None:
            expected = f"images and labels, or x_{split} and y_{split}"
            raise mismatch(f"the arrays {', '.join(names)}", expected)
        labels = None
        if found[1] in names:
            shape, _, parts = _rows(source, found[1])
            labels = _label_numbers(np.concatenate(list(parts)), found[1])
    shape, dtype, parts = _rows(source, found[0])
    if labels is not None and len(labels) != shape[0]:
        expected = f"{shape[0]}, one per image"
        raise wrong(source, f"{len(labels)} labels", expected, found[1])
    if len(shape) not in (2, 3, 4) or min(shape) < 1:
        expected = "(samples, height, width, channels), (samples, height, width) or (samples, n)"
        raise wrong(source, f"shape {shown(shape)}", expected, found[0])
    if channels_first and len(shape) == 4:
        shape = (shape[0], *shape[2:], shape[1])
        parts = (np.moveaxis(some, 1, -1) for some in parts)
    kept = np.dtype("u1") if dtype.kind in "iub" else dtype.newbyteorder("=")

    def pixels() -> Iterator[np.ndarray]:
        for some in parts:
            outside = (some < 0) | (some > 255) if dtype.kind in "iu" else ~np.isfinite(some)
            if outside.any():
                expected = "bytes 0 to 255, or finite floats"
                raise wrong(source, some[outside][0], expected, found[0])
            yield some.astype(kept)

    content = labelled(pixels(), labels)
    return Images(shape, kept, content, labelled=labels is not None, source=source.name)


def _rows(source: Path, name: str):
    """The shape and dtype of an array in a .npz, and its content, some megabytes at a time."""
    with reading(source), zipfile.ZipFile(source) as file, _member(file, name) as opened:
        shape, fortran, dtype = _header(opened, name)
    if dtype.hasobject:
        raise wrong(source, PICKLED, "an array of numbers", name)
    if dtype.kind not in "iufb":
        raise wrong(source, f"dtype {dtype}", "numbers", name)
    if fortran and len(shape) > 1:
        expected = "C order (numpy.ascontiguousarray before it is saved)"
        raise wrong(source, "an array in Fortran order", expected, name)
    if not shape:
        raise wrong(source, "one number", "an array", name)

    def parts() -> Iterator[np.ndarray]:
        each = max(1, math.prod(shape[1:]) * dtype.itemsize)
        with reading(source), zipfile.ZipFile(source) as file, _member(file, name) as opened:
            _header(opened, name)
            for first in range(0, shape[0], max(1, CHUNK // each)):
                count = min(max(1, CHUNK // each), shape[0] - first)
                content = whole(opened, count * each, name)
                yield np.frombuffer(content, dtype).reshape(count, *shape[1:])

    return shape, dtype, parts()


def _member(file: zipfile.ZipFile, name: str):
    return file.open(f"{name}.npy" if f"{name}.npy" in file.namelist() else name)


def _header(opened, name: str):
    """(shape, Fortran order, dtype) of an array that was saved by NumPy."""
    header = np.lib.format
    try:
        version = header.read_magic(opened)
        read = header.read_array_header_1_0 if version == (1, 0) else header.read_array_header_2_0
        return read(opened)
    except DAMAGED as error:
        raise mismatch(f"no NumPy array ({str(error)[:200]})", "one", name) from None


def _label_numbers(found: np.ndarray, name: str) -> np.ndarray:
    """Labels as numbers of classes, where they are those, or one of n."""
    binary = found.ndim == 2 and found.shape[1] > 1 and ((found == 0) | (found == 1)).all()
    if binary and (found.sum(axis=1) == 1).all():
        return found.argmax(axis=1)
    if found.size != len(found) or (found != np.rint(found)).any():
        expected = "one whole number per image, or one of n"
        raise mismatch(f"{found.dtype} of shape {found.shape}", expected, name)
    return found.reshape(-1).astype(np.int64)
