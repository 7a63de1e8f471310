r"""The law of the samples that infinitely wide networks generate.

One network at every t of the sampler's grid, all on the same samples. Starting from white noise, a point's component
along an eigenvector of the sample covariance, eigenvalue x, is multiplied step by step, so that the samples are
Gaussian with covariance f(S):

    probability flow dx/dt = -x - s:             f <- (1 + h r)^2 f,         r = 1 - a slope(v) m(x)
    reverse SDE -dx = (x + 2 s) dt + sqrt(2) dB:  f <- (1 + h r)^2 f + 2 h,   r = 1 - 2 a slope(v) m(x)

with v = int f Tr Omega/d the samples' mean variance on the way (derivations (D14.8)-(D14.11); Latourelle-Vigeant et al.
2026, Eq 35 and Theorem 5). No sample is a copy: samples have Gaussian projections at every tau.

The features' slope follows the norm of the point, which concentrates. `linear=True` keeps it at a, so that the samples
are exactly Gaussian; without, `kl_true` is the KL to the Gaussian of their covariance, which is not the KL to their
law: a true point is a large deviation of norm, where the slope is another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Real

from rfscore._numbers import reals
from rfscore.errors import bad
from rfscore.generation.levels import Features, Level, RandomFeatures, level
from rfscore.model.problem import T_RANGE, ScoreProblem
from rfscore.results import Result, quantity
from rfscore.theory.sample_law import SampleLaw
from rfscore.theory.wide import law_of

Array = np.ndarray
Process = Literal["flow", "sde"]


class Generated(Result):
    r"""The law of samples, N(0, Sigma_gen), against training time.

    Attributes:
        tau: training times; where a schedule gives one to every noise level, that of the last.
        variance: of the samples along the directions of Sigma (eigenvalues of `problem.quadrature()`).
        mean_variance: Tr Sigma_gen/d.
        kl_true: KL(N(0, Sigma) | N(0, Sigma_gen))/d.
        kl_generated: KL(N(0, Sigma_gen) | N(0, Sigma))/d.
    """

    tau: Any = quantity("tau")
    variance: Any = quantity("tau", "direction")
    mean_variance: Any = quantity("tau")
    kl_true: Any = quantity("tau")
    kl_generated: Any = quantity("tau")


class _Along(NamedTuple):
    """A function of x for every tau: on the nodes, and at x = 0."""

    inside: Float[Array, "T K"]
    zero: Float[Array, " T"]

    def map(self, function: Callable[..., Array], *others: _Along) -> _Along:
        inside, zero = (o.inside for o in others), (o.zero for o in others)
        return _Along(function(self.inside, *inside), function(self.zero, *zero))


def diffusion_grid(times: Any) -> Float[Array, " K"]:
    """Diffusion times of a sampler, checked: descending, within what is tested."""
    grid = reals("grid", times, "descending diffusion times")
    inside = grid.ndim == 1 and grid.size >= 2 and np.all(np.diff(grid) < 0)
    if not (inside and grid[-1] >= T_RANGE[0] and grid[0] <= T_RANGE[1]):
        raise bad("grid", np.ravel(grid)[:4].tolist(), f"at least two descending diffusion times in {list(T_RANGE)}",
                  "e.g. np.geomspace(2.5, 0.02, 31)")  # fmt: skip
    return grid


def generated(
    problem: ScoreProblem,
    times: Real[Array, " T"] | Sequence[float] | Callable[[float], float],
    grid: Real[Array, " K"] | Sequence[float],
    *,
    process: Process = "flow",
    continuous: bool = False,
    linear: bool = False,
    features: Features | None = None,
) -> Generated:
    """What networks of infinite width generate, exactly for d -> infinity.

    Args:
        problem: psi_n, covariance and activation; psi_p and t do not matter here.
        times: training times, each for all noise levels; or a schedule tau(t) (`exponential`, `optimal`).
        grid: descending diffusion times, from nearly white noise to the last one.
        process: "flow" (probability flow) or "sde".
        continuous: the limit of many steps on this grid (second order) in place of its Euler steps.
        linear: keep the features' slope at a, its value at training, whatever the variance of the points.
        features: those of a kernel (`DotProduct`) in place of the activation's.

    Returns:
        Generated.

    Raises:
        InputError: times or a grid that are none, frozen noises or a ridge.

    Accuracy:
        1e-11 for Euler steps; continuous: second order in the steps of the grid.

    Example:
        >>> import numpy as np
        >>> import rfscore as rf
        >>> problem = rf.ScoreProblem(psi_n=3.0, psi_p=float("inf"), t=0.1)
        >>> found = rf.generation.generated(problem, [10.0, 1e3, 1e5], np.geomspace(2.5, 0.02, 31))
        >>> print(found.mean_variance.round(3), found.kl_generated.round(3))
        [1.143 0.501 0.011] [0.04  0.2   1.746]
    """
    if process not in get_args(Process):
        raise bad("process", process, f"one of {get_args(Process)}")
    if np.isfinite(problem.noise_draws) or problem.ridge != 0:
        raise bad("noise_draws, ridge", (problem.noise_draws, problem.ridge), "inf and 0 in the wide limit")
    t, law = diffusion_grid(grid), law_of(problem)
    found = features or RandomFeatures(problem.activation)
    schedule = times if callable(times) else None
    tau = np.zeros(1) if schedule else np.atleast_1d(reals("times", times, "training times >= 0"))
    if not np.all(tau >= 0) or tau.ndim != 1:
        raise bad("times", tau.ravel()[:4].tolist(), "a vector of training times >= 0")
    f = _Along(np.ones((tau.size, law.x.size)), np.ones(tau.size))
    twice = 2.0 if process == "sde" else 1.0

    def rate(at: Level, f: _Along) -> _Along:
        m = _Along(*at.gain(law, np.array([schedule(at.t)], dtype=float) if schedule else tau))
        factor = twice * at.a * (np.full(tau.size, at.a) if linear else found.slope(law.mean(*f)))
        return _Along(1.0 - factor[:, None] * m.inside, 1.0 - factor * m.zero)

    levels = [level(problem, at, features) for at in t]
    for now, then in pairwise(levels):
        h, r = now.t - then.t, rate(now, f)
        if continuous:
            ahead = rate(then, _continued(f, r, h, twice))
            f = _continued(f, r.map(lambda x, y: 0.5 * (x + y), ahead), h, twice)
        else:
            f = f.map(lambda x, y, h=h: (1.0 + h * y) ** 2 * x + 2.0 * h * (twice - 1.0), r)
    last = np.array([schedule(t[-2])], dtype=float) if schedule else tau
    return _described(law, np.asarray(problem.quadrature()[0], dtype=float), last, f)


def _continued(f: _Along, r: _Along, h: float, twice: float) -> _Along:
    """f after a time h of df = (2 r f + 2 (twice - 1)) ds."""

    def step(x: Array, y: Array) -> Array:
        with np.errstate(invalid="ignore"):
            grown = np.where(y == 0, 2.0 * h, np.expm1(2.0 * h * y) / y)
        return np.exp(2.0 * h * y) * x + (twice - 1.0) * grown

    return f.map(step, r)


def _described(law: SampleLaw, nodes: Float[Array, " L"], tau: Float[Array, " T"], f: _Along) -> Generated:
    variance = law.by_direction(*f)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = law.mean(*f.map(lambda x: 1.0 / x), nodes)
        log_ratio = law.mean(*f.map(np.log)) - law.direction @ np.log(nodes)
        kl_true = 0.5 * (inverse - 1.0 + log_ratio)
        kl_generated = 0.5 * (variance @ (law.direction / nodes) - 1.0 - log_ratio)
    if np.any(nodes == 0):  # a direction without variance, where the samples have some
        kl_true, kl_generated = np.full(tau.size, np.inf), np.full(tau.size, np.inf)
    return Generated(tau, variance, variance @ law.direction, kl_true, kl_generated)
