"""What the oracle hands back: numbers that carry their own error estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpmath import mp

#: Working digits beyond the requested ones, in the two runs whose difference is the error estimate.
GUARD = (10, 16)


@dataclass(frozen=True)
class Number:
    """A real or complex value with an estimate of its absolute error.

    Attributes:
        value: mpf or mpc.
        error: absolute; the difference of two working precisions (and node counts, where there is a quadrature).
    """

    value: Any
    error: Any

    def __float__(self) -> float:
        return float(self.value)

    def __complex__(self) -> complex:
        return complex(self.value)

    @property
    def digits(self) -> float:
        """Number of correct significant digits the error estimate promises."""
        if self.error == 0:
            return float(mp.dps)
        return float(-mp.log10(self.error / abs(self.value))) if self.value else 0.0


@dataclass(frozen=True)
class OnePoint:
    r"""Solution of the one-point equations at z (theory of Bonnaire et al. 2025, Theorem 3.1).

    Attributes:
        z: spectral point.
        q: (1/p) Tr (U - z)^{-1}.
        delta: (1/n) Tr C (U - z)^{-1} with C the covariance of a feature column.
        r: (1/p) Tr Sigma^{1/2} W^T (U - z)^{-1} W Sigma^{1/2} / d.
        s: (1/p) Tr W^T (U - z)^{-1} W / d.
        error: largest relative error of the four, from two working precisions.
        status: "upper half-plane", "gap" or "bulk": what was proved of the branch.
    """

    z: Any
    q: Any
    delta: Any
    r: Any
    s: Any
    error: Any
    status: str


@dataclass(frozen=True)
class Edges:
    """Support of the spectrum of U.

    Attributes:
        values: edges of the continuous part, ascending; an even number of them.
        errors: one absolute error per edge.
        atom: (location, mass) of the atom at s2, or None.
    """

    values: tuple[Any, ...]
    errors: tuple[Any, ...]
    atom: tuple[Any, Any] | None

    @property
    def bulks(self) -> tuple[tuple[Any, Any], ...]:
        """(left, right) of every interval of the support."""
        return tuple(zip(self.values[::2], self.values[1::2], strict=True))


@dataclass(frozen=True)
class Losses:
    """Training, test and score error at one training time, with the largest absolute error of the three."""

    tau: Any
    train: Any
    test: Any
    score_error: Any
    error: Any


def verified(function: Callable[[int], Any], dps: int) -> Number:
    """`function(digits)` at two working precisions: the better value and the difference as its error."""
    coarse, fine = (function(dps + guard) for guard in GUARD)
    with mp.workdps(dps + GUARD[1]):
        error = abs(fine - coarse) + abs(fine) * mp.mpf(10) ** (-dps - GUARD[0])
    return Number(fine, error)
