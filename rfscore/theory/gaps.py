"""Where the spectrum of U ends, exactly: a walk along the curve of real solutions (`rfscore.theory.real_curve`).

Real z off the support are the places of the curve with a positive margin, and the edges are where it reaches zero.
Walking every piece of the curve finds every gap, however narrow, for any discrete Sigma. NumPy on the host, because the
number of edges is not known beforehand; all intervals of all problems are walked side by side, as flat arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rfscore.theory import floor_edge, scan
from rfscore.theory.brackets import peaks, roots
from rfscore.theory.equivalent import Equivalent
from rfscore.theory.real_curve import Curves

_COUNTED = 1e-9  # fractions of eigenvalues are known to roundoff
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


class _Lanes:
    """Intervals of all problems, side by side; a place is (lane, u), and a sheet."""

    def __init__(self, curves: Curves, continuous: bool) -> None:
        wanted = [0, curves.last] if continuous else list(range(curves.last + 1))
        self.curves = curves
        k, interval = np.repeat(np.arange(curves.psi_p.size), len(wanted)), np.tile(wanted, curves.psi_p.size)
        able = curves.may_be_free(k, interval)
        self.k, self.interval = k[able], interval[able]
        self.low, self.high = curves.reach(self.k, self.interval)
        outer = (self.interval == 0) | (self.interval == curves.last)
        self.count = np.where(outer, 801, 401 if curves.last < 40 else 97)

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Equally spaced places, lane after lane."""
        lane = np.repeat(np.arange(self.k.size), self.count)
        step = np.arange(lane.size) - np.repeat(np.cumsum(self.count) - self.count, self.count)
        return lane, self.low[lane] + (self.high - self.low)[lane] * step / (self.count - 1)[lane]

    def place(self, lane: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What Curves calls (problem, interval, u)."""
        return self.k[lane], self.interval[lane], u

    def slope(self, lane: Int[np.ndarray, " N"], u: Float[np.ndarray, " N"]) -> np.ndarray:
        return self.curves.slope(*self.place(lane, u))

    def margin(self, lane: np.ndarray, u: np.ndarray, sheet: np.ndarray) -> np.ndarray:
        return self.curves.margin(*self.place(lane, u), sheet)


class _Path(NamedTuple):
    """Places along pieces of the curves, piece after piece, each in the order in which it is walked."""

    piece: Int[np.ndarray, " N"]
    lane: Int[np.ndarray, " N"]
    u: Float[np.ndarray, " N"]
    sheet: Int[np.ndarray, " N"]

    def take(self, i: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.lane[i], self.u[i], self.sheet[i]


def _ordered(lane: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((u, lane))
    return lane[order], u[order]


def _crossings(
    lanes: _Lanes, f: Callable[..., np.ndarray], level: float, lane: np.ndarray, u: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where f, known at ordered places of the lanes, passes through `level`."""
    above = value > level
    i = np.flatnonzero((lane[1:] == lane[:-1]) & (above[1:] != above[:-1]))

    def excess(j: np.ndarray, x: np.ndarray) -> np.ndarray:
        return f(*lanes.place(lane[i][j], x)) - level

    return lane[i], roots(excess, u[i], u[i + 1])


def _resonances(lanes: _Lanes) -> tuple[np.ndarray, np.ndarray]:
    """Places clustered around kappa = 0, phi = 0 and w = inf: bulks of relative width psi^(-1/2) sit there."""
    last = np.flatnonzero(lanes.interval == lanes.curves.last)  # there is kappa = 0, or the last eigenvalue's scale
    centers = [(last, np.log(lanes.curves.smallest[lanes.k[last]]))]
    grid = lanes.grid()
    for f in (lanes.curves.phi, lanes.curves.leading):
        centers.append(_crossings(lanes, f, 0.0, *grid, f(*lanes.place(*grid))))
    lane, center = (np.concatenate(columns) for columns in zip(*centers, strict=True))
    around = np.geomspace(1e-9, 1.0, 120)
    places = (center[:, None] + np.concatenate([-around, around])).ravel()
    lane = np.repeat(lane, 2 * around.size)
    inside = (places > lanes.low[lane]) & (places < lanes.high[lane])
    return _ordered(lane[inside], places[inside])


def _branch_points(lanes: _Lanes, lane: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the two sheets meet, |slope| = 1; dips of |slope| below 1 between the given places included."""
    size = abs(lanes.slope(lane, u))
    dip = (size[1:-1] < size[:-2]) & (size[1:-1] <= size[2:]) & (size[1:-1] > 1) & (size[1:-1] < 3)
    i = 1 + np.flatnonzero(dip & (lane[2:] == lane[:-2]))
    at, top = peaks(lambda j, x: -abs(lanes.slope(lane[i][j], x)), u[i - 1], u[i + 1])
    below = top > -1.0
    lane, u = _ordered(np.append(lane, lane[i][below]), np.append(u, at[below]))
    value = lanes.slope(lane, u)
    found = [_crossings(lanes, lanes.curves.slope, level, lane, u, value) for level in (-1.0, 1.0)]
    return np.append(found[0][0], found[1][0]), np.append(found[0][1], found[1][1])


def _pieces(lanes: _Lanes) -> _Path:
    """Maximal real pieces of the curves: between branch points, where the sheets join, or the ends of an interval."""
    special, grid = _resonances(lanes), lanes.grid()
    points = _branch_points(lanes, *_ordered(np.append(grid[0], special[0]), np.append(grid[1], special[1])))
    ends = np.arange(lanes.k.size)
    lane, bound = _ordered(np.concatenate([ends, points[0], ends]), np.concatenate([lanes.low, points[1], lanes.high]))
    i = np.flatnonzero(lane[1:] == lane[:-1])
    middle = lanes.place(lane[i], 0.5 * (bound[i] + bound[i + 1]))
    i = i[abs(lanes.curves.slope(*middle)) >= 1.0]
    middle = lanes.place(lane[i], 0.5 * (bound[i] + bound[i + 1]))
    # Larger modulus first; a sheet is one sign of the square root, so that w passes through inf and 0 smoothly.
    first = lanes.curves.at(*middle).larger()
    edges = np.searchsorted(special[0], np.arange(lanes.k.size + 1))
    owners, walks = [], []
    for j, sheet in zip(i, first, strict=True):
        own, a, b = int(lane[j]), bound[j], bound[j + 1]
        low, high = lanes.low[own], lanes.high[own]
        theta = np.linspace(0.0, np.pi, max(64, int(lanes.count[own] * (b - a) / (high - low))))
        extra = special[1][edges[own] : edges[own + 1]]
        u = a + (b - a) * 0.5 * (1.0 - np.cos(theta))  # dense at both ends, where w has square roots
        u = np.union1d(u, extra[(extra > a) & (extra < b)])
        found = _walks(u, int(sheet), bool(a == low), bool(b == high), lanes.curves.linear)
        owners += [own] * len(found)
        walks += found
    sizes = [u.size for u, _ in walks]
    u, sheets = (np.concatenate(columns) for columns in zip(*walks, strict=True))
    return _Path(np.repeat(np.arange(len(walks)), sizes), np.repeat(owners, sizes), u, sheets)


def _walks(
    u: np.ndarray, first: int, from_low: bool, to_high: bool, linear: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """One segment of u as ordered lists of (u, sheet)."""
    back = u[::-1]
    outward, inward = np.full(u.size, first), np.full(u.size, -first)
    if linear:
        return [(u, outward)]
    if from_low and to_high:  # two sheets that never meet
        return [(u, outward), (back, inward)]
    if from_low:  # up one sheet, over the branch point, back on the other
        return [(np.concatenate([u, back[1:]]), np.concatenate([outward, inward[1:]]))]
    if to_high:
        return [(np.concatenate([back, u[1:]]), np.concatenate([inward, outward[1:]]))]
    # A closed loop, cut open anywhere and closed by repeating its start.
    return [(np.concatenate([u, back[1:], u[1:2]]), np.concatenate([outward, inward[1:], outward[1:2]]))]


def _with_narrow_windows(lanes: _Lanes, path: _Path) -> tuple[_Path, np.ndarray]:
    """The margin along the path, with its maximum inserted wherever it peaks just below zero between two places."""
    value = lanes.margin(*path[1:])
    bend = 2.0 * value[1:-1] - value[:-2] - value[2:]
    peak = (
        (value[1:-1] < 0) & (value[1:-1] > -0.5) & (value[1:-1] >= value[:-2]) & (value[1:-1] >= value[2:])
        & (value[1:-1] > -1e4 * bend)  # a plateau's roundoff has peaks as well, with no bend to speak of
        & (path.piece[2:] == path.piece[:-2]) & (path.sheet[2:] == path.sheet[:-2]) & (path.u[2:] != path.u[:-2])
    )  # fmt: skip
    i = 1 + np.flatnonzero(peak)
    at, top = peaks(lambda j, x: lanes.margin(path.lane[i][j], x, path.sheet[i][j]), path.u[i - 1], path.u[i + 1])
    after = (at > path.u[i]) == (path.u[i + 1] > path.u[i])
    i, at, top, after = (column[top > 0] for column in (i, at, top, after))
    piece, lane, sheet = (np.insert(column, i + after, column[i]) for column in (path.piece, path.lane, path.sheet))
    return _Path(piece, lane, np.insert(path.u, i + after, at), sheet), np.insert(value, i + after, top)


def _edges(lanes: _Lanes, path: _Path, cell: np.ndarray) -> list[Edge]:
    """The zeros of the margin between the places `cell` and `cell` + 1 of the path."""
    (lane, a, before), (_, b, after) = path.take(cell), path.take(cell + 1)

    def same_sign(sheet: np.ndarray) -> np.ndarray:
        return lanes.margin(lane, a, sheet) * lanes.margin(lane, b, sheet) > 0

    sheet = np.where(same_sign(after), before, after)  # where the branch point lies between, one of them will do
    u = roots(lambda j, x: lanes.margin(lane[j], x, sheet[j]), a, b)
    there = lanes.curves.at(*lanes.place(lane, np.where(same_sign(sheet), b, u)))
    (w, g), y = there.solution(sheet), there.height(sheet)
    q = w / lanes.curves.psi_p[lanes.k[lane]]
    return [Edge(float(y[i]), float(q[i]), tuple((1.0 / g[i] - 1.0).tolist())) for i in range(cell.size)]


def _open_ends(lanes: _Lanes, path: _Path, inside: np.ndarray) -> np.ndarray:
    """y where a piece ends at a pole, next to the place `inside`: at infinity, or at the atom."""
    lane, u, sheet = path.take(inside)
    there = lanes.curves.at(*lanes.place(lane, u))
    big = abs(there.solution(sheet)[0]) > 1.0 / lanes.curves.b2[lanes.k[lane]]
    return np.where(big, 0.0, np.copysign(np.inf, there.height(sheet)))


def _walk(curves: Curves, continuous: bool) -> list[list[Gap]]:
    """The gaps of every problem."""
    lanes = _Lanes(curves, continuous)
    path, value = _with_narrow_windows(lanes, _pieces(lanes))
    free = value > 0
    starting = np.r_[True, path.piece[1:] != path.piece[:-1]]
    ending = np.r_[starting[1:], True]
    starts = np.flatnonzero(free & (starting | ~np.r_[False, free[:-1]]))
    stops = np.flatnonzero(free & (ending | ~np.r_[free[1:], False]))
    seen = np.array([value[a : b + 1].max() >= _RESOLVED for a, b in zip(starts, stops, strict=True)], dtype=bool)
    inside = np.stack([starts[seen], stops[seen]], axis=-1)
    at_end = np.stack([starting[inside[:, 0]], ending[inside[:, 1]]], axis=-1)
    edges = iter(_edges(lanes, path, (inside - [1, 0])[~at_end]))
    heights = iter(_open_ends(lanes, path, inside[at_end]).tolist())
    found: list[list[Gap]] = [[] for _ in range(curves.psi_p.size)]
    for places, open_ends in zip(inside, at_end, strict=True):
        ends: list[tuple[float, Edge | None]] = []
        for is_open in open_ends:
            edge = None if is_open else next(edges)
            ends.append((next(heights) if edge is None else edge.y, edge))
        ends.sort(key=lambda end: end[0])
        found[lanes.k[path.lane[places[0]]]].append(Gap(ends[0][0], ends[1][0], ends[0][1], ends[1][1]))
    return found


def gaps(eqs: Sequence[Equivalent], *, continuous: bool = False) -> list[list[Gap]]:
    """All open intervals of y = z - s2 without spectrum, ascending; the first starts at -inf, the last ends at inf.

    With a continuous rho_Sigma kappa cannot be real inside its support, so only the outer intervals are walked and the
    gaps between quadrature nodes, which are not there, are never seen.
    """
    found: list[list[Gap]] = [[] for _ in eqs]
    kinds = [Curves.kind(eq) if eq.fractions.shape[0] == 1 else None for eq in eqs]
    for i in (i for i, kind in enumerate(kinds) if kind is None):
        found[i] = _scanned(eqs[i])
    for kind in dict.fromkeys(kind for kind in kinds if kind):
        members = [i for i, other in enumerate(kinds) if other == kind]
        # Poles, w = 0 and w = inf lie on the curve; what they make infinite, `margin` counts as no gap.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            walked = _walk(Curves([eqs[i] for i in members]), continuous)
        for i, own in zip(members, walked, strict=True):
            found[i] = _from_the_floor(eqs[i], sorted(own, key=lambda gap: gap.low))
    return found


def _scanned(eq: Equivalent) -> list[Gap]:
    """The gaps of several classes."""
    found = [
        Gap(low, high, Edge(*first) if first else None, Edge(*last) if last else None)
        for low, high, first, last in scan.intervals(eq)
    ]
    if found[0].low == 0.0:  # the atom ends what is free below it
        return _from_the_floor(eq, [Gap(-np.inf, 0.0, None, None), *found])
    if found[0].low > 0.0:  # nothing free was seen below the first bulk: the floor itself may be its edge
        found.insert(0, Gap(-np.inf, 0.0, None, None))
    return _from_the_floor(eq, found)


def _from_the_floor(eq: Equivalent, found: list[Gap]) -> list[Gap]:
    """The same with the lowest edge exact where it is close to the floor, and the atom's two sides told apart."""
    lowest, atom = floor_edge.lowest(eq), max(0.0, floor_edge.excess(eq)) / float(eq.psi_p)
    if lowest is None:
        first = [gap for gap in found if gap.low < 0.0 < gap.high]
        edges = [gap.high_edge for gap in first if gap.high_edge]
    else:
        first = [gap for gap in found if gap.low <= lowest[0] and _below_the_bulks(eq, gap, atom)]
        edges = [Edge(*lowest)]
    if len(edges) != 1:
        return found
    above = [gap for gap in found if gap not in first]
    if atom > 0.0:
        return [Gap(-np.inf, 0.0, None, None), Gap(0.0, edges[0].y, None, edges[0]), *above]
    return [Gap(-np.inf, edges[0].y, None, edges[0]), *above]


def _below_the_bulks(eq: Equivalent, gap: Gap, atom: float) -> bool:
    """Whether at most the atom lies below the gap, as far as its ends know."""
    counts = [fraction_below(eq, edge) for edge in (gap.low_edge, gap.high_edge) if edge is not None]
    return all(count < atom + _COUNTED for count in counts)


def consistent(eq: Equivalent, free: Sequence[Gap]) -> bool:
    """Whether gaps and counts prove that no bulk was taken for free and no edge is wrong.

    The gaps are ordered and begin at -inf and end at inf; below the first bulk there is only the atom, above the last
    nothing; both ends of a gap count the same, and every bulk holds something.
    """
    ends = [end for gap in free for end in (gap.low, gap.high)]
    if len(free) < 2 or not (ends[0] == -np.inf and ends[-1] == np.inf) or any(b < a for a, b in pairwise(ends)):
        return False
    over = floor_edge.excess(eq)
    atom = max(0.0, over) / float(eq.psi_p)
    level = [0.0]
    for gap in free:
        counts = [fraction_below(eq, edge) for edge in (gap.low_edge, gap.high_edge) if edge is not None]
        if np.ptp(counts or [0.0]) > _COUNTED:
            return False
        level += counts[:1]
    first = next(gap.high for gap in free if gap.high_edge is not None)
    return (
        first >= 0.0 and (first > 0.0 or over == 0.0)
        and abs(level[1] - atom) < _COUNTED and abs(level[-1] - 1.0) < _COUNTED
        and all(b > a for a, b in pairwise(level[1:]))
    )  # fmt: skip


def fraction_below(eq: Equivalent, edge: Edge) -> float:
    """Fraction of eigenvalues below the gap that ends at `edge`: the signs of a real solution count them ((D5.9))."""
    weights, base, psi_p = np.asarray(eq.weights), np.asarray(eq.base), float(eq.psi_p)
    columns, delta = np.asarray(eq.share) / np.asarray(eq.ratio), np.array(edge.delta)
    if delta.size < columns.size:
        delta = np.asarray(eq.mix) @ delta
    k = np.asarray(eq.fixed) + (np.asarray(eq.share) / (1.0 + delta)) @ np.asarray(eq.sampled)
    negative = float(weights[1.0 / edge.q + psi_p * (k[1:] @ base) < 0].sum()) / psi_p
    return (1.0 - 1.0 / psi_p if edge.q < 0 else 0.0) + negative - float(columns[1.0 + delta < 0].sum())
