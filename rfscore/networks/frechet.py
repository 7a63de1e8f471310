"""Frechet distance and kernel distance between two sets of features, with what their finite size does to them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Real

from rfscore._spaces import warn_of_mismatch
from rfscore.errors import bad

#: Points of one block of the kernel distance, as in Binkowski et al.
BLOCK = 1000


class _Moments(NamedTuple):
    """A Gaussian as its mean and a root of its covariance, C = root^T root, with no more rows than needed."""

    mean: Float[np.ndarray, " d"]
    root: Float[np.ndarray, "r d"]


def _points(name: str, value: Any, least: int) -> Float[np.ndarray, "N d"]:
    try:
        rows = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise bad(name, type(value).__name__, "an array of numbers (N, d)") from error
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise bad(f"shape of {name}", rows.shape, "(N, d)", "flatten them: array.reshape(len(array), -1)")
    if len(rows) < least:
        raise bad(f"rows of {name}", len(rows), f"at least {least}")
    if not np.isfinite(rows).all():
        raise bad(name, "NaN or infinity", "finite numbers", "drop samples of a diverged sampler, and report how many")
    return rows


def _pair(a: Any, b: Any, least: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = _points("a", a, least), _points("b", b, least)
    if x.shape[1] != y.shape[1]:
        raise bad("features per row of b", y.shape[1], f"{x.shape[1]} like a")
    warn_of_mismatch(x, y, ("a", "b"), stacklevel=4)
    return x, y


def _moments(x: Float[np.ndarray, "N d"]) -> _Moments:
    mean = x.mean(axis=0)
    centred = (x - mean) / math.sqrt(len(x) - 1)
    return _Moments(mean, centred if len(x) <= x.shape[1] else _root(centred.T @ centred))


def _root(covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "r d"]:
    values, vectors = np.linalg.eigh(covariance)
    # Below this an eigenvalue is rounding, and its square root would be 1e8 times the rounding of the rest.
    kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
    return np.sqrt(values[kept])[:, None] * vectors[:, kept].T


def _frechet(p: _Moments, q: _Moments) -> float:
    # Tr (Cp^1/2 Cq Cp^1/2)^1/2 is the sum of the singular values of root_p root_q^T. Taking these, and not the roots of
    # the eigenvalues of the product, costs no digits in directions without variance.
    overlap = np.linalg.svd(p.root @ q.root.T, compute_uv=False).sum()
    shift = p.mean - q.mean
    return float(shift @ shift + (p.root**2).sum() + (q.root**2).sum() - 2 * overlap)


def frechet_distance(a: Float[np.ndarray, "N d"], b: Float[np.ndarray, "M d"]) -> float:
    """Squared Frechet (2-Wasserstein) distance of two sets of features, each taken for Gaussian.

    |m_a - m_b|^2 + Tr(C_a + C_b - 2 (C_a^1/2 C_b C_a^1/2)^1/2) (Dowson & Landau 1982; FID: Heusel et al. 2017), with
    the means and unbiased covariances of the rows.

    Args:
        a: N >= 2 rows of features.
        b: M >= 2 rows of as many features.

    Returns:
        The distance, >= 0 up to rounding. It is biased upwards, see `frechet_extrapolated`.

    Raises:
        InputError: shapes, fewer than two rows, NaN.

    Accuracy:
        1e-11 relative to the larger trace for N <= d and for covariances of full rank; 1e-6 for N > d when they are
        singular.

    Example:
        >>> import numpy as np
        >>> from rfscore.networks.frechet import frechet_distance
        >>> square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> f"{frechet_distance(square, 3 * square + [0.0, 2.0]):.6f} = 2^2 + 2 (3 - 1)^2 4/3"
        '14.666667 = 2^2 + 2 (3 - 1)^2 4/3'
    """
    x, y = _pair(a, b, 2)
    return _frechet(_moments(x), _moments(y))


def _covariance(name: str, covariance: Any, d: int) -> Float[np.ndarray, "d d"]:
    c = _points(name, covariance, 1)
    if c.shape != (d, d) or not np.allclose(c, c.T, rtol=1e-8, atol=1e-12 * float(np.abs(c).max())):
        raise bad(name, f"shape {c.shape}", f"a symmetric {d} x {d} matrix")
    values = np.linalg.eigvalsh(c)
    if values[0] < -1e-10 * max(values[-1], 0.0):
        raise bad(f"smallest eigenvalue of {name}", float(values[0]), "a number >= 0: a covariance")
    return c


def gaussian_frechet(
    mean_a: Real[np.ndarray, " d"] | list, cov_a: Real[np.ndarray, "d d"] | list,
    mean_b: Real[np.ndarray, " d"] | list, cov_b: Real[np.ndarray, "d d"] | list,
) -> float:  # fmt: skip
    """Squared Frechet distance of two Gaussians, from means and covariances; see `frechet_distance`.

    Args:
        mean_a: first mean.
        cov_a: first covariance, symmetric and positive semi-definite.
        mean_b: second mean.
        cov_b: second covariance.

    Returns:
        The distance.

    Raises:
        InputError: shapes, NaN, not covariances.

    Accuracy:
        1e-6 relative to the larger trace when a covariance is singular, 1e-12 otherwise.
    """
    means = _points("mean_a", [mean_a], 1)[0], _points("mean_b", [mean_b], 1)[0]
    d = len(means[0])
    if len(means[1]) != d:
        raise bad("length of mean_b", len(means[1]), f"{d} like mean_a")
    return _frechet(
        _Moments(means[0], _root(_covariance("cov_a", cov_a, d))),
        _Moments(means[1], _root(_covariance("cov_b", cov_b, d))),
    )


def frechet_extrapolated(
    a: Float[np.ndarray, "N d"], b: Float[np.ndarray, "M d"], *, seed: int = 0
) -> tuple[float, float]:
    """Frechet distance at the sizes given, and extrapolated to infinitely many rows of both sets.

    The distance at finite size is biased by about c/N. Chong & Forsyth 2020 fit FID at several N by a line in 1/N, the
    reference left as it is. Here the reference is no larger than the samples, so both sets are thinned alike: cut at
    random into halves, whose mean distance has twice the bias, so that the line in 1/N meets 0 at 2 F(N) - F(N/2).

    Args:
        a: N >= 4 rows of features.
        b: M >= 4 rows of as many features.
        seed: of the random cuts.

    Returns:
        (value at N and M, extrapolated value). The second scatters around 0 for two samples of one distribution.

    Raises:
        InputError: shapes, too few rows, NaN.

    Accuracy:
        The bias left is of order 1/N^2, and large when the halves have fewer rows than the features have directions.
    """
    x, y = _pair(a, b, 4)
    whole = _frechet(_moments(x), _moments(y))
    rng = np.random.default_rng(seed)
    halves = zip(*(np.array_split(rng.permutation(rows), 2) for rows in (x, y)), strict=True)
    return whole, 2 * whole - float(np.mean([_frechet(_moments(u), _moments(v)) for u, v in halves]))


def _squared_mmd(x: Float[np.ndarray, "N d"], y: Float[np.ndarray, "M d"]) -> float:
    """Unbiased squared MMD: the pairs of a point with itself are left out."""

    def kernel(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return (u @ v.T / u.shape[1] + 1.0) ** 3

    n, m = len(x), len(y)
    xx, yy = kernel(x, x), kernel(y, y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * kernel(x, y).mean())


def kernel_distance(a: Float[np.ndarray, "N d"], b: Float[np.ndarray, "M d"], *, seed: int = 0) -> tuple[float, float]:
    """Squared maximum mean discrepancy of two sets of features with the kernel (x.y / d + 1)^3, and its error.

    KID of Binkowski et al. 2018 when the features are Inception's. Both sets are cut at random into blocks of about
    1000 (at least 10 blocks), which share no point: the mean of the unbiased estimates is unbiased, and their
    scatter / sqrt(blocks) is an honest standard error, as it would not be with blocks that overlap.

    Args:
        a: N >= 20 rows of features.
        b: M >= 20 rows of as many features.
        seed: of the random cuts.

    Returns:
        (value, standard error).

    Raises:
        InputError: shapes, too few rows, NaN.

    Example:
        >>> import numpy as np
        >>> from rfscore.networks.frechet import kernel_distance
        >>> rng = np.random.default_rng(0)
        >>> value, error = kernel_distance(rng.normal(size=(2000, 4)), rng.normal(size=(2000, 4)))
        >>> abs(value) < 4 * error
        True
    """
    x, y = _pair(a, b, 20)
    rng = np.random.default_rng(seed)
    blocks = max(10, min(len(x), len(y)) // BLOCK)
    pieces = zip(*(np.array_split(rng.permutation(rows), blocks) for rows in (x, y)), strict=True)
    values = [_squared_mmd(u, v) for u, v in pieces]
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(blocks))
