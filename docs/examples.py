"""The examples of README.md and docs/: they run, and what a page shows is what they print.

    python docs/examples.py [--write] [PAGE...]

runs the pages' blocks `sh`, `python` and `toml` in order, each page in a folder of its own that has
`networks/` and `data/`, and compares what they print with the `text` block that follows; `--write`
puts what they print into the page. A comment in the line above a block says what is special:

    <!-- not run: WHY -->              of another block, which is only shown
    <!-- needs PACKAGE -->             run where that is installed
    <!-- exit 1 -->                    the last command ends with 1
    <!-- file NAME -->                 the block is a file, written and not run
    <!-- shown from "A" until "B" -->  of a text block: only these lines (either may be missing)

The value of an expression in the last line of a `python` block is printed, as a notebook does.
Tables are those of a terminal of 100 columns.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(?:<!-- ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)
TIMES = re.compile(r"\d[\d,.]* (?:s|ms|samples/s)\b|^[│ ]*seconds .*$", re.M)
RUN = ("sh", "python", "toml")


SCREEN = {"COLUMNS": "100", "LINES": "50", "TERM": "dumb"}


class Terminal(io.StringIO):
    """Keeps what is printed as on a terminal."""

    def isatty(self) -> bool:
        """It is taken for one."""
        return True


class Wrong(Exception):
    """A page shows something else than what happens."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, what the comment above says, where in the page."""

    language: str
    text: str
    note: str
    begin: int
    end: int


def pages() -> list[Path]:
    """All pages with examples."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [
        Block(found[2], found[3], found[1] or "", found.start(3), found.end(3))
        for found in BLOCK.finditer(page)
    ]


def checked(page: str, name: str) -> str:
    """Run a page in the working folder; returns it with what its examples print.

    Raises Wrong where an example fails; whether the page shows what is printed, `differs` says.
    """
    scope: dict = {"__name__": "__main__"}
    printed, found = None, []
    for block in blocks(page):
        place = f"{name}, line {page.count(chr(10), 0, block.begin)}"
        if block.language == "text" and printed is not None:
            found.append((block, shown(printed, block.note, place)))
        elif block.language in RUN:
            printed = run(block, scope, place)
    for block, text in reversed(found):
        if masked(block.text) != masked(text):
            page = page[: block.begin] + text + page[block.end :]
    return page


def run(block: Block, scope: dict, place: str) -> str | None:
    """Run a block; returns what it printed, None where it was not run."""
    if block.note.startswith("not run:"):
        return None
    needed = block.note.removeprefix("needs ")
    if needed != block.note and importlib.util.find_spec(needed) is None:
        return None
    if block.note.startswith("file "):
        Path(block.note.removeprefix("file ")).write_text(block.text, encoding="utf-8")
        return None
    if block.language == "toml":
        raise Wrong(f"{place}: a toml block needs <!-- file NAME --> or <!-- not run: WHY -->")
    with contextlib.redirect_stdout(Terminal()) as screen:
        if block.language == "python":
            _execute(block.text, scope, place)
        else:
            expected = int(block.note.removeprefix("exit ")) if "exit " in block.note else 0
            lines = block.text.replace("\\\n", " ").splitlines()
            commands = [line for line in lines if line and not line.startswith("#")]
            for line in commands:
                _command(line, expected if line == commands[-1] else 0, place)
    return screen.getvalue()


def _execute(text: str, scope: dict, place: str) -> None:
    """Run Python; the value of an expression in the last line is printed."""
    tree = ast.parse(text, place)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    try:
        exec(compile(tree, place, "exec"), scope)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), place, "eval"), scope)
            if value is not None:
                print(repr(value))
    except Exception as error:
        raise Wrong(f"{place}: {type(error).__name__}: {error}") from error


def _command(line: str, expected: int, place: str) -> None:
    from evsim.cli.main import run_command

    program, *words = shlex.split(line, comments=True)
    if program == "evsim":
        with contextlib.redirect_stderr(io.StringIO()) as said:
            status = run_command(words)
    elif program == "python":
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=300)
        print(done.stdout, end="")
        status, said = done.returncode, io.StringIO(done.stderr)
    else:
        raise Wrong(f"{place}: {program!r} is not run here: <!-- not run: WHY -->")
    if status != expected:
        raise Wrong(f"{place}: `{line}` ended with {status}, not {expected}: {said.getvalue()}")


def shown(printed: str, note: str, place: str) -> str:
    """The part of what was printed that a page shows, without blanks at the ends of lines."""
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    for word, end in (("until", True), ("from", False)):
        wanted = re.search(rf'{word} "([^"]*)"', note)
        if wanted:
            at = next((i for i, line in enumerate(lines) if line.startswith(wanted[1])), None)
            if at is None:
                raise Wrong(f"{place}: no line begins with {wanted[1]!r}")
            lines = lines[:at] if end else lines[at:]
    return "".join(f"{line}\n" for line in lines)


def masked(text: str) -> str:
    """Text without the times that it took."""
    return TIMES.sub("*", text)


@contextlib.contextmanager
def folder():
    """A working folder with what is shipped."""
    before, environment = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory() as made:
        for name in ("networks", "data"):
            (Path(made) / name).symlink_to(ROOT / name)
        os.chdir(made)
        os.environ.update(SCREEN)
        try:
            yield Path(made)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)


def main() -> int:
    """Run the pages named, or all; 1 where one shows something else than what is printed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--write", action="store_true", help="put what is printed into the pages")
    arguments = parser.parse_args()
    wrong = 0
    for path in [page.resolve() for page in arguments.pages] or pages():
        page = path.read_text(encoding="utf-8")
        try:
            with folder():
                made = checked(page, path.relative_to(ROOT).as_posix())
        except Wrong as error:
            print(error)
            wrong += 1
            continue
        if made != page and arguments.write:
            path.write_text(made, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'as shown' if made == page else 'differs'}")
        wrong += made != page and not arguments.write
    return int(wrong > 0)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
