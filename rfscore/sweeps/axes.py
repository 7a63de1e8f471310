"""Values of one axis from a short text or a list: `1:64:100:log`, `0:9:10`, `4,8,16`, `tanh,erf`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rfscore.errors import bad

Value = float | int | str
#: Names whose values are whole numbers, and those whose values are words.
WHOLE = ("d", "seed")
WORDS = ("population", "activation", "process", "target", "features")
_FORMS = "low:high:count (even steps), low:high:count:log, or values separated by commas"
_LARGEST = 100_000


def parse(name: str, text: Any) -> tuple[Value, ...]:
    """The values of one axis.

    Args:
        name: what varies; decides whether values are numbers, whole numbers or words.
        text: `low:high:count`, `low:high:count:log`, comma-separated values, one value, or a list of values. Words that
            hold commas (`atoms:0.5,1.5`) are separated by semicolons.

    Returns:
        The values, in the order given; ranges include both ends.

    Raises:
        InputError: not a number, an empty or repeated list, a range that does not ascend or has no count.

    Example:
        >>> from rfscore.sweeps import axes
        >>> axes.parse("psi_n", "1:64:4:log"), axes.parse("seed", "0:2:3")
        ((1.0, 4.0, 16.0, 64.0), (0, 1, 2))
    """
    values: list[Any]
    if isinstance(text, str) and name not in WORDS and ":" in text:
        values = _range(name, text)
    elif isinstance(text, str):
        holds_commas = name in ("population", "process") and ":" in text
        values = [part.strip() for part in (text.split(";") if holds_commas else text.replace(";", ",").split(","))]
    elif isinstance(text, Sequence | np.ndarray):
        values = list(text)
    else:
        values = [text]
    if not values:
        raise bad(name, text, "at least one value")
    found = tuple(one(name, value) for value in values)
    if len(set(found)) < len(found):
        raise bad(name, text, "values that differ", "drop the repeated ones")
    return found


def one(name: str, value: Any) -> Value:
    """One value, as a number, whole number or word by its name; settings of a config ("data.n") keep their type."""
    if name in WORDS:
        if not isinstance(value, str):
            raise bad(name, value, "text")
        return value
    if "." in name:
        return _setting(name, value)
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise bad(name, value, _FORMS) from error
    if isinstance(value, bool | np.bool_):
        raise bad(name, value, _FORMS)
    if name in WHOLE:
        if number != int(number) or number < 0:
            raise bad(name, value, "a whole number >= 0")
        return int(number)
    return number


def _setting(name: str, value: Any) -> Value:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise bad(name, value, "a number or text")
    for kind in (int, float):
        try:
            return kind(value) if isinstance(value, str) else value
        except ValueError:
            continue
    return value


def _range(name: str, text: str) -> list[float]:
    parts = text.split(":")
    spacing = parts[3] if len(parts) == 4 else "lin"
    if len(parts) not in (3, 4) or spacing not in ("lin", "log"):
        raise bad(name, text, _FORMS)
    try:
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
    except ValueError as error:
        raise bad(name, text, _FORMS) from error
    if not (np.isfinite(low) and np.isfinite(high) and low < high and 2 <= count <= _LARGEST):
        raise bad(name, text, f"low < high and a count in [2, {_LARGEST}]", _FORMS)
    if spacing == "log" and low <= 0:
        raise bad(name, text, "low > 0 on a logarithmic axis")
    grid = np.geomspace(low, high, count) if spacing == "log" else np.linspace(low, high, count)
    # Twelve digits: a grid asked for on two machines is the same grid.
    return [float(f"{value:.12g}") for value in grid]
