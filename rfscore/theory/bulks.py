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
from rfscore.theory.equivalent import Equivalent, equivalent
from rfscore.theory.losses import loss_curves
from rfscore.theory.spectrum import spectrum


class BulkCurves(Result):
    """What each bulk of the spectrum contributes to the losses, mode by mode.

    Attributes:
        tau: (T,) training times.
        edges: (k, 2) the bulks.
        train: (k, T) contributions to L_train - 1 (never positive: every mode lowers the training loss).
        test: (k, T) contributions to L_test - 1, cross terms shared equally between their two bulks.
    """

    tau: Any = quantity("tau")
    edges: Any = quantity("bulk", "side")
    train: Any = quantity("bulk", "tau")
    test: Any = quantity("bulk", "tau")


@jax.jit
def _through_gaps(
    eq: Equivalent, ridge: Float[Array, ""], z: Complex[Array, "K N"], w: Complex[Array, "K N"], c: Float[Array, " T"]
) -> tuple[Array, Array, Array]:
    """Contributions (K, T) from closed curves z with weights w around each bulk, upper halves only."""
    x, _, status = rs.solve(eq, z.reshape(-1))
    pull, cross = targets.traces(eq, x)
    two = targets.pairs(eq, x, eq.population)
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
    train = 2.0 * per_bulk((double + ridge * single**2) * weights * pull)
    left = single * weights
    return train, 2.0 * per_bulk(left * calculus.partly(left, two)) + 4.0 * per_bulk(left * cross), status.max()


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
    c = 2.0 * problem.delta * times / problem.psi_p
    train, test, status = _through_gaps(eq, jnp.asarray(problem.ridge), jnp.asarray(z), jnp.asarray(w), c)
    calculus.verify(status, "bulk_curves")
    total = loss_curves(problem, times)
    error = max(
        np.max(abs(np.asarray(train).sum(0) + 1.0 - total.train)),
        np.max(abs(np.asarray(test).sum(0) + 1.0 - total.test) / np.maximum(1.0, total.test)),
    )
    if not error < 1e-7:
        raise SolveError(f"bulk_curves: the bulks add up to the losses only within {error:.1e}; a gap is too narrow")
    return BulkCurves(tau=times, edges=spec.edges, train=train, test=test)
