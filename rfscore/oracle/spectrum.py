r"""All edges of the spectrum of U, exactly, for a population of atoms.

Put w = psi_p q and kappa = (1 + b^2 w)/(alpha2 h), h = w/(1 + delta), y(kappa) = <kappa/(kappa + lam)>. The one-point
equations separate into a curve and a height on it:
    alpha2 kappa (psi_n - 1 + y) = v2 b^2 w + psi_n/w + v2 + psi_n b^2                                     (curve)
    z = s2 + (psi_n - psi_p)/w - psi_n (psi_n - 1 + y)/(w (v2 w + psi_n)) + b^2 y/(1 + b^2 w)              (height)
The left side of the curve depends on kappa only, the right side is quadratic in w: two branches w(kappa). Edges are
stationary points of the height. All stationary points are collected; between neighbours the density is either zero or
positive throughout, so one verified solution of the one-point equations per interval decides which are edges.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

from mpmath import mp

from rfscore.errors import SolveError
from rfscore.model.problem import ScoreProblem
from rfscore.oracle._types import GUARD, Edges, Number
from rfscore.oracle.equivalence import Model, averaged_noise, model
from rfscore.oracle.onepoint import solve

#: Scan points per interval of kappa between two poles; a total is kept for populations of many atoms.
_POINTS, _TOTAL = 240, 3000


class _Curve:
    """The separated curve of one model; kappa is given as (pole, offset) so that kappa + lam keeps its digits."""

    def __init__(self, m: Model) -> None:
        self.m = m
        self.low = (mp.sqrt(m.v2) - mp.sqrt(m.psi_n * m.b2)) ** 2  # F <= low: w < 0
        self.high = (mp.sqrt(m.v2) + mp.sqrt(m.psi_n * m.b2)) ** 2  # F >= high: w > 0
        self._known: dict[tuple[Any, Any], tuple[Any, ...]] = {}

    def y(self, pole: Any, x: Any) -> tuple[Any, ...]:
        """y, dy/dkappa at kappa = x - pole."""
        if (pole, x) not in self._known:
            self._known[pole, x] = self._y(pole, x)
        return self._known[pole, x]

    def _y(self, pole: Any, x: Any) -> tuple[Any, ...]:
        y0 = y1 = mp.mpf(0)
        for lam, weight in zip(self.m.nodes, self.m.weights, strict=True):
            if lam == 0:
                y0 += weight
                continue
            part = weight / (x + (lam - pole))
            y0 += (x - pole) * part
            y1 += lam * part * part / weight
        return y0, y1

    def f(self, pole: Any, x: Any) -> tuple[Any, Any]:
        """F = alpha2 kappa (psi_n - 1 + y) and its derivative."""
        y0, y1 = self.y(pole, x)
        kappa, m = x - pole, self.m
        return m.alpha2 * kappa * (m.psi_n - 1 + y0), m.alpha2 * (m.psi_n - 1 + y0 + kappa * y1)

    def w(self, value: Any, branch: int) -> Any:
        """Root of v2 b^2 w^2 - (F - v2 - psi_n b^2) w + psi_n = 0, larger (0) or smaller (1) in modulus."""
        m = self.m
        half = value - m.v2 - m.psi_n * m.b2
        root = mp.sqrt(max(half * half - 4 * m.v2 * m.b2 * m.psi_n, 0))
        large = (half + mp.sign(half) * root) / (2 * m.v2 * m.b2)
        return large if branch == 0 else m.psi_n / (m.v2 * m.b2 * large)

    def height(self, pole: Any, x: Any, branch: int) -> Any:
        """z at this point of the curve."""
        y, w, m = self.y(pole, x)[0], self.w(self.f(pole, x)[0], branch), self.m
        return (m.s2 + (m.psi_n - m.psi_p) / w - m.psi_n * (m.psi_n - 1 + y) / (w * (m.v2 * w + m.psi_n))
                + m.b2 * y / (1 + m.b2 * w))  # fmt: skip

    def slope(self, pole: Any, x: Any, branch: int) -> Any:
        """Derivative of the height along the curve, scaled to [-1, 1] and free of poles; its zeros are stationary."""
        m, (y, dy) = self.m, self.y(pole, x)
        value, df = self.f(pole, x)
        w = self.w(value, branch)
        noise, bulk = m.v2 * w + m.psi_n, 1 + m.b2 * w
        # Both partial derivatives and G' multiplied by (w noise bulk)^2 > 0 and w^2 > 0.
        z_w = ((m.psi_p - m.psi_n) * noise**2 + m.psi_n * (m.psi_n - 1 + y) * (noise + m.v2 * w)) * bulk**2
        z_w -= m.b2**2 * y * (w * noise) ** 2
        z_y = (m.b2 * w * noise - m.psi_n * bulk) * w * noise * bulk
        left, right = z_w * df * w**2, z_y * dy * (m.v2 * m.b2 * w * w - m.psi_n)
        size = abs(left) + abs(right)
        return (left + right) / size if size else mp.mpf(0)


def _bisect(function: Callable, a: Any, b: Any, digits: int) -> Any:
    """Root between a and b (sign change given): Illinois regula falsi with bisection when it stalls."""
    fa, fb = function(a), function(b)
    for step in range(400):
        if fa == 0 or fb == 0 or abs(b - a) <= mp.mpf(10) ** -digits * max(abs(a), abs(b)):
            break
        x = (a + b) / 2 if step % 3 == 2 else (a * fb - b * fa) / (fb - fa)
        fx = function(x)
        if fx * fb < 0:
            a, fa = b, fb
        else:
            fa /= 2
        b, fb = x, fx
    return a if fa == 0 else b


def _intervals(m: Model) -> list[tuple[Any, list[Any]]]:
    """(pole, offsets ascending) of every interval of kappa between two poles -lam, log-spaced towards both ends."""
    lams = sorted({lam for lam in m.nodes if lam > 0})
    count = max(24, min(_POINTS, _TOTAL // (len(lams) + 2)))
    scale = lams[-1]
    outer = [scale * mp.mpf(10) ** (mp.mpf(32) * j / count - 14) for j in range(count + 1)]
    result = [(lams[-1], [-x for x in reversed(outer)])]
    for low, high in itertools.pairwise(lams):
        half = (high - low) / 2
        near = [half * mp.mpf(10) ** (-mp.mpf(12) * (1 - 2 * mp.mpf(j) / count)) for j in range(count // 2 + 1)]
        result.append((high, near))
        result.append((low, [-x for x in reversed(near)]))
    result.append((lams[0], [lams[0] * mp.mpf(10) ** (mp.mpf(32) * j / count - 14) for j in range(count + 1)]))
    return result


def _clustered(grid: list[Any], centres: list[Any]) -> list[Any]:
    """The grid with points that crowd geometrically around each centre from both sides."""
    added = []
    for x in centres:
        reach = min(abs(x - grid[0]), abs(x - grid[-1]), abs(x))
        added += [x + side * reach * mp.mpf(10) ** (-mp.mpf(j) / 4) for j in range(1, 41) for side in (-1, 1)]
    return sorted({*grid, *centres, *added})


def _refined(values: list[Any], function: Callable, heights: list[Any] | None = None) -> list[Any]:
    """Zeros of `function` between points of the grid where its sign changes."""
    heights = [function(x) for x in values] if heights is None else heights
    cells = zip(itertools.pairwise(values), itertools.pairwise(heights), strict=True)
    return [_bisect(function, a, b, mp.dps - 4) for (a, b), (fa, fb) in cells if fa * fb < 0]


def _arcs(curve: _Curve, pole: Any, grid: list[Any]) -> list[list[Any]]:
    """Pieces of the grid on which w is real; ends, where the two branches meet, are exact."""
    # The curve has features of any width at kappa = 0, at zeros of F, where F turns, and where the branches meet.
    kinks = [pole] if grid[0] < pole < grid[-1] else []
    grid = _clustered(grid, kinks)
    turning = _refined(grid, lambda x: curve.f(pole, x)[1])
    grid = sorted({*grid, *turning})
    zeros = _refined(grid, lambda x: curve.f(pole, x)[0])
    ends = []
    for level in (curve.low, curve.high):
        ends += _refined(grid, lambda x, level=level: curve.f(pole, x)[0] - level)
    grid = _clustered(grid, sorted({*turning, *zeros, *ends}))
    arcs: list[list[Any]] = [[]]
    for a, b in itertools.pairwise(grid):
        value = curve.f(pole, (a + b) / 2)[0]
        if curve.low < value < curve.high:
            if arcs[-1]:
                arcs.append([])
            continue
        arcs[-1] = arcs[-1] or [a]
        arcs[-1].append(b)
        if b in ends:
            arcs.append([])
    return [arc for arc in arcs if len(arc) > 1]


def _near_misses(function: Callable, xs: list[Any], fs: list[Any]) -> list[Any]:
    """Pairs of roots inside one cell, found by minimising |function| where it dips without changing sign."""
    roots = []
    for j in range(1, len(xs) - 1):
        middle, sign = abs(fs[j]), mp.sign(fs[j])
        same = fs[j - 1] * sign > 0 and fs[j + 1] * sign > 0
        if not same or middle > 0.5 or middle > min(abs(fs[j - 1]), abs(fs[j + 1])):
            continue
        a, b = xs[j - 1], xs[j + 1]
        for _ in range(60):
            left, right = a + (b - a) * mp.mpf("0.382"), a + (b - a) * mp.mpf("0.618")
            fl, fr = sign * function(left), sign * function(right)
            if min(fl, fr) < 0:
                x = left if fl < fr else right
                roots += [_bisect(function, xs[j - 1], x, mp.dps - 4), _bisect(function, x, xs[j + 1], mp.dps - 4)]
                break
            a, b = (a, right) if fl < fr else (left, b)
    return roots


def stationary(m: Model) -> list[Any]:
    """Every stationary height of the curve, and s2 (where w is infinite), ascending: all possible edges."""
    curve, heights = _Curve(m), [m.s2]
    for pole, grid in _intervals(m):
        for arc in _arcs(curve, pole, grid):
            for branch in (0, 1):
                function = lambda x, pole=pole, branch=branch: curve.slope(pole, x, branch)  # noqa: E731
                values = [function(x) for x in arc]
                roots = _refined(arc, function, values) + _near_misses(function, arc, values)
                for x in roots:
                    # At psi_n = 1 the slope's polynomial also vanishes at kappa = 0, where z is infinite.
                    with contextlib.suppress(ZeroDivisionError):
                        heights.append(curve.height(pole, x, branch))
    return sorted(heights)


def _distinct(values: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if value > 0 and (not kept or value - kept[-1] > abs(value) * mp.mpf(10) ** (-mp.dps // 2)):
            kept.append(value)
    return kept


def _lost(problem: ScoreProblem, digits: int, activation: Callable | None) -> int:
    """Digits that differences of the largest and the smallest scale of the spectrum cost."""
    with mp.workdps(digits):
        m = model(problem, digits, activation)
        top = m.norm2 * (1 + m.psi_p) * (1 + 1 / m.psi_n)
        return int(mp.log10(top / min(m.v2, m.s2)))


def _edges(problem: ScoreProblem, digits: int, activation: Callable | None) -> list[Any]:
    averaged_noise(problem, "edges")
    digits += _lost(problem, digits, activation)
    with mp.workdps(digits):
        m = model(problem, digits, activation)
        candidates = _distinct(stationary(m))
        middles = [candidates[0] / 2]
        middles += [(a + b) / 2 for a, b in itertools.pairwise(candidates)]
        inside = [solve(m, x)[2] == "bulk" for x in [*middles, 2 * candidates[-1]]]
        if inside[0] or inside[-1]:
            raise SolveError("edges: the density does not vanish outside the outermost candidates")
        steps = zip(candidates, itertools.pairwise(inside), strict=True)
        return [value for value, (before, after) in steps if before != after]


def rough_edges(problem: ScoreProblem, *, activation: Callable | None = None) -> list[float]:
    """Edges from one run at 15 digits, without an error estimate: enough to place points."""
    return [float(x) for x in _edges(problem, 15, activation)]


def edges(problem: ScoreProblem, dps: int = 20, *, activation: Callable | None = None) -> Edges:
    r"""Edges of the continuous spectrum and the atom at s2 (mass 1 - (1 + psi_n)/psi_p when psi_p > psi_n + 1).

    Args:
        problem: the model; its quadrature of rho_Sigma is taken as exact atoms (meant for up to some tens of them).
        dps: digits asked for.
        activation: sigma on mpmath numbers, for a user's activation.

    Returns:
        Edges, ascending, each with an absolute error from two working precisions.

    Raises:
        SolveError: the two precisions disagree on the number of bulks.

    Example:
        >>> import rfscore as rf
        >>> from rfscore import oracle
        >>> found = oracle.edges(rf.ScoreProblem(2, 8, 0.1, activation="erf"), dps=15)
        >>> [f"{float(x):.8f}" for x in found.values]
        ['0.02267280', '0.15635344', '0.67179951', '10.36372097']
    """
    coarse, fine = (_edges(problem, dps + guard, activation) for guard in GUARD)
    if len(coarse) != len(fine) or len(fine) % 2:
        raise SolveError("edges: two precisions disagree on the number of bulks; raise dps")
    with mp.workdps(dps + GUARD[1]):
        m = model(problem, dps + GUARD[1], activation)
        mass = 1 - (1 + m.psi_n) / m.psi_p
        errors = tuple(abs(a - b) + abs(b) * mp.mpf(10) ** (-dps - GUARD[0]) for a, b in zip(coarse, fine, strict=True))
        return Edges(tuple(fine), errors, (m.s2, mass) if mass > 0 else None)


def bulk_mass(problem: ScoreProblem, found: Edges, index: int, dps: int = 10) -> Number:
    r"""Mass of one bulk: -(1/2 pi i) times the integral of q around it.

    Trapezoidal rule on the ellipse in log z whose foci are the bulk's edges and which stays half-way from its
    neighbours: geometric convergence, whatever the scales. Nodes are doubled until two results agree to `dps` digits.

    Args:
        problem: the model.
        found: its edges, good to more digits than the gaps are narrow.
        index: which bulk, 0 the leftmost.
        dps: digits asked for.

    Raises:
        SolveError: no agreement with 8192 nodes: the gap beside the bulk is too narrow.
    """
    digits = dps + GUARD[0] + _lost(problem, dps + GUARD[0], None)
    with mp.workdps(digits):
        m = model(problem, digits)
        low, high = found.bulks[index]
        below = found.values[2 * index - 1] if index else (found.atom[0] if found.atom else mp.mpf(0))
        above = found.values[2 * index + 2] if 2 * index + 2 < len(found.values) else mp.inf
        middle, half = mp.log(low * high) / 2, mp.log(high / low) / 2
        rooms = [mp.log(low / below) if below else mp.inf, mp.log(above / high) if above < mp.inf else mp.inf]
        wide = half + min(*rooms, mp.mpf(2)) / 2
        wide = min(wide, mp.hypot(half, 2))  # the height stays below pi, or exp would wind twice
        tall = mp.sqrt(wide * wide - half * half)
        previous, count = mp.inf, 32
        while count <= 8192:
            total, start = mp.mpf(0), None
            for j in range(count // 2):
                turn = mp.expjpi(2 * (j + mp.mpf(1) / 2) / count)
                z = mp.exp(middle + mp.mpc(wide * turn.real, tall * turn.imag))
                w, delta, _ = solve(m, z, start)
                start = (w, delta)
                total -= 2 * mp.re(w / m.psi_p * z * mp.mpc(tall * turn.real, wide * turn.imag)) / count
            if abs(total - previous) < mp.mpf(10) ** -dps:
                return Number(total, abs(total - previous))
            previous, count = total, 2 * count
    raise SolveError(f"mass of bulk {index}: no convergence; its neighbour is too close")
