r"""The law of the sample covariance S = X X^T/n, direction by direction of Sigma (Marchenko and Pastur; Silverstein).

With u in the upper half-plane, z(u) = u + (1/psi_n) int rho_Sigma(dlam) lam u/(u - lam), the eigenvectors of S weigh a
direction of variance lam by the measure

    Omega_lam(dx) = Im[-lam/(u - lam)]/(pi x) dx,     x = z(u) real

(derivations (D14.1)-(D14.3)). On the curve Im z = 0 every u = xi + i eta has (1/psi_n) int rho lam^2/|u - lam|^2 = 1,
whose left side falls in eta: xi parametrises each bulk, x grows with xi, and nothing is solved but one monotone
equation. For Sigma = sigma_x^2 I the curve is a circle. If psi_n < 1, and in directions without variance, Omega has an
atom at x = 0.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize

from rfscore.errors import SolveError

Array = np.ndarray
_COUNTS = (129, 257, 513, 1025, 2049)  # nodes a bulk, tried in turn
_WANTED, _REFUSED = 1e-12, 1e-8
_BISECTIONS = 60


class SampleLaw(NamedTuple):
    """int f(x) Omega_l(dx) = atom_l f(0) + sum_k weights_lk f(x_k) for the directions l of Sigma.

    Attributes:
        x: nodes, ascending, > 0.
        weights: of each direction at each node.
        atom: mass of each direction at x = 0.
        edges: ends of the bulks.
        direction: weights w_l of the directions in Tr/d.
    """

    x: Float[Array, " K"]
    weights: Float[Array, "L K"]
    atom: Float[Array, " L"]
    edges: Float[Array, "B 2"]
    direction: Float[Array, " L"]

    def mean(self, values: Float[Array, "*T K"], at_zero: Float[Array, "*T"], of: Array | None = None) -> Array:
        """int f (1/d) Tr[A Omega(dx)] for A = diag(of) in Sigma's basis; the identity without."""
        share = self.direction if of is None else self.direction * of
        return np.asarray(values @ (share @ self.weights) + at_zero * (share @ self.atom))

    def by_direction(self, values: Float[Array, "*T K"], at_zero: Float[Array, "*T"]) -> Float[Array, "*T L"]:
        """int f Omega_l for every direction."""
        return values @ self.weights.T + at_zero[..., None] * self.atom


def sample_law(psi_n: float, nodes: Float[Array, " L"], direction: Float[Array, " L"]) -> SampleLaw:
    """Omega as a quadrature, its masses and first moments verified.

    Args:
        psi_n: samples per dimension.
        nodes: eigenvalues of Sigma, >= 0.
        direction: their weights, which sum to 1.

    Raises:
        SolveError: the masses or means of a direction are off by more than 1e-8.

    Accuracy: 1e-12 of the masses for discrete spectra.
    """
    nodes, direction = np.asarray(nodes, dtype=float), np.asarray(direction, dtype=float)
    bulks = _bulks(psi_n, nodes, direction)
    atom = _atom(psi_n, nodes, direction)
    parts = [_on_bulk(psi_n, nodes, direction, low, high) for low, high in bulks]
    x, weights = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts], axis=1)
    error = abs(weights.sum(1) + atom - 1.0).max(), abs(weights @ x - nodes).max() / nodes.max()
    worst = max(error)
    if not worst < _REFUSED:
        raise SolveError(f"law of the sample covariance: the mass of a direction of Sigma is off by {worst:.1e}; use "
                         "fewer, explicit eigenvalues (Atoms)")  # fmt: skip
    edges = np.array([_height(psi_n, nodes, direction, np.asarray(bulk) + 0j).real for bulk in bulks])
    return SampleLaw(x, weights, atom, np.maximum(edges, 0.0), direction)


def _height(psi_n: float, nodes: Array, direction: Array, u: Array) -> Array:
    """z(u)."""
    share = direction * nodes / psi_n
    return u * (1.0 + (share / (u[..., None] - nodes)).sum(-1))


def _bulks(psi_n: float, nodes: Array, direction: Array) -> list[tuple[float, float]]:
    """Intervals of xi over which the curve is above the real axis."""
    poles, share = np.unique(nodes[nodes > 0]), direction * nodes**2 / psi_n

    def excess(xi: float) -> float:
        return float((share / (xi - nodes) ** 2).sum()) - 1.0

    reach = 1.01 * poles[-1] / np.sqrt(psi_n)
    ends = [optimize.brentq(excess, poles[0] - reach, np.nextafter(poles[0], -np.inf), xtol=1e-300, rtol=1e-15)]
    for a, b in pairwise(poles):
        lowest = optimize.minimize_scalar(excess, bounds=(a, b), method="bounded", options={"xatol": 1e-12 * b}).x
        if excess(lowest) < 0:
            ends += [optimize.brentq(excess, np.nextafter(a, b), lowest, xtol=1e-300, rtol=1e-15),
                     optimize.brentq(excess, lowest, np.nextafter(b, a), xtol=1e-300, rtol=1e-15)]  # fmt: skip
    ends.append(optimize.brentq(excess, np.nextafter(poles[-1], np.inf), poles[-1] + reach, xtol=1e-300, rtol=1e-15))
    return list(zip(ends[::2], ends[1::2], strict=True))


