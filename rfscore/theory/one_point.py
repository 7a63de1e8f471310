r"""The one-point equations and the linear system that everything else is built from.

Unknowns at a spectral point z: q = (1/p) Tr (U - z)^{-1} and delta_j = (share_j/N_j) Tr[C_j (U - z)^{-1}]. With
g_j = 1/(1 + delta_j), k = C_0 + sum_j share_j g_j C_j (a triple), m(lam) = k_1 + k_2 lam, D = 1 + psi_p q m,

    1/q     = k_0 - z + int rho_Sigma m/D
    delta_j = ratio_j ( c_j0 q + c_j1 s + c_j2 r ),   s = int rho_Sigma q/D,   r = int rho_Sigma lam q/D

with ratio_j = p share_j/N_j (Bonnaire et al. 2025, Theorem 3.1 with r-hat eliminated; derivations (D4.5)-(D4.7); with
m frozen noises (D10.4)-(D10.6)). Differences of two solutions,
derivatives and the corner of the 2x2 lift all solve one linear system (1 - M(z1, z2)) x = y: `response_matrix` is M.
M(z, conj z) has non-negative entries, and its spectral radius is < 1 exactly on the physical branch off the support
and = 1 on it ((D4.9)): that is how a solution is verified.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from rfscore._precision import AnyArray
from rfscore.theory.equivalent import Equivalent

#: A triple common to all points, or one a point: it broadcasts.
Triple = Inexact[AnyArray, "*#B 3"]


class Point(NamedTuple):
    """A candidate solution at z, with the integrals that every formula uses."""

    q: Inexact[Array, "*B"]
    delta: Inexact[Array, "*B J"]
    g: Inexact[Array, "*B J"]
    k: Inexact[Array, "*B 3"]
    inverse: Inexact[Array, "*B L"]  # 1/D(lam)
    unit: Float[Array, "*B"]  # g = 1/(unit + delta): 1, or smaller where all is scaled by it next to a null space of U

    def conj(self) -> Point:
        """The solution at conj(z)."""
        return Point(*(jnp.conj(x) for x in self))


class Moments(NamedTuple):
    """int rho_Sigma lam^i/(D1 D2) for i = 0, 1, 2."""

    zero: Inexact[Array, "*B"]
    one: Inexact[Array, "*B"]
    two: Inexact[Array, "*B"]

    def bilinear(self, x: Triple, y: Triple) -> Inexact[Array, "*#B"]:
        """int rho_Sigma (x_1 + x_2 lam)(y_1 + y_2 lam)/(D1 D2)."""
        cross = x[..., 1] * y[..., 2] + x[..., 2] * y[..., 1]
        return x[..., 1] * y[..., 1] * self.zero + cross * self.one + x[..., 2] * y[..., 2] * self.two

    def linear(self, x: Triple) -> Inexact[Array, "*#B"]:
        """x_0 + int rho_Sigma (x_1 + x_2 lam)/(D1 D2)."""
        return x[..., 0] + x[..., 1] * self.zero + x[..., 2] * self.one


def point(
    eq: Equivalent, q: Inexact[Array, "*B"], delta: Inexact[Array, "*B J"], unit: Float[Array, "*B"] | float = 1.0
) -> Point:
    """Everything that follows from (q, delta).

    Times a unit u, q and delta solve the same equations with g = 1/(u + delta) and C_0 - z divided by u. So scaled they
    stay finite where U has a null space and z goes to 0; kernels and X do not see the unit.
    """
    unit = jnp.broadcast_to(unit, q.shape)
    g = 1.0 / (unit[..., None] + delta)
    # Few parts, many points: an unrolled sum beats a batched matrix product.
    k = eq.fixed + sum((eq.share[j] * g[..., j, None]) * eq.sampled[j] for j in range(eq.share.shape[0]))
    m = k[..., 1, None] + k[..., 2, None] * eq.nodes
    return Point(q, delta, g, k, 1.0 / (1.0 + eq.psi_p * q[..., None] * m), unit)


def _powers(eq: Equivalent, count: int) -> Float[Array, "L count"]:
    """Columns rho_Sigma lam^i: integrals against them are skinny matrix products."""
    return jnp.stack([eq.weights * eq.nodes**i for i in range(count)], axis=-1)


def traces(eq: Equivalent, x: Point) -> tuple[Inexact[Array, "*B"], Inexact[Array, "*B"]]:
    """s = (1/p) Tr[W^T (U-z)^{-1} W]/d and r, the same with Sigma inserted."""
    both = x.q[..., None] * (x.inverse @ _powers(eq, 2))
    return both[..., 0], both[..., 1]


def residual(
    eq: Equivalent, x: Point, z: Inexact[Array, "*B"]
) -> tuple[Inexact[Array, "*B"], Inexact[Array, "*B J"], Float[Array, "*B"]]:
    """Both equations' residuals (as Newton needs them) and their size relative to the sum of |terms|."""
    s, r = traces(eq, x)
    of_m = (x.k[..., 1] * s / x.q, x.k[..., 2] * r / x.q)
    first = 1.0 / x.q - (x.k[..., 0] - z) - (of_m[0] + of_m[1])
    first_scale = abs(1.0 / x.q) + abs(x.k[..., 0]) + abs(z) + abs(of_m[0]) + abs(of_m[1])
    parts = jnp.stack([x.q, s, r], axis=-1)[..., None, :] * eq.sampled * eq.ratio[:, None]
    second = parts.sum(-1) - x.delta
    second_scale = abs(parts).sum(-1) + abs(x.delta) + 1e-300
    size = jnp.maximum(abs(first) / first_scale, (abs(second) / second_scale).max(-1))
    return first, second, size


