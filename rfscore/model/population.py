r"""Populations: what the data are drawn from, one Gaussian class or several, through the spectra of their covariances.

Everything in the theory sees Sigma only through integrals int rho_Sigma(dlam) f(lam). Each covariance turns its
spectrum into a quadrature (nodes, weights) for them: exact for discrete spectra, Gauss-Legendre in log(lam) for the
continuous one, where the number of nodes sets the resolution. Several classes share the directions, and so the nodes.
"""

from __future__ import annotations

import abc
import functools
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import special

from rfscore._numbers import number, reals
from rfscore._precision import AnyArray, is_traced
from rfscore.errors import InputError, bad
from rfscore.results import described, short

#: Largest ratio of non-zero eigenvalues for which the accuracy statements of the theory are tested.
MAX_CONDITION = 1e6
#: Eigenvalues of at most this part of the largest are roundoff of zeros, as `numpy.linalg.eigvalsh` leaves it.
ROUNDOFF = 1e-12


def _vector(name: str, values: Any) -> Any:
    if is_traced(values):
        return jnp.atleast_1d(jnp.asarray(values))
    array = np.atleast_1d(reals(name, values, "real numbers"))
    if array.ndim != 1 or array.size == 0:
        raise bad(name, f"shape {array.shape}", "a non-empty vector")
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        worst = array[~np.isfinite(array) | (array < 0)][0]
        raise bad(name, float(worst), "finite values >= 0")
    return array


def _eigenvalues(name: str, values: Any) -> Any:
    """A spectrum as a vector, with the roundoff of null eigenvalues, of either sign, set to 0."""
    if is_traced(values):
        return _vector(name, values)
    array = reals(name, values, "real numbers")
    if array.size and np.all(np.isfinite(array)):
        array = np.where(np.abs(array) <= ROUNDOFF * np.max(array), 0.0, array)
        if np.any(array < 0):
            raise bad(name, float(array.min()), f"values >= 0, to {ROUNDOFF:g} of the largest",
                      "a covariance has no negative eigenvalue: is the matrix symmetric, is it one?")  # fmt: skip
    return _vector(name, array)


def _positive(name: str, value: Any, *, above: float = 0.0) -> Any:
    if is_traced(value):
        return value
    found = number(name, value, f"a number > {above:g}")
    if not (np.isfinite(found) and found > above):
        raise bad(name, found, f"a finite number > {above:g}")
    return found


class Classes(NamedTuple):
    """Centred Gaussian classes with covariances diagonal in one basis: lam_cl = sum_s scale_cs base_sl.

    Attributes:
        fractions: of the classes, summing to one.
        scale: how each class is made of the base spectra.
        base: S spectra, node by node.
        weights: fraction of the directions at each node, summing to one.
    """

    fractions: Float[AnyArray, " K"]
    scale: Float[AnyArray, "K S"]
    base: Float[AnyArray, "S L"]
    weights: Float[AnyArray, " L"]

    @property
    def nodes(self) -> Float[AnyArray, "K L"]:
        """Eigenvalues lam_cl of every class."""
        return self.scale @ self.base

    @property
    def variance(self) -> Float[AnyArray, " K"]:
        """sigma_c^2 = Tr Sigma_c/d."""
        return self.nodes @ self.weights

    def at(self, d: int) -> Float[np.ndarray, "K d"]:
        """d eigenvalues of every class of a finite population: means over d slices of directions of mass 1/d."""
        return _slices(np.asarray(self.nodes, dtype=float), np.asarray(self.weights, dtype=float), d)


