"""How much the tests do: EVSIM_QUICK=1 draws a few examples only, for runs without compiling."""

import os

from hypothesis import settings

QUICK = os.environ.get("EVSIM_QUICK", "") not in ("", "0")


def examples(number: int) -> settings:
    """Draw so many examples, or a few of them."""
    return settings(max_examples=max(3, number // 20) if QUICK else number)
