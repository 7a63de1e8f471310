r"""Losses after k steps of gradient descent or heavy ball, in the limit d -> infinity.

In the eigenbasis of U (with the ridge) k steps leave the residual e_k(lam), e_{k+1} = (1 + beta - x lam) e_k - beta
e_{k-1}, with x = 2 Delta_t step/psi_p (derivations (D9.1)-(D9.5)); the losses are those of the flow with e_k in place
of e^{-c lam}. Where a step sees new noises or a part of the samples, that is the mean of A, and its fluctuations add to
the losses what `step_noise` solves for ((D12.1)-(D12.6)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import optimize

from rfscore._precision import float64, is_traced
from rfscore.errors import InputError, bad
from rfscore.model.problem import ScoreProblem
from rfscore.model.training import Descent
from rfscore.theory import assemble, targets
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent
from rfscore.theory.every_step import at_every_step, at_steps
from rfscore.theory.spectrum import Spectrum, spectrum
from rfscore.theory.step_contours import Run, StepContours
from rfscore.theory.step_noise import GradientNoise, Kernels, fluctuating, growth, kernels

#: Relative to max(1, loss).
ACCURACY = 1e-9
#: Every step up to the last is computed where the gradient is noisy.
MAX_NOISY_STEPS = 2**22
_INSIDE = 1.0 - 1e-6  # of the limit: closer to it the resolvent at the upper edge is not determined


@float64
def largest_step(
    problem: ScoreProblem, momentum: float = 0.0, *, fresh_noise: bool = False, batch: float | None = None
) -> float:
    """The step size, eta/d^2 in units of training time, from which on the descent diverges.

    2 (1 + beta)/lambda_max (derivations (D9.3), (D9.5)); with gradient noise, if that is smaller, the step at which the
    fluctuations of A feed themselves ((D12.7)).

    Args:
        problem: the problem, with concrete numbers.
        momentum: beta of heavy ball, in [0, 1); with gradient noise in [0, 0.93].
        fresh_noise: as of `Descent`.
        batch: as of `Descent`.

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
    training = Descent(1.0, momentum, fresh_noise, batch)
    check_problem(problem, training)
    found = spectrum(problem)
    limit = _plain_limit(problem, found, training)
    return limit if training.modes_alone else _noisy_limit(problem, found, training, limit)


def _rate(problem: ScoreProblem) -> float:
    return float(problem.rate)


def _plain_limit(problem: ScoreProblem, found: Spectrum, training: Descent) -> float:
    return float(training.stable(float(found.edges[-1, 1]), _rate(problem)))


def _noisy_limit(problem: ScoreProblem, found: Spectrum, training: Descent, limit: float) -> float:
    """Where the growth of the fluctuations reaches 1; it rises with the step."""
    eq = equivalent(problem)

    def excess(log_step: float) -> float:
        run = run_of(problem, found, training, float(np.exp(log_step)))
        return np.log(growth(eq, problem.ridge, run, _noise(training)))

    high = np.log(limit * _INSIDE)
    if excess(high) < 0.0:
        return limit
    low = high - 1.0
    while excess(low) > 0.0:
        low -= 2.0
    return float(np.exp(optimize.brentq(excess, low, high, xtol=1e-10)))


def _noise(training: Descent) -> GradientNoise:
    return GradientNoise(training.fresh_noise, 1.0 if training.batch is None else training.batch)


def check_problem(problem: ScoreProblem, training: Descent) -> None:
    """Refuse a problem for which there is no theory of this descent."""
    if is_traced(problem):
        raise InputError("descent needs concrete numbers: its contours depend on the spectrum; "
                         "use the flow under jit, vmap and grad")  # fmt: skip
    if training.modes_alone:
        return
    if np.isfinite(problem.noise_draws):
        raise bad("fresh_noise, batch", f"{training.fresh_noise}, {training.batch} with noise_draws = "
                  f"{problem.noise_draws:g}", "noise_draws = inf",
                  "gradient noise is solved around the loss averaged over all noises")  # fmt: skip
    if problem.classes().fractions.shape[0] > 1 or problem.regression.on_data != 0:
        raise bad("population, target", f"{problem.population!r}, {problem.target!r} with gradient noise",
                  "one Gaussian class and a target without data (score, noise)",
                  "gradient noise is not derived for others; take full batches of averaged noise")  # fmt: skip
    if training.momentum > 0.93:
        raise bad("momentum", training.momentum, "at most 0.93 with gradient noise")


