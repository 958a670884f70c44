"""Count first, price later: facts of a run, and the actions a machine makes of them."""
