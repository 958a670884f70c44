"""Reading TOML files that anybody wrote: every mistake becomes one line."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

from evsim.base.errors import EvsimError, mismatch

LARGEST = 1 << 20  # bytes; the largest that is shipped has 10 kB


def read_toml(path: Path, expected: str) -> dict:
    """The content of a TOML file; raises EvsimError without the file's name.

    `expected`: what should be in it, for the error of a file that is none.
    """
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            raise mismatch("no regular file", expected)
        if about.st_size > LARGEST:
            raise mismatch(f"a file of {about.st_size:,} bytes", f"TOML of at most {LARGEST:,}")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EvsimError(f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # numbers of too many digits are ValueErrors
        raise mismatch(f"no TOML ({' '.join(str(error).split())[:200]})", expected) from None
