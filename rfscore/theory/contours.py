r"""Contours on which e^{-c lambda} is applied to a resolvent.

Training times use the parabola of Weideman and Trefethen (Math. Comp. 76, 2007), s = mu (i theta + 1)^2, around the
spectrum and the origin; its accuracy depends on the node count alone, not on how many scales the spectrum spans
(derivations (D7.1)-(D7.3)). The part of a loss that belongs to one bulk uses a closed curve through the gaps around it,
an ellipse in log(z), which keeps Re z > 0 so that no exponential grows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int

from rfscore.errors import SolveError


def node_count(rtol: float, span: float) -> int:
    """Nodes on the upper half of a parabola for a relative error `rtol` when its exponents span a factor `span`.

    The error is exp(-2 pi N/sqrt(8 span + 1)) times a factor below four.
    """
    return int(np.ceil((1.5 - np.log(rtol)) * np.sqrt(8.0 * span + 1.0) / (2.0 * np.pi)))


def parabola(count: int, span: float) -> tuple[Complex[np.ndarray, " N"], Complex[np.ndarray, " N"]]:
    """Upper-half nodes s_j and weights w_j: e^{-x lam/c} for all x in [1/span, 1] from resolvents at z = -s_j/c.

    f(x) = 2 Re sum_j w_j e^{x s_j} F(-s_j/c)/s_j for F(z) = int mu(dlam)/(lam - z); c is the largest exponent.
    """
    root = np.sqrt(8.0 * span + 1.0)
    step = root / count
    scale = np.pi * count / (4.0 * root)
    theta = (np.arange(count) + 0.5) * step
    return scale * (1j * theta + 1.0) ** 2, (step / (2.0 * np.pi)) * 2.0 * scale * (1j * theta + 1.0)


class Windows(NamedTuple):
    """Training times grouped so that one contour serves each group."""

    span: float  # ratio of the exponents a contour must serve: 2 because a loss needs c and 2c, times the window
    member: Int[np.ndarray, "W M"]  # indices into tau, short rows filled with their own first index
    row: Int[np.ndarray, " T"]
    column: Int[np.ndarray, " T"]


#: A window of one decade needs 2.7 times the nodes of a single time and serves the 20 times that a curve has in it.
_DECADE = 10.0


def windows(tau: Float[np.ndarray, " T"], rtol: float) -> Windows:
    """The cheaper of: a contour for every time, or one for every decade that has times in it."""
    alone = np.arange(tau.size)
    single = Windows(2.0, alone[:, None], alone, np.zeros_like(alone))
    order = np.argsort(tau)
    start, groups = 0, []
    for i in range(1, tau.size + 1):
        if i == tau.size or tau[order[i]] > _DECADE * tau[order[start]]:
            groups.append(order[start:i])
            start = i
    if len(groups) * node_count(rtol, 2.0 * _DECADE) >= tau.size * node_count(rtol, 2.0):
        return single
    width = max(group.size for group in groups)
    member = np.array([np.concatenate([g, np.full(width - g.size, g[0])]) for g in groups])
    row, column = np.empty_like(alone), np.empty_like(alone)
    for i, group in enumerate(groups):
        row[group], column[group] = i, np.arange(group.size)
    return Windows(2.0 * _DECADE, member, row, column)


def around(
    low: float,
    high: float,
    below: float,
    above: float,
    *,
    angle: float = 1.2,
    rtol: float = 1e-12,
    max_nodes: int = 4096,
) -> tuple[Complex[np.ndarray, " N"], Complex[np.ndarray, " N"]]:
    """Upper-half nodes z and weights dz/(2 pi i) of a closed curve around [low, high] alone.

    Args:
        low: left end of the bulk, > 0.
        high: right end.
        below: nearest singularity on the left (0 if none).
        above: nearest singularity on the right (inf if none).
        angle: largest |arg z| on the curve, below pi/2.
        rtol: wanted relative error; decides the node count.
        max_nodes: refuse beyond.

    Raises:
        SolveError: the gap is too narrow for max_nodes.
    """
    centre, half = 0.5 * np.log(low * high), 0.5 * np.log(high / low)
    room = [np.log(low / below) if below > 0 else np.inf, np.log(above / high) if np.isfinite(above) else np.inf]
    reach = half + min(0.5 * min(room), 0.7)
    # Joukowski parameter of the ellipse with foci at the bulk's ends; its height stays below `angle`.
    parameter = reach / half + np.sqrt((reach / half) ** 2 - 1.0)
    flattest = angle / half + np.sqrt((angle / half) ** 2 + 1.0)
    parameter = min(parameter, flattest)
    count = int(np.ceil(-np.log(rtol * 1e-3) / np.log(parameter))) + 96
    if count > max_nodes:
        raise SolveError(
            f"the gap beside [{low:.6g}, {high:.6g}] needs {count} contour nodes, more than {max_nodes}: the bulks "
            "are about to merge; treat them as one"
        )
    phi = (np.arange(count) + 0.5) * np.pi / count
    u = 0.5 * half * (parameter * np.exp(1j * phi) + np.exp(-1j * phi) / parameter) + centre
    du = 0.5j * half * (parameter * np.exp(1j * phi) - np.exp(-1j * phi) / parameter)
    z = np.exp(u)
    return z, z * du / (2.0j * count)
