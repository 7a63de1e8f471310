"""Urfin et al. 2026b: the n m x n m Gram matrix of a kernel on frozen noises, its bulks, and what follows from them.

Their kernel is a neural tangent kernel; here it is that of the random features at p = infinity, whose linear part has
mu_1^2, mu_B = v_t^2 and mu_I = s_t^2.
"""

from __future__ import annotations

import math

import numpy as np

import rfscore as rf
from claims.frozen_noise.peaks import END
from claims.frozen_noise.regularised import best_ridge
from rfscore import observables as ob
from rfscore.validation.evidence import Comparison, more, near
from rfscore.validation.lab import EXTRAPOLATED, TAU, Lab, limit, slope

Array = np.ndarray
PSI_N, M, T = 8.0, 3, 0.1


def _constants() -> tuple[float, float, float]:
    """mu_1^2, v_t^2 and s_t^2 of erf at Gamma = 1, in closed form: Cov(erf u, erf v) is an arcsine."""

    def covariance(rho: float) -> float:
        return 2 / math.pi * math.asin(2 * rho / 3)

    mu2 = 4 / (3 * math.pi)
    shared = covariance(math.exp(-2 * T))
    v2 = shared - mu2 * math.exp(-2 * T)
    return mu2, v2, covariance(1.0) - mu2 - v2


def _points(lab: Lab, d: int, index: int) -> tuple[Array, int]:
    """Noised points (n m, d), the m copies of a sample side by side; n."""
    rng, n = lab.rng(d, 761, index), round(PSI_N * d)
    clean = np.repeat(rng.standard_normal((n, d)), M, axis=0)
    return math.exp(-T) * clean + math.sqrt(-math.expm1(-2 * T)) * rng.standard_normal((n * M, d)), n


def _groups(eigenvalues: Array, n: int, d: int) -> list[Array]:
    """Ascending: single noises, memorisation bulk (d), samples (n - d), generalisation bulk (d)."""
    return np.split(eigenvalues, [n * (M - 1) - d, n * (M - 1), n * M - d])


def exact_kernel(lab: Lab) -> list[Comparison]:
    """The kernel of infinitely many erf features, an arcsine, without any linearisation, at d = 20, 40, 80."""
    mu2, v2, s2 = _constants()

    def one(d: int, index: int) -> Array:
        y, n = _points(lab, d, index)
        gram = y @ y.T / d
        size = 1 + 2 * np.diag(gram)
        values = np.linalg.eigvalsh(2 / math.pi * np.arcsin(2 * gram / np.sqrt(np.outer(size, size))))
        _, _, samples, population = _groups(values, n, d)
        return np.array(
            [population.mean() / (mu2 * PSI_N * M), np.median(samples) / (s2 + M * v2), values.mean() / (mu2 + v2 + s2)]
        )

    end = limit({d: np.array([one(d, i) for i in range(count)]) for d, count in {20: 6, 40: 4, 80: 2}.items()})
    rest = (s2 + v2 * (1 + (M - 1))) / (mu2 * PSI_N * M)
    return [
        near("mean of the d largest eigenvalues over μ_1^2 ψ_n m, d → ∞", end.value[0], 1.0, rest + 1 / PSI_N,
             end.error[0], EXTRAPOLATED),
        near("median of the next n − d over s_t^2 + m v_t^2", end.value[1], 1.0, 0.05, end.error[1], EXTRAPOLATED),
        near("trace over n m: sum of the constants", end.value[2], 1.0, 0.02, end.error[2], EXTRAPOLATED),
    ]  # fmt: skip


def linear_kernel(lab: Lab) -> list[Comparison]:
    """Weights of the two atoms as counts, and the memorisation bulk, in the linear equivalent at d = 40."""
    mu2, v2, s2 = _constants()
    y, n = _points(lab, 40, 99)
    blocks = np.kron(np.eye(n), np.ones((M, M)))
    values = np.linalg.eigvalsh(mu2 * y @ y.T / 40 + v2 * blocks + s2 * np.eye(n * M))
    at = {name: np.abs(values - place) < 1e-9 for name, place in (("low", s2), ("high", s2 + M * v2))}
    bulk = values[n * (M - 1) - 40 : n * (M - 1)]
    printed = s2 + v2 * (M - 1) * -math.expm1(-2 * T)
    return [
        near("share of eigenvalues at s_t^2 over (m − 1 − 1/ψ_n)/m", at["low"].mean() * M / (M - 1 - 1 / PSI_N), 1.0,
             1e-9),
        near("share at s_t^2 + m v_t^2 over (1 − 1/ψ_n)/m", at["high"].mean() * M / (1 - 1 / PSI_N), 1.0, 1e-9),
        near("mean of the d eigenvalues between over s_t^2 + v_t^2 (m − 1) Δ_t", bulk.mean() / printed, 1.0,
             1 / PSI_N, 0.01, "one matrix"),
    ]  # fmt: skip


