r"""Losses of every class, and of every direction of the data, at infinite size.

The test loss of a class couples the resolvents by that class's U-tilde. Its training loss needs the network on its own
training columns: with the column taken out of U and V, V^T R z = g V_-^T R_- z + (1 - g) y, so that for the columns of
part j, with T_j the kernel with C_j between and X_j the trace with their own target profile,

    (1/d) E y . V^T R z                = g X_j + (1 - g) y2_j
    (1/d) E V^T R1 z . V^T R2 z        = g1 g2 T_j + g1 (1 - g2) X_j1 + (1 - g1) g2 X_j2 + (1 - g1)(1 - g2) y2_j

(derivations (D13.14)-(D13.15)); the mean over the classes is the training loss of `rfscore.theory.losses`, which comes
from another formula. Without the integral over directions the traces and the kernel give the losses of each direction:
which principal component is learned when, inside and outside of a linear manifold ((D13.16)).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rfscore._precision import float64, is_traced
from rfscore.errors import SolveError
from rfscore.model.problem import ScoreProblem
from rfscore.results import ClassCurves, DirectionCurves
from rfscore.theory import assemble, targets
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent, noise_of
from rfscore.theory.losses import loss_curves

_AT_ONCE = 16  # directions whose kernels are in memory together
_ADDS_UP = 1e-8  # relative: what the mean over classes, or the sum over directions, may differ from the losses by


def _columns(eq: Equivalent, x: op.Point, y: op.Point, j: int) -> tuple[Array, Array]:
    """(1/d) E y . V^T R z and (1/d) E V^T R1 z . V^T R2 z for the training columns z of part j."""
    energy = eq.power[j] @ eq.means

    def own(point: op.Point) -> tuple[Array, Array, Array]:
        g = point.unit * point.g[..., j]
        rest = (op.deltas(eq, point.delta) * point.g)[..., j]  # 1 - g with its digits
        return g, rest, targets.cross_of_directions(eq, point, eq.pulls[j]) @ eq.weights

    (g1, rest1, cross1), (g2, rest2, cross2) = own(x), own(y)
    single = g1 * cross1 + rest1 * energy
    left, right = [a[..., :, None] for a in (g1, rest1, cross1)], [a[..., None, :] for a in (g2, rest2, cross2)]
    both = left[0] * right[0] * targets.kernel(eq, x, y, eq.sampled[j])
    both += left[0] * right[1] * left[2] + left[1] * right[0] * right[2] + left[1] * right[1] * energy
    return single, both


def _train_of_class(eq: Equivalent, contour: assemble.Contour, x: op.Point, c: int) -> Array:
    """L_train of class c."""
    count, gain = eq.fractions.shape[0], jnp.asarray(contour.gain)
    single, both = jnp.zeros_like(x.q), jnp.zeros(())
    for j in range(c, eq.share.shape[0], count):
        part = eq.share[j] / eq.fractions[c]
        found = [_columns(eq, x, y, j) for y in (x, x.conj())]
        single = single + part * found[0][0]
        both = both + part * jnp.stack([kernel for _, kernel in found])
    if not eq.frozen:  # what the averaged noise adds to the samples of the class
        single = single + targets.cross_of_directions(eq, x, noise_of(eq.truth)[c]) @ eq.weights
        both = both + targets.pairs(eq, x, eq.own[c])
    start = eq.energy[c] @ eq.means
    return start + assemble.twice(contour, both) - 2.0 * assemble.once(contour, gain, single)


def _test_of_class(eq: Equivalent, contour: assemble.Contour, x: op.Point, c: int) -> Array:
    """L_test of class c."""
    cross = targets.cross_of_directions(eq, x, eq.truth[c]) @ eq.weights
    fit = targets.pairs(eq, x, eq.population[c])
    start = eq.energy[c] @ eq.means
    return start + assemble.twice(contour, fit) - 2.0 * assemble.once(contour, jnp.asarray(contour.gain), cross)


@partial(jax.jit, static_argnames=("count", "span"))
def _class_losses(
    eq: Equivalent, rate: Float[Array, ""], tau: Float[Array, "W M"], count: int, span: float
) -> tuple[Array, Array, Array]:
    contour = assemble.flow(eq, rate, tau, count, span)
    x, _, status = rs.solve(eq, contour.z, unit=contour.unit)
    classes = range(eq.fractions.shape[0])
    train, test = (jnp.stack([of(eq, contour, x, c) for c in classes], -1) for of in (_train_of_class, _test_of_class))
    return train, test, assemble.statuses(eq, contour, status)


@partial(jax.jit, static_argnames=("count", "span"))
def _direction_losses(
    eq: Equivalent, rate: Float[Array, ""], ridge: Float[Array, ""] | None, tau: Float[Array, "W M"],
    nodes: Array, count: int, span: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Changes of the losses of the directions `nodes` (chunks, directions), the direction last."""
    contour = assemble.flow(eq, rate, tau, count, span)
    x, _, status = rs.solve(eq, contour.z, unit=contour.unit)
    gain = jnp.asarray(contour.gain)
    population, truth = eq.fractions @ eq.population, eq.fractions @ eq.truth
    pull, cross = targets.pull_of_directions(eq, x), targets.cross_of_directions(eq, x, truth)

    def chunk(which: Array) -> tuple[Array, Array]:
        def applied(coupling: Array) -> Array:
            two = [targets.kernel_of_directions(eq, x, y, coupling, which) for y in (x, x.conj())]
            return jax.vmap(lambda one: assemble.twice(contour, one), -1, -1)(jnp.stack(two))

        once = [jax.vmap(lambda one, f=f: assemble.once(contour, f, one), -1, -1)(trace[..., which])
                for trace, f in ((pull, jnp.asarray(contour.both)), (cross, gain))]  # fmt: skip
        train = -once[0] if ridge is None else -once[0] - ridge * applied(targets.identity(eq))
        return train, applied(population) - 2.0 * once[1]

    train, test = jax.lax.map(chunk, nodes)
    return train, test, assemble.statuses(eq, contour, status)


