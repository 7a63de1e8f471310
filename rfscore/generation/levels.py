r"""Networks of infinite width, one at every noise level: what each has learned when the sampler uses it.

At diffusion time t the score learned after tau along an eigenvector of the sample covariance, eigenvalue x, is
-a slope(v) m(x) times the point: m of `rfscore.theory.wide`, and slope(v) = E sigma'(sqrt(v) z) at the variance v that
the points have by then, which is a where they have the right one (derivations (D14.8)).
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rfscore.model.activations import Activation
from rfscore.model.equivalence import coefficients
from rfscore.model.problem import ScoreProblem
from rfscore.theory import wide
from rfscore.theory.sample_law import SampleLaw

Array = np.ndarray
_SMOOTH, _KINKED = 513, 8193  # points of the trapezoidal rule


class Features(abc.ABC):
    """What of the features the wide limit sees."""

    @abc.abstractmethod
    def at(self, problem: ScoreProblem, t: float) -> tuple[float, float]:
        """a and v2 at diffusion time t."""

    @abc.abstractmethod
    def slope(self, variance: Float[Array, " T"]) -> Float[Array, " T"]:
        """E sigma'(sqrt(v) z), by which the linear part acts on points of variance v."""


class RandomFeatures(Features):
    """sigma(W x/sqrt d), the problem's own."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def at(self, problem: ScoreProblem, t: float) -> tuple[float, float]:
        """a and v2 of `rfscore.coefficients`."""
        return _coefficients(self.activation, t, float(problem.population.variance))

    def slope(self, variance: Float[Array, " T"]) -> Float[Array, " T"]:
        """E[sigma(sqrt(v) z) z]/sqrt(v) by the trapezoidal rule: exact for smooth sigma, 1e-5 with kinks."""
        z, weights = _first_moment(_KINKED if self.activation.kinks else _SMOOTH)
        root = np.sqrt(variance)
        return np.asarray(self.activation(root[:, None] * z) @ weights / root)


@functools.cache
def _first_moment(count: int) -> tuple[Array, Array]:
    """Nodes z, and weights of int f(z) z dN(z)."""
    z = np.linspace(-13.0, 13.0, count)
    return z, z * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) * (z[1] - z[0])


@functools.lru_cache(maxsize=4096)
def _coefficients(activation: Activation, t: float, variance: float) -> tuple[float, float]:
    co = coefficients(ScoreProblem(1.0, 1.0, t, variance, activation))
    return float(co.a), float(co.v2)


class DotProduct(Features):
    """A kernel h(<x, x'>/d) with h(0) = h''(0) = 0, h'(0) = 1, as in Latourelle-Vigeant et al. 2026."""

    def __init__(self, kernel: Callable[[float], float]) -> None:
        self.kernel = kernel

    def at(self, problem: ScoreProblem, t: float) -> tuple[float, float]:
        """1 and h(e^{-2t} sigma_x^2) - e^{-2t} sigma_x^2."""
        signal = np.exp(-2.0 * t) * float(problem.population.variance)
        return 1.0, float(self.kernel(signal) - signal)

    def slope(self, variance: Float[Array, " T"]) -> Float[Array, " T"]:
        """1: the kernel is linear at test points."""
        return np.ones_like(variance)


class Level(NamedTuple):
    """The network at one diffusion time."""

    t: float
    a: float
    v2: float
    psi_n: float

    @property
    def delta(self) -> float:
        """Delta_t."""
        return float(-np.expm1(-2.0 * self.t))

    def gain(self, law: SampleLaw, tau: Float[Array, " T"]) -> tuple[Float[Array, "T K"], Float[Array, " T"]]:
        """m at the law's nodes and at x = 0."""
        a2 = self.a**2
        parts = a2 * np.exp(-2.0 * self.t), a2 * self.delta, self.v2 / self.psi_n
        c = 2.0 * self.delta * tau
        return wide.block(law.x, *parts).gain(c), wide.block(np.zeros(1), *parts).gain(c)[:, 0]

    def test_loss(self, law: SampleLaw, nodes: Float[Array, " L"], tau: Float[Array, " T"]) -> Float[Array, " T"]:
        """L_test of `rfscore.theory.wide`."""
        m, m_zero = self.gain(law, tau)
        b2 = self.a**2 * self.delta
        noised = np.exp(-2.0 * self.t) * nodes + self.delta
        return 1.0 - 2.0 * b2 * law.mean(m, m_zero) + b2 * self.a**2 * law.mean(m**2, m_zero**2, noised)


def level(problem: ScoreProblem, t: float, features: Features | None = None) -> Level:
    """The network of a problem at diffusion time t (the problem's own t does not matter)."""
    found = features or RandomFeatures(problem.activation)
    return Level(float(t), *found.at(problem, float(t)), float(problem.psi_n))
