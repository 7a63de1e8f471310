"""Numbers and facts of the page as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rfscore._provenance import git_state, versions
from rfscore.report.numbers import num
from rfscore.validation.evidence import Comparison

if TYPE_CHECKING:
    from rfscore.validation.lab import Lab
    from rfscore.validation.runner import Result


def measured(x: Comparison) -> str:
    """The value with its uncertainty, which is left out where it does not reach the last digit: 0.603 ± 0.003.

    Example:
        >>> from rfscore.validation import Comparison
        >>> from rfscore.validation.words import measured, wanted
        >>> x = Comparison("exponent", -0.6031, -0.62, -0.56, 0.003, "spacing")
        >>> measured(x), wanted(x), wanted(Comparison("share", 0.97, low=0.9))
        ('-0.6031 ± 0.003', '-0.59 ± 0.03', '≥ 0.9')
        >>> measured(Comparison("edge", 9.83588, 9.5, 10.5, 1e-9, "solver"))
        '9.836'
    """
    value = num(x.value, 4)
    return value if x.error < 0.5e-4 * abs(x.value) or x.error == 0 else f"{value} ± {num(x.error, 1)}"


def wanted(x: Comparison) -> str:
    """Where the statement puts the value; "" when it says nothing."""
    if math.isfinite(x.low) and math.isfinite(x.high):
        centre, half = 0.5 * (x.low + x.high), 0.5 * (x.high - x.low)
        return f"{_short(centre, half)} ± {_short(half, digits=3)}"
    if math.isfinite(x.high):
        return f"≤ {_short(x.high, digits=4)}"
    return f"≥ {_short(x.low, digits=4)}" if math.isfinite(x.low) else ""


def _short(value: float, grain: float = 0.0, digits: int = 6) -> str:
    """A number without trailing zeros; what is below a millionth of the tolerance is roundoff."""
    if abs(value) < 1e-6 * grain:
        return "0"
    text = f"{value:.{digits}g}"
    return num(value, 2) if "e" in text else text


def meta(results: Sequence[Result], lab: Lab, seconds: float) -> str:
    """What made the page."""
    found, state = versions(), git_state()
    kept = ("rfscore", "python", "numpy", "scipy", "jax")
    names = ", ".join(f"{name} {found[name]}" for name in kept if found.get(name))
    changed = " with changes" if state["changed"] else ""
    commit = "" if state["commit"] is None else f" Commit {state['commit'][:10]}{changed}."
    work = sum(r.seconds for r in results)
    return (
        f"{len(results)} claims, checked on {datetime.now(UTC):%Y-%m-%d} in {seconds / 60:.1f} minutes "
        f"({work / 60:.1f} minutes of checks, two at a time), seed {lab.seed}. {names}.{commit} "
        "Numbers: claims.json. Provenance: manifest.json."
    )
