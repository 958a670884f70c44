"""Where a converted network loses accuracy: its firing rates beside the activations."""

from __future__ import annotations

import dataclasses
from array import array
from pathlib import Path

import numpy as np

from evsim.artificial.model import Model
from evsim.base.errors import EvsimError
from evsim.conversion.units import Unit
from evsim.engine.sample import Sample
from evsim.engine.totals import Decisions
from evsim.network.network import Network


@dataclasses.dataclass
class Layer:
    """One population beside the layer it stands for; sums over samples and neurons."""

    unit: Unit
    neurons: int
    values: int = 0
    sums: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(6))
    saturated: int = 0
    silent: int = 0
    silent_activations: int = 0
    # Samples decided otherwise with this population and those before it spiking, the rest
    # artificial: lost those that the artificial network gets right, gained the others.
    lost: int = 0
    gained: int = 0

    def add(self, activation: np.ndarray, rate: np.ndarray) -> None:
        """Take in activations and the rates (samples, neurons) scaled to them."""
        a, r = np.float64(activation.ravel()), np.float64(rate.ravel())
        error = r - a
        self.sums += a.sum(), r.sum(), a @ a, r @ r, a @ r, error @ error
        self.values += a.size
        self.silent_activations += int(np.count_nonzero(a <= 0))

    @property
    def correlation(self) -> float:
        """Pearson's correlation of rates and activations; nan where one of them is constant."""
        a, r, aa, rr, ar, _ = self.sums / self.values
        spread = (aa - a * a) * (rr - r * r)
        return float((ar - a * r) / np.sqrt(spread)) if spread > 0 else float("nan")

    @property
    def error(self) -> float:
        """The root mean square of rate * scale - activation, relative to that of the activation."""
        power = self.sums[2]
        return float(np.sqrt(self.sums[5] / power)) if power > 0 else float("nan")

    @property
    def worse(self) -> bool:
        """Whether more is lost than gained by two standard deviations (McNemar's test)."""
        return self.lost - self.gained > 2 * np.sqrt(self.lost + self.gained)

    def row(self, right: int, samples: int) -> dict:
        """A row of the table; the artificial network has `right` of the samples right."""
        return {
            "population": self.unit.population,
            "layer": self.unit.layer,
            "neurons": self.neurons,
            "correlation": self.correlation,
            "error": self.error,
            "saturated": self.saturated / self.values,
            "silent": self.silent / self.values,
            "activations at 0": self.silent_activations / self.values,
            "accuracy up to here": (right - self.lost + self.gained) / samples,
        }


