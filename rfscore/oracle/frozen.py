r"""The oracle with m frozen noises per sample: one-point equations in any commutative or triangular arithmetic.

With g_i = 1/(1 + delta_i), beta = g_1/m + (1 - 1/m) g_2, M(lam) = alpha2 lam g_1 + b^2 beta,

    1/q     = ridge - z + v2 g_1 + s2 beta + <M (1 + psi_p q M)^{-1}>,   s = <(1/q + psi_p M)^{-1}>,  r with lam inside,
    delta_1 = (psi_p/psi_n) [(v2 + s2/m) q + alpha2 r + (b^2/m) s],    delta_2 = (psi_p/(m psi_n)) [s2 q + b^2 s].

The equations are written once, for numbers and for upper triangular 2x2 matrices (`Pair`). Triangular matrices with
equal diagonals are dual numbers and give Newton its Jacobian; with z1, z2 on the diagonal and minus the coupling in the
corner they give the two-point kernels, without a formula for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpmath import mp

from rfscore.errors import SolveError
from rfscore.oracle.equivalence import Model


@dataclass(frozen=True, repr=False, slots=True)  # mpmath calls repr on what it does not know
class Pair:
    """[[one, corner], [0, two]]."""

    one: Any
    two: Any
    corner: Any

    def __add__(self, other: Any) -> Pair:
        other = lifted(other)
        return Pair(self.one + other.one, self.two + other.two, self.corner + other.corner)

    def __sub__(self, other: Any) -> Pair:
        return self + lifted(other) * -1

    def __rsub__(self, other: Any) -> Pair:
        return lifted(other) - self

    def __mul__(self, other: Any) -> Pair:
        other = lifted(other)
        return Pair(self.one * other.one, self.two * other.two, self.one * other.corner + self.corner * other.two)

    __radd__ = __add__

    def __rmul__(self, other: Any) -> Pair:
        return lifted(other) * self


def lifted(x: Any) -> Pair:
    """A number as a multiple of the identity."""
    return x if isinstance(x, Pair) else Pair(x, x, mp.mpf(0))


def inverse(x: Any) -> Any:
    """1/x of a number or a Pair."""
    return Pair(1 / x.one, 1 / x.two, -x.corner / (x.one * x.two)) if isinstance(x, Pair) else 1 / x


@dataclass(frozen=True)
class Traces:
    """Both sides' difference of the three equations, and what the losses need."""

    residual: tuple[Any, Any, Any]
    beta: Any
    s: Any
    r: Any


def equations(m: Model, z: Any, state: tuple[Any, Any, Any], coupling: tuple[Any, Any, Any] = (0, 0, 0)) -> Traces:
    """The one-point equations at (q, delta_1, delta_2), with a coupling (k0, kWW, kWSW) added to U."""
    q, d1, d2 = state
    draws = m.draws
    g1, g2 = inverse(d1 + 1), inverse(d2 + 1)
    beta = g1 * (1 / draws) + g2 * (1 - 1 / draws)
    # Triangular factors stand on the left: mpmath then never meets them.
    level = g1 * m.v2 + beta * m.s2 + (m.ridge - z) + coupling[0]
    s = r = mp.mpf(0)
    down = inverse(q)
    for lam, weight in zip(m.nodes, m.weights, strict=True):
        big = g1 * (m.alpha2 * lam) + beta * m.b2 + coupling[1] + coupling[2] * lam
        part = inverse(down + big * m.psi_p) * weight
        s, r = part + s, part * lam + r
        level = level + big * weight * inverse(q * big * m.psi_p + 1)
    ratio = m.psi_p / m.psi_n
    first = (q * (m.v2 + m.s2 / draws) + r * m.alpha2 + s * (m.b2 / draws)) * ratio
    second = (q * m.s2 + s * m.b2) * (ratio / draws)
    return Traces((level - down, first - d1, second - d2), beta, s, r)


def _affine(m: Model, z: Any, two: tuple, one: tuple, coupling: tuple) -> tuple[Any, Any, Any]:
    """The corners that make the corners of all equations vanish: they enter linearly."""

    def corners(values: tuple) -> list[Any]:
        state = tuple(Pair(a, b, c) for a, b, c in zip(one, two, values, strict=True))
        return [x.corner for x in equations(m, z, state, coupling).residual]  # type: ignore[arg-type]

    zero, unit = mp.mpf(0), mp.mpf(1)
    # Both kinds of unknowns scale like products of the two solutions, also where these grow like 1/z.
    size = [a * b for a, b in zip(one, two, strict=True)]
    base = corners((zero,) * 3)
    columns = [corners(tuple(size[j] if i == j else zero for i in range(3))) for j in range(3)]
    rows = [unit, 1 / size[1], 1 / size[2]]
    matrix = mp.matrix([[rows[i] * (columns[j][i] - base[i]) for j in range(3)] for i in range(3)])
    found = mp.lu_solve(matrix, mp.matrix([-row * x for row, x in zip(rows, base, strict=True)]))
    return found[0] * size[0], found[1] * size[1], found[2] * size[2]


