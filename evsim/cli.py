"""The commands."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from evsim.parts import EvsimError, mismatch

app = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help="Event-driven simulation of spiking networks that counts every access and addition.",
)


class Interrupted(Exception):
    """Ctrl-C."""


def run_command(arguments: list[str]) -> int:
    """Run one command line; returns its exit status."""
    try:
        with _command().make_context("evsim", arguments or ["--help"]) as context:
            _command().invoke(context)
    except EvsimError as error:
        return complain(str(error), 2)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort, Interrupted) as error:
        return complain(str(error) or "interrupted", 130)
    except BrokenPipeError:
        raise
    except MemoryError:
        return complain("out of memory: fewer --jobs or a smaller --memory may help", 2)
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error, whichever typer raised it
            return complain(error.format_message(), 2)
        if isinstance(error, OSError) and error.strerror:  # the system refuses: no bug of ours
            return complain(f"{error.filename or 'standard output'}: {error.strerror}", 2)
        if os.environ.get("EVSIM_DEBUG") == "1":
            traceback.print_exc()
        what = f"{type(error).__name__}: {str(error)[:200]}"
        return complain(f"internal error, please report it (EVSIM_DEBUG=1 shows where): {what}", 70)
    return 0


@cache
def _command():
    return typer.main.get_command(app)


def complain(line: str, status: int) -> int:
    """Say what is wrong on standard error, in one line; returns the exit status."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(line.split()))
    print(f"evsim: {line}", file=sys.stderr)
    return status


def whole(place: str, least: int):
    """What reads a whole number of at least `least` from a command line."""

    def read(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or int(text) < least:
            raise mismatch(repr(text), f"a whole number of at least {least}", place)
        return int(text)

    return {"parser": read, "metavar": "N"}


Samples = Annotated[str | None, typer.Option("--samples", metavar="A:B", help="half-open range")]


@app.command()
def run(
    network: Annotated[Path, typer.Argument(help="network file", show_default=False)],
    data: Annotated[Path, typer.Argument(help="images or events", show_default=False)],
    timesteps: Annotated[
        int | None, typer.Option("-T", "--timesteps", **whole("--timesteps", 1))
    ] = None,
    coding: Annotated[str | None, typer.Option(help="constant, poisson or events")] = None,
    samples: Samples = None,
    seed: Annotated[
        int | None, typer.Option(help="of the random numbers [0]", **whole("--seed", 0))
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="threads [cores]", **whole("--jobs", 1))] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64")] = "float32",
    memory: Annotated[str, typer.Option(help="budget for events per thread")] = "512M",
    accumulate: Annotated[str, typer.Option(help="direct, buffer or register")] = "direct",
    update: Annotated[str, typer.Option(help="clock or active")] = "clock",
    input: Annotated[str, typer.Option(help="recompute or cached")] = "recompute",
    record: Annotated[str | None, typer.Option(help="any of spikes,trace,queues")] = None,
    out: Annotated[Path | None, typer.Option(help="write a result file")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="go on with OUT.part")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    quiet: Annotated[bool, typer.Option("--quiet")] = False,
) -> None:
    """Simulate, count, decide: a network over images or events."""
    machine = {"accumulate": accumulate, "update": update, "input": input}
    from evsim.counts import Machine
    from evsim.formats.data import open_data
    from evsim.formats.guard import guarded
    from evsim.formats.native import load

    try:
        Machine(**machine)
    except EvsimError as error:
        raise EvsimError(error.problem, f"--{error.place}") from None
    loaded = guarded(network, load)
    with guarded(data, open_data) as opened:
        job = Job(
            loaded,
            opened,
            timesteps=timesteps,
            coding=coding,
            seed=seed,
            dtype=dtype,
            samples=samples,
            record=_recordings(record, out),
        )
        job.simulate(jobs, _bytes(memory), out, overwrite, resume, quiet or as_json)
        if as_json:
            print(json.dumps(job.summary(machine)))
        elif not quiet:
            job.show(machine)


def _recordings(record: str | None, out: Path | None) -> tuple[str, ...]:
    from evsim.engine import RECORDS

    names = tuple(dict.fromkeys(record.split(","))) if record else ()
    for name in names:
        if name not in RECORDS:
            raise mismatch(repr(name), f"any of {', '.join(RECORDS)}", "--record")
    if names and out is None:
        raise mismatch("no --out", "a file for what is recorded", "--record")
    return names


