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

from rfscore._precision import is_traced
from rfscore.errors import InputError, bad

#: Largest ratio of non-zero eigenvalues for which the accuracy statements of the theory are tested.
MAX_CONDITION = 1e6


def _vector(name: str, values: Any) -> Any:
    if is_traced(values):
        return jnp.atleast_1d(jnp.asarray(values))
    try:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise bad(name, values, "real numbers") from error
    if array.ndim != 1 or array.size == 0:
        raise bad(name, f"shape {array.shape}", "a non-empty vector")
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        worst = array[~np.isfinite(array) | (array < 0)][0]
        raise bad(name, float(worst), "finite values >= 0")
    return array


def _positive(name: str, value: Any, *, above: float = 0.0) -> Any:
    if is_traced(value):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise bad(name, value, f"a number > {above:g}") from error
    if not (np.isfinite(number) and number > above):
        raise bad(name, number, f"a finite number > {above:g}")
    return number


class Covariance(eqx.Module):
    """Spectral measure of the population covariance Sigma (Tr Sigma/d = variance = sigma_x^2)."""

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
        """d eigenvalues (ascending) of a finite Sigma: the mid-quantiles of rho_Sigma, so Tr Sigma/d -> variance."""
        nodes, weights = (np.asarray(x, dtype=np.float64) for x in self.quadrature())
        order = np.argsort(nodes)
        cumulative = np.cumsum(weights[order])
        at = np.searchsorted(cumulative / cumulative[-1], (np.arange(d) + 0.5) / d)
        return nodes[order][np.minimum(at, nodes.size - 1)]


class Isotropic(Covariance):
    """Sigma = variance * I."""

    sigma2: Any = eqx.field(default=1.0, converter=lambda v: _positive("variance", v))

    def quadrature(self, count: int | None = None) -> tuple[Any, Any]:
        """One node of weight one."""
        xp = jnp if is_traced(self.sigma2) else np
        return xp.atleast_1d(xp.asarray(self.sigma2, dtype=float)), np.ones(1)


class Atoms(Covariance):
    """Eigenvalues `values` with fractions `weights` (default: equal), e.g. Atoms([0.5, 1.5], [0.5, 0.5])."""

    values: Any = eqx.field(converter=lambda v: _vector("values", v))
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

    values: Any = eqx.field(converter=lambda v: _vector("eigenvalues", v))

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
        if not isinstance(self.size, int) or self.size < 1:
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
