"""How long each noise level is trained: one time for all, geometric between two, or the best of each."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from scipy import optimize

from rfscore.errors import bad
from rfscore.generation.levels import Features, level
from rfscore.model.problem import ScoreProblem
from rfscore.theory.wide import law_of

Schedule = Callable[[float], float]


def exponential(first: tuple[float, float], last: tuple[float, float]) -> Schedule:
    """tau(t) through two points (t, tau): log tau is linear in log t, and constant outside.

    Raises:
        InputError: times that are not positive, or two equal t.

    Example:
        >>> from rfscore.generation import exponential
        >>> print(round(exponential((1e-3, 1.0), (1e-1, 100.0))(1e-2), 9))
        10.0
    """
    (t, tau), (s, other) = first, last
    if not min(t, tau, s, other) > 0 or t == s:
        raise bad("points of a schedule", (first, last), "two different t > 0, with tau > 0")
    ends = sorted([(math.log(t), math.log(tau)), (math.log(s), math.log(other))])
    return lambda at: float(np.exp(np.interp(math.log(at), [x for x, _ in ends], [y for _, y in ends])))


def optimal(
    problem: ScoreProblem,
    *,
    features: Features | None = None,
    within: tuple[float, float] = (1e-2, 1e8),
) -> Schedule:
    """tau(t) of least test loss of infinitely wide networks, at every diffusion time.

    Args:
        problem: psi_n, covariance and activation matter.
        features: those of a kernel (`DotProduct`) in place of the activation's.
        within: Delta_t tau is sought in this range. Where a second minimum at late times is the lower one (nearly
            linear features, large t), the schedule jumps there unless this range excludes it.

    Accuracy: 1e-7 relative where the least is inside.

    Example:
        >>> import rfscore as rf
        >>> best = rf.generation.optimal(rf.ScoreProblem(3.0, float("inf"), 0.1))
        >>> print(f"{best(0.1):.4f}")
        12.4907
    """
    law, (nodes, _) = law_of(problem), problem.quadrature()
    nodes = np.asarray(nodes, dtype=float)

    @functools.lru_cache(maxsize=4096)
    def best(t: float) -> float:
        at = level(problem, t, features)

        def loss(log: float) -> float:
            return float(at.test_loss(law, nodes, np.array([math.exp(log) / at.delta]))[0])

        grid = np.linspace(math.log(within[0]), math.log(within[1]), 161)
        k = int(np.argmin(at.test_loss(law, nodes, np.exp(grid) / at.delta)))
        ends = grid[max(k - 1, 0)], grid[min(k + 1, 160)]
        found = optimize.minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-9})
        return math.exp(float(found.x)) / at.delta

    return best
