r"""Losses after k steps of gradient descent or heavy ball, in the limit d -> infinity.

In the eigenbasis of U (with the ridge) k steps leave the residual e_k(lam), e_{k+1} = (1 + beta - x lam) e_k - beta
e_{k-1}, with x = 2 Delta_t step/psi_p (derivations (D9.1)-(D9.5)); the losses are those of the flow with e_k in place
of e^{-c lam}. Where a step sees new noises or a part of the samples, that is the mean of A, and its fluctuations add to
the losses what `step_noise` solves for ((D12.1)-(D12.6)).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import optimize

from rfscore._precision import float64, is_traced
from rfscore.errors import InputError, bad
from rfscore.model.problem import ScoreProblem
from rfscore.results import LossCurves
from rfscore.theory import calculus, checked, targets
from rfscore.theory import one_point as op
from rfscore.theory.equivalent import Equivalent, equivalent
from rfscore.theory.every_step import at_every_step, at_steps
from rfscore.theory.losses import noise_floor
from rfscore.theory.spectrum import Spectrum, spectrum
from rfscore.theory.step_contours import Descent, StepContours, on
from rfscore.theory.step_noise import GradientNoise, Kernels, fluctuating, growth, kernels

#: Every step up to the last is computed where the gradient is noisy.
MAX_NOISY_STEPS = 2**22
_ACCURACY = 1e-9
_INSIDE = 1.0 - 1e-6  # of the limit: closer to it the resolvent at the upper edge is not determined


@float64
def largest_step(
    problem: ScoreProblem, momentum: float = 0.0, *, fresh_noise: bool = False, batch: float = 1.0
) -> float:
    """The step size, eta/d^2 in units of training time, from which on the descent diverges.

    2 (1 + beta)/lambda_max (derivations (D9.3), (D9.5)); with gradient noise, if that is smaller, the step at which the
    fluctuations of A feed themselves ((D12.7)).

    Args:
        problem: the problem, with concrete numbers.
        momentum: beta of heavy ball, in [0, 1); with gradient noise in [0, 0.93].
        fresh_noise: as in `descent_curves`.
        batch: as in `descent_curves`.

    Returns:
        The limit.

    Raises:
        InputError: a parameter outside its range, or fresh noises for a problem with frozen ones.
        SolveError: a resolvent was not verified.

    Accuracy:
        1e-6 relative.

    Example:
        >>> import rfscore as rf
        >>> problem = rf.ScoreProblem(2.0, 8.0, 0.1)
        >>> print(f"{rf.largest_step(problem):.3f} {rf.largest_step(problem, fresh_noise=True, batch=0.25):.3f}")
        4.940 4.249
    """
    noise = _noise(problem, momentum, fresh_noise, batch)
    found = spectrum(problem)
    limit = (1.0 + momentum) * problem.psi_p / (problem.delta * float(found.edges[-1, 1]))
    if noise.none:
        return float(limit)
    return _noisy_limit(problem, found, momentum, noise, float(limit))


def _noisy_limit(problem: ScoreProblem, found: Spectrum, momentum: float, noise: GradientNoise, limit: float) -> float:
    """Where the growth of the fluctuations reaches 1; it rises with the step."""
    eq = equivalent(problem)

    def excess(log_step: float) -> float:
        return np.log(growth(eq, problem.ridge, _descent(problem, found, np.exp(log_step), momentum), noise))

    high = np.log(limit * _INSIDE)
    if excess(high) < 0.0:
        return limit
    low = high - 1.0
    while excess(low) > 0.0:
        low -= 2.0
    return float(np.exp(optimize.brentq(excess, low, high, xtol=1e-10)))


def _noise(problem: ScoreProblem, momentum: float, fresh_noise: bool, batch: float) -> GradientNoise:
    if is_traced(problem):
        raise InputError("descent needs concrete numbers: its contours depend on the spectrum; "
                         "use loss_curves under jit, vmap and grad")  # fmt: skip
    if not 0 <= momentum < 1:
        raise bad("momentum", momentum, "a number in [0, 1)")
    if not 0 < batch <= 1:
        raise bad("batch", batch, "a number in (0, 1]", "it is the part of the n samples that a step sees")
    noise = GradientNoise(bool(fresh_noise), float(batch))
    if not noise.none and np.isfinite(problem.noise_draws):
        raise bad("fresh_noise, batch", f"{fresh_noise}, {batch:g} with noise_draws = {problem.noise_draws:g}",
                  "noise_draws = inf", "gradient noise is solved around the loss averaged over all noises")  # fmt: skip
    if not noise.none and momentum > 0.93:
        raise bad("momentum", momentum, "at most 0.93 with gradient noise")
    return noise


def _descent(problem: ScoreProblem, found: Spectrum, step_size: float, momentum: float) -> Descent:
    # An atom carries no weight of V, but of the gradient noise: the contours surround it too.
    low = min([float(found.edges[0, 0]), *(float(place) for place, _ in found.atoms)])
    return Descent(2.0 * float(problem.delta) * step_size / float(problem.psi_p), momentum, low,
                   float(found.edges[-1, 1]))  # fmt: skip


@jax.jit
def _mean(eq: Equivalent, ridge: Float[Array, ""], k: StepContours, x: op.Point) -> tuple[Array, Array, Array]:
    """(train, test, Q) of the mean of A, Q the noises' part of the training loss."""
    pull, cross = targets.traces(eq, x)
    gain = jnp.asarray(k.gain)

    def twice(coupling: Array | tuple[float, float, float]) -> Array:
        return 2.0 * jnp.real((gain * calculus.partly(gain, targets.pairs(eq, x, coupling))).sum(-1))

    train = 1.0 - on(jnp.asarray(k.both), pull) - ridge * twice(targets.IDENTITY)
    overlap = 2.0 * on(gain, cross)
    return train, 1.0 + twice(eq.population) - overlap, 1.0 + twice(eq.own) - overlap


