"""Turn what people download anyway into data files of evsim: `python data/prepare.py --help`."""

import contextlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import _images
import typer
from _known import doubts as known_doubts
from _output import Images, images_of, write_events, write_images

from evsim.base.errors import EvsimError, mismatch
from evsim.formats import sources
from evsim.formats.sources import Options
from evsim.formats.sources._options import pair

OPTIONS = ("size", "samples", "bin", "sensor", "chip")  # whose mistakes are found below

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Turn what people download anyway into data files of evsim. Nothing is downloaded here.",
)


class Split(StrEnum):
    """The two parts of a data set."""

    test = "test"
    train = "train"


class Kind(StrEnum):
    """The two kinds of labels of CIFAR-100."""

    fine = "fine"
    coarse = "coarse"


def lengths(option: str):
    """What reads HEIGHTxWIDTH, or one number for both."""
    return {"parser": lambda text: pair(text, option), "metavar": "HEIGHTxWIDTH"}


Source = Annotated[Path, typer.Argument(help="file or folder", exists=True, show_default=False)]
Out = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", show_default=False)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace FILE")]
Strict = Annotated[bool, typer.Option("--strict", help="other counts or digests are an error")]
Part = Annotated[Split, typer.Option("--split")]
Bin = Annotated[int, typer.Option("--bin", min=1, help="microseconds per timestep")]
Timesteps = Annotated[int | None, typer.Option("-T", "--timesteps", min=1, help="[all]")]
Sensor = Annotated[tuple | None, typer.Option(help="resolution", **lengths("--sensor"))]
Swap = Annotated[bool, typer.Option("--swap-polarity", help="off first, not on")]
Pool = Annotated[int, typer.Option(min=1, help="N x N pixels become one")]


@app.command()
def mnist(
    source: Source,
    out: Out,
    split: Part = Split.test,
    labels: Annotated[Path | None, typer.Option(exists=True, help="their file")] = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
):
    """MNIST's format (idx, also .gz): MNIST, Fashion-MNIST, KMNIST; the folder or file."""
    save_images(_images.idx(source, labels, split), out, overwrite, strict)


@app.command()
def cifar(
    source: Source,
    out: Out,
    split: Part = Split.test,
    labels: Annotated[Kind, typer.Option(help="of CIFAR-100")] = Kind.fine,
    overwrite: Overwrite = False,
    strict: Strict = False,
):
    """CIFAR-10 and CIFAR-100, binary version: cifar-10-binary.tar.gz or its folder."""
    save_images(_images.cifar(source, split, labels), out, overwrite, strict)


@app.command()
def folder(
    source: Source,
    out: Out,
    size: Annotated[tuple | None, typer.Option(help="scale and cut", **lengths("--size"))] = None,
    gray: Annotated[bool, typer.Option("--gray", help="one channel")] = False,
    overwrite: Overwrite = False,
):
    """Image files, one folder per class (needs Pillow)."""
    save_pictures("pictures", source, Options(size=size, gray=gray), out, overwrite)


@app.command()
def numpy(
    source: Source,
    out: Out,
    split: Part = Split.test,
    channels_first: Annotated[bool, typer.Option("--channels-first")] = False,
    overwrite: Overwrite = False,
):
    """NumPy arrays (.npz, .npy): images and labels, or x_test, y_test, x_train, y_train."""
    options = Options(split=split, channels_first=channels_first)
    save_pictures("arrays", source, options, out, overwrite)


@app.command()
def nmnist(
    source: Source,
    out: Out,
    split: Part = Split.test,
    bin: Bin = 1000,
    timesteps: Timesteps = None,
    sensor: Sensor = None,
    swap_polarity: Swap = False,
    pool: Pool = 1,
    overwrite: Overwrite = False,
    strict: Strict = False,
):
    """N-MNIST: Test.zip, Train.zip or their folder; also N-Caltech101 with --sensor 180x240."""
    options = Options(
        split=split,
        bin=bin,
        timesteps=timesteps,
        sensor=sensor,
        swap_polarity=swap_polarity,
        pool=pool,
    )
    save_events(
        "nmnist",
        source,
        options,
        out,
        overwrite,
        strict,
        known={"test": 10_000, "train": 60_000}[split],
    )


