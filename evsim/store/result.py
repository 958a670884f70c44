"""A result file on its way: its samples are kept until it can be made as a whole."""

from __future__ import annotations

from pathlib import Path

from evsim.base.errors import EvsimError
from evsim.formats import _hdf5 as hdf5
from evsim.formats.result import header_of, settings_of
from evsim.store import ABOUT, Store
from evsim.store.assemble import assemble


class ResultStore(Store):
    """A store in `<path>.part`, which `finish` makes a result file at `path`.

    `resume`: go on with what is there, which must be of the same run; `overwrite`: a result at
    `path` is replaced, and what an unfinished run left is dropped unless it is resumed.
    """

    again = "`resume` goes on with them"

    def __init__(self, path, run, paths: dict, say, labels=None, overwrite=False, resume=False):
        self.path, self.settings = Path(path), header_of(run, run.network, **paths)
        self.parts = {name: dict(part) for name, part in run.parts.items()}
        for name, part in run.network.populations.items():
            self.parts[name]["shape"] = list(part.shape)
        part = Path(f"{self.path}.part")
        self._check(part, overwrite, resume)
        about = self.settings | {"parts": self.parts}
        super().__init__(part, about, say, labels, fresh=not resume)
        if self.path.exists() and not overwrite and not resume:  # made in the meantime
            self.close()
            self._check(part, overwrite, resume)

    def _check(self, part: Path, overwrite: bool, resume: bool) -> None:
        """Raise an error where a file or a part is in the way, or none is there to resume."""
        path = self.path
        if path.is_dir() or not path.parent.is_dir():
            problem = "is a folder" if path.is_dir() else "cannot be written: no such folder"
            raise EvsimError(problem, file=str(path))
        if part.exists() and not part.is_dir():
            problem = "is of an older evsim or of something else, expected the folder of a part"
            raise EvsimError(problem, file=str(part))
        begun = (part / ABOUT).exists()
        if resume and not part.exists():
            raise EvsimError("no such folder, expected a part to resume", file=str(part))
        if path.exists() and not overwrite and not (resume and self._is_this(path)):
            raise EvsimError("exists already (`overwrite` replaces it)", file=str(path))
        if begun and not (overwrite or resume):
            problem = "exists already (`resume` goes on with it, `overwrite` replaces it)"
            raise EvsimError(problem, file=str(part))

    def _is_this(self, path: Path) -> bool:
        """Whether a file is the result of this very run: killed as it had just got its name."""
        try:
            stored = settings_of(path)
        except EvsimError:
            return False
        return all(
            stored.get(name) == value
            for name, value in self.settings.items()
            if not name.endswith("_path")
        )

    def finish(self) -> None:
        """Make the result file of all shards, then remove them and the folder."""
        self.flush()
        self.lock.check()
        labels, seconds = self.labels, self.seconds
        try:
            settings = {name: self.about[name] for name in self.settings}
            where = self.path, self.folder
            assemble(self.pieces, *where, settings, self.parts, labels, seconds)
        except (OSError, ValueError, KeyError) as error:
            raise self._unassembled(error) from None
        with self._writing():
            self.remove()

    def _unassembled(self, error: Exception) -> EvsimError:
        if isinstance(error, OSError) and error.errno:
            reason = hdf5.damaged(error).problem.replace("read", "written")
            kept = f"{reason}; the samples are in {self.folder}, `resume` goes on with them"
            return EvsimError(kept, file=str(self.path))
        return hdf5.damaged(error).within(file=str(self.folder))


def save(run, path, overwrite: bool = False, labels=None, paths: dict | None = None) -> None:
    """Write the result file of a run that is in memory; EvsimError where one is there already.

    `overwrite`: it is replaced. `labels`: of its samples, or None. `paths`: `data_path` and
    `data_sha256`, where the data are of a file.
    """
    store = ResultStore(path, run, paths or {}, lambda line: None, labels, overwrite)
    try:
        for sample in run.finished:
            store.append(sample)
        store.flush()
        store.seconds = run.seconds
        store.finish()
    except BaseException:
        store.waiting = []
        store.remove()
        raise
    finally:
        store.close()
