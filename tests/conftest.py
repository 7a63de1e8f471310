"""The suite: annotations of the whole package are checked, compiled programs shared."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
from collections.abc import Iterator
from pathlib import Path

# Compiled programs are shared by the workers, by the commands that tests start, and by the next run.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Three thousand programs, most of them run once: less to compile. JAX_DISABLE_MOST_OPTIMIZATIONS=0 tests the programs
# that users run, as `make test-slow` does.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax
import jaxtyping
import pytest

from tests.checking import checked

#: Bytes that a worker may hold before it forgets what it has compiled.
WORKER = 1_200_000_000

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


@pytest.fixture(autouse=True)
def _bounded_memory() -> Iterator[None]:
    """A worker that has grown forgets its compiled programs: they come back from the disk if needed."""
    yield
    if resident() > WORKER:
        jax.clear_caches()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Examples of docstrings last: small files, which fill both workers to the end."""
    items.sort(key=lambda item: isinstance(item, pytest.DoctestItem))