class Population(eqx.Module):
    """What the data are drawn from: Gaussian classes with covariances that commute."""

    #: True when `classes` samples a density of eigenvalues rather than listing them.
    continuous: ClassVar[bool] = False

    def __repr__(self) -> str:
        return described(self)

    @abc.abstractmethod
    def classes(self, count: int | None = None) -> Classes:
        """The classes; `count` is the number of nodes of continuous spectra."""

    @property
    def condition(self) -> float:
        """Largest over smallest non-zero eigenvalue of a class, the largest of the classes' (concrete spectra only)."""
        return max(float(nodes.max() / nodes[nodes > 0].min()) for nodes in np.asarray(self.classes().nodes))

    @property
    def variance(self) -> Any:
        """sigma_x^2 = Tr Sigma/d, the mean over the classes."""
        found = self.classes()
        return (found.fractions * found.variance).sum()

    def draw(self, n: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """n samples (n, d) in the eigenbasis and the class of each, classes in their fractions one after the other."""
        found = self.classes()
        labels = np.repeat(np.arange(len(found.fractions)), _shares(np.asarray(found.fractions), n))
        return rng.standard_normal((n, d)) * np.sqrt(found.at(d))[labels], labels


def _shares(fractions: np.ndarray, n: int) -> np.ndarray:
    """n items in these fractions, whole numbers with the largest remainders rounded up."""
    exact = fractions * n
    counts = np.floor(exact + 1e-9).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: n - counts.sum()]] += 1
    return counts


def _slices(nodes: Float[np.ndarray, "K L"], weights: Float[np.ndarray, " L"], d: int) -> Float[np.ndarray, "K d"]:
    """Means of the nodes over d slices of mass 1/d, directions in the order of their mean eigenvalue.

    Tr Sigma/d is kept at every d, and a spectrum of d equal atoms is itself.
    """
    order = np.argsort(nodes.mean(axis=0), kind="stable")
    nodes, ends = nodes[:, order], np.cumsum(weights[order])
    cuts, ends = np.arange(d + 1.0), ends * (d / ends[-1])  # in units of slices
    whole = np.round(ends)
    ends = np.where(np.abs(ends - whole) < 1e-9 * d, whole, ends)
    marks = np.union1d(cuts, ends)  # between two marks is one atom of one slice
    share, middle = np.diff(marks), 0.5 * (marks[1:] + marks[:-1])
    atom, piece = np.searchsorted(ends, middle), np.minimum(middle, d - 0.5).astype(int)
    found = np.zeros((len(nodes), d))
    for row, values in zip(found, nodes, strict=True):
        np.add.at(row, piece, share * values[atom])
    return found


class Covariance(Population):
    """One Gaussian class, by the spectral measure of its covariance Sigma (Tr Sigma/d = variance = sigma_x^2)."""

    @abc.abstractmethod
    def quadrature(self, count: int | None = None) -> tuple[Any, Any]:
        """Nodes (eigenvalues) and weights summing to one; `count` is the node number of continuous spectra."""

    def classes(self, count: int | None = None) -> Classes:
        """One class."""
        nodes, weights = self.quadrature(count)
        xp = jnp if is_traced(nodes, weights) else np
        return Classes(np.ones(1), np.ones((1, 1)), xp.asarray(nodes)[None], xp.asarray(weights))

    def eigenvalues(self, d: int) -> np.ndarray:
        """d eigenvalues (ascending) of a finite Sigma: the means of rho_Sigma over d slices of mass 1/d."""
        return self.classes().at(d)[0]


class Isotropic(Covariance):
    """Sigma = variance * I."""

    sigma2: Any = eqx.field(default=1.0, converter=lambda v: _positive("variance", v))

    def quadrature(self, count: int | None = None) -> tuple[Any, Any]:
        """One node of weight one."""
        xp = jnp if is_traced(self.sigma2) else np
        return xp.atleast_1d(xp.asarray(self.sigma2, dtype=float)), np.ones(1)


