r"""The Gaussian-equivalent twin of an instance: the matrix that the theory describes, at finite size.

A noised sample of class c has the features signal a_c W x/sqrt d + sqrt(v2_c) Omega, which its noised copies share,
plus b_c W xi/sqrt d + sqrt(s2_c) Omega' of its own (the Gaussian equivalence lemma of Bonnaire et al. 2025). With G the
common columns of all samples, <.> the mean over them and Ut_c, Vt_c those of the population,

    U = <s2> I + G G^T/n + <b^2> W W^T/d,     V = -on_noise <b> W/sqrt d - on_data G X/n
    Ut_c = W (signal^2 a_c^2 Sigma_c + b_c^2) W^T/d + (v2_c + s2_c) I
    Vt_c = -W (on_data signal a_c Sigma_c + on_noise b_c)/sqrt d.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg

from rfscore.finite.instance import Instance
from rfscore.finite.modes import Modes, clip_roundoff
from rfscore.finite.setting import Moments, Setting
from rfscore.model.equivalence import GaussianCoefficients

Array = np.ndarray
_BLOCK = 2**24  # numbers of Phi formed at once


@dataclass(frozen=True, eq=False)
class Twin:
    r"""The equivalent features of every class of a population with a diagonal Sigma.

    Attributes:
        weights: W.
        setting: channel and target.
        fractions: of the classes.
        spectra: eigenvalues of each class.
        a, b, v2, s2: coefficients of each class.
    """

    weights: Float[Array, "p d"]
    setting: Setting
    fractions: Float[Array, " K"]
    spectra: Float[Array, "K d"]
    a: Float[Array, " K"]
    b: Float[Array, " K"]
    v2: Float[Array, " K"]
    s2: Float[Array, " K"]
    basis: None = field(default=None, init=False)

    @classmethod
    def of(cls, weights: Array, setting: Setting, fractions: Array, spectra: Array, co: GaussianCoefficients) -> Twin:
        """From the coefficients of a problem."""
        numbers = (np.atleast_1d(np.asarray(x, dtype=float)) for x in (co.a, co.b, co.v2, co.s2))
        return cls(weights, setting, fractions, spectra, *numbers)

    @cached_property
    def sides(self) -> Float[Array, "p d"]:
        """W/sqrt d."""
        return self.weights / np.sqrt(self.weights.shape[1])

    def fresh(self, pi: Float[Array, " K"]) -> tuple[float, Float[Array, " d"], Float[Array, " d"]]:
        """(level, profile) of Ut and the profile of Vt, for classes in these fractions."""
        at, a, b = self.setting, self.a[:, None], self.b[:, None]
        truth = at.on_data * at.signal * a * self.spectra + at.on_noise * b
        return float(pi @ (self.v2 + self.s2)), pi @ (at.signal**2 * a**2 * self.spectra + b**2), -(pi @ truth)

    def mixed(self, pi: Float[Array, " K"]) -> Moments:
        """Of the population with classes in these fractions."""
        level, profile, truth = self.fresh(pi)
        u = _gram(self.sides * np.sqrt(profile), level)
        return Moments(u, self.sides * truth, self.setting.regressed(np.diag(pi @ self.spectra)))

    def moments(self, number: int) -> Moments:
        """Of one class."""
        return self.mixed(np.eye(self.fractions.size)[number])

    def common(self, data: Array, labels: Array, rng: np.random.Generator) -> Float[Array, "p k"]:
        """What the noised copies of each sample share."""
        block = self.weights @ (data.T * (self.setting.signal * self.a[labels] / np.sqrt(self.weights.shape[1])))
        block += np.sqrt(self.v2[labels]) * rng.standard_normal(block.shape)
        return block

    def own(self, labels: Array, rng: np.random.Generator) -> tuple[Float[Array, "p k"], Float[Array, "d k"]]:
        """What a noised copy has for itself, and its noise."""
        noise = rng.standard_normal((self.weights.shape[1], labels.size))
        own = self.sides @ (self.b[labels] * noise)
        own += np.sqrt(self.s2[labels]) * rng.standard_normal(own.shape)
        return own, noise

    def copies(
        self, data: Array, labels: Array, draws: int, rng: np.random.Generator
    ) -> Iterator[tuple[Float[Array, "p k"], Float[Array, "d k"]]]:
        """Features and residuals of m noised copies of each sample, a few samples at a time."""
        width = max(1, _BLOCK // (self.weights.shape[0] * draws))
        for start in range(0, len(data), width):
            clean, kinds = data[start : start + width], labels[start : start + width]
            common = self.common(clean, kinds, rng)
            own, noise = self.own(np.repeat(kinds, draws), rng)
            residual = self.setting.residual(np.repeat(clean, draws, axis=0).T, noise)
            yield np.repeat(common, draws, axis=1) + own, residual


@dataclass(frozen=True, eq=False)
class EquivalentSamples:
    """The training samples of a twin.

    Attributes:
        twin: their features.
        data: the samples.
        labels: the class of each.
        columns: draws again what the noised copies of each sample share, (p, n).
    """

    twin: Twin
    data: Float[Array, "n d"]
    labels: Int[Array, " n"]
    columns: Callable[[], Float[Array, "p n"]]

    @cached_property
    def _columns(self) -> Array:
        return self.columns()

    def noised(self, rows: Array, rng: np.random.Generator) -> tuple[Float[Array, "p k"], Float[Array, "d k"]]:
        """Features of one new noised copy of each of these samples, and their residuals at A = 0."""
        own, noise = self.twin.own(self.labels[rows], rng)
        return self._columns[:, rows] + own, self.twin.setting.residual(self.data[rows].T, noise)

    def averaged(self, rows: Array) -> Moments:
        """Moments of these samples alone."""
        load, pull, floor = self.flat(rows)
        columns, clean = self._columns[:, rows] / np.sqrt(rows.size), self.data[rows] / np.sqrt(rows.size)
        u = _gram(load, floor) + columns @ columns.T
        at = self.twin.setting
        return Moments(u, load * pull - at.on_data * (columns @ clean), at.regressed(clean.T @ clean))

    def flat(self, rows: Array) -> tuple[Float[Array, "p d"], float, float]:
        """What the averaged noise adds: columns B to U, their weight in V, and the floor <s2>."""
        b, s2 = self.twin.b[self.labels[rows]], self.twin.s2[self.labels[rows]]
        scale = np.sqrt(np.mean(b**2))
        return self.twin.sides * scale, float(-self.twin.setting.on_noise * np.mean(b) / scale), float(np.mean(s2))


@dataclass(frozen=True, eq=False, repr=False)
class EquivalentInstance(Instance):
    r"""An instance of the Gaussian-equivalent model.

    Attributes:
        twin: its features and population.
        floor: <s2>.
        factor: B of U = <s2> I + B B^T, (p, n + d), its last d columns sqrt(<b^2>) W/sqrt d; kept when p > n + d.
        pull: C of V = B C^T, (d, n + d), kept with it.
        dense: U itself otherwise.
        V: <phi r^T>.
    """

    twin: Twin
    floor: float
    factor: Float[Array, "p k"] | None
    pull: Float[Array, "d k"] | None
    dense: Float[Array, "p p"] | None
    V: Float[Array, "p d"]

    @property
    def U(self) -> Float[Array, "p p"]:
        """U, formed at each call when only its factor is kept."""
        if self.factor is not None:
            return _gram(self.factor, self.floor)
        assert self.dense is not None  # one of the two is always kept
        return self.dense

    @property
    def U_test(self) -> Float[Array, "p p"]:
        """The population's matrix, formed at each call."""
        return self.twin.mixed(self.twin.fractions).U

    @property
    def V_test(self) -> Float[Array, "p d"]:
        """The population's V; with averaged noise and no data in the target, that of the samples too."""
        return self.twin.sides * self.twin.fresh(self.twin.fractions)[2]

    def modes(self) -> Modes:
        """Modes of B (n + d of them) when p > n + d, else of U."""
        return EquivalentModes(self)