def _kernel_limit(psi_n: float, t: float, m: int, ridge: float = 0.0) -> tuple[float, float]:
    """(bias^2, variance) at psi_p = infinity: linear in 1/psi_p from 5 10^3 and 10^4."""
    rows = []
    for p in (5e3, 1e4):
        x = rf.decomposition(rf.ScoreProblem(psi_n, p, t, noise_draws=m, ridge=ridge * p), END)
        rows.append((float(x.bias2[0]), float(x.variance[0])))
    return 2 * rows[1][0] - rows[0][0], 2 * rows[1][1] - rows[0][1]


def ridgeless(lab: Lab) -> list[Comparison]:
    """Exponents of B^2 and V in t and in psi_n without ridge, m = 4, in the kernel limit."""
    times, samples = np.array([0.01, 0.03]), np.array([8.0, 32.0])
    by_t = np.array([_kernel_limit(32.0, float(t), 4) for t in times])
    by_n = np.array([_kernel_limit(float(n), 0.03, 4) for n in samples])
    note = "extrapolation in 1/ψ_p"
    return [
        near("exponent of B^2 in t, t = 0.01 … 0.03", slope(times, by_t[:, 0]), -2.0, 0.2, 0.01, note),
        near("exponent of V in t", slope(times, by_t[:, 1]), -2.0, 0.2, 0.01, note),
        near("exponent of B^2 in ψ_n, ψ_n = 8 … 32", slope(samples, by_n[:, 0]), 0.0, 0.1, 0.01, note),
        near("exponent of V in ψ_n", slope(samples, by_n[:, 1]), -1.0, 0.1, 0.02, note),
    ]


def _at_best_ridge(psi_n: float, t: float) -> Array:
    """(bias^2, variance) at the ridge of the lowest final test loss, m = 4, psi_p = infinity as in `_kernel_limit`."""
    rows = []
    for p in (5e3, 1e4):
        x = rf.decomposition(rf.ScoreProblem(psi_n, p, t, noise_draws=4, ridge=best_ridge(psi_n, p, t, 4)[0]), END)
        rows.append((math.sqrt(float(x.bias2[0])), float(x.variance[0])))
    bias, variance = 2 * np.array(rows[1]) - np.array(rows[0])
    return np.array([bias**2, variance])


def best_ridged(lab: Lab) -> list[Comparison]:
    """The same at the best ridge, at a small t; and at a larger one."""
    here = _at_best_ridge(256.0, 0.025)
    in_t = np.log2(here / _at_best_ridge(256.0, 0.0125))
    in_n = np.log2(here / _at_best_ridge(128.0, 0.025))
    later = np.log2(_at_best_ridge(256.0, 0.1) / _at_best_ridge(256.0, 0.05))
    found, note = [], "extrapolation in 1/ψ_p, search for the ridge"
    for i, (name, power) in enumerate((("B^2", -2.0), ("V", -1.0))):
        found += [
            near(f"exponent of {name} in t, t = 0.0125 … 0.025, ψ_n = 256", in_t[i], power, 0.25, 0.02, note),
            near(f"exponent of {name} in ψ_n, ψ_n = 128 … 256, t = 0.025", in_n[i], power, 0.25, 0.02, note),
            more(f"exponent of {name} in t, t = 0.05 … 0.1, ψ_n = 256", later[i], 0.02, note),
        ]
    return found


def _half(psi_n: float, m: int) -> float:
    """Time at which half of the final gap is there, psi_p = 10^4, t = 0.1."""
    gap = np.asarray(rf.loss_curves(rf.ScoreProblem(psi_n, 1e4, 0.1, noise_draws=m), TAU).gap)
    return float(ob.crossing(TAU, gap, 0.5 * gap[-1]).value)


def memorisation_time(lab: Lab) -> list[Comparison]:
    """Half-gap time against psi_n at m = 4, in the kernel limit."""
    psi_n = np.array([8.0, 16.0, 32.0, 64.0])
    times = np.array([_half(float(n), 4) for n in psi_n])
    return [
        near(
            "exponent of the half-gap time in n, ψ_n = 32 … 64", slope(psi_n[2:], times[2:]), 1.0, 0.1, 0.01, "crossing"
        ),
        more("the same, ψ_n = 8 … 16", slope(psi_n[:2], times[:2]), 0.01, "crossing"),
        more("half-gap time at m = 16 over that at m = 4, ψ_n = 8", _half(8.0, 16) / times[0], 0.01, "crossing"),
    ]
