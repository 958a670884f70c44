"""The arrays of a Keras file: found by the names the file gives them, whatever wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from evsim.base.errors import mismatch, nearest
from evsim.formats import _hdf5 as hdf5
from evsim.formats.trainers._keras_config import Node, snake

MOST = 100_000  # objects in a file
DEPTH = 64  # groups within groups
OPTIMIZER = ("optimizer", "optimizer_weights", "_optimizer")
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # since Keras 3; tf.keras 2.12 to 2.15
OLDEST = "keras 0"  # in the place of the class of a layer, which such a file does not say
KERAS_1 = ("W", "b", "gamma", "beta", "running_mean", "running_std")


@dataclass(frozen=True)
class Stored:
    """An array in the file; it is read when it is asked for."""

    name: str  # as the trainer has it: kernel, bias, ...
    place: str
    dataset: object
    arrays: hdf5.Arrays

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array, which is not read for it."""
        return tuple(hdf5.checked(self.dataset, self.place).shape)

    def read(self) -> np.ndarray:
        """The values of the array: finite floating-point numbers, else EvsimError."""
        value = self.arrays(self.dataset, self.place)
        if isinstance(value, np.ndarray) and self.dataset.attrs.get("dtype") == "bfloat16":
            value = _bfloat16(value)
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.itemsize > 8:
            found = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else "text"
            raise mismatch(found, "floating-point weights", self.place)
        if not np.isfinite(value).all():
            index = [int(i) for i in np.argwhere(~np.isfinite(value))[0]]
            raise mismatch(f"{value[tuple(index)]} at index {index}", "finite numbers", self.place)
        return value.astype(np.float32) if value.dtype == np.float16 else value


def _bfloat16(value: np.ndarray) -> np.ndarray:
    """The upper halves of float32 numbers, as numbers."""
    if value.dtype.itemsize != 2:
        return value
    halves = np.ascontiguousarray(value).view(np.uint16)
    return (halves.astype(np.uint32) << 16).view(np.float32)


class Tree:
    """Groups and datasets of a file by path, without those of the optimiser.

    Back slashes in the names of links, which some files written on Windows have, separate too.
    """

    def __init__(self, root, place: str = ""):
        import h5py

        self.place, self.groups, self.datasets = place, {"": root}, {}
        self.arrays = hdf5.Arrays()
        ahead = [("", root, 0)]
        while ahead:
            path, group, depth = ahead.pop()
            if depth > DEPTH or len(self.groups) + len(self.datasets) > MOST:
                raise mismatch("groups without end", f"at most {MOST} objects", self.at(path))
            for name in hdf5.names(group, self.at(path)):
                if not path and name.startswith(OPTIMIZER):
                    continue
                inner = f"{path}/{name}".replace("\\", "/").strip("/")
                thing = group[name]
                if isinstance(thing, h5py.Group):
                    self.groups[inner] = thing
                    ahead.append((inner, thing, depth + 1))
                else:
                    self.datasets[inner] = thing

    def at(self, path: str) -> str:
        """A path as a place in the file, for errors."""
        return f"{self.place}/{path}".strip("/")

    def stored(self, path: str, name: str) -> Stored:
        """The array at a path; an error with the nearest path if there is none."""
        if path not in self.datasets:
            others = [other.rpartition("/")[2] for other in self.under(path.rpartition("/")[0])]
            near = nearest(path.rpartition("/")[2], others)
            raise mismatch("no such array", f"a dataset{near}", self.at(path))
        return Stored(name, self.at(path), self.datasets[path], self.arrays)

    def under(self, path: str) -> list[str]:
        """The paths of all datasets below a path."""
        start = f"{path}/" if path else ""
        return [other for other in self.datasets if other.startswith(start)]

    def texts(self, path: str, name: str) -> list[str] | None:
        """A list of names in the attributes of a group, in one piece or several; None if absent."""
        group = self.groups[path]
        pieces = [name] if name in group.attrs else []
        while name not in pieces and f"{name}{len(pieces)}" in group.attrs:
            pieces.append(f"{name}{len(pieces)}")
        if not pieces:
            return None
        texts: list[str] = []
        for piece in pieces:
            value = np.atleast_1d(hdf5.attribute(group, piece))
            if value.size and value.dtype.kind != "U":
                expected = f"names in the attribute {piece}"
                raise mismatch(f"dtype {value.dtype}", expected, self.at(path))
            texts += value.ravel().tolist() if value.size else []
        return texts


class Legacy:
    """Weights by layer_names and weight_names: Keras 1, 2 and 3 in `.h5`."""

    def __init__(self, tree: Tree):
        self.tree, self.layers = tree, {}
        names = tree.texts("", "layer_names")
        if names is None:
            raise mismatch("no attribute layer_names", "the names of the layers", tree.at(""))
        for layer in names:
            path = layer.replace("\\", "/")
            if path not in tree.groups:
                near = nearest(layer, (p for p in tree.groups if p))
                raise mismatch("no such group", f"the layer's weights{near}", tree.at(path))
            self.layers[layer] = [
                tree.stored(f"{path}/{weight}".replace("\\", "/"), _plain(weight))
                for weight in tree.texts(path, "weight_names") or []
                if "seed_generator" not in weight  # the state of a Dropout
            ]

    def of(self, node: Node) -> list[Stored]:
        """The arrays of a layer, in the file's order."""
        outer, *inner = (level.name for level in node.trail)
        if outer not in self.layers:
            near = nearest(outer, self.layers)
            expected = f"weights of layer {outer!r}{near}"
            raise mismatch(f"{len(self.layers)} layers without it", expected, self.tree.at(""))
        arrays = self.layers[outer]
        while inner:  # some versions name all models around a layer, some only the layer
            fitting = [stored for stored in arrays if belongs(stored.name, "/".join(inner))]
            if fitting or len(inner) == 1:
                return fitting
            inner = inner[1:]
        return arrays

    def all(self) -> list[tuple[str, str, list[Stored]]]:
        """(layer, no class, arrays) of every layer; those of a nested model one by one."""
        layers = []
        for layer, arrays in self.layers.items():
            owners: dict[str, list[Stored]] = {}
            for stored in arrays:
                owners.setdefault(owner(stored.name), []).append(stored)
            for name, owned in owners.items():
                layers.append((layer if len(owners) == 1 else f"{layer}/{name}", "", owned))
        return layers


