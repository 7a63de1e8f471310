"""Two sets of data that are compared must lie in one space: bytes, [0, 1], [-1, 1], centred or standardised."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

#: Rows that are looked at.
_ROWS = 2000
#: Distance in mean and spread above which two sets differ, and below which a change of scale makes them alike.
_APART, _ALIKE = 0.1, 0.5
#: Largest difference of two spreads of the same images, in logarithms.
_SAME = 0.08


class _Facts(NamedTuple):
    low: float
    high: float
    mean: float
    spread: float
    #: Root mean square about the mean of each entry, as subtracting a mean image leaves it.
    centred: float

    def within(self, low: float, high: float) -> bool:
        slack = 0.15 * (high - low)
        return self.low >= low - slack and self.high <= high + slack

    @property
    def scale(self) -> str:
        """The scale of grey values these look like; of [0, 1] or [-1, 1] only if there are values on both halves."""
        if self.high > 1000 and self.within(0, 65535):
            return "0 ... 65535"
        if self.high > 50 and self.within(0, 255):
            return "0 ... 255"
        if self.high > 0.3 and self.within(0, 1):
            return "[0, 1]"
        if self.within(-1, 1) and self.low < -0.7 and self.high > 0.7:
            return "[-1, 1]"
        return ""


def scale_of(points: np.ndarray) -> str:
    """The scale of grey values that points look like: "0 ... 255", "[0, 1]", "[-1, 1]" ...; empty if none."""
    return _facts(points).scale


def _facts(points: np.ndarray) -> _Facts:
    rows = points[:: -(-len(points) // _ROWS)].reshape(-1, math.prod(points.shape[1:])).astype(np.float64)
    return _Facts(float(rows.min()), float(rows.max()), float(rows.mean()), float(rows.std()),
                  float(np.sqrt(np.mean((rows - rows.mean(axis=0)) ** 2))))  # fmt: skip


#: Half the width of each scale, and its middle.
_STEPS = {"0 ... 65535": (32767.5, 32767.5), "0 ... 255": (127.5, 127.5), "[0, 1]": (0.5, 0.5), "[-1, 1]": (1.0, 0.0)}


def _distance(mean: float, spread: float, other: _Facts) -> float:
    return math.hypot(math.log(spread / other.spread), (mean - other.mean) / other.spread)


def _shifted(one: _Facts, images: _Facts) -> str:
    """Whether `one` are images like `images`, but centred or standardised."""
    if not images.scale or abs(one.mean) > 0.1 * one.spread:
        return ""
    for width, _ in _STEPS.values():
        factor = width / _STEPS[images.scale][0]
        for spread in (images.spread, images.centred):
            if spread > 0 and abs(math.log(one.spread / (factor * spread))) < _SAME:
                return "centred"
    return "standardised" if abs(math.log(one.spread)) < _SAME else ""


def mismatch(samples: Any, reference: Any, names: tuple[str, str] = ("samples", "train")) -> str:
    """In words how two sets of images lie in different spaces, with the remedy; empty when nothing tells so.

    Only a difference that a known change of scale removes is named: a bad generator may be anywhere.

    Example:
        >>> import numpy as np
        >>> from rfscore._spaces import mismatch
        >>> images = np.random.default_rng(0).uniform(size=(50, 64))
        >>> mismatch(images[:25], images[25:]), mismatch(2 * images[:25] - 1, images[25:])
        ('', 'samples lie in [-1, 1], train in [0, 1]: bring both to one scale')
    """
    first, second = np.asarray(samples), np.asarray(reference)
    if first.size == 0 or second.size == 0 or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return ""
    a, b = _facts(first), _facts(second)
    if a.spread == 0 or b.spread == 0 or _distance(a.mean, a.spread, b) < _APART:
        return ""
    if a.scale and b.scale and a.scale != b.scale:
        (scale, shift), (to_scale, to_shift) = _STEPS[a.scale], _STEPS[b.scale]
        factor = to_scale / scale
        if _distance(factor * (a.mean - shift) + to_shift, factor * a.spread, b) < _ALIKE:
            return f"{names[0]} lie in {a.scale}, {names[1]} in {b.scale}: bring both to one scale"
    for one, other, name, images in ((a, b, names[0], names[1]), (b, a, names[1], names[0])):
        how = _shifted(one, other)
        if how:
            return f"{name} are {how}, {images} lie in {other.scale}: undo it with the constants it was done with"
    return ""


def warn_of_mismatch(
    samples: Any, reference: Any, names: tuple[str, str] = ("samples", "train"), *, stacklevel: int = 3
) -> None:
    """Warn where `mismatch` finds one: distances between such sets mean nothing."""
    found = mismatch(samples, reference, names)
    if found:
        warnings.warn(f"two data spaces in one comparison: {found}", UserWarning, stacklevel=stacklevel)
