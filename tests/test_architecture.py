"""The rules of the architecture, held in place over the source."""

import ast
import importlib
import os
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from support.places import TESTS

import evsim
from evsim.base import interruption

ROOT = Path(evsim.__file__).parent
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")
}
KINDS = ("neurons", "synapses", "codings", "artificial.layers")
REGISTRIES = (  # their files never import each other
    *KINDS,
    "formats.trainers",
    "formats.sources",
    "cli.commands",
)
PAGE = ROOT.parent / "ARCHITECTURE.md"
FLOORS = [  # bottom up, as the page says: imports only go down
    re.findall(r"`(\w+)`", line) for line in re.findall(r"^\d+\. (.*)$", PAGE.read_text(), re.M)
]
DOORS = ["__init__", "__main__"]  # above all
TEST_FILES = sorted(TESTS.rglob("test_*.py"))
OTHER_TESTS = {"data", "docs", "oracles", "support"}  # of those folders; what the tests lean on
FORBIDDEN = {"fastmath", "parallel", "prange", "jitclass", "objmode"}
ALLOCATES = {"empty", "zeros", "ones", "full", "array", "arange", "copy", "append", "concatenate"}
ALLOCATES |= {f"{name}_like" for name in ("empty", "zeros", "ones", "full")} | {"astype", "stack"}
BUILTINS = {"range", "min", "max", "abs", "divmod", "len", "int", "float", "bool"}


@cache
def tree(module):
    return ast.parse(FILES[module].read_text())


def imports(module):
    """(module of evsim, names, whether it is imported with its importer) of every import."""
    top = set(map(id, tree(module).body))
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "evsim":
            assert node.level == 0
            inside = node.module.removeprefix("evsim").lstrip(".")
            for alias in node.names:
                own = f"{inside}.{alias.name}".lstrip(".")
                own = own if own in FILES else f"{own}.__init__"
                yield own if own in FILES else inside or "__init__", id(node) in top
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "evsim":
                    yield alias.name.removeprefix("evsim").lstrip("."), id(node) in top


def level(module):
    """The floor of a file."""
    first = module.split(".")[0]
    return next(i for i, names in enumerate([*FLOORS, DOORS]) if first in names)


def test_the_page_shows_every_folder():
    shown = {name for floor in FLOORS for name in floor}
    assert shown == {module.split(".")[0] for module in FILES} - set(DOORS)
    tree = re.findall(r"^  (\w+)(?:/|\.py) ", PAGE.read_text(), re.M)
    assert set(tree) == shown | {"__init__"}


def test_the_tests_mirror_the_page():
    """Every folder of evsim has its tests in a folder of the same name; there are few others."""
    shown = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.rglob("*/__init__.py")}
    folders = {path.parent.relative_to(TESTS).as_posix() for path in TEST_FILES} - {"."}
    assert folders - shown <= OTHER_TESTS
    assert {name for name in shown if "/" not in name} <= folders
    helpers = {path.name for path in TESTS.glob("*.py")} - {path.name for path in TEST_FILES}
    assert helpers == {"conftest.py"}  # oracles and helpers have folders of their own


def test_no_test_imports_a_test():
    assert len({path.name for path in TEST_FILES}) == len(TEST_FILES) > 80
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            parts = [part for name in names for part in name.split(".")]
            found = [part for part in parts if f"{part}.py" in {p.name for p in TEST_FILES}]
            assert not found, f"{path.relative_to(TESTS)} imports {found}"


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module):
    folder, _, name = module.rpartition(".")
    for other, _ in imports(module):
        other = other.removesuffix(".__init__")
        if folder in REGISTRIES and f"{other}.".startswith(f"{folder}."):
            floor = other in REGISTRIES or other.rpartition(".")[2].startswith("_")
            assert floor, f"{module} imports its sibling {other}"
        elif folder in KINDS:
            assert not any(f"{other}.".startswith(f"{kind}.") for kind in KINDS), other
        elif name != "__main__":
            inside = other.split(".")[0] == folder.split(".")[0]
            assert inside or level(other) < level(module), f"{module} imports {other}"


