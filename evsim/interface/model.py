"""evsim.read: any trainer's file, as an artificial network or a spiking one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evsim.artificial import model as artificial
from evsim.base.errors import EvsimError, mismatch, shown
from evsim.base.overview import Overview, Shown
from evsim.interface._call import called
from evsim.interface._given import Path, Samples, is_path, opened, samples_text
from evsim.network.network import Network

if TYPE_CHECKING:
    from evsim.formats.trainers import Options


class Model(Shown, artificial.Model):
    """An artificial network, as `evsim.read` makes it of a trainer's file.

    `layers` by name from the image on, `shapes` of their results, `input`: shape and scaling of
    the image, `notes`: what the reader had to decide, `path`: of the file, `format`: its kind.
    """

    path: str
    format: str

    @classmethod
    def of(cls, model: artificial.Model, path: str, format: str) -> Model:
        """A model that a reader made, with where it is from."""
        found = cls.__new__(cls)
        vars(found).update(vars(model), path=path, format=format)
        return found

    def accuracy(
        self,
        data: Any,
        *,
        samples: Samples = None,
        labels: Any = None,
        passes: int | None = None,
        seed: int | None = None,
        jobs: int | None = None,
        progress: bool = False,
    ) -> float:
        """The fraction of labelled images whose class is the largest output; as `evsim.ann`."""
        how: dict[str, Any] = {"passes": passes, "seed": seed, "jobs": jobs, "progress": progress}
        found = decided_by(self, data, samples, labels, **how)
        if found["accuracy"] is None:
            raise EvsimError("the data have none: labels=... takes them", "labels")
        return float(found["accuracy"])

    def overview(self) -> Overview:
        """The layers with the shapes of their results."""
        rows = [
            (name, layer.kind, " x ".join(map(str, self.shapes[name])), ", ".join(layer.sources))
            for name, layer in self.layers.items()
        ]
        size = " x ".join(map(str, self.input.shape))
        title = f"{self.format or 'artificial network'}: {len(rows)} layers, input {size}, "
        title += f"{self.parameters:,} parameters"
        return Overview(title, ("layer", "kind", "shape", "from"), rows, self.notes)


@called
def read(
    model: Path,
    *,
    topology: str | None = None,
    scale: float | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    bgr: bool = False,
    flip_kernels: bool = False,
    dt: float | None = None,
    reset: str | None = None,
    compare: str | None = None,
    bias_start: int | None = None,
    skip_encoder: bool = False,
    like: str | None = None,
    force: bool = False,
) -> Any:
    """The network in a trainer's file: a Model, or a Network where it spikes already.

    For what a file does not say: `topology`, of weights alone: a name or a TOML file; `scale`,
    `mean`, `std`: pixels / scale, then - mean, then / std, one value or one a channel; `bgr`: the
    model takes blue first; `flip_kernels`: written by Theano; `dt`: seconds per timestep (NIR);
    `reset`: "subtract" or "zero", after firing; `compare` ("ge" or "gt") and `bias_start` (the
    first timestep with a bias) for lava-dl, with `skip_encoder` where the data are the spikes of
    its input layer; `like`: neurons fire as those of "snntorch", "sinabs",
    "norse", "spikingjelly", "rockpool" (NIR) or "lava" (lava-dl). `force`: these may contradict the
    file. Raises EvsimError with file, place, found and expected.
    """
    return reading(model, dict(locals()))


def reading(path: Path, given: dict[str, Any]) -> Any:
    """What `read` gives of a file, with its options among what a function was `given`."""
    from evsim.formats import trainers

    if not is_path(path):
        raise mismatch(shown(path), "the path of a trainer's file", "model")
    place = os.fspath(path)
    found = trainers.read(place, options_of(given))
    try:
        content = found.result()
    except EvsimError as error:
        raise error.within(file=place) from None
    if isinstance(content, Network):
        content.notes = tuple(found.notes)
        return content
    model = Model.of(content, place, found.format)
    model.notes = tuple(found.notes)
    return model


def options_of(given: dict[str, Any]) -> Options:
    """The options of a trainer's file among what a function was `given`, as readers take them.

    Raises EvsimError, which names the first wrong one.
    """
    from evsim.formats.trainers import Options

    asked = Options.among(given)
    found = dict(asked)
    for name, above in (("scale", 0.0), ("dt", 0.0), ("mean", None), ("std", 0.0)):
        value = asked.get(name)
        if value is None:
            continue
        single = name in ("scale", "dt")
        values = (value,) if single or isinstance(value, int | float) else tuple(value)
        least = float("-inf") if above is None else above
        try:
            numbers = tuple(float(number) for number in values)
        except (TypeError, ValueError):
            numbers = ()
        if not numbers or not all(least < number < float("inf") for number in numbers):
            what = "a number" if single else "a number, or one a channel,"
            raise mismatch(shown(value), what + ("" if above is None else " above 0"), name)
        found[name] = numbers[0] if single else numbers
    return Options(**found)


def decided_by(
    model: artificial.Model,
    data: Any,
    samples: Samples,
    labels: Any,
    *,
    passes: int | None,
    seed: int | None,
    jobs: int | None,
    progress: bool,
) -> dict[str, Any]:
    """What an artificial network decides on images: samples, correct, accuracy, predictions."""
    from evsim.studies.artificial import decided, verdict

    how: dict[str, Any] = {"jobs": jobs, "passes": passes, "seed": seed}
    with opened(data, labels) as images:
        return verdict(*decided(model, images, samples_text(samples), not progress, **how))


def model_of(model: Any, given: dict[str, Any], place: str = "model") -> artificial.Model:
    """An artificial network, or that of a file read with the options among what was `given`."""
    if isinstance(model, artificial.Model):
        refuse_options(given)
        return model
    found = model if isinstance(model, Network) else reading(model, given)
    if isinstance(found, Network):
        expected = "an artificial one (evsim.run takes this one)"
        error = mismatch("a spiking network", expected, place)
        raise error.within(file=os.fspath(model) if is_path(model) else "")
    return found


def refuse_options(given: dict[str, Any], *, but: str = "") -> None:
    """Raise an error for an option of a trainer's file, where a model is read already.

    `but`: the name of one that the model can still take.
    """
    from evsim.formats.trainers import Options

    for name, value in Options.among(given).items():
        if name != but and value is not None and value is not False:
            raise mismatch("a model that is read already", "the path of its file with it", name)
