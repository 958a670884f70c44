"""Arrays of NumPy: a .npz with images and labels, or a .npy with its labels in a file beside it.

Rows are read by their position where they are stored, and forward where they are packed: to go
back there is to read again from the beginning. Nothing is loaded whole.
"""

from __future__ import annotations

import contextlib
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.formats.sources._archive import opened_in, reading, whole, wrong
from evsim.formats.sources._content import Pictures

TITLE = "arrays of NumPy"
OPTIONS = ("split", "channels_first", "labels")
WHERE = ("file", "zip")
MAGIC = b"\x93NUMPY"
SKIP = 1 << 20  # bytes that are read in one go on the way to a row
LOCAL = 30  # bytes of a member's own header in a zip archive, before its name
LONGEST = 1 << 28  # bytes of labels
PICKLED = "a pickle, which can run any program when it is read; save numbers"


def claims(sniffed) -> bool:
    """Whether a file is an array that NumPy saved, or an archive of such."""
    return sniffed.start.startswith(MAGIC) or sniffed.name.endswith((".npy", ".npz"))


def files(path: Path, options) -> list[str]:
    """The names of the array's file and that of its labels beside it; only "", for `path`, else."""
    other = _labels_of(path, options) if _alone(path) else None
    return [""] if other is None else [path.name, str(other.relative_to(path.parent))]


def read(path: Path, options, names: list[str]) -> Pictures:
    """The images and labels of a .npz, or of a .npy and the file of labels beside it."""
    return _beside(path, options) if _alone(path) else _archive(path, options)


def _alone(path: Path) -> bool:
    """Whether a file is an array, not an archive of arrays."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def pairs(split: str) -> list[tuple[str, str]]:
    """The names of images and their labels, as people give them."""
    names = [("images", "labels"), (f"x_{split}", f"y_{split}"), (f"X_{split}", f"y_{split}")]
    return [*names, (f"{split}_images", f"{split}_labels"), ("x", "y"), ("data", "labels")]


def _archive(path: Path, options) -> Pictures:
    if options.labels is not None:
        raise mismatch(options.labels, "no such option: labels lie in the archive", "labels")
    with contextlib.ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(path))
        names = [info.filename.removesuffix(".npy") for info in archive.infolist()]
        chosen = next((pair for pair in pairs(options.split) if pair[0] in names), None)
        if chosen is None:
            expected = f"images and labels, or x_{options.split} and y_{options.split}"
            raise mismatch(f"the arrays {', '.join(names)}", expected)
        if len(set(names)) < len(names):
            raise mismatch("two arrays of one name", "one")
        arrays = []
        for name in chosen:
            if name in names:
                content = _member(path, archive, name)
                stack.callback(content.close)
                arrays.append(Array(content, path, name))
        return _pictures(path, arrays, options, stack)


def _beside(path: Path, options) -> Pictures:
    with contextlib.ExitStack() as stack:
        arrays = []
        for file in filter(None, (path, _labels_of(path, options))):
            content = Stored(file, 0, file.stat().st_size)
            stack.callback(content.close)
            arrays.append(Array(content, file, ""))
        return _pictures(path, arrays, options, stack)


def _labels_of(path: Path, options) -> Path | None:
    """The file of labels beside one of images: named, or by its name."""
    if options.labels is not None:
        beside = path.parent / options.labels
        if not beside.is_file() or ".." in beside.relative_to(path.parent).parts:
            raise mismatch(f"no file {options.labels}", f"one in {path.parent}", "labels")
        return beside
    known = {one: other for split in ("test", "train") for one, other in pairs(split)}
    names = [known[path.stem]] if path.stem in known else []
    beside = (path.with_name(f"{name}.npy") for name in [*names, f"{path.stem}_labels"])
    return next((file for file in beside if file.is_file()), None)


def _pictures(path: Path, arrays: list[Array], options, stack) -> Pictures:
    """Images and perhaps labels; what `stack` closes is open until the pictures are closed."""
    rows, labels, numbers = arrays[0], arrays[1:], None
    for array in labels:
        if math.prod(array.shape) * array.dtype.itemsize > LONGEST:
            raise wrong(array.path, f"shape {array.shape}", "one label per image", array.name)
        with array.named():
            numbers = label_numbers(array[:], array.name)
        if len(numbers) != rows.shape[0]:
            expected = f"{rows.shape[0]}, one per image"
            raise wrong(array.path, f"{len(numbers)} labels", expected, array.name)
    if len(rows.shape) not in (2, 3, 4) or 0 in rows.shape:
        expected = "(samples, height, width, channels), (samples, height, width) or (samples, n)"
        raise wrong(path, f"shape {rows.shape}", expected, rows.name)
    pixels = Pixels(rows, options.channels_first)
    return Pictures(pixels, numbers, path.name, close=stack.pop_all().close)


class Pixels:
    """The rows of an array as images: bytes, or floats in this machine's order of bytes."""

    def __init__(self, array, channels_first: bool):
        self.array, self.moved = array, channels_first and len(array.shape) == 4
        shape, kind = array.shape, array.dtype.kind
        self.shape = (shape[0], *shape[2:], shape[1]) if self.moved else shape
        self.dtype = np.dtype("u1") if kind in "iub" else array.dtype.newbyteorder("=")

    def __getitem__(self, rows: slice) -> np.ndarray:
        """The images first:last; EvsimError for a whole number that is no byte."""
        images = self.array[rows]
        if images.dtype.kind in "iu":
            outside = (images < 0) | (images > 255)
            if outside.any():
                sample = rows.indices(self.shape[0])[0] + int(np.argwhere(outside)[0][0])
                place = f"{self.array.name or 'images'}, sample {sample}"
                expected = "bytes 0 to 255, or finite floats"
                raise wrong(self.array.path, images[outside][0], expected, place)
        return (np.moveaxis(images, 1, -1) if self.moved else images).astype(self.dtype)


