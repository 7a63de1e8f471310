"""Arrays from outside for an instance: checked, brought to float64, and held against one another."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from rfscore.errors import bad
from rfscore.model.population import Population

Array = np.ndarray
#: |mean|^2 of centred samples is their spread over n; above so many times that, and this share of all, they are not.
_UNLIKELY, _SHARE = 20.0, 0.02


def checked(**given: Any) -> dict[str, Array]:
    """The arrays that are given, as float64, of shapes that agree."""
    arrays = _as_float64({name: value for name, value in given.items() if value is not None})
    for name in ("weights", "data", "test_data"):
        if name in arrays:
            _check_matrix(name, arrays[name], None if name == "weights" else arrays["weights"].shape[1])
    return arrays


def population(classes: Population | None, arrays: dict[str, Array]) -> tuple[Array, Array]:
    """Fractions and covariances of the classes; the latter are empty where there are held-out data instead."""
    if classes is not None:
        found = classes.classes()
        return np.asarray(found.fractions, dtype=float), found.at(arrays["weights"].shape[1])
    if "covariance" not in arrays:
        return np.ones(1), np.empty((0, 0))
    _check_covariance(arrays["covariance"], arrays["weights"].shape[1])
    return np.ones(1), arrays["covariance"][None]


def mean_squares(covariances: Array, arrays: dict[str, Array]) -> Array:
    """Tr Sigma/d of every class, or of all held-out data."""
    if covariances.size == 0:
        return np.array([np.mean(arrays["test_data"] ** 2)])
    diagonals = covariances if covariances.ndim == 2 else np.diagonal(covariances, axis1=1, axis2=2)
    return diagonals.mean(axis=1)


def classes(name: str, values: Any, size: int, count: int | None = None) -> Array:
    """Labels of `size` samples, of `count` classes if that is known; without labels all are of class 0."""
    if values is None:
        if count is not None and count > 1:
            raise bad(name, None, f"one label in 0 ... {count - 1} for each of the {size} samples",
                      "the population has several classes")  # fmt: skip
        return np.zeros(size, dtype=int)
    found = np.asarray(values)
    if found.shape != (size,) or found.dtype.kind not in "iu":
        raise bad(name, f"shape {found.shape}, dtype {found.dtype}", f"({size},) integers, one for each sample")
    top = int(found.max()) + 1 if count is None else count
    if found.min() < 0 or found.max() >= top:
        worst = found.min() if found.min() < 0 else found.max()
        raise bad(name, int(worst), f"classes 0 ... {top - 1}", "the population has no other")
    no_class_empty(name, found, top, "number the classes without a gap, and give samples of each")
    return found.astype(int)


def no_class_empty(name: str, labels: Array, count: int, remedy: str) -> None:
    """Refuse a class without samples."""
    empty = np.flatnonzero(np.bincount(labels, minlength=count) == 0)
    if empty.size:
        raise bad(f"{name}: samples of class {empty[0]}", 0, "at least 1", remedy)


def warn_of_spaces(arrays: dict[str, Array], population: float) -> None:
    """Warn of samples that are not centred, and of training data that are not on the population's scale."""
    notes = [f"{name} are not centred: subtract the population's mean from all data" for name in ("data", "test_data")
             if name in arrays and _off_centre(arrays[name])]  # fmt: skip
    own = float(np.mean(arrays["data"] ** 2))
    fewest = min(len(arrays[name]) for name in ("data", "test_data") if name in arrays)
    allowed = np.log(2.0) + 6.0 * np.sqrt(2.0 / fewest)
    if not np.exp(-allowed) <= own / population <= np.exp(allowed):
        other = "that of test_data" if "test_data" in arrays else "Tr Sigma/d"
        notes.append(f"two data spaces in one comparison: the mean square of data is {own:.3g}, "
                     f"{other} {population:.3g}: bring both to one scale")  # fmt: skip
    if notes:
        warnings.warn("; ".join(notes), UserWarning, stacklevel=3)


def _off_centre(samples: Array) -> bool:
    mean = samples.mean(axis=0)
    spread = float(np.mean((samples - mean) ** 2)) / max(1, len(samples) - 1)
    return len(samples) > 1 and float(np.mean(mean**2)) > max(_UNLIKELY * spread, _SHARE * float(np.mean(samples**2)))


def _as_float64(values: dict[str, Any]) -> dict[str, Array]:
    arrays, promoted = {}, []
    for name, value in values.items():
        array = np.asarray(value)
        if array.dtype.kind == "u":
            raise bad(name, f"dtype {array.dtype}", "real numbers around 0", "bytes are grey values: divide by 255 and "
                      "subtract the mean, e.g. rfscore.data.standardise")  # fmt: skip
        if array.dtype.kind not in "if":
            raise bad(name, f"dtype {array.dtype}", "real numbers")
        if array.dtype.kind == "f" and array.dtype.itemsize < 8:
            promoted.append(name)
        arrays[name] = np.ascontiguousarray(array, dtype=np.float64)
        if not np.all(np.isfinite(arrays[name])):
            raise bad(name, "NaN or infinity", "finite entries", "drop or repair those rows")
    if promoted:
        warnings.warn(f"{', '.join(promoted)}: promoted to float64 from a shorter type; the digits it lacks stay lost",
                      stacklevel=4)  # fmt: skip
    return arrays


def _check_matrix(name: str, array: Array, columns: int | None) -> None:
    expected = "(rows, d)" if columns is None else f"(rows, {columns}), as many columns as the weights"
    if array.ndim != 2 or 0 in array.shape or (columns is not None and array.shape[1] != columns):
        raise bad(name, f"shape {array.shape}", f"shape {expected}, none of them 0")


def _check_covariance(covariance: Array, d: int) -> None:
    if covariance.shape not in ((d,), (d, d)):
        raise bad("covariance", f"shape {covariance.shape}", f"({d}, {d}), or ({d},) for a diagonal one")
    if covariance.ndim == 2 and np.max(np.abs(covariance - covariance.T)) > 1e-12 * np.max(np.abs(covariance)):
        raise bad("covariance", "not symmetric", "a symmetric matrix", "use (S + S.T)/2")
    eigenvalues = covariance if covariance.ndim == 1 else np.linalg.eigvalsh(covariance)
    if eigenvalues.min() < -1e-12 * max(float(eigenvalues.max()), 0.0) or eigenvalues.max() <= 0:
        raise bad("covariance", f"smallest eigenvalue {eigenvalues.min():.6g}", "a positive semi-definite Sigma, not 0")
