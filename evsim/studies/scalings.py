"""How pixels may have been scaled in training: what people do, and what the images suggest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from evsim.neurons.input import Input

KNOWN = {  # mean and deviation of values from 0 to 1, red first
    3: (
        ("ImageNet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("CIFAR-10", (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    ),
    1: (("MNIST", (0.1307,), (0.3081,)), ("Fashion-MNIST", (0.286,), (0.353,))),
}
CAFFE = (123.68, 116.779, 103.939)  # means of ImageNet, of values from 0 to 255, red first


@dataclass(frozen=True)
class Scaling:
    """x = (raw / divisor - mean) / std; mean and std: one value, or one a channel of the images."""

    name: str
    divisor: float
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def input(self, usual: Input, whole: bool) -> Input:
        """The population `usual` with this scaling, of images of whole numbers or of floats.

        Floats are not divided by a scale: the divisor goes into mean and deviation.
        """
        if whole:
            scale, mean, std = np.float64(self.divisor), self.mean, self.std
        else:
            scale = usual.scale
            mean = tuple(_digits(value * self.divisor, 6) for value in self.mean)
            std = tuple(_digits(value * self.divisor, 6) for value in self.std)
        return replace(usual, scale=scale, mean=_array(mean), std=_array(std))


def scalings(images: np.ndarray) -> Iterator[Scaling]:
    """The scalings to try on raw images (samples, ...), without repetition."""
    tried = set()
    for scaling in _all(images):
        key = (_digits(scaling.divisor, 4), scaling.mean, scaling.std)
        if key not in tried:
            tried.add(key)
            yield scaling


def _all(images: np.ndarray) -> Iterator[Scaling]:
    whole, channels = images.dtype.kind in "iub", images.shape[3] if images.ndim == 4 else 1
    top = float(images.max())
    full = 255.0 if top > (127 if whole else 1.5) else max(top, 1.0) if whole else 1.0
    upto = f"{full:g}"  # 255, or such as 16
    yield Scaling(f"pixels / {upto}" if full != 1 else "0 to 1, as they are", full)
    if full != 255 and whole:
        yield Scaling("pixels / 255", 255.0)
    yield Scaling("0 to 255", full / 255)
    yield Scaling("as stored", 1.0)
    yield Scaling("-1 to 1", full / 2, (1.0,))
    yield Scaling("-0.5 to 0.5", full, (0.5,))
    for name, mean, std in KNOWN.get(channels, ()):
        yield Scaling(f"mean and deviation of {name}", full, mean, std)
    if channels == 3:
        yield Scaling("0 to 255, less the means of ImageNet", full / 255, CAFFE)
    axes = tuple(range(images.ndim - 1)) if images.ndim == 4 else None
    mean, std = (
        tuple(_digits(float(value) / full, 4) for value in np.atleast_1d(part))
        for part in (images.mean(axes, np.float64), images.std(axes, dtype=np.float64))
    )
    if all(value > 0 for value in std):
        yield Scaling("mean and deviation of these images", full, mean, std)
    yield Scaling("less the mean of these images", full, mean)


def _array(values: tuple[float, ...]) -> np.ndarray:
    """The values, a single one as a scalar."""
    return np.array(values[0] if len(values) == 1 else values, np.float64)


def _digits(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
