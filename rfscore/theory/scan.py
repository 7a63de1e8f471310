r"""Where the spectrum ends when there are several classes: a scan of the axis, then exact edges.

With one class the real solutions are an explicit curve (`rfscore.theory.real_curve`). With several they are not, so the
axis is scanned: points without density are free, neighbours that count differently have a bulk between them, minima of
the density are zoomed into. From a free point the edge follows exactly: at fixed q the equations for delta do not know
z, z follows from the other one, and the edge is where 1 - M(z, z) becomes singular along q ((D4.9), (D13.6)).
`rfscore.theory.gaps.consistent` counts on both sides of what was found.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rfscore.errors import SolveError
from rfscore.theory import floor_edge
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.counting import counting
from rfscore.theory.equivalent import Equivalent

_CHUNK = 1024  # points solved at once, in one compiled shape
_DECADES = 11.0  # below the top of the spectrum
_COUNTED = 1e-9
_ZOOMS, _CUTS = 3, 32  # a cell of the scan shrinks to 32^-3 of itself; closer to an edge roundoff would decide
_FREE = 1e-6  # margin from which on a point counts as free
_CLOSED = 1e-9  # margin at an edge; its height is off by the square of that


class _Seen(NamedTuple):
    """What the solutions at ascending heights y say."""

    y: Float[np.ndarray, " N"]
    density: Float[np.ndarray, " N"]
    below: Float[np.ndarray, " N"]
    free: np.ndarray
    q: Float[np.ndarray, " N"]
    delta: Float[np.ndarray, "N M"]


@jax.jit
def _look(eq: Equivalent, y: Float[Array, " N"]) -> tuple[Array, ...]:
    x, _, status = rs.solve(eq, y + 0j, uncertain=1e-3)
    size = jnp.imag(x.q) / jnp.abs(x.q)
    free = (status == rs.OK) & (size < 1e-9) & (op.branch_margin(eq, x) > _FREE)
    return jnp.imag(x.q) / jnp.pi, counting(eq, x, y + 0j), free, jnp.real(x.q), jnp.real(x.delta)


def _see(eq: Equivalent, y: np.ndarray) -> _Seen:
    y = np.unique(y)
    pieces = []
    with jax.enable_x64(True):
        for start in range(0, y.size, _CHUNK):
            piece = y[start : start + _CHUNK]
            padded = np.resize(piece, _CHUNK)
            pieces.append([np.asarray(a)[: piece.size] for a in _look(eq, jnp.asarray(padded))])
    return _Seen(y, *(np.concatenate(column) for column in zip(*pieces, strict=True)))


def _interesting(seen: _Seen) -> np.ndarray:
    """Cells (left indices) that may hide something: an edge, a bulk between free points, a dip of the density."""
    free, at_edge = seen.free, seen.free[1:] != seen.free[:-1]
    hidden = free[1:] & free[:-1] & (abs(np.diff(seen.below)) > _COUNTED)
    dip = np.zeros(seen.y.size, bool)
    height = seen.density * seen.y
    dip[1:-1] = ~free[1:-1] & (height[1:-1] < height[:-2]) & (height[1:-1] <= height[2:])
    return np.flatnonzero(at_edge | hidden | dip[1:] | dip[:-1])


def _scan(eq: Equivalent) -> _Seen:
    """Heights dense enough that every change between free and not is known to a relative 1e-6."""
    with jax.enable_x64(True):
        top = 1.05 * float(eq.top)
    seen = _see(eq, np.geomspace(top * 10.0**-_DECADES, top, 2 * _CHUNK))
    for _ in range(_ZOOMS):
        cells = _interesting(seen)
        cells = cells[np.log(seen.y[cells + 1] / seen.y[cells]) > 1e-6]
        if not cells.size:
            break
        part = np.arange(1, _CUTS) / _CUTS
        new = seen.y[cells, None] * (seen.y[cells + 1] / seen.y[cells])[:, None] ** part
        seen = _merged(seen, _see(eq, new.ravel()))
    return seen


def _merged(a: _Seen, b: _Seen) -> _Seen:
    y, first = np.unique(np.concatenate([a.y, b.y]), return_index=True)
    return _Seen(y, *(np.concatenate(pair)[first] for pair in zip(a[1:], b[1:], strict=True)))


@jax.jit
def _turn(
    eq: Equivalent, q: Float[Array, " E"], delta: Float[Array, "E M"], step: Float[Array, " E"]
) -> tuple[Array, Array, Array, Array]:
    """(y, q, delta, closed) where 1 - M turns singular, from free points at q in the direction of `step`."""

    def follow(q_: Array, start: Array) -> tuple[Array, Array, Array]:
        def newton(_: Any, d: Array) -> Array:
            x = op.point(eq, q_, d)
            second = op.residual(eq, x, jnp.zeros_like(q_))[1]
            matrix = op.response_matrix(eq, x, x, op.moments(eq, x, x))
            inner = [row[1:] for row in matrix[1:]]
            return d + jnp.stack(op.solve_response(inner, [second[..., m] for m in range(d.shape[-1])]), axis=-1)

        found = jax.lax.fori_loop(0, 8, newton, start)
        x = op.point(eq, q_, found)
        first, _, size = op.residual(eq, x, jnp.zeros_like(q_))
        good = jnp.isfinite(size) & (op.residual(eq, x, -first)[2] < 1e-10)
        return found, -first, jnp.where(good, op.branch_margin(eq, x), -1.0)

    def outwards(_: Any, state: tuple[Array, ...]) -> tuple[Array, ...]:
        inside, d, far = state
        there, _, margin = follow(inside + far, d)
        ok = margin > 0.0
        return jnp.where(ok, inside + far, inside), jnp.where(ok[:, None], there, d), jnp.where(ok, 2.0 * far, far)

    inside, delta, far = jax.lax.fori_loop(0, 40, outwards, (q, delta, step))

    def halve(_: Any, state: tuple[Array, ...]) -> tuple[Array, ...]:
        inside, d, far = state
        there, _, margin = follow(inside + 0.5 * far, d)
        ok = margin > 0.0
        return jnp.where(ok, inside + 0.5 * far, inside), jnp.where(ok[:, None], there, d), 0.5 * far

    inside, delta, far = jax.lax.fori_loop(0, 60, halve, (inside, delta, far))
    delta, y, margin = follow(inside, delta)
    return y, inside, delta, jnp.abs(margin) < _CLOSED


def intervals(eq: Equivalent) -> list[tuple[float, float, tuple | None, tuple | None]]:
    """Free intervals of y above the floor, ascending: (low, high, edge at low, edge at high), an edge (y, q, delta)."""
    seen = _scan(eq)
    free = seen.free
    if not free[-1]:
        raise SolveError("spectrum: the top of the spectrum was not found; move psi_n or psi_p by a relative 1e-6")
    change = np.abs(np.diff(seen.below)) > _COUNTED
    cut = np.r_[True, ~free[:-1] | change]
    starts = np.flatnonzero(free & cut)
    stops = np.array([s + np.argmax(np.r_[(~free | np.r_[False, change])[s + 1 :], True]) for s in starts])
    lows, highs = starts[starts > 0], stops[stops < free.size - 1]
    at = np.concatenate([lows, highs]).astype(int)
    found: list[tuple] = []
    if at.size:
        side = np.r_[-np.ones(lows.size), np.ones(highs.size)]
        step = side * np.maximum(1e-3 * abs(_slope(seen, at)), 1e-12 * abs(seen.q[at]))
        with jax.enable_x64(True):
            y, q, delta, closed = (np.asarray(a) for a in _turn(eq, seen.q[at], seen.delta[at], step))
        if not closed.all():
            raise SolveError("spectrum: an edge was not found; move psi_n or psi_p by a relative 1e-6")
        found = [(float(a), float(b), tuple(c.tolist())) for a, b, c in zip(y, q, delta, strict=True)]
    at_low = dict(zip(lows.tolist(), found[: lows.size], strict=True))
    at_high = dict(zip(highs.tolist(), found[lows.size :], strict=True))
    atom = floor_edge.excess(eq) > 0.0
    out = []
    for a, b in zip(starts.tolist(), stops.tolist(), strict=True):
        low, high = at_low.get(a), at_high.get(b)
        begins = low[0] if low else (0.0 if atom else -np.inf)
        out.append((begins, high[0] if high else np.inf, low, high))
    return out


def _slope(seen: _Seen, at: np.ndarray) -> np.ndarray:
    """How much q differs between each point and a free neighbour."""
    near = np.where(seen.free[np.maximum(at - 1, 0)] & (at > 0), at - 1, np.minimum(at + 1, at.size + seen.y.size - 1))
    near = np.minimum(near, seen.y.size - 1)
    return np.where(near == at, seen.q[at], seen.q[at] - seen.q[near])
