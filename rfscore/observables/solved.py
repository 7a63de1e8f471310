"""tau_opt and tau_half of curves that can be evaluated anywhere: solved for, not read off a grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rfscore.errors import bad
from rfscore.observables import times as read
from rfscore.observables.times import Observable
from rfscore.results import LossCurves

Losses = Callable[[np.ndarray], LossCurves]
#: Times a decade of the first look, and points and rounds of each closer one.
_PER_DECADE, _CLOSER = 24, 17
_ROUNDS_OPT, _ROUNDS_HALF = 2, 3
FALLS = "the test loss falls to the end: the best training time is infinite and there is no memorisation to date"


@dataclass(frozen=True)
class CurveTimes:
    """When the test loss is lowest, and when memorisation is half done (docs/times.md).

    Attributes:
        tau_opt: best stopping; `height` is the lowest test loss.
        tau_half: after tau_opt, L_test - L_train is half of its value at tau = infinity; `height` is that half.
    """

    tau_opt: Observable
    tau_half: Observable


def solve_times(losses: Losses, low: float, high: float) -> CurveTimes:
    """tau_opt and tau_half of an exact curve.

    The curve is looked at 24 times a decade, then closer and closer around each time; the result does not depend on
    anybody's grid.

    Args:
        losses: ascending training times, the last of them infinity -> LossCurves.
        low: a training time before everything, > 0.
        high: one after everything.

    Returns:
        CurveTimes; `interval` brackets each time. tau_opt is inf where the test loss falls to the end.

    Raises:
        InputError: not 0 < low < high < inf.

    Accuracy:
        1e-5 relative in tau_opt (1e-9 in the lowest test loss), 1e-7 in tau_half, for losses good to 1e-11.

    Example:
        >>> import numpy as np
        >>> from rfscore.observables import solve_times
        >>> from rfscore.results import LossCurves
        >>> def losses(tau):
        ...     gone = np.exp(-tau / 1e4)
        ...     return LossCurves(tau, 0.3 + 0.7 * np.exp(-tau), 0.7 + 0.3 * np.exp(-tau) + 2 * (1 - gone), tau, tau)
        >>> found = solve_times(losses, 1e-3, 1e6)
        >>> print(f"{found.tau_opt.value:.4f} {found.tau_half.value:.2f}, {-1e4 * np.log(0.6):.2f} expected")
        7.3140 5108.26, 5108.26 expected
    """
    if not 0 < low < high < math.inf:
        raise bad("times to search", (low, high), "0 < low < high < inf")
    tau = np.append(np.geomspace(low, high, 3 + math.ceil(_PER_DECADE * math.log10(high / low))), np.inf)
    curves = losses(tau)
    opt = read.tau_opt(tau, curves.test)
    for _ in range(_ROUNDS_OPT if opt.status == "ok" else 0):
        near = np.geomspace(*opt.interval, _CLOSER)
        closer = read.minimum(near, losses(np.append(near, np.inf)).test[:-1])
        if closer.status != "ok":
            break  # the curve is flat to its last digits here: the wider bracket is what is known
        opt = closer
    if opt.status == "ok":
        tau = np.unique(np.append(tau, opt.value))
        curves = losses(tau)
    elif opt.interval[1] == math.inf:
        opt = Observable(math.inf, opt.interval, "ok", FALLS, float(curves.test[-1]))
        return CurveTimes(opt, Observable(math.nan, (math.nan, math.nan), "undefined", FALLS))
    return CurveTimes(opt, _half(losses, tau, curves, opt))


def _half(losses: Losses, tau: Float[np.ndarray, " T"], curves: LossCurves, opt: Observable) -> Observable:
    half = read.tau_half(tau, curves.train, curves.test)
    if half.status != "ok":
        return half
    after = opt.value if opt.status == "ok" else 0.0
    for _ in range(_ROUNDS_HALF):
        near = np.geomspace(*half.interval, _CLOSER)
        gap = losses(np.append(near, np.inf)).gap[:-1]
        closer = read.crossing(near, gap, half.height, after=min(after, near[0]))
        if closer.status != "ok":
            break  # the two ends agree to the last digits
        half = closer
    return half
