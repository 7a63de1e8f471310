r"""New points from a score: one signature for the random-features model, a network, or a formula.

Everything is in the paper's time: x_t = e^{-t} x_0 + sqrt(Delta_t) xi, Delta_t = 1 - e^{-2t}; a score s(x, t) is the
gradient of log P_t. Samplers start from white noise at the largest time and go down a grid of times to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, Real

from rfscore._numbers import reals
from rfscore._precision import is_traced
from rfscore.errors import InputError, bad

Score = Callable[[Array, Array], Array]
Method = Literal["ddim", "sde", "ode"]


def _ddim(score: Score, x: Array, t: Array, s: Array, key: PRNGKeyArray) -> Array:
    """Deterministic step of Song et al. (2021a): the point is split into estimated data and noise, and mixed anew."""
    found = score(x, t)
    data = jnp.exp(t) * (x - jnp.expm1(-2 * t) * found)  # Tweedie: e^t (x + Delta_t s)
    noise = -jnp.sqrt(-jnp.expm1(-2 * t)) * found
    return jnp.exp(-s) * data + jnp.sqrt(-jnp.expm1(-2 * s)) * noise


def _sde(score: Score, x: Array, t: Array, s: Array, key: PRNGKeyArray) -> Array:
    """Euler-Maruyama step of the backward equation -dx = (x + 2 s) dt + sqrt(2) dB (paper, Eq 2)."""
    h = t - s
    # The last step ends at the data: its noise would stay in the sample.
    noise = jnp.where(s > 0, jnp.sqrt(2 * h), 0.0) * jax.random.normal(key, x.shape, x.dtype)
    return x + h * (x + 2 * score(x, t)) + noise


def _ode(score: Score, x: Array, t: Array, s: Array, key: PRNGKeyArray) -> Array:
    """Heun step of the probability flow dx/dt = -x - s(x, t); an Euler step at the end, where s(x, 0) may not exist."""
    h = t - s
    slope = x + score(x, t)
    ahead = x + h * slope
    return jnp.where(s > 0, x + 0.5 * h * (slope + ahead + score(ahead, jnp.where(s > 0, s, t))), ahead)


_STEPS = {"ddim": _ddim, "sde": _sde, "ode": _ode}


@eqx.filter_jit
def _step(score: Score, x: Array, grid: Array, i: Array, key: PRNGKeyArray, method: Method) -> Array:
    """Step i of the grid, from grid[i] to grid[i + 1]."""
    return _STEPS[method](score, x, grid[i], grid[i + 1], jax.random.fold_in(key, i))


@eqx.filter_jit
def _loop(score: Score, x: Array, grid: Array, key: PRNGKeyArray, method: Method) -> Array:
    """All steps in one program."""
    return jax.lax.fori_loop(0, grid.size - 1, lambda i, x: _step(score, x, grid, i, key, method), x)


def _check_shape(shape: Any) -> tuple[int, ...]:
    """The shape as a tuple of whole numbers >= 1."""
    sizes = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else ()
    if not sizes or any(isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1 for size in sizes):
        raise bad("shape", shape, "a tuple of whole numbers >= 1, the number of points first, e.g. (100, 2)")
    return tuple(int(size) for size in sizes)


def _split(key: Any) -> Any:
    try:
        return jax.random.split(key)
    except (TypeError, ValueError) as error:
        raise bad("key", key, "a JAX random key", "use jax.random.key(0)") from error


def _check_score(score: Any, shape: tuple[int, ...]) -> None:
    """Refuse a score that JAX cannot trace, or whose values are no points, before any step is taken."""
    x, t = jax.ShapeDtypeStruct(shape, jnp.float32), jax.ShapeDtypeStruct((), jnp.float32)
    try:
        found = eqx.filter_eval_shape(score, x, t)
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise InputError(f"score: expected a function of x and t that JAX can trace, but it uses NumPy, or decides by "
                         f"values: write it with jax.numpy ({str(error).splitlines()[0]})") from error  # fmt: skip
    if getattr(found, "shape", None) != shape or not jnp.issubdtype(found.dtype, jnp.floating):
        raise bad("score(x, t)", found, f"real values of x's shape {shape}")


def sample(
    score: Score,
    shape: tuple[int, ...],
    times: Real[np.ndarray, " K"] | Sequence[float],
    key: PRNGKeyArray,
    *,
    method: Method = "ddim",
) -> Float[Array, ...]:
    """Points of the distribution whose score is given.

    Args:
        score: s(x, t) for x of `shape` and a scalar t; must be traceable by JAX.
        shape: of the result, the number of points first.
        times: strictly descending diffusion times > 0, the first large enough that P_t is white noise (about 5); a
            last step from times[-1] to 0 is added.
        key: of the starting noise, and of the noise of "sde".
        method: "ddim", "sde" (Euler-Maruyama on the backward SDE) or "ode" (Heun on the probability flow).

    Returns:
        Points, (shape).

    Raises:
        InputError: times that do not descend or are not positive and finite, an unknown method, a shape of other than
            whole numbers, a key that is none, a score that JAX cannot trace or that is not of x's shape.

    Accuracy:
        First order in the time steps for "ddim" and "sde", second order for "ode" except in its last step.

    Example:
        >>> import jax, numpy as np
        >>> from rfscore.sampling import sample
        >>> x = sample(lambda x, t: -x, (2000, 3), np.geomspace(5.0, 1e-3, 60), jax.random.key(0))  # white noise
        >>> bool(abs(x.var() - 1) < 0.05)
        True
    """
    times = reals("times", times, "strictly descending, finite diffusion times > 0")
    descending = times.ndim == 1 and times.size > 0 and np.all(times > 0) and np.all(np.diff(times) < 0)
    if not (descending and np.isfinite(times[0])):
        raise bad("times", times.tolist()[:5] if times.ndim else times.item(), "strictly descending, finite diffusion "
                  "times > 0", "P_t is white noise from t = 5 on")  # fmt: skip
    if method not in _STEPS:
        raise bad("method", method, f"one of {sorted(_STEPS)}")
    shape = _check_shape(shape)
    start, steps = _split(key)
    _check_score(score, shape)
    x = jax.random.normal(start, shape, jnp.float32)
    grid = jnp.asarray(np.append(times, 0.0), dtype=jnp.float32)

    if jax.default_backend() == "cpu" and not is_traced(score, key):
        # XLA runs convolutions inside a loop at half speed on a CPU; there, steps are queued one by one instead.
        for i in range(times.size):
            x = _step(score, x, grid, jnp.asarray(i), steps, method)
        return x
    return _loop(score, x, grid, steps, method)