@app.command()
def aedat(
    source: Source,
    out: Out,
    chip: Annotated[str | None, typer.Option(help="of AEDAT 2: dvs128, davis346...")] = None,
    bin: Bin = 1000,
    timesteps: Timesteps = None,
    sensor: Sensor = None,
    swap_polarity: Swap = False,
    pool: Pool = 1,
    overwrite: Overwrite = False,
):
    """AEDAT 2, 3.1 and 4 (needs the package aedat): a file, a folder, or a folder per class."""
    options = Options(
        chip=chip,
        bin=bin,
        timesteps=timesteps,
        sensor=sensor,
        swap_polarity=swap_polarity,
        pool=pool,
    )
    save_events("aedat", source, options, out, overwrite)


@app.command()
def streams(
    source: Source,
    out: Out,
    samples: Annotated[str | None, typer.Option(metavar="A:B", help="half-open range")] = None,
    bin: Bin = 1000,
    timesteps: Timesteps = None,
    sensor: Sensor = None,
    swap_polarity: Swap = False,
    pool: Pool = 1,
    overwrite: Overwrite = False,
):
    """Recordings in one HDF5 file: t (us), x, y, p, offsets and labels."""
    options = Options(
        bin=bin, timesteps=timesteps, sensor=sensor, swap_polarity=swap_polarity, pool=pool
    )
    save_events("streams", source, options, out, overwrite, samples=samples)


def save_images(images: Images, out: Path, overwrite: bool, strict: bool = False) -> None:
    """Write images, and say what was written."""
    save(out, images.doubts, strict, lambda: write_images(out, images, overwrite))


def save_pictures(kind: str, source: Path, options: Options, out: Path, overwrite: bool) -> None:
    """Write the images of a source, and say what was written."""
    found = sources.opened(sources.kinds()[kind], str(source), options)
    with contextlib.closing(found):
        save_images(images_of(found), out, overwrite)


def save_events(
    kind: str,
    source: Path,
    options: Options,
    out: Path,
    overwrite: bool,
    strict: bool = False,
    *,
    known: int | None = None,
    samples: str | None = None,
) -> None:
    """Write the events of a source of recordings, and say what was written."""
    found = sources.opened(sources.kinds()[kind], str(source), options)
    with contextlib.closing(found):
        some = chosen(samples, found.samples)
        doubts = known_doubts([source], found.samples, known)
        save(out, doubts, strict, lambda: write_events(out, found, options, some, overwrite))


def chosen(text: str | None, count: int) -> range:
    """The half-open range of samples that the option --samples names."""
    if text is None:
        return range(count)
    first, colon, last = text.partition(":")
    if not colon or not all(n == "" or n.isdecimal() for n in (first, last)):
        raise mismatch(repr(text), "first:last", "samples")
    found = range(min(int(first or 0), count), min(int(last or count), count))
    if not found:
        raise mismatch(f"no sample in {text}", f"some of 0:{count}", "samples")
    return found


def save(out: Path, doubts: list[str], strict: bool, write) -> None:
    """Write a file, say what it holds, and in what it differs from well-known ones."""
    if strict and doubts:
        raise EvsimError(doubts[0])
    print(f"{out}: {write()}")
    for doubt in doubts:
        print(f"prepare: {doubt}", file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Run one command line; returns its exit status."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("prepare.py", arguments or ["--help"]) as context:
            command.invoke(context)
        return 0
    except typer.Exit as error:
        return error.exit_code
    except EvsimError as error:
        place = f"--{error.place}" if error.place in OPTIONS else error.place
        line, status = str(EvsimError(error.problem, place, error.file)), 2
    except (KeyboardInterrupt, typer.Abort):
        line, status = "interrupted", 130
    except MemoryError:
        line, status = "found more data in one piece than memory holds", 2
    except OSError as error:
        line, status = f"{error.filename or 'a file'}: {error.strerror or error}", 2
    except Exception as error:
        if not hasattr(error, "format_message"):  # a usage error, whichever typer raised it
            raise
        line, status = error.format_message(), 2
    line = "".join(c if c.isprintable() else "?" for c in " ".join(line.split()))
    print(f"prepare: {line}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
