"""Kernels are noted without being compiled, and compiled by other processes."""

import json
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from support.places import ROOT

from evsim.base.kernel import SPARE
from evsim.engine import stream
from evsim.engine.compiling import called_by, compile_called

AFRESH = """
import json
from numba.core import event
import evsim
from evsim.engine import compiling
from evsim.engine.threads import simulate

compiled = []
class Listening(event.Listener):
    def on_start(self, event): compiled.append(str(event.data["dispatcher"]))
    def on_end(self, event): pass

network = evsim.load("networks/digits-dense.h5")
images = evsim.open_data("data/digits_test.h5").images[:1]
def work():
    evsim.run(network, images, timesteps=2, jobs=1)
called, told = compiling.called_by(work), []
assert compiling.compile_called(called, 2, lambda: told.append(1))
event.register("numba:compile", Listening())
work()
print(json.dumps([len(called), len(told), compiled]))
"""


def list_two():
    marks, sent = np.ones(2 + SPARE, np.uint8), np.zeros((1, 2), np.int64)
    channels, offsets = np.zeros(2 + SPARE, np.int32), np.zeros(2, np.int64)
    assert stream.list_marked(marks, channels, offsets, sent) == 2
    assert (sent == 1).all()


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="without compiling nothing is noted")
def test_what_kernels_are_called_with_is_noted():
    kernel = stream.list_marked
    called = called_by(list_two)
    assert stream.list_marked is kernel
    assert called.keys() == {kernel}  # none that it calls itself
    [types] = called[kernel]
    assert [str(kind.dtype) for kind in types] == ["uint8", "int32", "int64", "int64"]


def test_in_one_process_nothing_is_compiled_ahead():
    assert not compile_called(called_by(list_two), 1, lambda: None)
    assert not compile_called({}, 2, lambda: None)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="without compiling nothing is noted")
def test_what_other_processes_compiled_is_not_compiled_again(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", AFRESH], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kernels, told, again = json.loads(done.stdout)
    assert told >= kernels > 3
    assert again == []
