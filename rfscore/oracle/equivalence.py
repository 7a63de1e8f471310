r"""Coefficients of the activation at any number of digits.

Everything follows from the covariance function of sigma under a bivariate Gaussian of variance Gamma^2,
K(c) = E sigma(x) sigma(y), Cov(x, y) = c:  |sigma|^2 = K(Gamma^2), v2 = K(e^{-2t} sigma_x^2) - a^2 e^{-2t} sigma_x^2.
K is in closed form for erf, sin and relu, and a double quadrature otherwise; digits lost in the differences are
bought back by working with more of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp

from rfscore.errors import InputError, SolveError, bad
from rfscore.model.activations import as_activation
from rfscore.model.problem import ScoreProblem
from rfscore.model.process import OU
from rfscore.oracle._types import GUARD

#: Digits that v2 and s2 may lose to cancellation: both can be as small as t^3 or e^{-6 t} times an O(1) number.
_CANCELLATION = 18


@dataclass(frozen=True)
class Coefficients:
    """mu1, a, b, v2, s2 of Bonnaire et al. 2025 (Eqs 12-14), the mean c_0, Delta_t, Gamma_t^2 and E sigma(Gamma_t z)^2.

    `error` is the largest relative error of mu1, v2 and s2, from two working precisions.
    """

    mu1: Any
    a: Any
    b: Any
    v2: Any
    s2: Any
    mean: Any
    delta: Any
    gamma2: Any
    norm2: Any
    error: Any


def atoms(problem: ScoreProblem) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Eigenvalues of Sigma and their weights as exact atoms; the weights are rescaled to sum to one exactly."""
    nodes, weights = (np.asarray(x, dtype=np.float64) for x in problem.quadrature())
    total = mp.fsum(mp.mpf(w) for w in weights)
    return tuple(mp.mpf(x) for x in nodes), tuple(mp.mpf(w) / total for w in weights)


_GRIDS: dict[tuple[int, int], list[tuple[Any, Any]]] = {}


def _grid(level: int) -> list[tuple[Any, Any]]:
    """Positive nodes that refinement `level` of the trapezoidal rule adds, with exp(-z^2/2), at this precision."""
    key = (mp.prec, level)
    if key not in _GRIDS:
        step = mp.mpf(1) / 2**level
        radius = mp.sqrt(2 * mp.log(10) * (mp.dps + 4))
        nodes = [j * step for j in range(1, int(radius / step) + 1, 1 if level == 1 else 2)]
        _GRIDS[key] = [(z, mp.exp(-z * z / 2)) for z in nodes]
    return _GRIDS[key]


def gaussian_mean(function: Callable[[Any], Any], *, even: bool = False) -> Any:
    """E function(z), z ~ N(0, 1), by the trapezoidal rule, whose error is exponentially small in 1/step."""
    tolerance = mp.mpf(10) ** (-(mp.dps + 6) / 2)  # halving the step squares the error
    total, previous, scale = function(mp.mpf(0)) / 2, mp.inf, mp.mpf(0)
    for level in range(1, 16):
        for z, weight in _grid(level):
            here = weight * function(z)
            there = here if even else weight * function(-z)
            total += (here + there) / 2
            scale = max(scale, abs(here), abs(there))  # not of their sum: it may be pure rounding where f is odd
        estimate = 2 * total / 2**level
        if abs(estimate - previous) <= tolerance * scale:
            return estimate / mp.sqrt(2 * mp.pi)
        previous = estimate
    raise SolveError(
        "Gaussian mean did not converge: is the activation smooth? List its kinks in Activation(kinks=...)"
    )


def _split_mean(function: Callable[[Any], Any], mean: Any, std: Any, kinks: tuple[float, ...]) -> Any:
    """E function(x), x ~ N(mean, std^2), with the integral split at the kinks."""
    radius = std * mp.sqrt(2 * mp.log(10) * (mp.dps + 4))
    inside = [mp.mpf(kink) for kink in kinks if mean - radius < kink < mean + radius]
    points = [mean - radius, *inside, mean + radius]
    panels = []
    for left, right in itertools.pairwise(points):
        count = max(1, int(mp.ceil((right - left) / (4 * std))))
        panels += [left + (right - left) * j / count for j in range(count)]
    value = mp.quad(lambda x: function(x) * mp.exp(-(((x - mean) / std) ** 2) / 2), [*panels, points[-1]])
    return value / (std * mp.sqrt(2 * mp.pi))


