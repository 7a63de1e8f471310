r"""The one-point equations and the linear system that everything else is built from.

Unknowns at a spectral point z: q = (1/p) Tr (U - z)^{-1} and delta_j = (share_j/N_j) Tr[C_j (U - z)^{-1}]. With
g_j = 1/(1 + delta_j), k = C_0 + sum_j share_j g_j C_j (a row, its profile m_l), D_l = 1 + psi_p q m_l,

    1/q     = k_0 - z + int rho m/D
    delta_j = ratio_j ( c_j0 q + int rho prof_j q/D ),   ratio_j = p share_j/N_j

(Bonnaire et al. 2025, Theorem 3.1 with r-hat eliminated; derivations (D4.5)-(D4.7); with m frozen noises
(D10.4)-(D10.6); several classes (D13.5)-(D13.6)). Where there are more parts than base profiles the unknowns are the
traces of the base, of which the delta_j are sums. Differences of two solutions, derivatives and the corner of the 2x2
lift all solve one linear system (1 - M(z1, z2)) x = y: `response_matrix` is M. M(z, conj z) has non-negative entries,
and its spectral radius is < 1 exactly on the physical branch off the support and = 1 on it ((D4.9)): that is how a
solution is verified.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from rfscore._precision import AnyArray
from rfscore.theory.equivalent import Equivalent

#: A row common to all points, or one a point: it broadcasts.
Row = Inexact[AnyArray, "*#B R"]
#: Systems up to this size are eliminated unrolled, which fuses; larger ones go to LAPACK.
_UNROLLED = 4


class Point(NamedTuple):
    """A candidate solution at z, with the integrals that every formula uses."""

    q: Inexact[Array, "*B"]
    delta: Inexact[Array, "*B M"]  # the unknown traces
    g: Inexact[Array, "*B J"]
    k: Inexact[Array, "*B R"]
    inverse: Inexact[Array, "*B L"]  # 1/D
    unit: Float[Array, "*B"]  # g = 1/(unit + delta): 1, or smaller where all is scaled by it next to a null space of U

    def conj(self) -> Point:
        """The solution at conj(z)."""
        return Point(*(jnp.conj(x) for x in self))


class Moments(NamedTuple):
    """int rho base_i base_j/(D1 D2), i <= j, in the order of `_pairs`."""

    values: tuple[Inexact[Array, "*B"], ...]

    def bilinear(self, x: Row, y: Row) -> Inexact[Array, "*#B"]:
        """int rho x_l y_l/(D1 D2) for the profiles of two rows."""
        size = x.shape[-1] - 1
        found = jnp.zeros(())
        for (i, j), value in zip(_pairs(size), self.values, strict=True):
            both = x[..., 1 + i] * y[..., 1 + j]
            found = found + (both if i == j else both + x[..., 1 + j] * y[..., 1 + i]) * value
        return found

    def linear(self, x: Row) -> Inexact[Array, "*#B"]:
        """level + int rho x_l/(D1 D2)."""
        # base_0 is 1, and the pairs begin with those of base_0
        return x[..., 0] + sum(x[..., 1 + j] * self.values[j] for j in range(x.shape[-1] - 1))


def _pairs(size: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(size) for j in range(i, size)]


def products(eq: Equivalent) -> Float[Array, "L count"]:
    """Columns rho base_i base_j: integrals against them are skinny matrix products."""
    size = eq.base.shape[0]
    return jnp.stack([eq.weights * eq.base[i] * eq.base[j] for i, j in _pairs(size)], axis=-1)


def by_node(eq: Equivalent, profile: Inexact[AnyArray, "*B B"], count: int) -> Inexact[Array, "*B L"]:
    """A profile node by node, of its first `count` coefficients."""
    return sum(profile[..., i, None] * eq.base[i] for i in range(count))


def profile(eq: Equivalent, row: Inexact[Array, "*B R"]) -> Inexact[Array, "*B L"]:
    """Profile of a row, node by node."""
    return by_node(eq, row[..., 1:], eq.base.shape[0])


def deltas(eq: Equivalent, traces: Inexact[Array, "*B M"]) -> Inexact[Array, "*B J"]:
    """delta_j from the unknown traces."""
    return traces if eq.mix.shape[0] == eq.mean.shape[0] else traces @ eq.mix.T


def point(
    eq: Equivalent, q: Inexact[Array, "*B"], delta: Inexact[Array, "*B M"], unit: Float[Array, "*B"] | float = 1.0
) -> Point:
    """Everything that follows from (q, delta).

    Times a unit u, q and delta solve the same equations with g = 1/(u + delta) and C_0 - z divided by u. So scaled they
    stay finite where U has a null space and z goes to 0; kernels and X do not see the unit.
    """
    unit = jnp.broadcast_to(unit, q.shape)
    g = 1.0 / (unit[..., None] + deltas(eq, delta))
    # Few parts, many points: an unrolled sum beats a batched matrix product.
    if eq.share.shape[0] <= _UNROLLED:
        k = eq.fixed + sum((eq.share[j] * g[..., j, None]) * eq.sampled[j] for j in range(eq.share.shape[0]))
    else:
        k = eq.fixed + (eq.share * g) @ eq.sampled
    return Point(q, delta, g, k, 1.0 / (1.0 + eq.psi_p * q[..., None] * profile(eq, k)), unit)


def traces(eq: Equivalent, x: Point) -> Inexact[Array, "*B B"]:
    """(1/p) Tr[W diag(base_i) W^T (U-z)^{-1}]/d of every base profile: with one class s and r."""
    return x.q[..., None] * (x.inverse @ (eq.weights * eq.base).T)


def residual(
    eq: Equivalent, x: Point, z: Inexact[Array, "*B"]
) -> tuple[Inexact[Array, "*B"], Inexact[Array, "*B M"], Float[Array, "*B"]]:
    """Both equations' residuals (as Newton needs them) and their size relative to the sum of |terms|."""
    of_base = traces(eq, x)
    of_m = x.k[..., 1:] * (of_base / x.q[..., None])
    first = 1.0 / x.q - (x.k[..., 0] - z) - of_m.sum(-1)
    first_scale = abs(1.0 / x.q) + abs(x.k[..., 0]) + abs(z) + abs(of_m).sum(-1)
    parts = jnp.concatenate([x.q[..., None], of_base], axis=-1)[..., None, :] * eq.mean
    second = parts.sum(-1) - x.delta
    second_scale = abs(parts).sum(-1) + abs(x.delta) + 1e-300
    size = jnp.maximum(abs(first) / first_scale, (abs(second) / second_scale).max(-1))
    return first, second, size


