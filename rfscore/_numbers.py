"""Numbers, and nothing that merely converts to one: text, truth values and None are refused."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from rfscore.errors import bad

#: What random numbers are drawn from.
Seed = int | np.integer | np.random.SeedSequence | np.random.Generator


def number(name: str, value: Any, admissible: str) -> float:
    """`value` as a float: a real number of Python, NumPy or JAX, the last also as an array of shape ().

    Raises:
        InputError: anything else, "8" and True among it.
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return float(value)
    if getattr(value, "shape", None) == () and np.asarray(value).dtype.kind in "iuf":
        return float(value)
    raise bad(name, value, admissible)


def generator(seed: Any) -> np.random.Generator:
    """The generator of a seed; a Generator is returned as it is, to be advanced.

    Raises:
        InputError: text, truth values, fractions, negative numbers.
    """
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0
    if not (whole or isinstance(seed, np.random.SeedSequence | np.random.Generator)):
        raise bad("seed", seed, "a whole number >= 0, a SeedSequence or a Generator")
    return np.random.default_rng(seed)


def reals(name: str, value: Any, admissible: str) -> np.ndarray:
    """`value` as a float64 array, from real numbers only.

    Raises:
        InputError: text, truth values, complex numbers, ragged lists.
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise bad(name, value, admissible) from error
    if array.size == 0 and array.dtype == np.float64:  # an empty list holds nothing that is wrong
        return array
    if array.dtype.kind not in "iuf":
        raise bad(name, value, admissible)
    return array.astype(np.float64)