def _moments_closed(name: str, gamma2: Any, common: Any) -> tuple[Any, Any, Any, Any] | None:
    """(c_0, mu_1, K(gamma2), K(common)) in closed form; K includes the mean."""
    gamma = mp.sqrt(gamma2)
    if name == "erf":
        kernel = [2 / mp.pi * mp.asin(2 * c / (1 + 2 * gamma2)) for c in (gamma2, common)]
        return mp.mpf(0), 2 * gamma / mp.sqrt(mp.pi * (1 + 2 * gamma2)), kernel[0], kernel[1]
    if name == "sin":
        kernel = [mp.exp(-gamma2) * mp.sinh(c) for c in (gamma2, common)]
        return mp.mpf(0), gamma * mp.exp(-gamma2 / 2), kernel[0], kernel[1]
    if name == "relu":
        rho = common / gamma2
        mixed = gamma2 / (2 * mp.pi) * (mp.sqrt(1 - rho * rho) + rho * (mp.pi - mp.acos(rho)))
        return gamma / mp.sqrt(2 * mp.pi), gamma / 2, gamma2 / 2, mixed
    return None


def _moments_quadrature(
    function: Callable, gamma2: Any, common: Any, kinks: tuple[float, ...], even: bool
) -> tuple[Any, Any, Any, Any]:
    gamma, shared, own = mp.sqrt(gamma2), mp.sqrt(common), mp.sqrt(gamma2 - common)
    if kinks:
        c0 = _split_mean(function, mp.mpf(0), gamma, kinks)
        mu1 = _split_mean(lambda x: function(x) * x / gamma, mp.mpf(0), gamma, kinks)
        norm2 = _split_mean(lambda x: function(x) ** 2, mp.mpf(0), gamma, kinks)
        mixed = gaussian_mean(lambda u: _split_mean(function, shared * u, own, kinks) ** 2)
        return c0, mu1, norm2, mixed
    c0 = gaussian_mean(lambda z: function(gamma * z))
    mu1 = gaussian_mean(lambda z: function(gamma * z) * z, even=even)
    norm2 = gaussian_mean(lambda z: function(gamma * z) ** 2, even=even)
    mixed = gaussian_mean(lambda u: gaussian_mean(lambda v: function(shared * u + own * v)) ** 2, even=even)
    return c0, mu1, norm2, mixed


def mp_activation(problem: ScoreProblem, override: Callable | None = None) -> Callable[[Any], Any]:
    """sigma on mpmath numbers: built-in, the user's `override`, or the problem's own callable if it takes mpf."""
    activation = problem.activation
    if override is None and activation == as_activation("tanh"):
        return mp.tanh
    function = override or activation.function
    remedy = f"activation {activation.name!r} on mpmath numbers: pass activation=<callable on mpf>, e.g. mpmath.tanh"
    try:
        probe = function(mp.mpf(1) / 3)
    except (TypeError, AttributeError) as error:
        raise InputError(remedy) from error
    if not isinstance(probe, mp.mpf):
        raise InputError(f"{remedy}; it returned {type(probe).__name__}, which keeps 16 digits only")
    return function


def _compute(problem: ScoreProblem, override: Callable | None, digits: int) -> dict[str, Any]:
    with mp.workdps(digits + _CANCELLATION):
        nodes, weights = atoms(problem)
        delta, decay = -mp.expm1(-2 * mp.mpf(problem.t)), mp.exp(-2 * mp.mpf(problem.t))
        common = decay * mp.fsum(x * w for x, w in zip(nodes, weights, strict=True))
        gamma2 = common + delta
        name, built_in = problem.activation.name, ("erf", "sin", "relu")
        closed = None
        if override is None and name in built_in and problem.activation == as_activation(name):
            closed = _moments_closed(name, gamma2, common)
        if closed is None:
            function = mp_activation(problem, override)
            odd = all(abs(function(x) + function(-x)) == 0 for x in (mp.mpf(1) / 7, mp.mpf(11) / 5))
            closed = _moments_quadrature(function, gamma2, common, problem.activation.kinks, odd)
        c0, mu1, norm2, mixed = closed
        if not problem.activation.centre and abs(c0) > mp.mpf(10) ** -10:
            raise InputError(f"E sigma(Gamma z) = {mp.nstr(c0, 8)}: expected 0; use Activation(..., centre=True)")
        a2 = mu1 * mu1 / gamma2
        v2 = mixed - c0 * c0 - a2 * common
        values = {"mu1": mu1, "a": mu1 / mp.sqrt(gamma2), "b": mp.sqrt(delta * a2), "v2": v2, "s2": norm2 - mixed}
        values["s2"] -= delta * a2
        return {**values, "mean": c0, "delta": delta, "gamma2": gamma2, "norm2": norm2 - c0 * c0}


