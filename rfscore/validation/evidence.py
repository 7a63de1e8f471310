"""What a check leaves: numbers beside the range they must lie in. The verdict follows from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from rfscore.errors import bad

#: printed: the statement as the paper has it; corrected: as it should read; more: measured, but not judged.
Form = Literal["printed", "corrected", "more"]


class Verdict(StrEnum):
    """What can be said of a claim."""

    REPRODUCED = "reproduced"
    CORRECTED = "reproduced with a correction"
    FAILED = "not reproduced"
    UNTESTED = "not testable here"

    @property
    def held(self) -> bool:
        """Whether the claim stands, possibly corrected."""
        return self in (Verdict.REPRODUCED, Verdict.CORRECTED)


class NotTestable(Exception):
    """Raised by a check that lacks something; the message says what, and is printed as the reason.

    Args:
        reason: why.
        runs: True when runs of networks are what is missing, which an installed package does not carry.
    """

    def __init__(self, reason: str, *, runs: bool = False) -> None:
        super().__init__(reason)
        self.runs = runs


@dataclass(frozen=True)
class Comparison:
    """One measured number, its uncertainty, and where the statement puts it.

    Attributes:
        what: what was measured, in words.
        value: the number.
        low: smallest value that agrees with the statement; -inf when there is none.
        high: largest value that agrees.
        error: uncertainty of the value, same unit; 0 for a count or an identity.
        source: what the uncertainty is: "solver", "roundoff", "2 standard errors over 8 seeds", ...
        form: which statement it tests.
    """

    what: str
    value: float
    low: float = -math.inf
    high: float = math.inf
    error: float = 0.0
    source: str = "exact"
    form: Form = "printed"

    def __post_init__(self) -> None:
        """A comparison that could not fail would be none."""
        if self.form != "more" and not (self.low <= self.high and (self.low > -math.inf or self.high < math.inf)):
            raise bad(f"range of {self.what!r}", [self.low, self.high], "an interval with at least one finite end")
        if not self.error >= 0:
            raise bad(f"uncertainty of {self.what!r}", self.error, "a number >= 0")

    @property
    def holds(self) -> bool:
        """Whether the value lies where the statement puts it (NaN does not)."""
        return self.low <= self.value <= self.high

    @property
    def decided(self) -> bool:
        """Whether the uncertainty is small enough to tell.

        A value inside an interval needs an uncertainty of at most half its width; a value outside, or one with a
        single bound, one of at most its distance from the bound. A NaN that comes out of a check is a failure, not a
        doubt.
        """
        if math.isnan(self.value):
            return True
        if self.holds and self.low > -math.inf and self.high < math.inf:
            return self.error <= 0.5 * (self.high - self.low)
        return self.error <= min(abs(self.value - x) for x in (self.low, self.high) if math.isfinite(x))


def judge(evidence: Sequence[Comparison]) -> tuple[Verdict, str]:
    """The verdict, and the reason where the numbers do not decide.

    Reproduced when every comparison with the printed statement holds; with a correction when one fails and every
    comparison with the corrected statement holds.

    Raises:
        InputError: nothing was compared with the printed statement.

    Example:
        >>> from rfscore.validation import Comparison, judge
        >>> printed = Comparison("sum of the masses", 1.25, 0.99, 1.01)
        >>> fixed = Comparison("the same with 1/d", 1.0, 0.99, 1.01, form="corrected")
        >>> print(judge([printed])[0], "|", judge([printed, fixed])[0])
        not reproduced | reproduced with a correction
    """
    printed = [x for x in evidence if x.form == "printed"]
    corrected = [x for x in evidence if x.form == "corrected"]
    if not printed:
        raise bad("evidence", [x.what for x in evidence], "at least one comparison with the printed statement")
    open_ = [x for x in (*printed, *corrected) if not x.decided]
    if open_:
        first = open_[0]
        return Verdict.UNTESTED, (
            f"the uncertainty of “{first.what}” ({first.error:.2g}, {first.source}) is larger than what would decide"
        )
    if all(x.holds for x in printed):
        return Verdict.REPRODUCED, ""
    if corrected and all(x.holds for x in corrected):
        return Verdict.CORRECTED, ""
    return Verdict.FAILED, ""


def telling(found: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons that their uncertainty decides; the others stay as numbers that are not judged.

    For claims on several groups of runs: one that cannot tell does not keep the others from telling. When none decides,
    all stay as they are, and the verdict says so.
    """
    if not any(x.form != "more" and x.decided for x in found):
        return list(found)
    return [x if x.form == "more" or x.decided else more(f"cannot tell: {x.what}", x.value, x.error, x.source)
            for x in found]  # fmt: skip


def near(
    what: str, value: float, target: float, tolerance: float, error: float = 0.0, source: str = "exact",
    form: Form = "printed",
) -> Comparison:  # fmt: skip
    """value = target within an absolute tolerance."""
    return Comparison(what, float(value), target - tolerance, target + tolerance, float(error), source, form)


def below(
    what: str, value: float, bound: float, error: float = 0.0, source: str = "exact", form: Form = "printed"
) -> Comparison:
    """value <= bound."""
    return Comparison(what, float(value), high=bound, error=float(error), source=source, form=form)


def above(
    what: str, value: float, bound: float, error: float = 0.0, source: str = "exact", form: Form = "printed"
) -> Comparison:
    """value >= bound."""
    return Comparison(what, float(value), low=bound, error=float(error), source=source, form=form)


def more(what: str, value: float, error: float = 0.0, source: str = "exact") -> Comparison:
    """A number that says more than the statement, and is not judged."""
    return Comparison(what, float(value), error=float(error), source=source, form="more")
