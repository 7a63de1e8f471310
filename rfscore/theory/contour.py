r"""Contours on which e^{-c lambda} is applied to a resolvent.

Training times use the parabola of Weideman and Trefethen (Math. Comp. 76, 2007), s = mu (i theta + 1)^2, around the
spectrum and the origin; its accuracy depends on the node count alone, not on how many scales the spectrum spans
(derivations (D7.1)-(D7.3)). The part of a loss that belongs to one bulk uses a closed curve through the gaps around it,
an ellipse in log(z), which keeps Re z > 0 so that no exponential grows.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex

from rfscore.errors import SolveError

#: A loss needs the exponents c and 2c on one contour.
_WINDOW = 2.0
_RATE = 2.0 * np.pi / np.sqrt(8.0 * _WINDOW + 1.0)


def node_count(rtol: float) -> int:
    """Nodes on the upper half of the parabola for a relative error `rtol`: the error is exp(-1.52 N)."""
    return int(np.ceil(-np.log(rtol) / _RATE)) + 2


def parabola(count: int) -> tuple[Complex[np.ndarray, " N"], Complex[np.ndarray, " N"]]:
    """Upper-half nodes and weights for c = 1, valid for exponents 1 and 2: f(c) = 2 Re sum_j w_j e^{s_j} F(-s_j/c)/c.

    s and w scale as 1/c, so one table serves every training time.
    """
    root = np.sqrt(8.0 * _WINDOW + 1.0)
    step = root / count
    scale = np.pi * count / (4.0 * _WINDOW * root)
    theta = (np.arange(count) + 0.5) * step
    return scale * (1j * theta + 1.0) ** 2, (step / (2.0 * np.pi)) * 2.0 * scale * (1j * theta + 1.0)


def around(
    low: float, high: float, below: float, above: float, *, rtol: float = 1e-12, max_nodes: int = 4096
) -> tuple[Complex[np.ndarray, " N"], Complex[np.ndarray, " N"]]:
    """Upper-half nodes z and weights dz/(2 pi i) of a closed curve around [low, high] alone.

    Args:
        low: left end of the bulk, > 0.
        high: right end.
        below: nearest singularity on the left (0 if none).
        above: nearest singularity on the right (inf if none).
        rtol: wanted relative error; decides the node count.
        max_nodes: refuse beyond.

    Raises:
        SolveError: the gap is too narrow for max_nodes.
    """
    centre, half = 0.5 * np.log(low * high), 0.5 * np.log(high / low)
    room = [np.log(low / below) if below > 0 else np.inf, np.log(above / high) if np.isfinite(above) else np.inf]
    reach = half + min(0.5 * min(room), 0.7)
    # Joukowski parameter of the ellipse with foci at the bulk's ends; its height stays below pi/2.
    parameter = reach / half + np.sqrt((reach / half) ** 2 - 1.0)
    flattest = 1.2 / half + np.sqrt((1.2 / half) ** 2 + 1.0)
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

