r"""The two-point kernel T(z1, z2) = (1/d^2) Tr[ W^T (U - z1)^{-1} C (U - z2)^{-1} W ] for a general coupling C.

C is a triple (k0, kWW, kWSW) of I, W W^T/d, W Sigma W^T/d. Lifting the one-point equations to 2x2 upper-triangular
matrices with eps C in the corner and keeping the term linear in eps gives a linear system for the corners Q of q and
E_j of delta_j (derivations (D6.1)-(D6.6)):

    (1 - M(z1, z2)) (Q, E) = -(q1 q2 l(C), (p/N_i) psi_p q1 q2 B(c_i, C)),   T = -psi_p s12,

l and B the moments of `one_point.Moments`. With C = I it is the resolvent identity T = psi_p (s1 - s2)/(z1 - z2).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from rfscore._precision import AnyArray, float64, is_traced
from rfscore.errors import SolveError, bad
from rfscore.model.problem import ScoreProblem
from rfscore.results import Result, quantity
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent


def _moments(eq: Equivalent, x: op.Point, y: op.Point) -> op.Moments:
    """Moments at all pairs of x (..., N) and y (..., M), as matrix products over the nodes of Sigma."""
    right, columns = jnp.swapaxes(y.inverse, -1, -2), op.products(eq)
    return op.Moments(tuple(jnp.matmul(x.inverse * columns[:, i], right) for i in range(columns.shape[1])))


def facing(x: op.Point, y: op.Point) -> tuple[op.Point, op.Point]:
    """x (..., N) and y (..., M) with axes that broadcast to all pairs."""
    left = op.Point(*(leaf[..., None] if leaf.ndim == x.q.ndim else leaf[..., :, None, :] for leaf in x))
    right = op.Point(*(leaf[..., None, :] if leaf.ndim == y.q.ndim else leaf[..., None, :, :] for leaf in y))
    return left, right


class Corner(NamedTuple):
    """Corner entries of the lifted one-point equations, at all pairs of two lists of points."""

    q: Inexact[Array, "*B N M"]
    weight: Inexact[Array, "*B N M J"]  # of g_j: -g_j(z1) g_j(z2) E_j
    k: Inexact[Array, "*B N M R"]  # of the row k: the coupling and what the g_j add to it
    moments: op.Moments
    pair: Inexact[Array, "*B N M"]  # q(z1) q(z2)

    def trace(self, psi_p: Float[AnyArray, ""], outer: Inexact[Array, "*#B R"]) -> Inexact[Array, "*B N M"]:
        """(1/d) Tr of the outer row's matrix with R(z1) C R(z2), up to a sign; outer = 1 gives S12."""
        mom = self.moments
        return psi_p * (self.q * mom.linear(outer) - psi_p * self.pair * mom.bilinear(outer, self.k))


def corner(
    eq: Equivalent, x: op.Point, y: op.Point, coupling: Inexact[Array, "*P R"], same_features: bool = True
) -> Corner:
    """The lift at all pairs of the solutions x (..., N) and y (..., M), for a coupling common to them or one a pair.

    With `same_features` false the two resolvents belong to independent W: then nothing couples their traces q.
    """
    mom = _moments(eq, x, y)
    left, right = facing(x, y)
    matrix = op.response_matrix(eq, left, right, mom)
    pair = left.q * right.q
    unknown = range(eq.mean.shape[0])
    source = [-pair * mom.linear(coupling)]
    source += [-eq.psi_p * pair * mom.bilinear(eq.mean[i], coupling) for i in unknown]
    if not same_features:
        nothing = jnp.zeros_like(pair)
        matrix[0], source[0] = [nothing] * len(matrix), nothing
    corner_q, *corner_delta = op.solve_response(matrix, source)
    both = left.g * right.g
    weight = -both * op.deltas(eq, jnp.stack(corner_delta, axis=-1))
    changed = coupling + (eq.share * weight) @ eq.sampled
    return Corner(corner_q, weight, changed, mom, pair)


def kernel(eq: Equivalent, x: op.Point, y: op.Point, coupling: Float[Array, " R"]) -> Inexact[Array, "*B N M"]:
    """T at all pairs of the solutions x (..., N) and y (..., M)."""
    one = jnp.zeros(eq.fixed.shape).at[1].set(1.0)
    return -corner(eq, x, y, coupling).trace(eq.psi_p, one)


@jax.jit
def _two_point(eq: Equivalent, z1: Array, z2: Array, coupling: Array) -> tuple[Array, Array]:
    x, _, status1 = rs.solve(eq, z1)
    y, _, status2 = rs.solve(eq, z2)
    return kernel(eq, x, y, coupling), jnp.maximum(status1.max(initial=rs.OK), status2.max(initial=rs.OK))


class TwoPoint(Result):
    r"""The two-point kernel at pairs of spectral points.

    Attributes:
        z1: N points.
        z2: M points.
        values: T(z1, z2) = (1/d^2) Tr [W^T (U - z1)^{-1} C (U - z2)^{-1} W], (N, M).
        status: 0, or a key of `rfscore.theory.resolvent.STATUS`: the worst of all points.
    """

    z1: Any = quantity("z1")
    z2: Any = quantity("z2")
    values: Any = quantity("z1", "z2")
    status: Any = quantity()

    @property
    def message(self) -> str:
        """What the status means, and the remedy."""
        return rs.STATUS[int(self.status)]


@float64
def two_point(problem: ScoreProblem, z1: Any, z2: Any, coupling: Any = None, *, throw: bool = True) -> TwoPoint:
    r"""T(z1, z2) at all pairs of two lists of spectral points (derivations (D6.1)-(D6.6)).

    Args:
        problem: the problem.
        z1: N complex points off the support of rho.
        z2: M complex points off the support.
        coupling: (k0, kWW, kWSW), the matrix k0 I + kWW W W^T/d + kWSW W Sigma W^T/d between the resolvents; default
            U-tilde, the population feature correlation.

        throw: raise where a point was not verified; otherwise look at `status` and `message`.

    Returns:
        TwoPoint.

    Raises:
        InputError: a point or the coupling is not finite, not in one list, or the coupling not three numbers.
        SolveError: a point was not verified.

    Accuracy:
        About 1e-12 relative for points away from the support.

    Example:
        >>> import rfscore as rf
        >>> problem = rf.ScoreProblem(psi_n=2.0, psi_p=8.0, t=0.1)
        >>> found = rf.two_point(problem, [-1.0], [-1.0], coupling=(1.0, 0.0, 0.0))
        >>> print(f"{found.values[0, 0].real:.6f}")
        0.914668
    """
    eq = equivalent(problem)
    between = eq.fractions @ eq.population if coupling is None else jnp.asarray(coupling, dtype=float)
    if between.shape != eq.fixed.shape:
        raise bad("coupling", f"shape {between.shape}", f"{eq.fixed.size} numbers (k0, kWW, kWSW), one kWSW for each "
                  "spectrum of the population")  # fmt: skip
    if not is_traced(between) and not np.all(np.isfinite(between)):
        raise bad("coupling", coupling, "finite numbers")
    points = [jnp.atleast_1d(rs.spectral_points(name, z)) for name, z in (("z1", z1), ("z2", z2))]
    for name, z in zip(("z1", "z2"), points, strict=True):
        if z.ndim > 1:
            raise bad(name, f"shape {z.shape}", "one list of points", "ravel it: the result has a row for each")
    values, status = _two_point(eq, *points, between)
    if throw and not is_traced(status) and int(status) != rs.OK:
        raise SolveError(f"two_point: {rs.STATUS[int(status)]}")
    return TwoPoint(points[0], points[1], values, status)
