"""Convert with no option but the timesteps: `python tests/accuracy/defaults.py [WORD...]`.

Every rectifier network of ../shared/networks at 16, 32 and 64 timesteps, run over all its test
images and set beside the artificial one. Takes some hours on two cores; a WORD chooses rows that
hold it, `--keep FILE` keeps finished rows (JSON) and goes on with them, `--write FILE` writes the
table.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = {16: 1.5, 32: 0.2, 64: 0.1}  # timesteps: points below the artificial network, at most
BARS = {
    "mnist": SMALL,
    "fashion": SMALL,
    "cifar10-resnet8": {16: 3.0, 32: 1.0, 64: 0.6},
    "cifar10-resnet20": {16: 1.5, 32: 0.5, 64: 0.3},
    "cifar10-resnet56": {16: None, 32: 2.0, 64: 1.0, 128: 0.5},
    "cifar10-vgg": {16: 1.5, 32: 0.5, 64: 0.3},
    "cifar10-cnn": {16: 1.5, 32: 0.7, 64: 0.4},
}
COLUMNS = ("file", "T", "ANN", "spiking", "points below", "bar", "verdict")
COLUMNS += ("images that differ", "calibration, s", "synops", "synops, percentile")
FEW = ":100"  # images over which synops of the other method are counted


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--keep", metavar="FILE", help="rows that are finished, as JSON")
    arguments = parser.parse_args()
    sys.path[0] = str(ROOT / "tests")
    from accuracy.__main__ import SHARED
    from accuracy.cases import MODELS

    if not SHARED.is_dir():
        print(f"skipped: the networks and data of others are not at {SHARED.name}/")
        return
    kept = Path(arguments.keep) if arguments.keep else None
    rows = json.loads(kept.read_text()) if kept and kept.exists() else {}
    cases = [
        (model, timesteps, bar)
        for model in MODELS
        for start, bars in BARS.items()
        for timesteps, bar in bars.items()
        if model.file.startswith(start) and "stoch" not in model.file
    ]
    for model, timesteps, bar in cases:
        name = f"{model.file} {timesteps}"
        if name not in rows and all(word in name for word in arguments.words):
            rows[name] = measured(model, timesteps, bar)
            print(rows[name], file=sys.stderr)
            if kept:
                kept.write_text(json.dumps(rows, indent=1))
    found = [rows[n] for n in (f"{m.file} {t}" for m, t, _ in cases) if n in rows]
    text = markdown(found)
    print(text)
    if arguments.write:
        Path(arguments.write).write_text(text, encoding="utf-8")


def measured(model, timesteps: int, bar: float | None) -> dict:
    """The row of a model with so many timesteps."""
    from accuracy.__main__ import data, evsim, path

    given = ("--calibrate", data(model, "train"), *model.options, "-T", str(timesteps))
    with tempfile.TemporaryDirectory() as folder:
        network, other = (str(Path(folder) / name) for name in ("network.h5", "other.h5"))
        begin = time.perf_counter()
        evsim("convert", path(model), "-o", network, *given)
        seconds = time.perf_counter() - begin
        run = evsim("run", network, data(model, "test"))
        evsim("convert", path(model), "-o", other, *given, "--method", "percentile")
        before = evsim("run", other, data(model, "test"), "--samples", FEW)
    ann = evsim("ann", path(model), data(model, "test"), *model.options)
    differ = sum(a != b for a, b in zip(ann["predictions"], run["predictions"], strict=True))
    lost = 100 * (ann["accuracy"] - run["accuracy"])
    verdict = "reported" if bar is None else "met" if lost <= bar + 1e-9 else "missed"
    values = model.file, timesteps, f"{100 * ann['accuracy']:.2f}", f"{100 * run['accuracy']:.2f}"
    values += f"{lost:.2f}", "" if bar is None else f"{bar:.1f}", verdict
    values += f"{differ} of {run['samples']}", f"{seconds:.0f}"
    values += f"{synops(run):.4g}", f"{synops(before):.4g}"
    return dict(zip(COLUMNS, values, strict=True))


def synops(run: dict) -> float:
    """Additions and multiplications of synapses for a sample, on average."""
    parts = run["counts"]["parts"].values()
    added = sum(part.get("synaptic_add", 0) + part.get("synaptic_mac", 0) for part in parts)
    return added / run["samples"]


def markdown(rows: list[dict]) -> str:
    """The rows as a table."""
    lines = [
        "# Conversion with no option but the timesteps",
        "",
        "Made by `python tests/accuracy/defaults.py --write tests/accuracy/DEFAULTS.md`. Accuracy",
        "in percent, MNIST and Fashion-MNIST on all 10,000 test images, CIFAR-10 on 2,077 exact",
        "ones; a search fits to, and chooses by, the first 600 training images. Options say how",
        "the file is read (those of RESULTS.md). Synaptic operations are a sample's mean, those",
        "of `--method percentile` over the first 100 images.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
    ]
    lines += [f"| {' | '.join(str(row[c]) for c in COLUMNS)} |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
