"""Measure networks that others trained: `python tests/accuracy [WORD...] [--write FILE]`.

Reads every file of ../shared/networks as an artificial network and converted to spikes, and sets
the accuracy beside what it must reach. Takes an hour on two cores; a WORD chooses the files whose
names hold it, `--keep FILE` keeps finished rows (JSON) and goes on with them.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
STOCHASTIC = ("--scheme", "stochastic")


def main() -> int:
    """Measure what is asked for; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python tests/accuracy", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--write", metavar="FILE", help="write the tables as Markdown")
    parser.add_argument("--keep", metavar="FILE", help="rows that are finished, as JSON")
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        print(f"skipped: the networks and data of others are not at {SHARED.name}/")
        return 0
    sys.path[0] = str(ROOT / "tests")
    from accuracy.cases import CONVERSIONS, EXACT, MODELS, PASSES, SEEDS

    kept = Path(arguments.keep) if arguments.keep else None
    rows = json.loads(kept.read_text()) if kept and kept.exists() else {}
    models = {model.file: model for model in reversed(MODELS)}
    work = [(f"{m.file} {m.passes}", lambda m=m: artificial(m)) for m in MODELS]
    work += [(f"{c.file} converted", lambda c=c: converted(models[c.file], c)) for c in CONVERSIONS]
    work.append((f"{EXACT} pass", lambda: exact(models[EXACT])))
    work += [
        (f"{p.file} pass seed {seed}", lambda p=p, seed=seed: sampled(models[p.file], p, seed))
        for p in PASSES
        for seed in SEEDS
    ]
    wanted = [w for w in work if all(word in w[0] for word in arguments.words)]
    for name, measure in wanted:
        if name not in rows:
            rows[name] = measure()
            print(name, rows[name], file=sys.stderr)
            if kept:
                kept.write_text(json.dumps(rows, indent=1))
    rows_of = [[rows.get(f"{p.file} pass seed {seed}") for seed in SEEDS] for p in PASSES]
    means = [mean(p, own) for p, own in zip(PASSES, rows_of, strict=True) if all(own)]
    wanted = [rows[name] for name, _ in wanted] + means
    text = markdown(wanted)
    print(text)
    if arguments.write:
        Path(arguments.write).write_text(text, encoding="utf-8")
    return int(any(row["verdict"] == "missed" for group in wanted for row in group))


def evsim(*arguments: str) -> dict:
    """What a command prints as JSON."""
    from evsim.cli.main import run_command

    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = run_command([*arguments, "--json"])
    if status:
        raise SystemExit(f"evsim {' '.join(arguments)} ended with {status}")
    return json.loads(out.getvalue())


def data(model, what: str) -> str:
    """The path of the test or training images of a model."""
    exact = "_exact" if model.data == "cifar10" else ""
    return str(SHARED / "data" / f"{model.data}_{what}{exact}.h5")


def path(model) -> str:
    return str(SHARED / "networks" / model.file)


def artificial(model) -> list[dict]:
    """The row of a model as an artificial network."""
    passes = ("--passes", str(model.passes)) if model.passes > 1 else ()
    found = evsim("ann", path(model), data(model, "test"), *model.options, *passes)
    accuracy = 100 * found["accuracy"]
    noisy = "stoch" in model.file  # one seed beside one seed
    fits = abs(accuracy - model.accuracy) <= model.allowed + 0.005
    row = {"file": model.file, "what": f"ANN, {model.passes} passes" if passes else "ANN"}
    row |= {"options": " ".join(model.options), "accuracy": f"{accuracy:.2f}"}
    row |= {"bar": f"{model.accuracy:.2f}", "images": f"{found['correct']} of {found['samples']}"}
    return [row | {"verdict": "one seed" if noisy else "met" if fits else "missed"}]


