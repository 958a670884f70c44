"""evsim ann"""

from __future__ import annotations

import numpy as np

from evsim.base.screen import say, tell, tell_json
from evsim.cli import files
from evsim.cli import model_options as model_options
from evsim.cli import options as options
from evsim.cli import translate as translate
from evsim.studies.chance import is_near_chance

EXAMPLES = ("evsim ann model.h5 test.h5 --mean 0.5 --std 0.25",)
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
    passes: Passes = None,
    seed: options.OwnSeed = None,
    jobs: options.Jobs = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """The accuracy of an artificial network: was its file read right?"""
    asked = {"topology": topology, "scale": scale, "mean": mean, "std": std, "bgr": bgr}
    asked |= {"flip_kernels": flip_kernels, "force": force}
    drawn = {"seed": seed, "passes": passes}
    drawn = {name: value for name, value in drawn.items() if value is not None}
    from evsim.formats.data import open_data
    from evsim.studies.artificial import decided, verdict
    from evsim.studies.doubts import about_range

    silent = quiet or as_json
    reading = model_options.artificial(model, **asked)
    with files.opened(data, open_data, "DATA") as opened:
        predictions, labels = decided(reading.content, opened, samples, silent, jobs=jobs, **drawn)
        doubt = about_range(reading.content.input, opened.images)
    model_options.tell(reading, silent)
    if doubt and not silent:
        say(translate.in_options(doubt))
    found = verdict(predictions, labels)
    correct, count = found["correct"], found["samples"]
    outputs = int(np.prod(reading.content.shapes[reading.content.output]))
    if correct is not None and not silent and is_near_chance(correct, count, outputs):
        say(
            f"this is guessing one of {outputs} classes: were pixels scaled in training as here? "
            "--scale, --mean, --std and --bgr say how (--flip-kernels: Theano wrote the file)"
        )
    if as_json:
        tell_json(found)
    elif not quiet:
        right = "no labels"
        if labels is not None:
            right = f"accuracy {100 * found['accuracy']:.2f} % ({correct} right)"
        tell(f"{model}: {count} samples, {right}")
