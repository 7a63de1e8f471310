r"""Coefficients mu_1, a, b, v^2, s^2 of the Gaussian equivalent, without sampling and without cancellation.

With sigma(Gamma z) = sum_k h_k he_k(z) in orthonormal Hermite polynomials and rho = e^{-2t} sigma_x^2/Gamma^2,

    mu_1 = h_1,   a = h_1/Gamma,   b = sqrt(Delta_t) h_1/Gamma,
    v^2 = sum_{k>=2} h_k^2 rho^k,   s^2 = sum_{k>=2} h_k^2 (1 - rho^k)

(Bonnaire et al. 2025, Eqs 12-14 and 38-48, summed as tails; derivations (D1.1)-(D1.6)). A smooth sigma is integrated by
the trapezoidal rule on the real line, which converges exponentially; one with kinks by Gauss-Legendre panels between
them, where the tail converges too slowly near rho = 1 and s^2 = E[(g(z) - g(z'))^2]/2 is integrated directly, g being
sigma without its constant and linear parts and (z, z') Gaussian with correlation rho.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from rfscore._precision import float64, is_traced
from rfscore.errors import InputError, bad
from rfscore.model.activations import Activation
from rfscore.model.population import Classes
from rfscore.model.problem import ScoreProblem
from rfscore.results import Result, quantity

_EPS = np.finfo(np.float64).eps
_REACH = 13.0  # |z| beyond which he_k(z) phi(z) is below 1e-17 for every k
_ORDERS = (128, 512, 2048, 8192)  # Hermite orders tried in turn
_WANTED = 2e-13
_REFUSED = 1e-8


class GaussianCoefficients(Result):
    r"""The numbers through which an activation enters the theory; of K > 1 classes arrays (K,).

    Attributes:
        mu1: E[sigma(Gamma z) z].
        a: mu1/Gamma; features carry the signal with weight a e^{-t}.
        b: sqrt(Delta_t) mu1/Gamma, the weight of the noise.
        v2: variance of the non-linear part shared by all noised copies of one sample.
        s2: variance of the non-linear part that averaging over the noise removes: the floor of the spectrum.
        mean: the constant E sigma(Gamma z) subtracted by a centring activation, else 0.
        norm2: E sigma(Gamma z)^2 after centring = mu1^2 + v2 + s2.
        delta: Delta_t = 1 - e^{-2t}.
        gamma2: Gamma_t^2.
        alpha2: a^2 e^{-2t}, with another process a^2 signal^2.
        error: estimated largest relative error of v2 and s2.
    """

    mu1: Any = quantity()
    a: Any = quantity()
    b: Any = quantity()
    v2: Any = quantity()
    s2: Any = quantity()
    mean: Any = quantity()
    norm2: Any = quantity()
    delta: Any = quantity()
    gamma2: Any = quantity()
    alpha2: Any = quantity()
    error: Any = quantity()


@float64
def coefficients(problem: ScoreProblem) -> GaussianCoefficients:
    r"""Coefficients of the Gaussian equivalent of sigma at diffusion time t.

    Args:
        problem: only t, process, population (through sigma_x^2) and activation matter.

    Returns:
        GaussianCoefficients, with the estimated relative error.

    Raises:
        InputError: sigma is not centred, is even (mu1 = 0: nothing to learn with), is linear (v2 = s2 = 0: the theory
            degenerates), returns NaN, or is not resolved to 1e-8 (kinks not declared, or data of a scale at which sigma
            is a step).

    Accuracy:
        1e-12 relative for smooth sigma and sigma_x up to about 4, t in [1e-4, 5]; the `error` field says what was
        reached. Under a JAX transformation the order is fixed and only `error` tells.

    Example:
        >>> import rfscore as rf
        >>> co = rf.coefficients(rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01))
        >>> print(f"{co.mu1:.8f} {co.v2:.8f} {co.s2:.8f}")
        0.60570551 0.02554178 0.00187355
    """
    classes = problem.classes()
    xp, count = jnp if is_traced(problem) else np, classes.fractions.shape[0]
    gamma2 = xp.atleast_1d(problem.gamma2)
    every = [_of_class(problem, c, classes, gamma2[c]) for c in range(count)]
    if count == 1:
        return every[0]
    return GaussianCoefficients(**{
        field.name: xp.stack([getattr(one, field.name) for one in every])
        for field in dataclasses.fields(GaussianCoefficients)
    })  # fmt: skip


def _of_class(problem: ScoreProblem, number: int, classes: Classes, gamma2: Any) -> GaussianCoefficients:
    """The coefficients of one class; a rare one needs fewer digits."""
    traced, variance, part = is_traced(problem), classes.variance[number], classes.fractions[number]
    xp = jnp if traced else np
    signal2 = problem.signal**2
    rho, gap = signal2 * variance / gamma2, problem.delta / gamma2  # gap: 1 - rho, exact also next to rho = 1
    log_rho = xp.where(gap < 0.5, xp.log1p(-xp.minimum(gap, 0.5)), xp.log(rho))
    compute = _smooth if not problem.activation.kinks else _kinked
    if traced or problem.activation.kinks:
        mean, mu1, v2, s2, error = compute(problem.activation, xp.sqrt(gamma2), gap, log_rho, xp, _ORDERS[1])
    else:
        for order in _ORDERS:
            mean, mu1, v2, s2, error = compute(problem.activation, np.sqrt(gamma2), gap, log_rho, np, order)
            if error * part < _WANTED:
                break
    if not traced:
        several = classes.fractions.shape[0] > 1
        _check(problem.activation, gamma2, mean, mu1, v2, s2, error * part, number if several else None)
    a = mu1 / xp.sqrt(gamma2)
    return GaussianCoefficients(
        mu1=mu1, a=a, b=xp.sqrt(problem.delta) * a, v2=v2, s2=s2, norm2=mu1**2 + v2 + s2,
        mean=mean if problem.activation.centre else xp.zeros_like(mu1), delta=xp.asarray(problem.delta), gamma2=gamma2,
        alpha2=a**2 * signal2, error=error,
    )  # fmt: skip


def _check(
    sigma: Activation, gamma2: Any, mean: Any, mu1: Any, v2: Any, s2: Any, error: Any, number: int | None
) -> None:
    norm = np.sqrt(mean**2 + mu1**2 + v2 + s2)
    if number is not None and abs(mean) > 1e-12 * norm:
        raise bad(f"E {sigma.name}(Gamma_t z) in class {number}", float(mean), "0 in every class: one mean cannot be "
                  "subtracted for all, and the classes' mean features would be outliers of size p",
                  "use an odd activation, such as tanh, erf or sin")  # fmt: skip
    if abs(mu1) < 1e-12 * norm:
        raise bad(f"mu_1 of {sigma.name!r} at Gamma_t = {np.sqrt(gamma2):.3g}", float(mu1), "not 0: an even activation "
                  "has no linear part, and features without one learn no score", "use another")  # fmt: skip
    if not sigma.centre and abs(mean) > 1e-12 * norm:
        raise bad(f"E {sigma.name}(Gamma_t z)", float(mean), "0: the theory needs a centred activation",
                  "pass Activation(..., centre=True) to subtract the mean")  # fmt: skip
    if v2 + s2 < 1e-14 * norm**2:
        raise InputError(
            f"activation {sigma.name!r} is linear at Gamma_t = {np.sqrt(gamma2):.3g} to 14 digits: v2 = s2 = 0 and "
            "the spectrum has no floor; use a non-linear activation or data of a larger scale"
        )
    if not error < _REFUSED:
        raise bad(f"relative error of v2, s2 for {sigma.name!r} at Gamma_t = {np.sqrt(gamma2):.3g}", float(error),
                  f"at most {_REFUSED:g}", "declare its kinks, e.g. Activation(name, function, "
                  "kinks=(-1.0, 1.0)), or rescale the data (sigma_x of order 1)")  # fmt: skip


@functools.lru_cache(maxsize=4)
def _hermite_rule(order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trapezoidal nodes z, weights (phi included), and he_k(z_j) times weights, k < order.

    he_k phi has bandwidth sqrt(k) + 9. A sigma with poles at distance pi/2 (tanh) that needs k orders for 14 digits has
    bandwidth 3.2 sqrt(k) for 16, so the two grow with Gamma together.
    """
    count = int(np.ceil(_REACH * (4.2 * np.sqrt(order) + 9.0) / np.pi)) | 1
    z = np.linspace(-_REACH, _REACH, count)
    weights = (z[1] - z[0]) * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    table = np.empty((order, count))
    # Recur on he_k sqrt(phi), which stays bounded, and multiply by the other sqrt(phi) afterwards.
    root = np.exp(-0.25 * z * z)
    table[0], table[1] = root, z * root
    for k in range(2, order):
        table[k] = (z * table[k - 1] - np.sqrt(k - 1.0) * table[k - 2]) / np.sqrt(k)
    return z, weights, table * (weights / root)


