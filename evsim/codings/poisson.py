"""Poisson (Bernoulli) spikes: sign(x) where u < min(|x|, 1); a draw per neuron and timestep."""

import numpy as np

from evsim.base.kernel import kernel

GRADED, REPEATS, DRAWS = False, False, 1
IN_WINDOW, FACTS = False, {}


def signed(values):
    """Whether any event may be -1, as a value is below 0."""
    return bool((values < 0).any())


def encode(values, first, steps, key, stream):
    """Append the events of `steps` timesteps from `first` on to a stream.

    `values` (neurons,) are the scaled inputs, `key` says which random numbers are drawn.
    """
    channels, offsets, signs = stream.reserve(steps)
    signs = np.empty(0, values.dtype) if signs is None else signs
    words = [key.seed & 0xFFFFFFFF, key.seed >> 32, first, key.sample, key.population]
    grid = values.reshape(stream.positions, stream.width)
    stream.commit(steps, draw(grid, np.array(words, np.uint32), channels, signs, offsets))


@kernel
def draw(values, words, channels, signs, offsets):
    """Append sign(value) where a uniform number is below |value|; returns the events.

    `words`: seed (low, high), first timestep, sample, population. Philox4x32-10 (Salmon et al.
    2011) with counter (neuron, timestep, sample, population); u is its first word / 2^32.
    """
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    events, cell = 0, 0
    for t in range((offsets.shape[0] - 1) // values.shape[0]):
        for p in range(values.shape[0]):
            for c in range(values.shape[1]):
                c0 = np.uint64(p * values.shape[1] + c)
                c1 = (np.uint64(words[2]) + np.uint64(t)) & low
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
                value = values[p, c]
                if np.float64(c0) / 4294967296.0 < np.float64(min(abs(value), 1.0)):
                    channels[events] = c
                    if signs.shape[0] > 0:
                        signs[events] = 1.0 if value > 0 else -1.0
                    events += 1
            cell += 1
            offsets[cell] = offsets[0] + events
    return events
