"""Image files, one folder per class; labels are the places of the classes in order of name."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.formats.sources._archive import walked, wrong
from evsim.formats.sources._content import Pictures

TITLE = "a folder of images per class"
OPTIONS = ("size", "gray")
WHERE = ("folder",)
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"P5", b"P6", b"II*\0", b"MM\0*", b"RIFF")
LARGEST = 1 << 26  # pixels of an image
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # of 8 bits a channel, or less


def claims(sniffed) -> bool:
    """Whether a file is an image, by its name and how it begins."""
    return sniffed.name.lower().endswith(ENDINGS) and sniffed.start.startswith(STARTS)


def read(path: Path, options, names: list[str]) -> Pictures:
    """The images of a folder, decoded when they are used; bytes, three channels or one."""
    _pillow()
    if options.size and math.prod(options.size) > LARGEST:
        raise mismatch(f"{math.prod(options.size)} pixels", f"at most {LARGEST}", "size")
    if not names:
        expected = f"folders, one per class, of {' '.join(ENDINGS)}"
        raise wrong(path, "no image", expected)
    inside = (e.name for e in os.scandir(path) if e.is_dir() and not e.name.startswith("."))
    classes = sorted(inside)
    number = {name: label for label, name in enumerate(classes)}
    labels = np.array([number[name.partition("/")[0]] for name in names], np.int64)
    rows = Decoded(path, names, options.size, options.gray)
    return Pictures(rows, labels, path.resolve().name, classes)


def files(path: Path, options) -> list[str]:
    """The names of the images of all classes, in order."""
    if not path.is_dir():
        raise wrong(path, "no folder", "one with a folder of images per class")
    return [name for name in walked(path) if name.lower().endswith(ENDINGS) and "/" in name]


class Decoded:
    """Image files as rows of an array (samples, height, width, channels) of bytes."""

    dtype = np.dtype(np.uint8)
    batch = 1  # to decode more at once saves nothing

    def __init__(self, folder: Path, names: list[str], size, gray: bool):
        self.folder, self.names, self.size, self.gray = folder, names, size, gray
        self.shape = (len(names), *self._pixels(names[0]).shape)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """The images first:last."""
        first, last, _ = rows.indices(len(self.names))
        found = np.empty((max(0, last - first), *self.shape[1:]), np.uint8)
        for place, name in enumerate(self.names[first:last]):
            pixels = self._pixels(name)
            if pixels.shape != self.shape[1:]:
                expected = f"{self.shape[1:]} as in {self.names[0]} (size=HxW makes them equal)"
                found = f"an image of shape {pixels.shape}"
                raise wrong(self.folder / name, found, expected)
            found[place] = pixels
        return found

    def _pixels(self, name: str) -> np.ndarray:
        image_module, path = _pillow(), self.folder / name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", image_module.DecompressionBombWarning)
                with image_module.open(path) as image:
                    if image.mode not in MODES:
                        expected = "8 bits a channel"
                        raise wrong(path, f"an image of mode {image.mode}", expected)
                    picture = image.convert("L" if self.gray else "RGB")
                    picture = _cut(picture, self.size) if self.size else picture
                    return np.asarray(picture, np.uint8).reshape(picture.height, picture.width, -1)
        except (image_module.DecompressionBombError, image_module.DecompressionBombWarning):
            raise wrong(path, "too many pixels", "an ordinary image") from None
        except EvsimError:
            raise
        except FileNotFoundError:
            raise EvsimError(
                "no such file (it was there at the beginning)", file=str(path)
            ) from None
        except MemoryError:
            raise EvsimError("found more data than memory holds", file=str(path)) from None
        except Exception as error:  # Pillow raises many kinds for a damaged file
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise wrong(path, f"a damaged image ({reason})", "a whole one") from None


def _pillow():
    """The module of Pillow that opens images."""
    try:
        from PIL import Image
    except ImportError:
        needed = "reading image files needs Pillow: pip install 'evsim[images]'"
        raise EvsimError(needed) from None
    return Image


def _cut(image, size: tuple[int, int]):
    """The image scaled until it just covers `size`, then cut to it around its centre."""
    factor = max(size[0] / image.height, size[1] / image.width)
    height, width = (max(n, round(m * factor)) for n, m in zip(size, image.size[::-1], strict=True))
    image = image.resize((width, height), _pillow().Resampling.BILINEAR)
    left, top = (width - size[1]) // 2, (height - size[0]) // 2
    return image.crop((left, top, left + size[1], top + size[0]))