def _plain(weight: str) -> str:
    """The name of a weight without TensorFlow's index of the output."""
    return re.sub(r":\d+$", "", weight.replace("\\", "/"))


def owner(weight: str) -> str:
    """The layer that the name of a weight begins with."""
    if "/" in weight:
        return weight.rpartition("/")[0]
    for suffix in KERAS_1:
        if weight.endswith(f"_{suffix}"):
            return weight.removesuffix(f"_{suffix}")
    return ""


def belongs(weight: str, leaf: str) -> bool:
    """Whether a weight of a nested model is that of its layer `leaf`."""
    return owner(weight) == leaf or owner(weight).endswith(f"/{leaf}")


class Numbered:
    """Weights by class and number: `.weights.h5`, `.keras`."""

    def __init__(self, tree: Tree):
        self.tree = tree
        self._children: dict[str, list[str]] = {}

    def of(self, node: Node) -> list[Stored]:
        """The arrays of a layer, in the order in which it made them."""
        path = ""
        for level in node.trail:
            path = self.child(path, level, node)
        return self.variables(path)

    def child(self, path: str, level, node: Node) -> str:
        """The path of a layer inside its model: by its own name, else by class and number."""
        kinds = (snake(level.kind), "functional") if level.kind == "Model" else (snake(level.kind),)
        children = [child for child in self.children(path) if _numbered(child)[0] in kinds]
        for child in children:
            if self.name(child) == level.name:
                return child
        if level.rank >= len(children):
            found = f"weights of {len(children)} layers of class {level.kind}"
            known = {_numbered(child)[0] for child in self.children(path)}
            expected = f"those of {level.name!r}, number {level.rank + 1}"
            near = nearest(kinds[0], known) if not children else ""
            raise mismatch(found, expected + near, f"layers/{node.name}")
        return children[level.rank]

    def children(self, path: str) -> list[str]:
        """The layers of a model that have arrays, by class and number."""
        if path not in self._children:
            self._children[path] = self._found(f"{path}/" if path else "")
        return self._children[path]

    def _found(self, start: str) -> list[str]:
        for container in CONTAINERS:
            inside = f"{start}{container}/"
            names = {
                other.removeprefix(inside).split("/")[0]
                for other in self.tree.datasets
                if other.startswith(inside)
            }
            if names:
                return sorted((inside + name for name in names), key=_numbered)
        return []

    def name(self, path: str) -> str | None:
        """What the user calls a layer, where the file says so."""
        group = self.tree.groups.get(f"{path}/vars")
        if group is None or "name" not in group.attrs:
            return None
        return hdf5.attribute(group, "name")

    def variables(self, path: str) -> list[Stored]:
        """The arrays of one layer."""
        inside = f"{path}/vars/"
        names = [p.removeprefix(inside) for p in self.tree.datasets if p.startswith(inside)]
        names = sorted((name for name in names if name.isdecimal()), key=int)
        return [self.tree.stored(inside + name, name) for name in names]

    def all(self, path: str = "") -> list[tuple[str, str, list[Stored]]]:
        """(name, class, arrays) of every layer, in the order in which they were written.

        The classes are numbered one by one; only where the groups lie in the file shows their
        common order.
        """
        layers = []
        children = self.children(path)
        written = sorted(children, key=self.written)
        for child in written if _consistent(written) else children:
            kind = _numbered(child)[0]
            if self.children(child):
                layers += self.all(child)
            elif arrays := self.variables(child):
                layers.append((self.name(child) or child.rpartition("/")[2], kind, arrays))
        return layers

    def written(self, path: str) -> int:
        """Where the first array of a layer lies in the file."""
        places = (hdf5.address(self.tree.datasets[p])[1] for p in self.tree.under(path))
        return min(places, default=0)


def _numbered(path: str) -> tuple[str, int]:
    """The path of a layer without its number, and the number: conv2d_1 is the second."""
    parts = re.fullmatch(r"(.*?)(?:_(\d{1,9}))?", path, re.DOTALL)
    return parts[1].rpartition("/")[2], int(parts[2] or 0)


def _consistent(paths: list[str]) -> bool:
    """Whether the numbers of every class rise."""
    last: dict[str, int] = {}
    for kind, number in map(_numbered, paths):
        if last.get(kind, -1) >= number:
            return False
        last[kind] = number
    return True


class Oldest:
    """Weights of Keras 0.x: layer_N/param_M, and nothing else."""

    def __init__(self, tree: Tree):
        self.tree = tree

    def all(self) -> list[tuple[str, str, list[Stored]]]:
        """(layer, OLDEST, arrays) of every layer that has some."""
        layers: dict[int, dict[int, str]] = {}
        for path in self.tree.datasets:
            if numbers := re.fullmatch(r"layer_(\d{1,9})/param_(\d{1,9})", path):
                layers.setdefault(int(numbers[1]), {})[int(numbers[2])] = path
        return [
            (
                f"layer_{n}",
                OLDEST,
                [self.tree.stored(layers[n][m], "") for m in sorted(layers[n])],
            )
            for n in sorted(layers)
        ]
