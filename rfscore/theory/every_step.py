r"""Functions of the number of steps at every count, and convolutions over them.

Early counts are evaluated one by one. Later ones lie on octaves [k, 2k], on each of which the even and the odd counts
have one smooth function (eigenvalues with x lam > 1 + beta change sign at every step): a Laplace transform, whose
interpolating polynomials converge like 6^-N there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float
from scipy import fft
from scipy.interpolate import BarycentricInterpolator

from rfscore.theory import assemble
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent
from rfscore.theory.step_contours import Run, StepContours, few_steps, many_steps

_CHUNK = 64
_NODES = 24  # of the even, or of the odd, counts of an octave
_BLOCK = 2560  # points solved at once: a chunk of contours
Evaluate = Callable[[StepContours, op.Point], Sequence[Array]]

_solve = jax.jit(rs.solve)


def solved(eq: Equivalent, z: Complex[np.ndarray, "V N"]) -> op.Point:
    """Verified solutions at the points of contours, in blocks of one size: compiled once for all contours."""
    flat = np.resize(z.ravel(), -(-z.size // _BLOCK) * _BLOCK)
    blocks = [_solve(eq, jnp.asarray(part)) for part in flat.reshape(-1, _BLOCK)]
    assemble.verify(max(int(status.max()) for *_, status in blocks), "descent")
    leaves = (jnp.concatenate(parts)[: z.size] for parts in zip(*(x for x, *_ in blocks), strict=True))
    return op.Point(*(leaf.reshape(*z.shape, *leaf.shape[1:]) for leaf in leaves))


def at_steps(eq: Equivalent, evaluate: Evaluate, counts: Float[np.ndarray, " K"], run: Run) -> Float[np.ndarray, "F K"]:
    """What `evaluate` gives, F arrays (V, M), at every step count."""
    few = counts < run.few
    results = []
    if few.any():
        contours = few_steps(counts[few], run)
        results.append((np.flatnonzero(few), np.stack(evaluate(contours, solved(eq, contours.z)))[:, 0]))
    late = np.flatnonzero(~few)
    width = _CHUNK if late.size > 8 else 8  # two compiled shapes for all, filled up
    for start in range(0, late.size, width):
        members = late[start : start + width]
        contours = many_steps(counts[np.resize(members, width)], run)
        values = np.stack(evaluate(contours, solved(eq, contours.z)))
        results.append((members, values[:, : members.size, 0]))
    out = np.empty((len(results[0][1]), counts.size))
    for members, values in results:
        out[:, members] = values
    return out


def at_every_step(eq: Equivalent, evaluate: Evaluate, last: int, run: Run) -> Float[np.ndarray, "F K"]:
    """The same at 0 ... last."""
    start = int(np.ceil(run.few))
    first, later = np.arange(min(start, last + 1)), []
    while start <= last:
        for parity in (0, 1):
            inside = np.arange(start + (start + parity) % 2, min(2 * start, last + 1), 2)
            if inside.size:
                later.append((inside, _spread(inside)))
        start *= 2
    nodes = np.unique(np.concatenate([first, *(chosen for _, chosen in later)]))
    values = at_steps(eq, evaluate, nodes.astype(float), run)
    out = np.empty((len(values), last + 1))
    out[:, first] = values[:, : first.size]
    for inside, chosen in later:
        known = values[:, np.searchsorted(nodes, chosen)]
        if chosen.size < inside.size:
            known = BarycentricInterpolator(chosen.astype(float), known, axis=1)(inside.astype(float))
        out[:, inside] = known
    return out


def _spread(inside: np.ndarray) -> np.ndarray:
    """About _NODES members, dense towards both ends like Chebyshev points."""
    if inside.size <= _NODES:
        return inside
    points = 0.5 * (inside.size - 1) * (1.0 - np.cos(np.pi * np.arange(_NODES) / (_NODES - 1)))
    return inside[np.unique(points.round().astype(int))]


def product(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """Product of two power series."""
    length = fft.next_fast_len(x.size + y.size - 1, real=True)
    return fft.irfft(fft.rfft(x, length) * fft.rfft(y, length), length)[:size]


def reciprocal(series: np.ndarray) -> np.ndarray:
    """1/series by Newton's iteration, which doubles the number of right coefficients."""
    found = 1.0 / series[:1]
    while found.size < series.size:
        size = min(2 * found.size, series.size)
        twice = product(product(found, found, size), series[:size], size)
        found = np.concatenate([2.0 * found, np.zeros(size - found.size)]) - twice
    return found
