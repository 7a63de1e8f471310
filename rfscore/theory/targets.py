r"""What training pulls on: traces of V, the correlation of features and what they are regressed on, with R.

With R(z) = (U - z)^{-1}, D_l of the one-point equations and Y_l = q/D_l, R V ~ Rbar W diag(P)/sqrt d, where direction
by direction P_l = pull_l + sum_j share_j g_j pulls_jl: of the averaged noise V = b W/sqrt d itself, of what columns
carry only the part that their features do not hide. With truth_l the target's profile on fresh samples (of a class)
and y2_j the variance of the targets that the columns of part j carry,

    H(z) = (1/d) Tr V^T R V  = int rho psi_p P^2 Y + sum_j share_j y2_j (1 - g_j)
    X(z) = (1/d) Tr Vt^T R V = int rho psi_p truth P Y
    (1/d) Tr V^T R(z1) C R(z2) V = -int rho psi_p (P12 Y2 P2 + P1 Y12 P2 + P1 Y1 P12) + sum_j share_j y2_j G_j

with the corners G_j of g_j, Y12 of Y and P12 of P from the lifted equations (derivations (D10.7)-(D10.12),
(D13.7)-(D13.12)). Without the integral over directions they are the contributions of each.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Inexact

from rfscore._precision import AnyArray
from rfscore.theory import one_point as op
from rfscore.theory.equivalent import Equivalent
from rfscore.theory.two_point import Corner, corner, facing


def identity(eq: Equivalent) -> Any:
    """Coupling of the weights' own norm, |A|^2."""
    return jnp.zeros(eq.fixed.shape).at[0].set(1.0)


def pulled(eq: Equivalent, x: op.Point) -> Inexact[Array, "*B B"]:
    """P in the base profiles."""
    return eq.pull + (eq.share * x.g) @ eq.pulls


def _by_node(eq: Equivalent, profile: Inexact[AnyArray, "*B B"]) -> Inexact[Array, "*B L"]:
    """A profile node by node; only the first `span` of the base profiles of a target count."""
    return op.by_node(eq, profile, eq.span)


def seen(eq: Equivalent, x: op.Point, p: Inexact[Array, "*B B"]) -> Inexact[Array, "*B L"]:
    """psi_p P_l Y_l."""
    return eq.psi_p * x.q[..., None] * x.inverse * _by_node(eq, p)


def pull_of_directions(eq: Equivalent, x: op.Point) -> Inexact[Array, "*B L"]:
    """H, direction by direction; in the unit of x P is larger and Y smaller by it."""
    p = pulled(eq, x)
    missing = (eq.share * op.deltas(eq, x.delta) * x.g) @ eq.power  # sum_j share_j power_j (1 - g_j), with its digits
    return x.unit[..., None] * _by_node(eq, p) * seen(eq, x, p) + op.by_node(eq, missing, eq.base.shape[0])


def cross_of_directions(eq: Equivalent, x: op.Point, truth: Inexact[AnyArray, " B"]) -> Inexact[Array, "*B L"]:
    """X, direction by direction, for a profile of the truth."""
    return _by_node(eq, truth) * seen(eq, x, pulled(eq, x))


def traces(eq: Equivalent, x: op.Point) -> tuple[Inexact[Array, "*B"], Inexact[Array, "*B"]]:
    """H, and X of the whole population."""
    cross = cross_of_directions(eq, x, eq.fractions @ eq.truth)
    return pull_of_directions(eq, x) @ eq.weights, cross @ eq.weights