def _bytes(text: str) -> int:
    """A number of bytes such as 512M or 2G."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    digits = text.upper().removesuffix("B")
    unit = units.get(digits[-1:], 1)
    digits = digits[:-1] if unit > 1 else digits
    if not digits.isdecimal() or not int(digits):
        raise mismatch(repr(text), "a number of bytes such as 512M or 2G", "--memory")
    return int(digits) * unit


def _range(text: str | None, length: int) -> slice:
    """A half-open range a:b; past the end is clipped, empty is an error."""
    if text is None:
        return slice(0, length)
    first, colon, last = text.partition(":")
    if not colon or not all(end == "" or end.isdecimal() for end in (first, last)):
        raise mismatch(repr(text), "a range such as 0:100, 100: or :100", "--samples")
    start, stop = int(first or 0), min(int(last or length), length)
    if start >= stop:
        raise mismatch(repr(text), f"a range that is not empty, within {length}", "--samples")
    return slice(start, stop)


class Job:
    """One run of a command: what is run, and what is said of it."""

    def __init__(self, network, data, *, samples=None, record=(), **choices):
        from evsim.engine import Run, settle

        self.network, self.data = network, data
        some = _range(samples, data.samples)
        if data.images is None:
            self.inputs = data.events[some]
        else:
            self.inputs = data.images.part(some)
        try:
            settings = settle(network, self.inputs, first_sample=some.start, **choices)
        except EvsimError as error:
            raise self._settled(error, choices) from None
        self.settings = settings
        self.labels = None if data.labels is None else self._labels(some)
        self.run = Run(network, settings, record)

    def _settled(self, error: EvsimError, choices: dict) -> EvsimError:
        """An error of a setting, with where the setting comes from."""
        if error.place == "data":
            place = "/events/shape" if self.data.images is None else "/images"
            return EvsimError(error.problem, place, self.data.path)
        if choices.get(error.place) is not None:
            return EvsimError(error.problem, f"--{error.place}")
        return EvsimError(error.problem, f"/{error.place}", self.network.path)

    def _labels(self, some: slice):
        labels = self.data.labels[some]
        outputs = self.network.populations[self.network.output].neurons
        if labels.min() < 0 or labels.max() >= outputs:
            found = f"labels from {labels.min()} to {labels.max()}"
            expected = f"0 to {outputs - 1}, the neurons of the output population"
            raise EvsimError(f"found {found}, expected {expected}", "/labels", self.data.path)
        return labels

    def simulate(self, jobs, memory, out, overwrite, resume, quiet) -> None:
        """Run all samples with a progress bar; Ctrl-C keeps what is finished."""
        from evsim.engine import Plan, Stopped, simulate, values_of
        from evsim.formats.result import ResultFile, header_of

        if resume and out is None:
            raise mismatch("no --out", "the file whose part is resumed", "--resume")
        self._say_what_is_left_out()
        with self._located():
            plan = Plan(self.network, self.settings, memory=memory, record=self.run.record)
        file = None
        if out is not None:
            header = header_of(self.run, self.network, self.data.path, self.data.sha256)
            file = ResultFile(
                out, self.run, header, labels=self.labels, overwrite=overwrite, resume=resume
            )
        stop = threading.Event()
        with contextlib.closing(file) if file else contextlib.nullcontext(), interrupting(stop):
            if file and file.done:
                file.restore()
            with self._located():
                part = self.network.populations[self.network.input]
                values = values_of(part, self.inputs, 0, plan.dtype)
                with announced_compilation(quiet):
                    plan.warm(values)
            begin = time.perf_counter()
            skip = len(self.run.samples)
            finished = simulate(plan, self.inputs, self.settings, jobs, stop, skip)
            shown = progress(finished, self.settings.samples, skip, quiet)
            try:
                with self._located(), contextlib.closing(shown):
                    for sample in shown:
                        if file:
                            file.append(sample)
                        self.run.add(sample, keep=False)
            except Stopped:
                raise Interrupted(self._left(file)) from None
            self.run.seconds = time.perf_counter() - begin
            if file:
                file.finish(seconds=self.run.seconds)

    @contextlib.contextmanager
    def _located(self):
        """Errors inside name their file: the data's images, or else the network."""
        try:
            yield
        except EvsimError as error:
            at_data = error.place.startswith("/images")
            raise error.within(file=(self.data if at_data else self.network).path) from None

    def _left(self, file) -> str:
        done = f"{len(self.run.samples)} of {self.settings.samples} samples"
        kept = f" are in {file.part}, --resume goes on with them" if file else " were finished"
        return f"interrupted: {done}{kept}"

    def _say_what_is_left_out(self) -> None:
        if self.data.images is None:
            late = self.inputs.at_or_after(self.settings.timesteps)
            if late:
                text = f"{late} events at or after timestep {self.settings.timesteps}"
                print(f"evsim: {text} are not simulated", file=sys.stderr)

    def summary(self, machine: dict) -> dict:
        """What `run --json` prints."""
        run, settings = self.run, self.settings
        labelled = self.labels is not None
        return {
            "network": {"path": self.network.path, "sha256": self.network.sha256},
            "data": {"path": self.data.path, "sha256": self.data.sha256},
            "samples": len(run.samples),
            "first_sample": settings.first_sample,
            "timesteps": settings.timesteps,
            "seed": settings.seed,
            "dtype": settings.dtype,
            "coding": settings.coding,
            "accuracy": run.accuracy(self.labels) if labelled else None,
            "accuracy_by_timestep": (
                run.accuracy_by_timestep(self.labels).tolist() if labelled else None
            ),
            "predictions": run.predictions.tolist(),
            "synapses": self.network.synapse_count,
            "seconds": run.seconds,
            "work": {
                name: {
                    fact: int(n.max() if fact == "peak" else n.sum()) for fact, n in facts.items()
                }
                for name, facts in run.work.items()
            },
            "counts": run.counts(**machine),
        }

    def show(self, machine: dict) -> None:
        """Print the run as tables."""
        from evsim.report import tables

        run, out, settings = self.run, tables.Output(), self.settings
        samples, network = len(run.samples), self.network
        name = network.name or Path(network.path).stem
        rate = samples / run.seconds if run.seconds else 0
        out.print(
            f"{name}: {samples} samples, {settings.timesteps} timesteps, coding {settings.coding}, "
            f"{network.synapse_count:,} synapses, {run.seconds:.2f} s ({rate:,.0f} samples/s)",
            soft_wrap=True,
        )
        if self.labels is not None:
            right = int((run.predictions == self.labels).sum())
            accuracy, ann = run.accuracy(self.labels), network.ann_accuracy
            beside = "" if ann is None else f", the artificial network {tables.percent(ann)}"
            out.print(f"accuracy {tables.percent(accuracy)} ({right} of {samples}){beside}")
            out.print(tables.accuracy_table(run.accuracy_by_timestep(self.labels), ann))
        counts = run.counts(**machine)
        out.print(tables.layer_table(run.parts, run.work, counts, samples))
        out.print(tables.total_table(counts, samples, network.synapse_count))


