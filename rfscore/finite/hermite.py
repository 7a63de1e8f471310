r"""Hermite coefficients c_k(h, s) = E[sigma(h + s z) he_k(z)], z ~ N(0, 1), he_k orthonormal: the 1-D quadratures.

A smooth sigma is integrated by the trapezoidal rule on the line (exponentially convergent; the nodes, hence the table
of he_k, are shared by all (h, s)). One with kinks by Gauss-Legendre panels: shared panels away from a kink, and the
panel that holds it cut there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Array = np.ndarray
_POINTS = 16  # Gauss-Legendre points per panel
_LEVELS = 14  # refinements by sqrt(2): trapezoidal steps down to 0.006, panels down to 0.02
MAX_ORDER = 128


def gauss_density(z: Array) -> Array:
    """Standard normal density."""
    return np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)


@functools.lru_cache(maxsize=64)
def reach(order: int, ratio: float) -> float:
    """|z| beyond which ratio^k |he_k(z)| phi(z) < 1e-18 for all k <= order."""
    z = np.linspace(0.0, 40.0, 321)
    table = _weighted_hermite(z, gauss_density(z), order)
    largest = np.max(np.abs(table) * ratio ** np.arange(order + 1)[:, None], axis=0)
    return float(z[np.flatnonzero(largest > 1e-18)[-1]] + 0.125)


def _weighted_hermite(z: Array, weights: Array, order: int) -> Array:
    """he_k(z) weights, k = 0..order; starting from the weights keeps every intermediate bounded."""
    table = np.empty((order + 1, z.size))
    table[0] = weights
    table[1] = z * weights
    for k in range(2, order + 1):
        table[k] = (z * table[k - 1] - np.sqrt(k - 1.0) * table[k - 2]) / np.sqrt(k)
    return table


@functools.lru_cache(maxsize=64)
def trapezoid(level: int, half_width: float) -> tuple[Array, Array]:
    """Nodes and Gaussian weights of the trapezoidal rule with step 0.8 * 2^(-level/2)."""
    half = int(np.ceil(half_width / (0.8 * 2.0 ** (-0.5 * level))))
    z = np.linspace(-half_width, half_width, 2 * half + 1)
    return z, (z[1] - z[0]) * gauss_density(z)


@functools.lru_cache(maxsize=64)
def base_panels(level: int, half_width: float) -> Array:
    """Edges of the shared panels, of width 3 * 2^(-level/2)."""
    count = int(np.ceil(2.0 * half_width / (3.0 * 2.0 ** (-0.5 * level))))
    return np.linspace(-half_width, half_width, count + 1)


def gauss_legendre(low: Array, high: Array) -> tuple[Array, Array]:
    """Nodes and Gaussian weights on [low, high], appended as a last axis."""
    x, w = np.polynomial.legendre.leggauss(_POINTS)
    half = 0.5 * (high - low)[..., None]
    z = low[..., None] + half * (x + 1.0)
    return z, half * w * gauss_density(z)


@functools.lru_cache(maxsize=16)
def _shared_rule(kinked: bool, order: int, level: int, half_width: float) -> tuple[Array, Array, Array]:
    """Nodes, Gaussian weights and the table of weighted he_k that all points share."""
    if kinked:
        edges = base_panels(level, half_width)
        z, w = (x.ravel() for x in gauss_legendre(edges[:-1], edges[1:]))
    else:
        z, w = trapezoid(level, half_width)
    return z, w, _weighted_hermite(z, w, order)


@dataclass(frozen=True)
class HermiteRule:
    """One quadrature for c_0 ... c_order and E sigma(h + s z)^2, at any number of points (h, s)."""

    sigma: Callable[[Array], Array]
    kinks: tuple[float, ...]
    order: int
    level: int
    half_width: float

    @property
    def _shared(self) -> tuple[Array, Array, Array]:
        return _shared_rule(bool(self.kinks), self.order, self.level, self.half_width)

    @property
    def nodes(self) -> int:
        """Evaluations of sigma per point."""
        return self._shared[0].size + 2 * _POINTS * len(self.kinks)

    def __call__(self, h: Float[Array, " m"], s: Float[Array, " m"]) -> tuple[Array, Array]:
        """(c_0 ... c_order) of shape (order + 1, m), and E sigma^2 of shape (m,)."""
        z, w, table = self._shared
        arguments = s[:, None] * z
        arguments += h[:, None]
        values = self.sigma(arguments)
        if not self.kinks:
            coefficients = table @ values.T
            np.square(values, out=values)
            return coefficients, values @ w
        where, low, high = self._cut(h, s)
        by_panel = values.reshape(h.size, -1, _POINTS)
        for column in where.T:
            inside = np.flatnonzero(column >= 0)
            by_panel[inside, column[inside]] = 0.0
        coefficients, second = table @ values.T, (values * values) @ w
        return self._add_cut_panels(h, s, low, high, coefficients, second)

    def _cut(self, h: Array, s: Array) -> tuple[Array, Array, Array]:
        """For each point and kink: the shared panel it cuts (-1: none), and the sub-panels (m, 2 kinks)."""
        edges = base_panels(self.level, self.half_width)
        at = kink_positions(self.kinks, h, s, self.half_width)
        inside = np.abs(at) < self.half_width
        panel = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, edges.size - 2)
        before = np.concatenate([np.full((h.size, 1), -np.inf), at[:, :-1]], axis=1)
        after = np.concatenate([at[:, 1:], np.full((h.size, 1), np.inf)], axis=1)
        left = np.maximum(edges[panel], before)
        right = np.where(after > edges[panel + 1], edges[panel + 1], at)  # the next kink's own left part covers it
        low = np.concatenate([left, at], axis=1)
        high = np.concatenate([at, right], axis=1)
        high = np.where(np.concatenate([inside, inside], axis=1), high, low)
        return np.where(inside, panel, -1), low, high

    def _add_cut_panels(
        self, h: Array, s: Array, low: Array, high: Array, coefficients: Array, second: Array
    ) -> tuple[Array, Array]:
        z, w = (x.reshape(h.size, -1) for x in gauss_legendre(low, high))
        values = self.sigma(h[:, None] + s[:, None] * z)
        second += np.einsum("mj,mj,mj->m", values, values, w)
        previous, current = np.zeros_like(z), values * w
        for k in range(self.order + 1):
            coefficients[k] += current.sum(axis=1)
            previous, current = current, (z * current - np.sqrt(k) * previous) / np.sqrt(k + 1.0)
        return coefficients, second


def kink_positions(kinks: tuple[float, ...], h: Array, s: Array, half_width: float) -> Array:
    """z of each kink, (kink - h)/s ascending in a last axis, clipped to the range; s = 0 has none inside it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (np.sort(np.asarray(kinks)) - h[..., None]) / s[..., None]
    return np.clip(np.nan_to_num(at, nan=half_width), -half_width, half_width)