def run_of(problem: ScoreProblem, found: Spectrum, training: Descent, step_size: float | None = None) -> Run:
    """What contours need to know of a descent."""
    # An atom carries no weight of V, but of the gradient noise: the contours surround it too.
    low = min([float(found.edges[0, 0]), *(float(place) for place, _ in found.atoms)])
    x = _rate(problem) * (training.step_size if step_size is None else step_size)
    return Run(x, training.momentum, low, float(found.edges[-1, 1]))


def check_step(problem: ScoreProblem, found: Spectrum, training: Descent) -> None:
    """Refuse a step at which the descent diverges."""
    limit = _plain_limit(problem, found, training)
    stable = training.step_size < limit
    if stable and not training.modes_alone:
        inside = run_of(problem, found, training, min(training.step_size, _INSIDE * limit))
        if growth(equivalent(problem), float(problem.ridge), inside, _noise(training)) >= 1.0:
            stable, limit = False, _noisy_limit(problem, found, training, limit)
    if not stable:
        raise bad("step_size", training.step_size, f"a number in (0, {limit:.6g})", "the descent diverges beyond it")


def applied(
    problem: ScoreProblem, steps: Float[np.ndarray, " K"], training: Descent, evaluate: Callable[..., Sequence[Array]]
) -> Float[np.ndarray, "F K"]:
    """What `evaluate(eq, contour, x)` gives, F arrays (V, M), after so many steps without gradient noise."""
    check_problem(problem, training)
    found, eq = spectrum(problem), equivalent(problem)
    check_step(problem, found, training)
    return at_steps(eq, lambda k, x: evaluate(eq, k, x), steps, run_of(problem, found, training))


@jax.jit
def _mean(eq: Equivalent, ridge: Float[Array, ""] | None, k: StepContours, x: op.Point) -> tuple[Array, Array, Array]:
    """(train, test, Q) of the mean of A, Q the noises' part of the training loss."""
    of = assemble.terms(eq, x, ridge)
    own = of._replace(fit=targets.pairs(eq, x, eq.fractions @ eq.own))
    return *assemble.losses(eq, k, of), assemble.losses(eq, k, own)[1]


def loss_curves(problem: ScoreProblem, steps: Any, training: Descent) -> tuple[Any, ...]:
    """(tau, train, test, status) after so many steps; see `rfscore.theory.losses.loss_curves`."""
    check_problem(problem, training)
    counts = training.times(steps)
    found, eq = spectrum(problem), equivalent(problem)
    check_step(problem, found, training)
    if not training.modes_alone and counts.max(initial=0) > MAX_NOISY_STEPS:
        raise bad("steps", int(counts.max()), f"at most {MAX_NOISY_STEPS} with gradient noise",
                  "so small a step may be close to the flow")  # fmt: skip
    flat = counts.ravel()
    pair = _losses(problem, eq, run_of(problem, found, training), training, flat) if flat.size else np.empty((2, 0))
    train, test = (value.reshape(counts.shape) for value in pair)
    status = np.full(counts.shape, rs.OK)
    return training.tau(counts), train, test, status


def _losses(
    problem: ScoreProblem, eq: Equivalent, run: Run, training: Descent, steps: Float[np.ndarray, " K"]
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """Training and test loss."""
    ridge, decay = assemble.concrete_ridge(problem), jnp.asarray(float(problem.ridge))
    if training.modes_alone:
        train, test, _ = at_steps(eq, lambda k, x: _mean(eq, ridge, k, x), steps, run)
        return train, test
    values = at_every_step(
        eq, lambda k, x: [*_mean(eq, ridge, k, x), *kernels(eq, decay, k, x)], int(steps.max()), run
    )  # fmt: skip
    train, test = fluctuating(run, _noise(training), values[:3], Kernels(*values[3:]))
    return train[steps.astype(int)], test[steps.astype(int)]
