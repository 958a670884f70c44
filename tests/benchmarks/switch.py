"""Temporal switch coding, a trained VGG-16, windows of 256, one thread: against PyTorch."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import evsim
from benchmarks import peers
from benchmarks.claims import METHOD, SHARED, command, data
from benchmarks.table import Row, at_least
from benchmarks.timing import alternate

WINDOW, SAMPLES, BAR = 256, 4, 15


def rows(quick: bool) -> Iterator[Row]:
    """Seconds an image of both, taking turns, and whether they agree."""
    work = f"VGG-16, switch coding, N = {WINDOW}, against dense PyTorch"
    if not SHARED.is_dir() or not peers.installed("torch"):
        yield Row(work, "no trained network, or PyTorch is not installed", f"at least {BAR}")
        return
    network = converted()
    images = evsim.open_data(data("test")).images[:SAMPLES]
    run = evsim.run(network, images, jobs=1)
    contenders = {"evsim": lambda: evsim.run(network, images, jobs=1).seconds / SAMPLES}
    for layout in (False, True):
        contenders[layout] = dense(network, images, layout, run.potential)
    found = alternate(contenders, 1 if quick else 3)
    best = min(found[False], found[True])
    detail = (
        f"evsim {found['evsim']:.3f} s an image; PyTorch, each layer over its own {WINDOW} "
        f"timesteps, batch 1: {found[False]:.2f} s channels first, {found[True]:.2f} s last"
    )
    yield at_least(work, best / found["evsim"], BAR, detail)


def converted():
    """The network of the trained file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.h5"
        model = str(SHARED / "networks" / "cifar10-vgg16.torch-state.h5")
        options = ("--topology", "vgg16", "--scheme", "switch", "--window", str(WINDOW), *METHOD)
        command("convert", model, "-o", str(path), "--calibrate", data("train"), *options)
        return evsim.load(path)


def layers(network, layout) -> Iterator[tuple]:
    """(part, weight, cells that are pooled, padding) of every layer in order."""
    import torch

    for name in network.order:
        if name in network.synapses:
            part = network.synapses[name]
            weight = torch.tensor(np.asarray(part.weight))
            if part.kind == "conv":
                weight = weight.permute(3, 2, 0, 1).contiguous(memory_format=layout)
            target = network.populations[part.target]
            yield target, weight, part.prepool, getattr(part, "padding", None)


def field(part, name: str):
    """A field of a population, one per channel, for (batch, channels, ...)."""
    import torch

    value = getattr(part, name)
    value = np.zeros(()) if value is None else np.asarray(value, np.float32)
    tail = (1, 1) if len(part.shape) == 3 else ()
    return torch.tensor(value.reshape(-1, *tail) if value.ndim else value)


def dense(network, images, last: bool, expected: np.ndarray) -> Callable:
    """A function that simulates the images one by one and returns the seconds an image.

    Each layer takes the events of its window as (timesteps, channels, height, width), in one
    convolution, then its slopes and potentials timestep by timestep.
    """
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    layout = torch.channels_last if last else torch.contiguous_format
    made = list(layers(network, layout))
    part = network.populations[network.input]
    scaled = [part.scaled(image, np.float32).reshape(part.shape) for image in images]

    def pairs(durations):
        """The events of durations (channels, height, width)."""
        x = torch.zeros((WINDOW, *durations.shape)).contiguous(memory_format=layout)
        sign = durations.sign()
        x[0] += sign
        x.scatter_reduce_(0, durations.abs().long()[None], -sign[None], "sum")
        return x

    def forward(image):
        values = torch.tensor(image.transpose(2, 0, 1))
        durations = values.sign() * torch.floor(values.abs().clamp(max=1) * (WINDOW - 1))
        for part, weight, cell, padding in made:
            x = pairs(durations)
            if cell != (1, 1):
                x = functional.avg_pool2d(x, cell, divisor_override=1)
            if padding is None:
                x = x.permute(0, 2, 3, 1).flatten(1) @ weight
            else:
                x = functional.conv2d(x, weight, padding=(padding[0], padding[2]))
            slope, potential = torch.zeros_like(x[0]), torch.zeros_like(x[0])
            bias = field(part, "bias")
            for step in x:
                slope += step
                potential += slope
            potential += (WINDOW - 1) * bias
            if part.kind == "readout":
                return potential
            v = potential.double() / field(part, "threshold") + part.rounding
            durations = torch.floor(v).clamp(0, WINDOW - 1).float()
        raise ValueError("the network has no readout")

    with torch.inference_mode():
        for image, potential in zip(scaled, expected, strict=True):
            theirs = forward(image).numpy()
            if not np.allclose(theirs, potential, rtol=0.05, atol=0.05 * np.abs(potential).max()):
                raise ValueError(f"PyTorch and evsim differ: {theirs} and {potential}")

    def seconds() -> float:
        with torch.inference_mode():
            begin = time.perf_counter()
            for image in scaled:
                forward(image)
            return (time.perf_counter() - begin) / SAMPLES

    return seconds
