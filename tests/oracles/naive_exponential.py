"""exp as evsim/base/exponential.py defines it, slowly: one operation of Python at a time."""

import math

PER_LN2 = float.fromhex("0x1.71547652b82fep+0")
LN2 = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")


def power(x: float) -> float:
    """exp(x) within 1 unit in the last place."""
    if math.isnan(x):
        return x
    x = min(max(x, -746.0), 710.0)
    k = round(x * PER_LN2)
    high, low = x - k * LN2[0], k * LN2[1]
    r = high - low
    q = 1 / math.factorial(13)
    for n in range(12, 1, -1):
        q = q * r + 1 / math.factorial(n)
    y = 1.0 + (high + (r * r * q - low))
    return y * 2.0 ** (k // 2) * 2.0 ** (k - k // 2)
