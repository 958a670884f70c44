"""evsim warm"""

from __future__ import annotations

import time

from evsim.job import announced_compilation
from evsim.kernels import UNKEPT


def warm() -> None:
    """Compile and cache the kernels, so that no later run waits for them."""
    from evsim.warm import warm_up

    begin = time.perf_counter()
    with announced_compilation(False) as announcer:
        warm_up()
    seconds = time.perf_counter() - begin
    kept = "" if UNKEPT else " and cached"
    print(f"{announcer.said} kernels compiled{kept} in {seconds:.1f} s")