class EquivalentModes(Modes):
    """Modes of <s2> I + B B^T. The eigenspace orthogonal to B is orthogonal to V: training never reaches it."""

    def __init__(self, instance: EquivalentInstance) -> None:
        twin, self._factor = instance.twin, instance.factor
        self._level, self._profile, truth = twin.fresh(twin.fractions)
        if self._factor is None:
            eigenvalues, self._basis = linalg.eigh(
                instance.U.T.copy(order="F"), overwrite_a=True, check_finite=False, driver="evd"
            )
            self.overlap, self._sides = self._basis.T @ instance.V, self._basis.T @ twin.sides
            self.overlap_test = self._sides * truth
            self.eigenvalues = clip_roundoff(eigenvalues, (self.overlap, self.overlap_test))
        else:
            assert instance.pull is not None  # kept with the factor
            gram = self._factor.T @ self._factor
            squares, basis = linalg.eigh(gram.T, overwrite_a=True, check_finite=False, driver="evd")
            kept = squares > squares.size * np.finfo(np.float64).eps * squares[-1]
            self._basis, self._singular = basis[:, kept], np.sqrt(squares[kept])
            # E = B Z/singular and B^T B Z = Z singular^2, so E^T B = singular Z^T; V = B C^T.
            self.overlap = self._singular[:, None] * (self._basis.T @ instance.pull.T)
            self._sides = self.vectors().T @ twin.sides
            self.overlap_test = self._sides * truth
            floor = np.full(instance.p - self._singular.size, instance.floor)
            self.eigenvalues = np.concatenate([floor, instance.floor + squares[kept]])

    def vectors(self) -> Array:
        """Eigenvectors of the reached modes, formed at each call."""
        return self._basis if self._factor is None else (self._factor @ self._basis) / self._singular

    def _population(self, rows: slice, columns: slice) -> Array:
        tile = (self._sides[rows] * self._profile) @ self._sides[columns].T
        # Tiles start on the diagonal of E^T Ut E: rows.start is columns.start.
        np.fill_diagonal(tile[: tile.shape[1]], np.diagonal(tile[: tile.shape[1]]) + self._level)
        return tile