def _smooth(
    sigma: Activation, gamma: Any, gap: Any, log_rho: Any, xp: Any, order: int
) -> tuple[Any, Any, Any, Any, Any]:
    z, weights, table = _hermite_rule(order)
    values = sigma(gamma * xp.asarray(z))
    h2 = (xp.asarray(table) @ values) ** 2
    mean, mu1 = (xp.asarray(weights) * values).sum(), (xp.asarray(weights * z) * values).sum()
    exponents = log_rho * np.arange(2, order)
    v_terms, s_terms = h2[2:] * xp.exp(exponents), -h2[2:] * xp.expm1(exponents)
    v2, s2 = v_terms.sum(), s_terms.sum()
    # The last quarter of the terms bounds what was cut off (the h_k^2 of a smooth sigma fall faster than that).
    last = order - order // 4
    tail = xp.maximum(v_terms[last:].sum() / v2, s_terms[last:].sum() / s2)
    # Every second node is a trapezoidal rule whose error is the square root of the full rule's.
    coarse = 2.0 * (xp.asarray(weights * z)[::2] * values[::2]).sum()
    aliasing = ((coarse - mu1) / xp.where(mu1 == 0, 1.0, mu1)) ** 2
    rounding = _EPS * (32.0 + 0.25 * order + 4.0 * xp.sqrt((mu1**2 + v2 + s2) / (v2 + s2)))  # the table by recurrence
    return mean, mu1, v2, s2, tail + aliasing + rounding


