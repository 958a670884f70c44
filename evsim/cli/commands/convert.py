"""evsim convert"""

from __future__ import annotations

from pathlib import Path

from evsim.base.errors import EvsimError, mismatch
from evsim.cli import convert_options as own
from evsim.cli import files
from evsim.cli import model_options as model_options
from evsim.cli import options as options
from evsim.cli import translate as translate

EXAMPLES = (
    "evsim convert model.h5 -o network.h5 --calibrate train.h5",
    "evsim convert weights.h5 -o network.h5 --topology lenet5 --calibrate train.h5 --diagnose",
    "evsim convert model.h5 -o network.h5 --calibrate train.h5 --scheme switch --window 16",
)


def convert(
    model: model_options.ModelFile,
    network: options.NewNetwork,
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
    skip_encoder: model_options.SkipEncoder = False,
    like: model_options.Like = None,
    force: model_options.Force = False,
    calibrate: own.Calibrate = None,
    samples: own.Samples = None,
    method: own.Method = None,
    target_loss: own.TargetLoss = None,
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
    found = _converted(dict(locals()))
    if as_json or not quiet:
        _tell(found, as_json, wide)


def _converted(given: dict) -> dict:
    """Convert and write what the options ask for; returns what to say of it."""
    from evsim.formats.data import open_data
    from evsim.studies import converted as studies

    network, scheme, overwrite = given["network"], given["scheme"], given["overwrite"]
    choices = {name: given[name] for name in studies.CHOICES if studies.is_asked(given[name])}
    studies.check_scheme(scheme, given)
    if network.exists() and not (overwrite or given["resume"]):
        raise EvsimError("exists already (--overwrite replaces it)", file=str(network))
    reading = model_options.read(given["model"], given)
    read = reading.content
    if hasattr(read, "populations"):
        spiking = {**choices, "scheme": scheme != "rate"}
        spiking |= {name: given[name] for name in ("calibrate", "samples", "diagnose", "resume")}
        studies.refuse(reading.format, [n for n, v in spiking.items() if studies.is_asked(v)])
        return _write(network, read, overwrite) | {"notes": reading.notes}
    if studies.unmeasured(scheme):
        made = studies.without_images(read, str(given["model"]), scheme, choices)
        notes = studies.notes_on(read, made, choices)
        return _write(network, made.network, overwrite) | {"notes": notes}
    if given["calibrate"] is None:
        raise mismatch("none", "images to balance the thresholds with", "--calibrate")
    if given["reset"] is not None:
        choices["reset"] = given["reset"]
    with files.opened(given["calibrate"], open_data, "DATA") as data:
        some = studies.to_calibrate_with(data, given["samples"])
        found = _convert(read, data, some, choices, given)
        return found | _diagnose(read, data, some, given) if given["diagnose"] else found


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
    from evsim.studies import converted as studies
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
        **{name: choices.get(name, defaults.get(name)) for name in (*studies.CHOICES, "reset")},
    }
    if studies.searches(model, given["scheme"], choices):
        settings["method"] = studies.SEARCH
    rules = {name: given[name] for name in ("overwrite", "resume")}
    rules["lock"] = partial(Lock, say=silent if given["quiet"] or given["as_json"] else say)
    return Stages(given["network"], settings, **rules)


def _convert(model, data, some: slice, choices: dict, given: dict) -> dict:
    """Convert, write the network, and say what was written."""
    from evsim.base.screen import waiting
    from evsim.studies.converted import calibrated, described, notes_of

    kept, scheme = _kept(given, model, data, some, choices), given["scheme"]
    how = {"jobs": given["jobs"], "quiet": given["quiet"] or given["as_json"], "kept": kept}
    with kept:
        made = calibrated(model, str(given["model"]), data, some, scheme, choices, **how)
        found, said = {}, notes_of(made, scheme)
        with waiting(f"writing {kept.out}"):
            kept.finish(lambda path: found.update(_write(path, made.network, True, said)))
        found["network"] = str(kept.out)
    return found | described(model, made, data, some, choices)


def _write(path: Path, network, overwrite: bool, notes: dict | None = None) -> dict:
    """Write a network; returns what to say of it."""
    from evsim.formats.network import save
    from evsim.studies.converted import size_of

    save(network, path, overwrite, notes)
    return {"network": str(path), **size_of(network)}


def _diagnose(model, data, some: slice, given: dict) -> dict:
    """Run the network that was written over labelled images, others than it was balanced with."""
    from evsim.conversion.units import stored
    from evsim.formats.network import load
    from evsim.reports import diagnosis as report
    from evsim.studies.converted import diagnosed

    path, picture = given["network"], given["picture"] or given["network"].with_suffix(".png")
    how = {"jobs": given["jobs"], "quiet": given["quiet"] or given["as_json"]}
    diagnosis = diagnosed(model, load(path), stored(path), data, some, **how)
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
    if "search" in found:
        found["tried"] = found.pop("search")["tried"]  # the notes tell the rest
    out = options.output(wide)
    show(out, found)
    if diagnosis is not None:
        report.show(out, diagnosis)
