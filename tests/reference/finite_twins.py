"""Slow, independent twins of rfscore.finite: nothing here uses Mehler's series, an eigenbasis or a closed form.

The feature averages are tensor Gauss-Legendre sums (or adaptive quadrature for kinked activations), the flow is an ODE
solved for A itself, the optimisers are loops over A, and losses come from the quadratic form (Bonnaire et al. 2025,
Eq 55).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import dblquad, solve_ivp

Array = np.ndarray


def gaussian_rule() -> tuple[Array, Array]:
    """Nodes and weights for N(0, 1): 36 Gauss-Legendre panels, which resolve tanh(3 z) to roundoff."""
    x, w = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(-9.0, 9.0, 37)
    z = (0.5 * (edges[:-1] + edges[1:])[:, None] + 0.25 * x).ravel()
    return z, np.tile(0.25 * w, 36) * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)


def pair_mean(sigma: Callable, h: Array, covariance: Array) -> float:
    """E[sigma(h_1 + g_1) sigma(h_2 + g_2)], g ~ N(0, covariance), by a tensor rule."""
    z, w = gaussian_rule()
    a = np.sqrt(covariance[0, 0])
    b = covariance[0, 1] / a if a > 0 else 0.0
    rest = np.sqrt(max(covariance[1, 1] - b * b, 0.0))
    first = sigma(h[0] + a * z)
    second = sigma(h[1] + b * z[:, None] + rest * z[None, :]) @ w
    return float(np.sum(w * first * second))


def kinked_pair_mean(sigma: Callable, h: Array, covariance: Array, kink: float) -> float:
    """The same by adaptive quadrature over the four quadrants around the kinks."""
    inverse = np.linalg.inv(covariance)
    norm = 1.0 / (2.0 * np.pi * np.sqrt(np.linalg.det(covariance)))
    reach = 9.0 * np.sqrt(np.diagonal(covariance))
    cut = np.clip(kink - h, -reach, reach)

    def integrand(y: float, x: float) -> float:
        quadratic = inverse[0, 0] * x * x + 2.0 * inverse[0, 1] * x * y + inverse[1, 1] * y * y
        return float(sigma(np.array(h[0] + x)) * sigma(np.array(h[1] + y))) * norm * np.exp(-0.5 * quadratic)

    total = 0.0
    for x0, x1 in ((-reach[0], cut[0]), (cut[0], reach[0])):
        for y0, y1 in ((-reach[1], cut[1]), (cut[1], reach[1])):
            total += dblquad(integrand, x0, x1, y0, y1, epsabs=1e-11, epsrel=1e-11)[0]
    return total


def feature_matrices(
    sigma: Callable, weights: Array, data: Array, t: float, pair: Callable = pair_mean
) -> tuple[Array, Array]:
    """U and V of the samples `data`, entry by entry; V by one dimension along w_i (smooth sigma only)."""
    (p, d), n = weights.shape, data.shape[0]
    delta = 1.0 - np.exp(-2.0 * t)
    covariance = delta * weights @ weights.T / d
    h = np.exp(-t) * weights @ data.T / np.sqrt(d)
    u, v = np.zeros((p, p)), np.zeros((p, d))
    z, w = gaussian_rule()
    for i in range(p):
        for j in range(i + 1):
            block = covariance[np.ix_([i, j], [i, j])]
            u[i, j] = u[j, i] = np.mean([pair(sigma, h[[i, j], m], block) for m in range(n)])
        # E[phi xi^T]: xi's component along w_i is z, the others average to 0.
        norm = np.linalg.norm(weights[i])
        slope = np.mean([np.sum(w * z * sigma(h[i, m] + np.sqrt(delta / d) * norm * z)) for m in range(n)])
        v[i] = slope * weights[i] / norm
    return u, v


def population_matrices(sigma: Callable, weights: Array, covariance: Array, t: float) -> tuple[Array, Array]:
    """U and V of the population N(0, covariance)."""
    p, d = weights.shape
    delta = 1.0 - np.exp(-2.0 * t)
    total = weights @ (np.exp(-2.0 * t) * covariance + delta * np.eye(d)) @ weights.T / d
    u, v = np.zeros((p, p)), np.zeros((p, d))
    z, w = gaussian_rule()
    for i in range(p):
        for j in range(i + 1):
            u[i, j] = u[j, i] = pair_mean(sigma, np.zeros(2), total[np.ix_([i, j], [i, j])])
        scale = np.sqrt(total[i, i])
        # E[phi_i xi] = Cov(g_i, xi)/Var(g_i) E[g_i sigma(g_i)], g_i the argument of feature i.
        v[i] = np.sqrt(delta / d) * weights[i] / scale * np.sum(w * z * sigma(scale * z))
    return u, v


def quadratic_loss(a: Array, u: Array, v: Array, t: float) -> float:
    """1 + (Delta/d) Tr(A^T A U)/p + (2 sqrt(Delta)/d) Tr(A V)/sqrt p."""
    (d, p), delta = a.shape, 1.0 - np.exp(-2.0 * t)
    return float(1.0 + delta / (d * p) * np.trace(a.T @ a @ u) + 2.0 * np.sqrt(delta / p) / d * np.trace(a @ v))


def gradient(a: Array, u: Array, v: Array, t: float) -> Array:
    """The derivative of `quadratic_loss` in A."""
    (d, p), delta = a.shape, 1.0 - np.exp(-2.0 * t)
    return 2.0 * delta / (d * p) * a @ u + 2.0 / d * np.sqrt(delta / p) * v.T


def flow_weights(u: Array, v: Array, t: float, tau: float) -> Array:
    """A(tau) of dA/dtau = -d^2 grad L by an ODE solver."""
    p, d = v.shape
    solution = solve_ivp(
        lambda _, a: -(d**2) * gradient(a.reshape(d, p), u, v, t).ravel(),
        (0.0, tau), np.zeros(d * p), method="DOP853", rtol=1e-12, atol=1e-13,
    )  # fmt: skip
    return solution.y[:, -1].reshape(d, p)


def descent_loop(u: Array, v: Array, t: float, steps: int, step_size: float, beta: float = 0.0) -> Array:
    """A after `steps` heavy-ball steps (gradient descent for beta = 0) from rest at A = 0."""
    p, d = v.shape
    previous, a = np.zeros((d, p)), np.zeros((d, p))
    for _ in range(steps):
        previous, a = a, a - step_size * gradient(a, u, v, t) + beta * (a - previous)
    return a


def adam_loop(
    u: Array, v: Array, t: float, steps: int, learning_rate: float, betas: tuple[float, float], eps: float
) -> Array:
    """A after `steps` Adam steps, bias corrections written out as in the original algorithm."""
    p, d = v.shape
    a, m, s = (np.zeros((d, p)) for _ in range(3))
    for k in range(1, steps + 1):
        g = gradient(a, u, v, t)
        m = betas[0] * m + (1.0 - betas[0]) * g
        s = betas[1] * s + (1.0 - betas[1]) * g**2
        a = a - learning_rate * (m / (1.0 - betas[0] ** k)) / (np.sqrt(s / (1.0 - betas[1] ** k)) + eps)
    return a
