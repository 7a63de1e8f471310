r"""Training, test and score-error curves at every training time, in the limit d -> infinity.

With c = 2 Delta_t tau/psi_p, S = psi_p s the one-point trace and T the two-point kernel with U-tilde between,

    L_train = 1 - b^2 [ (1 - e^{-2 c lam})/lam  on S ]
    L_test  = 1 + b^2 [ k x k on T ] - 2 b^2 [ k on S ],   k(lam) = (1 - e^{-c lam})/lam
    Delta_t E_score = L_test - 1 + Delta_t int rho_Sigma/(e^{-2t} lam + Delta_t)

(the exact flow of Bonnaire et al. 2025, Eqs 53-55, in the limit; derivations (D7.1)-(D7.8)). The paper gives no formula
for the test loss at finite tau.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from rfscore._precision import float64, is_traced
from rfscore.errors import SolveError, bad
from rfscore.problem import ScoreProblem
from rfscore.results import LossCurves
from rfscore.theory import contour
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent
from rfscore.theory.spectrum import spectrum
from rfscore.theory.two_point import kernel


def training_times(tau: Any) -> Any:
    """tau as a float array, refused when negative or NaN (0 and inf are allowed)."""
    if is_traced(tau):
        return jnp.asarray(tau)
    try:
        array = np.asarray(tau, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise bad("tau", tau, "training times >= 0") from error
    if np.any(np.isnan(array)) or np.any(array < 0):
        raise bad("tau", float(array[np.isnan(array) | (array < 0)].ravel()[0]), "training times >= 0 (inf allowed)")
    return array


def _at(eq: Equivalent, x: op.Point) -> tuple[Array, Array]:
    """b^2 S and b^2 T at all pairs of the solutions x (..., N), first with themselves, then with the conjugates."""
    one = eq.target**2 * eq.psi_p * op.traces(eq, x)[0]
    two = jnp.stack([kernel(eq, x, x, eq.population), kernel(eq, x, x.conj(), eq.population)])
    return one, eq.target**2 * two


@partial(jax.jit, static_argnames=("count", "span"))
def _curves(
    eq: Equivalent, delta: Float[Array, ""], tau: Float[Array, "W M"], count: int, span: float
) -> tuple[Array, Array, Array]:
    """(train, test, status) at training times tau, one contour a row; 0 and inf may stand anywhere."""
    nodes, weights = contour.parabola(count, span)
    inside = (tau > 0) & jnp.isfinite(tau)
    # c below 1e-30/top or above 1e100 changes nothing in 16 digits and would overflow 1/c.
    c = jnp.clip(2.0 * delta * jnp.where(inside, tau, 1.0) / eq.psi_p, 1e-30 / eq.top, 1e100)
    largest = 2.0 * jnp.max(c, axis=1, keepdims=True)
    # One more row, all at z = 0, serves tau = inf: the same compiled solver and kernel.
    z = jnp.concatenate([-nodes / largest, jnp.zeros((1, count), complex)])
    x, _, status = rs.solve(eq, z)
    one, two = _at(eq, x)
    share = (c / largest)[..., None]
    single, double = (weights * jnp.exp(factor * share * nodes) / nodes for factor in (1.0, 2.0))
    train = 1.0 - 2.0 * jnp.real((double * one[:-1, None]).sum(-1))
    pairs = single * (single @ two[0, :-1]) + single * (single.conj() @ jnp.swapaxes(two[1, :-1], -1, -2))
    test = 1.0 + 2.0 * jnp.real(pairs.sum(-1)) - 4.0 * jnp.real((single * one[:-1, None]).sum(-1))
    end = jnp.real(one[-1, 0])
    ends = (1.0 - end, 1.0 + jnp.real(two[0, -1, 0, 0]) - 2.0 * end)
    train, test = (
        jnp.where(tau == 0, 1.0, jnp.where(jnp.isinf(tau), last, value))
        for value, last in ((train, ends[0]), (test, ends[1]))
    )
    return train, test, status.max()


def _grouped(times: Any, rtol: float) -> contour.Windows:
    """Windows of the finite positive times; 0 and inf join the last one, where they cost nothing."""
    if is_traced(times):
        alone = np.arange(times.size)
        return contour.Windows(2.0, alone[:, None], alone, np.zeros_like(alone))
    flat = times.reshape(-1)
    inside = (flat > 0) & np.isfinite(flat)
    typical = flat[inside].max(initial=0.0) or 1.0
    return contour.windows(np.where(inside, flat, typical), rtol)


def _noise_floor(problem: ScoreProblem, eq: Equivalent) -> Array:
    """1 - Delta_t Tr Sigma_t^{-1}/d: the test loss of the exact score."""
    xp = jnp if is_traced(problem) else np
    noised = xp.exp(-2.0 * xp.asarray(problem.t)) * eq.nodes + problem.delta
    return 1.0 - problem.delta * (eq.weights / noised).sum()


@float64
def loss_curves(problem: ScoreProblem, tau: Any, *, rtol: float = 1e-11) -> LossCurves:
    r"""Training, test and score-error curves of the infinite-size model (derivations (D7.1)-(D7.8)).

    Args:
        problem: the problem.
        tau: training times >= 0 of any shape; 0 and inf are exact.
        rtol: wanted accuracy relative to max(1, loss), in [1e-13, 1e-2]; sets the number of contour nodes.

    Returns:
        LossCurves with arrays of the shape of tau.

    Raises:
        InputError: tau negative or NaN, rtol out of range.
        SolveError: a resolvent on the contour was not verified.

    Accuracy:
        rtol * max(1, loss), default 1e-11; the score error inherits it divided by Delta_t.

    Example:
        >>> import rfscore as rf
        >>> cur = rf.loss_curves(rf.ScoreProblem(psi_n=2.0, psi_p=8.0, t=0.1), [0.1, 10.0, float("inf")])
        >>> print(cur.train.round(6), cur.test.round(6))
        [0.99525  0.810361 0.475889] [0.99525  0.842679 1.980536]
    """
    if not 1e-13 <= rtol <= 1e-2:
        raise bad("rtol", rtol, "a number in [1e-13, 1e-2]")
    times = training_times(tau)
    eq = equivalent(problem)
    group = _grouped(times, rtol)
    rows = times.reshape(-1)[group.member]
    train, test, status = _curves(eq, problem.delta, rows, contour.node_count(rtol, group.span), group.span)
    if not is_traced(status) and int(status) != rs.OK:
        raise SolveError(f"loss_curves: {rs.STATUS[int(status)]}")
    train, test = (value[group.row, group.column].reshape(times.shape) for value in (train, test))
    return LossCurves(tau=times, train=train, test=test, score_error=(test - _noise_floor(problem, eq)) / problem.delta)


class BulkCurves(eqx.Module):
    """What each bulk of the spectrum contributes to the losses, mode by mode.

    Attributes:
        tau: (T,) training times.
        edges: (k, 2) the bulks.
        train: (k, T) contributions to L_train - 1 (never positive: every mode lowers the training loss).
        test: (k, T) contributions to L_test - 1, cross terms shared equally between their two bulks.
    """

    tau: Any
    edges: Any
    train: Any
    test: Any


@jax.jit
def _through_gaps(
    eq: Equivalent, z: Complex[Array, "K N"], w: Complex[Array, "K N"], c: Float[Array, " T"]
) -> tuple[Array, Array, Array]:
    """Contributions (K, T) from closed curves z with weights w around each bulk, upper halves only."""
    x, _, status = rs.solve(eq, z.reshape(-1))
    one, two = _at(eq, x)
    flat, weights = z.reshape(-1), w.reshape(-1)
    # (1 - e^{-c z})/z with its infinite-time limit; expm1 keeps small c accurate.
    single = jnp.where(jnp.isinf(c)[:, None], 1.0, -jnp.expm1(-jnp.where(jnp.isinf(c), 0.0, c)[:, None] * flat)) / flat
    double = (
        jnp.where(jnp.isinf(c)[:, None], 1.0, -jnp.expm1(-jnp.where(jnp.isinf(c), 0.0, 2 * c)[:, None] * flat)) / flat
    )
    bulks, nodes = z.shape

    def per_bulk(terms: Array) -> Array:
        return jnp.real(terms).reshape(-1, bulks, nodes).sum(-1).T

    # A curve runs anticlockwise around poles of 1/(lam - z): minus the measure per resolvent.
    train = 2.0 * per_bulk(double * weights * one)
    left = single * weights
    pairs = left * (left @ two[0].T) + left * (left.conj() @ two[1].T)
    return train, 2.0 * per_bulk(pairs) + 4.0 * per_bulk(left * one), status.max()


@float64
def bulk_curves(problem: ScoreProblem, tau: Any) -> BulkCurves:
    r"""The losses split by bulk: which eigenvalues lower the training loss and which raise the test loss, and when.

    The functional calculus of `loss_curves` on closed contours through the gaps, one around each bulk; cross terms of
    the kernel between two bulks are shared equally (derivations (D7.9)).

    Args:
        problem: the problem, with concrete numbers.
        tau: (T,) training times >= 0, 0 and inf allowed.

    Returns:
        BulkCurves; the contributions sum to the losses minus one.

    Raises:
        SolveError: a gap is too narrow for a contour, a resolvent was not verified, or the sum over bulks differs from
            `loss_curves` by more than 1e-7.

    Accuracy:
        About 1e-9, checked against `loss_curves` at every call.

    Example:
        >>> import rfscore as rf
        >>> split = rf.bulk_curves(rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01), [100.0, 1e6])
        >>> print(split.test[:, 1].round(3))  # bulks of small, middle and large eigenvalues
        [22.157  0.092  0.706]
    """
    times = np.atleast_1d(training_times(tau))
    spec = spectrum(problem)
    eq = equivalent(problem)
    below = np.concatenate([[0.0], spec.edges[:-1, 1]])
    above = np.concatenate([spec.edges[1:, 0], [np.inf]])
    curves = [
        contour.around(*map(float, ends)) for ends in zip(spec.edges[:, 0], spec.edges[:, 1], below, above, strict=True)
    ]
    size = max(z.size for z, _ in curves)
    # Curves of different lengths in one rectangular array: repeated nodes with weight 0.
    z = np.array([np.pad(z, (0, size - z.size), mode="edge") for z, _ in curves])
    w = np.array([np.pad(w, (0, size - w.size)) for _, w in curves])
    train, test, status = _through_gaps(eq, jnp.asarray(z), jnp.asarray(w), 2.0 * problem.delta * times / problem.psi_p)
    if int(status) != rs.OK:
        raise SolveError(f"bulk_curves: {rs.STATUS[int(status)]}")
    total = loss_curves(problem, times)
    error = max(
        np.max(abs(np.asarray(train).sum(0) + 1.0 - total.train)),
        np.max(abs(np.asarray(test).sum(0) + 1.0 - total.test) / np.maximum(1.0, total.test)),
    )
    if not error < 1e-7:
        raise SolveError(f"bulk_curves: the bulks add up to the losses only within {error:.1e}; a gap is too narrow")
    return BulkCurves(tau=times, edges=spec.edges, train=train, test=test)
