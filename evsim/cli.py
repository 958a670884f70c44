"""The commands."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from evsim.job import Interrupted, Job, announced_compilation, byte_count
from evsim.parts import EvsimError, mismatch

app = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help="Event-driven simulation of spiking networks that counts every access and addition.",
)


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
    quiet: Annotated[bool, typer.Option("--quiet", help="print nothing but errors")] = False,
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
        job.simulate(jobs, byte_count(memory), out, overwrite, resume, quiet or as_json)
        if as_json:
            print(json.dumps(job.summary(machine)))
        elif not quiet:
            job.show(machine)


def _recordings(record: str | None, out: Path | None) -> tuple[str, ...]:
    from evsim.settings import RECORDS

    names = tuple(dict.fromkeys(record.split(","))) if record else ()
    for name in names:
        if name not in RECORDS:
            raise mismatch(repr(name), f"any of {', '.join(RECORDS)}", "--record")
    if names and out is None:
        raise mismatch("no --out", "a file for what is recorded", "--record")
    return names


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
            job.simulate(None, byte_count("512M"), None, False, False, False)
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