def test_no_file_imports_itself_by_way_of_others():
    """No circle, of imports in functions and of those for hints alone neither."""
    graph = {
        module: {other if other in FILES else f"{other}.__init__" for other, _ in imports(module)}
        for module in FILES
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the files


def test_importing_evsim_imports_little():
    script = (
        "import sys; before = set(sys.modules); from evsim import *; import evsim;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(found.stdout.split()) - sys.stdlib_module_names
    allowed = {"evsim", "numpy", "numba", "scipy", "h5py"}
    allowed |= {"llvmlite", "cython_runtime", "yaml"}  # of numba and h5py; yaml if it is there
    allowed |= {"coverage", "colorama"}  # numba takes them where they are
    assert {name for name in loaded if not name.startswith("_")} <= allowed


def test_a_command_can_end_before_anything_is_imported():
    """What comes before the handlers of signals takes milliseconds."""
    script = "import sys; import evsim.__main__; print(*sorted(sys.modules))"
    plain = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=plain
    )
    loaded = set(found.stdout.split())
    assert {name for name in loaded if name.startswith("evsim")} == {
        "evsim",
        "evsim.__main__",
        "evsim.base",
        "evsim.base.interruption",
        "evsim.base.version",
    }
    assert not loaded & {"numpy", "numba", "h5py", "typer", "rich", "json", "inspect"}
    source = Path(interruption.__file__).read_text()
    assert re.findall(r"^(?:import|from) (\w+)", source, re.M) == [
        *("__future__", "_signal", "_thread", "os", "sys", "time")
    ]  # all of which Python has loaded


def printing(module):
    """What prints, in a file: (line, name)."""
    streams = {"stdout", "stderr", "__stdout__", "__stderr__"}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Name) and node.id in ("print", "breakpoint"):
            yield node.lineno, node.id
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from ((node.lineno, name) for name in names if name.split(".")[0] == "rich")
            yield from ((node.lineno, name) for name in names if name in (*streams, "traceback"))
        if isinstance(node, ast.Attribute):
            inside = node.value.id if isinstance(node.value, ast.Name) else ""
            if (inside == "sys" and node.attr in streams) or (
                inside == "typer" and node.attr in ("echo", "secho", "echo_via_pager")
            ):
                yield node.lineno, f"{inside}.{node.attr}"
            if inside == "os" and node.attr == "write":
                yield node.lineno, "os.write"


PRINTS = {  # beside `screen`
    "base.interruption": {"os.write"},  # in a handler of signals, where nothing else may be called
    "engine.compiling": {"os.write"},  # pipes to and from children
    "formats.guard": {"os.write", "sys.stdout", "sys.stderr"},  # a pipe; a child that says nothing
}


@pytest.mark.parametrize("module", FILES)
def test_everything_is_printed_in_one_file(module):
    if module != "base.screen":
        found = [place for place in printing(module) if place[1] not in PRINTS.get(module, ())]
        assert not found, f"{module} prints: {found}"
    else:
        assert {"print", "rich.console"} <= {name for _, name in printing(module)}


def kernels():
    """(module, function) of every kernel."""
    for module in FILES:
        words = {"kernel"}
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ImportFrom) and node.module == "evsim.base.fields":
                words |= {a.asname for a in node.names if a.name == "kernel" and a.asname}
        for node in tree(module).body:
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(d, ast.Name) and d.id in words for d in node.decorator_list
            ):
                yield module, node


EVERY_KERNEL = list(kernels())
every_kernel = pytest.mark.parametrize(
    ("module", "kernel"), EVERY_KERNEL, ids=[f"{m}.{k.name}" for m, k in EVERY_KERNEL]
)


