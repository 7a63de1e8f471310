r"""U and V with the noise integrated out exactly: Mehler's formula, one matrix product per Hermite order.

With h_i = e^{-t} w_i.x/sqrt d, s_i = sqrt(Delta_t) |w_i|/sqrt d, C_ij = w_i.w_j/(|w_i||w_j|) and
c_k(i, nu) = E_z[sigma(h_i + s_i z) he_k(z)] (he_k orthonormal),

    U_ij = (1/n) sum_nu sum_k C_ij^k c_k(i, nu) c_k(j, nu)  (i != j),     U_ii = (1/n) sum_nu E_z sigma(h_i + s_i z)^2,
    <phi_i xi> = (1/n) sum_nu c_1(i, nu) w_i/|w_i|,     <phi_i x> = (1/n) sum_nu c_0(i, nu) x_nu

(Bonnaire et al. 2025, Eq 11; other processes have signal(t) in place of e^{-t}, noise(t)^2 in place of Delta_t).
Averaged over Gaussian x as well, the same holds with h = 0 and the covariance W Sigma_t W^T/d in place of the noise's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import blas

from rfscore.finite.hermite import HermiteRule, choose_rule
from rfscore.finite.pairs import pair_moments

Array = np.ndarray
_TOLERANCE = 1e-13  # of the entries of U, relative to their largest
_EPS = np.finfo(np.float64).eps
_CHUNK = 2**15  # values of sigma held at once: they stay in cache


@dataclass(frozen=True)
class Offsets:
    """h_i(nu) = e^{-t} w_i.x^nu/sqrt d, computed block by block; without data h = 0 and there is one sample."""

    scaled_weights: Float[Array, "p d"]
    data: Float[Array, "n d"] | None

    @property
    def count(self) -> int:
        """Number of samples averaged over."""
        return 1 if self.data is None else self.data.shape[0]

    def __call__(self, rows: slice | Array, samples: slice | Array) -> Array:
        """The block (rows, samples)."""
        if self.data is None:
            return np.zeros((self.scaled_weights[rows].shape[0], 1))
        return self.scaled_weights[rows] @ self.data[samples].T


@dataclass(frozen=True)
class NoiseAverage:
    """E[phi phi^T], the slopes E[c_1] and, if wanted, E[phi x^T] of features, with a bound on the entries' error."""

    second_moment: Float[Array, "p p"]
    slope: Float[Array, " p"]
    error_bound: float
    cross: Float[Array, "p d"] | None


def correlation(covariance: Float[Array, "p p"]) -> tuple[Float[Array, "p p"], Float[Array, " p"]]:
    """Correlations (in place of the covariance, diagonal set to 0) and standard deviations; 0/0 counts as 0."""
    scale = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    covariance *= inverse[:, None]
    covariance *= inverse
    np.clip(covariance, -1.0, 1.0, out=covariance)
    np.fill_diagonal(covariance, 0.0)
    return covariance, scale


def noise_average(
    sigma: Callable[[Array], Array],
    kinks: tuple[float, ...],
    offsets: Offsets,
    covariance: Float[Array, "p p"],
    cross: bool = False,
) -> NoiseAverage:
    r"""E[phi phi^T] and E[c_1] for phi_i = sigma(h_i + g_i), g ~ N(0, covariance), averaged over the offsets h.

    Args:
        sigma: centred activation.
        kinks: where sigma or a derivative jumps.
        offsets: h_i(nu).
        covariance: of the Gaussian part; overwritten.
        cross: whether E[phi x^T] is wanted, x the data that the offsets come from.

    Returns:
        The averages and a bound on the error of the entries: the truncated tail, at most
        |C_ij|^(K+1) sqrt(R_i R_j) with R_i = E sigma^2 - sum_{k<=K} c_k^2, plus the measured quadrature error, plus
        rounding. Pairs whose tail would exceed 1e-13 are integrated in two dimensions instead.
    """
    c, scale = correlation(covariance)
    ratio = float(max(np.max(c), -np.min(c)))
    probe_h, probe_s = _probe(offsets, scale)
    rule, quadrature = choose_rule(sigma, kinks, probe_h, probe_s, ratio, _TOLERANCE)
    u, diagonal, slope, rest, found = _mehler(rule, offsets, scale, c, cross)
    level = float(diagonal.max())
    truncation = ratio ** (rule.order + 1) * float(rest.max())
    if truncation > _TOLERANCE * level:
        truncation = _integrate_pairs(rule, offsets, scale, c, rest, u, _TOLERANCE * level)
    _mirror(u)
    np.fill_diagonal(u, diagonal)
    return NoiseAverage(u, slope, float(truncation + quadrature + 8.0 * _EPS * level), found)


