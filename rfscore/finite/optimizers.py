r"""Discrete optimisers on the exact training loss: gradient descent and heavy ball in closed form, Adam by iteration.

With the learning rate eta on A, the step size is eta/d^2, the training time of one step, as in the theory. In the
eigenbasis of U a gradient step multiplies the residual of mode l by 1 - x lambda_l, x = 2 Delta_t step_size/psi_p, and
a heavy-ball step is a two-term recursion: any number of steps is a power. Times are tau = k step_size (Bonnaire et al.
2025, Eqs 9-10); heavy ball moves 1/(1 - beta) times as fast, and its tau is k step_size/(1 - beta), so that both lie
on the flow's curve when the step is small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rfscore._numbers import number
from rfscore.errors import bad
from rfscore.finite.equivalent import EquivalentInstance
from rfscore.finite.frozen import FrozenInstance
from rfscore.finite.instance import ExactInstance, Instance
from rfscore.results import LossCurves

Array = np.ndarray
Filter = Callable[[Array, Array], tuple[Array, Array]]


def step_counts(steps: Any) -> Array:
    """Whole numbers >= 0 as floats, exact up to 2^53."""
    array = np.asarray(steps)
    if array.dtype.kind not in "iuf" or not np.all((array >= 0) & (array <= 2.0**53) & (array == np.floor(array))):
        raise bad("steps", steps, "whole numbers in [0, 2^53]")
    return array.astype(np.float64)


def rate(instance: Instance, step_size: float, beta: float, largest: float) -> float:
    """x = 2 Delta_t step_size/psi_p; stable for 0 <= beta < 1 and x lambda_max < 2 (1 + beta)."""
    if not 0 <= number("beta", beta, "a number in [0, 1)") < 1:
        raise bad("beta", beta, "a number in [0, 1)")
    unit = 2.0 * instance.delta / instance.psi_p
    maximum = 2.0 * (1.0 + beta) / (unit * largest) if largest > 0 else np.inf
    admissible = f"eta/d^2 in (0, {maximum:.6g})"
    if not 0 < number("step_size", step_size, admissible) < maximum:
        raise bad("step_size", step_size, admissible, "the descent diverges beyond it")
    return float(unit * step_size)


def _one_minus_power(u: Array, k: Array) -> Array:
    """1 - (1 - u)^k for real u and whole k, without cancellation at small u."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below = -np.expm1(k * np.log1p(-np.minimum(u, 1.0)))
        above = 1.0 - np.where(k % 2 == 0, 1.0, -1.0) * np.exp(k * np.log(np.maximum(u - 1.0, 0.0)))
    return np.where(k == 0, 0.0, np.where(u <= 1.0, below, above))


def descent_filter(x: float) -> Filter:
    """Gains and residuals of gradient descent: f = (1 - x lam)^k, k_l = (1 - f)/lam (x k at lam = 0)."""

    def filter_(lam: Array, steps: Array) -> tuple[Array, Array]:
        lam = lam[:, None]
        change = _one_minus_power(x * lam, steps)
        gains = np.divide(change, lam, out=np.broadcast_to(x * steps, change.shape).copy(), where=lam > 0)
        return gains, 1.0 - change

    return filter_


def momentum_filter(x: float, beta: float) -> Filter:
    r"""Gains and residuals of heavy ball, e_{k+1} = (1 + beta - x lam) e_k - beta e_{k-1}, e_0 = e_{-1} = 1.

    With r_1, r_2 the roots of r^2 - (1 + beta - x lam) r + beta and mu_k = (r_1^k - r_2^k)/(r_1 - r_2), the residual is
    e_k = mu_{k+1} - beta mu_k; mu_k is evaluated as a ratio of (hyperbolic) sines, which is smooth through the double
    root. Where the roots are well apart (small lam among them), 1 - e_k is summed from 1 - r_i^k instead, which keeps
    the gain accurate down to lam = 0.
    """
    if beta == 0:
        return descent_filter(x)

    def filter_(lam: Array, steps: Array) -> tuple[Array, Array]:
        lam = lam[:, None]
        trace = 1.0 + beta - x * lam
        disc = trace * trace - 4.0 * beta
        apart = disc[:, 0] > 0.25 * (1.0 - beta) ** 2
        change_over_lam = np.empty((lam.shape[0], steps.size))
        change_over_lam[apart] = _gain_apart(lam[apart], trace[apart], disc[apart], x, beta, steps)
        near = ~apart
        now, before = (_lucas(trace[near], disc[near], beta, k) for k in (steps + 1, steps))
        change_over_lam[near] = (1.0 - now + beta * before) / lam[near]
        return change_over_lam, 1.0 - lam * change_over_lam

    return filter_


def _gain_apart(lam: Array, trace: Array, disc: Array, x: float, beta: float, steps: Array) -> Array:
    """(1 - e_k)/lam from two well separated real roots; u_1 = 1 - r_1 = x lam/(1 - r_2) has no cancellation."""
    root = np.sqrt(disc)
    r1 = 0.5 * (trace + np.copysign(root, trace))
    r2 = beta / r1
    u1, gap = x * lam / (1.0 - r2), r1 - r2
    first = _one_minus_power(u1, steps)
    slope = np.divide(first, lam, out=np.broadcast_to(x * steps / (1.0 - r2), first.shape).copy(), where=lam > 0)
    return r1 * (1.0 - r2) / gap * slope - r2 * x / ((1.0 - r2) * gap) * _one_minus_power(1.0 - r2, steps)