def moments(eq: Equivalent, x: Point, y: Point) -> Moments:
    """Moments at pairs of points taken elementwise."""
    every = (x.inverse * y.inverse) @ products(eq)
    return Moments(tuple(every[..., i] for i in range(every.shape[-1])))


def felt(eq: Equivalent, weight: Inexact[Array, "*B J"]) -> list[Inexact[Array, "*B R"]]:
    """Rows sum_j weight_j mix_jm C_j: what a change of trace m does to k, up to a sign."""
    if eq.mix.shape[0] == eq.mean.shape[0]:
        return [weight[..., j, None] * eq.sampled[j] for j in range(eq.share.shape[0])]
    return [weight @ (eq.mix[:, m, None] * eq.sampled) for m in range(eq.mean.shape[0])]


def response_matrix(eq: Equivalent, x: Point, y: Point, mom: Moments) -> list[list[Inexact[Array, "*B"]]]:
    """M(z1, z2), rows and columns ordered (q, delta_1, ..., delta_M)."""
    pair = x.q * y.q
    rows = felt(eq, eq.share * x.g * y.g)
    matrix = [[pair * eq.psi_p * mom.bilinear(x.k, y.k), *(pair * mom.linear(row) for row in rows)]]
    for i in range(eq.mean.shape[0]):
        below = [eq.psi_p * pair * mom.bilinear(eq.mean[i], row) for row in rows]
        matrix.append([jnp.broadcast_to(mom.linear(eq.mean[i]), pair.shape), *below])
    return matrix


