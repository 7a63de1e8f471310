"""tau_opt and tau_half at infinite size: roots of the exact curves (`rfscore.theory.stopping`), problem by problem."""

from __future__ import annotations

import math
from functools import partial

import jax
import numpy as np

from rfscore.errors import SolveError
from rfscore.model.problem import ScoreProblem
from rfscore.observables.solved import FALLS, CurveTimes, solve_times
from rfscore.observables.times import Observable
from rfscore.theory import stopping as st
from rfscore.theory import wide
from rfscore.theory.equivalent import equivalent
from rfscore.theory.losses import loss_curves
from rfscore.theory.timescales import AFTER, BEFORE, timescales

#: Relative accuracy of tau_opt and of tau_half: half the width of their intervals.
OPT, HALF = 1e-5, 1e-8
_solve = partial(jax.jit, static_argnames=("windows", "ridged", "rays"))(st.best_stopping)


def _first_and_last(problem: ScoreProblem) -> tuple[float, float]:
    time = 1.0 / float(problem.rate)
    slowest = float(timescales(problem).lambda_lowest)
    if not slowest > 0:
        raise SolveError("curve_times: the spectrum of U reaches zero (psi_p = noise_draws psi_n): the slowest mode "
                         "takes for ever; add a ridge, or move psi_p by a relative 1e-6")  # fmt: skip
    return time * st.FIRST / float(equivalent(problem).top), time * st.LAST / slowest


def curve_times(problem: ScoreProblem) -> CurveTimes:
    """Best stopping tau_opt and half-gap time tau_half of the exact curves; docs/times.md defines every time.

    Args:
        problem: the problem.

    Returns:
        CurveTimes: each an `Observable`, or a status that says why there is none. tau_opt is inf where the test loss
        falls to the end.

    Raises:
        SolveError: a loss that could not be verified, or a slowest mode that takes for ever.

    Accuracy:
        1e-5 relative in tau_opt, 1e-8 in tau_half, 1e-9 in the losses there.

    Example:
        >>> import rfscore as rf
        >>> found = rf.curve_times(rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01))
        >>> print(f"{found.tau_opt.value:.1f} {found.tau_half.value:.0f}")
        132.8 321936
    """
    if wide.is_wide(problem):
        scales = timescales(problem)
        return solve_times(partial(loss_curves, problem), BEFORE * scales.tau_gen_scale, AFTER * scales.tau_last_edge)
    first, last = _first_and_last(problem)
    end = loss_curves(problem, [np.inf])
    train, test = float(end.train[0]), float(end.test[0])
    slowest = st.LAST / float(problem.rate) / last
    windows = st.windows_needed(last / first)
    with jax.enable_x64(True):
        found = jax.tree_util.tree_map(
            float, _solve(problem, slowest, train, test, windows, ridged=bool(problem.ridge), rays=False)
        )
    remarks = {flag: text for flag, text in st.REMARKS.items() if int(found.remark) & flag}
    if st.UNVERIFIED in remarks:
        raise SolveError(f"curve_times: {remarks[st.UNVERIFIED]}")
    if st.MONOTONE in remarks:
        return CurveTimes(Observable(math.inf, (last, math.inf), "ok", FALLS, test), _none(FALLS))
    why = "; ".join(remarks.values())
    opt = _solved(found.tau_opt, OPT, found.test_opt, why)
    return CurveTimes(opt, _solved(found.tau_half, HALF, 0.5 * (test - train), why))


def _solved(value: float, accuracy: float, height: float, why: str) -> Observable:
    if math.isnan(value):
        return _none(why)
    return Observable(value, (value * (1 - accuracy), value * (1 + accuracy)), height=height)


def _none(why: str) -> Observable:
    return Observable(math.nan, (math.nan, math.nan), "undefined", why)
