r"""How A is trained from A = 0: values that every question takes as `training=`.

All of them have one clock, the paper's training time tau (Bonnaire et al. 2025, Eqs 9 and 10): a step of size
`step_size` = eta/d^2 is that much training time. In the eigenbasis of U (with the ridge) training leaves of each mode
the residual e(lambda), and moves A by the gain (1 - e)/lambda; with rate = 2 Delta_t/psi_p,

    flow:     e = exp(-rate tau lambda),
    descent:  e_{k+1} = (1 + momentum - x lambda) e_k - momentum e_{k-1},  e_0 = e_{-1} = 1,  x = rate step_size

(derivations (D2.6), (D9.1)-(D9.5)). Whatever is a sum over modes follows from these two functions.
"""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from rfscore._numbers import number, reals
from rfscore.errors import InputError, bad

Array = np.ndarray
Pair = tuple[Float[Array, "r m"], Float[Array, "r m"]]


class Training(eqx.Module):
    """A training protocol. `times` are training times tau for the flow, numbers of steps for the others."""

    @abc.abstractmethod
    def times(self, times: Any) -> Float[Array, " *T"]:
        """`times` as floats; refused if they are none of this protocol's."""

    @abc.abstractmethod
    def tau(self, times: Float[Array, " *T"]) -> Float[Array, " *T"]:
        """The training time at `times`: the clock on which small steps are the flow."""

    @property
    def modes_alone(self) -> bool:
        """Whether each mode of U is trained by itself, so that residuals and gains say everything."""
        return False

    def check_modes_alone(self) -> None:
        """Refuse a protocol whose modes are not trained each by itself."""
        if not self.modes_alone:
            raise self._mixed()

    def filter(self, lam: Float[Array, " r"], times: Float[Array, " m"], rate: float) -> Pair:
        """Gains (1 - e)/lambda and residuals e of modes lam >= 0, if `modes_alone`."""
        raise self._mixed()

    def _mixed(self) -> InputError:
        return bad("training", self, "Flow, or Descent without fresh_noise or batch",
                   "others mix the modes; loss_curves of the problem or of an instance takes them")  # fmt: skip


class Flow(Training):
    """Gradient flow, the paper's training.

    Example:
        >>> import numpy as np
        >>> import rfscore as rf
        >>> gains, residuals = rf.Flow().filter(np.array([0.0, 2.0]), np.array([1.0, np.inf]), rate=1.0)
        >>> print(gains.round(4).tolist(), residuals.round(4).tolist())
        [[1.0, 0.0], [0.4323, 0.5]] [[1.0, 1.0], [0.1353, 0.0]]
    """

    def times(self, times: Any) -> Float[Array, " *T"]:
        """Training times >= 0; 0 and inf are allowed."""
        array = reals("tau", times, "training times >= 0")
        wrong = ~(array >= 0)
        if np.any(wrong):
            raise bad("tau", float(array[wrong][0]), "training times >= 0", "0 and inf are allowed")
        return array

    def tau(self, times: Float[Array, " *T"]) -> Float[Array, " *T"]:
        """The times themselves."""
        return times

    @property
    def modes_alone(self) -> bool:
        """Always."""
        return True

    def filter(self, lam: Float[Array, " r"], times: Float[Array, " m"], rate: float) -> Pair:
        """(1 - e^{-c lam})/lam and e^{-c lam}, c = rate tau; at lam = 0 the gain is c, or 0 for c = inf.

        A null mode has no overlap with V: its gain multiplies 0 and must be finite.
        """
        c, null = rate * times, (lam == 0)[:, None]
        with np.errstate(invalid="ignore"):
            exponent = np.where(null, 0.0, lam[:, None] * c)
        limit = np.broadcast_to(np.where(np.isfinite(c), c, 0.0), exponent.shape)
        gains = np.divide(-np.expm1(-exponent), lam[:, None], out=limit.copy(), where=~null)
        return gains, np.exp(-exponent)


class Descent(Training):
    """Gradient descent or heavy ball.

    Args:
        step_size: eta/d^2, the training time of one step without momentum, > 0; `rf.largest_step` says how much is
            stable.
        momentum: beta of heavy ball, in [0, 1). k steps take the training time k step_size/(1 - momentum).
        fresh_noise: draw one new noise a sample at every step, instead of the exact average over noises.
        batch: the part of the n samples that a step sees, in (0, 1], drawn anew without replacement; None is all.

    Raises:
        InputError: a value outside its range.

    Example:
        >>> import numpy as np
        >>> import rfscore as rf
        >>> _, residuals = rf.Descent(step_size=0.5).filter(np.array([0.0, 1.0]), np.array([1.0, 2.0]), rate=1.0)
        >>> print(residuals.tolist())
        [[1.0, 1.0], [0.5, 0.25]]
    """

    step_size: float = eqx.field(converter=lambda v: _between("step_size", v, 0.0, np.inf, "eta/d^2 > 0"))
    momentum: float = eqx.field(default=0.0, converter=lambda v: _momentum(v))
    fresh_noise: bool = False
    batch: float | None = eqx.field(default=None, converter=lambda v: _batch(v))

    def times(self, times: Any) -> Float[Array, " *T"]:
        """Whole numbers of steps >= 0, exact up to 2^53."""
        return step_counts(times)

    def tau(self, times: Float[Array, " *T"]) -> Float[Array, " *T"]:
        """k step_size/(1 - momentum)."""
        return np.asarray(times * self.step_size / (1.0 - self.momentum))

    @property
    def modes_alone(self) -> bool:
        """Without gradient noise."""
        return not self.fresh_noise and self.batch is None

    def stable(self, top: float, rate: float) -> float:
        """The step size from which on a mode of eigenvalue `top` diverges, 2 (1 + momentum)/(rate top): (D9.5)."""
        return 2.0 * (1.0 + self.momentum) / (rate * top) if top > 0 else np.inf

    def check_stable(self, top: float, rate: float) -> None:
        """Refuse a step that is too large for the largest eigenvalue."""
        limit = self.stable(top, rate)
        if not self.step_size < limit:
            raise bad("step_size", self.step_size, f"eta/d^2 in (0, {limit:.6g})", "the descent diverges beyond it")

    def filter(self, lam: Float[Array, " r"], times: Float[Array, " m"], rate: float) -> Pair:
        """Residuals e_k and gains (1 - e_k)/lam, accurate down to lam = 0 and through double roots."""
        if not self.modes_alone:
            return super().filter(lam, times, rate)
        x, lam = rate * self.step_size, lam[:, None]
        if self.momentum == 0.0:
            change = _one_minus_power(x * lam, times)
            gains = np.divide(change, lam, out=np.broadcast_to(x * times, change.shape).copy(), where=lam > 0)
            return gains, 1.0 - change
        return _heavy_ball(lam, times, x, self.momentum)


