"""What comes with evsim beside its code: small networks, definitions of networks, small data."""

from pathlib import Path


def shipped(folder: str) -> Path:
    """A folder that comes with evsim: in the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parents[1]
    return here / folder if (here / folder).is_dir() else here.parent / folder
