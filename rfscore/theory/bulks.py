r"""What each bulk of the spectrum adds to the losses: closed contours through the gaps around it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Inexact

from rfscore._precision import float64
from rfscore.errors import SolveError
from rfscore.model.problem import ScoreProblem
from rfscore.model.training import Descent, Flow, Training
from rfscore.results import Result, quantity
from rfscore.theory import assemble, contours, descent
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent
from rfscore.theory.losses import loss_curves
from rfscore.theory.spectrum import Spectrum, spectrum
from rfscore.theory.step_contours import Run, changed

_HARD = 1e-8  # a bulk whose lower edge is closer to the floor, over its upper one, is taken together with the floor


class BulkCurves(Result):
    """What each bulk of the spectrum contributes to the losses, mode by mode.

    Attributes:
        tau: (T,) training times.
        edges: (k, 2) the bulks.
        names: which bulk is which, as `Spectrum.names`.
        train: (k, T) contributions to L_train - L_0 (never positive: every mode lowers the training loss).
            L_0, the loss of the untrained network, is 1 for the score.
        test: (k, T) contributions to L_test - L_0, cross terms shared equally between their two bulks.
    """

    names: list[str]
    tau: Any = quantity("tau")
    edges: Any = quantity("bulk", "side")
    train: Any = quantity("bulk", "tau")
    test: Any = quantity("bulk", "tau")


class GapContours(eqx.Module):
    """Closed curves around each bulk, upper halves, one after the other: what they collect is the part of each bulk.

    Attributes:
        z: the points of all curves.
        weight: dz/(2 pi i).
        change: 1 - e(z) at M times.
        bulks: number of curves.
    """

    z: Inexact[Array, " N"] | np.ndarray
    weight: Inexact[Array, " N"] | np.ndarray
    change: Inexact[Array, "M N"] | np.ndarray
    bulks: int = eqx.field(static=True)

    @property
    def gain(self) -> Any:
        """Factors (1, M, N) that apply (1 - e)/lam; a curve runs anticlockwise around poles of 1/(lam - z)."""
        return -(self.weight / self.z * self.change)[None]

    @property
    def both(self) -> Any:
        """Factors (1, M, N) that apply (1 - e^2)/lam."""
        return -(self.weight / self.z * self.change * (2.0 - self.change))[None]

    def collected(self, products: Complex[Array, "1 M N"], end: Complex[Array, ""]) -> Float[Array, "K M"]:
        """The sum over each curve."""
        return 2.0 * jnp.real(products[0].reshape(products.shape[1], self.bulks, -1).sum(-1)).T


@jax.jit
def _through_gaps(
    eq: Equivalent, ridge: Float[Array, ""] | None, y: Complex[Array, " N"], contour: GapContours
) -> tuple[Array, Array, Array]:
    """Contributions (K, M) to training and test loss, solved in heights y above the floor."""
    x, _, status = rs.solve(eq, y[None])
    return *assemble.changes(contour, assemble.terms(eq, x, ridge)), status.max()


def _flow_changed(z: Complex[np.ndarray, " N"], c: Float[np.ndarray, " M"]) -> Complex[np.ndarray, "M N"]:
    """1 - e^{-c z}, with its infinite-time limit."""
    ends = np.isinf(c)[:, None]
    return np.where(ends, 1.0, -np.expm1(-np.where(ends, 0.0, c[:, None]) * z))


def _around_bulks(
    spec: Spectrum, exponent: float, run: Run | None = None
) -> tuple[Complex[np.ndarray, " N"], Complex[np.ndarray, " N"]]:
    """Curves y = z - floor in one row, and weights; heights, as a gap may be narrow against the floor.

    A bulk that begins at the floor is taken together with it: the atom there, if any, carries nothing of V. Its curve
    leaves the floor by less than what keeps e^{-exponent z} bounded. Under descent the curves stay where it contracts.
    """
    heights = spec._heights
    highest = np.inf if run is None else run.limit - spec.floor
    below, above = np.concatenate([[0.0], heights[:-1, 1]]), np.concatenate([heights[1:, 0], [highest]])
    ends = np.stack([heights[:, 0], heights[:, 1], below, above], axis=-1)
    shift = np.zeros((len(ends), 1))
    if heights[0, 0] < _HARD * heights[0, 1]:
        room = spec.floor if spec.floor > 0.0 else 1.0 / exponent if exponent > 0.0 else np.inf
        shift[0] = min(room, heights[0, 1])
        ends[0, 0], ends[0, 2] = 0.0, -shift[0, 0]
    angles = [1.2 if run is None else run.angle(high) for high in spec.edges[:, 1]]
    curves = [contours.around(*row, angle=x) for row, x in zip((ends + shift).tolist(), angles, strict=True)]
    size = max(y.size for y, _ in curves)
    # Curves of different lengths in one rectangular array: repeated nodes with weight 0.
    y = np.array([np.pad(y, (0, size - y.size), mode="edge") for y, _ in curves])
    return (y - shift).ravel(), np.array([np.pad(w, (0, size - w.size)) for _, w in curves]).ravel()


@float64
def bulk_curves(problem: ScoreProblem, times: Any, *, training: Training = Flow()) -> BulkCurves:  # noqa: B008 (frozen)
    r"""The losses split by bulk: which eigenvalues lower the training loss and which raise the test loss, and when.

    The functional calculus of `loss_curves` on closed contours through the gaps, one around each bulk; cross terms of
    the kernel between two bulks are shared equally (derivations (D7.9)).

    Args:
        problem: the problem, with concrete numbers.
        times: (T,) training times >= 0, 0 and inf allowed, or whole numbers of steps.
        training: Flow, or Descent without gradient noise.

    Returns:
        BulkCurves; the contributions sum to the losses minus one.

    Raises:
        InputError: as for `loss_curves`; gradient noise, whose fluctuations mix the bulks.
        SolveError: a gap is too narrow for a contour, a resolvent was not verified, the top bulk oscillates too fast
            under descent, or the sum over bulks differs from `loss_curves` by more than 1e-7.

    Accuracy:
        About 1e-9, checked against `loss_curves` at every call.

    Example:
        >>> import rfscore as rf
        >>> split = rf.bulk_curves(rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01), [100.0, 1e6])
        >>> print(split.test[:, 1].round(3))  # bulks of small, middle and large eigenvalues
        [22.157  0.092  0.706]
    """
    training.check_modes_alone()
    total = loss_curves(problem, np.atleast_1d(times), training=training)
    spec = spectrum(problem)
    if isinstance(training, Descent):
        run = descent.run_of(problem, spec, training)
        steps = training.times(np.atleast_1d(times))
        y, weight = _around_bulks(spec, run.x / (1.0 - run.beta) * float(np.max(steps, initial=0.0)), run)
        change = changed(y + spec.floor, steps, run)
    else:
        c = problem.rate * total.tau
        y, weight = _around_bulks(spec, float(np.max(c[np.isfinite(c)], initial=0.0)))
        change = _flow_changed(y + spec.floor, c)
    contour = GapContours(y + spec.floor, weight, change, len(spec.edges))
    train, test, status = _through_gaps(spec._eq, assemble.concrete_ridge(problem), y, contour)
    assemble.verify(status, "bulk_curves")
    start = float(assemble.start(spec._eq))
    error = max(
        np.max(abs(np.asarray(train).sum(0) + start - total.train), initial=0.0),
        np.max(abs(np.asarray(test).sum(0) + start - total.test) / np.maximum(1.0, total.test), initial=0.0),
    )
    if not error < 1e-7:
        raise SolveError(f"bulk_curves: the bulks add up to the losses only within {error:.1e}; a gap is too narrow")
    return BulkCurves(names=spec.names, tau=total.tau, edges=spec.edges, train=train, test=test)
