"""The version of evsim."""

__version__ = "0.2.0"