@float64
def descent_curves(
    problem: ScoreProblem,
    steps: Any,
    step_size: float,
    *,
    momentum: float = 0.0,
    fresh_noise: bool = False,
    batch: float = 1.0,
) -> LossCurves:
    r"""Losses after k steps at a finite step size (derivations (D9.1)-(D9.9), with gradient noise (D12.1)-(D12.6)).

    Args:
        problem: the problem, with concrete numbers.
        steps: numbers of steps, whole, any shape.
        step_size: eta/d^2, the training time of one step, in (0, largest_step(problem, momentum, ...)).
        momentum: beta of heavy ball, in [0, 1).
        fresh_noise: draw one new noise a sample at every step, instead of the exact average over noises.
        batch: the part of the n samples that a step sees, in (0, 1], drawn anew without replacement at every step.

    Returns:
        LossCurves with tau = k step_size/(1 - momentum), the clock on which a small step is the flow. With gradient
        noise these are the losses of the fluctuating A, averaged over noises (train too).

    Raises:
        InputError: a step size beyond the stability limit, steps not whole, momentum or batch outside its range; with
            gradient noise also more than 2^22 steps, momentum above 0.93, or frozen noises.
        SolveError: a resolvent was not verified, or more momentum than the contours can take.

    Accuracy:
        About 1e-9 relative to max(1, loss). Gradient noise is exact for d -> infinity with psi_n, psi_p and batch
        fixed; runs differ from it by O(1/d).

    Example:
        >>> import rfscore as rf
        >>> problem = rf.ScoreProblem(2.0, 8.0, 0.1)
        >>> cur = rf.descent_curves(problem, [1, 10, 1000], 1.0)
        >>> print(cur.train.round(5))
        [0.95542 0.80808 0.50689]
        >>> print(rf.descent_curves(problem, [1, 10, 1000], 1.0, fresh_noise=True).train.round(5))
        [0.96878 0.83651 0.52445]
    """
    noise = _noise(problem, momentum, fresh_noise, batch)
    counts = np.asarray(steps)
    if counts.dtype.kind not in "iuf" or not np.all((counts >= 0) & (counts <= 2.0**53) & (counts == np.floor(counts))):
        raise bad("steps", steps, "whole numbers in [0, 2^53]")
    found = spectrum(problem)
    run, eq = _descent(problem, found, step_size, momentum), equivalent(problem)
    _check_step(problem, found, run, noise, step_size)
    flat = counts.ravel().astype(float)
    if not noise.none and flat.max(initial=0) > MAX_NOISY_STEPS:
        raise bad("steps", flat.max(), f"at most {MAX_NOISY_STEPS} with gradient noise",
                  "so small a step may be close to the flow: see loss_curves")  # fmt: skip
    train, test = _losses(eq, float(problem.ridge), run, noise, flat) if flat.size else np.empty((2, 0))
    train, test = train.reshape(counts.shape), test.reshape(counts.shape)
    tau, floor = counts * step_size / (1.0 - momentum), noise_floor(problem, eq)
    checked.losses("descent_curves", tau, train, test, floor, _ACCURACY, flow=False)
    return LossCurves(tau=tau, train=train, test=test, score_error=(test - floor) / problem.delta)


def _losses(
    eq: Equivalent, ridge: float, run: Descent, noise: GradientNoise, steps: Float[np.ndarray, " K"]
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """Training and test loss."""
    decay = jnp.asarray(ridge)
    mean = partial(_mean, eq, decay)
    if noise.none:
        train, test, _ = at_steps(eq, mean, steps, run)
        return train, test
    values = at_every_step(eq, lambda k, x: [*mean(k, x), *kernels(eq, decay, k, x)], int(steps.max()), run)
    train, test = fluctuating(run, noise, values[:3], Kernels(*values[3:]))
    return train[steps.astype(int)], test[steps.astype(int)]


def _check_step(problem: ScoreProblem, found: Spectrum, run: Descent, noise: GradientNoise, step_size: float) -> None:
    limit = (1.0 + run.beta) * problem.psi_p / (problem.delta * run.top)
    stable = 0 < step_size < limit
    if stable and not noise.none:
        inside = run._replace(x=run.x * min(1.0, _INSIDE * limit / step_size))
        if growth(equivalent(problem), float(problem.ridge), inside, noise) >= 1.0:
            stable, limit = False, _noisy_limit(problem, found, run.beta, noise, float(limit))
    if not stable:
        raise bad("step_size", step_size, f"a number in (0, {limit:.6g})", "the descent diverges beyond it")
