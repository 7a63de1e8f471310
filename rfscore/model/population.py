r"""Population covariances Sigma through their spectral measure rho_Sigma.

Everything in the theory sees Sigma only through integrals int rho_Sigma(dlam) f(lam). Each class here turns its
spectrum into a quadrature (nodes, weights) for them: exact for discrete spectra, Gauss-Legendre in log(lam) for
the continuous one, where the number of nodes sets the resolution.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from rfscore._numbers import number, reals
from rfscore._precision import is_traced
from rfscore.errors import InputError, bad
from rfscore.results import described

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


class Covariance(eqx.Module):
    """Spectral measure of the population covariance Sigma (Tr Sigma/d = variance = sigma_x^2)."""

    def __repr__(self) -> str:
        return described(self)

    #: True when `quadrature` samples a density rather than listing eigenvalues.
    continuous: ClassVar[bool] = False

    @abc.abstractmethod
    def quadrature(self, count: int | None = None) -> tuple[Any, Any]:
        """Nodes (eigenvalues) and weights summing to one; `count` is the node number of continuous spectra."""

    @property
    def condition(self) -> float:
        """Largest over smallest non-zero eigenvalue (concrete spectra only)."""
        nodes = np.asarray(self.quadrature()[0])
        return float(nodes.max() / nodes[nodes > 0].min())

    @property
    def variance(self) -> Any:
        """sigma_x^2 = Tr Sigma/d."""
        nodes, weights = self.quadrature()
        return (nodes * weights).sum()

    def eigenvalues(self, d: int) -> np.ndarray:
        """d eigenvalues (ascending) of a finite Sigma: the means of rho_Sigma over d slices of mass 1/d.

        Tr Sigma/d is `variance` at every d, and a spectrum of d equal atoms is itself.
        """
        nodes, weights = (np.asarray(x, dtype=np.float64) for x in self.quadrature())
        order = np.argsort(nodes)
        nodes, ends = nodes[order], np.cumsum(weights[order])
        cuts, ends = np.arange(d + 1.0), ends * (d / ends[-1])  # in units of slices
        whole = np.round(ends)
        ends = np.where(np.abs(ends - whole) < 1e-9 * d, whole, ends)
        marks = np.union1d(cuts, ends)  # between two marks is one atom of one slice
        share, middle = np.diff(marks), 0.5 * (marks[1:] + marks[:-1])
        atom, piece = np.searchsorted(ends, middle), np.minimum(middle, d - 0.5).astype(int)
        found = np.zeros(d)
        np.add.at(found, piece, share * nodes[atom])
        return found


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

    def eigenvalues(self, d: int) -> np.ndarray:
        """The means of the d slices, which are their middles."""
        return float(self.low) + (float(self.high) - float(self.low)) * (np.arange(d) + 0.5) / d
