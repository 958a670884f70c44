"""A conversion with its calibration: what it takes, what is said of it, and its diagnosis."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from evsim.base.errors import EvsimError, Parameter, mismatch, nearest
from evsim.base.screen import bar
from evsim.conversion import (
    Conversion,
    convert,
    convert_by_search,
    convert_to_levels,
    convert_to_passes,
    convert_to_switches,
    searchable,
)
from evsim.conversion.units import notes
from evsim.engine.simulation import Stopped
from evsim.studies.chance import FEWEST
from evsim.studies.diagnosis import Diagnosis
from evsim.studies.doubts import about_classes, about_range
from evsim.studies.job import (
    Interrupted,
    Job,
    announced_compilation,
    byte_count,
    interrupting,
    sample_range,
)

SAMPLES = 600  # to calibrate with, unless asked otherwise
CHOICES = ("method", "percentile", "per_channel", "threshold_scale", "timesteps", "v_init")
CHOICES += ("balance", "pooling", "correct_bias", "stagger", "coding", "seed")
CHOICES += ("unroll", "feedback_delay", "unroll_thresholds", "target_loss")
SWITCHING = ("window", "firing", "rounding", "delta", "prediction")
CHOICES += (*SWITCHING, "analog")
SEARCH = "search"  # the method unless another is asked for, or an option that it has no use for
OF_SEARCH = {"method", "timesteps", "target_loss", "balance", "pooling", "coding", "seed", "reset"}
UNMEASURED = {"stochastic": convert_to_passes, "levels": convert_to_levels}
CALIBRATION = {"calibrate", "samples", "resume"}
DIAGNOSIS = {"diagnose", "picture"}
OF_RATES = {*CHOICES, *CALIBRATION, "reset"} - {*SWITCHING, "analog", "target_loss"}
OF_SWITCHES = {"method", "percentile", "per_channel", "threshold_scale", "pooling"}
OF_SWITCHES |= {"unroll_thresholds", *SWITCHING, *CALIBRATION}
SCHEMES = {  # the options of each
    "rate": OF_RATES | DIAGNOSIS | {"analog", "target_loss"},
    "switch": OF_SWITCHES | DIAGNOSIS,
    "stochastic": {"timesteps", "pooling", "seed"},
    "levels": set(),
    "signed": OF_RATES,
    "burst": OF_RATES,
    "phase": OF_RATES | {"window"},
    "ttfs": OF_RATES | {"window"},
}


def is_asked(value) -> bool:
    """Whether the value of an option was given: 0 was, though it equals False."""
    return value is not None and value is not False


def check_scheme(scheme: str, given: Mapping) -> None:
    """Raise an error for an unknown scheme, or an option that it has no use for."""
    if scheme not in SCHEMES:
        known = f"one of {', '.join(SCHEMES)}{nearest(scheme, SCHEMES)}"
        raise mismatch(repr(scheme), known, Parameter("scheme"))
    for name in (*CHOICES, *CALIBRATION, *DIAGNOSIS, "reset"):
        if is_asked(given.get(name)) and name not in SCHEMES[scheme]:
            found = f"found `scheme={scheme}`, expected no such option"
            raise EvsimError(found, Parameter(name))
    if scheme == "switch" and given["window"] is None:
        expected = "the timesteps of a window (`scheme=switch`)"
        raise mismatch("none", expected, Parameter("window"))


def refuse(what: str, asked: list[str]) -> None:
    """Raise an error for an option that a spiking network has no use for."""
    if asked:
        found = f"found {what}, which spikes already, expected no such option"
        raise EvsimError(found, Parameter(asked[0]))


def to_calibrate_with(data, samples: str | None) -> slice:
    """The range of the images of open data to calibrate with."""
    if data.images is None:
        raise mismatch("events", "images", "/events").within(file=data.path)
    return sample_range(f":{SAMPLES}" if samples is None else samples, data.samples)


def searches(model, scheme: str, choices: dict) -> bool:
    """Whether a conversion is a search; EvsimError for options that do not fit one."""
    asked = [name for name in choices if name not in OF_SEARCH]
    wanted = choices.get("method") == SEARCH or "target_loss" in choices
    fits = scheme == "rate" and choices.get("reset", "subtract") == "subtract"
    if wanted and choices.get("method", SEARCH) != SEARCH:
        expected = f"`method={SEARCH}`, which finds timesteps"
        raise mismatch(f"`method={choices['method']}`", expected, Parameter("target_loss"))
    if wanted and asked:
        raise EvsimError(f"found `method={SEARCH}`, expected no such option", Parameter(asked[0]))
    if wanted and not (fits and searchable(model)):
        expected = "rates with reset by subtraction, of rectifiers that nobody quantised"
        raise mismatch(f"`method={SEARCH}`", expected, Parameter("method"))
    if "method" in choices and not wanted:
        return False
    return fits and not asked and searchable(model)


def calibrated(
    model, file: str, data, some: slice, scheme: str, choices: dict, *, jobs, quiet, kept=None
) -> Conversion:
    """The spiking network of a model from `file`, balanced with some images of open data.

    `kept`: where what is finished is kept, as of `evsim.store.stages`.
    """
    images, stop, told = data.images.part(some), threading.Event(), [0, 0]
    make = convert_to_switches if scheme == "switch" else convert
    if searches(model, scheme, choices):
        make, unused = convert_by_search, {"method", "reset"}
        choices = {n: v for n, v in choices.items() if n not in unused}
        choices |= {"first_sample": some.start, "labels": _labels(data, some)}
    elif scheme != "switch":
        choices = choices | {"first_sample": some.start, "scheme": scheme}
    with announced_compilation(quiet), bar("calibration", quiet) as show, interrupting(stop):

        def progress(*done: int) -> None:
            told[:] = done
            show(*done)

        how = {"jobs": jobs, "progress": progress, "kept": kept, "stop": stop}
        try:
            made = make(model, images, **how, **choices)
        except Stopped:
            raise _interrupted(kept, told) from None
        except EvsimError as error:
            if error.place not in choices and "images" in error.place:
                raise error.within(file=data.path) from None
            raise _of_option(error, choices, file) from None
        data.verify()
    return made


def _labels(data, some: slice):
    """The labels of some images, None where there are none."""
    return None if data.labels is None else data.labels[some]


def _interrupted(kept, told: list[int]) -> Interrupted:
    if kept is not None:
        kept.flush()
    if kept is None or not kept.names(""):
        return Interrupted("interrupted: nothing was finished")
    where = f"what is finished is in {kept.folder}, `resume` goes on with it"
    return Interrupted(f"interrupted: step {told[0]} of {told[1]}; {where}")


def unmeasured(scheme: str) -> bool:
    """Whether a scheme needs no images."""
    return scheme in UNMEASURED


def without_images(model, file: str, scheme: str, choices: dict) -> Conversion:
    """The network of a model by a scheme that measures nothing."""
    try:
        return UNMEASURED[scheme](model, **choices)
    except EvsimError as error:
        raise _of_option(error, choices, file) from None


def _of_option(error: EvsimError, choices: dict, file: str) -> EvsimError:
    """An error of a conversion, which names an option or the model's file."""
    if error.place in choices:
        return EvsimError(error.problem, Parameter(error.place))
    return error.within(file=file)


