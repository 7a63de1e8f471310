"""Two classes of isotropic data, a target that mixes data and noise: a Gaussian draw and (D13.5)-(D13.15)."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

SIDE = 200
PSI_N, PSI_P, Z = 2.0, 3.0, -0.1
PI, VARIANCE = np.array([0.4, 0.6]), np.array([0.5, 1.5])
A, B, V2, S2 = np.array([0.7, 0.5]), np.array([0.4, 0.3]), np.array([0.02, 0.06]), np.array([0.03, 0.05])
ALPHA, ON_DATA, ON_NOISE = 0.8, -0.6, 0.8
SIGNAL = (ALPHA * A) ** 2 * VARIANCE
TRUTH = ON_DATA * ALPHA * A * VARIANCE + ON_NOISE * B


class Numbers(NamedTuple):
    """q; H; X and the kernel with U-tilde of each class; the network on the training columns of each class."""

    q: float
    pull: float
    cross: np.ndarray
    fit: np.ndarray
    single: np.ndarray
    both: np.ndarray


@functools.cache
def drawn() -> Numbers:
    """Of one draw, both resolvents at Z."""
    rng, p, n = np.random.default_rng(3), round(PSI_P * SIDE), round(PSI_N * SIDE)
    w = rng.standard_normal((p, SIDE)) / np.sqrt(SIDE)
    label = np.repeat([0, 1], np.round(PI * n).astype(int))
    x = rng.standard_normal((SIDE, n)) * np.sqrt(VARIANCE[label])
    common = ALPHA * A[label] * (w @ x) + np.sqrt(V2[label]) * rng.standard_normal((p, n))
    u = (PI @ S2) * np.eye(p) + (PI @ B**2) * w @ w.T + common @ common.T / n
    v = ON_NOISE * (PI @ B) * w + ON_DATA * common @ x.T / n
    inverse = np.linalg.inv(u - Z * np.eye(p))
    solution = inverse @ v
    fit, cross, single, both = [], [], [], []
    for c in (0, 1):
        population = (SIGNAL[c] + B[c] ** 2) * w @ w.T + (V2[c] + S2[c]) * np.eye(p)
        fit.append(np.sum(solution * (population @ solution)) / SIDE)
        cross.append(np.sum(TRUTH[c] * w * solution) / SIDE)
        out = solution.T @ common[:, label == c]
        single.append(np.mean(np.sum(out * ON_DATA * x[:, label == c], axis=0)) / SIDE)
        both.append(np.mean(np.sum(out**2, axis=0)) / SIDE)
    return Numbers(np.trace(inverse) / p, np.sum(v * solution) / SIDE, *map(np.array, (cross, fit, single, both)))


def predicted() -> Numbers:
    """By (D13.5)-(D13.12) and (D13.14), solved by damped iteration and one linear system."""
    ratio, delta, q = PSI_P / PSI_N, np.ones(2), 1.0
    for _ in range(4000):
        g = 1.0 / (1.0 + delta)
        m = PI @ B**2 + PI @ (g * SIGNAL)
        big = 1.0 + PSI_P * q * m
        q = 0.5 * q + 0.5 / (PI @ S2 - Z + PI @ (g * V2) + m / big)
        delta = 0.5 * delta + 0.5 * ratio * q * (V2 + SIGNAL / big)
    y, pull = q / big, ON_NOISE * (PI @ B) + PI @ (g * ON_DATA * ALPHA * A * VARIANCE)
    energy, targ = ON_DATA**2 * VARIANCE, ON_DATA * ALPHA * A * VARIANCE

    def corner(level: float, slope: float) -> float:
        """The kernel for the coupling level I + slope W W^T/d; unknowns Q, E_1, E_2."""

        def changes(e: np.ndarray) -> tuple[float, float, np.ndarray]:
            weight = -PI * g**2 * e
            return level + weight @ V2, slope + weight @ SIGNAL, weight

        def equations(u: np.ndarray) -> np.ndarray:
            (k, mc, _), n2 = changes(u[1:]), big**-2
            first = u[0] + q * q * (k + n2 * mc - PSI_P * u[0] * n2 * m * m)
            return np.array([first, *(ratio * (V2 * u[0] + SIGNAL * n2 * (u[0] - PSI_P * q * q * mc)) - u[1:])])

        zero = equations(np.zeros(3))
        u = np.linalg.solve(np.array([equations(e) - zero for e in np.eye(3)]).T, -zero)
        _, mc, weight = changes(u[1:])
        y12, p12 = big**-2 * (u[0] - PSI_P * q * q * mc), weight @ targ
        return float(weight @ energy - PSI_P * (2.0 * p12 * y * pull + pull * y12 * pull))

    fit = [corner(V2[c] + S2[c], SIGNAL[c] + B[c] ** 2) for c in (0, 1)]
    own = np.array([corner(V2[c], SIGNAL[c]) for c in (0, 1)])
    cross_own = PSI_P * targ * pull * y
    single = g * cross_own + (1.0 - g) * energy
    both = g**2 * own + 2.0 * g * (1.0 - g) * cross_own + (1.0 - g) ** 2 * energy
    whole = PSI_P * pull**2 * y + PI @ (energy * (1.0 - g))
    return Numbers(q, float(whole), PSI_P * TRUTH * pull * y, np.array(fit), single, both)
