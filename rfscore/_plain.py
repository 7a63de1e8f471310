"""Plain data: results and problems as what JSON can hold, with no NaN token and no address of an object."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from rfscore.errors import InputError


def to_plain(value: Any) -> Any:
    """Turn dataclasses, arrays and scalars into dicts, lists, numbers, strings and None.

    NaN and infinities become None, because JSON has neither: an array of numbers holds numbers and null, whoever reads
    it (docs/times.md says which null is an infinite time); complex numbers become {"re": ..., "im": ...}; a dataclass
    gains its class name under "kind"; a function becomes "module:name".

    Example:
        >>> import rfscore as rf
        >>> from rfscore._plain import to_plain
        >>> to_plain(rf.Isotropic(2.0)), to_plain(float("nan")), to_plain(float("inf"))
        ({'kind': 'Isotropic', 'sigma2': 2.0}, None, None)
    """
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if isinstance(value, complex | np.complexfloating):
        return {"re": to_plain(value.real), "im": to_plain(value.imag)}
    return _container_to_plain(value)


def _container_to_plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return to_plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    if callable(value):
        named = value if hasattr(value, "__qualname__") else type(value)
        return f"{named.__module__}:{named.__qualname__}"
    if hasattr(value, "__array__"):  # NumPy and JAX arrays
        array = np.asarray(value)
        if array.dtype != object:
            return to_plain(array.tolist())
    raise InputError(f"{type(value).__name__} cannot be written as JSON: expected numbers, text, arrays or dataclasses")


def to_json(value: Any) -> str:
    """`value` as strict, indented JSON text that ends in a newline, letters as they are where UTF-8 has them."""
    plain = to_plain(value)
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # a path that is not UTF-8
        text = json.dumps(plain, indent=2, allow_nan=False)
    return text + "\n"
