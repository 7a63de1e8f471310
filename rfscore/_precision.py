"""Float64 without touching JAX's global switch.

Called with plain numbers, every public theory function runs inside JAX's own 64-bit context and returns NumPy
arrays. Called under a user's jit, vmap or grad the inputs are already typed, so 64-bit must be on there; a 32-bit
tracer is refused, because half of the digits would be lost silently.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import numpy as np

from rfscore.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")
#: An array of JAX under a transformation, else of NumPy: concrete numbers leave nothing to compile.
AnyArray = Any


def is_traced(*trees: object) -> bool:
    """True when any leaf is a JAX tracer, i.e. when values cannot be inspected or branched on."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves(trees))


def float64(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` in 64-bit precision; concrete results come back as NumPy arrays."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if is_traced(args, kwargs):
            if not jax.config.read("jax_enable_x64"):
                raise InputError(
                    f"{function.__name__} under jit, vmap or grad needs 64-bit JAX: "
                    'call jax.config.update("jax_enable_x64", True) once, before the transformation'
                )
            return function(*args, **kwargs)
        with jax.enable_x64(True):
            result = function(*args, **kwargs)
        if is_traced(result):  # closed-over tracers
            return result
        return jax.tree_util.tree_map(lambda x: np.asarray(x) if eqx.is_array(x) else x, result)

    return wrapper
