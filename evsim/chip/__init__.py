"""Chips: what they are, whether a network fits, what a run costs there."""