@contextlib.contextmanager
def interrupting(stop: threading.Event):
    """Ctrl-C sets `stop`, so that nothing is left half-written; a second one ends at once."""

    def first(*_):
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def progress(finished, total: int, done: int, quiet: bool):
    """The finished samples, with a bar of rate and time left on a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("samples"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    hidden = quiet or not console.is_terminal
    begin = time.perf_counter()
    with Progress(*columns, console=console, disable=hidden, transient=True) as bar:
        task = bar.add_task("samples", total=total, completed=done, rate="")
        for count, sample in enumerate(finished, 1):
            yield sample
            rate = count / (time.perf_counter() - begin)
            bar.update(task, advance=1, rate=f"{rate:,.1f} per second")


@contextlib.contextmanager
def announced_compilation(quiet: bool):
    """Say on standard error that kernels are compiled, while they are; cached ones are not."""
    from numba.core import event

    class Announcer(event.Listener):
        said = 0

        def on_start(self, happening):
            self.said += 1
            if self.said == 1 and not quiet:
                text = "evsim: compiling kernels, once for this machine ..."
                print(text, end="", file=sys.stderr, flush=True)

        def on_end(self, happening):
            pass

    announcer = Announcer()
    begin = time.perf_counter()
    with event.install_listener("numba:compile", announcer):
        yield announcer
    if announcer.said and not quiet:
        print(f" done in {time.perf_counter() - begin:.1f} s", file=sys.stderr)


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="network, data, result or trainer's file")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """What a file holds."""
    from evsim.formats.guard import guarded
    from evsim.report.info import describe
    from evsim.report.tables import Output, table

    found = guarded(file, describe)
    if as_json:
        print(json.dumps(found))
        return
    out = Output()
    for name, value in found.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            columns = list(value[0])
            rows = [["" if v is None else _shown(v) for v in row.values()] for row in value]
            out.print(table(name, columns, rows))
        elif value is not None:
            out.print(f"{name}: {_shown(value)}", soft_wrap=True)


def _shown(value) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return str(value)


@app.command()
def demo(
    all_networks: Annotated[bool, typer.Option("--all", help="every shipped network")] = False,
) -> None:
    """Run a shipped network over the shipped handwritten digits."""
    from evsim.formats.data import open_data
    from evsim.formats.native import load

    names = ["digits-conv"]
    if all_networks:
        golden = ".golden"
        stems = [path.stem for path in shipped("networks").glob("digits-*.h5")]
        names = sorted(stem for stem in stems if not stem.endswith(golden))
    for name in names:
        with open_data(shipped("data") / "digits_test.h5") as data:
            job = Job(load(shipped("networks") / f"{name}.h5"), data)
            job.simulate(None, _bytes("512M"), None, False, False, False)
            job.show({})


def shipped(folder: str) -> Path:
    """A folder that comes with evsim: in the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    return here / folder if (here / folder).is_dir() else here.parent / folder


@app.command()
def warm() -> None:
    """Compile and cache the kernels, so that no later run waits for them."""
    from evsim.warm import warm_up

    begin = time.perf_counter()
    with announced_compilation(False) as announcer:
        warm_up()
    seconds = time.perf_counter() - begin
    print(f"{announcer.said} kernels compiled and cached in {seconds:.1f} s")