def moments(eq: Equivalent, x: Point, y: Point) -> Moments:
    """Moments at pairs of points taken elementwise."""
    all_three = (x.inverse * y.inverse) @ _powers(eq, 3)
    return Moments(all_three[..., 0], all_three[..., 1], all_three[..., 2])


def response_matrix(eq: Equivalent, x: Point, y: Point, mom: Moments) -> list[list[Inexact[Array, "*B"]]]:
    """M(z1, z2), rows and columns ordered (q, delta_1, ..., delta_J)."""
    pair = x.q * y.q
    weight = eq.share * x.g * y.g
    parts = range(eq.share.shape[0])
    top = [pair * eq.psi_p * mom.bilinear(x.k, y.k)]
    top += [pair * weight[..., j] * mom.linear(eq.sampled[j]) for j in parts]
    rows = [top]
    for i in parts:
        row = [eq.ratio[i] * mom.linear(eq.sampled[i])]
        row += [
            eq.ratio[i] * eq.psi_p * pair * weight[..., j] * mom.bilinear(eq.sampled[i], eq.sampled[j]) for j in parts
        ]
        rows.append(row)
    return rows


def solve_response(
    matrix: list[list[Inexact[Array, "*B"]]], right: list[Inexact[Array, "*B"]]
) -> tuple[list[Inexact[Array, "*B"]], list[Inexact[Array, "*B"]]]:
    """Solve (1 - M) x = right; also the pivots, all positive iff a non-negative M has spectral radius < 1.

    |M(z1, z2)| is dominated by non-negative matrices of radius at most one, so 1 - M is an H-matrix, for which
    elimination without pivoting is stable; unrolled, it fuses where a batched LAPACK call would not.
    """
    size = len(right)
    a = [[(1.0 if i == j else 0.0) - matrix[i][j] for j in range(size)] for i in range(size)]
    b = list(right)
    for i in range(size):
        for j in range(i + 1, size):
            factor = a[j][i] / a[i][i]
            a[j] = [a[j][k] - factor * a[i][k] if k > i else a[j][k] for k in range(size)]
            b[j] = b[j] - factor * b[i]
    for i in reversed(range(size)):
        b[i] = (b[i] - sum(a[i][k] * b[k] for k in range(i + 1, size))) / a[i][i]
    return b, [a[i][i] for i in range(size)]


def newton_step(
    eq: Equivalent, x: Point, first: Inexact[Array, "*B"], second: Inexact[Array, "*B J"]
) -> tuple[Inexact[Array, "*B"], Inexact[Array, "*B J"]]:
    """The Newton increment of (q, delta) for residuals (first, second)."""
    parts = range(eq.share.shape[0])
    matrix = response_matrix(eq, x, x, moments(eq, x, x))
    (dq, *ddelta), _ = solve_response(matrix, [x.q**2 * first, *(second[..., j] for j in parts)])
    return dq, jnp.stack(ddelta, axis=-1)


def branch_margin(eq: Equivalent, x: Point) -> Float[Array, "*B"]:
    """Smallest leading minor of 1 - M(z, conj z): positive off the support, 0 on it, negative on a wrong branch.

    Minors, not pivots: a pivot divides by the one before, which may itself be zero, exactly where delta has decoupled.
    """
    y = x.conj()
    matrix = response_matrix(eq, x, y, moments(eq, x, y))
    size = range(len(matrix))
    rest = [[(1.0 if i == j else 0.0) - jnp.real(matrix[i][j]) for j in size] for i in size]
    return jnp.min(jnp.stack([_determinant([row[: k + 1] for row in rest[: k + 1]]) for k in size]), axis=0)


def _determinant(a: list[list[Float[Array, "*B"]]]) -> Float[Array, "*B"]:
    """By its first row: for matrices of two or three rows."""
    if len(a) == 1:
        return a[0][0]
    minors = [_determinant([row[:j] + row[j + 1 :] for row in a[1:]]) for j in range(len(a))]
    return sum(((-1.0) ** j * a[0][j] * minor for j, minor in enumerate(minors)), jnp.zeros(()))


def far_point(eq: Equivalent, z: Complex[Array, "*B"], unit: Float[Array, "*B"] | float = 1.0) -> Point:
    """The solution for |z| far above the spectrum, q = -1/z, as a start; a small unit shows the null space alone."""
    q = -jnp.where(jnp.asarray(unit) < 0.5, eq.excess / eq.psi_p, 1.0) / z
    mean = eq.sampled[:, 0] + eq.sampled[:, 1] + eq.sampled[:, 2] * (eq.weights * eq.nodes).sum()
    return point(eq, q, q[..., None] * (eq.ratio * mean), unit)
