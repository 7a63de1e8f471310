r"""Gradient noise: descent in which every step sees new noises, a new part of the samples, or both.

The mean over the gradient noise is full-batch descent. Around it A fluctuates; per sample the fluctuation of a step is,
to leading order in 1/d, the size of the residual times the features' covariance, so with C_n = U - B the part of U that
the samples make, R = (1/d) Tr A C_n A^T/p Delta_t and Q = L_train - R the parts of the loss that the samples and the
noises make ((D12.1)-(D12.3)),

    (R, Q)_k = mean + sum_{j<k} G(k-1-j) (R, Q)_j,     G_MN(i) = x^2/(f n) Tr[M h_i(U) N h_i(U)]

with M = C_n, B, and the sources N_R = [fresh] B + (1 - f) C_n, N_Q = [fresh] U: a discrete Volterra equation
((D12.4)-(D12.6)). f is the part of the samples in a step. All traces follow from the one- and two-point functions;
G >= 0, and the fluctuations stay bounded where the spectral radius of sum_i G(i) is below 1 ((D12.7)).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from rfscore.theory import assemble, targets
from rfscore.theory import one_point as op
from rfscore.theory.equivalent import Equivalent
from rfscore.theory.every_step import product, reciprocal, solved
from rfscore.theory.step_contours import Run, StepContours
from rfscore.theory.two_point import corner


class GradientNoise(NamedTuple):
    """New noises at every step or the exact average; the part f of the samples that a step sees."""

    fresh: bool
    batch: float


def traces(eq: Equivalent, x: op.Point, outer: Float[Array, " R"]) -> Complex[Array, "*B"]:
    """(1/n) Tr[M R(z)]."""
    return eq.ratio[0] * (outer[0] * x.q + op.traces(eq, x) @ outer[1:])


def _pairs(eq: Equivalent, x: op.Point, y: op.Point, outer: Float[Array, " R"]) -> Complex[Array, "*B N M"]:
    """(1/n) Tr[M R(z1) B R(z2)] at all pairs."""
    return -(eq.ratio[0] / eq.psi_p) * corner(eq, x, y, eq.own[0]).trace(eq.psi_p, outer)


class Kernels(NamedTuple):
    """(1/n) Tr[M h N h], named MN, for U without the ridge, B, and the population T."""

    uu: Float[Array, "*K"]
    ub: Float[Array, "*K"]
    tu: Float[Array, "*K"]
    bb: Float[Array, "*K"]
    tb: Float[Array, "*K"]


@jax.jit
def kernels(eq: Equivalent, ridge: Float[Array, ""], k: StepContours, x: op.Point) -> Kernels:
    """For h_k of each step count."""
    kick = jnp.asarray(k.kick)
    identity = targets.identity(eq)

    def twice(outer: Array) -> Array:
        two = jnp.stack([_pairs(eq, x, y, outer) for y in (x, x.conj())])
        return 2.0 * jnp.real((kick * assemble.partly(kick, two)).sum(-1))

    return Kernels(
        uu=assemble.once(k, k.power(2, ridge), traces(eq, x, identity)),
        ub=assemble.once(k, k.power(1, ridge), traces(eq, x, eq.own[0])),
        tu=assemble.once(k, k.power(1, ridge), traces(eq, x, eq.population[0])),
        bb=twice(eq.own[0]),
        tb=twice(eq.population[0]),
    )


def _weighted(found: Kernels, noise: GradientNoise) -> Float[np.ndarray, "3 2 *K"]:
    """G x^-2: rows R, Q and the test loss, columns the sources of R and Q."""
    uu, ub, tu, bb, tb = (np.asarray(value) for value in found)
    fresh, rest = float(noise.fresh), 1.0 - noise.batch
    by_own = np.stack([ub - bb, bb, tb])
    by_all = np.stack([uu - ub, ub, tu])
    return np.stack([fresh * by_own + rest * (by_all - by_own), fresh * by_all], axis=1) / noise.batch


def _stability_points(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """z(omega) and weights of (1/2 pi) int d omega over |r| = 1, r = e^{-i omega}, tan(omega/2) = e^u: (D12.8)."""
    # The spectrum lies at arg u = +- pi/2, complex roots |r|^2 = beta of oscillating modes closer to the real axis.
    room = 0.5 * np.pi - np.arcsin(2.0 * np.sqrt(run.beta) / (1.0 + run.beta))
    step = 2.0 * np.pi * room / 25.0
    first = np.log(0.1 * run.x * max(run.low, 1e-12 * run.top)) - 25.0
    count = int(np.ceil((45.0 - first) / step / 64.0)) * 64  # whole blocks, so that a search compiles once
    u = first + step * np.arange(count)
    v = np.exp(u)
    r = (1.0 - 1j * v) / (1.0 + 1j * v)
    z = 2j * v / (1.0 + 1j * v) * (1.0 - run.beta / r) / run.x
    return z, step / (np.pi * np.cosh(u))


@jax.jit
def _summed(eq: Equivalent, ridge: Float[Array, ""], z: Array, weight: Array, x: op.Point) -> Kernels:
    """Sum over all i of the kernels times x^2: (1/n) Tr[M R(z) N R(conj z)] over frequencies."""
    one, shifted, height = targets.identity(eq), z - ridge, jnp.imag(z)

    def single(degree: int, outer: Array) -> Array:
        return jnp.imag(shifted**degree * traces(eq, x, outer)[:, 0]) / height

    def twice(outer: Array) -> Array:
        return jnp.real(_pairs(eq, x, x.conj(), outer))[:, 0, 0]

    terms = Kernels(
        uu=eq.ratio[0] + single(2, one), ub=single(1, eq.own[0]), tu=single(1, eq.population[0]),
        bb=twice(eq.own[0]), tb=twice(eq.population[0]),
    )  # fmt: skip
    return Kernels(*((weight * value).sum() for value in terms))


def growth(eq: Equivalent, ridge: float, run: Run, noise: GradientNoise) -> float:
    """Spectral radius of sum_i G(i): the fluctuations stay bounded below 1, (D12.7)."""
    z, weight = _stability_points(run)
    found = _summed(eq, jnp.asarray(ridge), jnp.asarray(z), jnp.asarray(weight), solved(eq, z[:, None]))
    (a, b), (c, d) = _weighted(found, noise)[:2]
    return float(0.5 * (a + d) + np.sqrt(0.25 * (a - d) ** 2 + b * c))


def fluctuating(
    run: Run, noise: GradientNoise, mean: Float[np.ndarray, "3 K"], found: Kernels
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """Training and test loss at steps 0 ... K-1 from those of the mean, (train, test, Q), and the kernels there."""
    size, (train, test, own) = mean.shape[1], mean
    g = run.x**2 * _weighted(found, noise)
    g = np.concatenate([np.zeros((3, 2, 1)), g[..., :-1]], axis=-1)  # what step j moves is first seen at j + 1
    identity = np.eye(1, size)[0]
    diagonal = identity - g[0, 0], identity - g[1, 1]
    inverse = reciprocal(product(*diagonal, size) - product(g[0, 1], g[1, 0], size))
    right = train - own, own
    both = [
        product(inverse, product(diagonal[1 - i], right[i], size) + product(g[i, 1 - i], right[1 - i], size), size)
        for i in (0, 1)
    ]
    return both[0] + both[1], test + product(g[2, 0], both[0], size) + product(g[2, 1], both[1], size)
