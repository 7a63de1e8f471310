"""Power laws tau ~ n^gamma: fitted exponent with a bootstrap interval, and local slopes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from rfscore._numbers import number, reals
from rfscore.errors import InputError, bad
from rfscore.observables.times import Status


@dataclass(frozen=True)
class Exponent:
    """A power law tau = prefactor n^value fitted to points.

    Attributes:
        value: the exponent gamma.
        interval: bootstrap percentile interval of gamma; (nan, nan) where the values do not scatter, or there is
            nothing to resample; the message says so.
        prefactor: tau at n = 1 by the fit.
        status: "ok", "censored" (some runs had no tau: the fit is biased) or "undefined".
        message: the status in words.
        level: coverage the interval aims at.
    """

    value: float
    interval: tuple[float, float]
    prefactor: float
    status: Status = "ok"
    message: str = ""
    level: float = 0.95


def fit_exponent(
    n: Float[np.ndarray, " k"],
    tau: Float[np.ndarray, " k"] | Float[np.ndarray, "k seeds"],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Exponent:
    r"""Exponent gamma of tau ~ n^gamma: least squares on log(tau) against log(n), with a bootstrap interval.

    With several seeds per n, log(tau) is averaged over seeds before the fit, and the interval comes from resampling
    the seeds of each n. With one value per n (a theory curve) the points (n, tau) themselves are resampled, draws
    with a single n left out: the interval then shows how far the points are from one power law, not noise.

    Args:
        n: k sizes, > 0, at least two different ones.
        tau: times > 0, one per n or (k, seeds); NaN marks a run that was censored, and is left out.
        level: coverage of the percentile interval, in (0, 1).
        resamples: bootstrap draws, >= 100.
        seed: of the bootstrap; the same seed gives the same interval.

    Returns:
        Exponent with value, interval and prefactor.

    Raises:
        InputError: shapes, non-positive n or tau, a level outside (0, 1).

    Accuracy:
        Percentile intervals of few seeds are too narrow: by about a factor sqrt((m - 1)/m) for m seeds.

    Example:
        >>> import numpy as np
        >>> from rfscore.observables import fit_exponent
        >>> n = np.array([400.0, 800.0, 1600.0, 3200.0])
        >>> noise = np.exp(0.1 * np.random.default_rng(1).standard_normal((4, 20)))
        >>> fit = fit_exponent(n, 5 * n[:, None] ** 1.0 * noise)
        >>> f"{fit.value:.3f} in [{fit.interval[0]:.3f}, {fit.interval[1]:.3f}], {fit.status}"
        '0.991 in [0.969, 1.011], ok'
    """
    n, log_tau = _fit_input(n, tau, level, resamples)
    missing = int(np.isnan(log_tau).sum())
    status: Status = "censored" if missing else "ok"
    message = (
        f"{missing} of {log_tau.size} times are missing (censored runs); the exponent is biased" if missing else ""
    )
    keep = ~np.all(np.isnan(log_tau), axis=1)
    x, rows = np.log(n[keep]), log_tau[keep]
    if np.unique(x).size < 2:
        return Exponent(math.nan, (math.nan, math.nan), math.nan, "undefined",
                        "fewer than two sizes n have a time; train longer or add sizes", level)  # fmt: skip
    y = np.nanmean(rows, axis=1)
    value = float(_slopes(x, y))
    prefactor = math.exp(y.mean() - value * x.mean())
    rng, values = np.random.default_rng(seed), (~np.isnan(rows)).sum(axis=1)
    if values.max() > 1:
        if values.min() == 1:
            message = f"{message}; " * bool(message) + "too narrow an interval: a size with one value has no spread"
        draws = _slopes(x, _resampled_means(rows, resamples, rng))
    else:
        pick = rng.integers(x.size, size=(resamples, x.size))
        draws = _slopes(x[pick], y[pick])
        draws = draws[np.isfinite(draws)]
        if np.unique(x).size < 3:
            message = f"{message}; " * bool(message) + "no interval: two sizes with one value each fit exactly"
            return Exponent(value, (math.nan, math.nan), prefactor, status, message, level)
    tail = 50 * (1 - level)
    low, high = np.percentile(draws, [tail, 100 - tail])
    if high - low <= 1e-9 * max(1.0, abs(value)):
        message = f"{message}; " * bool(message) + "no interval: the values do not scatter, and resampling sees nothing"
        low = high = math.nan
    return Exponent(value, (float(low), float(high)), prefactor, status, message, level)


def _fit_input(n: Any, tau: Any, level: float, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    n, tau = reals("n", n, "finite sizes > 0"), reals("tau", tau, "times > 0, NaN for a censored run")
    if n.ndim != 1 or tau.ndim not in (1, 2) or tau.shape[:1] != n.shape or 0 in tau.shape:
        raise bad("n and tau", f"shapes {n.shape} and {tau.shape}", "n of shape (k,), tau of shape (k,) or (k, seeds)")
    if not np.all(np.isfinite(n) & (n > 0)):
        raise bad("n", n.tolist(), "finite sizes > 0")
    if np.any(np.isinf(tau)) or np.any(tau <= 0):
        raise bad("tau", float(tau[np.isinf(tau) | (tau <= 0)][0]), "times > 0, NaN for a censored run")
    if not 0 < number("level", level, "a number in (0, 1)") < 1:
        raise bad("level", level, "a number in (0, 1)")
    if resamples < 100:
        raise bad("resamples", resamples, "at least 100")
    return n, np.log(tau.reshape(n.size, -1))


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope along the last axis; NaN where x does not vary."""
    dx = x - x.mean(axis=-1, keepdims=True)
    spread = (dx**2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-20, (dx * y).sum(axis=-1) / spread, np.nan)


