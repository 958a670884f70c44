"""evsim convert"""

from __future__ import annotations

import contextlib
from pathlib import Path

from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.cli import convert_options as own
from evsim.cli import files
from evsim.cli import model_options as model_options
from evsim.cli import options as options
from evsim.cli import translate as translate

SAMPLES = 600  # to calibrate with, unless asked otherwise
EXAMPLES = (
    "evsim convert model.h5 -o network.h5 --calibrate train.h5",
    "evsim convert weights.h5 -o network.h5 --topology lenet5 --calibrate train.h5 --diagnose",
    "evsim convert model.h5 -o network.h5 --calibrate train.h5 --scheme switch --window 16",
)


def convert(
    model: model_options.ModelFile,
    network: own.Out,
    topology: model_options.Topology = None,
    scale: model_options.Scale = None,
    mean: model_options.Mean = None,
    std: model_options.Std = None,
    bgr: model_options.Bgr = False,
    flip_kernels: model_options.FlipKernels = False,
    dt: model_options.Dt = None,
    reset: model_options.Reset = None,
    compare: model_options.Compare = None,
    bias_start: model_options.BiasStart = None,
    force: model_options.Force = False,
    calibrate: own.Calibrate = None,
    samples: own.Samples = None,
    method: own.Method = None,
    percentile: own.Percentile = None,
    per_channel: own.PerChannel = False,
    threshold_scale: own.Factor = None,
    timesteps: options.Timesteps = None,
    v_init: own.Start = None,
    balance: own.Balance = None,
    pooling: own.Pooling = None,
    correct_bias: own.CorrectBias = False,
    stagger: own.Stagger = None,
    coding: options.Coding = None,
    seed: options.OwnSeed = None,
    unroll: own.Unroll = None,
    feedback_delay: own.Feedback = None,
    unroll_thresholds: own.UnrollThresholds = None,
    scheme: own.Scheme = "rate",
    window: own.Window = None,
    firing: own.Firing = None,
    rounding: own.Rounding = None,
    delta: own.Delta = None,
    prediction: own.Prediction = None,
    analog: own.Analog = None,
    diagnose: own.Diagnose = False,
    picture: own.Picture = None,
    jobs: options.Jobs = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    wide: options.Wide = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """From a trainer's file to a network."""
    given = dict(locals())
    choices = {name: given[name] for name in CHOICES if options.is_asked(given[name])}
    _check_scheme(scheme, given)
    if network.exists() and not (overwrite or resume):
        raise EvsimError("exists already (--overwrite replaces it)", file=str(network))
    asked = {name: given[name] for name in model_options.NAMES}
    reading = model_options.read(model, **asked)
    read = reading.content
    if hasattr(read, "populations"):
        spiking = {**choices, "calibrate": calibrate, "samples": samples, "diagnose": diagnose}
        spiking |= {"scheme": scheme != "rate", "resume": resume}
        _refuse(reading.format, [n for n, value in spiking.items() if options.is_asked(value)])
        found = _write(network, read, overwrite) | {"notes": reading.notes}
    elif scheme == "stochastic":
        found = _convert_to_passes(read, model, choices, network, overwrite)
    elif calibrate is None:
        raise mismatch("none", "images to balance the thresholds with", "--calibrate")
    else:
        choices |= {"reset": reset} if options.is_asked(reset) else {}
        with _images(calibrate, samples) as (data, some), model_options.of_data(calibrate):
            silent = quiet or as_json
            kept = _kept(given, read, data, some, choices)
            found = _convert(read, model, data, some, (scheme, choices, kept), jobs, silent)
            if diagnose:
                picture = picture or network.with_suffix(".png")
                found |= _diagnose(read, network, data, some, jobs, picture, silent)
    if as_json or not quiet:
        _tell(found, as_json, wide)


CHOICES = ("method", "percentile", "per_channel", "threshold_scale", "timesteps", "v_init")
CHOICES += ("balance", "pooling", "correct_bias", "stagger", "coding", "seed")
CHOICES += ("unroll", "feedback_delay", "unroll_thresholds")
SWITCHING = ("window", "firing", "rounding", "delta", "prediction")
CHOICES += (*SWITCHING, "analog")
CALIBRATION = {"calibrate", "samples", "resume"}
DIAGNOSIS = {"diagnose", "picture"}
OF_RATES = {*CHOICES, *CALIBRATION, "reset"} - {*SWITCHING, "analog"}
OF_SWITCHES = {"method", "percentile", "per_channel", "threshold_scale", "pooling"}
OF_SWITCHES |= {"unroll_thresholds", *SWITCHING, *CALIBRATION}
SCHEMES = {  # the options of each
    "rate": OF_RATES | DIAGNOSIS | {"analog"},
    "switch": OF_SWITCHES | DIAGNOSIS,
    "stochastic": {"timesteps", "pooling", "seed"},
    "signed": OF_RATES,
    "burst": OF_RATES,
    "phase": OF_RATES | {"window"},
    "ttfs": OF_RATES | {"window"},
}


def _check_scheme(scheme: str, given: dict) -> None:
    """Raise an error for an unknown scheme, or an option that it has no use for."""
    if scheme not in SCHEMES:
        known = f"one of {', '.join(SCHEMES)}{nearest(scheme, SCHEMES)}"
        raise mismatch(repr(scheme), known, "--scheme")
    for name in (*CHOICES, *CALIBRATION, *DIAGNOSIS, "reset"):
        if options.is_asked(given[name]) and name not in SCHEMES[scheme]:
            option = f"--{name.replace('_', '-')}"
            raise EvsimError(f"found --scheme {scheme}, expected no such option", option)
    if scheme == "switch" and given["window"] is None:
        raise mismatch("none", "the timesteps of a window (--scheme switch)", "--window")


def _refuse(what: str, asked: list[str]) -> None:
    """Raise an error for an option that a spiking network has no use for."""
    if asked:
        option = f"--{asked[0].replace('_', '-')}"
        raise EvsimError(f"found {what}, which spikes already, expected no such option", option)


@contextlib.contextmanager
def _images(path: Path, samples: str | None):
    """An open data file of images, and the range of those to calibrate with."""
    from evsim.formats.data import open_data
    from evsim.studies.job import sample_range

    with files.opened(path, open_data, "DATA") as data:
        if data.images is None:
            raise mismatch("events", "images", "/events").within(file=str(path))
        yield data, sample_range(f":{SAMPLES}" if samples is None else samples, data.samples)


def _kept(given: dict, model, data, some: slice, choices: dict):
    """Where a conversion keeps what is finished, with what says that it is the same one."""
    import inspect
    from functools import partial

    from evsim.base.screen import say, waiting
    from evsim.base.version import __version__
    from evsim.conversion import convert, convert_to_switches
    from evsim.formats._origin import Origin
    from evsim.store.lock import Lock
    from evsim.store.stages import Stages
    from evsim.studies.job import silent

    make = convert_to_switches if given["scheme"] == "switch" else convert
    defaults = {n: p.default for n, p in inspect.signature(make).parameters.items()}
    with waiting(f"hashing {given['model']} and {data.path}"):
        model_hash, data_hash = Origin(str(given["model"])).sha256, data.sha256
    settings = {
        "evsim": __version__,
        "model_path": str(given["model"]),
        "model_sha256": model_hash,
        "layers": model.outline,
        "data_path": data.path,
        "data_sha256": data_hash,
        "samples": f"{some.start}:{some.stop}",
        **{name: given[name] for name in ("scheme", "bgr", "flip_kernels")},
        **{name: choices.get(name, defaults.get(name)) for name in (*CHOICES, "reset")},
    }
    rules = {name: given[name] for name in ("overwrite", "resume")}
    rules["lock"] = partial(Lock, say=silent if given["quiet"] or given["as_json"] else say)
    return Stages(given["network"], settings, **rules)


def _convert(model, file, data, some, target, jobs, quiet) -> dict:
    """Convert, write the network, and say what was written."""
    import threading

    from evsim.base.screen import bar, waiting
    from evsim.conversion import convert, convert_to_switches
    from evsim.conversion.units import notes
    from evsim.engine.simulation import Stopped
    from evsim.studies.job import Interrupted, announced_compilation, interrupting

    scheme, choices, kept = target
    images, stop, told = data.images.part(some), threading.Event(), [0, 0]
    make = convert_to_switches if scheme == "switch" else convert
    if scheme != "switch":
        choices = choices | {"first_sample": some.start, "scheme": scheme}
    with (
        kept,
        announced_compilation(quiet),
        bar("calibration", quiet) as show,
        interrupting(stop),
    ):

        def progress(*done: int) -> None:
            told[:] = done
            show(*done)

        try:
            made = make(
                model, images, jobs=jobs, progress=progress, kept=kept, stop=stop, **choices
            )
        except Stopped:
            kept.flush()
            if not kept.names(""):
                raise Interrupted("interrupted: nothing was finished") from None
            where = f"what is finished is in {kept.folder}, --resume goes on with it"
            raise Interrupted(f"interrupted: step {told[0]} of {told[1]}; {where}") from None
        except EvsimError as error:
            if error.place in choices:
                raise EvsimError(error.problem, f"--{error.place.replace('_', '-')}") from None
            raise error if "images" in error.place else error.within(file=str(file)) from None
        found = {}
        # Rates, or durations, times scales are activations.
        said = notes(made.units) if "diagnose" in SCHEMES[scheme] else None
        data.verify()
        with waiting(f"writing {kept.out}"):
            kept.finish(lambda path: found.update(_write(path, made.network, True, said)))
        found["network"] = str(kept.out)
    rows = [
        {
            "population": unit.population,
            "layer": unit.layer,
            "kind": made.network.populations[unit.population].kind,
            "neurons": made.network.populations[unit.population].neurons,
            "smallest scale": float(unit.scale.min()),
            "largest scale": float(unit.scale.max()),
        }
        for unit in made.units
    ]
    calibrated = f"{some.start}:{some.stop} of {data.path}"
    told = [*made.notes, *_pools(model, choices.get("pooling", "prepool"))]
    return found | {"calibrated with": calibrated, "notes": told, "units": rows}


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
            "exact but lets each spike go over all synapses behind the pool; --pooling neurons "
            "takes fewer synops and more neurons, as other tools count"
        )
    elif averages:
        yield (
            f"average pools ({', '.join(averages)}) are neurons, as in other tools; --pooling "
            "prepool makes them part of the weights behind them: exact, with more synops"
        )


