"""The files that something was read from: what they were at opening, and their digest."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

import numpy as np

from evsim.base.errors import EvsimError

READ = 1 << 20  # bytes hashed in one go
WORD = (1 << 64) - 1


class Origin:
    """The files of some data as they are now; made before any of them is opened.

    `files`: gives their paths, relative to the folder that `path` is or lies in; "" is `path`.
    `options`: how they are read, by name.
    """

    def __init__(
        self,
        path: str,
        files: Callable[[], list[str]] = lambda: [""],
        options: dict[str, str] | None = None,
    ):
        self.path, self.files, self.options = path, files, options or {}
        self.folder = path if os.path.isdir(path) else os.path.dirname(path)
        self.here = os.getcwd()  # the paths stay those of now
        self.names, self.states = self._look()
        self.digest: str | Exception | None = None
        self.thread: threading.Thread | None = None
        self.closed = threading.Event()

    def _look(self) -> tuple[list[str], np.ndarray]:
        """The names of the files, and of each inode, size and time of writing."""
        names = self.files()
        states = np.empty((len(names), 3), np.uint64)
        for row, name in zip(states, names, strict=True):
            try:
                state = os.stat(os.path.join(self.here, self._file(name)))
            except OSError as error:
                raise OSError(error.errno, error.strerror, self._file(name)) from None
            row[:] = state.st_ino & WORD, state.st_size, state.st_mtime_ns & WORD
        return names, states

    def _file(self, name: str) -> str:
        return os.path.join(self.folder, name) if name else self.path

    def verify(self) -> None:
        """Raise EvsimError unless all files are those of the beginning, and no others are there.

        Compared are the names, and of each file the inode, the size and the time of writing.
        """
        try:
            names, states = self._look()
        except OSError as error:
            file = error.filename or self.path
            raise _changed(error.strerror or str(error), file) from None
        if names != self.names:
            other = sorted(set(names) ^ set(self.names))
            raise _changed("another list of files", self._file(other[0] if other else names[0]))
        differing = np.flatnonzero((states != self.states).any(axis=1))
        if differing.size:
            k = int(differing[0])
            (_, size, _), (_, before, _) = states[k].tolist(), self.states[k].tolist()
            inode, _, _ = (states[k] != self.states[k]).tolist()
            found = "another file of this name" if inode else "a later time of writing"
            found = f"{size} bytes, not {before}" if size != before else found
            raise _changed(found, self._file(names[k]))

    def begin(self) -> None:
        """Hash in a thread of its own from now on, so that nobody waits for it at the end."""
        if self.thread is None and self.digest is None:
            self.thread = threading.Thread(target=self._hash, daemon=True, name="digest")
            self.thread.start()

    @property
    def sha256(self) -> str:
        """The digest, in hexadecimal; raises EvsimError if the files are no longer the same.

        Of one file that is read without options it is the file's SHA-256. Else it is that of a
        text: a line `name=value` for every option that is not at its default, by name, then a line
        for every file, in order, as `sha256sum` writes it: its SHA-256, two spaces, its path.
        """
        if self.thread is not None:
            self.thread.join()
        if self.digest is None:
            self.closed.clear()
            self._hash()
        if isinstance(self.digest, OSError):
            self.verify()
            reason = self.digest.strerror or str(self.digest)
            raise EvsimError(f"cannot be read: {reason}", file=self.path)
        if isinstance(self.digest, Exception):
            raise self.digest
        self.verify()
        return self.digest

    def _hash(self) -> None:
        try:
            if self.names == [""] and not self.options:
                self.digest = self._one("")
                return
            text = hashlib.sha256()
            for name, value in sorted(self.options.items()):
                text.update(f"{name}={value}\n".encode())
            for name in self.names:
                shown = name or os.path.basename(self.path)
                text.update(f"{self._one(name)}  {shown}\n".encode(errors="surrogateescape"))
            self.digest = text.hexdigest()
        except InterruptedError:
            pass  # whoever asks for the digest nevertheless begins again
        except Exception as error:  # raised where the digest is asked for
            self.digest = error

    def _one(self, name: str) -> str:
        digest = hashlib.sha256()
        with open(os.path.join(self.here, self._file(name)), "rb", buffering=0) as file:
            while content := file.read(READ):
                digest.update(content)
                if self.closed.is_set():
                    raise InterruptedError
        return digest.hexdigest()

    def close(self) -> None:
        """Stop hashing in the background, if it goes on there."""
        self.closed.set()


def _changed(change: str, file: str) -> EvsimError:
    expected = "the file that was opened (what was read is not to be trusted)"
    return EvsimError(f"changed while it was used: found {change}, expected {expected}", file=file)
