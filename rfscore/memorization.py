"""Memorised or new: the gap ratio of generated samples to the training set, in bounded memory."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Real

from rfscore._spaces import warn_of_mismatch
from rfscore.errors import bad

#: Candidates per sample whose distance is computed again exactly; three are needed, the rest is margin.
CANDIDATES = 8
#: Rows named in a warning.
NAMED = 5
#: Share of samples near a pair of training points above which f_mem is said to be blind there.
NEAR_PAIRS = 0.05


@dataclass(frozen=True)
class Neighbours:
    """The two nearest training points of every sample.

    Attributes:
        distances: (N, 2) Euclidean distances to the nearest and the second nearest different training point.
        index: (N, 2) their rows in the training set; the lower row first at equal distance.
        ratio: (N,) distances[:, 0] / distances[:, 1] in [0, 1].
        third: (N,) distance to the third nearest different one, inf where there are but two.
        repeats: (r,) rows of the training set that are equal to an earlier row; they count once.
    """

    distances: Float[np.ndarray, "N 2"]
    index: Int[np.ndarray, "N 2"]
    ratio: Float[np.ndarray, " N"]
    third: Float[np.ndarray, " N"]
    repeats: Int[np.ndarray, " r"]


@dataclass(frozen=True)
class MemorisedFraction:
    """Share of samples that the gap ratio calls memorised.

    Attributes:
        value: count / samples.
        interval: Wilson confidence interval of the underlying probability.
        count: samples whose ratio is below k.
        samples: N.
        k: threshold of the ratio.
        level: confidence level of the interval.
        repeats: training points that are equal to an earlier one; they were counted once.
        near_pairs: samples near two training points that nearly coincide, so that the ratio cannot see a copy: not
            memorised by the ratio of nearest to second, but by that of second to third.
    """

    value: float
    interval: tuple[float, float]
    count: int
    samples: int
    k: float
    level: float
    repeats: int = 0
    near_pairs: int = 0

    def __post_init__(self) -> None:
        """A fraction within its interval."""
        low, high = self.interval
        if not (0 <= self.count <= self.samples and 0 <= low <= self.value <= high <= 1):
            raise bad("memorised fraction", [low, self.value, high], "0 <= low <= value <= high <= 1")


def _rows(name: str, points: Any, least: int) -> np.ndarray:
    """Rows of finite numbers: floats as they are, so that large sets are not copied, the rest as float64."""
    try:
        rows = np.asarray(points)
        if rows.dtype.kind in "USb":
            raise TypeError("text and truth values are no numbers")
        rows = rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise bad(name, type(points).__name__, "an array of numbers (N, d)") from error
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise bad(f"shape of {name}", rows.shape, "(N, d)", "flatten images: images.reshape(len(images), -1)")
    if len(rows) < least:
        raise bad(f"rows of {name}", len(rows), f"at least {least}",
                  "the ratio needs a second nearest training point" if least == 2 else "")  # fmt: skip
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise bad(name, f"NaN or infinity in row {int(np.argmin(finite))}", "finite numbers",
                  "drop samples of a diverged sampler, and report how many")  # fmt: skip
    return rows


def _repeats(train: np.ndarray) -> np.ndarray:
    """Rows that are equal to an earlier one, by a checksum of each."""
    seen, found = set(), []
    for i, row in enumerate(train):
        mark = hashlib.blake2b((row + 0.0).tobytes(), digest_size=16).digest()  # -0 is 0
        if mark in seen:
            found.append(i)
        seen.add(mark)
    return np.array(found, dtype=np.int64)


def block_rows(n: int, d: int, memory: int) -> int:
    """Samples treated at once so that the temporary arrays of `nearest` stay below `memory` bytes (at least one).

    Per sample: n products (float32), the n indices (int64) of the partial sort, and the differences to the candidates.
    """
    per_sample = n * (4 + 8) + 3 * 8 * CANDIDATES * d
    return max(1, memory // per_sample)


def _exact(x: Float[np.ndarray, "m d"], train: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Squared distances of each x to its own rows `index` of train, by difference in float64."""
    difference = train[index].astype(np.float64)
    difference -= x[:, None, :]
    return np.einsum("mcd,mcd->mc", difference, difference)


