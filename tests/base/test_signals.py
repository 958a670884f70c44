"""Ctrl-C and SIGTERM at any moment, and standard streams that are closed or full.

`python tests/base/test_signals.py 200` interrupts 200 commands and counts how they end;
EVSIM_SEED=N draws other moments.
"""

import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

if __name__ == "__main__":  # as a command
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import h5py
import pytest
from support.files import finished
from support.places import ROOT

from evsim.base import interruption
from evsim.cli.main import run_command

EVSIM = [sys.executable, "-m", "evsim"]
DIGITS = [str(ROOT / "networks/digits-conv.h5"), str(ROOT / "data/digits_test.h5")]
LONG = {  # commands that take longer than any of the tests waits
    "run": ["run", *DIGITS, "-T", "20000", "--jobs", "1"],
    "check": ["check", *DIGITS, "--chip", "loihi", "-T", "20000"],
    "compare": ["compare", DIGITS[0], *DIGITS, "-T", "20000"],
}
LINE = r"(evsim: compiling kernels, once for this machine \.\.\.( done in [\d.]+ s)?\n)?"
LINE += r"evsim: interrupted(: \d+ of 360 samples (were finished|are in \S+, .*))?\n"
BEFORE = ("__init__.py", "__main__.py", "interruption.py")  # what runs before there are handlers


def interrupted(command, number, *delays):
    """Start a long command and send it a signal after each of some delays.

    Returns its exit status and what it said.
    """
    process = subprocess.Popen([*EVSIM, *LONG[command]], stdout=-1, stderr=-1, text=True)
    for seconds in delays:
        time.sleep(seconds)
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def is_right(number, status, out, err):
    """Whether a command ended as it should, or else before it could do anything about it."""
    if status == 128 + number:
        return out == "" and re.fullmatch(LINE, err) is not None
    if status == -signal.SIGTERM:
        return (number, out, err) == (signal.SIGTERM, "", "")
    frames = re.findall(r'File "[^"]*/evsim/([^"]*)", line \d+, in (\S+)', err)
    started = "evsim: " in err or any(
        file not in BEFORE or where != "<module>" for file, where in frames
    )
    return number == signal.SIGINT and out == "" and status in (1, -number) and not started


def all_right(cases, counts=None):
    """Run cases of `interrupted`, three at a time; those that did not end as they should.

    `counts` takes how many ended with each status.
    """
    wrong, cases, lock = [], iter(list(cases)), threading.Lock()
    counts = Counter() if counts is None else counts

    def work():
        while True:
            with lock:
                case = next(cases, None)
            if case is None:
                return
            ended = interrupted(*case)
            with lock:
                counts[ended[0]] += 1
            if not is_right(case[1], *ended):
                wrong.append((case, ended))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def drawn(count, most):
    """Signals at random times, some sent twice: (command, signal, delay, ...)."""
    generator = random.Random(int(os.environ.get("EVSIM_SEED", 1)))
    kinds = itertools.cycle([(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, 2)])
    for number, *twice in itertools.islice(kinds, count):
        gaps = [generator.choice([0, 0.01, 0.2])] if twice else []
        yield generator.choice(list(LONG)), number, generator.uniform(0, most), *gaps


def test_a_signal_at_any_moment():
    assert all_right(drawn(4, 0.8)) == []


@pytest.mark.slow
def test_signals_at_many_moments():
    assert all_right(drawn(30, 1.5)) == []


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [(), (0.05,)], ids=["once", "twice"])
def test_sigterm_keeps_what_is_finished(gaps, files):
    line = ["run", *DIGITS, "-T", "8000", "--samples", ":8", "--jobs", "1", "--out", "r.h5"]
    process = subprocess.Popen([*EVSIM, *line], stdout=-1, stderr=-1, text=True)
    while not finished("r.h5.part"):
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    for gap in gaps:
        time.sleep(gap)
        process.terminate()
    out, err = process.communicate(timeout=30)
    done = finished("r.h5.part")
    kept = f"{done} of 8 samples are in r.h5.part, --resume goes on with them"
    assert (process.returncode, out, err) == (143, "", f"evsim: interrupted: {kept}\n")
    assert done > 0


SCRIPT = """
import os, signal, sys, threading, time
from evsim.base import interruption
from evsim.cli import main as cli
from evsim.__main__ import main

def loses(*_, **__):
    class Thing:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)
            sum(range(1000))
    thing = Thing()
    del thing
    time.sleep(5)

def hides(*_, **__):
    try:
        signal.raise_signal(signal.SIGINT)
        sum(range(1000))
    except BaseException:
        if {error}:
            raise ImportError("a module failed to import") from None

def executes(*_, **__):
    exec("signal.raise_signal(signal.SIGINT); sum(range(1000))")

def hangs(*_, **__):
    interruption.SAME = 0.2
    try:
        signal.raise_signal(signal.SIGINT)
        sum(range(1000))
    finally:
        threading.Timer(0.4, os.kill, [os.getpid(), signal.SIGTERM]).start()
        time.sleep(5)

sys.argv = ["evsim", "info", "x"]
cli._command().commands["info"].callback = {callback}
main()
"""


