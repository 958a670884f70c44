"""The options of evsim convert, in the groups of its help."""

from __future__ import annotations

from pathlib import Path

from evsim.cli import model_options as model_options
from evsim.cli import options as options

BALANCE = "How thresholds are found"
SCHEME = "How neurons tell values"
TURNS = "Blocks that run several times (rate; --unroll-thresholds: switch, too)"

Calibrate = options.option(
    Path | None,
    panel=BALANCE,
    metavar="DATA",
    help="images to find thresholds with, best of the training set",
    default="none; needed but for stochastic and levels",
)
Samples = options.option(
    str | None,
    "--samples",
    panel=BALANCE,
    metavar="A:B",
    help="of these images, such as 0:1000",
    default=":600",
)
Method = options.option(
    str | None,
    panel=BALANCE,
    metavar="NAME",
    help="search fits weights, scales and starts layer after layer to the spikes that arrive; "
    "else a scale is a layer's largest activation (max), a percentile of them, the largest current "
    "while all before it spike (spike-norm), or has the least squared error (mmse)",
    default="search for rates, but percentile with an option that a search does not take",
)
TargetLoss = options.option(
    float | None,
    panel=BALANCE,
    help="find the fewest timesteps that lose at most so many points of accuracy (search)",
    default="none: --timesteps says",
    **model_options.points("--target-loss"),
)
Percentile = options.option(
    float | None,
    panel=BALANCE,
    help="of the activations, from 50 to 100",
    default="99.9",
    **model_options.number("--percentile"),
)
PerChannel = options.flag(
    "--per-channel", panel=BALANCE, help="a scale for each channel of a layer, not one for all"
)
Factor = options.option(
    float | None,
    panel=BALANCE,
    help="all scales are multiplied by it",
    default="1",
    **model_options.number("--threshold-scale"),
)
Start = options.option(
    float | None,
    panel=BALANCE,
    help="potentials begin at this share of the threshold",
    default="0.5",
    **model_options.number("--v-init", True),
)
Balance = options.option(
    str | None,
    panel=BALANCE,
    metavar="weights|thresholds",
    help="what scales go into: weights (then thresholds are 1), or thresholds",
    default="weights",
)
Pooling = options.option(
    str | None,
    panel=BALANCE,
    metavar="prepool|neurons",
    help="average pools: folded into the weights behind them (exact, but every spike reaches more "
    "synapses), or neurons of their own, as other tools have them (fewer synops, more neurons)",
    default="prepool",
)
CorrectBias = options.flag(
    "--correct-bias", panel=BALANCE, help="biases make up for what rates miss on average"
)
Stagger = options.option(
    int | None,
    panel=BALANCE,
    help="a layer begins to fire so many timesteps after its sources",
    default="0",
    **options.whole("--stagger", 0),
)
Scheme = options.option(
    str,
    panel=SCHEME,
    metavar="NAME",
    help="rate, switch (temporal switches), stochastic (binary draws), signed (spikes of both "
    "signs), burst, phase, ttfs (the time of a first spike), or levels (quantised ReLUs exactly)",
)
Window = options.option(
    int | None,
    panel=SCHEME,
    help="timesteps in which a value is told (switch, phase, ttfs)",
    default="8 (phase), 32 (ttfs); switch needs one",
    **options.whole("--window", 2),
)
Firing = options.option(
    str | None,
    panel=SCHEME,
    metavar="window|online",
    help="a layer fires when its window is over, or while its inputs arrive (switch)",
    default="window",
)
Rounding = options.option(
    float | None,
    panel=SCHEME,
    help="a share of a unit that is added before rounding down (switch)",
    default="0.5",
    **model_options.number("--rounding", True),
)
Delta = options.option(
    int | None,
    panel=SCHEME,
    help="timesteps by which a layer fires after its sources (switch, online)",
    default="half a window",
    **options.whole("--delta", 0),
)
Prediction = options.option(
    float | None,
    panel=SCHEME,
    help="the share of what is still due that counts (switch, online)",
    default="0.5",
    **model_options.number("--prediction", True, closed=True),
)
Analog = options.option(
    tuple | None,
    panel=SCHEME,
    help="ReLU layers that stay as they are and send values (rate)",
    default="none",
    **options.names("LAYER"),
)
Unroll = options.option(
    str | None,
    panel=TURNS,
    metavar="copies|recurrent",
    help="every turn is a copy, or one block sends back to itself",
    default="copies",
)
UnrollThresholds = options.option(
    str | None,
    panel=TURNS,
    metavar="own|shared",
    help="each copy of a layer has a threshold of its own, or all have one",
    default="own; shared if recurrent",
)
Feedback = options.option(
    int | None,
    panel=TURNS,
    help="timesteps until a recurrent block has what it sent",
    default="1",
    **options.whole("--feedback-delay", 1),
)
Diagnose = options.flag(
    "--diagnose",
    panel=options.OUTPUT,
    help="run the network over up to 600 other images of the file, or over these where there are "
    "no others: rates beside activations, layer by layer",
)
Picture = options.option(
    Path | None,
    panel=options.OUTPUT,
    metavar="FILE",
    help="of the diagnosis",
    default="OUT with the ending .png",
)
