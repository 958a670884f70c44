"""evsim warm"""

from __future__ import annotations

import time

from evsim.job import announced_compilation


def warm() -> None:
    """Compile and cache the kernels, so that no later run waits for them."""
    from evsim.warm import warm_up

    begin = time.perf_counter()
    with announced_compilation(False) as announcer:
        warm_up()
    seconds = time.perf_counter() - begin
    print(f"{announcer.said} kernels compiled and cached in {seconds:.1f} s")
