"""Slow twins of the wide limit: Latourelle-Vigeant et al. 2026 as printed, and drawn sample covariances."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import integrate, linalg


def marchenko_pastur(psi_n: float, function: Callable[[float], float]) -> float:
    """int f dMP for Sigma = I, by adaptive quadrature of the printed density, the mass at 0 included."""
    low, high = (1 - psi_n**-0.5) ** 2, (1 + psi_n**-0.5) ** 2

    def integrand(angle: float) -> float:
        x = low + (high - low) * math.sin(angle) ** 2
        jacobian = 2.0 * (high - low) * math.sin(angle) * math.cos(angle)
        return function(x) * psi_n * math.sqrt(max((high - x) * (x - low), 0.0)) / (2 * math.pi * x) * jacobian

    smooth = integrate.quad(integrand, 0.0, math.pi / 2, epsabs=1e-12, epsrel=1e-11, limit=400)[0]
    return smooth + max(0.0, 1 - psi_n) * function(0.0)


def losses(psi_n: float, t: float, tau: float, a: float, v2: float) -> tuple[float, float]:
    """Their Eqs 28 and 29 at Sigma = I, matrix exponentials and all, in units of d = 1."""
    rho, sigma = math.exp(-t), math.sqrt(-math.expm1(-2 * t))
    time, own = 2 * sigma**2 * a**2 * tau, v2 / (a**2 * psi_n)

    def parts(x: float) -> tuple[float, float]:
        q = np.array([[rho**2 * x + own, rho * sigma * math.sqrt(x)], [rho * sigma * math.sqrt(x), sigma**2]])
        left = linalg.expm(-time * q) @ np.array([0.0, 1.0])
        return float(left @ left), -(1 - float(left[1])) / sigma

    train = marchenko_pastur(psi_n, lambda x: parts(x)[0])
    square = marchenko_pastur(psi_n, lambda x: parts(x)[1] ** 2)
    first = marchenko_pastur(psi_n, lambda x: parts(x)[1])
    return train, square * (rho**2 + sigma**2) + 2 * sigma * first + 1


def drawn_losses(
    sigma: np.ndarray, n: int, coefficients: tuple[float, float, float, float], delta: float, t: float, tau: float,
    seed: int,
) -> tuple[float, float]:  # fmt: skip
    """Losses of the (d + n) x (d + n) matrix at infinite width, X drawn: L at a finite d, without any law of S."""
    a, b, v2, alpha2 = coefficients
    d = sigma.size
    x = np.random.default_rng(seed).standard_normal((n, d)) * np.sqrt(sigma)
    factor = np.hstack([np.sqrt(alpha2 / n) * x.T, b * np.eye(d)])  # of W/sqrt d: samples, then noises
    joint = np.zeros((d + n, d + n))
    joint[:d, :d] = factor @ factor.T
    joint[:d, d:] = np.sqrt(alpha2 * v2 * d) / n * x.T
    joint[d:, :d] = joint[:d, d:].T
    joint[d:, d:] = v2 * d / n * np.eye(n)
    values, vectors = np.linalg.eigh(joint)
    c = 2 * delta * tau

    def corner(f: np.ndarray) -> np.ndarray:
        return (vectors[:d] * f) @ vectors[:d].T

    both, gain = (corner(-np.expm1(-k * c * values) / values) for k in (2.0, 1.0))
    noised = np.exp(-2 * t) * sigma + delta
    train = 1 - b * b * np.trace(both) / d
    test = 1 - 2 * b * b * np.trace(gain) / d + b * b * a * a * np.trace((gain * noised) @ gain) / d
    return float(train), float(test)


def generated_covariance(
    sigma: np.ndarray, n: int, levels: list[tuple[float, float, float]], slope: Callable[[float], float], tau: float,
    seed: int, *, noisy: bool,
) -> np.ndarray:  # fmt: skip
    """What the (d + n) x (d + n) matrices of one drawn X generate, by Euler steps: no law of S, no blocks.

    `levels` holds (t, a, v2) down to the last time, where no network is.
    """
    d = sigma.size
    x = np.random.default_rng(seed).standard_normal((n, d)) * np.sqrt(sigma)
    covariance = np.eye(d)
    for (t, a, v2), (then, _, _) in pairwise(levels):
        delta, signal = -math.expm1(-2 * t), a * math.exp(-t)
        rows = np.hstack([signal / math.sqrt(n) * x.T, a * math.sqrt(delta) * np.eye(d)])
        own = np.hstack([math.sqrt(v2 * d / n) * np.eye(n), np.zeros((n, d))])
        factor = np.vstack([rows, own])
        values, vectors = np.linalg.eigh(factor @ factor.T)
        values = np.maximum(values, 1e-300)
        gain = (vectors[:d] * (-np.expm1(-2 * delta * tau * values) / values)) @ vectors[:d].T
        step = t - then
        score = -a * slope(float(np.trace(covariance)) / d) * gain
        move = np.eye(d) + step * (np.eye(d) + (2.0 if noisy else 1.0) * score)
        covariance = move @ covariance @ move.T + (2.0 * step * np.eye(d) if noisy else 0.0)
    return covariance
