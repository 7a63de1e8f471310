"""Zeros and maxima inside brackets, for many brackets at once and to roundoff. NumPy on the host."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_CUTS = 32  # parts into which a bracket is cut at a time


def roots(f: Callable[[np.ndarray, np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """A zero of f(i, .) between low[i] and high[i], for all brackets i at once, to roundoff."""
    which = np.arange(low.size)
    for _ in range(11):
        x = np.linspace(low, high, _CUTS + 1, axis=-1)
        positive = f(np.repeat(which, _CUTS + 1), x.ravel()).reshape(x.shape) > 0
        at = (positive[:, 1:] != positive[:, :1]).argmax(axis=1)
        low, high = x[which, at], x[which, at + 1]
    return 0.5 * (low + high)


def peaks(
    f: Callable[[np.ndarray, np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where f(i, .) is largest between low[i] and high[i], and its value there, for all brackets i at once."""
    which = np.arange(low.size)
    best, top = low, np.full(low.size, -np.inf)
    for _ in range(11):
        x = np.linspace(low, high, _CUTS + 1, axis=-1)
        value = np.nan_to_num(f(np.repeat(which, _CUTS + 1), x.ravel()), nan=-np.inf).reshape(x.shape)
        at = np.clip(value.argmax(axis=1), 1, _CUTS - 1)
        better = value.max(axis=1) > top
        best, top = np.where(better, x[which, value.argmax(axis=1)], best), np.maximum(value.max(axis=1), top)
        low, high = x[which, at - 1], x[which, at + 1]
    return best, top
