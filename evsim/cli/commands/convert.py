"""evsim convert"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from evsim.base.errors import EvsimError, mismatch, nearest
from evsim.cli import model_options as model_options
from evsim.cli import options as options
from evsim.cli import translate as translate

SAMPLES = 600  # to calibrate with, unless asked otherwise
Method = Annotated[str | None, typer.Option(metavar="max|percentile|spike-norm|mmse")]
Percentile = Annotated[
    float | None, typer.Option(help="[99.9]", **model_options.number("--percentile"))
]
Factor = Annotated[
    float | None, typer.Option(help="[1]", **model_options.number("--threshold-scale"))
]
Start = Annotated[
    float | None,
    typer.Option(help="of a threshold [0.5]", **model_options.number("--v-init", True)),
]
Rounding = Annotated[
    float | None, typer.Option(help="switch [0.5]", **model_options.number("--rounding", True))
]
Delta = Annotated[
    int | None,
    typer.Option(help="online \\[half a window]", **options.whole("--delta", 0)),
]
Prediction = Annotated[
    float | None,
    typer.Option(help="online [0.5]", **model_options.number("--prediction", True, closed=True)),
]
Balance = Annotated[str | None, typer.Option(metavar="weights|thresholds")]
Unroll = Annotated[str | None, typer.Option(metavar="copies|recurrent", help="blocks with turns")]
UnrollThresholds = Annotated[
    str | None, typer.Option(metavar="own|shared", help="of the copies of a layer")
]
Feedback = Annotated[int | None, typer.Option(**options.whole("--feedback-delay", 1))]
Pooling = Annotated[str | None, typer.Option(metavar="prepool|neurons", help="average pools")]


def convert(
    model: model_options.ModelFile,
    network: Annotated[Path, typer.Option("-o", "--out", help="network file to write")],
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
    calibrate: Annotated[Path | None, typer.Option(help="images to balance with")] = None,
    samples: options.Samples = None,
    method: Method = None,
    percentile: Percentile = None,
    per_channel: Annotated[bool, typer.Option("--per-channel")] = False,
    threshold_scale: Factor = None,
    timesteps: options.Timesteps = None,
    v_init: Start = None,
    balance: Balance = None,
    pooling: Pooling = None,
    correct_bias: Annotated[
        bool, typer.Option("--correct-bias", help="by what rates miss")
    ] = False,
    stagger: Annotated[int | None, typer.Option(**options.whole("--stagger", 0))] = None,
    coding: options.Coding = None,
    seed: options.OwnSeed = None,
    unroll: Unroll = None,
    feedback_delay: Feedback = None,
    unroll_thresholds: UnrollThresholds = None,
    scheme: Annotated[str, typer.Option(metavar="rate|switch|stochastic|...")] = "rate",
    window: Annotated[int | None, typer.Option(**options.whole("--window", 2))] = None,
    firing: Annotated[str | None, typer.Option(metavar="window|online", help="switch")] = None,
    rounding: Rounding = None,
    delta: Delta = None,
    prediction: Prediction = None,
    analog: Annotated[
        tuple | None, typer.Option(help="ReLUs kept (rate)", **options.names("LAYER"))
    ] = None,
    diagnose: Annotated[bool, typer.Option("--diagnose", help="rates beside activations")] = False,
    picture: Annotated[Path | None, typer.Option(help="of the diagnosis [OUT.png]")] = None,
    jobs: options.Jobs = None,
    overwrite: options.Overwrite = False,
    resume: Annotated[bool, typer.Option("--resume", help="go on with OUT.part")] = False,
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
        _tell(found, as_json)


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
    from evsim.formats.guard import guarded
    from evsim.studies.job import sample_range

    with guarded(path, open_data) as data:
        if data.images is None:
            raise mismatch("events", "images", "/events").within(file=str(path))
        yield data, sample_range(f":{SAMPLES}" if samples is None else samples, data.samples)


def _kept(given: dict, model, data, some: slice, choices: dict):
    """Where a conversion keeps what is finished, with what says that it is the same one."""
    import inspect
    from functools import partial

    from evsim.base.screen import say
    from evsim.base.version import __version__
    from evsim.conversion import convert, convert_to_switches
    from evsim.formats._origin import Origin
    from evsim.store.lock import Lock
    from evsim.store.stages import Stages
    from evsim.studies.job import silent

    make = convert_to_switches if given["scheme"] == "switch" else convert
    defaults = {n: p.default for n, p in inspect.signature(make).parameters.items()}
    settings = {
        "evsim": __version__,
        "model_path": str(given["model"]),
        "model_sha256": Origin(str(given["model"])).sha256,
        "layers": model.outline,
        "data_path": data.path,
        "data_sha256": data.sha256,
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

    from evsim.base.screen import bar
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
    return found | {"calibrated with": calibrated, "notes": list(made.notes), "units": rows}


def _convert_to_passes(model, file, choices, path, overwrite) -> dict:
    """Convert for passes, where nothing is measured."""
    from evsim.conversion import convert_to_passes

    try:
        made = convert_to_passes(model, **choices)
    except EvsimError as error:
        if error.place in choices:
            raise EvsimError(error.problem, f"--{error.place.replace('_', '-')}") from None
        raise error.within(file=str(file)) from None
    return _write(path, made.network, overwrite) | {"notes": list(made.notes)}


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


def _tell(found: dict, as_json: bool) -> None:
    """Print what was written, the table of units and the diagnosis."""
    from evsim.base.screen import Output, tell_json
    from evsim.reports import diagnosis as report
    from evsim.reports.tables import show

    diagnosis = found.pop("diagnosis", None)
    found["notes"] = translate.everywhere(found["notes"])
    if as_json:
        tell_json(found if diagnosis is None else found | diagnosis.as_dict())
        return
    show(found)
    if diagnosis is not None:
        report.show(Output(), diagnosis)