def solve_response(
    matrix: list[list[Inexact[Array, "*B"]]], right: list[Inexact[Array, "*B"]]
) -> list[Inexact[Array, "*B"]]:
    """Solve (1 - M) x = right.

    |M(z1, z2)| is dominated by non-negative matrices of radius at most one, so 1 - M is an H-matrix, for which
    elimination without pivoting is stable; unrolled, it fuses where a batched LAPACK call would not.
    """
    size = len(right)
    a = [[(1.0 if i == j else 0.0) - matrix[i][j] for j in range(size)] for i in range(size)]
    if size > _UNROLLED + 1:
        table = jnp.stack([jnp.stack(jnp.broadcast_arrays(*row), axis=-1) for row in a], axis=-2)
        sides = jnp.stack(jnp.broadcast_arrays(*right), axis=-1)
        sides = jnp.broadcast_to(sides, jnp.broadcast_shapes(sides.shape, table.shape[:-1]))
        found = jnp.linalg.solve(table, sides[..., None])[..., 0]
        return [found[..., i] for i in range(size)]
    b = list(right)
    for i in range(size):
        for j in range(i + 1, size):
            factor = a[j][i] / a[i][i]
            a[j] = [a[j][k] - factor * a[i][k] if k > i else a[j][k] for k in range(size)]
            b[j] = b[j] - factor * b[i]
    for i in reversed(range(size)):
        b[i] = (b[i] - sum(a[i][k] * b[k] for k in range(i + 1, size))) / a[i][i]
    return b


def newton_step(
    eq: Equivalent, x: Point, first: Inexact[Array, "*B"], second: Inexact[Array, "*B M"]
) -> tuple[Inexact[Array, "*B"], Inexact[Array, "*B M"]]:
    """The Newton increment of (q, delta) for residuals (first, second)."""
    matrix = response_matrix(eq, x, x, moments(eq, x, x))
    unknown = range(eq.mean.shape[0])
    dq, *ddelta = solve_response(matrix, [x.q**2 * first, *(second[..., m] for m in unknown)])
    return dq, jnp.stack(ddelta, axis=-1)


def branch_margin(eq: Equivalent, x: Point) -> Float[Array, "*B"]:
    """Smallest leading minor of 1 - M(z, conj z): positive off the support, 0 on it, negative on a wrong branch.

    Minors, not pivots: a pivot divides by the one before, which may itself be zero, exactly where delta has decoupled.
    """
    y = x.conj()
    matrix = response_matrix(eq, x, y, moments(eq, x, y))
    size = range(len(matrix))
    rest = [[(1.0 if i == j else 0.0) - jnp.real(matrix[i][j]) for j in size] for i in size]
    minors = [_determinant([row[: k + 1] for row in rest[: k + 1]]) for k in size]
    return jnp.min(jnp.stack(jnp.broadcast_arrays(*minors)), axis=0)


def _determinant(a: list[list[Float[Array, "*B"]]]) -> Float[Array, "*B"]:
    """By its first row for a few rows, else by LAPACK."""
    if len(a) == 1:
        return a[0][0]
    if len(a) > _UNROLLED:
        return jnp.linalg.det(jnp.stack([jnp.stack(jnp.broadcast_arrays(*row), axis=-1) for row in a], axis=-2))
    minors = [_determinant([row[:j] + row[j + 1 :] for row in a[1:]]) for j in range(len(a))]
    return sum(((-1.0) ** j * a[0][j] * minor for j, minor in enumerate(minors)), jnp.zeros(()))


def far_point(eq: Equivalent, z: Complex[Array, "*B"], unit: Float[Array, "*B"] | float = 1.0) -> Point:
    """The solution for |z| far above the spectrum, q = -1/z, as a start; a small unit shows the null space alone."""
    q = -jnp.where(jnp.asarray(unit) < 0.5, eq.excess / eq.psi_p, 1.0) / z
    whole = eq.mean[:, 0] + eq.mean[:, 1:] @ eq.means
    return point(eq, q, q[..., None] * whole, unit)
