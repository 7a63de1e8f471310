"""Activations sigma of the random features: named ones, and any user callable.

A function is written once and must accept NumPy arrays (finite size) and JAX arrays (theory). Text names one
everywhere: "tanh", or "module:function" for a user's own, which is imported and so reaches commands, sweeps and their
workers.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from rfscore.errors import InputError, bad


@dataclass(frozen=True, repr=False)
class Activation:
    r"""A pointwise non-linearity sigma.

    Args:
        name: shown in reports and manifests.
        function: elementwise callable on real arrays; one that uses `jax.numpy` can be differentiated by JAX, one
            that uses NumPy works wherever the problem's numbers are concrete. One defined at the top of a module can
            be pickled.
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

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise bad("function of an activation", self.function, "an elementwise callable")
        kinks = np.asarray(self.kinks)
        if kinks.ndim != 1 or (kinks.size and (kinks.dtype.kind not in "iuf" or not np.all(np.isfinite(kinks)))):
            raise bad("kinks", self.kinks, "finite numbers, e.g. (-1.0, 1.0), or () for a smooth activation")
        object.__setattr__(self, "kinks", tuple(sorted(map(float, kinks))))

    def __repr__(self) -> str:
        extra = "".join(f", {key}={value}" for key, value in (("kinks", self.kinks), ("centre", self.centre)) if value)
        return f"Activation({self.name!r}{extra})"

    def __call__(self, x: Any) -> Any:
        """sigma(x) elementwise; NumPy in, NumPy out; JAX in, JAX out. Shape and finiteness are checked."""
        try:
            if isinstance(x, jax.Array):
                y: Any = jnp.asarray(self.function(x))
            else:
                with jax.enable_x64(True):
                    y = np.require(self.function(x), requirements="W")  # JAX's own memory is read-only
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


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return jnp.tanh(x) if isinstance(x, jax.Array) else np.tanh(x)


def erf(x: Any) -> Any:
    """The error function."""
    return jax.scipy.special.erf(x) if isinstance(x, jax.Array) else special.erf(x)


def sin(x: Any) -> Any:
    """The sine."""
    return jnp.sin(x) if isinstance(x, jax.Array) else np.sin(x)


def relu(x: Any) -> Any:
    """max(x, 0)."""
    return jnp.maximum(x, 0.0) if isinstance(x, jax.Array) else np.maximum(x, 0.0)


_BUILT_IN = {
    "tanh": Activation("tanh", tanh), "erf": Activation("erf", erf), "sin": Activation("sin", sin),
    "relu": Activation("relu", relu, kinks=(0.0,), centre=True),
}  # fmt: skip


def names() -> list[str]:
    """Names that `ScoreProblem(activation=...)` and the commands accept, beside "module:function"."""
    return sorted(_BUILT_IN)


def as_activation(value: str | Activation | Callable) -> Activation:
    """An Activation from text, from itself, or from a bare callable (taken as smooth and centred)."""
    if isinstance(value, Activation):
        return value
    if isinstance(value, str):
        return _BUILT_IN[value] if value in _BUILT_IN else _imported(value)
    if callable(value):
        return Activation(getattr(value, "__name__", "user"), value)
    raise bad("activation", value, "a name, a callable or a rfscore.Activation")


def _imported(text: str) -> Activation:
    """The Activation, or callable, that "module:function" names."""
    found = imported("activation", text, f"one of {names()}, or 'module:function' for your own",
                     "from Python also a callable or a rfscore.Activation")  # fmt: skip
    if not (isinstance(found, Activation) or callable(found)):
        raise bad("activation", text, "a callable or a rfscore.Activation there", f"it is a {type(found).__name__}")
    return found if isinstance(found, Activation) else Activation(text, found)


def imported(what: str, text: str, expected: str, remedy: str = "") -> Any:
    """The object that "module:object" names.

    Raises:
        InputError: the text has another form, the module cannot be imported, or has no such object.
    """
    module, colon, function = text.partition(":")
    if not (colon and module and function):
        raise bad(what, text, expected, remedy)
    if module in ("__main__", "__mp_main__"):
        raise bad(what, text, "an object in a module of its own", "move it from the script into a file.py")
    try:
        found = importlib.import_module(module)
        for name in function.split("."):
            found = getattr(found, name)
    except AttributeError as error:
        raise bad(what, text, f"an object of the module {module!r}", str(error)) from error
    except Exception as error:  # a user's file may fail in any way
        raise bad(what, text, "a module that can be imported",
                  f"{type(error).__name__}: {error}; put its folder on PYTHONPATH") from error  # fmt: skip
    return found


@functools.lru_cache(maxsize=64)
def identity(activation: Activation) -> str:
    """What tells an activation's numbers from another's: its parameters, its module's source, its values on a grid.

    The name of a built-in one. The values (to nine digits) catch what the source does not show: a constant imported
    from elsewhere, or a closure.

    Raises:
        InputError: the source cannot be had.
    """
    if activation == _BUILT_IN.get(activation.name):
        return activation.name
    function = inspect.unwrap(activation.function)
    while isinstance(function, functools.partial):
        function = function.func
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    try:
        source = Path(inspect.getsourcefile(module)).read_bytes()  # type: ignore[arg-type]
    except (TypeError, OSError) as error:
        raise bad("activation", activation.name, "a function whose source can be read, so that its results can be "
                  "told from another's", "define it in a module file") from error  # fmt: skip
    values = [f"{y:.9g}" for y in activation(np.sinh(np.linspace(-3.0, 3.0, 101)))]
    text = repr((source, activation.kinks, activation.centre, values))
    return f"{activation.name} sha256:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