def _gram(load: Array, floor: float) -> Array:
    """floor I + load load^T."""
    out = load @ load.T
    out.flat[:: out.shape[0] + 1] += floor
    return out


def build(
    twin: Twin, data: Float[Array, "n d"], labels: Int[Array, " n"], rng: np.random.Generator, ridge: float = 0.0
) -> EquivalentInstance:
    """Draw Omega and assemble the twin; columns are summed in blocks when U (p <= n + d) is what is kept."""
    (p, d), n, at = twin.weights.shape, len(data), twin.setting
    state, factor, pull, dense = copy.deepcopy(rng), None, None, None
    plain = EquivalentSamples(twin, data, labels, functools.partial(_again, twin, data, labels, state))
    load, weight, floor = plain.flat(np.arange(n))
    v = load * weight
    if p > n + d:
        columns = twin.common(data, labels, rng) / np.sqrt(n)
        factor = np.concatenate([columns, load], axis=1)
        pull = np.concatenate([-at.on_data * data.T / np.sqrt(n), weight * np.eye(d)], axis=1)
        v -= at.on_data * (columns @ data) / np.sqrt(n)
        samples = EquivalentSamples(twin, data, labels, functools.partial(_kept, factor, n))
    else:
        dense, samples = _gram(load, floor), plain
        for start in range(0, n, p):
            rows = slice(start, start + p)
            block = twin.common(data[rows], labels[rows], rng)
            dense += block @ block.T / n
            v -= (at.on_data / n) * (block @ data[rows])
    targets = at.regressed(data.T @ data / n), at.regressed(np.diag(twin.fractions @ twin.spectra))
    return EquivalentInstance(
        twin.weights, n, at, 0.0, twin, floor, factor, pull, dense, v,
        targets=targets, tested=twin, labels=labels, ridge=ridge, samples=samples,
    )  # fmt: skip


def _kept(factor: Array, n: int) -> Float[Array, "p n"]:
    """The part of every sample's features that its noises share, from the columns that are kept."""
    return np.asarray(factor[:, :n] * np.sqrt(n))


def _again(twin: Twin, data: Array, labels: Array, state: np.random.Generator) -> Float[Array, "p n"]:
    """The same, drawn again."""
    rng, p = copy.deepcopy(state), twin.weights.shape[0]
    blocks = [twin.common(data[i : i + p], labels[i : i + p], rng) for i in range(0, len(data), p)]
    return np.concatenate(blocks, axis=1)