class Atoms(Covariance):
    """Eigenvalues `values` with fractions `weights` (default: equal), e.g. Atoms([0.5, 1.5], [0.5, 0.5])."""

    values: Any = eqx.field(converter=lambda v: _eigenvalues("values", v))
    weights: Any = eqx.field(default=None, converter=lambda w: w if w is None else _vector("weights", w))

    def __check_init__(self) -> None:
        if self.weights is not None:
            if np.shape(self.weights) != np.shape(self.values):
                raise bad("weights", f"shape {np.shape(self.weights)}", f"one per value, {np.shape(self.values)}")
            if not is_traced(self.weights):
                if np.any(self.weights <= 0):
                    raise bad("weights", float(np.min(self.weights)), "fractions > 0", "drop the empty atoms")
                if abs(float(np.sum(self.weights)) - 1.0) > 1e-12:
                    raise bad("weights", f"sum {float(np.sum(self.weights)):.15g}", "fractions that sum to 1",
                              "divide them by their sum")  # fmt: skip
        if not is_traced(self.values) and not np.any(np.asarray(self.values) > 0):
            raise InputError("Sigma = 0: expected at least one eigenvalue > 0; there is no data to learn")

    def quadrature(self, count: int | None = None) -> tuple[Any, Any]:
        """The atoms themselves."""
        n = np.shape(self.values)[0]
        return self.values, np.full(n, 1.0 / n) if self.weights is None else self.weights


class Empirical(Covariance):
    """The eigenvalues of a data covariance, each with weight 1/d (e.g. `numpy.linalg.eigvalsh(X.T @ X / n)`)."""

    values: Any = eqx.field(converter=lambda v: _eigenvalues("eigenvalues", v))

    def __check_init__(self) -> None:
        if not is_traced(self.values) and not np.any(np.asarray(self.values) > 0):
            raise InputError("Sigma = 0: expected at least one eigenvalue > 0; there is no data to learn")

    def quadrature(self, count: int | None = None) -> tuple[Any, Any]:
        """The distinct eigenvalues with their multiplicities."""
        if is_traced(self.values):
            n = np.shape(self.values)[0]
            return self.values, np.full(n, 1.0 / n)
        nodes, counts = np.unique(self.values, return_counts=True)
        return nodes, counts / counts.sum()


class PowerLaw(Covariance):
    r"""lam_i proportional to i^(-exponent), i = 1 ... size, each with weight 1/size.

    A discrete spectrum on purpose: the largest eigenvalues of a power law are isolated, and so are their bulks in U.

    Args:
        exponent: decay, > 0 (natural images: about 1 to 2).
        size: number of eigenvalues; size^exponent is the condition number, at most 1e6.
        sigma2: Tr Sigma/d, > 0.
    """

    exponent: Any = eqx.field(default=1.0, converter=lambda v: _positive("exponent", v))
    size: int = eqx.field(static=True, default=256)
    sigma2: Any = eqx.field(default=1.0, converter=lambda v: _positive("sigma2", v))

    def __check_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise bad("size", self.size, "an integer >= 1")

    def quadrature(self, count: int | None = None) -> tuple[Any, Any]:
        """The eigenvalues, ascending."""
        xp = jnp if is_traced(self.exponent, self.sigma2) else np
        nodes = xp.arange(self.size, 0, -1.0) ** (-self.exponent)
        return nodes * (self.sigma2 / nodes.mean()), np.full(self.size, 1.0 / self.size)


class Uniform(Covariance):
    """Eigenvalues uniform on [low, high], 0 < low < high."""

    continuous: ClassVar[bool] = True

    low: Any = eqx.field(default=0.5, converter=lambda v: _positive("low", v))
    high: Any = eqx.field(default=1.5, converter=lambda v: _positive("high", v))

    def __check_init__(self) -> None:
        if not is_traced(self.low, self.high) and not self.low < self.high:
            raise bad("high", self.high, f"a number > low = {self.low:g}")

    def quadrature(self, count: int | None = None) -> tuple[Any, Any]:
        """Gauss-Legendre in log(lam): resolution is relative, because bulks are."""
        xp = jnp if is_traced(self.low, self.high) else np
        x, w = np.polynomial.legendre.leggauss(count or 256)
        half = 0.5 * xp.log(self.high / self.low)
        nodes = self.low * xp.exp(half * (x + 1.0))
        weights = w * half * nodes / (self.high - self.low)
        return nodes, weights / weights.sum()


def _one_by_one(values: Any) -> tuple[Covariance, ...]:
    if isinstance(values, Covariance) or not isinstance(values, list | tuple | np.ndarray | jax.Array):
        raise bad("covariances", values, "a list with a number or a covariance for each class")
    if is_traced(values) or not isinstance(values, list | tuple):
        return tuple(Isotropic(values[i]) for i in range(np.shape(values)[0]))
    return tuple(value if isinstance(value, Covariance) else Isotropic(value) for value in values)


