"""Images in the formats that people download."""

import struct
from pathlib import Path


def idx(values):
    """The bytes of an idx file."""
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return head + values.tobytes()


def write_images(images, names=None, ending="png"):
    from PIL import Image

    for i, image in enumerate(images):
        folder = Path("f") / ("ant", "bee")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(folder / f"{i:02d}.{ending}")