class Array:
    """An array that NumPy saved, read by rows: `shape`, `dtype` and `array[a:b]`."""

    def __init__(self, content, path: Path, name: str):
        self.bytes, self.path, self.name = content, path, name
        with self.named():
            self.shape, self.dtype, self.start = content.header(name)
            if self.dtype.hasobject:
                raise mismatch(PICKLED, "an array of numbers", name)
            if self.dtype.kind not in "iufb":
                raise mismatch(f"dtype {self.dtype}", "numbers", name)
            if not self.shape:
                raise mismatch("one number", "an array", name)
            self.row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
            declared, there = self.start + self.shape[0] * self.row_bytes, content.size
            if declared != there:
                raise mismatch(f"{there} bytes", f"{declared}, as its shape says", name)

    def named(self):
        """A context in which errors name the file."""
        return reading(self.path)

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, last, _ = rows.indices(self.shape[0])
        count = max(0, last - first)
        with self.named():
            place = self.start + first * self.row_bytes
            content = self.bytes.read(place, count * self.row_bytes, self.name)
        return np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])


def _header(file, name: str):
    """(shape, dtype, where the content begins) of an array that NumPy saved."""
    header = np.lib.format
    try:
        version = header.read_magic(file)
        read = header.read_array_header_1_0 if version == (1, 0) else header.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except EvsimError:
        raise
    except Exception as error:  # NumPy raises many kinds for a damaged header
        reason = " ".join(str(error).split())[:200]
        raise mismatch(f"no NumPy array ({reason})", "one", name) from None
    if fortran and len(shape) > 1:
        expected = "C order (numpy.ascontiguousarray before it is saved)"
        raise mismatch("an array in Fortran order", expected, name)
    return shape, dtype, file.tell()


class Stored:
    """Bytes of a file from `start` on, read by position.

    `checksum`: their CRC-32, compared when they were read once in order; None if nobody knows it.
    """

    def __init__(self, path: Path, start: int, size: int, checksum: int | None = None):
        self.start, self.size, self.checksum = start, size, checksum
        self.file = open(path, "rb")  # noqa: SIM115  closed by close
        self.sum, self.summed = 0, 0  # of the first bytes, and how many they are

    def header(self, name: str):
        """(shape, dtype, where the content begins), as the array's own header says."""
        self.file.seek(self.start)
        shape, dtype, end = _header(self.file, name)
        begin = end - self.start
        self.file.seek(self.start)
        self.sum, self.summed = zlib.crc32(self.file.read(begin)), begin
        return shape, dtype, begin

    def read(self, begin: int, size: int, name: str) -> bytes:
        """`size` bytes from `begin` on."""
        self.file.seek(self.start + begin)
        content = whole(self.file, size, name or "the array")
        if self.checksum is not None and begin == self.summed:
            self.sum, self.summed = zlib.crc32(content, self.sum), begin + size
            if self.summed == self.size and self.sum != self.checksum:
                raise zipfile.BadZipFile(f"Bad CRC-32 for file {name}")
        return content

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class Packed:
    """The bytes of a packed member of a zip archive, read forward."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo):
        self.archive, self.info, self.size = archive, info, info.file_size
        self.file = None

    def header(self, name: str):
        """(shape, dtype, where the content begins), as the array's own header says."""
        with opened_in(self.archive, self.info) as file:
            return _header(file, name)

    def read(self, begin: int, size: int, name: str) -> bytes:
        """`size` bytes from `begin` on; from the start again where that lies behind."""
        if self.file is None or self.file.tell() > begin:
            self.close()
            self.file = opened_in(self.archive, self.info)
        while (gap := begin - self.file.tell()) > 0:
            whole(self.file, min(gap, SKIP), name)
        content = whole(self.file, size, name)
        if begin + size == self.size and self.file.read(1):  # also compares the checksum
            raise mismatch("more bytes", f"{self.size}", name)
        return content

    def close(self) -> None:
        """Close the member, not the archive."""
        if self.file is not None:
            self.file.close()


def _member(path: Path, archive: zipfile.ZipFile, name: str):
    """What reads the bytes of a member of an archive."""
    inside = {info.filename: info for info in archive.infolist()}
    info = inside.get(f"{name}.npy") or inside[name]
    packed = Packed(archive, info)
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        return packed
    if info.compress_size != info.file_size:
        raise zipfile.BadZipFile(f"two sizes for file {info.filename}, which is not packed")
    with opened_in(archive, info), open(path, "rb") as file:  # zipfile checks the member's header
        file.seek(info.header_offset)
        head = whole(file, LOCAL, name)
    lengths = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    start = info.header_offset + LOCAL + lengths
    return Stored(path, start, info.file_size, info.CRC)


def label_numbers(labels: np.ndarray, name: str) -> np.ndarray:
    """Labels as numbers of classes, where they are those, or one of n."""
    binary = labels.ndim == 2 and labels.shape[1] > 1 and ((labels == 0) | (labels == 1)).all()
    if binary and (labels.sum(axis=1) == 1).all():
        return labels.argmax(axis=1).astype(np.int64)
    if labels.size != len(labels) or not (labels == np.rint(labels)).all():
        expected = "one whole number per image, or one of n"
        raise mismatch(f"{labels.dtype} of shape {labels.shape}", expected, name)
    return labels.reshape(-1).astype(np.int64)