def choose_rule(
    sigma: Callable[[Array], Array],
    kinks: tuple[float, ...],
    h: Float[Array, "rows samples"],
    s: Float[Array, " rows"],
    ratio: float,
    tolerance: float,
) -> tuple[HermiteRule, float]:
    """The cheapest rule that sums the Mehler series to `tolerance` on the probe points (h, s).

    Args:
        sigma: centred activation.
        kinks: its kinks.
        h: probe offsets, a few samples of a few features.
        s: their noise scales.
        ratio: largest |C_ij|, i != j, so that order k enters U with weight ratio^k.
        tolerance: wanted error of U's entries.

    Returns:
        The rule and its measured quadrature error on the probe (rule against the one of half its step).
    """
    flat_h, flat_s = h.ravel(), np.repeat(s, h.shape[1])
    order = _choose_order(sigma, kinks, h, s, ratio, tolerance)
    half_width = reach(order, ratio)
    results: dict[int, tuple[Array, Array]] = {}

    def result(level: int) -> tuple[Array, Array]:
        if level not in results:
            results[level] = HermiteRule(sigma, kinks, order, level, half_width)(flat_h, flat_s)
        return results[level]

    powers = ratio ** np.arange(order + 1)
    for level in range(_LEVELS + 1):
        (coarse, coarse_square), (fine, fine_square) = result(level), result(level + 2)
        change = np.max(np.abs(coarse - fine), axis=1) * np.max(np.abs(fine), axis=1)
        error = max(2.0 * float(powers @ change), float(np.max(np.abs(coarse_square - fine_square))))
        if error < tolerance:
            break
    return HermiteRule(sigma, kinks, order, level, half_width), error


def _choose_order(
    sigma: Callable[[Array], Array], kinks: tuple[float, ...], h: Array, s: Array, ratio: float, tolerance: float
) -> int:
    """Smallest order whose tail bound ratio^(order+1) max_i R_i(order) is well below the tolerance."""
    fine = HermiteRule(sigma, kinks, MAX_ORDER, 8, reach(MAX_ORDER, 1.0))
    coefficients, second = fine(h.ravel(), np.repeat(s, h.shape[1]))
    energy = np.cumsum((coefficients**2).reshape(MAX_ORDER + 1, *h.shape).mean(axis=2), axis=0)
    rest = np.maximum(second.reshape(h.shape).mean(axis=1) - energy, 0.0).max(axis=1)
    bound = ratio ** np.arange(1, MAX_ORDER + 2) * rest
    enough = np.flatnonzero(bound <= 0.03 * tolerance)
    return max(2, int(enough[0])) if enough.size else MAX_ORDER