def _lucas(trace: Array, disc: Array, beta: float, k: Array) -> Array:
    """mu_k = (r_1^k - r_2^k)/(r_1 - r_2), its limit k r^{k-1} at a double root included."""
    size = np.sqrt(beta)
    # Both forms for |trace|, the acute angle being accurate near both double roots; r -> -r changes mu_k by (-1)^(k-1).
    sign = np.where((trace < 0) & (k % 2 == 0), -1.0, 1.0)
    theta = np.arctan2(np.sqrt(np.maximum(-disc, 0.0)), np.abs(trace))
    with np.errstate(divide="ignore", invalid="ignore"):
        circular = sign * np.sin(k * theta) / np.sin(theta) * size ** (k - 1)
        # r_1^{k-1} (1 - (r_2/r_1)^k)/(1 - r_2/r_1), with r_2/r_1 = e^{-2 phi}
        phi = np.arcsinh(np.sqrt(np.maximum(disc, 0.0)) / (2.0 * size))
        ratio = np.where(phi > 0, np.expm1(-2.0 * k * phi) / np.expm1(-2.0 * phi), k)
        hyperbolic = sign * ratio * np.exp((k - 1) * (np.log(size) + phi))
    return np.where(disc < 0, circular, hyperbolic)


def adam(
    instance: ExactInstance | EquivalentInstance | FrozenInstance,
    steps: int,
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    record: Any = None,
) -> LossCurves:
    r"""Adam with full-batch gradients of the exact training loss, iterated from A = 0 (Kingma & Ba 2015).

    grad L_train = (2/d) (Delta_t A (U + ridge)/p + sqrt(Delta_t/p) V^T), and no sampling anywhere.

    Args:
        instance: the model.
        steps: number of steps, >= 1.
        learning_rate: Adam's own, the size of its steps on the entries of A, > 0; not divided by d^2, because Adam
            rescales the gradient.
        betas: decay rates of the two moments, in [0, 1).
        eps: added to the root of the second moment, > 0.
        record: step counts at which to evaluate the losses; default 0 and about 60 logarithmically spaced ones.

    Returns:
        LossCurves with tau = k learning_rate/d^2, the bookkeeping of gradient descent (Adam's own pace differs).

    Raises:
        InputError: a parameter outside its range.

    Example:
        >>> import rfscore as rf
        >>> inst = rf.finite.draw(rf.ScoreProblem(psi_n=2.0, psi_p=4.0, t=0.1), d=20, seed=0)
        >>> curves = rf.finite.adam(inst, steps=200, learning_rate=0.01, record=[0, 200])
        >>> bool(curves.train[1] < curves.train[0])
        True
    """
    wanted = _check_adam(steps, learning_rate, betas, eps, record)
    u, v, delta, d, p = instance.U, instance.V, instance.delta, instance.d, instance.p
    u_test, v_test = instance.U_test, instance.V_test
    a, first, second = (np.zeros((d, p)) for _ in range(3))
    pull = np.sqrt(delta / p) * v.T
    train, test = {}, {}
    for k in range(wanted[-1] + 1):
        push = (delta / p) * (a @ u)
        if k in wanted:
            train[k] = instance.energy + float(np.sum(a * (push + 2.0 * pull))) / d
            test[k] = 1.0 + float(np.sum(a * ((delta / p) * (a @ u_test) + 2.0 * np.sqrt(delta / p) * v_test.T))) / d
        gradient = (2.0 / d) * (push + pull + (delta * instance.ridge / p) * a)
        first += (1.0 - betas[0]) * (gradient - first)
        second += (1.0 - betas[1]) * (gradient * gradient - second)
        correction = np.sqrt(1.0 - betas[1] ** (k + 1))
        scale = learning_rate / (1.0 - betas[0] ** (k + 1))
        a -= scale * first / (np.sqrt(second) / correction + eps)
    test_loss = np.array([test[k] for k in wanted])
    tau = np.array(wanted) * learning_rate / d**2
    return LossCurves(tau, np.array([train[k] for k in wanted]), test_loss, (test_loss - instance.loss_floor) / delta)


def _check_adam(steps: int, learning_rate: float, betas: tuple[float, float], eps: float, record: Any) -> list[int]:
    wanted = recorded(steps, record)
    for name, value in (("learning_rate", learning_rate), ("eps", eps)):
        if not 0 < number(name, value, "a finite number > 0") < np.inf:
            raise bad(name, value, "a finite number > 0")
    if len(betas) != 2 or not all(0 <= number("betas", b, "two numbers in [0, 1)") < 1 for b in betas):
        raise bad("betas", betas, "two numbers in [0, 1)")
    return wanted


def recorded(steps: int, record: Any) -> list[int]:
    """Step counts to record, ascending, in [0, steps]."""
    if isinstance(steps, bool) or not (isinstance(steps, (int, np.integer)) and steps >= 1):
        raise bad("steps", steps, "a whole number >= 1")
    if record is None:
        record = np.concatenate([[0], np.geomspace(1, steps, 60).round()])
    wanted = sorted({int(k) for k in step_counts(record).ravel()})
    if not wanted or wanted[-1] > steps:
        raise bad("record", record, f"step counts in [0, {steps}]")
    return wanted
