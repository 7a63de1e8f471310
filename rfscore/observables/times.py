"""Training times read off curves: minimum, crossing, onset, tau_opt, tau_half."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from rfscore._numbers import number, reals
from rfscore.errors import bad

Status = Literal["ok", "censored", "undefined"]


@dataclass(frozen=True)
class Observable:
    """One number read off a curve.

    Attributes:
        value: the number; NaN unless status is "ok".
        interval: where the number lies. For "ok" the two neighbouring training times it was interpolated between, for
            "censored" all that is known, e.g. (1e6, inf); (nan, nan) for "undefined".
        status: "ok", "censored" (outside the training times given) or "undefined" (the curve has no such point).
        message: the status in words, with the remedy; may hold a remark when "ok".
        height: value of the curve there, NaN unless "ok".
    """

    value: float
    interval: tuple[float, float]
    status: Status = "ok"
    message: str = ""
    height: float = math.nan


@dataclass(frozen=True)
class _Curve:
    """A checked curve: `tau` ascending, `x` = log of its positive finite part `inner`."""

    tau: np.ndarray
    y: np.ndarray

    @property
    def inner(self) -> np.ndarray:
        return np.flatnonzero((self.tau > 0) & np.isfinite(self.tau))


def _curve(tau: Any, y: Any) -> _Curve:
    tau, y = reals("tau", tau, "training times >= 0"), reals("curve", y, "real numbers")
    if tau.ndim != 1 or tau.shape != y.shape:
        raise bad("tau and curve", f"shapes {tau.shape} and {y.shape}", "two vectors of one length")
    if np.any(np.isnan(tau)) or np.any(tau < 0):
        raise bad("tau", float(tau[np.isnan(tau) | (tau < 0)][0]), "training times >= 0")
    if np.any(np.diff(tau) <= 0):
        raise bad("tau", "not ascending", "strictly ascending training times", "sort them and drop repeated ones")
    if not np.all(np.isfinite(y)):
        raise bad("curve", float(y[~np.isfinite(y)][0]), "finite values", "drop failed points first")
    curve = _Curve(tau, y)
    if curve.inner.size < 3:
        raise bad("tau", f"{curve.inner.size} positive finite times", "at least 3")
    return curve


def _time(name: str, value: float) -> float:
    if not number(name, value, "a training time >= 0") >= 0:
        raise bad(name, value, "a training time >= 0")
    return float(value)


def minimum(tau: Float[np.ndarray, " k"], y: Float[np.ndarray, " k"], *, resolution: float = 1e-9) -> Observable:
    """The lowest point of a curve, refined by the parabola through it and its neighbours in log(tau).

    Args:
        tau: k training times, ascending, >= 0; at least 3 positive and finite.
        y: the curve at these times, finite.
        resolution: rises of at most this much are not taken for real (losses are of order 1, computed to 1e-9).

    Returns:
        Observable: value = argmin, height = min, interval = the neighbouring times. Where the curve is flat at its
        lowest, the value is the middle of that stretch, the interval all of it, and the message says so. "censored"
        when the first or last point is as low as the lowest, "undefined" when both are.

    Raises:
        InputError: shapes, order, NaN.

    Accuracy:
        Second order in the spacing of log(tau); exact for a parabola in log(tau).

    Example:
        >>> import numpy as np
        >>> from rfscore.observables import minimum
        >>> tau = np.geomspace(1, 1e4, 9)
        >>> low = minimum(tau, (np.log10(tau) - 1.7) ** 2 + 0.8)
        >>> f"{low.value:.4f} = 10^1.7, height {low.height:.4f}, {low.status}"
        '50.1187 = 10^1.7, height 0.8000, ok'
    """
    curve = _curve(tau, y)
    if not number("resolution", resolution, "a number >= 0") >= 0:
        raise bad("resolution", resolution, "a number >= 0")
    lowest = np.flatnonzero(curve.y <= curve.y.min() + resolution)
    at_start, at_end = lowest[0] <= curve.inner[0], lowest[-1] >= curve.inner[-1]
    if at_start and at_end:
        return Observable(math.nan, (math.nan, math.nan), "undefined", "the curve is flat: it has no minimum")
    if at_end:
        since = float(curve.tau[lowest[0] - 1])
        return Observable(math.nan, (since, math.inf), "censored", "lowest at the last training time; train longer")
    if at_start:
        until = float(curve.tau[lowest[-1] + 1])
        return Observable(math.nan, (0.0, until), "censored", "lowest at the first training time; start earlier")
    if lowest[-1] - lowest[0] > 1:  # three points or more, or two with a rise between: no parabola tells them apart
        first, last = int(lowest[0]), int(lowest[-1])
        ends = curve.tau[[first, last]]
        note = f"flat within {resolution:g} from tau = {ends[0]:.4g} to {ends[1]:.4g}: the time is its middle"
        return Observable(math.sqrt(ends[0]) * math.sqrt(ends[1]), _around(curve, first, last), "ok", note,
                          float(curve.y.min()))  # fmt: skip
    i = int(np.argmin(curve.y))
    x, height = _vertex(np.log(curve.tau[i - 1 : i + 2]), curve.y[i - 1 : i + 2])
    return Observable(math.exp(x), _around(curve, i, i), height=height)


def _around(curve: _Curve, first: int, last: int) -> tuple[float, float]:
    """The training times before the first and after the last of some points."""
    return float(curve.tau[first - 1]), float(curve.tau[last + 1])


def _vertex(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Lowest point of the parabola through three points whose middle one is lowest."""
    left, right = x[0] - x[1], x[2] - x[1]
    slope_left, slope_right = (y[0] - y[1]) / left, (y[2] - y[1]) / right
    curvature = (slope_right - slope_left) / (right - left)
    slope = slope_left - curvature * left
    step = -slope / (2 * curvature)
    return float(x[1] + step), float(y[1] + step * (slope + curvature * step))