def _probe(offsets: Offsets, scale: Array) -> tuple[Array, Array]:
    """A few features (the widest first) on a few samples (extreme offsets included)."""
    by_scale = np.argsort(scale)
    ranks = np.unique(np.concatenate([np.arange(max(0, scale.size - 6), scale.size),
                                      np.linspace(0, scale.size - 1, 6).astype(int)]))  # fmt: skip
    features = by_scale[ranks]
    h = np.sort(offsets(features, slice(0, 4096)), axis=1)
    samples = np.unique(np.linspace(0, h.shape[1] - 1, 32).astype(int))
    return h[:, samples], scale[features]


def _mehler(
    rule: HermiteRule, offsets: Offsets, scale: Array, c: Array, cross: bool
) -> tuple[Array, Array, Array, Array, Array | None]:
    """Lower triangle of U (column-major), its diagonal, slopes, energies R_i beyond the rule's order, E[phi x^T]."""
    p, n = scale.size, offsets.count
    width = min(n, max(16, int(1.5 * p) // (rule.order + 1), 2**18 // (p * (rule.order + 1))))
    coefficients = np.empty((rule.order + 1, p, width))
    diagonal, slope, energy = np.zeros(p), np.zeros(p), np.zeros(p)
    total: Array | None = None
    found = np.zeros((p, offsets.data.shape[1])) if cross and offsets.data is not None else None
    for start in range(0, n, width):
        stop = min(start + width, n)
        block = coefficients[:, :, : stop - start]
        diagonal += _fill(rule, offsets, scale, slice(start, stop), block)
        slope += block[1].sum(axis=1)
        if found is not None:
            found += block[0] @ offsets.data[start:stop] / n  # type: ignore[index]
        energy += np.einsum("kpn,kpn->p", block, block)
        part = _horner(block, c, n)
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None  # n >= 1
    rest = np.maximum(diagonal - energy, 8.0 * _EPS * diagonal) / n
    return total, diagonal / n, slope / n, rest, found


def _fill(rule: HermiteRule, offsets: Offsets, scale: Array, samples: slice, out: Array) -> Array:
    """Write c_k(i, nu) of a block of samples into `out` (k, i, nu); returns sum_nu E sigma^2."""
    points = max(1, _CHUNK // rule.nodes)
    width = samples.stop - samples.start
    columns = min(width, points)
    rows = max(1, points // columns)
    square = np.zeros(scale.size)
    for i in range(0, scale.size, rows):
        for j in range(0, width, columns):
            stop = min(j + columns, width)
            h = offsets(slice(i, i + rows), slice(samples.start + j, samples.start + stop))
            coefficients, second = rule(h.ravel(), np.repeat(scale[i : i + rows], h.shape[1]))
            out[:, i : i + rows, j:stop] = coefficients.reshape(-1, *h.shape)
            square[i : i + rows] += second.reshape(h.shape).sum(axis=1)
    return square


def _horner(coefficients: Array, c: Array, n: int) -> Array:
    """Lower triangle of sum_k C^{o k} o (c_k c_k^T)/n, summed from the highest order down: no power is stored."""
    p = c.shape[0]
    u = np.zeros((p, p), order="F")
    for k in range(coefficients.shape[0] - 1, -1, -1):
        for j in range(0, p, 256):
            u[j:, j : j + 256] *= c.T[j:, j : j + 256]
        # A transposed view is column-major: BLAS reads and writes in place.
        u = blas.dsyrk(1.0 / n, coefficients[k].T, beta=1.0, c=u, trans=1, lower=1, overwrite_c=1)
    return u


def _integrate_pairs(
    rule: HermiteRule, offsets: Offsets, scale: Array, c: Array, rest: Array, u: Array, tolerance: float
) -> float:
    """Replace the entries whose tail bound exceeds `tolerance`; returns the largest bound that is left."""
    root, left = np.sqrt(rest), 0.0
    samples = slice(0, offsets.count)
    for i in range(1, scale.size):
        bound = np.abs(c[i, :i]) ** (rule.order + 1) * root[i] * root[:i]
        columns = np.flatnonzero(bound > tolerance)
        left = max(left, float(np.max(bound, where=bound <= tolerance, initial=0.0)))
        if columns.size:
            h_j = offsets(columns, samples)
            h_i = np.broadcast_to(offsets(slice(i, i + 1), samples), h_j.shape)
            shaped = [np.broadcast_to(x, h_j.shape).ravel()
                      for x in (scale[i], scale[columns][:, None], c[i, columns][:, None])]  # fmt: skip
            means = pair_moments(rule, h_i.ravel(), shaped[0], h_j.ravel(), shaped[1], shaped[2])
            u[i, columns] = means.reshape(h_j.shape).mean(axis=1)
    return left


def _mirror(u: Array) -> None:
    """Copy the lower triangle of a square array into the upper one, by tiles."""
    p = u.shape[0]
    for i in range(0, p, 256):
        rows = slice(i, min(i + 256, p))
        tile = np.tril(u[rows, rows])
        u[rows, rows] = tile + np.tril(tile, -1).T
        u[rows, rows.stop :] = u[rows.stop :, rows].T
