"""VGG-16 at ImageNet size: time per synaptic addition against CIFAR size, and memory."""

from collections.abc import Iterator

from benchmarks.table import Row, at_most
from benchmarks.timing import child
from benchmarks.workload import TIMESTEPS, thresholds

# Made by workload.calibrated for 20 timesteps of one image.
LARGE: dict[str, float] = {}
STEPS, MOST, RATIO = 20, 4000, 1.5


def rows(quick: bool) -> Iterator[Row]:
    """One image of 20 timesteps in a process of its own."""
    job = {"jobs": 1, "rounds": 1 if quick else 3, "samples": 1}
    small = {"topology": "vgg16", "thresholds": thresholds(), "timesteps": TIMESTEPS}
    large = {"topology": "vgg16_imagenet", "thresholds": LARGE, "timesteps": STEPS}
    cifar, found = (child({**job, **size}) for size in (small, large))
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