def converted(model, conversion) -> list[dict]:
    """The rows of a converted model, one for each number of timesteps with a bar."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        network = str(Path(folder) / "network.h5")
        options = (*model.options, *conversion.options, "-T", str(conversion.timesteps))
        evsim("convert", path(model), "-o", network, "--calibrate", data(model, "train"), *options)
        begin = time.perf_counter()
        run = evsim("run", network, data(model, "test"))
        seconds = time.perf_counter() - begin
    ann = evsim("ann", path(model), data(model, "test"), *model.options)
    samples = run["samples"]
    same = np.mean(np.array(ann["predictions"]) == run["predictions"])
    print(f"{model.file}: {seconds:.0f} s, {100 * same:.2f} % as the ANN", file=sys.stderr)
    rows = []
    for timesteps, points in conversion.bars.items():
        accuracy = run["accuracy_by_timestep"][timesteps - 1]
        lost = 100 * (ann["accuracy"] - accuracy)
        row = {"file": model.file, "what": f"T = {timesteps}"}
        row |= {"options": " ".join(conversion.options), "accuracy": f"{100 * accuracy:.2f}"}
        row |= {"bar": f"{100 * ann['accuracy']:.2f} - {points}"}
        row |= {"images": f"{round(accuracy * samples)} of {samples}"}
        rows.append(row | {"verdict": "met" if lost <= points + 1e-9 else "missed"})
    return rows


def exact(model) -> list[dict]:
    """The row of a ReLU network as analog neurons: every decision as the artificial one's."""
    with tempfile.TemporaryDirectory() as folder:
        network = str(Path(folder) / "network.h5")
        evsim("convert", path(model), "-o", network, *STOCHASTIC, *model.options)
        run = evsim("run", network, data(model, "test"))
    ann = evsim("ann", path(model), data(model, "test"), *model.options)
    same = run["predictions"] == ann["predictions"]
    accuracy, samples = run["accuracy"], run["samples"]
    row = {"file": model.file, "what": "T = 1", "options": " ".join(STOCHASTIC)}
    row |= {
        "accuracy": f"{100 * accuracy:.2f}",
        "images": f"{round(accuracy * samples)} of {samples}",
    }
    row |= {"bar": "every image as the ANN", "verdict": "met" if same else "missed"}
    return [row]


def sampled(model, passes, seed: int) -> list[dict]:
    """The rows of a stochastic model with one seed, for each number of passes."""
    with tempfile.TemporaryDirectory() as folder:
        network = str(Path(folder) / "network.h5")
        most = ("-T", str(max(passes.accuracy)))
        evsim("convert", path(model), "-o", network, *STOCHASTIC, *model.options, *most)
        run = evsim("run", network, data(model, "test"), "--seed", str(seed))
    rows, samples = [], run["samples"]
    for timesteps in passes.accuracy:
        accuracy = run["accuracy_by_timestep"][timesteps - 1]
        row = {"file": model.file, "what": f"T = {timesteps}, seed {seed}", "verdict": "one seed"}
        row |= {"options": " ".join(STOCHASTIC), "accuracy": f"{100 * accuracy:.2f}"}
        rows.append(row | {"images": f"{round(accuracy * samples)} of {samples}", "bar": ""})
    return rows


def mean(passes, seeds: list[list[dict]]) -> list[dict]:
    """The rows of a stochastic model, the mean of its seeds, for each number of passes."""
    from accuracy.cases import POINTS

    rows = []
    for i, (timesteps, wanted) in enumerate(passes.accuracy.items()):
        each = [float(own[i]["accuracy"]) for own in seeds]
        found = sum(each) / len(each)
        row = {"file": passes.file, "what": f"T = {timesteps}, mean of {len(each)} seeds"}
        row |= {"options": " ".join(STOCHASTIC), "accuracy": f"{found:.2f}"}
        row |= {"images": f"{min(each):.2f} to {max(each):.2f} %", "bar": f"{wanted} +- {POINTS}"}
        rows.append(row | {"verdict": "met" if abs(found - wanted) <= POINTS else "missed"})
    return rows


def markdown(groups: list[list[dict]]) -> str:
    """The rows as a table."""
    columns = ("file", "what", "options", "accuracy", "images", "bar", "verdict")
    lines = [
        "# Networks that others trained",
        "",
        "Made by `python tests/accuracy --write tests/accuracy/RESULTS.md`. Accuracy in percent,",
        "MNIST and Fashion-MNIST on all 10,000 test images, CIFAR-10 on 2,077 exact ones; scales",
        "are balanced on the first 600 training images. The bar of a converted network is the",
        "artificial one's accuracy less some points. `xnor` is no network of the authors' form",
        "(networks/vgg9-stochastic-xnor.toml says how it differs).",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
    ]
    lines += [f"| {' | '.join(row[c] for c in columns)} |" for rows in groups for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
