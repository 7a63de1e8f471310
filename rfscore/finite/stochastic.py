r"""Descent in which every step sees new noises, a part of the samples, or both: the released script's regime, by runs.

With Theta = sqrt(Delta_t/p) A and x = 2 Delta_t step_size/psi_p, step k uses one noised copy of each sample of a batch,

    Theta_{k+1} = Theta_k - x [ (1/n_b) sum_nu (Theta phi_nu + xi_nu) phi_nu^T + ridge Theta_k ] + beta (Theta_k -
    Theta_{k-1});

the losses are those of Theta_k with the noise averaged exactly. The theory of these runs is `rf.descent_curves` with
the same `fresh_noise` and `batch`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from rfscore._numbers import number
from rfscore.errors import InputError, SolveError, bad
from rfscore.finite import optimizers
from rfscore.finite.equivalent import EquivalentInstance
from rfscore.finite.frozen import FrozenInstance
from rfscore.finite.instance import ExactInstance, Samples
from rfscore.results import LossCurves

Array = np.ndarray


def stochastic_descent(
    instance: ExactInstance | EquivalentInstance | FrozenInstance,
    steps: int,
    step_size: float,
    *,
    momentum: float = 0.0,
    fresh_noise: bool = True,
    batch: float = 1.0,
    seed: int | np.random.SeedSequence | np.random.Generator = 0,
    record: Any = None,
) -> LossCurves:
    r"""Gradient descent or heavy ball with noisy gradients, iterated from A = 0.

    Args:
        instance: the model, drawn without frozen noises.
        steps: number of steps, >= 1.
        step_size: eta/d^2, the training time of one step, > 0 and below the limit of the same descent without gradient
            noise.
        momentum: beta of heavy ball, in [0, 1).
        fresh_noise: one new noise a sample at every step; otherwise the exact average over noises.
        batch: the part of the n samples that a step sees, in (0, 1], drawn anew without replacement at every step.
        seed: of the noises and batches.
        record: step counts at which to evaluate the losses; default 0 and about 60 logarithmically spaced ones.

    Returns:
        LossCurves with tau = k step_size/(1 - momentum).

    Raises:
        InputError: a parameter outside its range, or an instance with frozen noises.
        SolveError: the run diverged (`rf.largest_step` with the same options gives the limit for large d).

    Example:
        >>> import rfscore as rf
        >>> inst = rf.finite.draw(rf.ScoreProblem(psi_n=2.0, psi_p=4.0, t=0.1), d=20, seed=0)
        >>> curves = rf.finite.stochastic_descent(inst, steps=200, step_size=1.0, record=[0, 200])
        >>> bool(curves.train[1] < curves.train[0])
        True
    """
    if instance.samples is None:
        raise InputError("stochastic_descent: an instance with frozen noises has no others; draw it with "
                         "noise_draws = inf")  # fmt: skip
    wanted = optimizers.recorded(steps, record)
    size = round(batch * instance.n) if 0 < number("batch", batch, "a number in (0, 1]") <= 1 else 0
    if size < 1:
        raise bad("batch", batch, f"a number in (0, 1] with at least one of the n = {instance.n} samples")
    d, u = instance.d, instance.U
    matrices = (u, instance.V), (instance.U_test, instance.V_test)
    top = float(linalg.eigvalsh(u, subset_by_index=[instance.p - 1] * 2)[0]) + instance.ridge
    x = optimizers.rate(instance, step_size, momentum, top)
    rng = np.random.default_rng(seed).spawn(1)[0]  # drawn with the same seed, noises and W would be the same numbers
    theta = before = np.zeros((d, instance.p))
    losses = {}
    for k in range(wanted[-1] + 1):
        if k in wanted:
            losses[k] = [1.0 + float(np.sum(theta * (theta @ m + 2.0 * pull.T))) / d for m, pull in matrices]
            if not np.all(np.isfinite(losses[k])):
                raise SolveError(f"stochastic_descent diverged before step {k}: take a smaller step_size, below "
                                 "rf.largest_step(problem, ...) with the same options")  # fmt: skip
        rows = rng.permutation(instance.n)[:size] if size < instance.n else np.arange(instance.n)
        slope = _slope(instance.samples, theta, rows, rng, fresh_noise) + instance.ridge * theta
        theta, before = theta - x * slope + momentum * (theta - before), theta
    train, test = np.array([losses[k] for k in wanted]).T
    tau = np.array(wanted) * step_size / (1.0 - momentum)
    return LossCurves(tau, train, test, (test - instance.loss_floor) / instance.delta)


def _slope(samples: Samples, theta: Array, rows: Array, rng: np.random.Generator, fresh_noise: bool) -> Array:
    """Half the gradient of the loss of these samples with respect to Theta, times d."""
    if fresh_noise:
        features, noises = samples.noised(rows, rng)
        return (theta @ features + noises) @ features.T / rows.size
    u, v = samples.averaged(rows)
    return theta @ u + v.T
