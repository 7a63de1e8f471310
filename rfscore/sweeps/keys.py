"""What a result is filed under: its settings, its seed, and the code and libraries that decide its digits."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from rfscore.sweeps.spec import Model, Point, content

_PACKAGE = Path(__file__).resolve().parents[1]
_SHARED = ("*.py", "model/*.py", "sweeps/spec.py", "sweeps/outcome.py", "observables/*.py")
#: Sources whose change makes results of a model new ones; pictures, commands and files do not.
_SOURCES = {
    "theory": (*_SHARED, "theory/*.py", "sweeps/theory.py"),
    "finite": (*_SHARED, "finite/*.py", "sweeps/finite.py"),
    "network": (*_SHARED, "networks/*.py", "data/*.py", "sweeps/networks.py"),
}
_NOT_NUMBERS = {"output.py", "_provenance.py", "__main__.py", "testing.py"}
_LIBRARIES = ("numpy", "scipy", "jax", "jaxlib")


@functools.cache
def code_version(model: Model) -> str:
    """Checksum of the sources behind a model's numbers and of the versions of the numerical libraries."""
    digest = hashlib.sha256()
    for pattern in _SOURCES[model]:
        for path in sorted(_PACKAGE.glob(pattern)):
            if path.name not in _NOT_NUMBERS:
                digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for name in _LIBRARIES:
        digest.update(f"{name} {metadata.version(name)}\n".encode())
    return digest.hexdigest()[:16]


def key(model: Model, point: Point, tau: Sequence[float], config: Any) -> str:
    """The name of one point's result: equal for equal settings and code, whatever sweep it belongs to."""
    shared = json.dumps(config, sort_keys=True) if model == "network" else ""
    text = json.dumps([model, content(point), [repr(x) for x in tau], shared, code_version(model)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