def _convert_to_passes(model, file, choices, path, overwrite) -> dict:
    """Convert for passes, where nothing is measured."""
    from evsim.conversion import convert_to_passes

    try:
        made = convert_to_passes(model, **choices)
    except EvsimError as error:
        if error.place in choices:
            raise EvsimError(error.problem, f"--{error.place.replace('_', '-')}") from None
        raise error.within(file=str(file)) from None
    notes = [*made.notes, *_pools(model, choices.get("pooling", "prepool"))]
    return _write(path, made.network, overwrite) | {"notes": notes}


def _write(path: Path, network, overwrite: bool, notes: dict | None = None) -> dict:
    """Write a network; returns what to say of it."""
    from evsim.formats.network import save

    save(network, path, overwrite, notes)
    neurons = sum(part.neurons for part in network.populations.values())
    return {"network": str(path), "neurons": neurons, "synapses": network.synapse_count}


def _diagnose(model, path: Path, data, some: slice, jobs, picture: Path, quiet: bool) -> dict:
    """Run the network that was written over the labelled images it was balanced with."""
    from evsim.conversion.units import stored
    from evsim.formats.network import load
    from evsim.studies.diagnosis import Diagnosis
    from evsim.studies.job import Job, byte_count

    if data.labels is None:
        raise mismatch("no labels", "labels, to diagnose with", "/labels").within(file=data.path)
    network = load(path)
    job = Job(network, data, samples=f"{some.start}:{some.stop}", record=("rates",))
    images = data.images.part(some)
    diagnosis = Diagnosis(model, network, stored(path), images, job.labels, calibration=True)
    job.simulate(jobs, byte_count("512M"), quiet=quiet, observer=diagnosis)
    diagnosis.finish()
    from evsim.reports import diagnosis as report

    report.draw(diagnosis, picture)
    return {"picture": str(picture), "diagnosis": diagnosis}


def _tell(found: dict, as_json: bool, wide: bool) -> None:
    """Print what was written, the table of units and the diagnosis."""
    from evsim.base.screen import tell_json
    from evsim.reports import diagnosis as report
    from evsim.reports.tables import show

    diagnosis = found.pop("diagnosis", None)
    found["notes"] = translate.everywhere(found["notes"])
    if as_json:
        tell_json(found if diagnosis is None else found | diagnosis.as_dict())
        return
    out = options.output(wide)
    show(out, found)
    if diagnosis is not None:
        report.show(out, diagnosis)