def _check_sum(name: str, problem: ScoreProblem, tau: Any, rtol: float, train: Any, test: Any) -> None:
    """The losses of parts must add up to the losses."""
    if is_traced(problem, tau):
        return
    whole = loss_curves(problem, tau, rtol=rtol)
    for part, total in ((train, whole.train), (test, whole.test)):
        error = np.max(abs(part - total) / np.maximum(1.0, whole.test), initial=0.0)
        if not error < max(_ADDS_UP, 100.0 * rtol):
            raise SolveError(
                f"{name}: the parts add up to the losses only within {error:.1e}; "
                "move psi_n or psi_p by a relative 1e-6"
            )


@float64
def class_curves(problem: ScoreProblem, times: Any, *, rtol: float = 1e-11) -> ClassCurves:
    r"""Training and test loss of every class under the flow (derivations (D13.13)-(D13.15)).

    Args:
        problem: the problem; one Gaussian class is a mixture of one.
        times: training times tau >= 0 of any shape, 0 and inf exact.
        rtol: wanted accuracy relative to max(1, loss), in [1e-13, 1e-2].

    Returns:
        ClassCurves: arrays of the shape of times with a last axis of classes.

    Raises:
        InputError: times that are none, rtol out of range.
        SolveError: a resolvent was not verified, or the mean over the classes is not the loss of `loss_curves`.

    Accuracy:
        rtol * max(1, loss); the mean over classes is checked against `loss_curves` to 1e-8 at every call.

    Example:
        >>> import rfscore as rf
        >>> two = rf.Mixture([0.3, 0.7], [0.25, 2.0])
        >>> found = rf.class_curves(rf.ScoreProblem(3.0, 4.0, 0.1, two, target="data"), [2.0, 60.0])
        >>> print(found.test.round(4).tolist())
        [[0.2191, 0.712], [0.2457, 0.5223]]
    """
    eq = equivalent(problem)
    asked = assemble.Asked.of(times, rtol)
    *found, status = _class_losses(eq, problem.rate, asked.rows, asked.size, asked.group.span)
    assemble.verify(status, "class_curves")
    tau = asked.tau
    train, test = (assemble.unverified_as_nan(status[..., None], value) for value in found)
    train, test = asked.by_time(train), asked.by_time(test)
    _check_sum("class_curves", problem, tau, rtol, train @ eq.fractions, test @ eq.fractions)
    least = assemble.least_losses(problem) @ eq.weights
    return ClassCurves(tau, eq.fractions, train, test, test - least)


@float64
def direction_curves(problem: ScoreProblem, times: Any, *, rtol: float = 1e-11) -> DirectionCurves:
    r"""Training and test loss of every eigen-direction of the data under the flow (derivations (D13.16)).

    Args:
        problem: the problem; of several classes the mean is given.
        times: training times tau >= 0 of any shape, 0 and inf exact.
        rtol: wanted accuracy relative to max(1, loss), in [1e-13, 1e-2].

    Returns:
        DirectionCurves: arrays of the shape of times with a last axis of directions, one for each eigenvalue of Sigma.

    Raises:
        InputError: times that are none, rtol out of range.
        SolveError: a resolvent was not verified, or the directions do not add up to the losses of `loss_curves`.

    Accuracy:
        rtol * max(1, loss); the sum is checked against `loss_curves` to 1e-8 at every call.

    Example:
        >>> import rfscore as rf
        >>> flat = rf.Atoms([0.0, 2.0])  # a linear manifold: half of the directions hold no data
        >>> found = rf.direction_curves(rf.ScoreProblem(2.0, 8.0, 0.1, flat), [10.0, 1e4])
        >>> print(found.excess.round(3).tolist())
        [[0.642, 0.011], [0.068, 1.027]]
    """
    eq = equivalent(problem)
    asked = assemble.Asked.of(times, rtol)
    size = eq.weights.shape[0]
    nodes = np.resize(np.arange(size), (-(-size // _AT_ONCE), min(size, _AT_ONCE)))
    ridge = assemble.concrete_ridge(problem)
    *changes, status = _direction_losses(
        eq, problem.rate, ridge, asked.rows, nodes, asked.size, asked.group.span
    )  # fmt: skip
    assemble.verify(status, "direction_curves")
    start, tau = (eq.fractions @ eq.energy) @ eq.base, asked.tau

    def ordered(value: Array) -> Array:
        """(chunks, W, M, directions of a chunk) to the shape of times and directions."""
        every = start + jnp.moveaxis(value, 0, -2).reshape(*value.shape[1:3], -1)[..., :size]
        return asked.by_time(assemble.unverified_as_nan(status[..., None], every))

    train, test = (ordered(value) for value in changes)
    _check_sum("direction_curves", problem, tau, rtol, train @ eq.weights, test @ eq.weights)
    least = eq.fractions @ assemble.least_losses(problem)
    variance = eq.fractions @ problem.classes().nodes
    return DirectionCurves(tau, variance, eq.weights, train, test, test - least)
