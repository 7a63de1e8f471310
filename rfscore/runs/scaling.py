"""Power laws in n and W, local exponents, and how well curves coincide after rescaling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from rfscore.observables import LocalSlopes, crossing, local_slopes


@dataclass(frozen=True)
class Fit:
    """tau = prefactor n^gamma W^-beta, least squares in logarithms; a value that the runs cannot give is NaN.

    Attributes:
        gamma: exponent of n, when there are two different n.
        gamma_interval: 95 % interval from the measurement errors of the curves.
        gamma_error: standard error from the scatter of the runs about the fit; NaN without spare runs.
        beta: exponent of 1/W, when there are two different widths.
        beta_interval: like gamma_interval.
        beta_error: like gamma_error.
        prefactor: tau at n = W = 1 by the fit.
        scatter: standard deviation of log(tau) about the fit; NaN without spare runs.
        used: runs in the fit.
        left_out: censored runs, without which the exponent is biased.
        message: why there is no exponent, or what is wrong with it.
    """

    gamma: float = math.nan
    gamma_interval: tuple[float, float] = (math.nan, math.nan)
    gamma_error: float = math.nan
    beta: float = math.nan
    beta_interval: tuple[float, float] = (math.nan, math.nan)
    beta_error: float = math.nan
    prefactor: float = math.nan
    scatter: float = math.nan
    used: int = 0
    left_out: int = 0
    message: str = ""


def fit_scaling(
    n: Float[np.ndarray, " k"],
    width: Float[np.ndarray, " k"],
    tau: Float[np.ndarray, " k"],
    draws: Float[np.ndarray, "R k"] | None = None,
    *,
    level: float = 0.95,
) -> Fit:
    r"""Fit log(tau) = c + gamma log(n) - beta log(W) over the runs that have a time.

    Two uncertainties are kept apart: the interval comes from refitting resampled times (measurement error only, each
    draw over the runs that have a time in it), the standard error from the scatter of the runs about the law.

    Args:
        n: training points, > 0.
        width: base widths; if any is 0 (unknown) beta is not fitted.
        tau: times > 0, NaN where censored.
        draws: resampled times, 0, inf or NaN where censored.
        level: coverage of the intervals.

    Returns:
        Fit.

    Example:
        >>> import numpy as np
        >>> from rfscore.runs.scaling import fit_scaling
        >>> n, width = np.array([256.0, 1024.0, 256.0, 1024.0]), np.array([16.0, 16.0, 32.0, 32.0])
        >>> fit = fit_scaling(n, width, 300 * n / width)
        >>> round(fit.gamma, 12), round(fit.beta, 12), fit.used
        (1.0, 1.0, 4)
    """
    n, width = np.asarray(n, dtype=np.float64), np.asarray(width, dtype=np.float64)
    keep = np.isfinite(tau) & (tau > 0)
    left_out = int((~keep).sum())
    names, x = _design(n, width, keep)
    if not names:
        return Fit(used=int(keep.sum()), left_out=left_out, message="fewer than two sizes have a time")
    rows = x[keep]
    if np.linalg.matrix_rank(rows) < rows.shape[1]:
        return Fit(
            used=len(rows), left_out=left_out, message="n and W change together, their exponents cannot be told apart"
        )
    log_tau = np.log(tau[keep])
    coefficients = np.linalg.lstsq(rows, log_tau, rcond=None)[0]
    spare = len(rows) - rows.shape[1]
    residual = log_tau - rows @ coefficients
    scatter = math.sqrt(float(residual @ residual) / spare) if spare else math.nan
    errors = scatter * np.sqrt(np.diag(np.linalg.inv(rows.T @ rows)))
    intervals = _intervals(x, draws, keep, level)
    at = {name: i for i, name in enumerate(names, start=1)}
    found: dict[str, Any] = {name: float(coefficients[i]) for name, i in at.items()}
    found |= {f"{name}_error": float(errors[i]) for name, i in at.items()}
    found |= {f"{name}_interval": intervals[i] for name, i in at.items()}
    message = f"censored runs left out: {left_out}; the exponents are biased" if left_out else ""
    return Fit(**found, prefactor=math.exp(coefficients[0]), scatter=scatter,
               used=len(rows), left_out=left_out, message=message)  # fmt: skip


def _design(
    n: Float[np.ndarray, " k"], width: Float[np.ndarray, " k"], keep: np.ndarray
) -> tuple[list[str], Float[np.ndarray, "k c"]]:
    """Names of the exponents the runs can give, and the columns 1, log(n), -log(W) that go with them."""
    names, columns = [], [np.ones_like(n)]
    if np.unique(n[keep]).size > 1:
        names.append("gamma")
        columns.append(np.log(n))
    if np.all(width > 0) and np.unique(width[keep]).size > 1:
        names.append("beta")
        columns.append(-np.log(width))
    return names, np.stack(columns, axis=1)


def _intervals(
    x: Float[np.ndarray, "k c"], draws: Float[np.ndarray, "R k"] | None, keep: np.ndarray, level: float
) -> list[tuple[float, float]]:
    """Percentile interval of every coefficient over the draws in which the exponents can be had."""
    nothing = [(math.nan, math.nan)] * x.shape[1]
    if draws is None or not len(draws):
        return nothing
    fits = []
    for row in draws:
        known = keep & np.isfinite(row) & (row > 0)
        if known.sum() >= x.shape[1]:
            solution, _, rank, _ = np.linalg.lstsq(x[known], np.log(row[known]), rcond=None)
            if rank == x.shape[1]:
                fits.append(solution)
    if not fits:
        return nothing
    tail = 50 * (1 - level)
    low, high = np.percentile(np.array(fits), [tail, 100 - tail], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def slopes_by_width(
    n: Float[np.ndarray, " k"], width: Float[np.ndarray, " k"], tau: Float[np.ndarray, " k"]
) -> dict[int, LocalSlopes]:
    """Local exponents of n at each width with two or more n; runs of one n and width are averaged in the logarithm."""
    found = {}
    for w in np.unique(width):
        sizes = np.unique(n[width == w])
        if sizes.size > 1:
            rows = [tau[(width == w) & (n == size)] for size in sizes]
            means = [np.exp(np.log(row[np.isfinite(row)]).mean()) if np.isfinite(row).any() else np.nan for row in rows]
            found[int(w)] = local_slopes(sizes, np.array(means))
    return found


def horizontal_spread(
    curves: Sequence[tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]], lowest: float, *, levels: int = 5
) -> float:
    """Factor by which rising curves differ in x at equal height: 1 when they coincide.

    exp of the mean, over heights from `lowest` to 0.9 times the lowest of the curves' maxima, of the standard
    deviation over curves of log(x) where each first reaches that height. Curves below `lowest` are left out.

    Args:
        curves: (x, y) with x ascending and >= 0, y finite.
        lowest: first height.
        levels: number of heights, equally spaced.

    Returns:
        The factor, NaN when fewer than two curves reach `lowest`.

    Example:
        >>> import numpy as np
        >>> from rfscore.runs.scaling import horizontal_spread
        >>> x = np.geomspace(1.0, 100.0, 21)
        >>> y = np.log(x) / np.log(100.0)
        >>> f"{horizontal_spread([(x, y), (4 * x, y)], 0.05):.3f}"  # two curves, standard deviation log(4)/2
        '2.000'
    """
    reached = [(x, y) for x, y in curves if y.size and y.max() >= lowest]
    if len(reached) < 2:
        return math.nan
    top = max(lowest, 0.9 * min(float(y.max()) for _, y in reached))
    spreads = []
    for height in np.linspace(lowest, top, levels):
        where = np.array([crossing(x, y, float(height)).value for x, y in reached])
        spreads.append(np.log(where).std())  # NaN when a curve starts above this height
    return float(np.exp(np.nanmean(spreads))) if np.isfinite(spreads).any() else math.nan
