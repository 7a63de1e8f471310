r"""The Gaussian-equivalent twin of an instance: the matrix that the theory describes, at finite size.

U = s2 I + G G^T/n + b^2 W W^T/d with G = a e^{-t} W X^T/sqrt d + sqrt(v2) Omega, and Ut = alpha2 W Sigma W^T/d
+ b^2 W W^T/d + (v2 + s2) I, V = Vt = b W/sqrt d (the Gaussian equivalence lemma of Bonnaire et al. 2025).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy import linalg

from rfscore.finite.instance import Instance
from rfscore.finite.modes import Modes, clip_roundoff
from rfscore.model.equivalence import GaussianCoefficients

Array = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class EquivalentInstance(Instance):
    r"""An instance of the Gaussian-equivalent model.

    Attributes:
        coefficients: a, b, v2, s2 of the activation.
        sigma: eigenvalues of the diagonal Sigma, (d,).
        factor: B of U = s2 I + B B^T, (p, n + d), its last d columns b W/sqrt d; kept when p > n + d.
        dense: U itself otherwise.
    """

    coefficients: GaussianCoefficients
    sigma: Float[Array, " d"]
    factor: Float[Array, "p k"] | None
    dense: Float[Array, "p p"] | None

    @property
    def U(self) -> Float[Array, "p p"]:
        """U, formed at each call when only its factor is kept."""
        if self.factor is not None:
            return _gram(self.factor, float(self.coefficients.s2))
        assert self.dense is not None  # one of the two is always kept
        return self.dense

    @property
    def V(self) -> Float[Array, "p d"]:
        """b W/sqrt d."""
        return self.weights * (float(self.coefficients.b) / np.sqrt(self.d))

    @property
    def U_test(self) -> Float[Array, "p p"]:
        """The population's matrix, formed at each call."""
        return population(self.weights, self.sigma, self.coefficients)

    @property
    def V_test(self) -> Float[Array, "p d"]:
        """The same as V: it concentrates."""
        return self.V

    def modes(self) -> Modes:
        """Modes of B (n + d of them) when p > n + d, else of U."""
        return EquivalentModes(self)


class EquivalentModes(Modes):
    """Modes of s2 I + B B^T. The s2-eigenspace, orthogonal to B, is orthogonal to V: training never reaches it."""

    def __init__(self, instance: EquivalentInstance) -> None:
        co = instance.coefficients
        self._factor, self._floor = instance.factor, float(co.v2 + co.s2)
        # E^T W/sqrt d = P/b, so the data part of E^T Ut E is (alpha2/b^2) P Sigma P^T.
        self._signal = np.exp(-2.0 * instance.t) / instance.delta * instance.sigma
        if self._factor is None:
            eigenvalues, self._basis = linalg.eigh(
                instance.U.T.copy(order="F"), overwrite_a=True, check_finite=False, driver="evd"
            )
            self.overlap = self._basis.T @ instance.V
            self.eigenvalues = clip_roundoff(eigenvalues, (self.overlap, self.overlap))
        else:
            gram = self._factor.T @ self._factor
            squares, basis = linalg.eigh(gram.T, overwrite_a=True, check_finite=False, driver="evd")
            kept = squares > squares.size * np.finfo(np.float64).eps * squares[-1]
            self._basis, self._singular = basis[:, kept], np.sqrt(squares[kept])
            # E = B Z/singular and B^T B Z = Z singular^2, so E^T B = singular Z^T; V is the last d columns of B.
            self.overlap = self._singular[:, None] * self._basis[-instance.d :].T
            floor = np.full(instance.p - self._singular.size, float(co.s2))
            self.eigenvalues = np.concatenate([floor, float(co.s2) + squares[kept]])
        self.overlap_test = self.overlap

    def vectors(self) -> Array:
        """Eigenvectors of the reached modes, formed at each call."""
        return self._basis if self._factor is None else (self._factor @ self._basis) / self._singular

    def _population(self, rows: slice, columns: slice) -> Array:
        overlap = self.overlap
        tile = (overlap[rows] * (self._signal + 1.0)) @ overlap[columns].T
        # Tiles start on the diagonal of E^T Ut E: rows.start is columns.start.
        np.fill_diagonal(tile[: tile.shape[1]], np.diagonal(tile[: tile.shape[1]]) + self._floor)
        return tile


def _gram(load: Array, floor: float) -> Array:
    """floor I + load load^T."""
    out = load @ load.T
    out.flat[:: out.shape[0] + 1] += floor
    return out


