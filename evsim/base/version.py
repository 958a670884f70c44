"""The version of evsim."""

__version__ = "0.1.0"
