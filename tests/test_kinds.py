"""The contract of a kind: what every file in neurons/, synapses/ and codings/ must keep.

The kinds are those found in the folders. A new kind of neurons needs nothing here: it gives its
examples itself; a new one of synapses, or a coding, needs an example in support/kinds.py.
"""

import dataclasses
import importlib
import json
import pkgutil

import numba
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from oracles.naive import simulate
from support import build
from support.kinds import EVERY_STIMULUS, KINDS, T, case_of, cases, examples, networks
from support.law import MACHINES, assert_equal, assert_tallied
from support.places import ROOT

import evsim

SET_KEYS = {"kind", "source", "target", "delay", "synapses", "row_length", "weighted"}
POPULATION_KEYS = {"kind", "neurons", "bias", "leak", "reset", "firing", "slope"}
TEMPLATE = "evsim.neurons._template"  # a copy of it is run in tests/neurons/test_template.py
POPULATION_KEYS |= {"role", "resets", "facts", "actions"}


every_kind = pytest.mark.parametrize(
    ("folder", "kind"), [(folder, kind) for folder, kinds in KINDS.items() for kind in kinds]
)


@every_kind
def test_a_kind_has_an_example(folder, kind):
    missing = f"no example of {folder}/{kind}.py: neurons give their own, in EXAMPLES; "
    assert examples(folder, kind), missing + "others stand in tests/support/kinds.py"
    assert list(cases(folder, kind)), "no arithmetic and no stimulus that the examples take"


@every_kind
def test_a_kind_equals_the_law(folder, kind):
    for form, case in cases(folder, kind):
        dtype = np.dtype(form.dtype).type
        assert_equal(
            build.run(case, dtype=form.dtype), simulate(**case._asdict(), dtype=dtype), case
        )


@every_kind
def test_a_kind_does_what_a_tallying_simulator_counts(folder, kind):
    for i, (form, case) in enumerate(cases(folder, kind, turns=(0,))):
        run = build.run(case, record=(), dtype=form.dtype)
        record = simulate(**case._asdict(), dtype=np.dtype(form.dtype).type)
        assert_tallied(run, record, case, *MACHINES[i % 5 :: 5])


@pytest.mark.slow
@every_kind
def test_no_window_changes_a_bit_of_a_kind(folder, kind):
    for form, case in cases(folder, kind, turns=(0,)):
        whole = build.outcome(build.run(case, dtype=form.dtype))
        for limit in ({"window": 1}, {"window": 3}, {"memory": 1}):
            assert build.outcome(build.run(case, dtype=form.dtype, **limit)) == whole


@pytest.mark.slow
@every_kind
def test_samples_of_a_kind_do_not_see_each_other(folder, kind):
    for form, first in cases(folder, kind, turns=(0,)):
        name = next(n for c, n in EVERY_STIMULUS if c == first.coding and n != "graded")
        second = case_of(first.network, first.coding, name, first.seed + 1, sample=1)
        second = second._replace(seed=first.seed, graded=first.graded)
        pair, options = [first, second, first], {"dtype": form.dtype, "timesteps": T}
        options |= {"coding": first.coding, "seed": first.seed}
        options["record"] = ("spikes", "trace", "queues")
        network = build.network(first.network)
        both = evsim.run(network, build.samples(pair), jobs=1, **options)
        for place in (0, 1, 2):
            alone = build.inputs(pair[place])
            alone = evsim.run(network, alone, first_sample=place, **options)
            assert build.outcome(both, place) == build.outcome(alone)


@every_kind
def test_a_kind_is_described(folder, kind):
    for _, case in cases(folder, kind):
        network = build.network(case.network)
        for name, part in network.describe().items():
            assert part.keys() >= (SET_KEYS if name in network.synapses else POPULATION_KEYS)
            assert {type(value) for value in part.values()} <= {bool, int, str}
        json.dumps(network.describe())


@pytest.mark.slow
@every_kind
def test_a_kind_comes_back_from_its_file(folder, kind, tmp_path):
    for _, network in networks(folder, kind):
        network = build.network(network)
        evsim.save(network, tmp_path / "network.h5", overwrite=True)
        found = evsim.load(tmp_path / "network.h5")
        assert (found.input, found.output) == (network.input, network.output)
        for parts, same in (
            (network.populations, found.populations),
            (network.synapses, found.synapses),
        ):
            assert list(parts) == list(same)
            for name in parts:
                assert fields_of(parts[name]) == fields_of(same[name])
        assert found.parameters == network.parameters


def fields_of(part):
    """The fields of a part, to the bit."""
    fields = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    return {"kind": part.kind} | {
        name: (v.dtype.str, v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v
        for name, v in fields.items()
    }


# One compiled signature per dtype. The names of the arguments whose dtype is that of a run or of
# weights; any other array, and any other number, has one dtype in all of evsim.
VALUES = {"slope", "bias", "currents", "potential", "constants", "history", "weight", "data"}
VALUES |= {"out", "values", "row_values", "signs", "matrix[0]", "sums", "kept", "out_values"}
VALUES |= {"leak", "synaptic", "size", "row", "ahead", "line"}
VALUES |= {array for kind in KINDS["neurons"].values() for array in kind.STATE}


def kernels():
    """Every kernel of evsim by module and name."""
    for module in pkgutil.walk_packages(evsim.__path__, "evsim."):
        if module.name.startswith(
            ("evsim.__main__", "evsim.artificial.layers", "evsim.conversion", TEMPLATE)
        ):
            continue  # those of artificial networks have one dtype
        for name, value in vars(importlib.import_module(module.name)).items():
            of_layers = (module.name, name) == ("evsim.base.exponential", "powers")
            if isinstance(value, Dispatcher) and value.__module__ == module.name and not of_layers:
                yield f"{module.name}.{name}", value


def arguments(dispatcher, signature):
    """(name, type) of the arguments, those inside a tuple one by one."""
    for name, kind in zip(dispatcher.py_func.__code__.co_varnames, signature, strict=False):
        if isinstance(kind, numba.types.BaseTuple):
            yield from ((f"{name}[{i}]", own) for i, own in enumerate(kind))
        else:
            yield name, kind


def dtype_of(kind):
    return kind.dtype if isinstance(kind, numba.types.Array) else kind


@pytest.mark.slow
@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="without compiling there are no signatures")
def test_kernels_are_compiled_once_per_dtype():
    for folder, kinds in KINDS.items():
        for kind in kinds:
            for form, case in cases(folder, kind, every=True):
                build.run(case, dtype=form.dtype, record=("spikes",), window=3, jobs=1)
    network = evsim.load(ROOT / "networks" / "digits-dense.h5")
    evsim.run(network, np.ones((2, *network.populations["input"].shape), np.float32), jobs=1)
    for name, dispatcher in kernels():
        if not name.rpartition(".")[2].startswith("_"):  # called by kernels only
            assert dispatcher.signatures, f"{name}: no example in tests/support/kinds.py calls it"
        by_dtype, fixed = {}, {}
        for signature in dispatcher.signatures:
            types = dict(arguments(dispatcher, signature))
            dtypes = tuple(dtype_of(kind) for own, kind in types.items() if own in VALUES)
            by_dtype.setdefault(dtypes, []).append(signature)
            for own in types.keys() - VALUES:
                fixed.setdefault(own, set()).add(dtype_of(types[own]))
        twice = [same for same in by_dtype.values() if len(same) > 1]
        assert not twice, f"{name}: compiled for other layouts of the same dtypes"
        several = {own: dtypes for own, dtypes in fixed.items() if len(dtypes) > 1}
        assert not several, f"{name}: several dtypes where one is enough"
