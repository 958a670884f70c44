"""Binary stochastic activations."""

from __future__ import annotations

from dataclasses import dataclass

from evsim.layers import Layer, Shape
from evsim.parts import choice, flag


@dataclass(frozen=True, eq=False, kw_only=True)
class Stochastic(Layer):
    """y = 1 with probability p(x), else 0 (unipolar) or -1 (bipolar).

    sigmoid: p = 1 / (1 + exp(-x)); hardtanh: p = (clip(x, -1, 1) + 1) / 2; both in float64. Not
    `sampled`: 1 where p > 1/2. Source: the code of Roy, Chakraborty and Roy (2019).
    """

    probability: str = choice("sigmoid", "hardtanh")
    output: str = choice("unipolar", "bipolar")
    sampled: bool = flag(True)

    def shape(self, shape: Shape) -> Shape:
        return shape
