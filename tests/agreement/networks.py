"""Random networks of every kind with data and a chip, as files; each is reproduced by its number.

Shares nothing with the strategies of the other tests: NumPy's generator draws, h5py writes. What
is drawn are small realistic networks in which events flow, not the smallest odd ones.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

import h5py
import numpy as np

from agreement.chips import draw_chip, written

SPIKING_KINDS = ("iaf", "lif", "stochastic", "signed", "cubalif", "cuba", "latereset")
GRADED_KINDS = ("analog", "burst", "phase", "multispike", "integrator")
OF_TOOLS = ("latereset", "multispike", "integrator")  # floats only, as cubalif
FAMILIES = {"mixed": 0.64, "window": 0.14, "online": 0.1, "later": 0.05, "first spikes": 0.07}
VALUE_TYPES = (np.float16, np.float32, np.float32, np.float64)


@dataclass
class Case:
    """Files of a network, of data and of a chip, what they were written from, and options."""

    number: int
    folder: Path
    network: dict  # attributes, populations, synapses: their fields
    data: dict  # images or events, perhaps labels
    chip: dict  # as in TOML
    coding: str
    options: list[str]  # of run, check and compare
    placing: str
    samples: tuple[int, int]  # of the data file

    def path(self, name: str) -> str:
        """A file of the case."""
        return str(self.folder / name)


def draw(number: int, folder: Path) -> Case:
    """Write case `number` to a folder."""
    rng = np.random.default_rng(number)
    family = rng.choice(list(FAMILIES), p=list(FAMILIES.values()))
    drawn = {
        "mixed": Mixed,
        "window": Windowed,
        "online": Online,
        "later": Later,
        "first spikes": FirstSpikes,
    }
    made = drawn[family](rng)
    made.build()
    case = Case(
        number,
        Path(folder),
        {
            "attributes": made.attributes,
            "populations": made.populations,
            "synapses": made.synapses,
        },
        made.data,
        draw_chip(rng),
        made.coding,
        made.options(),
        str(rng.choice(["in_order", "balanced"])),
        made.some,
    )
    write_network(case.path("network.h5"), case.network)
    write_data(case.path("data.h5"), case.data)
    Path(case.path("chip.toml")).write_text(written(case.chip), encoding="utf-8")
    return case


class Mixed:
    """All kinds without windows, in any order, with shortcuts and cycles."""

    kinds_inside = (*SPIKING_KINDS, *GRADED_KINDS, "maxpool", "iaf", "lif")
    codings = ("constant", "poisson", "latency", "events")
    timesteps: int | None = None

    def __init__(self, rng):
        self.rng = rng
        self.populations, self.synapses, self.attributes = {}, {}, {}
        self.whole: dict[str, bool] = {}  # populations of integers
        self.integer_only: set[str] = set()
        self.layers = 0

    # draws

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def one(self, *options):
        return options[self.rng.integers(len(options))]

    def number(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def kinds(self) -> set[str]:
        return {part["kind"] for part in self.populations.values()}

    # the network

    def build(self) -> None:
        self.begin()
        for _ in range(self.number(1, 4)):
            self.add_layer()
        if self.chance(0.3):
            self.add_unrolled()
        self.add_output()
        if self.chance(0.5):
            self.add_cycle()
        self.attributes |= {"input": "in", "output": self.output}
        self.choose()
        self.data |= self.labels()

    def begin(self) -> None:
        """The input population and its data."""
        rank3 = self.chance(0.7)
        shape = (self.number(3, 6), self.number(3, 6), self.number(1, 3))
        self.coding = self.one(*self.codings)
        self.count = self.number(1, 4)
        self.populations["in"] = {"kind": "input", "shape": shape if rank3 else (prod(shape),)}
        self.timesteps = self.timesteps or self.number(3, 12)
        self.graded_input = self.coding == "constant"
        self.signed_input = False
        if self.coding == "events":
            self.data = {"events": self.events(shape)}
        else:
            self.data = {"images": self.images(shape)}

    def images(self, shape) -> np.ndarray:
        images = self.rng.random((self.count, *shape)) ** 2 * (self.rng.random(shape) < 0.8)
        if self.chance(0.5):
            images = np.uint8(255 * images)
            self.populations["in"] |= {"scale": 128.0} if self.chance(0.2) else {}
        else:
            signs = self.rng.choice([1, 1, -1], images.shape) if self.chance(0.4) else 1
            images = np.float32(images * signs * self.one(1, 1.5))
        if self.chance(0.3):
            channels = shape[-1] if self.chance(0.5) else 1
            each = {"mean": self.rng.random(channels) * 0.3, "std": 0.5 + self.rng.random(channels)}
            self.populations["in"] |= {k: v if v.size > 1 else v[0] for k, v in each.items()}
        if shape[-1] == 1 and self.chance(0.5):
            return images[..., 0]
        return images.reshape(self.count, -1) if self.one_row() and self.chance(0.3) else images

    def one_row(self) -> bool:
        """Whether images may come without rows: means would be per channel of no channels."""
        plain = np.ndim(self.populations["in"].get("mean", 0)) == 0
        return len(self.populations["in"]["shape"]) == 1 and plain

    def events(self, shape) -> dict:
        """Spikes, signs or values; some of them at or after the end of a run."""
        neurons, steps = prod(shape), self.timesteps + self.number(-1, 2)
        there = np.argwhere(self.rng.random((self.count, steps, neurons)) < 0.25)
        if not len(there):
            there = np.zeros((1, 3), np.int64)
        found = {name: there[:, i] for i, name in enumerate(("sample", "timestep", "neuron"))}
        content = self.one("spikes", "signs", "values", "values", "called graded")
        if content == "signs":
            found["value"] = self.rng.choice([1.0, 1.0, -1.0], len(there))
        if content == "values":
            found["value"] = np.round(self.rng.normal(0.5, 1, len(there)), 3) + 1e-4
        if content == "called graded":
            found["graded"] = True
        self.graded_input = content in ("values", "called graded")
        self.signed_input = content in ("signs", "values")
        return found | {"shape": shape, "samples": self.count, "timesteps": steps}

    def add_layer(self) -> None:
        """A population behind those that are there."""
        kind = self.one(*self.kinds_inside)
        name = self.new_name()
        if kind == "maxpool":
            source = self.source(lambda n: len(self.shape(n)) == 3 and max(self.shape(n)[:2]) > 1)
            if source is None:
                return
            part, shape = self.pool(source)
            self.populations[name] = {"kind": kind, "shape": shape}
            self.whole[name] = False
            self.connect(name, source, part)
            return
        source = self.source()
        floats = kind in ("cubalif", *OF_TOOLS)
        whole = (kind == "cuba" or self.chance(0.4)) and not floats
        if whole and self.graded(source):
            source = self.source(lambda n: not self.graded(n))
            if source is None:
                if kind == "cuba":
                    return
                source, whole = self.source(), False
        part, places = self.first_set(source, whole)
        self.place(name, kind, places, whole)
        self.connect(name, source, part)
        for _ in range(self.number(0, 2) if self.chance(0.5) else 0):
            self.add_shortcut(name)
        self.populations[name] |= self.fields(name, kind)

    def new_name(self) -> str:
        """Names whose order is not that of visits."""
        self.layers += 1
        return f"{self.one('a', 'm', 'z')}{self.layers}"

    def place(self, name: str, kind: str, places, whole: bool) -> None:
        """A population with a shape; stateless ones may take the largest of several places."""
        shape, own = places, {}
        if kind in ("analog", "stochastic") and len(places) == 3 and self.chance(0.5):
            pool = tuple(2 if n % 2 == 0 else 1 for n in places[:2])
            if pool != (1, 1):
                shape = (places[0] // pool[0], places[1] // pool[1], places[2])
                own = {"pool": pool}
        self.populations[name] = {"kind": kind, "shape": shape, **own}
        self.whole[name] = whole

    def places(self, name: str):
        """The shape that sets see as their target."""
        part = self.populations[name]
        if "pool" not in part:
            return part["shape"]
        rows, columns, channels = part["shape"]
        return rows * part["pool"][0], columns * part["pool"][1], channels

    def shape(self, name: str):
        return self.populations[name]["shape"]

    def source(self, fits=lambda name: True) -> str | None:
        """A population that is there, a late one rather than an early one."""
        names = [n for n, p in self.populations.items() if p["kind"] != "readout" and fits(n)]
        if not names:
            return None
        late = np.arange(1, len(names) + 1) ** 2.0
        return str(self.rng.choice(names, p=late / late.sum()))

    def graded(self, name: str) -> bool:
        """Whether its events carry any value."""
        part = self.populations[name]
        if part["kind"] == "maxpool":
            [into] = [s for s in self.synapses.values() if s["target"] == name]
            return self.graded(into["source"])
        return self.graded_input if name == "in" else part["kind"] in GRADED_KINDS

    # sets

    def connect(self, target: str, source: str, part: dict, delay: int | None = None) -> None:
        delay = (self.number(1, 3) if self.chance(0.3) else 0) if delay is None else delay
        ends = {"source": source, "target": target}
        name = f"{self.one('c', 'n', 'y')}{len(self.synapses)} {source}-{target}"
        self.synapses[name] = ends | ({"delay": delay} if delay else {}) | part

    def first_set(self, source: str, whole: bool) -> tuple[dict, tuple]:
        """A set of any kind, and the shape of its target."""
        shape = self.shape(source)
        if len(shape) == 3:
            kinds = ["conv", "conv", "conv", "dense", "sparse", "identity"]
            kinds += [] if whole else ["pool"]
        else:
            kinds = ["dense", "dense", "sparse", "identity"]
        kind = self.one(*kinds)
        if kind == "conv":
            return self.conv(source, whole)
        if kind == "pool":
            return self.pool(source)
        if kind == "identity":
            return self.identity(source, whole, weighted=whole or self.chance(0.5))
        target = self.one(
            (self.number(4, 24),), (self.one(2, 4), self.one(2, 4), self.number(1, 4))
        )
        return self.between(source, target, whole, kind), target

    def between(self, source: str, target, whole: bool, kind: str = "") -> dict:
        """A dense or a sparse set into a target of this shape."""
        shape, out = self.shape(source), prod(target)
        if (kind or self.one("dense", "sparse")) == "sparse":
            there = self.rng.random((prod(shape), out)) < self.one(0.15, 0.5)
            weights, own = self.weights(
                (int(there.sum()),), 0.4 * prod(shape), whole, source, target
            )
            own |= {"indices": np.nonzero(there)[1], "data": weights}
            return own | {"kind": "sparse", "indptr": np.append(0, there.sum(axis=1).cumsum())}
        cells = (1, 1)
        if len(shape) == 3 and self.chance(0.2):
            cells = tuple(self.number(1, min(2, n)) for n in shape[:2])
        rows = (
            prod(n // c for n, c in zip(shape[:2], cells, strict=True)) * shape[2]
            if (cells != (1, 1))
            else prod(shape)
        )
        weights, own = self.weights((rows, out), prod(shape), whole, source, target)
        own |= {"prepool": cells} if cells != (1, 1) else {}
        return own | {"kind": "dense", "weight": weights}

    def conv(self, source: str, whole: bool) -> tuple[dict, tuple]:
        height, width, depth = self.shape(source)
        own: dict = {"kind": "conv"}
        if self.chance(0.2):
            own["prepool"] = tuple(self.number(1, min(2, n)) for n in (height, width))
        cells = [n // p for n, p in zip((height, width), own.get("prepool", (1, 1)), strict=True)]
        kernel = [self.number(1, min(3, n)) for n in cells]
        if self.chance(0.5):
            own["padding"] = tuple(self.number(0, 2) for _ in range(4))
        if self.chance(0.4):
            own["stride"] = self.number(1, 2), self.number(1, 3)
        if self.chance(0.25):
            own["dilation"] = tuple(
                self.number(1, 2) if 2 * (k - 1) < n else 1
                for k, n in zip(kernel, cells, strict=True)
            )
        groups = self.one(*(g for g in (1, 1, 2, 3) if depth % g == 0))
        out = groups * self.number(1, 4)
        own |= {"groups": groups} if groups > 1 else {}
        padding, stride = own.get("padding", (0,) * 4), own.get("stride", (1, 1))
        sizes = [
            (
                cells[i]
                + padding[2 * i]
                + padding[2 * i + 1]
                - own.get("dilation", (1, 1))[i] * (k - 1)
                - 1
            )
            // stride[i]
            + 1
            for i, k in enumerate(kernel)
        ]
        target = (*sizes, out)
        fan_in = prod(kernel) * depth // groups
        shape = (*kernel, depth // groups, out)
        weights, scaled = self.weights(shape, fan_in, whole, source, target)
        return own | scaled | {"weight": weights}, target

    def pool(self, source: str) -> tuple[dict, tuple]:
        height, width, channels = self.shape(source)
        kernel = tuple(self.number(1, min(3, n)) for n in (height, width))
        if kernel == (1, 1):
            kernel = (min(2, height), min(2, width))
        own = {"kind": "pool", "kernel": kernel}
        if self.chance(0.4):
            own["stride"] = self.number(1, 2), self.number(1, 2)
        if self.chance(0.3):
            own["padding"] = tuple(self.number(0, 1) for _ in range(4))
        stride, padding = own.get("stride", kernel), own.get("padding", (0,) * 4)
        sizes = [
            (n + padding[2 * i] + padding[2 * i + 1] - kernel[i]) // stride[i] + 1
            for i, n in enumerate((height, width))
        ]
        return own, (*sizes, channels)

    def identity(self, source: str, whole: bool, weighted: bool) -> tuple[dict, tuple]:
        shape, own = self.shape(source), {"kind": "identity"}
        offset = self.number(0, 2) if self.chance(0.4) else 0
        own |= {"channel_offset": offset} if offset else {}
        stride = (1, 1)
        if len(shape) == 3 and self.chance(0.3):
            own["stride"] = stride = self.number(1, 2), self.number(1, 2)
        spatial = tuple(-(-n // s) for n, s in zip(shape[:-1], stride, strict=False))
        target = (*spatial, shape[-1] + offset + self.number(0, 1))
        if weighted:
            weights, scaled = self.weights((shape[-1],), 1, whole, source, target)
            own |= scaled | {"weight": weights}
        return own, target

    def weights(self, shape, fan_in, whole: bool, source: str, target) -> tuple[np.ndarray, dict]:
        """Weights for so many inputs, mostly exciting; with the fields of integer ones."""
        shared = [
            part
            for part in self.synapses.values()
            if "weight" in part
            and part["weight"].shape == shape
            and self.shareable(part, whole, source, target)
        ]
        if shared and self.chance(0.7):
            part = self.one(*shared)
            return part["weight"], {k: part[k] for k in ("bits", "scale") if k in part}
        integer = whole or self.chance(0.3)
        if not integer:
            weights = self.rng.normal(0.5, 1, shape) * 2.2 / np.sqrt(max(fan_in, 1))
            weights[self.rng.random(shape) < 0.1] = 0
            return weights.astype(self.one(*VALUE_TYPES)), {}
        own = {}
        if self.chance(0.3):
            weights = self.rng.choice([1, 1, -1], shape).astype(np.int8)
            own["bits"] = 1
        else:
            weights = np.clip(np.round(self.rng.normal(1.5, 3, shape)), -8, 7)
            weights = weights.astype(self.one(np.int8, np.int8, np.int16, np.int32))
            own |= {"bits": 4} if self.chance(0.4) else {}
        if not whole and (not self.graded(source) or self.chance(0.5)):
            channels = target[-1] if self.chance(0.5) else 1
            scale = (0.3 + self.rng.random(channels)) / np.sqrt(max(fan_in, 1))
            own["scale"] = scale if channels > 1 else scale[0]
        return weights, own

    def shareable(self, part: dict, whole: bool, source: str, target) -> bool:
        """Whether a set may share the weights of another one."""
        integer, scale = part["weight"].dtype.kind == "i", part.get("scale")
        if whole:
            return integer and scale is None
        if not integer:
            return True
        fits = scale is not None and np.size(scale) in (1, target[-1])
        return fits or (scale is None and self.graded(source))

    def add_shortcut(self, name: str) -> None:
        """Another set into a population, of a kind that fits its shape."""
        whole, target = self.whole[name], self.places(name)
        source = self.source(
            lambda n: (
                n != name
                and self.populations[n]["kind"] != "readout"
                and not (whole and self.graded(n))
            )
        )
        if source is None:
            return
        shape = self.shape(source)
        if shape == target and self.chance(0.5):
            part = {"kind": "identity"}
            if self.chance(0.5):
                weights, own = self.weights((shape[-1],), 1, whole, source, target)
                part |= own | {"weight": weights}
        elif len(shape) == len(target) == 3 and shape[:2] == target[:2] and self.chance(0.7):
            weights, own = self.weights(
                (3, 3, shape[2], target[2]), 9 * shape[2], whole, source, target
            )
            part = own | {"kind": "conv", "padding": (1, 1, 1, 1), "weight": weights}
        else:
            part = self.between(source, target, whole)
        self.connect(name, source, part)

    def add_unrolled(self) -> None:
        """A block that runs several times: sets that share one array."""
        source = self.source(lambda n: n != "in" and not self.graded(n))
        if source is None:
            return
        shape, whole = self.shape(source), self.chance(0.5)
        if len(shape) == 3 and self.chance(0.6):
            weights, own = self.weights(
                (3, 3, shape[2], shape[2]), 9 * shape[2], whole, source, shape
            )
            part = own | {"kind": "conv", "padding": (1, 1, 1, 1), "weight": weights}
        else:
            weights, own = self.weights((prod(shape),) * 2, prod(shape), whole, source, shape)
            part = own | {"kind": "dense", "weight": weights}
        for _ in range(self.number(1, 2)):
            name = self.new_name()
            self.place(name, "iaf", shape, whole)
            self.connect(name, source, part)
            self.populations[name] |= self.fields(name, "iaf")
            source = name

    def add_output(self) -> None:
        """A readout, or a population that spikes."""
        source = self.source(lambda n: n != "in") or "in"
        if source != "in" and self.chance(0.2):
            self.output = source
            return
        self.output, classes = self.new_name(), self.number(2, 5)
        whole = self.chance(0.5) and not self.graded(source)
        self.place(self.output, "readout", (classes,), whole)
        self.connect(self.output, source, self.between(source, (classes,), whole))
        if self.chance(0.4):
            self.add_shortcut(self.output)
        self.populations[self.output] |= self.fields(self.output, "readout")

    def add_cycle(self) -> None:
        """A set back to a population, with a delay."""
        back = [
            n
            for n, p in self.populations.items()
            if p["kind"] not in ("input", "maxpool", "readout")
        ]
        if not back:
            return
        target = self.one(*back)
        source = self.one(*back)
        if self.whole[target] and self.graded(source):
            return
        part = self.between(source, self.places(target), self.whole[target])
        self.connect(target, source, part, self.number(1, 3))

    # populations

    def fields(self, name: str, kind: str) -> dict:
        """The fields of a kind, of integers where its population is one of them."""
        whole = self.whole[name]
        found = {"bias": self.varied(name, -1, 3 if whole else 0.3)} if self.chance(0.3) else {}
        if kind == "stochastic":
            found |= {"probability": self.one("sigmoid", "hardtanh")}
            found |= {"output": self.one("unipolar", "bipolar"), "sampled": self.chance(0.7)}
            if not found["sampled"]:
                found["compare"] = self.one("gt", "ge")
        if kind in ("analog", "stochastic"):
            return found
        if kind == "cuba":
            found |= {"current_decay": self.one(1024, 2048, 4096)}
            found |= {"potential_decay": self.one(0, 128, 1024), "threshold": self.number(3, 20)}
            return found | ({"refractory": self.number(1, 2)} if self.chance(0.3) else {})
        if self.chance(0.3):
            found["v_init"] = self.varied(name, 0, 2 if whole else 0.5)
        if kind == "readout":
            return found | self.of_readout(name)
        if kind in OF_TOOLS:
            return found | self.of_tools(name, kind)
        period = self.number(1, 4)
        step = 2**period if kind == "phase" and whole else 1
        threshold = self.varied(name, 3, 14) if whole else self.varied(name, 0.4, 1.4)
        found["threshold"] = threshold * step
        found |= {"start": self.number(1, 3)} if self.chance(0.2) else {}
        if kind == "phase":
            return found | {"period": period}
        if kind == "burst":
            found |= {"rule": self.one("double", "count")}
            return found | ({"most": self.number(1, 4)} if self.chance(0.5) else {})
        if kind == "signed":
            lowest = self.varied(name, 2, 9) if whole else self.varied(name, 0.3, 1)
            return found | ({"negative_threshold": lowest} if self.chance(0.5) else {})
        return found | self.of_firing(name, kind)

    def of_tools(self, name: str, kind: str) -> dict:
        """Leaks, and how neurons of other tools fire."""
        found = {"leak": self.one(0.9, 0.75, 0.5)} if self.chance(0.6) else {}
        if self.chance(0.4):
            found["current_leak"] = self.one(0.0, 0.5, 0.9)
            found |= {"current_bias": self.varied(name, -0.1, 0.2)} if self.chance(0.5) else {}
        if kind == "integrator":
            return found
        found["threshold"] = self.varied(name, 0.4, 1.4)
        found |= {"start": self.number(1, 3)} if self.chance(0.2) else {}
        found |= {"v_min": self.one(-1.0, 0.0)} if self.chance(0.3) else {}
        if kind == "latereset":
            return found | ({"compare": "ge"} if self.chance(0.3) else {})
        if self.chance(0.3):
            found |= {"reset": "zero"} | ({"v_reset": 0.1} if self.chance(0.4) else {})
        return found | ({"most": self.number(1, 3)} if self.chance(0.4) else {})

    def of_firing(self, name: str, kind: str) -> dict:
        """What iaf, lif and cubalif share, and their leaks."""
        whole, found = self.whole[name], {}
        if self.chance(0.3):
            found["reset"] = "zero"
            found |= {"v_reset": 1.0 if whole else 0.1} if self.chance(0.4) else {}
        found |= {"compare": "gt"} if self.chance(0.3) else {}
        found |= {"stop": self.number(4, 9)} if kind == "iaf" and self.chance(0.2) else {}
        found |= (
            {"v_min": self.one(-8, 0) if whole else self.one(-1.0, 0.0)} if self.chance(0.2) else {}
        )
        found |= {"refractory": self.number(1, 3)} if self.chance(0.2) else {}
        if kind == "lif" and whole:
            found |= self.one(
                {"leak": 1.0},
                {
                    "leak_shift": self.number(1, 4),
                    "leak_rounding": self.one("down", "zero", "nearest"),
                },
                {"leak_multiply": (self.number(3, 7), 3)},
                {"leak_subtract": self.number(1, 2)},
            )
        elif kind != "iaf":
            found["leak"] = self.one(1.0, 0.9, 0.75, 0.5)
        if kind == "cubalif":
            found["current_leak"] = self.one(0.0, 0.5, 0.9, 1.0)
            found |= {"current_bias": self.varied(name, -0.1, 0.2)} if self.chance(0.3) else {}
        if kind in ("iaf", "lif") and whole and self.chance(0.6):
            found |= self.width(found)
        return found

    def width(self, found: dict) -> dict:
        """A declared width of potentials and currents of integers."""
        own = {"overflow": self.one("saturate", "wrap"), "potential_bits": self.number(5, 8)}
        if self.chance(0.2):
            own = {"potential_bits": 24}
        elif self.chance(0.2):
            own["potential_signed"] = False
            found.pop("v_min", None)
        if not found.get("refractory") and self.chance(0.4):
            own["overflow_at"] = "each_add"
        elif self.chance(0.4):
            own["current_bits"] = self.number(5, 8) if own["potential_bits"] < 24 else 24
        return own

    def of_readout(self, name: str) -> dict:
        if self.whole[name]:
            if self.chance(0.4):
                own = {
                    "potential_bits": self.number(5, 9),
                    "overflow": self.one("saturate", "wrap"),
                }
                own |= {"potential_signed": False} if self.chance(0.2) else {}
                return own | self.one({}, {"overflow_at": "each_add"}, {"current_bits": 7})
            return {}
        found = {"leak": self.one(0.9, 0.5)} if self.chance(0.3) else {}
        if self.chance(0.25):
            found["current_leak"] = self.one(0.0, 0.5)
            found |= {"current_bias": self.varied(name, 0, 0.3)} if self.chance(0.5) else {}
        return found

    def varied(self, name: str, low: float, high: float):
        """A number, or one per channel or neuron; whole for integers. At least `low`."""
        shape = self.shape(name)
        size = self.one((), (), (shape[-1],), shape)
        if self.whole[name]:
            values = self.rng.integers(int(low), int(high) + 1, size).astype(np.float64)
        else:
            values = np.round(low + (high - low) * self.rng.random(size), 3)
        return float(values) if not size else values

    # what is run

    def choose(self) -> None:
        """Settings, in the file or on the command line."""
        self.line = []
        if self.coding != "events":
            self.say("coding", self.coding)
        if self.timesteps:
            self.say("timesteps", self.timesteps)
        if self.chance(0.5):
            self.say("seed", self.number(0, 2**40))
        if self.chance(0.3):
            self.line += ["--dtype", "float64"]
        self.some = (0, self.count)
        if self.count > 2 and self.chance(0.3):
            self.some = (1, self.count)
            self.line += ["--samples", "1:"]

    def say(self, name: str, value) -> None:
        if self.chance(0.5):
            self.attributes[name] = value
        else:
            self.line += [f"--{name}", str(value)]

    def options(self) -> list[str]:
        return self.line

    def labels(self) -> dict:
        classes = prod(self.shape(self.output))
        return {"labels": self.rng.integers(0, classes, self.count)} if self.chance(0.75) else {}


class Windowed(Mixed):
    """Temporal switch coding in windows, one after the other."""

    kinds_inside = ("switch", "switch", "switch", "maxpool")
    codings = ("switch", "switch", "events")

    def begin(self) -> None:
        self.window = self.number(4, 9)
        self.starts, self.delta = {"in": 0}, self.window
        super().begin()
        self.timesteps, self.attributes["window"] = None, self.window
        self.graded_input = False

    def events(self, shape) -> dict:
        """An on and an off for most neurons."""
        rows = []
        for sample in range(self.count):
            for neuron in range(prod(shape)):
                last, sign = self.number(0, self.window - 1), self.one(1.0, 1.0, -1.0)
                if last:
                    rows += [(sample, 0, neuron, sign), (sample, last, neuron, -sign)]
        columns = [np.array(column) for column in zip(*sorted(rows), strict=True)]
        found = dict(zip(("sample", "timestep", "neuron", "value"), columns, strict=True))
        return found | {"shape": shape, "samples": self.count, "timesteps": self.window}

    def connect(self, target: str, source: str, part: dict, delay: int | None = None) -> None:
        """A population begins to send a window after its source; other sources are delayed."""
        later = self.later(target)
        if target not in self.starts:
            delay = self.number(1, 3) if self.chance(0.2) else 0
            self.starts[target] = self.starts[source] + delay + later
        super().connect(target, source, part, self.starts[target] - self.starts[source] - later)

    def later(self, target: str) -> int:
        """How long a population listens before it sends, or is read."""
        kind = self.populations[target]["kind"]
        return {"maxpool": 0, "readout": self.window}.get(kind, self.delta)

    def source(self, fits=lambda name: True) -> str | None:
        """Into a population that is there only one that sends early enough."""
        late = [n for n in self.populations if n not in self.starts]
        newest = list(self.populations)[-1]
        until = self.starts[newest] - self.later(newest) if not late else None

        def early(name: str) -> bool:
            return name in self.starts and fits(name)

        return super().source(lambda n: early(n) and (not self.extra or self.starts[n] <= until))

    extra = False

    def add_shortcut(self, name: str) -> None:
        self.extra = True
        super().add_shortcut(name)
        self.extra = False

    def add_unrolled(self) -> None:
        """Left to the other networks: a name is in order of visits here."""

    def add_cycle(self) -> None:
        """There are none in windows."""

    def add_output(self) -> None:
        self.output, classes = self.new_name(), self.number(2, 5)
        source = super().source(lambda n: n in self.starts)
        kind = "switch" if self.chance(0.2) else "readout"
        whole = self.chance(0.5)
        self.place(self.output, kind, (classes,), whole)
        self.connect(self.output, source, self.between(source, (classes,), whole))
        self.populations[self.output] |= self.fields(self.output, kind)
        if self.chance(0.3):
            self.add_beside()

    def add_beside(self) -> None:
        """A population that takes the events as what they are, +1 and -1."""
        name = self.new_name()
        source = super().source(lambda n: n in self.starts)
        self.place(name, "iaf", (self.number(2, 6),), False)
        Mixed.connect(self, name, source, self.between(source, self.shape(name), False))
        self.populations[name] |= self.fields(name, "iaf")

    def fields(self, name: str, kind: str) -> dict:
        if kind == "iaf":
            return super().fields(name, kind)
        whole = self.whole[name]
        found = {"bias": self.varied(name, -1, 1 if whole else 0.1)} if self.chance(0.3) else {}
        found |= {"v_init": self.varied(name, 0, 2 if whole else 0.5)} if self.chance(0.3) else {}
        found |= {"window": self.window, "start": self.starts[name]}
        if kind == "readout":
            return found | {"slope": True}
        found["threshold"] = self.varied(name, 1, 9) if whole else self.varied(name, 0.3, 1.2)
        return found | ({"rounding": 0.5} if self.chance(0.3) else {})


class Later(Windowed):
    """Temporal switch coding online, every layer some timesteps after its sources."""

    def begin(self) -> None:
        super().begin()
        self.delta = self.number(1, self.window)

    def fields(self, name: str, kind: str) -> dict:
        found = super().fields(name, kind)
        if kind == "switch":
            found.pop("rounding", None)
            found |= {"firing": "online", "delta": self.delta}
            shares = (0, 1) if self.whole[name] else (0.0, 0.3, 0.5, 1.0)
            found |= {"prediction": self.one(*shares)} if self.chance(0.7) else {}
        return found


class Online(Mixed):
    """Temporal switch coding where all layers run together."""

    kinds_inside = ("switch", "switch", "switch", "maxpool")
    codings = ("switch",)

    def begin(self) -> None:
        super().begin()
        self.attributes["window"] = self.number(3, 8)
        self.timesteps = self.number(4, 16)

    def add_unrolled(self) -> None:
        """Left to the other networks."""

    def fields(self, name: str, kind: str) -> dict:
        whole = self.whole[name]
        found = {"bias": self.varied(name, -1, 1 if whole else 0.1)} if self.chance(0.3) else {}
        found |= {"v_init": self.varied(name, 0, 2 if whole else 0.5)} if self.chance(0.3) else {}
        if kind == "readout":
            if self.chance(0.5) or "switch" not in self.kinds():
                return found | self.of_readout(name)
            window = self.number(2, self.timesteps)
            return found | {"slope": True, "window": window, "start": self.number(window, 16)}
        found |= {"window": self.attributes["window"], "firing": "online"}
        found["threshold"] = self.varied(name, 1, 9) if whole else self.varied(name, 0.3, 1.2)
        if self.chance(0.3):
            found["onset"] = self.varied(name, 2, 9) if whole else self.varied(name, 0.5, 1)
        return found


class FirstSpikes(Windowed):
    """Time to first spike, in windows."""

    kinds_inside = ("ttfs", "ttfs", "ttfs", "maxpool")
    codings = ("latency", "latency", "events")

    def begin(self) -> None:
        super().begin()
        del self.attributes["window"]

    def events(self, shape) -> dict:
        return Mixed.events(self, shape)

    def connect(self, target: str, source: str, part: dict, delay: int | None = None) -> None:
        if source == "in" and target in self.starts:
            Mixed.connect(self, target, source, part, self.one(0, 1, 2))
        elif source == "in":
            self.starts[target] = self.later(target) + self.one(0, 1)
            Mixed.connect(self, target, source, part, 1)
        elif self.populations[target]["kind"] == "readout":
            self.starts[target] = 0
            Mixed.connect(self, target, source, part)
        else:
            super().connect(target, source, part)

    def add_output(self) -> None:
        self.output, classes = self.new_name(), self.number(2, 5)
        source = Mixed.source(self, lambda n: n in self.starts and n != "in") or "in"
        kind = self.one("ttfs", "readout")
        self.place(self.output, kind, (classes,), False)
        self.connect(self.output, source, self.between(source, (classes,), False))
        self.populations[self.output] |= self.fields(self.output, kind)
        if kind == "readout" and self.chance(0.3):
            self.add_beside()

    def fields(self, name: str, kind: str) -> dict:
        if kind != "ttfs":
            return Mixed.fields(self, name, kind)
        found = super().fields(name, kind)
        found |= {"rounding": self.one(0.0, 0.25)} if self.chance(0.3) else {}
        return found


# files


def write_network(path: str, network: dict) -> None:
    """A network file; an array that several sets have is one dataset with several names."""
    with h5py.File(path, "w") as file:
        file.attrs.update(format="evsim-network", version=1, **network["attributes"])
        written: dict[int, h5py.Dataset] = {}
        for folder in ("populations", "synapses"):
            for name, part in network[folder].items():
                group = file.create_group(f"{folder}/{name}")
                for field, value in part.items():
                    write_field(group, field, value, part, written)


def write_field(group, field: str, value, part: dict, written: dict) -> None:
    """An array is a dataset, all else an attribute; weights of one bit are packed."""
    if not isinstance(value, np.ndarray):
        group.attrs[field] = value
        return
    packed = field in ("weight", "data") and part.get("bits") == 1
    if packed:
        group.attrs["weight_shape"] = value.shape
    if id(value) in written:
        group[field] = written[id(value)]
    else:
        content = np.packbits(value > 0, axis=-1) if packed else value
        written[id(value)] = group.create_dataset(field, data=content)


def write_data(path: str, data: dict) -> None:
    """A data file of images or events."""
    with h5py.File(path, "w") as file:
        file.attrs.update(format="evsim-data", version=1)
        for name in ("images", "labels"):
            if name in data:
                file[name] = data[name]
        if "events" in data:
            group = file.create_group("events")
            for name, value in data["events"].items():
                if isinstance(value, np.ndarray):
                    group[name] = value
                else:
                    group.attrs[name] = value
