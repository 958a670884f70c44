"""How much the tests do.

The examples of the usual run never change: a third of them. Runs with a seed of their own draw
all.
EVSIM_QUICK=1 draws a few only, for runs without compiling.
"""

import os

from hypothesis import settings

QUICK = os.environ.get("EVSIM_QUICK", "") not in ("", "0")


def examples(number: int) -> settings:
    """Draw so many examples, or a share of them."""
    if QUICK:
        return settings(max_examples=max(3, number // 20))
    return settings(max_examples=number // 3 if settings.default.derandomize else number)