class Mixture(Population):
    r"""Centred Gaussian classes whose covariances are diagonal in one basis.

    Args:
        fractions: pi_c > 0, one for each class, summing to 1.
        covariances: of each class a number (sigma_c^2 I), or a spectrum; spectra are paired node by node, in the order
            given, e.g. Atoms([0.25, 0.5]) with Atoms([2.0, 0.0]): the first half of the directions has variance 0.25 in
            the first class and 2 in the second.

    Raises:
        InputError: fractions that do not sum to 1, of another number than the covariances, or spectra of different
            lengths or weights.

    Example:
        >>> import rfscore as rf
        >>> two = rf.Mixture([0.3, 0.7], [0.25, 2.0])
        >>> print(rf.loss_curves(rf.ScoreProblem(3.0, 4.0, 0.1, two), [10.0]).test.round(4))
        [0.8685]
    """

    fractions: Any = eqx.field(converter=lambda w: _vector("fractions", w))
    covariances: tuple[Covariance, ...] = eqx.field(converter=_one_by_one)

    def __check_init__(self) -> None:
        count = np.shape(self.fractions)[0]
        if count != len(self.covariances):
            raise bad("fractions", f"{count} of them", f"one for each of the {len(self.covariances)} covariances")
        if not is_traced(self.fractions):
            if np.any(self.fractions <= 0):
                raise bad("fractions", float(np.min(self.fractions)), "numbers > 0", "drop the empty classes")
            if abs(float(np.sum(self.fractions)) - 1.0) > 1e-12:
                raise bad("fractions", f"sum {float(np.sum(self.fractions)):.15g}", "fractions that sum to 1",
                          "divide them by their sum")  # fmt: skip
        self._check_pairs()

    def _check_pairs(self) -> None:
        """Refuse spectra whose directions cannot be paired."""
        spectra = self._spectra()
        for i, one in spectra:
            if one.continuous:
                raise bad(f"covariance of class {i}", repr(one), "a number or a discrete spectrum",
                          "a continuous spectrum cannot be paired: list its eigenvalues as Atoms")  # fmt: skip
            number, first = spectra[0]
            (nodes, weights), (others, shares) = _as_given(one), _as_given(first)
            if np.shape(nodes) != np.shape(others):
                raise bad(f"covariance of class {i}", f"{np.shape(nodes)[0]} eigenvalues",
                          f"{np.shape(others)[0]}, as class {number}",
                          "classes share one eigenbasis: give both the same directions")  # fmt: skip
            if not is_traced(weights, shares) and np.any(abs(np.asarray(weights) - np.asarray(shares)) > 1e-12):
                raise bad(f"weights of class {i}", short(weights), f"those of class {number}, {short(shares)}",
                          "a direction is paired with itself: its weight is one for all classes")  # fmt: skip

    def _spectra(self) -> list[tuple[int, Covariance]]:
        """Classes that are more than a number."""
        return [(i, one) for i, one in enumerate(self.covariances) if not isinstance(one, Isotropic)]

    def classes(self, count: int | None = None) -> Classes:
        """The classes as given; a base spectrum each, and 1 for those that are numbers."""
        xp, spectra = jnp if is_traced(self) else np, self._spectra()
        fractions = xp.asarray(self.fractions)
        numbers = xp.stack([xp.asarray(one.sigma2 if isinstance(one, Isotropic) else 0.0) for one in self.covariances])
        if not spectra:
            return Classes(fractions, numbers[:, None], np.ones((1, 1)), np.ones(1))
        base = xp.stack([xp.asarray(_as_given(one)[0]) for _, one in spectra])
        weights = xp.asarray(_as_given(spectra[0][1])[1])
        scale = np.zeros((len(self.covariances), len(spectra)))
        scale[[i for i, _ in spectra], range(len(spectra))] = 1.0
        if len(spectra) < len(self.covariances):
            base = xp.concatenate([base, xp.ones((1, base.shape[1]))])
            scale = xp.concatenate([scale, numbers[:, None]], axis=1)
        return Classes(fractions, scale, base, weights)


