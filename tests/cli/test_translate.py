"""The library names parameters; the command line shows them as options."""

import ast
import re
from pathlib import Path

import pytest

import evsim
from evsim.base.errors import EvsimError, Parameter
from evsim.cli import main, translate
from evsim.formats import guard

ROOT = Path(evsim.__file__).parent
LIBRARY = [path for path in ROOT.rglob("*.py") if "cli" not in path.relative_to(ROOT).parts]
COMMANDS = main._command().commands


def texts(path):
    """The string literals of a file, docstrings and the parts of formatted ones too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def documentation(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node, clean=False)


def test_the_library_mentions_no_option_of_the_command_line():
    for path in LIBRARY:
        for line, text in texts(path):
            assert not re.search(r"(?<![\w-])--[a-z]", text), f"{path}, line {line}: {text}"


def test_every_parameter_that_a_message_names_is_an_option():
    known = {name for command in COMMANDS.values() for name in translate._options(command)}
    for path in LIBRARY:
        explained = set(documentation(path))
        for line, text in texts(path):
            named = {match[1] for match in translate.NAMED.finditer(text)} - {None}
            assert text in explained or named <= known, f"{path}, line {line}: {named - known}"


@pytest.mark.parametrize(
    ("error", "command", "line"),
    [
        (EvsimError("is 3", Parameter("threshold_scale")), "convert", "--threshold-scale: is 3"),
        (EvsimError("is 3", Parameter("scale"), "m.h5"), "ann", "m.h5: --scale: is 3"),
        (EvsimError("is 3", Parameter("dt"), "m.nir"), "ann", "m.nir: --dt: is 3"),
        (EvsimError("is 3", Parameter("input_machine")), "run", "--input: is 3"),
        (EvsimError("is 3", Parameter("input")), "run", "--input: is 3"),
        (EvsimError("is 3", "percentile"), "convert", "--percentile: is 3"),
        (EvsimError("is 3", "percentile"), "run", "percentile: is 3"),
        (EvsimError("is 3", "percentile", "m.h5"), "convert", "m.h5: percentile: is 3"),
        (EvsimError("is 3", "--percentile"), "convert", "--percentile: is 3"),
        (EvsimError("exists (`overwrite` replaces it)"), "run", "exists (--overwrite replaces it)"),
        (EvsimError("so (`unroll=copies` is)"), "convert", "so (--unroll copies is)"),
        (EvsimError("a `Value` of 'a=b'"), None, "a `Value` of 'a=b'"),
    ],
)
def test_a_parameter_is_shown_as_the_option_of_the_running_command(error, command, line):
    assert str(translate.of_command(error, COMMANDS.get(command))) == line


def test_a_parameter_is_one_behind_the_guard_too(tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes(b"x")

    def read(path):
        raise EvsimError("is 3", Parameter("scale"), str(path))

    with pytest.raises(EvsimError) as caught:
        guard.guarded(path, read)
    assert isinstance(caught.value.place, Parameter)


def test_texts_in_tables_are_told_in_options():
    told = {"notes": ["(`dt`)"], "rows": [{"place": "a", "what": "`topology` names it", "n": 3}]}
    rows = [{"place": "a", "what": "--topology names it", "n": 3}]
    assert translate.everywhere(told) == {"notes": ["(--dt)"], "rows": rows}