def population(weights: Float[Array, "p d"], sigma: Float[Array, " d"], co: GaussianCoefficients) -> Array:
    """alpha2 W Sigma W^T/d + b^2 W W^T/d + (v2 + s2) I."""
    load = weights * np.sqrt((co.alpha2 * sigma + co.b**2) / weights.shape[1])
    return _gram(load, float(co.v2 + co.s2))


def build(
    weights: Float[Array, "p d"],
    data: Float[Array, "n d"],
    sigma: Float[Array, " d"],
    t: float,
    coefficients: GaussianCoefficients,
    loss_floor: float,
    rng: np.random.Generator,
    ridge: float = 0.0,
) -> EquivalentInstance:
    """Draw Omega and assemble the twin; columns are summed in blocks when U (p <= n + d) is what is kept."""
    (p, d), n = weights.shape, data.shape[0]
    noise = weights * (float(coefficients.b) / np.sqrt(d))
    signal = weights * (np.sqrt(float(coefficients.alpha2)) / np.sqrt(d * n))
    spread = np.sqrt(float(coefficients.v2) / n)
    factor = dense = None
    state = copy.deepcopy(rng)
    if p > n + d:
        factor = np.empty((p, n + d))
        factor[:, :n] = signal @ data.T
        factor[:, :n] += spread * rng.standard_normal((p, n))
        factor[:, n:] = noise
        samples = EquivalentSamples(weights, functools.partial(_kept, factor, n), coefficients)
    else:
        dense = _gram(noise, float(coefficients.s2))
        for block in _common_blocks(coefficients, weights, data, rng):
            dense += block @ block.T / n
        again = functools.partial(_all_common, coefficients, weights, data, state)
        samples = EquivalentSamples(weights, again, coefficients)
    return EquivalentInstance(
        weights, n, t, loss_floor, 0.0, coefficients, sigma, factor, dense, ridge=ridge, samples=samples
    )


def _kept(factor: Array, n: int) -> Float[Array, "p n"]:
    """The part of every sample's features that its noises share, from the columns that are kept."""
    return np.asarray(factor[:, :n] * np.sqrt(n))


def _all_common(co: GaussianCoefficients, weights: Array, data: Array, rng: np.random.Generator) -> Float[Array, "p n"]:
    """The same, drawn again."""
    return np.concatenate([*_common_blocks(co, weights, data, rng)], axis=1)


def _common_blocks(co: GaussianCoefficients, weights: Array, data: Array, rng: np.random.Generator) -> Iterator[Array]:
    """a e^{-t} W x/sqrt d + sqrt(v2) Omega, what the noised copies of a sample share: of p samples at a time."""
    p, d = weights.shape
    for start in range(0, data.shape[0], p):
        block = weights @ (data[start : start + p].T * (np.sqrt(float(co.alpha2)) / np.sqrt(d)))
        block += np.sqrt(float(co.v2)) * rng.standard_normal(block.shape)
        yield block


def own_columns(
    co: GaussianCoefficients, weights: Array, count: int, rng: np.random.Generator
) -> tuple[Float[Array, "p k"], Float[Array, "d k"]]:
    """b W xi/sqrt d + s Omega', what a noised copy has for itself, and its noise."""
    noise = rng.standard_normal((weights.shape[1], count))
    own = (float(co.b) / np.sqrt(weights.shape[1])) * (weights @ noise)
    own += np.sqrt(float(co.s2)) * rng.standard_normal(own.shape)
    return own, noise


@dataclass(frozen=True, eq=False)
class EquivalentSamples:
    """The training samples of a twin, for steps that see new noises or a part of them.

    Attributes:
        weights: W.
        common: draws again what the noised copies of each sample share, (p, n).
        coefficients: a, b, v2, s2.
    """

    weights: Float[Array, "p d"]
    common: Callable[[], Float[Array, "p n"]]
    coefficients: GaussianCoefficients

    @cached_property
    def _common(self) -> Array:
        return self.common()

    def noised(self, rows: Array, rng: np.random.Generator) -> tuple[Float[Array, "p k"], Float[Array, "d k"]]:
        """Features of one new noised copy of each of these samples, and the noises."""
        own, noise = own_columns(self.coefficients, self.weights, rows.size, rng)
        return self._common[:, rows] + own, noise

    def averaged(self, rows: Array) -> tuple[Float[Array, "p p"], Float[Array, "p d"]]:
        """U and V of these samples alone."""
        noise = self.weights * (float(self.coefficients.b) / np.sqrt(self.weights.shape[1]))
        columns = self._common[:, rows] / np.sqrt(rows.size)
        return _gram(noise, float(self.coefficients.s2)) + columns @ columns.T, noise