def _as_given(one: Covariance) -> tuple[Any, Any]:
    """Nodes in the order given: `Empirical` lists each distinct eigenvalue once otherwise."""
    if isinstance(one, Empirical):
        size = np.shape(one.values)[0]
        return one.values, np.full(size, 1.0 / size)
    return one.quadrature()


def _covariance(value: Any) -> Covariance:
    return value if isinstance(value, Covariance) else Isotropic(value)


class HeavyTailed(Population):
    r"""Student data: x = r g with g ~ N(0, Sigma) and r^2 = (df - 2)/chi^2_df, so that Sigma is the covariance of x.

    A continuous mixture of scales, taken as a trapezoidal rule in log(r^2), which converges exponentially; what lies
    beyond a tail of probability `accuracy` is one node, with the tail's own mass and second moment.

    Args:
        df: degrees of freedom, in [2.1, 1000]; the smaller, the heavier.
        covariance: Sigma, a number or a spectrum.
        accuracy: wanted of losses that are of order one, in [1e-9, 1e-2]; sets the number of nodes, 8 to 80.

    Raises:
        InputError: a number outside its range.

    Example:
        >>> import rfscore as rf
        >>> heavy = rf.HeavyTailed(5.0)
        >>> print(len(heavy.classes().fractions), f"{heavy.variance:.12f}")
        17 1.000000000000
    """

    df: float = eqx.field(static=True, converter=lambda v: _between("df", v, 2.1, 1000.0))
    covariance: Covariance = eqx.field(default=1.0, converter=_covariance)
    accuracy: float = eqx.field(static=True, default=1e-6, converter=lambda v: _between("accuracy", v, 1e-9, 1e-2))

    @property
    def continuous(self) -> bool:  # type: ignore[override]
        """That of Sigma's spectrum."""
        return self.covariance.continuous

    def classes(self, count: int | None = None) -> Classes:
        """One class a node of r^2."""
        fractions, squares = _radii(self.df, self.accuracy)
        nodes, weights = self.covariance.quadrature(count)
        xp = jnp if is_traced(nodes, weights) else np
        return Classes(fractions, squares[:, None], xp.asarray(nodes)[None], xp.asarray(weights))

    def draw(self, n: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """n independent samples (n, d) in the eigenbasis, and the node of r^2 of each."""
        found = self.classes()
        labels = rng.choice(len(found.fractions), n, p=np.asarray(found.fractions))
        return rng.standard_normal((n, d)) * np.sqrt(found.at(d))[labels], labels


def _between(name: str, value: Any, low: float, high: float) -> float:
    found = number(name, value, f"a number in [{low:g}, {high:g}]")
    if not low <= found <= high:
        raise bad(name, found, f"a number in [{low:g}, {high:g}]")
    return found


@functools.lru_cache(maxsize=64)
def _radii(df: float, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and nodes of r^2 = (k - 1)/y, y ~ Gamma(k), k = df/2, from the lightest to the heaviest."""
    k = 0.5 * df
    # In s = log(y) the density is entire and decays in |Im s| < pi/2: step h leaves exp(-pi^2/h).
    step = np.pi**2 / np.log(100.0 / accuracy) / max(1.0, np.sqrt(k / 2.5))
    high = np.log(special.gammainccinv(k, 1e-3 * accuracy))
    s = np.arange(high, np.log(k) - 80.0 / (k - 1.0) - 5.0, -step)
    weights = np.exp(k * s - np.exp(s) - special.gammaln(k)) * step
    squares = (k - 1.0) * np.exp(-s)
    weights /= weights.sum()
    squares /= (weights * squares).sum()
    body = s > np.log(special.gammaincinv(k, accuracy))
    tail = weights[~body].sum()
    return (
        np.append(weights[body], tail), np.append(squares[body], (weights * squares)[~body].sum() / tail),
    )  # fmt: skip
