"""evsim warm leaves nothing to compile, whatever kinds a network has."""

import importlib
import pkgutil

import numba
import pytest
from numba.core.dispatcher import Dispatcher
from support import build
from support.kinds import KINDS, cases
from support.places import ROOT

import evsim
from evsim.engine.compiling import called_by
from evsim.engine.warm import run_all, warm_up


class Called:
    """A kernel that notes the types that it is called with."""

    def __init__(self, kernel, noted):
        self.kernel, self.noted = kernel, noted

    def __call__(self, *args):
        types = tuple(map(str, map(numba.typeof, args)))
        self.noted.add((self.kernel.__module__, self.kernel.__name__, types))
        return self.kernel(*args)


@pytest.fixture
def called(monkeypatch):
    """What runs call: (module, kernel, types of arguments)."""
    noted = set()
    for found in pkgutil.walk_packages(evsim.__path__, "evsim."):
        if not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            kernels = {k: v for k, v in vars(module).items() if isinstance(v, Dispatcher)}
            inner = {name for kernel in kernels.values() for name in kernel.__code__.co_names}
            for name, kernel in kernels.items():
                if name not in inner:  # kernels do not see other functions than kernels
                    monkeypatch.setattr(module, name, Called(kernel, noted))
    return noted


@pytest.mark.slow
@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="without compiling nothing is noted")
def test_what_is_noted_for_other_processes_is_what_is_called(request):
    kernels = called_by(run_all)
    noted = {
        (kernel.__module__, kernel.__name__, tuple(map(str, types)))
        for kernel, signatures in kernels.items()
        for types in signatures
    }
    called = request.getfixturevalue("called")
    run_all()
    assert noted == called


@pytest.mark.slow
def test_no_example_of_a_kind_compiles_what_was_not_warmed(called):
    warm_up()
    warmed = set(called)
    for folder, kinds in KINDS.items():
        for kind in kinds:
            called.clear()
            for form, case in cases(folder, kind):
                build.run(case, dtype=form.dtype, record=())
            assert called
            assert not called - warmed, f"{folder}/{kind}"


@pytest.mark.slow
def test_no_shipped_network_compiles_what_was_not_warmed(called):
    warm_up()
    warmed = set(called)
    with evsim.open_data(ROOT / "data" / "digits_test.h5") as data:
        images = data.images[:1]
    for path in (ROOT / "networks").glob("digits-*.h5"):
        if "." not in path.stem:
            called.clear()
            for dtype in ("float32", "float64"):
                evsim.run(evsim.load(path), images, dtype=dtype)
            assert called
            assert not called - warmed, path.stem