class Adam(Training):
    """Adam with full-batch gradients of the exact training loss (Kingma & Ba 2015); drawn networks only.

    Args:
        step_size: learning rate of the entries of A over d^2, > 0: the unit of every step. Adam's own pace differs from
            the flow's, so its tau is bookkeeping.
        betas: decay rates of the two moments, in [0, 1).
        eps: added to the root of the second moment, > 0.

    Raises:
        InputError: a value outside its range.
    """

    step_size: float = eqx.field(converter=lambda v: _between("step_size", v, 0.0, np.inf, "eta/d^2 > 0"))
    betas: tuple[float, float] = eqx.field(default=(0.9, 0.999), converter=lambda v: _betas(v))
    eps: float = eqx.field(default=1e-8, converter=lambda v: _between("eps", v, 0.0, np.inf, "a finite number > 0"))

    def times(self, times: Any) -> Float[Array, " *T"]:
        """Whole numbers of steps >= 0."""
        return step_counts(times)

    def tau(self, times: Float[Array, " *T"]) -> Float[Array, " *T"]:
        """k step_size."""
        return np.asarray(times * self.step_size)


def step_counts(steps: Any) -> Float[Array, " *T"]:
    """Whole numbers >= 0 as floats, exact up to 2^53."""
    array = reals("steps", steps, "whole numbers in [0, 2^53]")
    wrong = ~((array >= 0) & (array <= 2.0**53) & (array == np.floor(array)))
    if np.any(wrong):
        raise bad("steps", float(array[wrong][0]), "whole numbers in [0, 2^53]")
    return array


def _between(name: str, value: Any, low: float, high: float, admissible: str) -> float:
    found = number(name, value, admissible)
    if not low < found < high:
        raise bad(name, value, admissible)
    return found


def _momentum(value: Any) -> float:
    found = number("momentum", value, "a number in [0, 1)")
    if not 0.0 <= found < 1.0:
        raise bad("momentum", value, "a number in [0, 1)")
    return found


def _batch(value: Any) -> float | None:
    """None where all samples are seen."""
    admissible = "a number in (0, 1], or None"
    found = None if value is None else number("batch", value, admissible)
    if found is not None and not 0.0 < found <= 1.0:
        raise bad("batch", value, admissible, "it is the part of the n samples that a step sees")
    return None if found == 1.0 else found


def _betas(value: Any) -> tuple[float, float]:
    try:
        first, second = value
    except (TypeError, ValueError) as error:
        raise bad("betas", value, "two numbers in [0, 1)") from error
    found = tuple(number("betas", x, "two numbers in [0, 1)") for x in (first, second))
    if not all(0.0 <= x < 1.0 for x in found):
        raise bad("betas", value, "two numbers in [0, 1)")
    return found[0], found[1]


def _one_minus_power(u: Array, k: Array) -> Array:
    """1 - (1 - u)^k for real u and whole k, without cancellation at small u."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below = -np.expm1(k * np.log1p(-np.minimum(u, 1.0)))
        above = 1.0 - np.where(k % 2 == 0, 1.0, -1.0) * np.exp(k * np.log(np.maximum(u - 1.0, 0.0)))
    return np.where(k == 0, 0.0, np.where(u <= 1.0, below, above))


def _heavy_ball(lam: Array, steps: Array, x: float, beta: float) -> Pair:
    r"""Gains and residuals of heavy ball, for lam (r, 1).

    With r_1, r_2 the roots of r^2 - (1 + beta - x lam) r + beta and mu_k = (r_1^k - r_2^k)/(r_1 - r_2), the residual is
    e_k = mu_{k+1} - beta mu_k; mu_k is evaluated as a ratio of (hyperbolic) sines, which is smooth through the double
    root. Where the roots are well apart (small lam among them), 1 - e_k is summed from 1 - r_i^k instead, which keeps
    the gain accurate down to lam = 0.
    """
    trace = 1.0 + beta - x * lam
    disc = trace * trace - 4.0 * beta
    apart = disc[:, 0] > 0.25 * (1.0 - beta) ** 2
    gains = np.empty((lam.shape[0], steps.size))
    gains[apart] = _gain_apart(lam[apart], trace[apart], disc[apart], x, beta, steps)
    near = ~apart
    now, before = (_lucas(trace[near], disc[near], beta, k) for k in (steps + 1, steps))
    gains[near] = (1.0 - now + beta * before) / lam[near]
    return gains, 1.0 - lam * gains


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
