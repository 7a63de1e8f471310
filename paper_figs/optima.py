"""Where the test loss is lowest: along training without a ridge, and over the ridge at the end of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import optimize

import rfscore as rf
import rfscore.finite
from paper_figs import diagram, finite
from paper_figs.cache import Arrays, code_version, kept
from paper_figs.job import Job
from rfscore.errors import SolveError
from rfscore.finite import pool

Array = np.ndarray
_TAU = np.geomspace(2e-2, 2e2, 25)  # times 1/Delta_t
_RIDGE = np.geomspace(1e-3, 3e1, 10)  # times psi_p
_RTOL = 1e-9  # of losses: 1e-4 of the places of their flat minima
_NAMES = ("tau", "stopped", "ridge", "ridged")


@dataclass(frozen=True)
class Optima:
    """Along a line of problems: best tau and the loss there, best ridge and the loss there, all above `floor`."""

    tau: Array
    stopped: Array
    ridge: Array
    ridged: Array


def lowest(loss: Callable[[float], float], x: Array, values: Array) -> tuple[float, float]:
    """The lowest point of a function of x > 0, by scipy's bounded search in log x within the bracket `x, values` give.

    Raises:
        SolveError: the lowest value is the first or the last, so there is no bracket.
    """
    i = int(np.argmin(values))
    if i in (0, x.size - 1):
        raise SolveError(f"the lowest loss is at the end {x[i]:.3g} of [{x[0]:.3g}, {x[-1]:.3g}]: widen the grid")
    found = optimize.minimize_scalar(
        lambda y: loss(float(np.exp(y))), bounds=np.log(x[[i - 1, i + 1]]), method="bounded", options={"xatol": 1e-3}
    )
    if not found.success or found.fun > values[i]:
        raise SolveError(f"bounded search near {x[i]:.3g}: {found.message}")
    return float(np.exp(found.x)), float(found.fun)


def of_theory(problem: rf.ScoreProblem) -> tuple[float, float, float, float]:
    """Best tau, test loss there, best ridge at infinite time, test loss there, at infinite size."""

    def stopped(tau: float) -> float:
        return float(rf.loss_curves(problem, [tau], rtol=_RTOL).test[0])

    def ridged(ridge: float) -> float:
        return float(rf.loss_curves(problem.replace(ridge=ridge), [np.inf], rtol=_RTOL).test[0])

    tau, ridge = _grids(problem)
    first = lowest(stopped, tau, rf.loss_curves(problem, tau, rtol=_RTOL).test)
    return *first, *lowest(ridged, ridge, np.array([ridged(x) for x in ridge]))


def _grids(problem: rf.ScoreProblem) -> tuple[Array, Array]:
    return _TAU / float(problem.delta), _RIDGE * float(problem.psi_p)


def of_network(problem: rf.ScoreProblem, d: int, seed: int) -> tuple[float, float, float, float]:
    """The same four numbers of one finite network."""
    flow = rfscore.finite.draw(problem, d, finite.stream(problem, d, seed)).gradient_flow()

    def stopped(tau: float) -> float:
        return float(flow.loss_curves([tau]).test[0])

    def ridged(ridge: float) -> float:
        return float(flow.with_ridge(ridge).loss_curves([np.inf]).test[0])

    tau, ridge = _grids(problem)
    first = lowest(stopped, tau, flow.loss_curves(tau).test)
    return *first, *lowest(ridged, ridge, np.array([ridged(x) for x in ridge]))


def line(job: Job, problems: Sequence[rf.ScoreProblem], what: str) -> Optima:
    """Theory along a line of problems, from the cache when nothing has changed."""

    def compute() -> Arrays:
        found = []
        for i, problem in enumerate(problems):
            job.say(f"best stopping and ridge over {what}: {i + 1} of {len(problems)}")
            found.append(of_theory(problem))
        return dict(zip(_NAMES, np.array(found).T, strict=True))

    inputs = {"problems": list(problems), "tau": _TAU, "ridge": _RIDGE}
    return Optima(**kept("optima", inputs, _code(diagram.code()), compute))


def networks(job: Job, problem: rf.ScoreProblem, d: int, seeds: int) -> Optima:
    """The same of several networks of one problem, one number each."""

    def one(seed: int) -> Arrays:
        inputs = {"problem": problem, "d": d, "seed": seed, "tau": _TAU, "ridge": _RIDGE}
        values = kept("optimum", inputs, _code(finite.code()), lambda: {"four": np.array(of_network(problem, d, seed))})
        return values

    def done(seed: int) -> None:
        job.say(
            f"best stopping and ridge of networks, psi_n = {problem.psi_n:g}, psi_p = {problem.psi_p:g}: {seed + 1}"
        )

    found = pool.each(one, range(seeds), round(float(problem.psi_p) * d), done)
    return Optima(*np.array([x["four"] for x in found]).T)


def _code(other: str) -> str:
    return other + code_version("paper_figs/optima.py")


def floor(problem: rf.ScoreProblem) -> Float[Array, ""]:
    """Test loss of the exact score, 1 - Delta_t Tr Sigma_t^{-1}/d, for Sigma = sigma_x^2 I."""
    return 1.0 - np.asarray(problem.delta / problem.gamma2)
