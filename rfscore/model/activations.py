"""Activations sigma of the random features: named ones, and any user callable.

A function is written once and must accept NumPy arrays (finite size) and JAX arrays (theory). `numpy_or_jax`
picks the right library, so finite-size code never pays for a device round trip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from rfscore.errors import InputError, bad


@dataclass(frozen=True)
class Activation:
    r"""A pointwise non-linearity sigma.

    Args:
        name: shown in reports and manifests.
        function: elementwise callable on real arrays; one that uses `jax.numpy` can be differentiated by JAX, one
            that uses NumPy works wherever the problem's numbers are concrete.
        kinks: points where sigma or a derivative jumps; quadratures are split there. Leave empty if smooth.
        centre: subtract the mean E sigma(Gamma_t z), which the theory needs to vanish; otherwise a non-centred
            sigma is refused.

    Example:
        >>> import numpy as np
        >>> import rfscore as rf
        >>> softsign = rf.Activation("softsign", lambda x: x / np.sqrt(1 + x * x))
        >>> bool(softsign(np.array([0.0]))[0] == 0)
        True
    """

    name: str
    function: Callable[[Any], Any]
    kinks: tuple[float, ...] = ()
    centre: bool = False

    def __call__(self, x: Any) -> Any:
        """sigma(x) elementwise; NumPy in, NumPy out; JAX in, JAX out. Shape and finiteness are checked."""
        try:
            if isinstance(x, jax.Array):
                y: Any = jnp.asarray(self.function(x))
            else:
                with jax.enable_x64(True):
                    y = np.asarray(self.function(x))
        except jax.errors.TracerArrayConversionError as error:
            raise InputError(
                f"activation {self.name!r} uses NumPy inside a JAX transformation; write it with jax.numpy"
            ) from error
        if y.shape != np.shape(x):
            raise bad(f"activation {self.name!r}", y.shape, f"an output of the input's shape {np.shape(x)}",
                      "write it elementwise")  # fmt: skip
        if isinstance(y, np.ndarray):
            if not np.issubdtype(y.dtype, np.floating) or not np.all(np.isfinite(y)):
                raise bad(f"activation {self.name!r}", str(y.dtype), "finite real values on the whole real line",
                          "it returned NaN, infinities or another type")  # fmt: skip
        return y


def _numpy_or_jax(numpy_function: Callable, jax_function: Callable) -> Callable:
    def function(x: Any) -> Any:
        return jax_function(x) if isinstance(x, jax.Array) else numpy_function(x)

    return function


_REGISTRY: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("tanh", _numpy_or_jax(np.tanh, jnp.tanh)),
        Activation("erf", _numpy_or_jax(special.erf, jax.scipy.special.erf)),
        Activation("sin", _numpy_or_jax(np.sin, jnp.sin)),
        Activation(
            "relu",
            _numpy_or_jax(lambda x: np.maximum(x, 0.0), lambda x: jnp.maximum(x, 0.0)),
            kinks=(0.0,),
            centre=True,
        ),
    )
}


def names() -> list[str]:
    """Names that `ScoreProblem(activation=...)` and the commands accept."""
    return sorted(_REGISTRY)


def register(activation: Activation) -> None:
    """Make a user's activation available by its name; refuses to redefine one."""
    if activation.name in _REGISTRY:
        raise bad("activation name", activation.name, "a new name", "this one is taken")
    _REGISTRY[activation.name] = activation


def as_activation(value: str | Activation | Callable) -> Activation:
    """An Activation from its name, from itself, or from a bare callable (taken as smooth and centred)."""
    if isinstance(value, Activation):
        return value
    if isinstance(value, str):
        if value not in _REGISTRY:
            raise bad("activation", value, f"one of {names()}", "or pass a rfscore.Activation")
        return _REGISTRY[value]
    if callable(value):
        return Activation(getattr(value, "__name__", "user"), value)
    raise bad("activation", value, "a name, a callable or a rfscore.Activation")
