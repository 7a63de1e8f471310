r"""Training, test and score-error curves under any protocol, in the limit d -> infinity.

With c = 2 Delta_t tau/psi_p, S = psi_p s the one-point trace and T the two-point kernel with U-tilde between, the flow
gives

    L_train = 1 - b^2 [ (1 - e^{-2 c lam})/lam  on S ]
    L_test  = 1 + b^2 [ k x k on T ] - 2 b^2 [ k on S ],   k(lam) = (1 - e^{-c lam})/lam
    Delta_t E_score = L_test - 1 + Delta_t int rho_Sigma/(e^{-2t} lam + Delta_t)

where the noise is averaged (the exact flow of Bonnaire et al. 2025, Eqs 53-55, in the limit; derivations
(D7.1)-(D7.8); the paper gives no formula for the test loss at finite tau). `rfscore.theory.assemble` has the general
form; `rfscore.theory.descent` the steps.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from rfscore._precision import float64, is_traced
from rfscore.errors import SolveError, bad
from rfscore.model.problem import ScoreProblem
from rfscore.model.training import Descent, Flow, Training
from rfscore.results import LossCurves
from rfscore.theory import assemble, checked, descent, wide
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent


@partial(jax.jit, static_argnames=("count", "span"))
def flow_losses(
    eq: Equivalent,
    rate: Float[Array, ""],
    ridge: Float[Array, ""] | None,
    tau: Float[Array, "W M"],
    count: int,
    span: float,
) -> tuple[Array, Array, Array]:
    """(train, test, status) of the flow at training times tau, one contour a row."""
    contour = assemble.flow(eq, rate, tau, count, span)
    x, _, status = rs.solve(eq, contour.z, unit=contour.unit)
    return *assemble.losses(eq, contour, assemble.terms(eq, x, ridge)), assemble.statuses(eq, contour, status)


@float64
def loss_curves(
    problem: ScoreProblem,
    times: Any,
    *,
    training: Training = Flow(),  # noqa: B008 (frozen)
    rtol: float = 1e-11,
    throw: bool = True,
) -> LossCurves:
    r"""Training, test and score-error curves of the infinite-size model.

    Args:
        problem: the problem.
        times: training times tau >= 0 of the flow, 0 and inf exact; whole numbers of steps for `Descent`. Any shape.
        training: Flow, or Descent; with new noises or batches the losses are those of the fluctuating A, averaged over
            the gradient noise.
        rtol: wanted accuracy relative to max(1, loss), in [1e-13, 1e-2]; sets the number of contour nodes of the flow.
        throw: raise a SolveError; otherwise what was not verified is NaN, with `status` and `message`.

    Returns:
        LossCurves with arrays of the shape of times, at the training times `training.tau(times)`.

    Raises:
        InputError: times that are none, rtol out of range; Adam, which has no theory here; for descent also a traced
            problem, a step beyond the stability limit, and with gradient noise more than 2^22 steps, momentum above
            0.93 or frozen noises.
        SolveError: a resolvent on the contour was not verified, or a loss breaks one of its bounds; tau = inf where
            the test loss diverges (psi_p = m psi_n without ridge). Under jit, vmap and grad, where nothing can be
            raised, a loss that was not verified is NaN.

    Accuracy:
        rtol * max(1, loss), default 1e-11, for descent 1e-9; the score error inherits it divided by Delta_t. Gradient
        noise is exact for d -> infinity with psi_n, psi_p and batch fixed; runs differ from it by O(1/d).

    References:
        Derivations (D7.1)-(D7.8); frozen noises (D10.7)-(D10.13); steps (D9.1)-(D9.9); gradient noise (D12.1)-(D12.6).

    Example:
        >>> import rfscore as rf
        >>> problem = rf.ScoreProblem(psi_n=2.0, psi_p=8.0, t=0.1)
        >>> cur = rf.loss_curves(problem, [0.1, 10.0, float("inf")])
        >>> print(cur.train.round(6), cur.test.round(6))
        [0.99525  0.810361 0.475889] [0.99525  0.842679 1.980536]
        >>> print(rf.loss_curves(problem, [1, 10, 1000], training=rf.Descent(step_size=1.0)).train.round(5))
        [0.95542 0.80808 0.50689]
        >>> noisy = rf.Descent(step_size=1.0, fresh_noise=True)
        >>> print(rf.loss_curves(problem, [1, 10, 1000], training=noisy).train.round(5))
        [0.96878 0.83651 0.52445]
    """
    match training:
        case Flow():
            tau, train, test, status, floor, start = _flow(problem, times, training, rtol)
        case Descent():
            tau, train, test, status = descent.loss_curves(problem, times, training)
            floor, start = _ends(problem, equivalent(problem))
        case _:
            raise bad("training", training, "Flow or Descent: other protocols have no theory here",
                      "draw a network: rf.finite.draw(problem).loss_curves(steps, training=...)")  # fmt: skip
    message = ""
    try:
        assemble.verify(status, "loss_curves")
        accuracy = rtol if isinstance(training, Flow) else descent.ACCURACY
        checked.losses("loss_curves", tau, train, test, floor, start, accuracy, flow=isinstance(training, Flow))
    except SolveError as error:
        if throw:
            raise
        message = str(error)
    if not throw or is_traced(status):
        train, test = (assemble.unverified_as_nan(status, value) for value in (train, test))
    return LossCurves.of(tau, train, test, floor, problem.delta if problem.is_score else np.nan, status, message)


def _flow(problem: ScoreProblem, times: Any, training: Training, rtol: float) -> tuple[Any, ...]:
    """(tau, train, test, status, least, start) under the flow."""
    if wide.is_wide(problem):
        known, least, *found = wide.losses(problem, training.times(times))
        return known, *found, least, 1.0
    eq, asked = equivalent(problem), assemble.Asked.of(times, rtol)
    found = flow_losses(
        eq, problem.rate, assemble.concrete_ridge(problem), asked.rows, asked.size, asked.group.span
    )  # fmt: skip
    return asked.tau, *(asked.by_time(value) for value in found), *_ends(problem, eq)


def _ends(problem: ScoreProblem, eq: Equivalent) -> tuple[Any, Any]:
    """The least possible loss, and that of the untrained network."""
    return assemble.least_loss(problem, eq), assemble.start(eq)