_CACHE: dict[tuple, Any] = {}


def _cached(problem: ScoreProblem, override: Callable | None, digits: int) -> dict[str, Any]:
    if not isinstance(problem.process, OU):
        raise bad("process", problem.process, "rf.OU() for the oracle", "it knows the paper's process only")
    nodes, weights = (np.asarray(x, dtype=np.float64) for x in problem.quadrature())
    key = (float(problem.t), nodes.tobytes(), weights.tobytes(), problem.activation, override, digits)
    if key not in _CACHE:
        if len(_CACHE) > 512:
            _CACHE.clear()
        _CACHE[key] = _compute(problem, override, digits)
    return _CACHE[key]


def coefficients(problem: ScoreProblem, dps: int = 30, *, activation: Callable | None = None) -> Coefficients:
    r"""mu_1, a, b, v2, s2 to `dps` digits (Bonnaire et al. 2025, Eqs 12-14).

    Args:
        problem: the model; tanh, erf, sin and relu are built in.
        dps: digits asked for.
        activation: sigma on mpmath numbers, for a user's activation that NumPy or JAX evaluates.

    Returns:
        Coefficients with the relative error of the worst of mu1, v2, s2.

    Raises:
        InputError: an activation that does not accept mpmath numbers, or is not centred.
        SolveError: a quadrature that does not converge.

    Example:
        >>> import rfscore as rf
        >>> from rfscore import oracle
        >>> co = oracle.coefficients(rf.ScoreProblem(8, 64, 0.01, activation="erf"), dps=20)
        >>> print(f"{float(co.mu1):.8f} {float(co.s2):.8f}")
        0.65147002 0.00278378
    """
    coarse, fine = (_cached(problem, activation, dps + guard) for guard in GUARD)
    error = max(abs(fine[k] - coarse[k]) / abs(fine[k]) if fine[k] else mp.mpf(0) for k in ("mu1", "v2", "s2"))
    return Coefficients(**fine, error=error + mp.mpf(10) ** (-dps - GUARD[0]))


def averaged_noise(problem: ScoreProblem, what: str) -> None:
    """Refuse what the oracle does for averaged noise without ridge only."""
    if not np.isinf(problem.noise_draws) or problem.ridge != 0:
        raise bad("noise_draws, ridge", (problem.noise_draws, problem.ridge), f"inf and 0 for the oracle's {what}",
                  "resolvent (off the real axis), kernel and losses know both")  # fmt: skip


@dataclass(frozen=True)
class Model:
    """The numbers every equation of the oracle needs, at one working precision."""

    psi_n: Any
    psi_p: Any
    alpha2: Any
    b2: Any
    v2: Any
    s2: Any
    noise: Any
    decay: Any
    nodes: tuple[Any, ...]
    weights: tuple[Any, ...]
    draws: Any = mp.inf
    ridge: Any = 0

    @property
    def mean(self) -> Any:
        """Tr Sigma/d."""
        return mp.fsum(x * w for x, w in zip(self.nodes, self.weights, strict=True))

    @property
    def norm2(self) -> Any:
        """First moment of the spectrum, (1/p) Tr U."""
        return self.alpha2 * self.mean + self.b2 + self.v2 + self.s2


def model(problem: ScoreProblem, digits: int, activation: Callable | None = None) -> Model:
    """The model's numbers correct to about `digits` digits (call inside `mp.workdps(digits)`)."""
    co = _cached(problem, activation, digits)
    decay = mp.exp(-2 * mp.mpf(problem.t))
    nodes, weights = atoms(problem)
    return Model(
        psi_n=mp.mpf(problem.psi_n), psi_p=mp.mpf(problem.psi_p), alpha2=co["a"] ** 2 * decay, b2=co["b"] ** 2,
        v2=co["v2"], s2=co["s2"], noise=co["delta"], decay=decay, nodes=nodes, weights=weights,
        draws=mp.mpf(problem.noise_draws), ridge=mp.mpf(problem.ridge),
    )  # fmt: skip
