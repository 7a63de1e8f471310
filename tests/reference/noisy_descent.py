"""Second moments of noisy descent on one Gaussian draw, as p x p matrices: the slow twin of the Volterra equation."""

from __future__ import annotations

import numpy as np

import rfscore as rf


def losses(
    problem: rf.ScoreProblem,
    d: int,
    seed: int,
    steps: int,
    step_size: float,
    momentum: float,
    fresh: bool,
    batch: float,
) -> np.ndarray:
    """(train, test) at 0 ... steps, (2, steps + 1), averaged over the gradient noise to leading order in 1/d.

    The source of the fluctuations is written down sample by sample from the covariance of one noisy gradient.
    """
    co, delta, rng = rf.coefficients(problem), float(problem.delta), np.random.default_rng(seed)
    n, p = round(problem.psi_n * d), round(problem.psi_p * d)
    w = rng.standard_normal((p, d)) / np.sqrt(d)
    root = np.sqrt(problem.population.eigenvalues(d))
    c = np.sqrt(float(co.alpha2)) * (w * root) @ rng.standard_normal((d, n))
    c += np.sqrt(float(co.v2)) * rng.standard_normal((p, n))
    own = float(co.b) ** 2 * w @ w.T + float(co.s2) * np.eye(p)
    u, v = c @ c.T / n + own, float(co.b) * w
    population = float(co.alpha2) * (w * root**2) @ w.T + float(co.v2) * np.eye(p) + own
    x, ridge = 2.0 * delta * step_size / problem.psi_p, float(problem.ridge) * np.eye(p)
    move = (1.0 + momentum) * np.eye(p) - x * (u + ridge)
    theta = before = np.zeros((d, p))
    now = mixed = past = np.zeros((p, p))  # E zeta_k^T zeta_k/d, E zeta_k^T zeta_{k-1}/d, E zeta_{k-1}^T zeta_{k-1}/d
    found = []
    for _ in range(steps + 1):
        found.append([1.0 + (np.sum(theta @ m * theta) + 2.0 * np.sum(theta * v.T)) / d + np.sum(now * m)
                      for m in (u, population)])  # fmt: skip
        mean = np.sum((theta @ c) ** 2, axis=0) / d + np.sum(c * (now @ c), axis=0)  # |E_xi r_nu|^2/d
        spread = 1.0 + (np.sum(theta @ own * theta) + 2.0 * np.sum(theta * v.T)) / d + np.sum(now * own)
        noise = (c * (fresh * spread + (1.0 - batch) * mean)) @ c.T / n + fresh * (mean.mean() + spread) * own
        now, mixed, past = (
            move @ now @ move - momentum * (move @ mixed + mixed.T @ move) + momentum**2 * past
            + x**2 / (batch * n) * noise,
            move @ now - momentum * mixed.T, now,
        )  # fmt: skip
        theta, before = theta - x * (theta @ (u + ridge) + v.T) + momentum * (theta - before), theta
    return np.array(found).T
