"""Where a result comes from: versions, git commit, platform. No host, user or folder names."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent
_RECORDED = ("rfscore", "numpy", "scipy", "jax", "jaxlib", "equinox", "xarray", "matplotlib")


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages that decide the numbers; None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_PACKAGE), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def git_state() -> dict[str, Any]:
    """Commit of the rfscore sources and whether they were changed since; both None outside a checkout.

    An installed copy may lie inside somebody else's repository; it counts only if that repository tracks it.
    """
    if _git("ls-files", "--error-unmatch", "errors.py") is None:
        return {"commit": None, "changed": None}
    changes = _git("status", "--porcelain", "--", ".")
    return {"commit": _git("rev-parse", "HEAD"), "changed": None if changes is None else bool(changes)}


def machine() -> dict[str, Any]:
    """Operating system, processor family and number of cores."""
    return {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()}
