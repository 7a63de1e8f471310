r"""Instances with m frozen noises per sample: U = Phi Phi^T/(n m), V = Phi R^T/(n m), features not averaged.

Phi (p, n m) holds sigma(W x_t/sqrt d) of every noised copy x_t = signal x + noise xi, R (d, n m) the residuals at A = 0
(xi where the target is the score; Urfin et al. 2026). The population's matrices are those of averaged noise. For
p > n m only Phi is kept, and its modes are those of the n m x n m Gram matrix; otherwise U and V are summed over blocks
of samples.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg

from rfscore.finite.instance import Instance
from rfscore.finite.modes import DenseModes, Modes
from rfscore.finite.setting import Moments, Setting, Tested

Array = np.ndarray
Blocks = Iterator[tuple[Float[Array, "p k"], Float[Array, "d k"]]]


@dataclass(frozen=True, eq=False, repr=False)
class FrozenInstance(Instance):
    r"""An instance trained on m fixed noises per sample.

    Attributes:
        noise_draws: m.
        factor: (Phi, R)/sqrt(n m) when p > n m, else None.
        dense: (U, V) otherwise.
        copies: draws the same noised copies again, block by block.
    """

    noise_draws: int
    factor: tuple[Float[Array, "p k"], Float[Array, "d k"]] | None
    dense: tuple[Float[Array, "p p"], Float[Array, "p d"]] | None
    U_test: Float[Array, "p p"]
    V_test: Float[Array, "p d"]
    copies: Callable[[], Blocks]

    @cached_property
    def U(self) -> Float[Array, "p p"]:
        """Formed at the first call when only Phi is kept."""
        return self.dense[0] if self.dense is not None else self.factor[0] @ self.factor[0].T  # type: ignore[index]

    @cached_property
    def V(self) -> Float[Array, "p d"]:
        """Correlation of features and residuals."""
        return self.dense[1] if self.dense is not None else self.factor[0] @ self.factor[1].T  # type: ignore[index]

    def modes(self) -> Modes:
        """Modes of the smaller of U and the Gram matrix of Phi."""
        if self.factor is None:
            return DenseModes(self.U.copy(), self.V, self.V_test, self.U_test)
        return FactorModes(*self.factor, self.V_test, self.U_test)

    def of_samples(self, rows: Int[Array, " k"]) -> Moments:
        """See Instance."""
        chosen = np.repeat(np.isin(np.arange(self.n), rows), self.noise_draws)
        found, start = None, 0
        for features, residuals in self.copies():
            mine = chosen[start : start + features.shape[1]]
            start += features.shape[1]
            part = _moments(features[:, mine], residuals[:, mine])
            found = part if found is None else Moments(*(a + b for a, b in zip(found, part, strict=True)))
        assert found is not None  # n >= 1
        return Moments(*(x / np.count_nonzero(chosen) for x in found))


class FactorModes(Modes):
    """Modes of U = F F^T for tall F from F^T F = Z s^2 Z^T: E = F Z/s, and E^T V = s Z^T R^T for V = F R^T."""

    def __init__(self, factor: Array, residual: Array, v_test: Array, u_test: Array) -> None:
        squares, basis = linalg.eigh((factor.T @ factor).T, overwrite_a=True, check_finite=False, driver="evd")
        kept = squares > squares.size * np.finfo(np.float64).eps * max(float(squares[-1]), 0.0)
        squares, basis = squares[kept], basis[:, kept]
        self._vectors = (factor @ basis) / np.sqrt(squares)
        self.overlap = np.sqrt(squares)[:, None] * (basis.T @ residual.T)
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


def _moments(features: Array, residuals: Array) -> Moments:
    return Moments(features @ features.T, features @ residuals.T, residuals @ residuals.T)


@dataclass(frozen=True)
class Replay:
    """Blocks of noised copies that are the same at every call."""

    blocks: Callable[[np.random.Generator], Blocks]
    state: np.random.Generator

    def __call__(self) -> Blocks:
        """From the first block on."""
        return self.blocks(copy.deepcopy(self.state))


def build(
    weights: Array, n: int, setting: Setting, draws: int, blocks: Callable[[np.random.Generator], Blocks],
    rng: np.random.Generator, test: Moments, tested: Tested, labels: Array, error_bound: float, ridge: float,
) -> FrozenInstance:  # fmt: skip
    """Keep Phi when it is tall, else sum U and V over the blocks."""
    columns, copies = n * draws, Replay(blocks, copy.deepcopy(rng))
    factor = dense = None
    if weights.shape[0] > columns:
        parts = zip(*blocks(rng), strict=True)
        features, residuals = (np.concatenate(part, axis=1) / np.sqrt(columns) for part in parts)
        factor, target = (features, residuals), residuals @ residuals.T
    else:
        total: Moments | None = None
        for block in blocks(rng):
            part = _moments(*block)
            total = part if total is None else Moments(*(a + b for a, b in zip(total, part, strict=True)))
        assert total is not None  # n >= 1
        u, v, target = (x / columns for x in total)
        dense = u, v
    return FrozenInstance(
        weights, n, setting, error_bound, draws, factor, dense, test.U, test.V, copies,
        targets=(target, test.target), tested=tested, labels=labels, ridge=ridge,
    )  # fmt: skip
