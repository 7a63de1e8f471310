r"""A PyTorch network beside the theory: its score for `rfscore.sampling`, its losses at a fixed diffusion time.

Networks are trained on x_k = sqrt(alpha_bar_k) x_0 + sqrt(1 - alpha_bar_k) xi; index k is the diffusion time
t_k = -log(alpha_bar_k)/2. torch is needed when a function is called, not to import this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array, Float

from rfscore._extras import need
from rfscore._numbers import reals
from rfscore.errors import bad

#: What networks regress, and the noise that follows from it; a^2 = alpha_bar, s^2 = 1 - alpha_bar.
_NOISE: dict[str, Callable[[Any, Any, float, float], Any]] = {
    "noise": lambda y, x, a, s: y,
    "data": lambda y, x, a, s: (x - a * y) / s,
    "v": lambda y, x, a, s: s * x + a * y,
    "score": lambda y, x, a, s: -s * y,
}
Predicts = Literal["noise", "data", "v", "score"]
#: Points a network sees at once.
BLOCK = 256


def _schedule(alpha_bar: Any, predicts: str) -> Float[np.ndarray, " T"]:
    """Diffusion times of the indices, checked."""
    values = reals("alpha_bar", alpha_bar, "cumulative products in (0, 1)")
    if values.ndim != 1 or values.size < 2 or not (np.all((values > 0) & (values < 1)) and np.all(np.diff(values) < 0)):
        raise bad("alpha_bar", np.shape(alpha_bar), "a descending vector of cumulative products in (0, 1)",
                  "alpha_bar = cumprod(1 - beta), with the least noise first")  # fmt: skip
    if predicts not in _NOISE:
        raise bad("predicts", predicts, f"one of {sorted(_NOISE)}")
    return -0.5 * np.log(values)


@contextmanager
def _evaluating(module: Any) -> Any:
    """No gradients, no dropout; the mode of training comes back."""
    import torch

    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


def _noise_in(module: Any, x: np.ndarray, k: int, time: float, predicts: str) -> np.ndarray:
    """The noise that the network sees in x at index k; alpha_bar is that of `time`."""
    import torch

    weight = next(module.parameters(), None)
    place = {} if weight is None else {"device": weight.device, "dtype": weight.dtype}
    parts = []
    with _evaluating(module):
        for i in range(0, len(x), BLOCK):
            points = torch.as_tensor(np.array(x[i : i + BLOCK], dtype=np.float32), **place)
            index = torch.full((len(points),), k, dtype=torch.long, device=points.device)
            answer = module(points, index)
            answer = getattr(answer, "sample", answer)  # as diffusers wrap it
            if tuple(getattr(answer, "shape", ())) != tuple(points.shape):
                raise bad("module(x, index)", tuple(getattr(answer, "shape", ())), f"values of x's shape "
                          f"{tuple(points.shape)}", "wrap it: lambda x, k: model(x, k)[:, :channels]")  # fmt: skip
            found = _NOISE[predicts](answer, points, math.exp(-time), math.sqrt(-math.expm1(-2 * time)))
            parts.append(found.to("cpu", torch.float32).numpy())
    return np.concatenate(parts)


def score(module: Any, alpha_bar: Any, *, predicts: Predicts = "noise") -> Callable[[Array, Array], Array]:
    r"""The score of a PyTorch network, s(x, t) = -xi_theta(x, k)/sqrt(Delta_t) with k the index of t.

    Args:
        module: an `nn.Module` that is called as module(x, index), x (B, ...) and index (B,) integers.
        alpha_bar: (T,) the schedule it was trained with, descending: cumprod(1 - beta).
        predicts: what it regresses: "noise", "data" (x_0), "v" (a xi - s x_0) or "score".

    Returns:
        A score for `rfscore.sampling.sample`; it runs in evaluation mode, without gradients, where the module is.

    Raises:
        InputError: a schedule that does not descend in (0, 1), an answer of another shape (when called).
        MissingExtra: torch is not installed.

    Example:
        `alpha_bar = np.cumprod(1 - np.linspace(1e-4, 2e-2, 1000))`, then
        `sample(score(net, alpha_bar), (16, 1, 32, 32), times, key)` with times from 5 down to 5e-5.
    """
    need("rfscore.pytorch", "torch")
    times = _schedule(alpha_bar, predicts)

    def from_host(x: Any, t: Any) -> np.ndarray:
        time = float(np.asarray(t))
        k = int(np.argmin(np.abs(np.log(times) - math.log(time))))
        noise = _noise_in(module, np.asarray(x), k, time, predicts)
        return (-noise / math.sqrt(-math.expm1(-2 * time))).astype(np.asarray(x).dtype)

    def s(x: Array, t: Array) -> Array:
        return jax.pure_callback(from_host, jax.ShapeDtypeStruct(x.shape, x.dtype), x, t)

    return s


def fixed_time_loss(
    module: Any, points: Any, t: float, alpha_bar: Any, *, predicts: Predicts = "noise", noises: int = 20, seed: int = 0
) -> tuple[float, float]:
    r"""Denoising loss per dimension at diffusion time t, (1/d) E|xi_theta(x_t, k) - xi|^2, and its standard error.

    The theory's loss (paper, Eq 4), over the given points and `noises` draws of xi; the same seed gives training and
    test points comparable noise.

    Args:
        module: as for `score`.
        points: (N, ...) in the space the network was trained in.
        t: diffusion time; the nearest of the schedule is taken.
        alpha_bar: as for `score`.
        predicts: as for `score`.
        noises: draws of the noise, >= 2.
        seed: of the noise.

    Returns:
        (loss, standard error over the draws).

    Raises:
        InputError: t outside the schedule, no points, NaN; what `score` refuses.
        MissingExtra: torch is not installed.
    """
    need("rfscore.pytorch", "torch")
    times = _schedule(alpha_bar, predicts)
    x = np.asarray(points, dtype=np.float32)
    if x.ndim < 2 or x.size == 0 or not np.isfinite(x).all():
        raise bad("points", x.shape, "finite numbers (N, ...)", "drop points with NaN or infinity")
    if not times[0] <= t <= times[-1]:
        raise bad("t", t, f"a diffusion time of the schedule, {times[0]:.3g} to {times[-1]:.3g}")
    if isinstance(noises, bool) or not isinstance(noises, int) or noises < 2:
        raise bad("noises", noises, "a whole number >= 2")
    k = int(np.argmin(np.abs(np.log(times) - math.log(t))))
    time, rng, totals = float(times[k]), np.random.default_rng(seed), []
    for _ in range(noises):
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        noisy = math.exp(-time) * x + math.sqrt(-math.expm1(-2 * time)) * noise
        totals.append(float(np.mean((_noise_in(module, noisy, k, time, predicts) - noise) ** 2, dtype=np.float64)))
    return float(np.mean(totals)), float(np.std(totals, ddof=1) / math.sqrt(noises))