def _panels(edges: Any, count: int, xp: Any) -> tuple[Any, Any]:
    """Gauss-Legendre nodes and weights on consecutive panels; `edges` (..., m + 1) -> (..., m * count)."""
    x, w = np.polynomial.legendre.leggauss(count)
    low, width = edges[..., :-1, None], xp.diff(edges, axis=-1)[..., None]
    nodes = low + 0.5 * width * (x + 1.0)
    shape = (*nodes.shape[:-2], -1)
    return nodes.reshape(shape), (0.5 * width * w).reshape(shape)


def _gaussian_panels(kinks: Any, count: int, xp: Any) -> tuple[Any, Any]:
    """Panels on [-reach, reach] split at `kinks` (..., m), the Gaussian weight included."""
    ends = xp.full((*kinks.shape[:-1], 1), _REACH)
    edges = xp.concatenate([-ends, xp.sort(xp.clip(kinks, -_REACH, _REACH), axis=-1), ends], axis=-1)
    z, w = _panels(edges, count, xp)
    return z, w * xp.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)


def _kinked(
    sigma: Activation, gamma: Any, gap: Any, log_rho: Any, xp: Any, order: int
) -> tuple[Any, Any, Any, Any, Any]:
    fine, coarse = (_kinked_rule(sigma, gamma, gap, log_rho, xp, count) for count in (96, 64))
    change = xp.maximum(abs(fine[2] / coarse[2] - 1.0), abs(fine[3] / coarse[3] - 1.0))
    return (*fine, change + 64.0 * _EPS)


def _kinked_rule(
    sigma: Activation, gamma: Any, gap: Any, log_rho: Any, xp: Any, count: int
) -> tuple[Any, Any, Any, Any]:
    kinks = xp.asarray(sigma.kinks) / gamma
    z, w = _gaussian_panels(kinks, count, xp)
    values = sigma(gamma * z)
    mean, mu1 = (w * values).sum(), (w * z * values).sum()
    nonlinear = values - mean - mu1 * z
    total = (w * nonlinear**2).sum()
    # rho <= 1/2: forty terms of the tail reach 1e-13 of its first, and s^2 >= (3/4) total has no cancellation.
    he = [xp.ones_like(z), z]
    for k in range(2, 48):
        he.append((z * he[-1] - np.sqrt(k - 1.0) * he[-2]) / np.sqrt(k))
    h2 = ((xp.stack(he[2:]) * (w * nonlinear)).sum(axis=-1)) ** 2
    v2_tail = (h2 * xp.exp(log_rho * np.arange(2, 48))).sum()
    # rho > 1/2: z, z' = c x +- e y; for fixed y the integrand in x has its kinks at (kink -+ e y)/c.
    c, e = xp.sqrt(1.0 - 0.5 * gap), xp.sqrt(0.5 * gap)
    between = np.unique(np.subtract.outer(sigma.kinks, sigma.kinks))
    meet = xp.asarray(between[between > 0]) / (2.0 * e * gamma)  # the y at which kinks of x pass one another
    outer = xp.sort(xp.concatenate([xp.asarray([0.0, 1.0, 3.0, _REACH]), xp.minimum(meet, _REACH)]))
    y, wy = _panels(outer, count // 2, xp)
    wy = 2.0 * wy * xp.exp(-0.5 * y * y) / np.sqrt(2.0 * np.pi)
    shifted = xp.concatenate([(kinks + e * y[:, None]) / c, (kinks - e * y[:, None]) / c], axis=-1)
    x, wx = _gaussian_panels(shifted, count, xp)
    difference = sigma(gamma * (c * x + e * y[:, None])) - sigma(gamma * (c * x - e * y[:, None]))
    difference = difference - 2.0 * mu1 * e * y[:, None]
    s2_direct = 0.5 * (wy * (wx * difference**2).sum(axis=-1)).sum()
    v2 = xp.where(gap < 0.5, total - s2_direct, v2_tail)
    return mean, mu1, v2, xp.where(gap < 0.5, s2_direct, total - v2_tail)
