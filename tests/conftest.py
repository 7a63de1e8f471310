"""The suite: annotations of the whole package are checked, compiled programs shared."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

# Compiled programs are shared by the workers, by the commands that tests start, and by the next run.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import jax
import jaxtyping
import pytest

from tests.checking import checked

# A name, not the function: jaxtyping keeps what it compiles under it.
jaxtyping.install_import_hook("rfscore", f"{checked.__module__}.{checked.__qualname__}")
# When it collects docstring examples, pytest loads a package's __init__ by itself, past the hook: it comes too late.
importlib.import_module("rfscore.cli")


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Wrong types reach the package, whose own refusal is tested, as they do for a user."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module", autouse=True)
def _bounded_memory() -> Iterator[None]:
    """Programs of one file are not kept for the others: they come back from the disk if needed."""
    yield
    jax.clear_caches()
