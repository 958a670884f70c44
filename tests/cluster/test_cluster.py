"""Runs on a Dask cluster: a real scheduler, real worker processes, and all that goes wrong."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.files import content, network
from support.loopback import Loopback, data, kill, wait_for
from support.places import ROOT

import evsim
from evsim.cli.main import run_command
from evsim.cluster import driver, slices, workers
from evsim.cluster.slices import Slices, fitting

distributed = pytest.importorskip("distributed", reason="dask and distributed are not installed")
RUN = "run n.h5 d.h5 -T 6 --coding poisson --record spikes,queues --quiet"
quickly = pytest.mark.filterwarnings("ignore")  # of Dask's own
pytestmark = quickly


@pytest.fixture(scope="module")
def loopback(tmp_path_factory):
    found = Loopback(tmp_path_factory.mktemp("loopback"))
    yield found
    found.close()


@pytest.fixture
def cluster(loopback, tmp_path, monkeypatch):
    """A scheduler without workers, a network and data, small slices, a short patience."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    monkeypatch.setattr(slices, "SECONDS", 0.4)
    monkeypatch.setattr(slices, "LEAST", 0.1)
    monkeypatch.setattr(driver, "LOOK", 0.1)
    monkeypatch.setattr(workers, "PATIENCE", 1.0)
    network("n.h5")
    data("d.h5")
    yield loopback
    loopback.clear()


def shards():
    return list(Path().glob("*.part/0*.npz"))


def run(loopback, out="r.h5", more=""):
    return run_command(f"{RUN} --cluster {loopback.file} --out {out} {more}".split())


def same(out="r.h5"):
    """Whether a result is that of one thread."""
    assert run_command(f"{RUN} --jobs 1 --out one.h5 --overwrite".split()) == 0
    return content(out) == content("one.h5") and not Path(f"{out}.part").exists()


def meanwhile(function):
    """Call a function beside what follows; a mistake in it is seen as nothing has happened."""
    thread = threading.Thread(target=function)
    thread.start()
    return thread


# What needs no cluster


def test_slices_are_all_samples_once():
    found, places = Slices([0, 1, 2, 5, 6, 9]), []
    while (part := found.next(2)) is not None:
        places += range(part.first, part.last)
        assert found.frontier == min(p.first for p in found.open)
        if len(found.open) == 2:
            found.finish(found.open[-1])
    assert (places, found.left, found.finished) == ([0, 1, 2, 5, 6, 9], 0, False)
    for part in list(found.open):
        found.finish(part)
    assert found.finished


def test_what_is_begun_again_comes_first_and_in_halves():
    found = Slices(range(10))
    part = found.next(4)
    part.deaths = 1
    found.repeat(part)
    found.repeat(part)
    halves = [found.next(4), found.next(4)]
    assert [(p.first, p.last, p.deaths) for p in halves] == [(0, 2, 1), (2, 4, 1)]
    assert found.next(4).first == 4


def test_nothing_is_handed_out_after_a_mistake():
    found = Slices(range(10))
    first, second = found.next(3), found.next(3)
    assert found.stop_at(4) == []
    assert found.next(3) is None
    assert found.stop_at(3) == [second]
    found.finish(first)
    assert found.finished


def test_slices_grow_to_half_a_minute_and_shrink_towards_the_end():
    rule = {"threads": 2, "left": 10**6, "workers": 4, "size": 0}
    assert fitting(pace=None, before=1, **rule) == 2
    assert fitting(pace=0.01, before=4, **rule) == 16
    assert fitting(pace=0.01, before=3000, **rule) == 3000
    assert fitting(pace=0.01, before=3000, **rule | {"left": 3000}) == 376
    assert fitting(pace=0.01, before=3000, **rule | {"left": 100}) == 100
    assert fitting(pace=0.01, before=3000, **rule | {"size": 1 << 20}) == 32
    assert fitting(pace=100.0, before=3000, **rule | {"size": 1 << 30}) == 1


def test_a_cluster_in_threads_gives_the_same_bits(files):
    loaded = evsim.load("n.h5")
    images = evsim.open_data("d.h5").images[:]
    events = evsim.open_data("e.h5").events
    kept = {"record": ("spikes", "trace"), "timesteps": 5}
    rule = {"n_workers": 1, "threads_per_worker": 2, "processes": False}
    with (
        distributed.LocalCluster(
            **rule, dashboard_address="127.0.0.1:0", protocol="inproc"
        ) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        for inputs in (images, events):
            one = evsim.run(loaded, inputs, jobs=1, **kept)
            other = evsim.run(loaded, inputs, cluster=client, **kept)
            assert other.samples == one.samples
            assert np.array_equal(other.potential, one.potential)
            assert other.counts() == one.counts()
            for name in one.spikes:
                assert np.array_equal(other.spikes[name], one.spikes[name])
                assert other.spikes[name].dtype == one.spikes[name].dtype
            for name in one.trace:
                assert np.array_equal(other.trace[name], one.trace[name])
        wrong = np.float32(images)
        wrong[2, 1] = np.nan
        with pytest.raises(evsim.EvsimError) as alone:
            evsim.run(loaded, wrong, **kept)
        with pytest.raises(evsim.EvsimError) as together:
            evsim.run(loaded, wrong, cluster=client, **kept)
        assert str(together.value) == str(alone.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--cluster local:0", "--cluster: found 'local:0', expected local,"),
        ("--cluster no.json", "no.json: --cluster: no such file, expected that of a Dask"),
        ("--cluster-writes", "--cluster-writes: found no --out"),
        ("--cluster-writes --out r.h5", "--cluster-writes: found no --cluster, expected it"),
    ],
)
def test_what_is_no_cluster_is_refused(files, capsys, words, said):
    assert run_command(f"run n.h5 d.h5 {words}".split()) == 2
    assert said in capsys.readouterr().err