def crossing(
    tau: Float[np.ndarray, " k"],
    y: Float[np.ndarray, " k"],
    level: float,
    *,
    rising: bool = True,
    after: float = 0.0,
) -> Observable:
    """The first training time after `after` at which a curve is at or above a level (or at or below it).

    Args:
        tau: k training times, ascending, >= 0; at least 3 positive and finite.
        y: the curve at these times, finite.
        level: the level, finite.
        rising: True for the first y >= level, False for the first y <= level.
        after: earlier times are ignored; the curve is interpolated there.

    Returns:
        Observable: value = crossing time, linear in log(tau) between the two times of `interval`. Where the curve stays
        at the level, the interval holds all of that stretch, and the message says so. "censored" when the level is
        already passed at the first time or at `after`, or not reached by the last finite time.

    Raises:
        InputError: shapes, order, NaN.

    Example:
        >>> import numpy as np
        >>> from rfscore.observables import crossing
        >>> tau = np.array([0.0, 1.0, 10.0, 100.0])
        >>> print(f"{crossing(tau, np.array([0.0, 0.0, 0.4, 0.8]), 0.6).value:.4f}")
        31.6228
        >>> crossing(tau, np.array([0.0, 0.0, 0.4, 0.8]), 0.9).interval
        (100.0, inf)
    """
    curve = _curve(tau, y)
    after = _time("after", after)
    if not math.isfinite(number("level", level, "a finite number")):
        raise bad("level", level, "a finite number")
    sign = 1.0 if rising else -1.0
    times, values = _from(curve, after)
    reached = np.flatnonzero(sign * values >= sign * level)
    if reached.size == 0:
        return Observable(math.nan, (float(times[np.isfinite(times)][-1]), math.inf), "censored",
                          f"level {level:.4g} is not reached by tau = {times[-1]:.4g}; train longer")  # fmt: skip
    i = int(reached[0])
    if i == 0:
        return Observable(math.nan, (0.0, float(times[0])), "censored",
                          f"level {level:.4g} is already passed at tau = {times[0]:.4g}; start earlier")  # fmt: skip
    if times[i - 1] == 0 or np.isinf(times[i]):
        side = "start with smaller" if times[i - 1] == 0 else "add larger"
        return Observable(math.nan, (float(times[i - 1]), float(times[i])), "censored",
                          f"level {level:.4g} is crossed outside the positive finite times; {side} ones")  # fmt: skip
    fraction = (level - values[i - 1]) / (values[i] - values[i - 1])
    low, high = math.log(times[i - 1]), math.log(times[i])
    value = math.exp(low + fraction * (high - low))
    beyond = np.flatnonzero(values[i:] != level)
    stays = int(beyond[0]) if beyond.size else times.size - i
    if stays > 1:
        until = float(times[min(i + stays, times.size - 1)])
        note = f"the curve stays at the level from tau = {times[i]:.4g} on: the time is where it gets there"
        return Observable(value, (float(times[i - 1]), until), "ok", note, float(level))
    return Observable(value, (float(times[i - 1]), float(times[i])), height=float(level))


