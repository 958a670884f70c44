"""evsim warm"""

from __future__ import annotations

import time

from evsim.base.kernel import UNKEPT
from evsim.base.screen import tell, waiting
from evsim.cli import options as options
from evsim.studies.job import announced_compilation

EXAMPLES = ("evsim warm",)


def warm(quiet: options.Quiet = False) -> None:
    """Compile and cache the kernels, so that no later run waits for them."""
    from evsim.engine.warm import warm_up

    begin = time.perf_counter()
    with waiting("loading kernels"), announced_compilation(quiet) as announcer:
        warm_up(announcer.hear)
    if not quiet:
        seconds = time.perf_counter() - begin
        kept = "" if UNKEPT else " and cached"
        tell(f"{announcer.said} kernels compiled{kept} in {seconds:.1f} s")