LATE = ("hides", "hides with an error", "hangs", "executes")
CALLBACKS = ["loses", *(pytest.param(name, marks=pytest.mark.slow) for name in LATE)]


@pytest.mark.parametrize("callback", CALLBACKS)
def test_an_interruption_that_a_library_loses(callback):
    script = SCRIPT.format(callback=callback.split()[0], error="error" in callback)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20
    )
    status = 143 if callback == "hangs" else 130
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "evsim: interrupted\n")


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in interruption.SIGNALS]
    stop = threading.Event()

    def twice():
        with interruption.Handling(stop.set):
            signal.raise_signal(signal.SIGTERM)
            assert stop.wait(5)
            signal.raise_signal(signal.SIGTERM)  # of the same wish

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert interruption.status() == 143
    assert [signal.getsignal(number) for number in interruption.SIGNALS] == before
    interruption.forget()
    with interruption.Handling(stop.set):
        pass


def shell(line):
    """Run a line of a shell in which EVSIM is the command; (status, output, errors)."""
    environment = {**os.environ, "EVSIM": " ".join(EVSIM)}
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=60, env=environment
    )
    return done.returncode, done.stdout, done.stderr


NO_FILE = "evsim: nothing.h5: no such file\n"
STREAMS = {
    "$EVSIM info n.h5 >&-": (2, "", "evsim: standard output: Bad file descriptor\n"),
    "$EVSIM info n.h5 --json >&-": (2, "", "evsim: standard output: Bad file descriptor\n"),
    "$EVSIM run n.h5 d.h5 -T 2 --out r.h5 --quiet >&-": (0, "", ""),
    "$EVSIM info n.h5 >/dev/full": (2, "", "evsim: standard output: No space left on device\n"),
    "$EVSIM info nothing.h5 >&-": (2, "", NO_FILE),
    "$EVSIM info nothing.h5 2>&-": (2, "", ""),
    "$EVSIM info nothing.h5 2>/dev/full": (2, "", ""),
    "$EVSIM info nothing.h5 >/dev/full 2>/dev/full": (2, "", ""),
    "$EVSIM info nothing.h5 <&- >&- 2>&-": (2, "", ""),
    "$EVSIM run n.h5 e.h5 -T 3 --quiet 2>/dev/full": (0, "", ""),
    "set -o pipefail; $EVSIM --help | true": (0, "", ""),
}


QUICK = "$EVSIM info n.h5 >&-", "$EVSIM info nothing.h5 2>/dev/full"
LINES = [s if s in QUICK else pytest.param(s, marks=pytest.mark.slow) for s in STREAMS]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("line", LINES)
def test_streams_that_are_closed_or_full(line, files):
    assert shell(line) == STREAMS[line]


@pytest.mark.slow
def test_nothing_takes_the_place_of_a_closed_stream(files):
    assert shell("$EVSIM run n.h5 d.h5 -T 2 --out r.h5 >&- 2>&-")[0] == 2
    assert shell("$EVSIM info r.h5 --json")[0] == 0
    with h5py.File("r.h5") as file:
        assert len(file["samples"]) == 6


WARNING = """
import sys, warnings, logging
from evsim.cli import main as cli
from evsim.__main__ import main

def warns(*_, **__):
    import numpy
    numpy.float32(1e38) * numpy.float32(1e38)
    warnings.warn("of a library")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("of a library that insists")
    logging.getLogger("matplotlib").warning("builds a cache")

sys.argv = ["evsim", "info", "x"]
cli._command().commands["info"].callback = warns
main()
"""


@pytest.mark.parametrize("debug", ["0", pytest.param("1", marks=pytest.mark.slow)])
def test_a_command_shows_no_warnings_of_libraries(debug):
    done = subprocess.run(
        [sys.executable, "-c", WARNING],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "EVSIM_DEBUG": debug, "PYTHONWARNINGS": "default"},
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("Warning: ") == (3 if debug == "1" else 0), done.stderr
    assert debug == "1" or done.stderr == ""


def test_warnings_are_errors_in_tests():
    with pytest.raises(UserWarning, match="x"):
        warnings.warn("x", stacklevel=1)


def test_quiet_warming(capsys, monkeypatch):
    monkeypatch.setattr("evsim.engine.warm.warm_up", lambda tell: None)
    assert run_command(["warm", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert run_command(["warm"]) == 0
    assert re.fullmatch(r"0 kernels compiled and cached in [\d.]+ s\n", capsys.readouterr().out)


if __name__ == "__main__":
    statuses = Counter()
    failed = all_right(drawn(int(sys.argv[1]), 1.5), statuses)
    for status, count in sorted(statuses.items(), reverse=True):
        print(f"{status:5} {count:5}")
    print(f"{len(failed)} wrong", *failed, sep="\n")
