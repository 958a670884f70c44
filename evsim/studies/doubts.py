"""Whether images look as a network needs them: no proof, but the first mistakes of many."""

from __future__ import annotations

import numpy as np

from evsim.neurons.input import Input

LOOKED_AT = 64  # images
TOO_LARGE, TOO_SMALL = 8, 1 / 32  # times what a pixel should be at most


def about_range(input: Input, images) -> str | None:
    """What is odd about the range of images, in one line; None where nothing is.

    Pixels, after whole numbers were divided by the input's scale, should go up to about 1, or to
    twice the mean that is subtracted where that is more. A scale of 1 says nothing of the range.
    """
    some = np.asarray(images[:LOOKED_AT])
    whole = some.dtype.kind in "iub"
    scale = float(input.scale)
    if not some.size or scale == 1:
        return None
    largest = float(np.abs(some.astype(np.float64)).max())
    expected = max(1.0, 2 * float(np.abs(input.mean).max()))
    size = largest / scale if whole else largest
    if not size or TOO_SMALL * expected <= size <= TOO_LARGE * expected:
        return None
    found = f"pixels are {'whole numbers' if whole else 'floats'} up to {largest:g}"
    if whole:
        taken = f"{size:.2g} after a division by {scale:g}"
    elif size > expected:
        taken = f"which are taken as they are (only whole numbers are divided by {scale:g})"
    else:
        taken = "which are taken as they are"
    wanted = f"the network takes about 0 to {expected:g}"
    return f"{found}, {taken}; {wanted}: were they scaled in training as here? (`scale`, `mean`)"


def about_classes(labels, some: slice) -> str | None:
    """Whether some images are of few of a file's classes, as the first ones of a sorted file are.

    `labels`: of all images of the file, or None.
    """
    if labels is None:
        return None
    found, classes = (len(np.unique(np.asarray(part))) for part in (labels[some], labels[:]))
    if found == classes:
        return None
    return f"images are of {found} of {classes} classes: `samples` should take some of each"
