"""Is an accuracy that of guessing?"""

from __future__ import annotations

from math import sqrt

FEWEST = 30  # labelled samples, of which that can be said
ERRORS = 2  # standard errors


def is_near_chance(correct: int, samples: int, classes: int) -> bool:
    """Whether so many correct decisions lie no more than two standard errors above guessing.

    The standard error is that of guessing one of `classes` alike, sqrt(p (1 - p) / samples) with
    p = 1 / classes. Of fewer than 30 samples, or of one class, nothing is said.
    """
    if samples < FEWEST or classes < 2:
        return False
    guessed = 1 / classes
    most = guessed + ERRORS * sqrt(guessed * (1 - guessed) / samples)
    return correct <= most * samples
