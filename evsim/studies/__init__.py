"""Questions that take a run or several."""