def _inside(z: Any, state: tuple) -> bool:
    """On the branch: upper half-plane for Im z > 0, positive for z < 0. Both regions hold exactly one solution."""
    return all((mp.im(x) if mp.im(z) else mp.re(x)) > 0 for x in state)


def _newton(m: Model, z: Any, state: tuple) -> tuple | None:
    tiny = mp.mpf(10) ** (4 - mp.dps)
    for _ in range(80):
        step = _newton_step(m, z, state)
        damped = mp.mpf(1)
        while not _inside(z, tuple(x + damped * dx for x, dx in zip(state, step, strict=True))):
            damped /= 2
            if damped < tiny:
                return None
        state = tuple(x + damped * dx for x, dx in zip(state, step, strict=True))
        if damped == 1 and max(abs(dx / x) for x, dx in zip(state, step, strict=True)) < tiny:
            return state
    return None


def _newton_step(m: Model, z: Any, state: tuple) -> list[Any]:
    """The corner of f(x + c e12) is f'(x) c: three lifts give the Jacobian, of relative residuals in log unknowns."""
    rows = [state[0], 1 / state[1], 1 / state[2]]
    matrix, right = mp.matrix(3, 3), mp.matrix(3, 1)
    for j in range(3):
        moved = tuple(Pair(x, x, x if i == j else mp.mpf(0)) for i, x in enumerate(state))
        for i, value in enumerate(equations(m, z, moved).residual):  # type: ignore[arg-type]
            matrix[i, j], right[i] = rows[i] * value.corner, -rows[i] * value.one
    found = mp.lu_solve(matrix, right)
    return [found[i] * state[i] for i in range(3)]


def solve(m: Model, z: Any, start: tuple | None = None) -> tuple:
    """(q, delta_1, delta_2) for Im z > 0 or z < 0, proved to be on the branch; Im z < 0 by conjugation."""
    if mp.im(z) < 0:
        return tuple(mp.conj(x) for x in solve(m, mp.conj(z)))
    if mp.im(z) == 0 and mp.re(z) >= 0:
        raise SolveError(f"z = {mp.nstr(z, 8)}: with frozen noises the oracle needs Im z != 0 or z < 0; move it")
    found = _newton(m, z, start) if start is not None and _inside(z, start) else None
    if found is not None:
        return found
    turn, height = (1j if mp.im(z) else -1), 8 * m.norm2 * (1 + m.psi_p) * (1 + 1 / m.psi_n) + abs(z)
    at = z + turn * height
    column = m.v2 + m.alpha2 * m.mean + (m.s2 + m.b2) / m.draws
    ratio = m.psi_p / m.psi_n
    far = (-1 / at, -ratio * column / at, -ratio / m.draws * (m.s2 + m.b2) / at)
    factor = mp.mpf("0.2")
    state = _newton(m, at, far)
    for _ in range(3000):
        if state is None or height == 0:
            break
        lower = height * factor if height * factor > abs(z) * mp.mpf("1e-3") else mp.mpf(0)
        trial = _newton(m, z + turn * lower, state)
        if trial is None:
            factor = mp.sqrt(factor)
            continue
        height, state, factor = lower, trial, max(factor**2, mp.mpf("0.01"))
    if state is None or height != 0:
        raise SolveError(f"one-point equations at z = {mp.nstr(z, 8)}: continuation stopped; raise dps")
    return state


def values(m: Model, z: Any, state: tuple) -> dict[str, Any]:
    """q, delta_1, r, s by name."""
    found = equations(m, z, state)  # type: ignore[arg-type]
    return {"q": state[0], "delta": state[1], "r": found.r, "s": found.s}


def pull(m: Model, state: tuple) -> tuple[Any, Any]:
    """H = (1/d) Tr V^T R V and X = (1/d) Tr Vt^T R V."""
    found = equations(m, mp.mpf(0), state)  # type: ignore[arg-type]
    trace = found.s * (m.b2 * m.psi_p)
    return 1 - found.beta + found.beta * trace * found.beta, trace * found.beta


def kernels(m: Model, one: tuple, two: tuple, coupling: tuple) -> tuple[Any, Any]:
    """(1/d^2) Tr W^T R1 C R2 W and (1/d) Tr V^T R1 C R2 V at two solutions."""
    edge = tuple(Pair(mp.mpf(0), mp.mpf(0), mp.mpmathify(c)) for c in coupling)
    corner = _affine(m, Pair(mp.mpf(0), mp.mpf(0), mp.mpf(0)), two, one, edge)
    state = tuple(Pair(a, b, c) for a, b, c in zip(one, two, corner, strict=True))
    found = equations(m, mp.mpf(0), state, edge)  # type: ignore[arg-type]
    trace = found.s * (m.b2 * m.psi_p)
    lift = lifted(1) - found.beta + found.beta * trace * found.beta
    return -m.psi_p * found.s.corner, -lift.corner
