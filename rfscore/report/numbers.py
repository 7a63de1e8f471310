"""Numbers as text: few digits, honest about what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def num(value: float, digits: int = 3) -> str:
    """A number to a few significant digits: 0.0135, 2200, 4.9·10^5, or a dash where there is none.

    Example:
        >>> from rfscore.report.numbers import num
        >>> num(0.013574), num(2204.4), num(491522.9), num(float("nan"))
        ('0.0136', '2200', '4.92·10^5', '–')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if -4 <= exponent < 5:
        return f"{float(f'{value:.{digits - 1}e}'):.{max(0, digits - 1 - exponent)}f}"
    return f"{value / 10.0**exponent:.{digits - 1}f}·10^{exponent}"


def percent(value: float) -> str:
    """A fraction as a percentage to two digits."""
    return f"{num(100 * value, 2)} %"


def spread(values: np.ndarray, digits: int = 3) -> str:
    """Mean ± standard error over runs; says how many had no value."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return "none"
    text = num(float(known.mean()), digits)
    if known.size > 1:
        text += f" ± {num(float(known.std(ddof=1) / np.sqrt(known.size)), 2)}"
    return text if known.size == values.size else f"{text} ({known.size} of {values.size} runs)"


def listed(items: Sequence[str]) -> str:
    """a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def span(values: Sequence[float]) -> str:
    """a to b."""
    return f"{num(min(values))} to {num(max(values))}"
