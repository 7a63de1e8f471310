r"""Runs that have no closed form, step by step: Adam, and descent with gradient noise.

With Theta = gain A/sqrt p (gain^2 = Delta_t for the score) and x = 2 gain^2 step_size/psi_p, a step of descent that
sees new noises or a part of the samples uses one noised copy (or the exact average) of each sample in its batch,

    Theta_{k+1} = Theta_k - x [ (1/n_b) sum_nu (Theta phi_nu + r_nu) phi_nu^T + ridge Theta_k ]
                  + momentum (Theta_k - Theta_{k-1});

the losses are those of Theta_k with the noise averaged exactly. The theory of these runs is `rf.loss_curves` with the
same training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from scipy import linalg

from rfscore._numbers import Seed, generator
from rfscore.errors import InputError, SolveError, bad
from rfscore.finite.setting import Moments
from rfscore.model.training import Adam, Descent, Training
from rfscore.results import LossCurves

if TYPE_CHECKING:
    from rfscore.finite.instance import Instance, Samples

Array = np.ndarray
_MOST_STEPS = 10**9


def iterated(instance: Instance, steps: Any, training: Training, seed: Seed = 0) -> LossCurves:
    """Losses at these numbers of steps, from one run; see `Instance.loss_curves`."""
    counts = training.times(steps)
    if counts.size and counts.max() > _MOST_STEPS:
        raise bad("steps", counts.max(), f"at most {_MOST_STEPS:.0e}", "every step up to the last is taken")
    wanted = {int(k) for k in counts.ravel()}
    match training:
        case Adam():
            run = _adam(instance, training)
        case Descent():
            run = _noisy_descent(instance, training, seed)
        case _:
            raise bad("training", training, "Adam or Descent", "a flow has no steps")
    found = {}
    for k, theta in zip(range(max(wanted, default=-1) + 1), run, strict=False):
        if k in wanted:
            found[k] = _losses(instance, theta)
            if not np.all(np.isfinite(found[k])):
                raise SolveError(f"the run diverged before step {k}: take a smaller step_size; for descent "
                                 "rf.largest_step with the same options gives the limit for large d")  # fmt: skip
    train, test = (np.array([found[int(k)][i] for k in counts.ravel()]).reshape(counts.shape) for i in (0, 1))
    return LossCurves.of(training.tau(counts), train, test, instance.loss_floor, instance.setting.unit)


def _losses(instance: Instance, theta: Float[Array, "d p"]) -> tuple[float, float]:
    """Training and test loss at Theta."""
    pairs = ((instance.U, instance.V, instance.targets[0]), (instance.U_test, instance.V_test, instance.targets[1]))
    train, test = (float(Moments(*pair).losses(theta).mean()) for pair in pairs)
    return train, test


def _adam(instance: Instance, training: Adam) -> Iterator[Float[Array, "d p"]]:
    """Theta before every step of Adam on the entries of A, at the learning rate step_size d^2.

    grad L_train = (2/d) (gain/sqrt p) (Theta (U + ridge) + V^T).
    """
    scale = np.sqrt(instance.setting.gain2 / instance.p)
    (decay, spread), learning_rate = training.betas, training.step_size * instance.d**2
    a, first, second = (np.zeros((instance.d, instance.p)) for _ in range(3))
    step = 0
    while True:
        theta = scale * a
        yield theta
        gradient = (2.0 * scale / instance.d) * (theta @ instance.U + instance.V.T + instance.ridge * theta)
        step += 1
        first += (1.0 - decay) * (gradient - first)
        second += (1.0 - spread) * (gradient * gradient - second)
        root = np.sqrt(second) / np.sqrt(1.0 - spread**step)
        a -= learning_rate / (1.0 - decay**step) * first / (root + training.eps)


def _noisy_descent(instance: Instance, training: Descent, seed: Seed) -> Iterator[Float[Array, "d p"]]:
    """Theta before every step of descent with new noises or a part of the samples."""
    samples = instance.samples
    if samples is None:
        raise InputError("training: an instance with frozen noises has no others; draw it with noise_draws = inf")
    size = instance.n if training.batch is None else round(training.batch * instance.n)
    if size < 1:
        raise bad("batch", training.batch, f"a number in (0, 1] with at least one of the n = {instance.n} samples")
    rate = instance.rate
    top = float(linalg.eigvalsh(instance.U, subset_by_index=[instance.p - 1] * 2)[0]) + instance.ridge
    training.check_stable(top, rate)
    rng = generator(seed).spawn(1)[0]  # drawn with the same seed, noises and W would be the same numbers
    theta = before = np.zeros((instance.d, instance.p))
    while True:
        yield theta
        rows = rng.permutation(instance.n)[:size] if size < instance.n else np.arange(instance.n)
        slope = _slope(samples, theta, rows, rng, training.fresh_noise) + instance.ridge * theta
        theta, before = (
            theta - rate * training.step_size * slope + training.momentum * (theta - before), theta,
        )  # fmt: skip


def _slope(samples: Samples, theta: Array, rows: Array, rng: np.random.Generator, fresh_noise: bool) -> Array:
    """Half the gradient of the loss of these samples with respect to Theta, times d."""
    if fresh_noise:
        features, residuals = samples.noised(rows, rng)
        return (theta @ features + residuals) @ features.T / rows.size
    u, v, _ = samples.averaged(rows)
    return theta @ u + v.T
