"""How the distance between drawn instances and the theory depends on the size."""

from __future__ import annotations

import numpy as np


def fit(deviations: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Intercept and slope of mean(deviation) against 1/d, each with its standard error; rows are seeds."""
    sizes = np.array(list(deviations))
    mean = np.array([deviations[d].mean(axis=0) for d in sizes])
    error = np.array([deviations[d].std(axis=0, ddof=1) / np.sqrt(len(deviations[d])) for d in sizes])
    error = np.maximum(error, 1e-12)
    results = []
    for j in range(mean.shape[1]):
        design = np.stack([np.ones(sizes.size), 1.0 / sizes], axis=1) / error[:, j, None]
        covariance = np.linalg.inv(design.T @ design)
        best = covariance @ design.T @ (mean[:, j] / error[:, j])
        results.append((best[0], np.sqrt(covariance[0, 0]), best[1], np.sqrt(covariance[1, 1])))
    return tuple(np.array(column) for column in zip(*results, strict=True))


def assert_bias_is_one_over_d(deviations: dict[int, np.ndarray], power: float) -> tuple[np.ndarray, np.ndarray]:
    """The intercept vanishes, and would have been seen at `power`; returns the slopes with their errors."""
    intercept, error, slope, slope_error = fit(deviations)
    second_order = 3.0 * (np.abs(slope) + 2.0 * slope_error) / min(deviations) ** 2
    allowed = 4.0 * error + second_order
    worst = int(np.argmax(np.abs(intercept) - allowed))
    assert np.all(np.abs(intercept) < allowed), (worst, intercept[worst], error[worst], slope[worst])
    assert np.max(allowed) < power
    return slope, slope_error


def exponent(deviations: dict[int, np.ndarray], resolved: float) -> tuple[float, float, int]:
    """gamma of |mean(deviation)| ~ d^-gamma with its standard error, from the columns resolved at every size.

    Columns of one set of draws are correlated: the error is that of the median over columns, as if there were one.
    """
    sizes = np.array(list(deviations))
    mean = np.array([deviations[d].mean(axis=0) for d in sizes])
    error = np.array([deviations[d].std(axis=0, ddof=1) / np.sqrt(len(deviations[d])) for d in sizes])
    clear = np.all(abs(mean) > np.maximum(resolved * error, 1e-6), axis=0) & (
        abs(np.sign(mean).sum(axis=0)) == sizes.size
    )
    slopes, errors = [], []
    for column in np.flatnonzero(clear):
        weight = abs(mean[:, column]) / error[:, column]  # 1/error of the logarithm
        design = np.stack([np.ones(sizes.size), -np.log(sizes)], axis=1) * weight[:, None]
        covariance = np.linalg.inv(design.T @ design)
        slopes.append((covariance @ design.T @ (weight * np.log(abs(mean[:, column]))))[1])
        errors.append(np.sqrt(covariance[1, 1]))
    return float(np.median(slopes)), float(np.median(errors)), len(slopes)
