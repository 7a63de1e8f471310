r"""The Gaussian mixture of the paper's toy experiments: P_0 = (N(m, I) + N(-m, I))/2, m = (1, ..., 1) in dimension d.

Noised for a diffusion time t it stays such a mixture, with means e^{-t} m and identity covariance, so density and
score are known (paper, Eq 24). Scores of many points are weighted means; the weights are formed by log-sum-exp, so
that they neither overflow nor become 0/0 at small t.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from rfscore.errors import bad


def draw(n: int, d: int, rng: np.random.Generator) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
    """n points, half of them (rounded up) of the component +m, in random order, and their components 0 and 1."""
    if n < 1 or d < 1:
        raise bad("n and d", (n, d), "whole numbers >= 1")
    labels = rng.permutation(np.arange(n) % 2)
    return rng.standard_normal((n, d)) + np.where(labels == 0, 1.0, -1.0)[:, None], labels


def log_density(x: Float[np.ndarray, "N d"], t: float = 0.0) -> Float[np.ndarray, " N"]:
    """log P_t(x) of the noised mixture."""
    d = x.shape[1]
    along = np.exp(-t) * x.sum(axis=1)
    quadratic = -0.5 * ((x**2).sum(axis=1) + d * np.exp(-2 * t))
    return quadratic + np.logaddexp(along, -along) - np.log(2.0) - 0.5 * d * np.log(2 * np.pi)


def population_score(x: Float[np.ndarray, "N d"], t: float) -> Float[np.ndarray, "N d"]:
    """grad log P_t(x) = e^{-t} m tanh(e^{-t} m.x) - x (paper, Eq 24)."""
    shrink = np.exp(-t)
    return shrink * np.tanh(shrink * x.sum(axis=1, keepdims=True)) - x


def empirical_score(
    x: Float[np.ndarray, "N d"], t: float, train: Float[np.ndarray, "n d"], *, block: int = 512
) -> Float[np.ndarray, "N d"]:
    r"""Score of the empirical distribution of the training points, noised for t (paper, Eq 5).

    s_emp(x) = (e^{-t} sum_nu w_nu x^nu - x)/Delta_t, w = softmax(-|x - e^{-t} x^nu|^2/(2 Delta_t)): what a network
    with unlimited capacity and time would learn.

    Args:
        x: points.
        t: diffusion time, > 0.
        train: training points.
        block: points treated at once; memory is block n numbers.

    Raises:
        InputError: t <= 0.
    """
    if not t > 0:
        raise bad("t", t, "a diffusion time > 0")
    shrink, delta = np.exp(-t), -np.expm1(-2 * t)
    norms = 0.5 * shrink**2 * (train**2).sum(axis=1)
    found = np.empty_like(x, dtype=np.float64)
    for start in range(0, len(x), block):
        part = x[start : start + block]
        weights = softmax((shrink * part @ train.T - norms) / delta, axis=1)
        found[start : start + block] = (shrink * weights @ train - part) / delta
    return found