def kernel(
    eq: Equivalent,
    x: op.Point,
    y: op.Point,
    coupling: Inexact[Array, "*#P R"],
    *,
    pair: Equivalent | None = None,
    source: Inexact[Array, "*#P"] | None = None,
    same_features: bool = True,
) -> Inexact[Array, "*B N M"]:
    """(1/d) Tr V^T R(z1) C R(z2) V at all pairs of the solutions x (..., N) and y (..., M).

    Args:
        eq: the equivalent that x and y solve.
        x: N solutions.
        y: M solutions.
        coupling: row of C, or one a pair of points.
        pair: cross covariances of two models that share only part of their randomness (`rfscore.theory.replicas`).
        source: what the coupling itself adds, times the target of fresh samples, where C contains sampled columns.
        same_features: whether both resolvents belong to one W.
    """
    pair = eq if pair is None else pair
    lifted = corner(pair, x, y, coupling, same_features)
    changes, p1, p2 = lifted.weight, pulled(eq, x), pulled(eq, y)
    p12 = (eq.share * changes) @ pair.pulls
    energy = (eq.share * changes) @ (pair.power @ eq.means)
    if source is not None:
        p12, energy = p12 + source[..., None] * eq.truth[0], energy + source * (eq.energy[0] @ eq.means)
    single = [
        p12[..., i] * (_single(eq, x, p1, i)[..., :, None] + _single(eq, y, p2, i)[..., None, :])
        for i in range(eq.span)
    ]
    both = _both(eq, x, y, p1, p2, lifted)
    q12 = lifted.q * both[0] - eq.psi_p * lifted.pair * sum(lifted.k[..., 1 + i] * one for i, one in enumerate(both))
    return energy - sum(single) - eq.psi_p * q12


def _single(eq: Equivalent, x: op.Point, p: Inexact[Array, "*B B"], i: int) -> Inexact[Array, "*B"]:
    """int rho base_i psi_p P Y."""
    return seen(eq, x, p) @ (eq.weights * eq.base[i])


def _both(
    eq: Equivalent, x: op.Point, y: op.Point, p1: Array, p2: Array, lifted: Corner
) -> list[Inexact[Array, "*B N M"]]:
    """int rho base_i P1 P2/(D1 D2) for every base profile."""
    count = range(eq.base.shape[0])
    if eq.span == 1:
        product = p1[..., :, None, 0] * p2[..., None, :, 0]
        return [product * lifted.moments.values[i] for i in count]
    left, right = x.inverse * _by_node(eq, p1), jnp.swapaxes(y.inverse * _by_node(eq, p2), -1, -2)
    return [jnp.matmul(left * (eq.weights * eq.base[i]), right) for i in count]


def kernel_of_directions(
    eq: Equivalent, x: op.Point, y: op.Point, coupling: Inexact[Array, " R"], nodes: Array
) -> Inexact[Array, "*B N M D"]:
    """The kernel without the integral over directions, at the given nodes (indices), which form the last axis."""
    lifted = corner(eq, x, y, coupling)
    p1, p2 = pulled(eq, x), pulled(eq, y)
    at = eq.base[:, nodes]
    p12 = jnp.einsum("...j,jb,bl->...l", eq.share * lifted.weight, eq.pulls, at)
    energy = jnp.einsum("...j,jb,bl->...l", eq.share * lifted.weight, eq.power, at)
    k12 = jnp.einsum("...r,rl->...l", lifted.k[..., 1:], at)
    visible = [seen(eq, point, p)[..., nodes] for point, p in ((x, p1), (y, p2))]
    left, right = facing(x, y)
    inverse = left.inverse[..., nodes] * right.inverse[..., nodes]
    y12 = inverse * (lifted.q[..., None] - eq.psi_p * lifted.pair[..., None] * k12)
    here = [_by_node(eq, p)[..., nodes] for p in (p1, p2)]
    middle = here[0][..., :, None, :] * y12 * here[1][..., None, :, :]
    return energy - p12 * (visible[1][..., None, :, :] + visible[0][..., :, None, :]) - eq.psi_p * middle


def pairs(eq: Equivalent, x: op.Point, coupling: Inexact[Array, " R"]) -> Inexact[Array, "2 *B N N"]:
    """The kernel of the solutions x with themselves, and with their conjugates: what a contour's upper half needs."""
    return jnp.stack([kernel(eq, x, y, jnp.asarray(coupling)) for y in (x, x.conj())])