def _from(curve: _Curve, after: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of a curve at times >= after, with an interpolated first point at `after`."""
    inner = curve.inner
    if after > curve.tau[inner[-1]]:
        raise bad("after", after, f"at most the last finite training time {curve.tau[inner[-1]]:g}")
    keep = curve.tau >= after
    times, values = curve.tau[keep], curve.y[keep]
    if times[0] == after or after < curve.tau[inner[0]]:
        return times, values
    start = np.interp(math.log(after), np.log(curve.tau[inner]), curve.y[inner])
    return np.append(after, times), np.append(start, values)


def onset(
    tau: Float[np.ndarray, " k"], gap: Float[np.ndarray, " k"], threshold: float, *, after: float = 0.0
) -> Observable:
    """The first training time after `after` at which a growing quantity reaches an absolute threshold.

    Args:
        tau: k training times, ascending, >= 0; at least 3 positive and finite.
        gap: what grows from 0: L_test - L_train, or the memorised fraction f_mem.
        threshold: absolute level, > 0.
        after: earlier times are ignored.

    Returns:
        Observable as from `crossing`.

    Raises:
        InputError: shapes, order, NaN, threshold <= 0.
    """
    if not 0 < number("threshold", threshold, "a finite number > 0") < math.inf:
        raise bad("threshold", threshold, "a finite number > 0")
    return crossing(tau, gap, threshold, after=after)


def tau_opt(tau: Float[np.ndarray, " k"], test: Float[np.ndarray, " k"]) -> Observable:
    """Generalisation time: the training time of the lowest test loss.

    For Gaussian data the score error is an increasing affine function of the test loss at fixed t (the denoising
    identity), so its lowest point is at the same time. Arguments, result and errors as for `minimum`.
    """
    return minimum(tau, test)


def tau_half(
    tau: Float[np.ndarray, " k"],
    train: Float[np.ndarray, " k"],
    test: Float[np.ndarray, " k"],
    *,
    fraction: float = 0.5,
) -> Observable:
    """Memorisation time: the first time after tau_opt at which L_test - L_train is `fraction` of its final value.

    The final value is the gap at the last training time given; include tau = inf to make it the true one. When the
    test loss has no minimum before the last time there is no memorisation to date, and the result is censored.

    Args:
        tau: k training times, ascending, >= 0; at least 3 positive and finite.
        train: training loss, finite.
        test: test loss, finite.
        fraction: of the final gap, in (0, 1).

    Returns:
        Observable; a final gap <= 0 gives "undefined".

    Raises:
        InputError: shapes, order, NaN, fraction outside (0, 1).

    Example:
        >>> import numpy as np
        >>> from rfscore.observables import tau_half
        >>> tau = np.append(np.geomspace(0.1, 1e6, 141), np.inf)
        >>> train, test = 1 - 0.3 * (1 - np.exp(-tau)), 0.7 + 0.3 * np.exp(-tau) + 2 * (1 - np.exp(-tau / 1e4))
        >>> print(f"{tau_half(tau, train, test).value:.4g}, {1e4 * np.log(2):.4g} expected")
        6929, 6931 expected
    """
    if not 0 < number("fraction", fraction, "a number in (0, 1)") < 1:
        raise bad("fraction", fraction, "a number in (0, 1)")
    low = tau_opt(tau, test)
    gap = _curve(tau, np.asarray(test, dtype=np.float64) - np.asarray(train, dtype=np.float64))
    if low.status == "undefined" or gap.y[-1] <= 0:
        why = low.message or f"the final gap {gap.y[-1]:.3g} is not positive: this run does not memorise"
        return Observable(math.nan, (math.nan, math.nan), "undefined", why)
    if low.status == "censored" and low.interval[1] == math.inf:
        return Observable(math.nan, low.interval, "censored", f"the test loss still falls: {low.message}")
    after = low.value if low.status == "ok" else 0.0
    found = crossing(gap.tau, gap.y, fraction * float(gap.y[-1]), after=after)
    if found.status == "censored" and low.status == "ok" and found.interval[0] == 0:
        why = "half of the final gap is passed before the test loss is lowest"
        return Observable(math.nan, (math.nan, math.nan), "undefined", why)
    if found.status == "ok" and np.isfinite(gap.tau[-1]):
        note = f"relative to the gap at tau = {gap.tau[-1]:.4g}, not to the final one"
        return Observable(found.value, found.interval, "ok", note, found.height)
    return found


def tau_rise(tau: Float[np.ndarray, " k"], test: Float[np.ndarray, " k"], *, rise: float = 0.1) -> Observable:
    """The first time after tau_opt at which the test loss is `rise` (a fraction) above its lowest value.

    Unlike tau_half it does not depend on when training ended, so that short runs can be compared.

    Args:
        tau: k training times, ascending, >= 0; at least 3 positive and finite.
        test: test loss, finite, > 0 where lowest.
        rise: fraction of the lowest value, > 0.

    Returns:
        Observable as from `crossing`; censored where the loss has not risen by the last time.

    Raises:
        InputError: shapes, order, NaN, a rise that is not positive, a lowest loss that is not.

    Example:
        >>> import numpy as np
        >>> from rfscore.observables import tau_rise
        >>> tau = np.geomspace(1.0, 1e4, 41)
        >>> print(f"{tau_rise(tau, 1 + 0.1 * np.log10(tau / 10) ** 2).value:.4g}")
        100
    """
    if not 0 < number("rise", rise, "a finite number > 0") < math.inf:
        raise bad("rise", rise, "a finite number > 0")
    low = tau_opt(tau, test)
    if low.status == "undefined" or (low.status == "censored" and low.interval[1] == math.inf):
        return Observable(math.nan, low.interval, low.status, f"the test loss has not risen: {low.message}")
    lowest = float(np.min(test))
    if lowest <= 0:
        raise bad("lowest test loss", lowest, "a positive number")
    after = low.value if low.status == "ok" else 0.0
    return crossing(tau, test, (1 + rise) * lowest, after=after)