def test_a_scheduler_that_does_not_answer_is_said(files, capsys, monkeypatch):
    monkeypatch.setattr("evsim.cluster.SECONDS", 0.2)
    assert run_command(["run", "n.h5", "d.h5", "--cluster", "tcp://127.0.0.1:9"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("evsim: tcp://127.0.0.1:9: --cluster: no scheduler answers")
    assert error.count("\n") == 1


def test_the_extra_is_named_where_dask_is_not_there(files, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run_command(["run", "n.h5", "d.h5", "--cluster", "local"]) == 2
    assert "needs dask and distributed: pip install 'evsim[cluster]'" in capsys.readouterr().err


# What goes wrong with processes


@pytest.mark.slow
def test_workers_that_are_killed_and_join_change_no_bit(cluster):
    some = [cluster.add(delay=0.04) for _ in range(2)]

    def harm():
        wait_for(lambda: len(shards()) > 1)
        kill(some[0])
        cluster.add(delay=0.04)
        time.sleep(0.3)
        kill(some[1])

    thread = meanwhile(harm)
    assert run(cluster) == 0
    thread.join()
    assert all(worker.poll() is not None for worker in some)
    assert same()


@pytest.mark.slow
def test_a_client_that_is_killed_is_resumed(cluster):
    cluster.add(delay=0.05)
    line = [sys.executable, "-m", "evsim", *RUN.split(), "--out", "r.h5", "--cluster", cluster.file]
    client = subprocess.Popen(line, env=os.environ | {"PYTHONPATH": str(ROOT)})
    wait_for(lambda: len(shards()) > 1 or client.poll() is not None)
    kill(client)
    assert client.returncode == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in shards()}
    assert run(cluster, more="--resume") == 0
    assert kept
    assert same()


@pytest.mark.slow
def test_a_sample_that_kills_workers_ends_the_run(cluster, capsys):
    for _ in range(5):
        cluster.add(delay=0.02, deadly=30)
    assert run(cluster) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert "samples " in error
    first, last = error.partition("samples ")[2].split(":")[0].split(" to ")
    assert int(first) <= 30 <= int(last)
    assert ": 3 workers failed as they ran them, the last: worker tcp://" in error
    assert shards()
    cluster.add()
    assert run(cluster, more="--resume") == 0
    assert same()


@pytest.mark.slow
def test_workers_of_other_versions_are_refused(cluster, capsys, monkeypatch):
    for name in ("numpy", "numba", "evsim.base.version"):
        cluster.add(more=f"import {name}; {name}.__version__ = '1.0'")
    with cluster.client() as client:
        client.wait_for_workers(3, timeout=60)
    monkeypatch.setattr(driver, "ALONE", 1.5)
    line = f"run n.h5 d.h5 --cluster {cluster.file}"
    assert run_command(line.split()) == 2
    error = capsys.readouterr().err
    assert "refused as a worker: NumPy 1.0, expected" in error
    assert "refused as a worker: Numba 1.0, expected" in error
    assert "refused as a worker: evsim 1.0, expected" in error
    assert error.endswith(" as here\n")
    assert error.count("refused") == 4


@pytest.mark.slow
def test_a_worker_of_another_processor_gives_the_same_bits(cluster, tmp_path):
    own = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    cluster.add(delay=0.02, **own)
    assert run(cluster) == 0
    assert same()


@pytest.mark.slow
def test_a_worker_without_the_data_is_sent_them(cluster, monkeypatch):
    cluster.add(more="worker.Source.data = lambda self: None", delay=0.005)
    for name in ("images", "events"):
        if name == "events":
            Path("e.h5").unlink(missing_ok=True)
            from support.files import events

            events("e.h5")
            monkeypatch.setattr(sys.modules[__name__], "RUN", "run n.h5 e.h5 --quiet")
        assert run(cluster) == 0
        assert same()
        Path("r.h5").unlink()


@pytest.mark.slow
def test_what_a_slow_worker_has_is_begun_elsewhere(cluster):
    cluster.add(delay=0.01)
    cluster.add(delay=3.0)
    begin = time.monotonic()
    assert run(cluster) == 0
    assert time.monotonic() - begin < 9  # not three samples of the slow one
    assert same()


@pytest.mark.slow
def test_a_worker_that_hangs_is_left_alone(cluster, capsys):
    some = [cluster.add(delay=0.03) for _ in range(2)]

    def harm():
        wait_for(lambda: len(shards()) > 2)
        os.kill(some[0].pid, signal.SIGSTOP)

    thread = meanwhile(harm)
    assert run(cluster) == 0
    thread.join()
    assert same()


@pytest.mark.slow
def test_workers_write_shards_and_one_with_a_full_disk_sends_samples(cluster, capsys):
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    ignore = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    cluster.add(delay=0.02)
    cluster.add(delay=0.02, more=f"{ignore}; {limit}")
    line = f"{RUN.replace(' --quiet', ' --json')} --cluster {cluster.file} --out r.h5"
    assert run_command([*line.split(), "--cluster-writes"]) == 0
    assert same()


@pytest.mark.slow
def test_an_adaptive_cluster_gives_the_same_bits(files, monkeypatch):
    monkeypatch.setattr(slices, "SECONDS", 0.4)
    monkeypatch.setattr(driver, "LOOK", 0.1)
    loaded, images = evsim.load("n.h5"), np.arange(32 * 200).reshape(200, 4, 4, 2) % 17
    images, long = images.astype(np.uint8), {"timesteps": 100}
    rule = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        distributed.LocalCluster(**rule) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        local.adapt(minimum=1, maximum=2, interval="100ms", target_duration="100ms")
        found = evsim.run(loaded, images, cluster=client, **long)
    one = evsim.run(loaded, images, **long)
    assert np.array_equal(found.potential, one.potential)
    assert found.samples == one.samples


@pytest.mark.slow
def test_a_mistake_in_a_sample_is_the_one_of_threads(cluster, capsys):
    for _ in range(2):
        cluster.add(delay=0.01)
    with h5py.File("d.h5", "r+") as file:
        images = np.float32(file["images"][:])
        for k in (33, 21):
            images[k, 1, 1, 1] = np.inf
        del file["images"]
        file["images"] = images
    errors = []
    for where in ("--jobs 1", f"--cluster {cluster.file}"):
        assert run_command(f"{RUN} {where} --out r.h5 --overwrite".split()) == 2
        errors.append(capsys.readouterr().err)
    assert errors[0] == errors[1]
    assert "sample 21" in errors[0]


@pytest.mark.slow
def test_a_scheduler_that_goes_is_said_and_what_is_finished_stays(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    monkeypatch.setattr(slices, "SECONDS", 0.4)
    network("n.h5")
    data("d.h5")
    monkeypatch.setattr("evsim.cluster.SECONDS", 1)
    own = Loopback(tmp_path)
    try:
        own.add(delay=0.05)

        def harm():
            wait_for(lambda: len(shards()) > 1)
            kill(own.scheduler)

        thread = meanwhile(harm)
        assert run(own) == 2
        thread.join()
        assert "the scheduler has gone" in capsys.readouterr().err
        assert shards()
    finally:
        own.close()


@pytest.mark.slow
def test_ctrl_c_ends_a_local_cluster_with_130(files):
    data("many.h5", 4000)
    line = [sys.executable, "-m", "evsim", "run", "n.h5", "many.h5", "-T", "3000"]
    line += ["--cluster", "local:2", "--out", "r.h5"]
    own = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    client = subprocess.Popen(line, env=own, **pipe)
    wait_for(lambda: shards() or client.poll() is not None)
    os.killpg(client.pid, signal.SIGINT)
    _, error = client.communicate(timeout=30)
    assert client.returncode == 130
    assert error.startswith("evsim: interrupted: ")
    assert error.count("\n") == 1
    wait_for(lambda: not Path(f"/proc/{client.pid}").exists() and not alive(client.pid))


@pytest.mark.slow
def test_check_and_compare_say_the_same_on_a_cluster(cluster, capsys):
    cluster.add()
    net, images = ROOT / "networks" / "digits-conv.h5", ROOT / "data" / "digits_test.h5"
    for line in (
        f"check {net} {images} --chip loihi --samples 0:8 --json --keep kept",
        f"compare {net} {images} --samples 3:9 --json",
    ):
        found = []
        for more in ("", f" --cluster {cluster.file}"):
            status = run_command((line.replace("kept", f"kept{len(more)}") + more).split())
            found.append((status, timeless(json.loads(capsys.readouterr().out))))
        assert found[0] == found[1]


def alive(group):
    """Whether there is a process of a group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def timeless(found):
    if isinstance(found, dict):
        return {k: timeless(v) for k, v in found.items() if k != "seconds"}
    return [timeless(v) for v in found] if isinstance(found, list) else found


@pytest.mark.slow
def test_a_mistake_of_ours_on_a_worker_is_one_of_ours(cluster, capsys):
    cluster.add(more="worker.simulate = lambda *rest: 1 // 0")
    assert run(cluster) == 70
    assert "internal error" in capsys.readouterr().err
