"""Option values that are more than a number: a grid of training times."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rfscore.errors import bad


def times(low: float | None, high: float | None, points: int, defaults: tuple[float, float]) -> Float[np.ndarray, " T"]:
    """0, a geometric grid between tau-min and tau-max, and infinity."""
    start, stop = defaults[0] if low is None else low, defaults[1] if high is None else high
    if not 0 < start < np.inf:
        raise bad("--tau-min", start, "a finite training time > 0")
    if not start < stop < np.inf:
        remedy = "" if low is not None else "--tau-min is its default here: give it as well"
        raise bad("--tau-max", stop, f"a finite training time > --tau-min = {start:g}", remedy)
    if not 3 <= points <= 100_000:
        raise bad("--points", points, "a whole number in [3, 100000]")
    return np.concatenate([[0.0], np.geomspace(start, stop, points), [np.inf]])
