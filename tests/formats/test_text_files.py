"""Profiles and definitions that anybody made: one line each, in seconds and little memory."""

import os
import signal

import pytest

from evsim.base.errors import EvsimError
from evsim.chip.profile import Profile
from evsim.cli.main import run_command
from evsim.formats import guard
from evsim.formats.trainers._definition import Definition

DIGITS, HEX = "9" * 5000, "0x" + "f" * 5000  # the second is read, and cannot be shown
NESTED = "a." * 1500 + "a = 1"
LINES = {  # text, what is said
    "digits": (f"[capacity]\ncores = {DIGITS}", "found no TOML (Exceeds the limit (4300 digits)"),
    "hexadecimal": (f"[capacity]\ncores = {HEX}", "capacity/cores: found int too large to show"),
    "bits": ("[numeric.membrane]\nbits = 65536", "bits: found 65536, expected at most 256"),
    "word": (f"[schedule]\nupdate = {HEX}", "schedule/update: found int too large to show"),
    "list": (f"[schedule]\norder = [{HEX}]", "schedule/order: found list too large to show"),
    "depth": ("x = " + "[" * 5000 + "]" * 5000, "found no TOML (maximum recursion depth"),
    "deep key": (f"schedule.update.{NESTED}", "schedule/update: found dict too large to show"),
    "long key": ("a" * 100_000 + " = 1", "found unknown key 'aaaaaaaaaaaaaaaaaaaa"),
    "many": ("open = [" + "1," * 100_000 + "]", "open: found 1, expected a line of text"),
    "date": ("name = 2024-12-15\ntime.lanes = 1", "name: found datetime.date(2024, 12, 15), expec"),
    "no date": ("name = 2024-13-45", "found no TOML (Expected newline or end of document"),
    "nan": ("[time]\nclock_hz = nan", "time/clock_hz: found nan, expected a number from 0"),
    "infinity": ("[time]\nclock_hz = inf", "time/clock_hz: found inf, expected a number from 0"),
    "twice": ('name = "a"\nname = "b"', "found no TOML (Cannot overwrite a value"),
    "NUL": ('name = "a\0b"', "found no TOML (Illegal character '\\x00'"),
    "latin": ('name = "\xff"', "found no TOML ('utf-8' codec can't decode byte 0xff"),
    "size": (
        "#" * (2 << 20),
        "found a file of 2,097,173 bytes, expected TOML of at most 1,048,576",
    ),
}
DEFINED = {
    "number": (f'layers = [{{name = "a", kind = "normalize", epsilon = {HEX}}}]', "epsilon: found"),
    "kind": (f'layers = [{{name = "a", kind = {HEX}}}]', "layers[0]/kind: found int too large"),
    "block": (f'layers = [{{name = "a", use = {HEX}}}]', "layers[0]/use: found int too large to"),
    "parameter": (f'layers = [{{name = "$x"}}]\nparameters.x = {HEX}', "name: found int too large"),
    "title": (f"title.{NESTED}", "title: found dict too large to show, expected text"),
    "key": ("a" * 100_000 + " = 1", "found unknown field 'aaaaaaaaaaaa"),
    "digits": (f"title = {DIGITS}", "found no TOML (Exceeds the limit"),
}


def line(error, path, said):
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert said in text
    assert len(text) < 400
    assert text.isprintable()


@pytest.mark.parametrize("name", LINES)
def test_profiles(name, tmp_path):
    text, said = LINES[name]
    path = tmp_path / "chip.toml"
    path.write_bytes(b'schema = "evsim-hw/1"' + b"\n" * (name != "size") + text.encode("latin1"))
    with pytest.raises(EvsimError) as error:
        Profile.read(path)
    line(error, path, said)


@pytest.mark.parametrize("name", DEFINED)
def test_definitions(name, tmp_path):
    text, said = DEFINED[name]
    path = tmp_path / "net.toml"
    path.write_text(text)
    with pytest.raises(EvsimError) as error:
        Definition.read(path)
    line(error, path, said)


def test_what_is_no_file(tmp_path):
    with pytest.raises(EvsimError, match="found no regular file, expected a hardware profile"):
        Profile.read(tmp_path)
    with pytest.raises(EvsimError, match="found no regular file, expected a definition of layers"):
        Definition.read("/dev/zero")


@pytest.mark.parametrize("command", ["cost r.h5 --chip {}", "ann m.safetensors d.h5 --topology {}"])
def test_a_key_that_takes_hours(command, tmp_path, monkeypatch, capsys):
    """100,000 names joined by points: 13 s and 6 GB."""
    path = tmp_path / "long.toml"
    path.write_text('schema = "evsim-hw/1"\n' + "a." * 50_000 + "a = 1")
    monkeypatch.setattr(guard, "TEXT", (0.25, 256 << 20))
    assert run_command(command.format(path).split()) == 2
    out, err = capsys.readouterr()
    found = "a file that takes more than 0.25 s to read (EVSIM_NO_GUARD=1 reads it without limits)"
    assert err == f"evsim: {path}: found {found}, expected a whole TOML file\n"
    assert out == ""


def test_errors_name_the_format(tmp_path):
    def crash(path):
        os.kill(os.getpid(), signal.SIGKILL)

    starts = {"x.h5": b"\x89HDF\r\n\x1a\n", "x.pt": b"PK\3\4", "x.safetensors": b"", "x": b""}
    starts |= {"y": b"\x02" + bytes(7) + b"{}", "x.toml": b""}
    said = {"x.h5": "HDF5 file", "x.pt": "zip archive", "x": "file", "x.toml": "TOML file"}
    for name, start in starts.items():
        (tmp_path / name).write_bytes(start)
        with pytest.raises(EvsimError) as error:
            guard.guarded(tmp_path / name, crash)
        expected = said.get(name, "safetensors file")
        library = "the HDF5 library" if name == "x.h5" else "evsim"
        found = f"a damaged {expected} (reading it crashes {library})"
        assert str(error.value).endswith(f": found {found}, expected a whole {expected}")