def own_names(module):
    """What a file defines itself: constants, kernels, and what kernels call for a function."""
    names = set()
    for node in tree(module).body:
        if isinstance(node, ast.Assign):
            targets = [t.elts if isinstance(t, ast.Tuple) else [t] for t in node.targets]
            names |= {t.id for some in targets for t in some if isinstance(t, ast.Name)}
        if isinstance(node, ast.ImportFrom) and node.module == "evsim.base.kernel":
            names |= {alias.name for alias in node.names} - {"kernel"}  # stamped with each kernel
        for by in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            if isinstance(by, ast.Call) and getattr(by.func, "id", "") == "overload":
                names.add(by.args[0].id)
    return names | {kernel.name for m, kernel in EVERY_KERNEL if m == module}


@every_kernel
def test_kernels_know_only_their_own_file(module, kernel):
    local = {a.arg for a in (*kernel.args.args, *kernel.args.kwonlyargs)}
    local |= {
        n.id for n in ast.walk(kernel) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    body = [node for statement in kernel.body for node in ast.walk(statement)]
    used = {n.id for n in body if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    known = local | BUILTINS | {"np"} | own_names(module)
    assert used <= known, f"a kernel may not use {used - known}"


@every_kernel
def test_kernels_neither_raise_nor_allocate(module, kernel):
    for node in ast.walk(kernel):
        assert not isinstance(node, ast.Raise | ast.Assert | ast.Try | ast.With)
        assert not isinstance(node, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.Lambda)
        assert not (isinstance(node, ast.Attribute) and node.attr in ALLOCATES), ast.unparse(node)
    assert ast.get_docstring(kernel)


def test_there_is_one_decorator_of_kernels():
    for module in FILES:
        for node in ast.walk(tree(module)):
            name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
            if name in ("njit", "jit", "vectorize", "guvectorize", "stencil", "cfunc"):
                assert module == "base.kernel", f"{module} compiles with {name}"
    assert len(EVERY_KERNEL) > 10


@pytest.mark.parametrize("module", FILES)
def test_no_forbidden_word(module):
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & (FORBIDDEN | {"pickle", "marshal", "shelve", "dill", "cloudpickle"})
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__")
        if isinstance(node, ast.keyword):
            assert node.arg not in FORBIDDEN
            assert node.arg != "allow_pickle"
        if isinstance(node, ast.Attribute | ast.Name):
            assert (node.attr if isinstance(node, ast.Attribute) else node.id) not in FORBIDDEN


@pytest.mark.parametrize("module", FILES)
def test_files_and_functions_are_short(module):
    lines = len(FILES[module].read_text().splitlines())
    assert lines <= 400, f"{FILES[module]} has {lines} lines"
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= 80, f"{module}.{node.name} has {length} lines"


@pytest.mark.parametrize("module", FILES)
def test_what_is_public_is_explained(module):
    assert ast.get_docstring(tree(module)), f"{FILES[module]} says nothing of itself"
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{module}.{node.name} has no docstring"


def overrides(module, names):
    """Whether what `names` lead to in a module, a class and one of its methods, overrides another.

    What a method of a base class is, its docstring says once.
    """
    *outer, name = names
    found = importlib.import_module(f"evsim.{module}".removesuffix(".__init__"))
    for part in outer:
        found = getattr(found, part)
    return any(name in vars(base) for base in found.__mro__[1:])


def public(module):
    """(path of names, node) of every public function, class and method of a file."""

    def inside(body, names):
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                path = (*names, node.name)
                if not node.name.startswith("_"):
                    yield path, node
                if isinstance(node, ast.ClassDef):
                    yield from inside(node.body, path)

    return inside(tree(module).body, ())


@pytest.mark.parametrize("module", FILES)
def test_docstrings_say_what_a_thing_is(module):
    for names, node in public(module):
        text, place = ast.get_docstring(node), f"{module}.{'.'.join(names)}"
        if text is None:
            inherited = len(names) > 1 and overrides(module, names)
            assert inherited, f"{place} has no docstring"
        else:
            assert len(text.split()) > 2, f"{place} is not explained by {text!r}"
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            assert not (ast.get_docstring(node) or "").startswith("The same"), ast.unparse(node)
