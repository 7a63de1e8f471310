r"""What each bulk of the spectrum adds to the losses: closed contours through the gaps around it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from rfscore._precision import float64
from rfscore.errors import SolveError
from rfscore.model.problem import ScoreProblem
from rfscore.results import Result, quantity
from rfscore.theory import calculus, contour, targets
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent
from rfscore.theory.losses import loss_curves
from rfscore.theory.spectrum import Spectrum, spectrum

_HARD = 1e-8  # a bulk whose lower edge is closer to the floor, over its upper one, is taken together with the floor


class BulkCurves(Result):
    """What each bulk of the spectrum contributes to the losses, mode by mode.

    Attributes:
        tau: (T,) training times.
        edges: (k, 2) the bulks.
        names: which bulk is which, as `Spectrum.names`.
        train: (k, T) contributions to L_train - 1 (never positive: every mode lowers the training loss).
        test: (k, T) contributions to L_test - 1, cross terms shared equally between their two bulks.
    """

    names: list[str]
    tau: Any = quantity("tau")
    edges: Any = quantity("bulk", "side")
    train: Any = quantity("bulk", "tau")
    test: Any = quantity("bulk", "tau")


@jax.jit
def _through_gaps(
    eq: Equivalent,
    ridge: Float[Array, ""],
    floor: Float[Array, ""],
    y: Complex[Array, "K N"],
    w: Complex[Array, "K N"],
    c: Float[Array, " T"],
) -> tuple[Array, Array, Array]:
    """Contributions (K, T) from closed curves y = z - floor with weights w around each bulk, upper halves only."""
    x, _, status = rs.solve(eq, y.reshape(-1))
    pull, cross = targets.traces(eq, x)
    two = targets.pairs(eq, x, eq.population)
    flat, weights = y.reshape(-1) + floor, w.reshape(-1)
    # (1 - e^{-c z})/z with its infinite-time limit; expm1 keeps small c accurate.
    single = jnp.where(jnp.isinf(c)[:, None], 1.0, -jnp.expm1(-jnp.where(jnp.isinf(c), 0.0, c)[:, None] * flat)) / flat
    double = (
        jnp.where(jnp.isinf(c)[:, None], 1.0, -jnp.expm1(-jnp.where(jnp.isinf(c), 0.0, 2 * c)[:, None] * flat)) / flat
    )
    bulks, nodes = y.shape

    def per_bulk(terms: Array) -> Array:
        return jnp.real(terms).reshape(-1, bulks, nodes).sum(-1).T

    # A curve runs anticlockwise around poles of 1/(lam - z): minus the measure per resolvent.
    train = 2.0 * per_bulk((double + ridge * single**2) * weights * pull)
    left = single * weights
    return train, 2.0 * per_bulk(left * calculus.partly(left, two)) + 4.0 * per_bulk(left * cross), status.max()


def _around_bulks(spec: Spectrum, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Curves y = z - floor (K, N) and weights; heights, because a gap may be narrow against the floor.

    A bulk that begins at the floor is taken together with it: the atom there, if any, carries nothing of V. Its curve
    leaves the floor by less than what keeps e^{-exponent z} bounded.
    """
    heights = spec._heights
    below, above = np.concatenate([[0.0], heights[:-1, 1]]), np.concatenate([heights[1:, 0], [np.inf]])
    ends = np.stack([heights[:, 0], heights[:, 1], below, above], axis=-1)
    shift = np.zeros((len(ends), 1))
    if heights[0, 0] < _HARD * heights[0, 1]:
        room = spec.floor if spec.floor > 0.0 else 1.0 / exponent if exponent > 0.0 else np.inf
        shift[0] = min(room, heights[0, 1])
        ends[0, 0], ends[0, 2] = 0.0, -shift[0, 0]
    curves = [contour.around(*row) for row in (ends + shift).tolist()]
    size = max(y.size for y, _ in curves)
    # Curves of different lengths in one rectangular array: repeated nodes with weight 0.
    y = np.array([np.pad(y, (0, size - y.size), mode="edge") for y, _ in curves])
    return y - shift, np.array([np.pad(w, (0, size - w.size)) for _, w in curves])


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
    times = np.atleast_1d(calculus.training_times(tau))
    spec = spectrum(problem)
    c = 2.0 * problem.delta * times / problem.psi_p
    y, w = _around_bulks(spec, float(np.max(c[np.isfinite(c)], initial=0.0)))
    train, test, status = _through_gaps(
        spec._eq, jnp.asarray(problem.ridge), jnp.asarray(spec.floor), jnp.asarray(y), jnp.asarray(w), c
    )
    calculus.verify(status, "bulk_curves")
    total = loss_curves(problem, times)
    error = max(
        np.max(abs(np.asarray(train).sum(0) + 1.0 - total.train)),
        np.max(abs(np.asarray(test).sum(0) + 1.0 - total.test) / np.maximum(1.0, total.test)),
    )
    if not error < 1e-7:
        raise SolveError(f"bulk_curves: the bulks add up to the losses only within {error:.1e}; a gap is too narrow")
    return BulkCurves(names=spec.names, tau=times, edges=spec.edges, train=train, test=test)
