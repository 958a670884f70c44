"""Kill workers of a cluster while it runs: `python tests/kills/workers.py [samples] [seed]`."""

import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.files import content, network
from support.loopback import Loopback, data, kill

from evsim.cli.main import run_command
from evsim.cluster import slices

RUN = "run n.h5 d.h5 -T 16 --coding poisson --record spikes --quiet --overwrite"
DELAY = 0.02  # seconds that a worker waits after a sample, so that there is time to kill it


def killed(loopback: Loopback, chance: random.Random, done: threading.Event) -> int:
    """Kill one worker after the other and add others, until a run is done; returns how many."""
    count, living = 0, [loopback.add(delay=DELAY) for _ in range(3)]
    while not done.wait(2 + chance.expovariate(0.5)):
        kill(living.pop(chance.randrange(len(living))))
        living.append(loopback.add(delay=DELAY))
        count += 1
    return count


def main() -> None:
    samples, seed = (int(text) for text in (sys.argv[1:] + ["2000", "0"][len(sys.argv) - 1 :]))
    slices.SECONDS, found = 1.0, []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        network("n.h5")
        data("d.h5", samples)
        assert run_command(f"{RUN} --jobs 1 --out one.h5".split()) == 0
        loopback, done = Loopback(Path(folder)), threading.Event()
        thread = threading.Thread(
            target=lambda: found.append(killed(loopback, random.Random(seed), done))
        )
        begin = time.monotonic()
        try:
            thread.start()
            status = run_command(f"{RUN} --cluster {loopback.file} --out r.h5".split())
            done.set()
            thread.join()
        finally:
            loopback.close()
        seconds = time.monotonic() - begin
        equal = status == 0 and content("r.h5") == content("one.h5")
    print(f"{samples:,} samples on 3 workers, {found[0]} killed and replaced in {seconds:.0f} s")
    print("the result is that of one thread, bit for bit" if equal else f"NOT EQUAL ({status})")
    sys.exit(not equal)


if __name__ == "__main__":
    main()
