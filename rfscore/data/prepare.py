"""From image rows to what the model takes: standardised, split, and the spectrum of their covariance."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from rfscore.data.images import ImageData
from rfscore.errors import InputError, bad

#: Directions whose variance is below the largest by more than this factor are treated as having none; it is the
#: largest condition number of Sigma for which the theory is tested.
CONDITION = 1e6


@dataclass(frozen=True)
class Standardised:
    """Images after x -> scale (x - mean): mean zero and mean variance Tr Sigma/d = 1 on the chosen subset.

    Attributes:
        images: (N, d), all rows transformed alike.
        mean: (d,) subtracted mean image.
        scale: the one factor; directions keep their relative variances.
    """

    images: Float[np.ndarray, "N d"]
    mean: Float[np.ndarray, " d"]
    scale: float


@dataclass(frozen=True)
class Split:
    """Disjoint random subsets: `train` (n, d) and `test` (n_test, d), and the rows they were."""

    train: Float[np.ndarray, "n d"]
    test: Float[np.ndarray, "n_test d"]
    train_index: Int[np.ndarray, " n"]
    test_index: Int[np.ndarray, " n_test"]


@dataclass(frozen=True)
class CovarianceSpectrum:
    """Eigenvalues of a data covariance.

    Attributes:
        eigenvalues: (d,) ascending, >= 0; those below the largest/1e6 are exactly 0.
        zeroed: how many were set to 0.
        zeroed_variance: their share of the total variance before that.
        message: the same in words, empty when none was.
    """

    eigenvalues: Float[np.ndarray, " d"]
    zeroed: int
    zeroed_variance: float
    message: str


def _rows(images: Any) -> np.ndarray:
    """A finite float64 matrix of at least one row, from ImageData or an array."""
    array = images.images if isinstance(images, ImageData) else np.asarray(images)
    if array.ndim != 2 or 0 in array.shape:
        raise bad("images", f"shape {array.shape}", "a matrix (N, d), one image a row", "flatten each image to a row")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise bad("images", str(array.dtype), "real numbers")
    if array.dtype in (np.float32, np.float16):
        warnings.warn(f"{array.dtype} images are promoted to float64", UserWarning, stacklevel=3)
    array = array.astype(np.float64, copy=False)
    if not np.all(np.isfinite(array)):
        raise bad("images", "NaN or infinity", "finite values", f"{np.sum(~np.isfinite(array))} entries are not")
    return array


def standardise(images: ImageData | Float[np.ndarray, "N d"], subset: Any = None) -> Standardised:
    """Centre images by the mean of a subset and scale them by one number, so that Tr Sigma/d = 1 on that subset.

    x -> (x - m)/s with m the subset's mean image and s^2 = (1/d) sum_i var_i its mean variance (divided by the
    number of rows, not one less). One scalar, because scaling every pixel would destroy the covariance.

    Args:
        images: ImageData or rows (N, d).
        subset: row numbers or a mask of length N, e.g. the training rows; None takes all rows.

    Returns:
        Standardised with the transformed rows and both constants.

    Raises:
        InputError: wrong shape, NaN, a subset that selects nothing, or a subset without any variance.

    Example:
        >>> from rfscore.data import load_images, standardise
        >>> x = standardise(load_images("digits")).images
        >>> bool(abs(x.mean(axis=0)).max() < 1e-14), round(float(x.var(axis=0).mean()), 12)
        (True, 1.0)
    """
    rows = _rows(images)
    try:
        chosen = rows if subset is None else rows[np.asarray(subset)]
    except IndexError as error:
        raise bad("subset", subset, f"row numbers below {len(rows)}, or a mask of that length") from error
    if chosen.ndim != 2 or len(chosen) == 0:
        raise bad("subset", subset, "at least one row, given as a vector of row numbers or a mask")
    mean = chosen.mean(axis=0)
    variance = float(np.mean((chosen - mean) ** 2))
    # A constant image leaves only the rounding of its mean behind, not information.
    if variance <= 1e-24 * float(np.mean(chosen**2)):
        raise InputError(f"{len(chosen)} images without variance: expected at least two different ones")
    scale = variance**-0.5
    return Standardised((rows - mean) * scale, mean, scale)


def split(images: ImageData | Float[np.ndarray, "N d"], n: int, n_test: int, seed: int) -> Split:
    """Draw disjoint random training and test subsets.

    Args:
        images: ImageData or rows (N, d).
        n: training rows, >= 1.
        n_test: held-out rows, >= 1; n + n_test <= N.
        seed: any non-negative integer; the same seed gives the same rows.

    Returns:
        Split with both subsets and their row numbers.

    Raises:
        InputError: n or n_test below 1, or more rows wanted than there are.

    Example:
        >>> from rfscore.data import load_images, split
        >>> parts = split(load_images("digits"), n=200, n_test=1000, seed=0)
        >>> parts.train.shape, parts.test.shape
        ((200, 64), (1000, 64))
    """
    rows = _rows(images)
    for name, value in (("n", n), ("n_test", n_test)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise bad(name, value, "a whole number >= 1")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise bad("seed", seed, "a whole number >= 0")
    if n + n_test > len(rows):
        raise bad("n + n_test", f"{n} + {n_test}", f"at most the {len(rows)} images there are",
                  "lower psi_n or the number of test images, or shrink the images (size=): n = psi_n d")  # fmt: skip
    order = np.random.default_rng(seed).permutation(len(rows))
    train, test = order[:n], order[n : n + n_test]
    return Split(rows[train], rows[test], train, test)


def covariance_eigenvalues(images: ImageData | Float[np.ndarray, "N d"]) -> CovarianceSpectrum:
    """Spectrum of the sample covariance (1/N) sum (x - mean)(x - mean)^T of image rows, fit for `Empirical`.

    Directions with less than 1e-6 of the largest variance (constant pixels, or all beyond N - 1 directions when
    N <= d) are set to exactly 0, so that the condition number stays where the theory is tested.

    Args:
        images: ImageData or rows (N, d), N >= 2.

    Returns:
        CovarianceSpectrum; its message says what was set to 0 and how much variance that was.

    Raises:
        InputError: wrong shape, NaN, fewer than two rows, or no variance at all.

    Example:
        >>> from rfscore.data import covariance_eigenvalues, load_images, standardise
        >>> spectrum = covariance_eigenvalues(standardise(load_images("digits")).images)
        >>> spectrum.message
        '3 of 64 directions carry less than 1e-06 of the largest variance (nothing) and were set to 0'
        >>> print(f"{spectrum.eigenvalues.mean():.6f}")
        1.000000
    """
    rows = _rows(images)
    if len(rows) < 2:
        raise bad("images", f"{len(rows)} row", "at least two rows for a covariance")
    centred = rows - rows.mean(axis=0)
    values = np.linalg.eigvalsh(centred.T @ centred / len(rows))
    if values[-1] <= 1e-24 * float(np.mean(rows**2)):
        raise InputError(f"{len(rows)} images without variance: expected at least two different ones")
    values = np.clip(values, 0.0, None)
    low = values < values[-1] / CONDITION
    share = float(values[low].sum() / values.sum())
    zeroed = int(low.sum())
    lost = f"{100 * share:.2g} % of the total" if share > 1e-12 else "nothing"
    message = (
        f"{zeroed} of {values.size} directions carry less than {1 / CONDITION:g} of the largest variance "
        f"({lost}) and were set to 0"
        if zeroed
        else ""
    )
    return CovarianceSpectrum(np.where(low, 0.0, values), zeroed, share, message)
