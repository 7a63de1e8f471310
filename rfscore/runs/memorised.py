"""Are these copies? Samples of any program against their training images, with chance level and evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from rfscore._spaces import mismatch
from rfscore.data.points import SCALES, Points, in_grey
from rfscore.errors import bad
from rfscore.memorization import MemorisedFraction, Neighbours, fraction_of, nearest

#: Thresholds of the gap ratio: the paper's 1/3, and the two of its robustness check.
THRESHOLDS = (1 / 4, 1 / 3, 1 / 2)
#: Training images that are held against the others for the chance level, at most; and their largest share.
HELD_OUT, SHARE = 2000, 10
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Copies:
    """What was found.

    Attributes:
        fractions: f_mem at each of `THRESHOLDS`.
        chance: the same of real images that were not trained on.
        ratio: (N,) distance to the nearest over that to the second nearest different training image.
        index: (N, 2) their rows in the training set.
        repeats: rows of the training set that are equal to an earlier one; each counts once.
        notes: how the input was read, and what to know.
    """

    fractions: tuple[MemorisedFraction, ...]
    chance: tuple[MemorisedFraction, ...]
    ratio: Float[np.ndarray, " N"]
    index: Int[np.ndarray, "N 2"]
    repeats: Int[np.ndarray, " r"]
    notes: tuple[str, ...] = ()

    @property
    def suspicious(self) -> Int[np.ndarray, " N"]:
        """Samples by their ratio, the likeliest copies first."""
        return np.argsort(self.ratio, kind="stable")

    @property
    def verdict(self) -> str:
        """One sentence: whether f_mem at k = 1/3 is above its chance level."""
        found, chance = self.fractions[1], self.chance[1]
        words = f"f_mem = {found.value:.4g} [{found.interval[0]:.3g}, {found.interval[1]:.3g}] at k = 1/3, chance " \
                f"level {chance.value:.3g} [{chance.interval[0]:.3g}, {chance.interval[1]:.3g}]"  # fmt: skip
        if found.interval[0] > chance.interval[1]:
            return f"copies: {words}"
        if found.interval[1] <= chance.interval[1]:
            return f"no more copies than chance: {words}"
        return f"not decided by {found.samples} samples: {words}"


def find_copies(
    samples: Points, train: Points, *, held_out: Points | None = None, flips: bool = False, shift: int = 0,
    memory: int = 2**28, report: Report = lambda words, done, total: None,
) -> Copies:  # fmt: skip
    """The gap ratio of every sample, f_mem at three thresholds, and what chance alone would give.

    Args:
        samples: as `rfscore.data.points.load_points` gives them.
        train: the training images.
        held_out: real images that were not trained on, for the chance level; without, up to a tenth of the training
            images (at most 2000) are held against the others.
        flips: also compare the mirrored samples.
        shift: also compare samples moved by up to so many pixels in each direction; edges are repeated.
        memory: bytes for the temporary arrays of a block.
        report: called with what is being done, and how far it is.

    Returns:
        Copies. With flips or shifts the best variant of each sample counts, for the chance level too.

    Raises:
        InputError: different sizes, or scales that cannot be brought to one.
    """
    a, b, notes = _alike(samples, train)
    if (flips or shift) and a.ndim != 4:
        raise bad("flips and shifts", f"points of shape {a.shape[1:]}", "images", "rows have no neighbouring pixels")
    if shift < 0 or (shift and shift >= min(a.shape[1:3])):
        raise bad("shift", shift, "a number of pixels >= 0, below the size of the images")
    flat = b.reshape(len(b), -1)
    near = _best(a, flat, flips, shift, memory, lambda i, n: report("comparing samples", i, n))
    fractions = tuple(fraction_of(near, k) for k in THRESHOLDS)
    if held_out is None:
        rng = np.random.default_rng(0)
        first = np.setdiff1d(np.arange(len(b)), near.repeats)
        count = min(HELD_OUT, len(first) // SHARE)
        if count < 20:
            raise bad("training images", len(first), f"at least {20 * SHARE} for a chance level of their own",
                      "give real images that were not trained on as held_out")  # fmt: skip
        out = rng.choice(first, count, replace=False)
        real, rest = b[out], np.delete(flat, np.union1d(out, near.repeats), axis=0)
        notes.append(f"chance level from {count} training images held against the other {len(rest)}")
    else:
        real, same, more = _alike(held_out, train)
        rest, notes = same.reshape(len(same), -1), [*notes, *more]
    other = _best(real, rest, flips, shift, memory, lambda i, n: report("chance level", i, n))
    chance = tuple(fraction_of(other, k) for k in THRESHOLDS)
    return Copies(fractions, chance, near.ratio, near.index, near.repeats, tuple(notes))


def _best(
    points: Float32[np.ndarray, "N ..."], train: Float32[np.ndarray, "n d"], flips: bool, shift: int, memory: int,
    report: Callable[[int, int], None],
) -> Neighbours:  # fmt: skip
    """Neighbours of the variant of each point that has the smallest ratio."""
    moves = [(i, j) for i in range(-shift, shift + 1) for j in range(-shift, shift + 1)]
    variants = [(mirrored, move) for mirrored in (False, True)[: 1 + flips] for move in sorted(moves, key=_length)]
    total = len(points) * len(variants)
    found = None
    for k, (mirrored, move) in enumerate(variants):
        moved = _moved(points, mirrored, move)
        near = nearest(moved.reshape(len(moved), -1), train, memory=memory,
                       report=lambda i, n, k=k: report(k * n + i, total))  # type: ignore[misc]  # fmt: skip
        if found is None:
            found = near
        else:
            better = near.ratio < found.ratio
            for name in ("distances", "index", "ratio", "third"):
                getattr(found, name)[better] = getattr(near, name)[better]
    assert found is not None  # there is always the point itself
    return found


def _length(move: tuple[int, int]) -> int:
    return abs(move[0]) + abs(move[1])


def _moved(images: np.ndarray, mirrored: bool, move: tuple[int, int]) -> np.ndarray:
    moved = images[:, :, ::-1] if mirrored else images
    if move == (0, 0):
        return moved
    h, w = images.shape[1:3]
    rows, columns = (np.clip(np.arange(size) - by, 0, size - 1) for size, by in zip((h, w), move, strict=True))
    return moved[:, rows][:, :, columns]


def _alike(samples: Points, train: Points) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Both sets in one space, and what was done for it."""
    a, b, notes = samples.values, train.values, []
    if bool(samples.scale) != bool(train.scale):
        known, which = (train, "samples") if train.scale else (samples, "training images")
        low, high = SCALES[known.scale]
        back = known.values * np.float32(high - low) + np.float32(low)
        wrong = mismatch(a if known is train else back, back if known is train else b, ("samples", "training images"))
        if wrong:
            raise bad("scales", f"{which} of no known scale", "one scale", wrong)
        a, b = (a, back) if known is train else (back, b)
        notes.append(f"{which} are of no known scale: taken to be in that of the others, {known.scale}")
    if a.ndim == b.ndim == 4 and a.shape[3] != b.shape[3]:
        notes.append("grey held against colour: the colours were turned to grey")
        a, b = (in_grey(x) if x.shape[3] == 3 else x for x in (a, b))
    if a.ndim != b.ndim:
        image, rows = (b, a) if b.ndim == 4 else (a, b)
        if image.ndim == 4 and image.shape[3] == 3:
            raise bad("shapes", [a.shape, b.shape], "both images, or both rows", "rows of colour images do not say "
                      "their order: save them as (N, h, w, 3) or (N, 3, h, w)")  # fmt: skip
        a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
        if rows.shape[1] != a.shape[1] or a.shape[1] != b.shape[1]:
            raise bad("shapes", [samples.values.shape, train.values.shape], "points of one dimension")
    if a.shape[1:] != b.shape[1:]:
        raise bad("shapes", [a.shape[1:], b.shape[1:]], "samples and training images of one size",
                  "give size for pictures, or save both at one size")  # fmt: skip
    wrong = mismatch(a.reshape(len(a), -1), b.reshape(len(b), -1), ("samples", "training images"))
    if wrong:
        raise bad("data spaces", "two in one comparison", "one", wrong)
    return a, b, notes
