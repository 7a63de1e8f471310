"""Arrays that took long to compute, kept in paper_figs/.cache by their inputs and by the code that made them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from paper_figs.job import HERE, ROOT
from rfscore._plain import to_json
from rfscore.output import write_bytes

FOLDER = HERE / ".cache"
Arrays = dict[str, np.ndarray]


@cache
def code_version(*patterns: str) -> str:
    """Checksum of the sources that decide a result, e.g. code_version("rfscore/finite/*.py")."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def kept(kind: str, inputs: Mapping[str, Any], code: str, compute: Callable[[], Arrays]) -> Arrays:
    """The arrays `compute` makes, read back when the same inputs and code made them before.

    Args:
        kind: first part of the file's name.
        inputs: all that decides the arrays.
        code: `code_version` of the sources that do.
        compute: makes them.

    Returns:
        name -> array. A damaged file is made again.
    """
    key = hashlib.sha256(to_json({**inputs, "code": code}).encode()).hexdigest()[:24]
    path = FOLDER / f"{kind}-{key}.npz"
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            pass
    arrays = compute()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    FOLDER.mkdir(exist_ok=True)
    write_bytes(path, buffer.getvalue())
    return arrays