def _on_bulk(
    psi_n: float, nodes: Array, direction: Array, low: float, high: float
) -> tuple[Float[Array, " K"], Float[Array, "L K"]]:
    """Nodes x of one bulk, and what Omega weighs there, as many as its mass needs."""
    before = np.inf
    for count in _COUNTS:
        x, weights = _rule(psi_n, nodes, direction, low, high, count)
        mass = float(direction @ weights.sum(1))
        if abs(mass - before) <= _WANTED:
            break
        before = mass
    return x, weights


def _rule(
    psi_n: float, nodes: Array, direction: Array, low: float, high: float, count: int
) -> tuple[Float[Array, " K"], Float[Array, "L K"]]:
    """Tanh-sinh in xi: square roots at the ends cost nothing."""
    step = np.linspace(-3.4, 3.4, count)
    phase = np.pi * np.sinh(step)
    left, right = 1.0 / (1.0 + np.exp(-phase)), 1.0 / (1.0 + np.exp(phase))
    # From the nearer end: there the curve starts as a square root, and differences of O(1) numbers would hide it.
    end, far = np.where(step < 0, low, high), (high - low) * np.where(step < 0, left, -right)
    xi = end + far
    measure = (high - low) * (step[1] - step[0]) * np.pi * np.cosh(step) * left * right
    eta = _curve(psi_n, nodes, direction, end, far)
    x = abs(_height(psi_n, nodes, direction, xi + 1j * eta))
    inside = (eta > 0) & (x > 0)
    xi, eta, x, measure = xi[inside], eta[inside], x[inside], measure[inside]
    away = xi[:, None] - nodes
    apart = away**2 + eta[:, None] ** 2
    # dx/dxi = |z'|^2/Re z'; where the spread is 1, Re z' = 2 eta^2 A and Im z' = 2 eta B.
    curvature = direction * nodes**2 / psi_n / apart**2
    first, second = curvature.sum(-1), (curvature * away).sum(-1)
    rise = 2.0 * (eta**2 * first + second**2 / first)
    return x, (nodes / apart).T * (eta * rise * measure / (np.pi * x))


def _curve(
    psi_n: float, nodes: Array, direction: Array, end: Float[Array, " K"], far: Float[Array, " K"]
) -> Float[Array, " K"]:
    """eta at xi = end + far, where eta(end) = 0: Newton steps for eta^2, in a bracket.

    The spread at xi less that at the end, sum s [1/((xi - lam)^2 + eta^2) - 1/(end - lam)^2] = 0, is written without
    the difference.
    """
    away = end[:, None] - nodes
    share = direction * nodes**2 / psi_n / away**2
    move = far[:, None] * (2.0 * away + far[:, None])
    low, high = np.zeros_like(far), np.full_like(far, nodes.max() ** 2 / psi_n)  # a term is at most lam^2/eta^2
    square = 0.5 * high
    for _ in range(_BISECTIONS):
        apart = away**2 + move + square[:, None]
        value, rate = -(share * (move + square[:, None]) / apart).sum(-1), (share * away**2 / apart**2).sum(-1)
        low, high = np.where(value > 0, square, low), np.where(value > 0, high, square)
        newton = square + value * (1.0 + value) / rate  # of 1/spread, which is close to linear in eta^2
        new = np.where((newton > low) & (newton < high), newton, np.sqrt(np.maximum(low, 1e-18 * high) * high))
        if np.all(abs(new - square) <= 1e-15 * new):
            break
        square = new
    return np.sqrt(square)


def _atom(psi_n: float, nodes: Array, direction: Array) -> Float[Array, " L"]:
    """Mass of each direction at x = 0: u/(u - lam) at the u < 0 with z(u) = 0."""
    share, variance = direction[nodes > 0], nodes[nodes > 0]
    if psi_n >= share.sum():
        return np.where(nodes > 0, 0.0, 1.0)

    def excess(size: float) -> float:
        return float((share * variance / (variance + size)).sum()) / psi_n - 1.0

    size = optimize.brentq(excess, 0.0, 2.0 * nodes.max() / psi_n, xtol=1e-300, rtol=1e-15)
    return size / (size + nodes)
