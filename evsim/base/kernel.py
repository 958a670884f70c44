"""How a kernel is compiled, and how its machine code is kept for later processes."""

from __future__ import annotations

import contextlib
import hashlib
import os

from numba import njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    _CacheLocator,
    _SourceFileBackedLocatorMixin,
)
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.dispatcher import Dispatcher

SPARE = 16  # what is listed or sent may be written and read so many places past its end
DIGEST = 32  # bytes of a SHA-256
UNKEPT: list[str] = []  # why kernels that this process compiled are not kept


class SeparateArrays(CompilerBase):
    """Numba's usual pipeline, told that no two array arguments of a kernel overlap.

    LLVM then drops its overlap checks, which cost more than the additions on rows of 64.
    """

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):
        flags.noalias = True
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)

    def define_pipelines(self):
        """Numba's pipeline without Python objects, and no other."""
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


def kernel(function):
    """Compile a function when it is called; how every kernel is made.

    A kernel calls kernels of its own file only, and reads constants of its own file and of this
    one: the cache does not notice when another file changes. No array it writes to is passed twice.
    """
    compiled = njit(nogil=True, error_model="numpy", pipeline_class=SeparateArrays)(function)
    if isinstance(compiled, Dispatcher):  # else NUMBA_DISABLE_JIT is set
        compiled._cache = KernelCache(function)
    return compiled


class Entries(IndexDataCacheFile):
    """The files of a kernel: Numba's, each with its SHA-256 behind it.

    A damaged file is removed before anything in it is unpickled or executed. The machine code
    names what it was compiled for, because of two processes that save at once the index may be
    the one's and the code the other's.
    """

    def save(self, key, data):
        """Keep machine code under a key, with the stamp of the source that it was compiled from."""
        super().save(key, (self._source_stamp, key, data))

    def load(self, key):
        """The machine code of a key; None where there is none, or it is of another source."""
        kept = super().load(key)
        return kept[2] if kept and kept[:2] == (self._source_stamp, key) else None

    def _load_index(self):
        if is_whole(self._index_path):
            with contextlib.suppress(Exception):  # whatever unpickling may raise
                return super()._load_index()
        return {}

    def _load_data(self, name):
        if not is_whole(self._data_path(name)):
            raise FileNotFoundError(name)
        return super()._load_data(name)

    @contextlib.contextmanager
    def _open_for_write(self, filepath):
        with super()._open_for_write(filepath) as file:
            writer = Hashing(file)
            yield writer
            file.write(writer.sha256.digest())


class Hashing:
    """Writes to a file and computes the SHA-256 of what it wrote."""

    def __init__(self, file):
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, content) -> int:
        """Append bytes; returns how many."""
        self.sha256.update(content)
        return self.file.write(content)


def is_whole(path: str) -> bool:
    """Whether a file ends with the SHA-256 of what is in front; a damaged one is removed."""
    try:
        with open(path, "rb") as file:
            content = memoryview(file.read())
    except OSError:  # none, or none that we may read
        return False
    if hashlib.sha256(content[:-DIGEST]).digest() == content[-DIGEST:]:
        return True
    with contextlib.suppress(OSError):
        os.unlink(path)
    return False


class Installed(_SourceFileBackedLocatorMixin, _CacheLocator):
    """The folder __pycache__ beside a kernel's source, also where it is read-only.

    There an installed package may bring compiled kernels.
    """

    def __init__(self, function, file):
        self._py_file, self._lineno = file, function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function, file):
        """The place for kernels of a function of `file`; Numba asks this of every place."""
        return cls(function, file)

    def get_cache_path(self):
        """The path of the folder that kernels are kept in."""
        return os.path.join(os.path.dirname(self._py_file), "__pycache__")


def places() -> list[type]:
    """Where compiled kernels may be kept, best first: Numba's places, then beside the source.

    Without a home a place below it would be a folder named ~ in the working directory.
    """
    homeless = os.path.expanduser("~") == "~" and not os.environ.get("XDG_CACHE_HOME")
    known = CompileResultCacheImpl._locator_classes
    return [p for p in known if not (homeless and "UserWide" in p.__name__)] + [Installed]


class Kept(CompileResultCacheImpl):
    """Numba's cache of compiled code, with our order of `places`."""

    _locator_classes = places()


class KernelCache(FunctionCache):
    """Compiled kernels in files. One that cannot be read is compiled again; where none can be
    written, compilation goes on without, and UNKEPT says why.
    """

    _impl_class = Kept

    def __init__(self, function):
        super().__init__(function)
        file = os.stat(__file__)  # kernels may read SPARE
        stamp = self._impl.locator.get_source_stamp(), (file.st_mtime, file.st_size)
        self._cache_file = Entries(self.cache_path, f"{self._impl.filename_base}.evsim", stamp)

    def load_overload(self, sig, target_context):
        """The compiled code for a signature; None where it is to be compiled (again)."""
        with contextlib.suppress(Exception):  # whatever unpickling may raise
            return super().load_overload(sig, target_context)

    def save_overload(self, sig, data):
        """Keep the compiled code for a signature, or note in UNKEPT why that cannot be."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            UNKEPT.append(f"{error.filename or self.cache_path}: {error.strerror}")
