"""A SHA-256 of what every kind gives: the same on every processor, with every version.

    python tests/support/digests.py [FOLDER/KIND...]  compare with tests/support/digests.json
    python tests/support/digests.py --write           make it
    python tests/support/digests.py --processors      compare in processes that compile for others

Networks and stimuli are those of kinds.py and layers.py, moved off the grid on which sums are
exact: where an addition is done in another order, fused with a multiplication or in another
precision, some bit changes. Digests change only when the law of a timestep, a kind's example or
NumPy's stream of random numbers does.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":  # as a command
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy._core._multiarray_umath import __cpu_dispatch__
from oracles.layers import layer
from support import build, layers
from support.kinds import KINDS, cases

from evsim.artificial.layers import Key, layer_kinds

FILE = Path(__file__).with_suffix(".json")
REAL = {"leak", "current_leak", "bias", "current_bias", "threshold", "negative_threshold"}
REAL |= {"v_init", "v_min", "v_reset", "weight", "data", "scale"}
OFF = np.float32(0.93)
PROCESSORS = {  # without AVX, with it, with AVX2 but not FMA, with all of it, and NumPy without
    "x86-64": {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""},
    "core2": {"NUMBA_CPU_NAME": "core2", "NUMBA_CPU_FEATURES": ""},
    "sandybridge": {"NUMBA_CPU_NAME": "sandybridge", "NUMBA_CPU_FEATURES": ""},
    "haswell without FMA": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "-fma"},
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"},
    "NumPy's baseline": {"NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__)},
}


def moved(form, case):
    """A case with real numbers that no short sum is exact of, where its arithmetic is real."""
    inputs = case.inputs
    if case.coding != "events":
        inputs = np.float32(inputs) * OFF
    if form.weights != np.float32:
        return case._replace(inputs=inputs)
    network = dict(case.network)
    for folder in ("populations", "synapses"):
        network[folder] = {
            name: {
                key: value * OFF if _is_real(part, key) else value for key, value in part.items()
            }
            for name, part in network[folder].items()
        }
    return case._replace(inputs=inputs, network=network)


def _is_real(part: dict, key: str) -> bool:
    """Whether a field of a part may be any real number; those of fixed point may not."""
    return key in REAL and part["kind"] != "cuba" and part[key] is not None


def of_runs(folder: str, kind: str) -> str:
    """The digest of all outputs of the runs of a kind, in every arithmetic."""
    found = hashlib.sha256()
    for form, case in cases(folder, kind, turns=(0,)):
        given = build.outcome(build.run(moved(form, case), dtype=form.dtype))
        facts = {name: sorted(own.items()) for name, own in given.pop("facts").items()}
        index = int(given.pop("index"))
        found.update(repr((index, sorted(facts.items()))).encode())
        for name in sorted(given, key=repr):
            dtype, shape, content = given[name]
            found.update(repr((name, dtype, shape)).encode() + content)
    return found.hexdigest()


def of_layers() -> dict[str, str]:
    """The digests of the layers of artificial networks, by kind."""
    found = {kind: hashlib.sha256() for kind in layer_kinds()}
    for seed in range(8):
        random = np.random.default_rng(seed)
        made = [make(random) for make in (layers.a_conv, layers.a_pool)]
        made = [(record, [x]) for record, x in (*made, layers.a_dense(random))]
        made += layers.others(random)
        for probability in ("sigmoid", "hardtanh"):
            made.append((layer("stochastic", "x", probability=probability), [np.zeros((2, 40))]))
        for record, values in made:
            values = [np.float32(random.integers(-2999, 3000, x.shape) / 997) for x in values]
            key = Key(seed, np.arange(len(values[0])), 1, 2)
            y = record.forward(*values, key=key)
            found[record.kind].update(repr((y.dtype.str, y.shape)).encode() + y.tobytes())
    return {f"layers/{kind}": digest.hexdigest() for kind, digest in found.items()}


def digests(some=()) -> dict[str, str]:
    """The digests by folder and kind: all, or some."""
    runs = {f"{folder}/{kind}": (folder, kind) for folder, kinds in KINDS.items() for kind in kinds}
    found = {name: of_runs(*of) for name, of in runs.items() if name in some or not some}
    return found if some else found | of_layers()


def differing(some=()) -> list[str]:
    """The kinds whose digest is not the committed one: of all, or of some."""
    found, kept = digests(some), json.loads(FILE.read_text())
    return sorted(name for name in some or {*found, *kept} if found.get(name) != kept.get(name))


def child(*some: str, **environment) -> list[str]:
    """The kinds that differ in a process with these environment variables."""
    with tempfile.TemporaryDirectory() as folder:
        if "NUMBA_CPU_NAME" in environment:
            environment = {"NUMBA_CACHE_DIR": folder, **environment}
        said = subprocess.run(
            [sys.executable, __file__, *some],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
    if said.returncode not in (0, 1) or said.stderr:
        raise RuntimeError(said.stderr[-2000:])
    return said.stdout.splitlines()[1:]


def main() -> int:
    """Compare, or write; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--processors", action="store_true")
    options = parser.parse_args()
    if options.write:
        FILE.write_text(json.dumps(digests(), indent=1) + "\n")
        return 0
    if options.processors:
        wrong = 0
        for name, environment in PROCESSORS.items():
            begin = time.perf_counter()
            kinds = child(**environment)
            wrong += len(kinds)
            seconds = time.perf_counter() - begin
            print(f"{name:20} {' '.join(kinds) or 'equal'}, {seconds:.1f} s", flush=True)
        return int(wrong > 0)
    kinds = differing(options.kinds)
    print(f"{len(kinds)} kinds differ from {FILE.name}", *kinds, sep="\n")
    return int(bool(kinds))


if __name__ == "__main__":
    sys.exit(main())
