"""Shapes written in annotations are checked at run time (beartype, jaxtyping) in the modules behind the public ones.

Public functions take lists and refuse bad shapes with a message of their own, which a type error must not pre-empt;
and their annotations name the NumPy result that `rfscore._precision.float64` makes of a JAX array.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Compiled programs are shared by the workers, by the commands that tests start, and by the next run.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import jax
import jaxtyping
import pytest

CHECKED = [
    "rfscore.finite.equivalent",
    "rfscore.finite.features",
    "rfscore.finite.hermite",
    "rfscore.finite.instance",
    "rfscore.finite.modes",
    "rfscore.finite.pairs",
    "rfscore.theory.contours",
    "rfscore.theory.gaps",
    "rfscore.theory.real_curve",
    "rfscore.networks.mixture",
    "rfscore.networks.mlp",
    "rfscore.networks.unet",
]

# A float may be an int, as for type checkers (PEP 484).
jaxtyping.install_import_hook(CHECKED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")


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
