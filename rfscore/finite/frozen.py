r"""Instances with m frozen noises per sample: U = Phi Phi^T/(n m), V = Phi Xi^T/(n m), features not averaged.

Phi (p, n m) holds sigma(W x_t/sqrt d) of every noised copy x_t = e^{-t} x + sqrt(Delta_t) xi, Xi (d, n m) the noises
(Urfin et al. 2026). The population's matrices are those of averaged noise. For p > n m only Phi is kept, and its modes
are those of the n m x n m Gram matrix; otherwise U and V are summed over blocks of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy import linalg

from rfscore.finite import equivalent
from rfscore.finite.instance import Instance
from rfscore.finite.modes import DenseModes, Modes
from rfscore.model.equivalence import GaussianCoefficients

Array = np.ndarray
Blocks = Iterator[tuple[Float[Array, "p k"], Float[Array, "d k"]]]
_BLOCK = 2**24  # numbers of Phi formed at once


@dataclass(frozen=True, eq=False, repr=False)
class FrozenInstance(Instance):
    r"""An instance trained on m fixed noises per sample.

    Attributes:
        noise_draws: m.
        factor: (Phi, Xi)/sqrt(n m) when p > n m, else None.
        dense: (U, V) otherwise.
    """

    noise_draws: int
    factor: tuple[Float[Array, "p k"], Float[Array, "d k"]] | None
    dense: tuple[Float[Array, "p p"], Float[Array, "p d"]] | None
    U_test: Float[Array, "p p"]
    V_test: Float[Array, "p d"]

    @cached_property
    def U(self) -> Float[Array, "p p"]:
        """Formed at the first call when only Phi is kept."""
        return self.dense[0] if self.dense is not None else self.factor[0] @ self.factor[0].T  # type: ignore[index]

    @cached_property
    def V(self) -> Float[Array, "p d"]:
        """Correlation of features and noises."""
        return self.dense[1] if self.dense is not None else self.factor[0] @ self.factor[1].T  # type: ignore[index]

    def modes(self) -> Modes:
        """Modes of the smaller of U and the Gram matrix of Phi."""
        if self.factor is None:
            return DenseModes(self.U.copy(), self.V, self.V_test, self.U_test)
        return FactorModes(*self.factor, self.V_test, self.U_test)


class FactorModes(Modes):
    """Modes of U = F F^T for tall F from F^T F = Z s^2 Z^T: E = F Z/s, and E^T V = s Z^T Xi^T for V = F Xi^T."""

    def __init__(self, factor: Array, noise: Array, v_test: Array, u_test: Array) -> None:
        squares, basis = linalg.eigh((factor.T @ factor).T, overwrite_a=True, check_finite=False, driver="evd")
        kept = squares > squares.size * np.finfo(np.float64).eps * max(float(squares[-1]), 0.0)
        squares, basis = squares[kept], basis[:, kept]
        self._vectors = (factor @ basis) / np.sqrt(squares)
        self.overlap = np.sqrt(squares)[:, None] * (basis.T @ noise.T)
        self.overlap_test = self._vectors.T @ v_test
        self.eigenvalues = np.concatenate([np.zeros(factor.shape[0] - squares.size), squares])
        self._u_test = u_test

    def vectors(self) -> Array:
        """Eigenvectors of the modes that are not null."""
        return self._vectors

    @cached_property
    def _rotated(self) -> Array:
        return self._vectors.T @ (self._u_test @ self._vectors)

    def _population(self, rows: slice, columns: slice) -> Array:
        return self._rotated[rows, columns].copy()


def exact_blocks(
    sigma: Callable[[Array], Array], weights: Array, data: Array, t: float, draws: int, rng: np.random.Generator
) -> Blocks:
    """Features and noises of all copies of a few samples at a time."""
    width = max(1, _BLOCK // (weights.shape[0] * draws))
    for start in range(0, data.shape[0], width):
        yield noised_features(sigma, weights, np.repeat(data[start : start + width], draws, axis=0), t, rng)


def noised_features(
    sigma: Callable[[Array], Array], weights: Array, clean: Array, t: float, rng: np.random.Generator
) -> tuple[Float[Array, "p k"], Float[Array, "d k"]]:
    """Features of one noised copy of each of k samples, and the noises."""
    noise = rng.standard_normal(clean.shape)
    noised = np.exp(-t) * clean + np.sqrt(-np.expm1(-2.0 * t)) * noise
    return sigma(weights @ (noised.T / np.sqrt(weights.shape[1]))), noise.T


def equivalent_blocks(
    co: GaussianCoefficients, weights: Array, data: Array, draws: int, rng: np.random.Generator
) -> Blocks:
    """The same for the Gaussian equivalent: a e^{-t} W x/sqrt d + b W xi/sqrt d + v Omega (a sample's) + s Omega'."""
    p, d = weights.shape
    width = max(1, _BLOCK // (p * draws))
    for start in range(0, data.shape[0], width):
        clean = data[start : start + width]
        common = np.sqrt(float(co.alpha2) / d) * (weights @ clean.T)
        common += np.sqrt(float(co.v2)) * rng.standard_normal(common.shape)
        own, noise = equivalent.own_columns(co, weights, clean.shape[0] * draws, rng)
        yield np.repeat(common, draws, axis=1) + own, noise


def build(
    weights: Array, n: int, t: float, draws: int, blocks: Blocks, population: tuple[Array, Array],
    loss_floor: float, error_bound: float, ridge: float,
) -> FrozenInstance:  # fmt: skip
    """Keep Phi when it is tall, else sum U and V over the blocks."""
    (p, d), columns = weights.shape, n * draws
    factor = dense = None
    if p > columns:
        features, noises = (np.concatenate(parts, axis=1) / np.sqrt(columns) for parts in zip(*blocks, strict=True))
        factor, energy = (features, noises), float(np.sum(noises**2))
    else:
        u, v, energy = np.zeros((p, p)), np.zeros((p, d)), 0.0
        for features, noises in blocks:
            u += features @ features.T
            v += features @ noises.T
            energy += float(np.sum(noises**2)) / columns
        dense = u / columns, v / columns
    return FrozenInstance(
        weights, n, t, loss_floor, error_bound, draws, factor, dense, *population,
        ridge=ridge, energy=energy / d,
    )  # fmt: skip
