r"""Training, test and score-error curves at every training time, in the limit d -> infinity.

With c = 2 Delta_t tau/psi_p, S = psi_p s the one-point trace and T the two-point kernel with U-tilde between,

    L_train = 1 - b^2 [ (1 - e^{-2 c lam})/lam  on S ]
    L_test  = 1 + b^2 [ k x k on T ] - 2 b^2 [ k on S ],   k(lam) = (1 - e^{-c lam})/lam
    Delta_t E_score = L_test - 1 + Delta_t int rho_Sigma/(e^{-2t} lam + Delta_t)

where the noise is averaged (the exact flow of Bonnaire et al. 2025, Eqs 53-55, in the limit; derivations
(D7.1)-(D7.8); the paper gives no formula for the test loss at finite tau). With m frozen noises b^2 S is replaced by
the traces H (training) and X (test) of `rfscore.theory.targets`, and b^2 T by their kernel; a ridge l moves every lam
to lam + l, and takes off L_train the penalty l k^2 on H, which is not part of it ((D10.7)-(D10.13)).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rfscore._precision import float64, is_traced
from rfscore.model.problem import ScoreProblem
from rfscore.results import LossCurves
from rfscore.theory import calculus, checked, contour, targets
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent


@partial(jax.jit, static_argnames=("count", "span"))
def _curves(
    eq: Equivalent,
    delta: Float[Array, ""],
    ridge: Float[Array, ""] | None,
    tau: Float[Array, "W M"],
    count: int,
    span: float,
) -> tuple[Array, Array, Array]:
    """(train, test, status) at training times tau, one contour a row."""
    k = calculus.contours(eq, delta, tau, count, span)
    x, _, status = rs.solve(eq, k.z, unit=k.unit)
    pull, cross = targets.traces(eq, x)
    two = targets.pairs(eq, x, eq.population)
    train = 1.0 - calculus.at_all_times(k, calculus.single(k, pull, 2.0))
    if ridge is not None:
        train = train - ridge * weight_decay(eq, k, x)
    fit, overlap = (calculus.at_all_times(k, pair) for pair in (calculus.double(k, two), calculus.single(k, cross)))
    return train, 1.0 + fit - 2.0 * overlap, calculus.statuses(eq, k, status)


def weight_decay(eq: Equivalent, k: calculus.Contours, x: op.Point) -> Float[Array, "W M"]:
    """Delta_t |A|^2/(p d): what a unit of ridge adds to the loss that is descended.

    The function acts twice on a kernel of positive terms; its square on H is a sum of terms of order c that cancel.
    """
    return calculus.at_all_times(k, calculus.double(k, targets.pairs(eq, x, targets.IDENTITY)))


def concrete_ridge(problem: ScoreProblem) -> Any:
    """The ridge, or None where it is 0 and need not be looked at."""
    return None if not is_traced(problem.ridge) and problem.ridge == 0 else jnp.asarray(problem.ridge, dtype=float)


def noise_floor(problem: ScoreProblem, eq: Equivalent) -> Float[Array, ""] | np.float64:
    """1 - Delta_t Tr Sigma_t^{-1}/d: the test loss of the exact score."""
    xp = jnp if is_traced(problem) else np
    noised = xp.exp(-2.0 * xp.asarray(problem.t)) * eq.nodes + problem.delta
    return 1.0 - problem.delta * (eq.weights / noised).sum()


@float64
def loss_curves(problem: ScoreProblem, tau: Any, *, rtol: float = 1e-11) -> LossCurves:
    r"""Training, test and score-error curves of the infinite-size model ((D7.1)-(D7.8), finite m (D10.7)-(D10.13)).

    Args:
        problem: the problem.
        tau: training times >= 0 of any shape; 0 and inf are exact.
        rtol: wanted accuracy relative to max(1, loss), in [1e-13, 1e-2]; sets the number of contour nodes.

    Returns:
        LossCurves with arrays of the shape of tau.

    Raises:
        InputError: tau negative or NaN, rtol out of range.
        SolveError: a resolvent on the contour was not verified, or a loss breaks one of its bounds; tau = inf where
            the test loss diverges (psi_p = m psi_n without ridge). Under jit, vmap and grad, where nothing can be
            raised, a loss that was not verified is NaN.

    Accuracy:
        rtol * max(1, loss), default 1e-11; the score error inherits it divided by Delta_t.

    Example:
        >>> import rfscore as rf
        >>> cur = rf.loss_curves(rf.ScoreProblem(psi_n=2.0, psi_p=8.0, t=0.1), [0.1, 10.0, float("inf")])
        >>> print(cur.train.round(6), cur.test.round(6))
        [0.99525  0.810361 0.475889] [0.99525  0.842679 1.980536]
    """
    times = calculus.training_times(tau)
    eq = equivalent(problem)
    group = calculus.grouped(times, rtol)
    rows, count = times.reshape(-1)[group.member], contour.node_count(rtol, group.span)
    train, test, status = _curves(eq, problem.delta, concrete_ridge(problem), rows, count, group.span)
    calculus.verify(status, "loss_curves")
    train, test = (
        calculus.by_time(group, times.shape, calculus.unverified_as_nan(status, value)) for value in (train, test)
    )
    floor = noise_floor(problem, eq)
    checked.losses("loss_curves", times, train, test, floor, rtol)
    return LossCurves(tau=times, train=train, test=test, score_error=(test - floor) / problem.delta)