def notes_of(made: Conversion, scheme: str) -> dict[str, dict] | None:
    """What a network file keeps of a conversion: where rates or durations times scales are
    activations, the scales."""
    return notes(made.units) if "diagnose" in SCHEMES[scheme] else None


def size_of(network) -> dict:
    """What the command `convert` says of every network."""
    neurons = sum(part.neurons for part in network.populations.values())
    return {"neurons": neurons, "synapses": network.synapse_count}


def notes_on(model, made: Conversion, choices: dict) -> list[str]:
    """What had to be decided, and what became of average pools."""
    return [*made.notes, *_pools(model, choices.get("pooling", "prepool"))]


def _pools(model, pooling: str):
    """What became of average pools, what that costs, and how to compare with other tools."""
    averages = [
        name
        for name, layer in model.layers.items()
        if layer.kind == "pool" and layer.operation == "average"
    ]
    if averages and pooling == "prepool":
        yield (
            f"average pools ({', '.join(averages)}) are part of the weights behind them, which is "
            "exact but lets each spike go over all synapses behind the pool; `pooling=neurons` "
            "takes fewer synops and more neurons, as other tools count"
        )
    elif averages:
        yield (
            f"average pools ({', '.join(averages)}) are neurons, as in other tools; "
            "`pooling=prepool` makes them part of the weights behind them: exact, with more synops"
        )


def described(model, made: Conversion, data, some: slice, choices: dict) -> dict:
    """What the command `convert` says of a calibrated network, beside its size."""
    populations = made.network.populations
    rows = [
        {
            "population": unit.population,
            "layer": unit.layer,
            "kind": populations[unit.population].kind,
            "neurons": populations[unit.population].neurons,
            "smallest scale": float(unit.scale.min()),
            "largest scale": float(unit.scale.max()),
        }
        for unit in made.units
    ]
    calibrated_with = f"{some.start}:{some.stop} of {data.path}"
    doubts = about_range(model.input, data.images.part(some)), about_classes(data.labels, some)
    notes = [*notes_on(model, made, choices), *filter(None, doubts)]
    said = {"calibrated with": calibrated_with, "notes": notes, "units": rows}
    return said if made.found is None else said | {"search": made.found.as_dict()}


def held_back(samples: int, some: slice) -> slice | None:
    """The samples to diagnose on, of `samples`: behind `some`, or before; None: too few of them."""
    behind = slice(some.stop, min(some.stop + SAMPLES, samples))
    before = slice(max(0, some.start - SAMPLES), some.start)
    found = max(behind, before, key=lambda part: part.stop - part.start)
    return found if found.stop - found.start >= FEWEST else None


def diagnosed(model, network, units, data, some: slice, *, jobs, quiet) -> Diagnosis:
    """The network run beside the model, over labelled images that it was not balanced with.

    `some`: those that it was balanced with; they are taken where there are too few others.
    """
    if data.labels is None:
        raise mismatch("no labels", "labels, to diagnose with", "/labels").within(file=data.path)
    others = held_back(data.samples, some)
    taken = some if others is None else others
    job = Job(network, data, samples=f"{taken.start}:{taken.stop}", record=("rates",))
    images = data.images.part(taken)
    diagnosis = Diagnosis(model, network, units, images, job.labels, calibrated=others is None)
    job.simulate(jobs, byte_count("512M"), quiet=quiet, observer=diagnosis)
    diagnosis.finish()
    return diagnosis
