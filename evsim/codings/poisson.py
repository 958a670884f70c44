"""Poisson (Bernoulli) spikes: sign(x) where u < min(|x|, 1); a draw per neuron and timestep."""

import numpy as np

from evsim.base.kernel import kernel

GRADED, REPEATS, DRAWS = False, False, 1
IN_WINDOW, FACTS = False, {}
BLOCK = 1 << 20  # draws whose results are held before they are listed


def signed(values):
    """Whether any event may be -1, as a value is below 0."""
    return bool((values < 0).any())


def encode(values, first, steps, key, stream):
    """Append the events of `steps` timesteps from `first` on to a stream.

    `values` (neurons,) are the scaled inputs, `key` says which random numbers are drawn.
    """
    # u = n / 2^32 < p for the same whole numbers n as n < ceil(2^32 p), which is exact.
    limits = np.ceil(np.minimum(np.abs(values), 1).astype(np.float64) * 2**32).astype(np.uint64)
    seed, block = (key.seed & 0xFFFFFFFF, key.seed >> 32), max(1, BLOCK // limits.size)
    for begin in range(first, first + steps, block):
        count = min(block, first + steps - begin)
        fired = stream.room_for_marks(count)
        draw(limits, np.array([*seed, begin, key.sample, key.population], np.uint32), fired)
        start = stream.count
        stream.commit_marks(count)
        if stream.values is not None:
            _, neurons, _ = stream.events(begin, begin + count)
            stream.values[start : stream.count] = np.sign(values)[neurons]


@kernel
def draw(limits, words, fired):
    """Set fired[t, n] to whether a whole number below 2^32 is below limits[n], else to 0.

    `words`: seed (low, high), first timestep, sample, population. Philox4x32-10 (Salmon et al.
    2011) with counter (neuron, timestep, sample, population); the number is its first word.
    """
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    for t in range(fired.shape[0]):
        timestep = (np.uint64(words[2]) + np.uint64(t)) & low
        row = fired[t]
        for n in range(row.shape[0]):
            c0, c1 = np.uint64(n) & low, timestep
            c2, c3 = np.uint64(words[3]), np.uint64(words[4])
            k0, k1 = np.uint64(words[0]), np.uint64(words[1])
            for _ in range(10):
                left = np.uint64(0xD2511F53) * c0
                right = np.uint64(0xCD9E8D57) * c2
                c0 = (right >> half) ^ c1 ^ k0
                c1 = right & low
                c2 = (left >> half) ^ c3 ^ k1
                c3 = left & low
                k0 = (k0 + np.uint64(0x9E3779B9)) & low
                k1 = (k1 + np.uint64(0xBB67AE85)) & low
            row[n] = c0 < limits[n]