class Diagnosis:
    """A converted network beside the artificial one, sample by sample.

    `images` are raw, `labels` theirs; `calibrated`: whether the thresholds were balanced on them,
    None where nobody knows.
    `network`, `data_path` and `first_sample` name what is compared, where it is in files. `take`
    takes the samples of a run that records rates, in order; `finish` comes after the last. Raises
    EvsimError where units and model do not fit.
    """

    def __init__(
        self,
        model: Model,
        network: Network,
        units,
        images,
        labels: np.ndarray,
        calibrated: bool | None = None,
    ):
        self.calibrated = calibrated
        path = getattr(network, "path", None)
        self.network = Path(path).name if path else network.name or "a network in memory"
        self.data_path = getattr(images, "path", "")
        self.first_sample = getattr(images, "first", 0)
        self.model, self.images, self.labels = model, images, np.asarray(labels)
        self.layers = _layers(model, network, units)
        self.artificial = np.zeros(len(images), np.int64)  # predictions
        self.decided = array("i")  # by the spiking network
        self.decisions: Decisions | None = None
        self.some: dict[str, tuple] = {}  # population: activations and rates of one batch
        self._batches = model.batches(len(images))
        self._batch, self._held = next(self._batches), []

    def take(self, sample: Sample) -> None:
        """Take in the next sample."""
        if self.decisions is None:
            self.decisions = Decisions(len(sample.decisions), self.labels)
        self.decisions.add(sample.decisions)
        self.decided.append(int(sample.decisions[-1]))
        self._held.append(sample.rates)
        if self.samples == self._batch.stop:
            self.finish()
            self._batch = next(self._batches, self._batch)

    def finish(self) -> None:
        """Compare the samples that are still held."""
        if self._held:
            self._compare(slice(self._batch.start, self.samples))
            self._held = []

    def _compare(self, some: slice) -> None:
        model = self.model
        values, labels = model.scaled(self.images[some]), self.labels[some]
        truth = model.forward(values, [layer.unit.layer for layer in self.layers] + [model.output])
        self.artificial[some] = _decided(truth[model.output])
        given, before = {}, self.artificial[some] == labels
        for layer in self.layers:
            unit, activation = layer.unit, truth[layer.unit.layer]
            shares = np.stack([rates[unit.population] for rates in self._held])
            shares = shares.reshape(len(values), -1, unit.scale.size)
            rate = (shares * unit.scale).reshape(activation.shape)
            layer.add(activation, rate)
            layer.saturated += int(np.count_nonzero(shares >= 1))
            layer.silent += int(np.count_nonzero(shares == 0))
            given[unit.layer] = rate.astype(np.float32)
            right = _decided(model.forward(values, given=given)[model.output]) == labels
            layer.lost += int((before & ~right).sum())
            layer.gained += int((~before & right).sum())
            self.some.setdefault(unit.population, (activation, rate))

    @property
    def samples(self) -> int:
        """How many samples were taken in."""
        return len(self.decided)

    @property
    def right(self) -> tuple[np.ndarray, np.ndarray]:
        """Which samples the artificial network, and the spiking one in the end, get right."""
        some = self.labels[: self.samples]
        return self.artificial[: self.samples] == some, np.array(self.decided) == some

    @property
    def accuracy_by_timestep(self) -> np.ndarray:
        """The fraction that the spiking network gets right at the end of each timestep."""
        return self.decisions.accuracy()

    def first_loss(self) -> Layer | None:
        """The first layer from which on accuracy is lower by more than chance."""
        for k, layer in enumerate(self.layers):
            if all(later.worse for later in self.layers[k:]):
                return layer
        return None

    def error_jump(self) -> dict | None:
        """Where the error of activations grows most from one layer to the next, and how far."""
        found, before = None, 0.0
        for layer in self.layers:
            if layer.error != layer.error:  # no activation at all
                continue
            if found is None or layer.error - before > found["to"] - found["from"]:
                found = {"population": layer.unit.population, "from": before, "to": layer.error}
            before = layer.error
        return found

    def accuracy_lost(self) -> dict:
        """The fraction of samples lost in all, with its standard error over paired samples."""
        artificial, spiking = self.right
        lost, gained = int((artificial & ~spiking).sum()), int((~artificial & spiking).sum())
        fraction = (lost - gained) / self.samples
        error = np.sqrt(max(0.0, (lost + gained) / self.samples - fraction**2) / self.samples)
        worse = lost - gained > 2 * np.sqrt(lost + gained)
        return {"fraction": fraction, "error": float(error), "more_than_chance": bool(worse)}

    def rows(self) -> list[dict]:
        """The table of layers."""
        return [layer.row(int(self.right[0].sum()), self.samples) for layer in self.layers]

    def as_dict(self) -> dict:
        """The diagnosis as the commands print it in JSON."""
        first, ann = self.first_loss(), self.right[0]
        return {
            "samples": self.samples,
            **({"on_calibration_images": True} if self.calibrated else {}),
            "images": {
                "path": self.data_path,
                "first_sample": self.first_sample,
                "samples": self.samples,
                "calibrated": self.calibrated,
            },
            "ann": {"accuracy": float(ann.mean()), "predictions": self.artificial.tolist()},
            "accuracy_by_timestep": self.accuracy_by_timestep.tolist(),
            "agreement": agreement(*self.right),
            "first_loss": first and first.unit.population,
            "error_jump": self.error_jump(),
            "accuracy_lost": self.accuracy_lost(),
            "layers": [
                {name: None if value != value else value for name, value in row.items()}
                for row in self.rows()
            ],
        }


def agreement(artificial: np.ndarray, spiking: np.ndarray) -> dict[str, int]:
    """How many samples both, one or none of two networks take for their labels."""
    return {
        "both right": int((artificial & spiking).sum()),
        "only the artificial network right": int((artificial & ~spiking).sum()),
        "only the spiking network right": int((~artificial & spiking).sum()),
        "neither right": int((~artificial & ~spiking).sum()),
    }


def _decided(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).argmax(axis=1)


def _layers(model: Model, network: Network, units) -> list[Layer]:
    units = {unit.population: unit for unit in units if unit.layer}
    found = []
    for name in network.order:
        if name in units:
            if units[name].layer not in model.layers:
                raise EvsimError(
                    f"stands for layer {units[name].layer!r}, expected a layer of the model (was "
                    f"the network converted from it?)",
                    f"populations/{name}",
                )
            found.append(Layer(units[name], network.populations[name].neurons))
    return found
