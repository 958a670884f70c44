"""Binary stochastic activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evsim.artificial.layers import Key, Layer, Shape
from evsim.base.errors import mismatch
from evsim.base.exponential import probability
from evsim.base.fields import choice, flag
from evsim.base.kernel import kernel


@dataclass(frozen=True, eq=False, kw_only=True)
class Stochastic(Layer):
    """y = 1 with probability p(x), else 0 (unipolar) or -1 (bipolar).

    sigmoid: p = 1 / (1 + exp(-x)); hardtanh: p = (clip(x, -1, 1) + 1) / 2; both in float64. Not
    `sampled`: 1 where p > 1/2, or with `compare` "ge" where x >= 0, the sign of binary networks.
    Source: the code of Roy, Chakraborty and Roy (2019).
    """

    probability: str = choice("sigmoid", "hardtanh")
    output: str = choice("unipolar", "bipolar")
    sampled: bool = flag(True)
    compare: str = choice("gt", "ge")

    def check(self) -> None:
        if self.sampled and self.compare == "ge":
            raise mismatch("'ge'", "'gt' where it draws", "compare")

    def shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, x: np.ndarray, key: Key | None = None) -> np.ndarray:
        if self.compare == "ge":
            y = (x >= 0).astype(np.float32)
            return y if self.output == "unipolar" else 2 * y - 1
        p = probability(x, self.probability)
        if self.sampled:
            u = np.empty((len(x), p[0].size))
            words = [key.seed & 0xFFFFFFFF, key.seed >> 32, key.repetition, key.layer]
            uniform(u, np.array(words, np.uint64), np.asarray(key.samples, np.uint64))
            fires = u.reshape(p.shape) < p
        else:
            fires = p > 0.5
        y = fires.astype(np.float32)
        return y if self.output == "unipolar" else 2 * y - 1


@kernel
def uniform(u, words, samples):
    """u[sample, neuron]: Philox4x32-10 (Salmon et al. 2011), its first word / 2^32.

    `words`: seed (low, high), repetition, layer; counter (neuron, repetition, sample, layer).
    """
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    for n in range(u.shape[0]):
        for neuron in range(u.shape[1]):
            c0, c1, c2, c3 = np.uint64(neuron), words[2], samples[n], words[3]
            k0, k1 = words[0], words[1]
            for _ in range(10):
                left = np.uint64(0xD2511F53) * c0
                right = np.uint64(0xCD9E8D57) * c2
                c0 = (right >> half) ^ c1 ^ k0
                c1 = right & low
                c2 = (left >> half) ^ c3 ^ k1
                c3 = left & low
                k0 = (k0 + np.uint64(0x9E3779B9)) & low
                k1 = (k1 + np.uint64(0xBB67AE85)) & low
            u[n, neuron] = np.float64(c0) / 4294967296.0
