"""VGG-16 at ImageNet size: time per synaptic addition against CIFAR size, and memory."""

from collections.abc import Iterator

from benchmarks.table import Row, at_most
from benchmarks.timing import child
from benchmarks.workload import TIMESTEPS, thresholds

# What workload.calibrated finds for vgg16_imagenet() and one image of 20 timesteps, in 40 seconds.
LARGE = {
    "conv1_1": 1.5,
    "conv1_2": 10.0,
    "conv2_1": 6.203125,
    "conv2_2": 11.828125,
    "conv3_1": 12.0625,
    "conv3_2": 18.859375,
    "conv3_3": 17.296875,
    "conv4_1": 14.703125,
    "conv4_2": 24.84375,
    "conv4_3": 22.421875,
    "conv5_1": 19.875,
    "conv5_2": 17.625,
    "conv5_3": 19.109375,
    "dense1": 34.9375,
    "dense2": 15.828125,
}
STEPS, MOST, RATIO = 20, 4000, 1.5


def rows(quick: bool) -> Iterator[Row]:
    """One image of 20 timesteps in a process of its own."""
    job = {"jobs": 1, "rounds": 1 if quick else 3, "samples": 1}
    small = {"topology": "vgg16", "shape": (32, 32, 3), "timesteps": TIMESTEPS}
    large = {"topology": "vgg16_imagenet", "shape": (224, 224, 3), "timesteps": STEPS}
    cifar = child({**job, **small, "thresholds": thresholds()})
    found = child({**job, **large, "thresholds": LARGE})
    each = {
        name: 1e9 * run["seconds"] / run["synops"]
        for name, run in (("CIFAR", cifar), ("ImageNet", found))
    }
    detail = f"{found['seconds']:.2f} s, {found['described']}; " + ", ".join(
        f"{time:.4f} ns a synop at {name} size" for name, time in each.items()
    )
    ratio = each["ImageNet"] / each["CIFAR"]
    work = "VGG-16 at ImageNet size, time per synop"
    yield Row(work, f"{ratio:.2f} of CIFAR's", f"at most {RATIO}", ratio <= RATIO, detail)
    yield at_most("VGG-16 at ImageNet size, memory", found["megabytes"], MOST, "MB")
