"""evsim convert"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim.base.errors import EvsimError, mismatch
from evsim.cli import model_options as model_options
from evsim.cli import options as options
from evsim.cli import translate as translate

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
    found = _converted(dict(locals()))
    if as_json or not quiet:
        _tell(found, as_json)


def _converted(given: dict) -> dict:
    """Convert and write what the options ask for; returns what to say of it."""
    from evsim.formats.data import open_data
    from evsim.formats.guard import guarded
    from evsim.studies import converted as studies

    network, scheme, overwrite = given["network"], given["scheme"], given["overwrite"]
    choices = {name: given[name] for name in studies.CHOICES if studies.is_asked(given[name])}
    studies.check_scheme(scheme, given)
    if network.exists() and not (overwrite or given["resume"]):
        raise EvsimError("exists already (--overwrite replaces it)", file=str(network))
    asked = {name: given[name] for name in model_options.NAMES}
    reading = model_options.read(given["model"], **asked)
    read = reading.content
    if hasattr(read, "populations"):
        spiking = {**choices, "scheme": scheme != "rate"}
        spiking |= {name: given[name] for name in ("calibrate", "samples", "diagnose", "resume")}
        studies.refuse(reading.format, [n for n, v in spiking.items() if studies.is_asked(v)])
        return _write(network, read, overwrite) | {"notes": reading.notes}
    if scheme == "stochastic":
        made = studies.in_passes(read, str(given["model"]), choices)
        return _write(network, made.network, overwrite) | {"notes": list(made.notes)}
    if given["calibrate"] is None:
        raise mismatch("none", "images to balance the thresholds with", "--calibrate")
    if given["reset"] is not None:
        choices["reset"] = given["reset"]
    with guarded(given["calibrate"], open_data) as data:
        some = studies.to_calibrate_with(data, given["samples"])
        found = _convert(read, data, some, choices, given)
        return found | _diagnose(read, data, some, given) if given["diagnose"] else found


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
    from evsim.studies import converted as studies
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
        **{name: choices.get(name, defaults.get(name)) for name in (*studies.CHOICES, "reset")},
    }
    rules = {name: given[name] for name in ("overwrite", "resume")}
    rules["lock"] = partial(Lock, say=silent if given["quiet"] or given["as_json"] else say)
    return Stages(given["network"], settings, **rules)


def _convert(model, data, some: slice, choices: dict, given: dict) -> dict:
    """Convert, write the network, and say what was written."""
    from evsim.studies.converted import calibrated, described, notes_of

    kept, scheme = _kept(given, model, data, some, choices), given["scheme"]
    how = {"jobs": given["jobs"], "quiet": given["quiet"] or given["as_json"], "kept": kept}
    with kept:
        made = calibrated(model, str(given["model"]), data, some, scheme, choices, **how)
        found, said = {}, notes_of(made, scheme)
        kept.finish(lambda path: found.update(_write(path, made.network, True, said)))
        found["network"] = str(kept.out)
    return found | described(made, data, some)


def _write(path: Path, network, overwrite: bool, notes: dict | None = None) -> dict:
    """Write a network; returns what to say of it."""
    from evsim.formats.network import save
    from evsim.studies.converted import size_of

    save(network, path, overwrite, notes)
    return {"network": str(path), **size_of(network)}


def _diagnose(model, data, some: slice, given: dict) -> dict:
    """Run the network that was written over the labelled images it was balanced with."""
    from evsim.conversion.units import stored
    from evsim.formats.network import load
    from evsim.reports import diagnosis as report
    from evsim.studies.converted import diagnosed

    path, picture = given["network"], given["picture"] or given["network"].with_suffix(".png")
    how = {"jobs": given["jobs"], "quiet": given["quiet"] or given["as_json"]}
    diagnosis = diagnosed(model, load(path), stored(path), data, some, **how)
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
