r"""Predicted times: when the model generalises, when it starts to memorise, when it has memorised.

A mode of eigenvalue lambda relaxes at the rate 2 Delta_t lambda/psi_p, so the paper puts tau_gen at 1/Delta_t and
tau_mem at psi_p/(Delta_t lambda_min), lambda_min the left edge of the sample bulk rho_1 (Bonnaire et al. 2025, after
Theorem 3.2): here `tau_gen_scale` and `tau_mem_edge`, because they are scales of the spectrum, not times of a curve;
those are tau_opt and tau_half (docs/times.md defines every time). At finite psi the spectrum has one more, lower
bulk of d eigenvalues, and `tau_last_edge` is its time (derivations (D8.6)-(D8.8)); with m frozen noises the lowest
bulk is the one that fits each noise, and `tau_last_edge` the time by which it is fitted. A ridge is part of every
eigenvalue here, as it is in the flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rfscore._precision import float64, is_traced
from rfscore.errors import InputError, SolveError, bad
from rfscore.model.problem import ScoreProblem
from rfscore.results import Result, quantity
from rfscore.theory import one_point as op
from rfscore.theory import wide
from rfscore.theory.equivalent import Equivalent, equivalent
from rfscore.theory.gaps import Gap, consistent, fraction_below, gaps

NO_EDGE = "timescales: an edge was not verified; move psi_n or psi_p by a relative 1e-9"


class Timescales(Result):
    r"""Times in units of training time tau, and the eigenvalues they come from.

    Attributes:
        tau_gen_scale: 1/Delta_t; for other targets than the score 1/gain^2, here and in the next ones.
        tau_mem_edge: psi_p/(Delta_t lambda_min).
        tau_last_edge: psi_p/(Delta_t lambda_lowest), when the slowest mode that matters has relaxed; inf where
            the spectrum starts at 0: psi_p = m psi_n without ridge.
        tau_mem_law: tau_mem_edge with the large-psi edge (of one class and averaged noise, NaN for others).
        lambda_min: exact left edge of the bulk that holds the min(n, p)-th largest eigenvalue (rho_1 of the paper).
        lambda_lowest: exact left edge of the lowest bulk.
        lambda_min_law: s2 + v2 (1 - sqrt(psi_p/psi_n))^2, the edge of Theorem 3.2.
    """

    tau_gen_scale: Any = quantity(unit="training time")
    tau_mem_edge: Any = quantity(unit="training time")
    tau_last_edge: Any = quantity(unit="training time")
    tau_mem_law: Any = quantity(unit="training time")
    lambda_min: Any = quantity()
    lambda_lowest: Any = quantity()
    lambda_min_law: Any = quantity()

    @property
    def window_edge(self) -> Any:
        """tau_mem_edge/tau_gen_scale: how long one can train in between."""
        return self.tau_mem_edge / self.tau_gen_scale


def _left_edges(eq: Equivalent, free: list[Gap]) -> np.ndarray:
    """(2, 2 + J): (y, q, delta) at the left edges of the sample bulk and of the lowest bulk; NaN if not verified."""
    if not consistent(eq, free):
        return np.full((2, 2 + eq.mean.shape[0]), np.nan)
    edges = [gap.high_edge for gap in free if gap.high_edge is not None]
    psi_p, ratio = float(eq.psi_p), float(eq.ratio[0])
    # The min(n, p)-th largest eigenvalue, from its lower side: bulks hold whole multiples of 1/psi_p.
    level = 1.0 - min(1.0, 1.0 / ratio) + 1e-6 / max(psi_p, 1.0)
    below = [edge for edge in edges if fraction_below(eq, edge) <= level]
    return np.array([(edge.y, edge.q, *edge.delta) for edge in (below[-1] if below else edges[0], edges[0])])


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _edges(eq: Equivalent, continuous: bool) -> Float[Array, "2 K"]:
    if not is_traced(eq):
        return jnp.asarray(_left_edges(eq, gaps([eq], continuous=continuous)[0]))
    if eq.fractions.shape[0] > 1:
        raise InputError("timescales of several classes needs concrete numbers: call it outside jit, vmap and grad")
    leaves, tree = jax.tree_util.tree_flatten(eq)
    shape = (2, 2 + eq.mean.shape[0], 2)

    def on_host(*bits: Array) -> np.ndarray:
        """All problems of a vmap at once: its axes come first, on every leaf."""
        numbers = [np.asarray(pair).view(np.float64)[..., 0] for pair in bits]
        axes = numbers[0].ndim - np.ndim(leaves[0])
        batch = numbers[0].shape[:axes]
        rows = zip(*(leaf.reshape(-1, *leaf.shape[axes:]) for leaf in numbers), strict=True)
        eqs = [jax.tree_util.tree_unflatten(tree, row) for row in rows]
        edges = [_left_edges(*pair) for pair in zip(eqs, gaps(eqs, continuous=continuous), strict=True)]
        return np.stack(edges).view(np.uint32).reshape(*batch, *shape)

    # Bit patterns, because JAX's callback thread rounds float64 to 32 bits when 64-bit mode is only a context here.
    bits = [jax.lax.bitcast_convert_type(jnp.asarray(leaf), jnp.uint32) for leaf in leaves]
    found = jax.pure_callback(on_host, jax.ShapeDtypeStruct(shape, jnp.uint32), *bits, vmap_method="broadcast_all")
    return jax.lax.bitcast_convert_type(found, jnp.float64)


@_edges.defjvp
def _edges_jvp(continuous: bool, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """An edge moves so that the equations stay singular: project their derivative on the left null vector of 1 - M."""
    (eq,), (deq,) = primals, tangents
    found = jax.lax.stop_gradient(_edges(eq, continuous))
    y, soft = found[:, 0], jnp.isfinite(found[:, 1])  # at psi_p = rank the height is a square at its minimum, q = inf
    q, delta = jnp.where(soft, found[:, 1], 1.0), jnp.where(soft[:, None], found[:, 2:], 1.0)
    x = op.point(eq, q, delta)
    matrix = op.response_matrix(eq, x, x, op.moments(eq, x, x))
    parts = range(delta.shape[1])
    # The left null vector, its first component 1: the other rows of (1 - M)^T.
    turned = [[matrix[1 + j][1 + i] for j in parts] for i in parts]
    null = op.solve_response(turned, [matrix[0][1 + i] for i in parts])

    def equations(eq_: Equivalent) -> tuple[Array, Array]:
        first, second, _ = op.residual(eq_, op.point(eq_, q, delta), y)
        return first, second

    _, (first, second) = jax.jvp(equations, (eq,), (deq,))
    moved = first + sum(null[j] * second[:, j] for j in parts) / q**2
    return found, jnp.zeros_like(found).at[:, 0].set(jnp.where(soft, -moved, 0.0))


@float64
def timescales(problem: ScoreProblem) -> Timescales:
    r"""Time scales of the spectrum and the eigenvalues behind them; differentiable (Bonnaire et al.; (D8.6)-(D8.8)).

    Args:
        problem: the problem; at psi_p = inf the eigenvalues are those of U/psi_p. Under jit, vmap and grad the edges
            are found by a host callback.

    Returns:
        Timescales.

    Raises:
        SolveError: an edge was not found, or the counts of eigenvalues at the edges do not prove them right.

    Accuracy:
        1e-12 relative in the height of the edge above s2.

    Example:
        >>> import rfscore as rf
        >>> ts = rf.timescales(rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01))
        >>> print(f"{ts.tau_gen_scale:.1f} {ts.tau_mem_edge:.0f} {ts.tau_mem_law:.0f} {ts.tau_last_edge:.0f}")
        50.5 35389 37039 877534
    """
    if wide.is_wide(problem):
        edge, lowest, flat = wide.edge_eigenvalues(problem)
        unit = 1.0 / problem.delta
        return Timescales(unit, unit / edge, unit / lowest, unit / flat, edge, lowest, flat)
    eq = equivalent(problem)
    floor, v2 = eq.fixed[0], eq.common[0, 0]
    found = _edges(
        eqx.tree_at(lambda e: e.fixed, eq, jnp.asarray(eq.fixed).at[0].set(0.0)), problem.population.continuous
    )
    low = found[:, 0] + floor
    if not isinstance(low, jax.core.Tracer) and not np.all(np.isfinite(np.asarray(low))):
        raise SolveError(NO_EDGE)
    single = eq.fractions.shape[0] == 1 and not eq.frozen  # Theorem 3.2 is about one class and averaged noise
    law = floor + v2 * (1.0 - jnp.sqrt(eq.ratio[0])) ** 2 if single else jnp.asarray(jnp.nan)
    time = 2.0 / problem.rate
    return Timescales(
        tau_gen_scale=time / problem.psi_p, tau_mem_edge=time / low[0], tau_last_edge=time / low[1],
        tau_mem_law=time / law,
        lambda_min=low[0], lambda_lowest=low[1], lambda_min_law=law,
    )  # fmt: skip


#: Before the first and after the last scale of the spectrum, in units of them; where it never ends, of 1/Delta_t.
BEFORE, AFTER, ENDLESS = 0.02, 20.0, 1e8


def training_times(problem: ScoreProblem | Sequence[ScoreProblem], points: int = 121) -> Float[np.ndarray, " points"]:
    """0, a geometric grid from before tau_gen to after the last mode's time, and infinity.

    Args:
        problem: the problem, or several that one grid shall serve.
        points: how many times, >= 4.

    Returns:
        Ascending training times. Where the spectrum reaches zero, and training never ends, the last finite one is
        1e8/Delta_t.

    Raises:
        InputError: points not a whole number >= 4.

    Example:
        >>> import rfscore as rf
        >>> print([f"{tau:.4g}" for tau in rf.training_times(rf.ScoreProblem(8.0, 64.0, 0.01), 5)])
        ['0', '1.01', '4210', '1.755e+07', 'inf']
    """
    if not (isinstance(points, int | np.integer) and points >= 4):
        raise bad("points", points, "a whole number >= 4")
    scales = [timescales(one) for one in ([problem] if isinstance(problem, ScoreProblem) else problem)]
    low = BEFORE * min(float(x.tau_gen_scale) for x in scales)
    ends = [(float(x.tau_last_edge), ENDLESS / AFTER * float(x.tau_gen_scale)) for x in scales]
    high = AFTER * max(last if np.isfinite(last) else endless for last, endless in ends)
    return np.concatenate([[0.0], np.geomspace(low, high, points - 2), [np.inf]])
