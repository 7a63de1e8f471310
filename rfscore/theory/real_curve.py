r"""Where the spectrum of U ends, exactly: the real solutions of the one-point equations as an explicit curve.

With w = psi_p q, g = 1/(1 + delta) and kappa = (1 + w b^2)/(alpha2 w g), the two equations separate (derivations
(D5.1)-(D5.6)):

    (1 + b^2 w)(v2 w + psi_n) = w Phi(kappa),
    Phi(kappa) = alpha2 kappa [psi_n - int rho_Sigma lam/(kappa + lam)]

is a quadratic for w at given kappa, and g and y = z - s2 follow in closed form. With m frozen noises kappa =
(1 + w b^2 beta)/(alpha2 w g_1), beta = sum_j share_j t_j g_j; then 1/g_1 and 1/g_2 are linear in w at given kappa, and
w solves a quadratic again ((D10.14)-(D10.16)), or a linear equation for m = 1. Real z off the support are the points
of this curve where the response matrix M(z, z) has spectral radius < 1; the edges are where it reaches 1. Walking every
piece of the curve finds every gap, however narrow, for any discrete Sigma. NumPy on the host: the number of edges is
not known beforehand. A second sampled part must have no signal in it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize

from rfscore.theory.equivalent import Equivalent

_REACH = 34.0  # log-distance to a pole of Phi at which the curve is cut
_RESOLVED = 1e-10  # a gap whose margin stays below is not distinguishable from none in double precision


class Edge(NamedTuple):
    """One end of the support: y = z - s2, with the solution there."""

    y: float
    q: float
    delta: tuple[float, ...]


class Gap(NamedTuple):
    """An interval of y = z - s2 free of spectrum; an Edge is None where it ends at the atom or at infinity."""

    low: float
    high: float
    low_edge: Edge | None
    high_edge: Edge | None


class _Curve:
    """The curve of one problem; a place on it is (interval, sheet, u), kappa = kappa(interval, u), sheet = -1 or 1."""

    def __init__(self, eq: Equivalent) -> None:
        nodes, weights = np.asarray(eq.nodes), np.asarray(eq.weights)
        self.lam, index = np.unique(nodes, return_inverse=True)
        self.rho = np.bincount(index, weights=weights)
        self.psi_p, self.b2 = float(eq.psi_p), float(eq.own[1])
        self.fixed_b2 = float(eq.fixed[1])
        self.v2, self.first_b2, self.alpha2 = (float(x) for x in eq.sampled[0])
        self.share, self.columns = np.asarray(eq.share), self.psi_p / np.asarray(eq.ratio)
        self.psi_n = float(self.columns[0])
        self.second = tuple(float(x) for x in eq.sampled[1, :2]) if self.share.size > 1 else None
        #: The quadratic for w has no square: one frozen noise per sample.
        self.linear = self.second is None and self.fixed_b2 == 0.0
        # Ascending in kappa. A null direction of Sigma carries noise: with frozen noises it is a pole as well.
        self.poles = -self.lam[self.lam > 0][::-1] if self.fixed_b2 > 0 else -self.lam[::-1]
        self.smallest = float(self.lam[self.lam > 0][0])

    def intervals(self) -> range:
        """0: below all poles; i: between poles i-1 and i; last: above all."""
        return range(self.poles.size + 1)

    def shifted(self, interval: int, u: Float[np.ndarray, " N"]) -> tuple[np.ndarray, np.ndarray]:
        """kappa and kappa + lam (N, L); distances to the interval's own poles keep their relative accuracy."""
        first, last = interval == 0, interval == self.poles.size
        if first or last:
            pole = self.poles[0] if first else self.poles[-1]
            offset = (-1.0 if first else 1.0) * np.exp(u)
            kappa = pole + offset
            table = kappa[:, None] + self.lam
            table[:, np.searchsorted(self.lam, -pole)] = offset
            # The walk also crosses kappa = 0, where kappa itself needs no relative accuracy (phi is regular there).
            return kappa, table
        low, high = self.poles[interval - 1], self.poles[interval]
        width, right, left = high - low, 1.0 / (1.0 + np.exp(-u)), 1.0 / (1.0 + np.exp(u))
        kappa = np.where(u < 0, low + width * right, high - width * left)
        table = kappa[:, None] + self.lam
        table[:, np.searchsorted(self.lam, -low)] = width * right
        table[:, np.searchsorted(self.lam, -high)] = -width * left
        return kappa, table

    def reach(self, interval: int) -> tuple[float, float]:
        """Range of u in an interval."""
        if interval in (0, self.poles.size):
            scale = np.log(self.lam[-1])
            return scale - _REACH - np.log(self.lam[-1] / self.smallest), scale + _REACH + 10.0
        return -_REACH, _REACH

    def phi(self, interval: int, u: Float[np.ndarray, " N"]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """G of 1/g_1 = (psi_n + A w)/G, A the first entry of C_1; kappa, int rho_Sigma/(kappa + lam), kappa + lam."""
        kappa, table = self.shifted(interval, u)
        inverse = (self.rho / table).sum(-1)
        top = self.psi_n - (self.rho * self.lam / table).sum(-1) - (self.first_b2 / self.alpha2) * inverse
        return top, kappa, inverse, table

    def quadratic(self, interval: int, u: Float[np.ndarray, " N"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients of w^2, w and 1."""
        top, kappa, inverse, _ = self.phi(interval, u)
        if self.second is None:
            linear = self.v2 + self.psi_n * self.fixed_b2 - (self.alpha2 * kappa - self.first_b2) * top
            one = np.ones_like(linear)
            return self.v2 * self.fixed_b2 * one, linear, self.psi_n * one
        constant, slope, weight = self._second(top, inverse)
        pull = (self.first_b2 - self.alpha2 * kappa) * top
        square = self.v2 * (slope + weight * top) + pull * slope
        return square, self.psi_n * (slope + weight * top) + (self.v2 + pull) * constant, self.psi_n * constant

    def _second(self, top: np.ndarray, inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """G/g_2 = constant + slope w, and the weight of g_2 in m: b^2 times its share."""
        assert self.second is not None
        own, load = self.second
        trace = load / (self.alpha2 * self.columns[1]) * inverse
        return top + trace * self.psi_n, top * own / self.columns[1] + trace * self.v2, self.share[1] * load

    def slope(self, interval: int, u: Float[np.ndarray, " N"]) -> np.ndarray:
        """A number that is at least 1 in modulus where the curve is real."""
        square, linear, constant = self.quadratic(interval, u)
        if self.linear:
            return np.full_like(linear, 2.0)
        if self.second is None:  # the constant and the square are positive numbers
            return linear / (2.0 * np.sqrt(square * constant))
        return 1.0 + (linear**2 - 4.0 * square * constant) / (linear**2 + 4.0 * abs(square * constant))

    def solution(
        self, interval: int, u: Float[np.ndarray, " N"], sheet: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(w, g_j as columns, 1/D at the nodes)."""
        square, linear, constant = self.quadratic(interval, u)
        top, _, inverse, table = self.phi(interval, u)
        if self.linear:
            w = -constant / linear
        else:
            root = np.sqrt(np.maximum(linear**2 - 4.0 * square * constant, 0.0))
            # Of the two forms of a root, the one without cancellation.
            with_sum = np.where(sheet * linear <= 0, sheet * root - linear, -sheet * root - linear)
            w = np.where(sheet * linear <= 0, with_sum / (2.0 * square), 2.0 * constant / with_sum)
        gains = [top / (self.v2 * w + self.psi_n)]
        if self.second is not None:
            begin, slope, _ = self._second(top, inverse)
            gains.append(top / (begin + slope * w))
        return w, np.stack(gains, axis=-1), 1.0 / (self.alpha2 * (w * gains[0])[:, None] * table)

    def height(self, interval: int, u: Float[np.ndarray, " N"], sheet: np.ndarray) -> np.ndarray:
        """y = z - s2 along the curve (z - ridge with frozen noises)."""
        w, g, inverse = self.solution(interval, u, sheet)
        level = self.v2 * g[:, 0]
        if self.second is not None:
            level = level + self.share[1] * self.second[0] * g[:, 1]
        return level + (1.0 - self.psi_p - (self.rho * inverse).sum(-1)) / w

    def margin(self, interval: int, u: Float[np.ndarray, " N"], sheet: np.ndarray) -> np.ndarray:
        """1 - spectral radius of M(z, z), made symmetric: positive exactly off the support."""
        w, g, inverse = self.solution(interval, u, sheet)
        square = self.rho * inverse**2
        zero, one, two = square.sum(-1), square @ self.lam, square @ self.lam**2
        parts = [(self.v2, self.first_b2, self.alpha2)] + ([(*self.second, 0.0)] if self.second else [])
        level, slope = self.fixed_b2, self.alpha2 * g[:, 0]  # of m(lam) = level + slope lam
        for j, part in enumerate(parts):
            level = level + self.share[j] * part[1] * g[:, j]
        size = [np.sqrt(self.share[j] / self.columns[j]) * w * g[:, j] for j in range(len(parts))]
        matrix = np.empty((w.size, 1 + len(parts), 1 + len(parts)))
        matrix[:, 0, 0] = w**2 / self.psi_p * (level**2 * zero + 2.0 * level * slope * one + slope**2 * two)
        for i, (k0, k1, k2) in enumerate(parts):
            row = size[i] * (k0 + k1 * zero + k2 * one) / np.sqrt(self.psi_p)
            matrix[:, 0, i + 1] = matrix[:, i + 1, 0] = row
            for j, (_, l1, l2) in enumerate(parts):
                overlap = k1 * l1 * zero + (k1 * l2 + k2 * l1) * one + k2 * l2 * two
                matrix[:, i + 1, j + 1] = size[i] * size[j] * overlap
        return _one_minus_radius(matrix)


def _one_minus_radius(matrix: Float[np.ndarray, "N K K"]) -> Float[np.ndarray, " N"]:
    """1 - the largest eigenvalue of symmetric matrices; -1 where an entry is not finite."""
    fine = np.isfinite(matrix).all((1, 2))
    if matrix.shape[1] == 2:
        half = 0.5 * (matrix[:, 0, 0] - matrix[:, 1, 1])
        radius = 0.5 * (matrix[:, 0, 0] + matrix[:, 1, 1]) + np.sqrt(half**2 + matrix[:, 0, 1] ** 2)
    else:
        radius = np.linalg.eigvalsh(np.where(fine[:, None, None], matrix, 0.0))[:, -1]
    return np.where(fine & np.isfinite(radius), 1.0 - radius, -1.0)


def _branch_points(curve: _Curve, interval: int, grid: np.ndarray) -> list[float]:
    """Where the two sheets meet, |slope| = 1; dips of |slope| below 1 between grid points included."""

    def slope(u: float) -> float:
        return float(curve.slope(interval, np.array([u]))[0])

    value = curve.slope(interval, grid)
    size = abs(value)
    dips = 1 + np.flatnonzero((size[1:-1] < size[:-2]) & (size[1:-1] <= size[2:]) & (size[1:-1] > 1) & (size[1:-1] < 3))
    for i in dips:
        best = optimize.minimize_scalar(
            lambda u: abs(slope(u)), bounds=(grid[i - 1], grid[i + 1]), method="bounded", options={"xatol": 1e-13}
        )
        if best.fun < 1.0:
            grid = np.sort(np.append(grid, best.x))
    value = curve.slope(interval, grid)
    roots = []
    for level in (-1.0, 1.0):
        above = value > level
        for i in np.flatnonzero(above[1:] != above[:-1]):
            roots.append(
                optimize.brentq(lambda u, at=level: slope(u) - at, grid[i], grid[i + 1], xtol=1e-15, rtol=1e-15)
            )
    return sorted(roots)


def _resonances(curve: _Curve, interval: int, grid: np.ndarray) -> np.ndarray:
    """Places clustered around kappa = 0 and phi = 0: bulks of relative width psi^(-1/2) sit there, off the poles."""
    phi = curve.phi(interval, grid)[0]
    zeros = [
        optimize.brentq(
            lambda u: float(curve.phi(interval, np.array([u]))[0][0]), grid[i], grid[i + 1], xtol=1e-15, rtol=1e-15
        )
        for i in np.flatnonzero(np.sign(phi[1:]) * np.sign(phi[:-1]) < 0)
    ]
    if interval == curve.poles.size:
        zeros.append(float(np.log(curve.smallest)))  # kappa = 0, or the scale of the last eigenvalue
    around = np.geomspace(1e-9, 1.0, 120)
    return np.concatenate([np.concatenate([zero - around, zero + around]) for zero in zeros] or [np.empty(0)])


def _pieces(curve: _Curve, interval: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Maximal real pieces of the curve in one interval, each an ordered list of (u, sheet)."""
    low, high = curve.reach(interval)
    grid = np.linspace(low, high, count)
    special = _resonances(curve, interval, grid)
    bounds = [low, *_branch_points(curve, interval, np.sort(np.concatenate([grid, special]))), high]
    pieces = []
    for a, b in pairwise(bounds):
        if abs(curve.slope(interval, np.array([0.5 * (a + b)]))[0]) < 1.0:
            continue
        points = max(64, int(count * (b - a) / (high - low)))
        theta = np.linspace(0.0, np.pi, points)
        u = a + (b - a) * 0.5 * (1.0 - np.cos(theta))  # dense at both ends, where w has square roots
        u = np.union1d(u, special[(special > a) & (special < b)])
        # Larger modulus first; a sheet is one sign of the square root, so that w passes through inf and 0 smoothly.
        first = 1 - 2 * int(curve.quadratic(interval, np.array([0.5 * (a + b)]))[1][0] > 0)
        outward, inward = (u, np.full(u.size, first)), (u[::-1], np.full(u.size, -first))
        if curve.linear:
            pieces.append(outward)
        elif a == low and b == high:  # two sheets that never meet
            pieces += [outward, inward]
        elif a == low:  # up one sheet, over the branch point, back on the other
            pieces.append((np.concatenate([u, u[::-1][1:]]), np.concatenate([outward[1], inward[1][1:]])))
        elif b == high:
            pieces.append((np.concatenate([u[::-1], u[1:]]), np.concatenate([inward[1], outward[1][1:]])))
        else:  # a closed loop, cut open anywhere and closed by repeating its start
            sheets = np.concatenate([outward[1], inward[1][1:], outward[1][1:2]])
            pieces.append((np.concatenate([u, u[::-1][1:], u[1:2]]), sheets))
    return pieces


def _refine(curve: _Curve, interval: int, u: np.ndarray, sheets: np.ndarray, i: int) -> tuple[float, int]:
    """The zero of the margin between places i and i + 1 of a piece, and its sheet."""

    def margin(x: float, sheet: int) -> float:
        return float(curve.margin(interval, np.array([x]), np.array([sheet]))[0])

    sheet = int(sheets[i + 1])
    if margin(u[i], sheet) * margin(u[i + 1], sheet) > 0:  # the branch point lies between: use the other sheet
        sheet = int(sheets[i])
    if margin(u[i], sheet) * margin(u[i + 1], sheet) > 0:
        return float(u[i + 1]), sheet
    return optimize.brentq(margin, u[i], u[i + 1], args=(sheet,), xtol=1e-15, rtol=1e-15), sheet


def _with_narrow_windows(
    margin: Callable[[np.ndarray, np.ndarray], np.ndarray], u: np.ndarray, sheets: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Insert the maximum of the margin wherever it peaks just below zero between grid points."""
    bend = 2.0 * value[1:-1] - value[:-2] - value[2:]
    peaks = 1 + np.flatnonzero(
        (value[1:-1] < 0) & (value[1:-1] > -0.5) & (value[1:-1] >= value[:-2]) & (value[1:-1] >= value[2:])
        & (value[1:-1] > -1e4 * bend)  # a plateau's roundoff has peaks as well, with no bend to speak of
    )  # fmt: skip
    for i in peaks[::-1]:
        ends = sorted((u[i - 1], u[i + 1]))
        if sheets[i - 1] != sheets[i + 1] or ends[0] == ends[1]:
            continue
        best = optimize.minimize_scalar(
            lambda x, sheet=sheets[i]: -float(margin(np.array([x]), np.array([sheet]))[0]), bounds=ends,
            method="bounded", options={"xatol": 1e-13},
        )  # fmt: skip
        if -best.fun > 0:
            after = (best.x > u[i]) == (u[i + 1] > u[i])
            at = i + 1 if after else i
            u, sheets = np.insert(u, at, best.x), np.insert(sheets, at, sheets[i])
            value = np.insert(value, at, -best.fun)
    return u, sheets, value


def _gaps_of_piece(curve: _Curve, interval: int, u: np.ndarray, sheets: np.ndarray) -> list[Gap]:
    def margin(x: np.ndarray, sheet: np.ndarray) -> np.ndarray:
        return curve.margin(interval, x, sheet)

    u, sheets, value = _with_narrow_windows(margin, u, sheets, margin(u, sheets))
    free = value > 0
    starts = np.flatnonzero(free & ~np.r_[False, free[:-1]])
    stops = np.flatnonzero(free & ~np.r_[free[1:], False])
    gaps = []
    for first, last in zip(starts, stops, strict=True):
        if value[first : last + 1].max() < _RESOLVED:
            continue
        ends: list[tuple[float, Edge | None]] = []
        for inside, cell in ((first, first - 1), (last, last)):
            if cell < 0 or cell >= u.size - 1:  # the piece ends at a pole: at infinity, or at the atom
                y = float(curve.height(interval, u[[inside]], sheets[[inside]])[0])
                big = abs(float(curve.solution(interval, u[[inside]], sheets[[inside]])[0][0])) > 1.0 / curve.b2
                ends.append((0.0 if big else np.copysign(np.inf, y), None))
                continue
            at, sheet = _refine(curve, interval, u, sheets, int(cell))
            place = (interval, np.array([at]), np.array([sheet]))
            w, g, _ = curve.solution(*place)
            y = float(curve.height(*place)[0])
            ends.append((y, Edge(y, float(w[0]) / curve.psi_p, tuple((1.0 / g[0] - 1.0).tolist()))))
        ends.sort(key=lambda end: end[0])
        gaps.append(Gap(ends[0][0], ends[1][0], ends[0][1], ends[1][1]))
    return gaps


def gaps(eq: Equivalent, *, continuous: bool = False) -> list[Gap]:
    """All open intervals of y = z - s2 without spectrum, ascending; the first starts at -inf, the last ends at inf.

    With a continuous rho_Sigma kappa cannot be real inside its support, so only the outer intervals are walked and the
    gaps between quadrature nodes, which are not there, are never seen.
    """
    curve = _Curve(eq)
    found: list[Gap] = []
    # Poles, w = 0 and w = inf lie on the curve; what they make infinite, `margin` counts as no gap.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for interval in (0, curve.poles.size) if continuous else curve.intervals():
            outermost = interval in (0, curve.poles.size)
            count = 1201 if outermost else (401 if curve.poles.size < 40 else 97)
            for u, sheets in _pieces(curve, interval, count):
                found += _gaps_of_piece(curve, interval, u, sheets)
    found.sort(key=lambda gap: gap.low)
    return found if eq.mixing is None else _physical(eq, found)


def _physical(eq: Equivalent, found: list[Gap]) -> list[Gap]:
    """Without what roundoff next to the poles of the curve makes of w = -psi_n/A, where 1/g_1 has no digits.

    U is not negative, both ends of a gap count the same eigenvalues, and gaps do not overlap.
    """

    def count(edge: Edge | None) -> float:
        return np.nan if edge is None else fraction_below(eq, edge)

    kept: list[Gap] = []
    for gap in sorted(found, key=lambda gap: gap.low - gap.high):  # the widest first
        starts_right = np.isneginf(gap.low) or gap.low > 0
        counts = [count(edge) for edge in (gap.low_edge, gap.high_edge) if edge is not None]
        apart = all(gap.high <= other.low or gap.low >= other.high for other in kept)
        if starts_right and apart and np.ptp(counts) < 1e-9:
            kept.append(gap)
    return sorted(kept, key=lambda gap: gap.low)


def fraction_below(eq: Equivalent, edge: Edge) -> float:
    """Fraction of eigenvalues below the gap that ends at `edge`: the signs of a real solution count them ((D5.9))."""
    nodes, weights = np.asarray(eq.nodes), np.asarray(eq.weights)
    psi_p, columns, delta = float(eq.psi_p), np.asarray(eq.share) / np.asarray(eq.ratio), np.array(edge.delta)
    k = np.asarray(eq.fixed) + (np.asarray(eq.share) / (1.0 + delta)) @ np.asarray(eq.sampled)
    negative = float(weights[1.0 / edge.q + psi_p * (k[1] + k[2] * nodes) < 0].sum()) / psi_p
    return (1.0 - 1.0 / psi_p if edge.q < 0 else 0.0) + negative - float(columns[1.0 + delta < 0].sum())