def _resampled_means(rows: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """(resamples, k): the mean of each row over as many values as it has, drawn from them with replacement."""
    means = np.empty((resamples, len(rows)))
    for i, row in enumerate(rows):
        known = row[~np.isnan(row)]
        means[:, i] = known[rng.integers(known.size, size=(resamples, known.size))].mean(axis=1)
    return means


@dataclass(frozen=True)
class LocalSlopes:
    """Slopes d log(tau)/d log(n) between neighbouring sizes: where "proportional to n" holds they are 1.

    Attributes:
        n: (k - 1,) geometric means of neighbouring sizes.
        slope: (k - 1,) slopes; NaN next to a missing time.
        status: "ok", or "censored" when a time was missing.
        message: the status in words.
    """

    n: Float[np.ndarray, " pairs"]
    slope: Float[np.ndarray, " pairs"]
    status: Status = "ok"
    message: str = ""


def local_slopes(
    n: Float[np.ndarray, " k"], tau: Float[np.ndarray, " k"] | Float[np.ndarray, "k seeds"]
) -> LocalSlopes:
    """Effective exponent between each two neighbouring sizes: log(tau_{i+1}/tau_i)/log(n_{i+1}/n_i).

    Args:
        n: k >= 2 sizes, strictly ascending, > 0.
        tau: times > 0, one per n or (k, seeds), averaged in the logarithm; NaN marks a censored run.

    Returns:
        LocalSlopes.

    Raises:
        InputError: shapes, order, non-positive values.

    Example:
        >>> import numpy as np
        >>> from rfscore.observables import local_slopes
        >>> local_slopes(np.array([1.0, 4.0, 16.0]), np.array([1.0, 4.0, 64.0])).slope.round(12).tolist()
        [1.0, 2.0]
    """
    n, log_tau = _fit_input(n, tau, 0.95, 2000)
    if n.size < 2 or np.any(np.diff(n) <= 0):
        raise InputError(f"n = {n.tolist()}: expected at least two sizes, strictly ascending; sort them")
    missing = np.isnan(log_tau)
    counts = (~missing).sum(axis=1)
    mean = np.where(counts > 0, np.nansum(log_tau, axis=1) / np.maximum(counts, 1), np.nan)
    slope = np.diff(mean) / np.diff(np.log(n))
    middle = np.sqrt(n[1:] * n[:-1])
    if missing.any():
        return LocalSlopes(middle, slope, "censored", f"{missing.sum()} times are missing (censored runs)")
    return LocalSlopes(middle, slope)
