"""What a command that takes long has finished so far, kept beside its output until that is there.

`<out>.part/` holds settings.json, which says of what command it is, and shards by name. Any of
them may be missing: what is not found, or spoilt, is computed again.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from evsim.base.errors import EvsimError, mismatch
from evsim.store import shards

SETTINGS, OUTPUT = "settings.json", "output"  # all that is no shard
PATIENCE = 0.5  # seconds between writes, and between statistics that are kept
HELD = 16 << 20  # bytes that wait to be written


class Held:
    """Arrays by name in memory: what is finished ends with the process."""

    def __init__(self):
        self.held: dict[str, dict[str, np.ndarray]] = {}

    def get(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of a name; None where there are none."""
        return self.held.get(name)

    def put(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays under a name, which are not changed from now on."""
        self.held[name] = dict(arrays)

    def drop(self, start: str) -> None:
        """Keep nothing any more whose name begins so."""
        for name in [name for name in self.held if name.startswith(start)]:
            del self.held[name]

    def names(self, start: str) -> list[str]:
        """What is kept whose name begins so, in order."""
        return sorted(name for name in self.held if name.startswith(start))

    def due(self, since: float, cost: float) -> bool:
        """Whether it is time to keep more: never, as what is in memory ends with the process.

        `since`: when something was kept last, `cost`: the seconds that this took.
        """
        return False


class Stages(Held):
    """Arrays by name in the folder `<out>.part`, for a command of these settings.

    Entered, the folder is made, or with `resume` gone on with, where its settings are these;
    `lock(folder)` takes a Lock of it, which is given back when it is left. Left unfinished,
    it stays as it is, unless nothing is kept. Names hold letters, digits and -. Raises EvsimError
    where the system refuses.
    """

    def __init__(self, out, settings: dict, *, overwrite=False, resume=False, lock=None):
        super().__init__()
        self.out, self.folder = Path(out), Path(f"{out}.part")
        self.settings = json.loads(json.dumps(settings))
        self.overwrite, self.resume = overwrite, resume
        self.lock = lock
        self.paths: dict[str, str] = {}  # names of files
        self.flushing, self.flushed = threading.Lock(), time.monotonic()
        self.finished = False

    def __enter__(self) -> Stages:
        if self.out.is_dir() or not self.out.parent.is_dir():
            problem = "is a folder" if self.out.is_dir() else "cannot be written: no such folder"
            raise EvsimError(problem, file=str(self.out))
        was_there = self.folder.is_dir()
        with contextlib.ExitStack() as stack, self._writing():
            lock = self.lock and self.lock(self.folder)
            if lock:
                stack.callback(lock.release)
            self._check_target(was_there)
            self._open()
            if lock:
                lock.tell()
            self.leaving = stack.pop_all()
        return self

    def __exit__(self, kind, *_) -> None:
        with self.leaving:
            if self.finished:
                return
            with contextlib.suppress(EvsimError) if kind else contextlib.nullcontext():
                self.flush()
            if not self.paths:
                with contextlib.suppress(OSError):
                    self._remove()

    def get(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of a name, from memory or disk; None if there are none, or damaged ones."""
        arrays, path = super().get(name), self.paths.get(name)
        if arrays is not None or path is None:
            return arrays
        try:
            with shards.Shard(self.folder / path) as shard:
                return {place: shard[place] for place in shard.places}
        except (shards.Damaged, FileNotFoundError):
            self._forget(name)
            return None
        except OSError as error:
            raise self._refused("read", error) from None

    def put(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays; they are on disk at once, or after half a second where they are small."""
        super().put(name, arrays)
        waiting = sum(a.nbytes for held in list(self.held.values()) for a in held.values())
        if waiting > HELD or time.monotonic() - self.flushed >= PATIENCE:
            self.flush()

    def flush(self) -> None:
        """Write all that waits."""
        with self.flushing, self._writing():
            for name in list(self.held):
                path = shards.write(self.folder, name, self.held[name]).name
                before, self.paths[name] = self.paths.get(name), path
                del self.held[name]
                if before not in (None, path):
                    (self.folder / before).unlink(missing_ok=True)
            self.flushed = time.monotonic()

    def drop(self, start: str) -> None:
        """Forget all names that begin so; what is newer is on disk before."""
        super().drop(start)
        gone = [name for name in self.paths if name.startswith(start)]
        if gone:
            self.flush()  # what was made of it
        for name in gone:
            self._forget(name)

    def names(self, start: str) -> list[str]:
        """The names that begin so, in memory or on disk, in order."""
        return sorted({name for name in (*self.held, *self.paths) if name.startswith(start)})

    def due(self, since: float, cost: float) -> bool:
        """Whether it is time to keep more: keeping may take one part in twenty of the time.

        `since`: when something was kept last, `cost`: the seconds that this took.
        """
        return time.monotonic() - since >= max(PATIENCE, 20 * cost)

    def finish(self, write: Callable[[Path], None]) -> None:
        """Let `write(path)` make the output, which gets its name; the folder is then removed.

        Killed in between, a command that resumes may write it again.
        """
        made = self.folder / OUTPUT
        write(made)
        if self.out.exists() and not self.overwrite:
            raise EvsimError("exists already (`overwrite` replaces it)", file=str(self.out))
        with self._writing():
            shards.flush(made)
            self._say(finished=True)
            made.replace(self.out)
            shards.flush_names(self.out.parent)
            self.finished = True
            self._remove()

    def _forget(self, name: str) -> None:
        (self.folder / self.paths.pop(name)).unlink(missing_ok=True)

    def _check_target(self, was_there: bool) -> None:
        """Raise an error unless the output may be made; whether a folder was `found`."""
        known = self._known()
        if self.resume and known and known.get("finished"):
            self.overwrite = True
        if self.out.exists() and not self.overwrite:
            raise EvsimError("exists already (`overwrite` replaces it)", file=str(self.out))
        if self.folder.exists() and not self.folder.is_dir():
            raise mismatch("a file", "a folder, or nothing").within(file=str(self.folder))
        if self.resume and not was_there:
            raise EvsimError("no such folder, expected a part to resume", file=str(self.folder))
        if known is not None and not (self.overwrite or self.resume):
            problem = "exists already (`resume` goes on with it, `overwrite` replaces it)"
            raise EvsimError(problem, file=str(self.folder))

    def _known(self) -> dict | None:
        """What the folder says of itself; None where it was only just made."""
        try:
            settings = json.loads((self.folder / SETTINGS).read_text("utf-8"))
            if isinstance(settings, dict):
                return settings
        except (FileNotFoundError, NotADirectoryError):
            if not list(shards.listed(self.folder)):
                return None
        except (ValueError, OSError):
            pass
        expected = f"the settings of a command (`overwrite` begins again, if {SETTINGS} is removed)"
        raise mismatch(f"a damaged {SETTINGS}, or none", expected).within(file=str(self.folder))

    def _open(self) -> None:
        self.folder.mkdir(exist_ok=True)
        known = self._known()
        if self.resume and known is not None:
            self._compare(known)
            self.paths = {name: path.name for name, path in shards.listed(self.folder)}
            self._clean()
        else:
            self._remove(whole=False)
            self._say()

    def _compare(self, known: dict) -> None:
        """Raise an error unless the folder is of the same command."""
        for name, value in self.settings.items():
            if known.get(name) != value and not name.endswith("_path"):
                expected = f"{value!r}, as this command has (`overwrite` begins again)"
                error = mismatch(repr(known.get(name)), expected, name)
                raise error.within(file=str(self.folder))

    def _say(self, **more) -> None:
        content = json.dumps(self.settings | more, indent=1).encode()
        shards.write_whole(self.folder / SETTINGS, content)

    def _remove(self, whole: bool = True) -> None:
        """Remove what is ours in the folder: the settings last, then, if `whole`, itself."""
        for _, path in shards.listed(self.folder):
            path.unlink(missing_ok=True)
        self._clean()
        (self.folder / SETTINGS).unlink(missing_ok=True)
        if whole:
            with contextlib.suppress(OSError):  # a lock, or what is not ours
                self.folder.rmdir()

    def _clean(self) -> None:
        """Remove what was not written to its end."""
        for unfinished in (f"*{shards.TEMPORARY}", f"{OUTPUT}*"):
            for path in self.folder.glob(unfinished):
                if not path.name.startswith("lock."):
                    path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writing(self):
        try:
            yield
        except OSError as error:
            raise self._refused("written", error) from None

    def _refused(self, what: str, error: OSError) -> EvsimError:
        reason = error.strerror or str(error)
        return EvsimError(f"cannot be {what}: {reason}", file=str(self.folder))
