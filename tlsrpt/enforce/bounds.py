"""How large a rate may be, and how large it is at least, given what was counted (Clopper and Pearson 1934)."""

from __future__ import annotations

import math
from collections.abc import Callable

_MOST = 10_000_000  # sessions that are told apart; more of them with the same share bound no worse
_TINY = 1e-300


def upper(k: float, n: float, alpha: float) -> float:
    """Return the one-sided upper bound of a rate: the smallest p with P(X <= k | n, p) <= alpha.

    `k` failures were seen in `n` sessions; 1.0 without any session. For k = 0 that is 1 - alpha^(1/n), about
    3/n at alpha 0.05.
    """
    k, n = _scaled(k, n)
    if k >= n:
        return 1.0
    # P(X <= k | n, p) is the regularised incomplete beta function at 1 - p, which falls as p rises.
    return _bisected(lambda p: _beta(n - k, k + 1, 1 - p) <= alpha)


def lower(k: float, n: float, alpha: float) -> float:
    """Return the one-sided lower bound of a rate: the largest p with P(X >= k | n, p) <= alpha, 0 for k = 0."""
    k, n = _scaled(k, n)
    if k <= 0:
        return 0.0
    return _bisected(lambda p: _beta(k, n - k + 1, p) > alpha)


def _scaled(k: float, n: float) -> tuple[float, float]:
    k = min(k, n)
    return (k * _MOST / n, float(_MOST)) if n > _MOST else (k, n)


def _bisected(reached: Callable[[float], bool]) -> float:
    """Return the smallest p between 0 and 1 from which on something is reached."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if reached(middle):
            high = middle
        else:
            low = middle
    return high


def _beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), by its continued fraction."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    whole = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(whole + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of I_x(a, b), evaluated from its front (Lentz 1976)."""
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d or _TINY)
    found = d
    for m in range(1, 20_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + term * d) or _TINY)
            c = (1 + term / c) or _TINY
            found *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return found