def _exact_row(x: Float[np.ndarray, " d"], train: np.ndarray) -> np.ndarray:
    """Squared distances of one x to all of train, 1024 rows at a time."""
    parts = (train[i : i + 1024] - x.astype(np.float64) for i in range(0, len(train), 1024))
    return np.concatenate([np.einsum("nd,nd->n", part, part) for part in parts])


def _block(
    x: Float[np.ndarray, "m d"], train: np.ndarray, mean: np.ndarray, centred: np.ndarray, half: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(squared distances, rows) of the three nearest training points of a block of samples."""
    a = x - mean
    gap = a.astype(np.float32) @ centred.T
    np.subtract(half, gap, out=gap)  # (|a - b|^2 - |a|^2) / 2, which ranks the training points b
    last = min(CANDIDATES, len(train)) - 1
    index = np.sort(np.argpartition(gap, last, axis=1)[:, : last + 1], axis=1)
    squared = _exact(x, train, index)
    order = np.argsort(squared, axis=1, kind="stable")[:, :3]
    squared, found = np.take_along_axis(squared, order, 1), np.take_along_axis(index, order, 1)
    if last + 1 < len(train):
        # A training point that was left out has `gap` at least that of the worst candidate, up to float32 rounding of a
        # d-term product. Where this does not prove it farther than those found, all distances are exact.
        norm = np.linalg.norm(a, axis=1)
        longest = math.sqrt(2 * float(half.max()))
        rounding = (x.shape[1] + 4) * 2.0**-24 * longest * (norm + longest)
        worst = np.take_along_axis(gap, index, 1).max(axis=1).astype(np.float64)
        for i in np.flatnonzero(~(squared[:, -1] <= norm**2 + 2 * (worst - rounding))):
            row = _exact_row(x[i], train)
            found[i] = np.argsort(row, kind="stable")[: found.shape[1]]
            squared[i] = row[found[i]]
    return squared, found


def nearest(
    samples: Real[np.ndarray, "N d"] | list, train: Real[np.ndarray, "n d"] | list, *, memory: int = 2**28,
    report: Callable[[int, int], None] | None = None,
) -> Neighbours:  # fmt: skip
    """The two nearest training points of every sample and the gap ratio |x - a1| / |x - a2|.

    Both sets are centred by the training mean; a float32 matrix product ranks the training points of a block of samples
    by |a|^2 - 2 x.a, and the distances of the best 8 are computed again by difference in float64.

    Args:
        samples: N points, N >= 1, float32 or float64.
        train: n >= 2 training points of the same dimension, two of them different.
        memory: bytes for the temporary arrays of one block; the float32 copy of `train` comes on top.
        report: called with how many samples are done, of how many, after each block.

    Returns:
        Neighbours. A training point that is there several times counts once: the second nearest is another.

    Raises:
        InputError: shapes, dimensions that differ, fewer than two different training points, NaN or infinity.

    Accuracy:
        Distances to float64 rounding, copies at any distance included; the neighbours are the exact ones, proven for
        each sample by the float32 rounding bound or else found among all float64 distances (slow, when more than 5
        training points are as near as the third).

    Example:
        >>> import numpy as np
        >>> from rfscore.memorization import nearest
        >>> found = nearest(np.array([[0.1, 0.0], [2.0, 2.0]]), np.array([[0.0, 0.0], [1.0, 0.0], [4.0, 4.0]]))
        >>> found.index.tolist(), found.ratio.round(3).tolist()
        ([[0, 1], [1, 0]], [0.111, 0.791])
    """
    x, a = _rows("samples", samples, 1), _rows("train", train, 2)
    if x.shape[1] != a.shape[1]:
        raise bad("dimension of samples", x.shape[1], f"{a.shape[1]}, that of train", "compare in one data space")
    if isinstance(memory, bool) or not isinstance(memory, int | np.integer) or memory < 1:
        raise bad("memory", memory, "a whole number of bytes >= 1")
    repeats = _repeats(a)
    rows_of = np.delete(np.arange(len(a)), repeats)
    if len(rows_of) < 2:
        raise bad("train", f"{len(a)} equal rows", "at least two different training points")
    a = a[rows_of] if repeats.size else a
    # Squares must neither overflow nor vanish, in float32 too; a power of two changes no digit.
    size = max(float(np.abs(a).max()), float(np.abs(x).max()))
    unit = 1.0 if 1e-10 < size < 1e10 else 2.0 ** math.frexp(size)[1]
    if unit != 1.0:
        x, a = x / np.float64(unit), a / np.float64(unit)
    mean = a.mean(axis=0, dtype=np.float64)
    centred = np.empty(a.shape, dtype=np.float32)
    np.subtract(a, mean, out=centred, casting="same_kind")
    half = (np.einsum("nd,nd->n", centred, centred, dtype=np.float64) / 2).astype(np.float32)
    rows = block_rows(len(a), a.shape[1], int(memory))
    most = min(3, len(a))
    squared, index = np.empty((len(x), most)), np.empty((len(x), most), dtype=np.int64)
    for i in range(0, len(x), rows):
        squared[i : i + rows], index[i : i + rows] = _block(x[i : i + rows], a, mean, centred, half)
        if report is not None:
            report(min(i + rows, len(x)), len(x))
    distances = unit * np.sqrt(squared)
    # Two different points have distance 0 only where the rounding of all is larger: then nothing can be said.
    ratio = np.divide(distances[:, 0], distances[:, 1], out=np.ones(len(x)), where=distances[:, 1] > 0)
    third = distances[:, 2] if most == 3 else np.full(len(x), np.inf)
    return Neighbours(distances[:, :2], rows_of[index[:, :2]], ratio, third, repeats)


def wilson(count: int, total: int, level: float) -> tuple[float, float]:
    """Wilson confidence interval of a probability from `count` successes in `total` trials."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = count / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, centre - half) if count else 0.0, min(1.0, centre + half) if count < total else 1.0


def fraction_of(near: Neighbours, k: float = 1 / 3, *, level: float = 0.95) -> MemorisedFraction:
    """f_mem at one threshold from neighbours found before, see `memorised_fraction`."""
    count, total = int(np.count_nonzero(near.ratio < k)), len(near.ratio)
    pairs = int(np.count_nonzero((near.ratio >= k) & (near.distances[:, 1] < k * near.third)))
    return MemorisedFraction(count / total, wilson(count, total, level), count, total, k, level,
                             near.repeats.size, pairs)  # fmt: skip


def memorised_fraction(
    samples: Real[np.ndarray, "N d"] | list,
    train: Real[np.ndarray, "n d"] | list,
    *,
    k: float = 1 / 3,
    level: float = 0.95,
    memory: int = 2**28,
) -> MemorisedFraction:
    """f_mem = P(|x - a1| / |x - a2| < k), with a1, a2 the nearest and second nearest training points of a sample x.

    Eq. 6 of Bonnaire et al. 2025, after Yoon et al. 2023 and Gu et al. 2023; L2 distance in data space.

    Args:
        samples: N generated points.
        train: n >= 2 training points.
        k: threshold of the ratio, in (0, 1).
        level: confidence level of the interval, in (0, 1).
        memory: as for `nearest`.

    Returns:
        MemorisedFraction. The interval is Wilson's. Resampling N independent yes/no outcomes, as the paper's 1000
        bootstraps do, draws from the binomial law Bin(N, f_mem), whose interval has a closed form; and at f_mem = 0,
        where every resample is 0 again and the bootstrap claims certainty, this one has its proper width, z^2 / N.
        It holds for this training set; another draw of the training set is another f_mem. A warning says when
        training points are there twice, nearly coincide, or lie in another data space than the samples ([-1, 1],
        0 ... 255, centred).

    Raises:
        InputError: as for `nearest`; k or level outside (0, 1).

    Example:
        >>> import numpy as np
        >>> from rfscore.memorization import memorised_fraction
        >>> rng = np.random.default_rng(0)
        >>> train, new = rng.normal(size=(200, 20)), rng.normal(size=(75, 20))
        >>> copies = train[:25] + 0.01 * rng.normal(size=(25, 20))
        >>> f = memorised_fraction(np.concatenate([copies, new]), train)
        >>> f"{f.value} in [{f.interval[0]:.3f}, {f.interval[1]:.3f}]"
        '0.25 in [0.175, 0.343]'
    """
    return _fraction(samples, train, k, level, memory)[0]


def _fraction(samples: Any, train: Any, k: Any, level: Any, memory: int) -> tuple[MemorisedFraction, Neighbours]:
    for name, value in (("k", k), ("level", level)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
            raise bad(name, value, "a number in (0, 1)")
    near = nearest(samples, train, memory=memory)
    warn_of_mismatch(samples, train, stacklevel=4)
    found = fraction_of(near, float(k), level=float(level))
    repeats, pairs, total = found.repeats, found.near_pairs, found.samples
    if repeats:
        listed = ", ".join(map(str, near.repeats[:NAMED])) + ", ..." * (repeats > NAMED)
        warnings.warn(f"{repeats} of {len(train)} training points are equal to an earlier one (rows {listed}): "
                      "each counts once", UserWarning, stacklevel=3)  # fmt: skip
    if pairs > NEAR_PAIRS * total and np.shape(samples)[1] > 2:
        warnings.warn(f"{pairs} of {total} samples are near two training points that nearly coincide, where f_mem sees "
                      "no copy: drop near-duplicates from the training set", UserWarning, stacklevel=3)  # fmt: skip
    return found, near


def chance_level(
    held_out: Real[np.ndarray, "N d"] | list,
    train: Real[np.ndarray, "n d"] | list,
    k: float = 1 / 3,
    *,
    level: float = 0.95,
    memory: int = 2**28,
) -> MemorisedFraction:
    """f_mem of real points that were not trained on: what a perfect generator would score.

    About k^D where the data have a smooth density on a manifold of dimension D (the volumes of the balls that reach
    the two nearest of many points have a uniform ratio); 0.0042 for CelebA faces at 32 x 32.

    Args:
        held_out: N points of the population, none of them in `train`.
        train: n >= 2 training points.
        k: threshold of the ratio, in (0, 1).
        level: confidence level of the interval, in (0, 1).
        memory: as for `nearest`.

    Returns:
        MemorisedFraction; a generator memorises when its f_mem is above this interval.

    Raises:
        InputError: as for `memorised_fraction`.

    Example:
        >>> import numpy as np
        >>> from rfscore.memorization import chance_level
        >>> rng = np.random.default_rng(0)
        >>> f = chance_level(rng.uniform(size=(4_000, 2)), rng.uniform(size=(40_000, 2)))
        >>> f"{f.value:.3f} +- {(f.interval[1] - f.interval[0]) / 2:.3f}, k^2 = {1 / 9:.3f}"
        '0.112 +- 0.010, k^2 = 0.111'
    """
    found, near = _fraction(held_out, train, k, level, memory)
    known = near.distances[:, 0] == 0
    if known.any():
        warnings.warn(f"{int(known.sum())} of {len(known)} held-out points are training points, e.g. row "
                      f"{int(np.argmax(known))}: the chance level is too high", UserWarning, stacklevel=2)  # fmt: skip
    return found
