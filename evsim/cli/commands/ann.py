"""evsim ann"""

from __future__ import annotations

import numpy as np

from evsim.base.screen import say, tell, tell_json
from evsim.cli import files
from evsim.cli import model_options as model_options
from evsim.cli import options as options
from evsim.cli import translate as translate
from evsim.studies.chance import is_near_chance

EXAMPLES = (
    "evsim ann model.h5 test.h5 --mean 0.5 --std 0.25",
    "evsim ann model.h5 test.h5 --probe",
)
ProbeImages = options.flag(
    "--probe",
    panel=options.SIMULATED,
    help="try other scalings, orders of colours and kernels on some 500 labelled images",
)
Passes = options.option(
    int | None,
    panel=options.SIMULATED,
    help="of a stochastic model, summed",
    default="1",
    **options.whole("--passes", 1),
)


def ann(
    model: model_options.ModelFile,
    data: options.DataFile,
    topology: model_options.Topology = None,
    scale: model_options.Scale = None,
    mean: model_options.Mean = None,
    std: model_options.Std = None,
    bgr: model_options.Bgr = False,
    flip_kernels: model_options.FlipKernels = False,
    force: model_options.Force = False,
    samples: options.Samples = None,
    probe: ProbeImages = False,
    passes: Passes = None,
    seed: options.OwnSeed = None,
    jobs: options.Jobs = None,
    wide: options.Wide = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """The accuracy of an artificial network: was its file read right?"""
    given = dict(locals())
    from evsim.formats.data import open_data
    from evsim.formats.trainers import Options
    from evsim.reports.probe import show, words
    from evsim.studies.artificial import decided, verdict
    from evsim.studies.doubts import about_range
    from evsim.studies.probe import Probe

    silent = quiet or as_json
    reading = model_options.artificial(model, given)
    with files.opened(data, open_data, "DATA") as opened:
        how = {"jobs": jobs, "seed": seed, "passes": passes}
        if probe:
            asked = Options(**Options.among(given))
            probed = Probe(reading.content, model, asked, opened, samples, silent, **how)
            predictions, labels = probed.predictions, probed.labels
        else:
            predictions, labels = decided(reading.content, opened, samples, silent, **how)
        doubt = about_range(reading.content.input, opened.images)
    model_options.tell(reading, silent)
    if doubt and not silent:
        say(translate.in_options(doubt))
    found = verdict(predictions, labels) | ({"probe": probed.as_dict()} if probe else {})
    correct, count = found["correct"], found["samples"]
    outputs = int(np.prod(reading.content.shapes[reading.content.output]))
    if correct is not None and not (silent or probe) and is_near_chance(correct, count, outputs):
        say(
            f"this is guessing one of {outputs} classes: were pixels scaled in training as here? "
            "--scale, --mean, --std and --bgr say how (--flip-kernels: Theano wrote the file); "
            "--probe tries them"
        )
    if as_json:
        tell_json(found)
    elif not quiet:
        right = "no labels"
        if labels is not None:
            right = f"accuracy {100 * found['accuracy']:.2f} % ({correct} right)"
        tell(f"{model}: {count} samples, {right}")
        if probe:
            left = {name: given[name] for name in ("topology", "force") if given[name]}
            command = ["evsim", "ann", str(model), str(data), *words(left)]
            show(options.output(wide), found["probe"], command)
