r"""Gradient flow of the exact loss: diagonalise once, then any array of training times.

A(tau)/sqrt p = -(1/sqrt Delta_t) V^T U^{-1} (I - e^{-c U}), c = 2 Delta_t tau/psi_p (Bonnaire et al. 2025, Eqs 10 and
53). With the modes of U, f_l = e^{-c lambda_l} and the gains k_l = (1 - f_l)/lambda_l (c where lambda_l = 0),

    L_train = E - (1/d) sum_l |P_l|^2 [k_l (1 + f_l) + ridge k_l^2]
    L_test  = 1 + (1/d) sum_ll' k_l k_l' M_ll' - (2/d) sum_l k_l P_l.Pt_l,

lambda_l the eigenvalues of U + ridge, E the mean square of the training noises (1 where they are averaged).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from rfscore._numbers import reals
from rfscore.errors import bad
from rfscore.finite import optimizers
from rfscore.finite.instance import Instance
from rfscore.results import LossCurves

Array = np.ndarray
Filter = Callable[[Array, Array], tuple[Array, Array]]  # (lambda, times) -> (gains k, residuals f)


@dataclass(frozen=True, eq=False)
class ModeContributions:
    r"""Split of L_train - 1 and L_test - 1 over the eigenmodes of U, or over groups of them.

    Attributes:
        tau: training times.
        train: -(1/d) |P_l|^2 [k_l (1 + f_l) + ridge k_l^2], (modes, *tau.shape).
        test: (1/d) k_l sum_l' M_ll' k_l' - (2/d) k_l P_l.Pt_l, the double sum split evenly between l and l'.
    """

    tau: Array
    train: Array
    test: Array


class GradientFlow:
    r"""The explicit solution of the gradient flow of one instance.

    Args:
        instance: the model; its U is diagonalised here.

    Example:
        >>> import numpy as np
        >>> import rfscore as rf
        >>> problem = rf.ScoreProblem(psi_n=2.0, psi_p=4.0, t=0.1)
        >>> flow = rf.finite.draw(problem, d=20, seed=0).gradient_flow()
        >>> curves = flow.losses([0.0, 1.0, np.inf])
        >>> bool(np.all(np.diff(curves.train) < 0))
        True
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.modes = instance.modes()

    @property
    def eigenvalues(self) -> Float[Array, " p"]:
        """Eigenvalues of U + ridge, ascending; those of U within p eps lambda_max of 0 count as null."""
        return self.modes.eigenvalues + self.instance.ridge

    @property
    def _reached(self) -> Float[Array, " r"]:
        return self.modes.reached + self.instance.ridge

    def losses(self, tau: Any) -> LossCurves:
        r"""Training loss, test loss and score error along the flow.

        Args:
            tau: training times >= 0, a number or an array; 0 and inf are exact.

        Returns:
            LossCurves; score_error = (L_test - 1)/Delta_t + Tr Sigma_t^{-1}/d (denoising identity), NaN for held-out
            data.

        Raises:
            InputError: a tau that is negative or NaN.

        Accuracy:
            1e-12 of the losses, plus inst.error_bound amplified by 1/lambda_min at late times.
        """
        tau = _times(tau)
        return self._curves(tau, tau.ravel(), self._filter)

    def weights(self, tau: Any) -> Float[Array, "d p"]:
        """A(tau) of shape (d, p) (Bonnaire et al. 2025, Eq 53), for one training time."""
        tau = _times(tau)
        if tau.size != 1:
            raise bad("tau", f"shape {tau.shape}", "one number", "call weights once per time")
        gains, _ = self._filter(self._reached, tau.reshape(1))
        scale = -np.sqrt(self.instance.p / self.instance.delta)
        return scale * ((gains * self.modes.overlap).T @ self.modes.vectors().T)

    def mode_contributions(self, tau: Any, groups: Int[Array, " p"] | None = None) -> ModeContributions:
        r"""Which eigenvalues lower the training loss, and which raise the test loss, at each tau.

        Args:
            tau: training times >= 0.
            groups: a label 0, 1, ... per eigenvalue, e.g. `np.searchsorted(gaps, flow.eigenvalues)` for bulks; without
                it one row per mode is returned.

        Returns:
            ModeContributions; its columns sum to L_train - 1 and L_test - 1.

        Raises:
            InputError: tau negative or NaN; groups not p integers >= 0.
        """
        tau = _times(tau)
        p, d = self.eigenvalues.size, self.instance.d
        labels = np.arange(p) if groups is None else _labels(groups, p)
        count = int(labels.max()) + 1
        reached = labels[p - self.modes.reached.size :]
        train, test = np.zeros((count, tau.size)), np.zeros((count, tau.size))
        for block, gains, residuals in self._blocks(tau.ravel(), self._filter):
            fitted = gains * (1.0 + residuals + self.instance.ridge * gains)
            np.add.at(train[:, block], reached, -(self._weight * fitted.T).T / d)
            rows = gains * (self.modes.coupled(gains) - 2.0 * self._cross[:, None]) / d
            np.add.at(test[:, block], reached, rows)
        return ModeContributions(tau, train.reshape(count, *tau.shape), test.reshape(count, *tau.shape))

    def gradient_descent(self, steps: Any, step_size: float) -> LossCurves:
        """Losses after k steps of gradient descent, exactly; see `optimizers.descent_filter`.

        `step_size` is eta/d^2, the training time of one step, as in `rf.descent_curves`; tau = k step_size.
        """
        return self.momentum(steps, step_size, 0.0)

    def momentum(self, steps: Any, step_size: float, beta: float) -> LossCurves:
        """Losses after k heavy-ball steps, exactly; tau = k step_size/(1 - beta); see `optimizers.momentum_filter`."""
        steps = optimizers.step_counts(steps)
        rate = optimizers.rate(self.instance, step_size, beta, self.eigenvalues[-1])
        tau = steps * step_size / (1.0 - beta)
        return self._curves(tau, steps.ravel(), optimizers.momentum_filter(rate, beta))

    @cached_property
    def _weight(self) -> Array:
        return np.einsum("rd,rd->r", self.modes.overlap, self.modes.overlap)

    @cached_property
    def _cross(self) -> Array:
        return np.einsum("rd,rd->r", self.modes.overlap, self.modes.overlap_test)

    def _filter(self, lam: Array, tau: Array) -> tuple[Array, Array]:
        rate = 2.0 * self.instance.delta / self.instance.psi_p
        return flow_filter(lam, rate * tau)

    def _blocks(self, times: Array, gain_filter: Filter) -> Iterator[tuple[slice, Array, Array]]:
        """Gains and residuals for blocks of times, so that modes x times is never stored whole."""
        width = max(128, self.modes.reached.size // 8)
        for start in range(0, times.size, width):
            block = slice(start, start + width)
            yield block, *gain_filter(self._reached, times[block])

    def _curves(self, tau: Array, times: Array, gain_filter: Filter) -> LossCurves:
        d = self.instance.d
        train, test = np.full(times.size, self.instance.energy), np.ones(times.size)
        for block, gains, residuals in self._blocks(times, gain_filter):
            fitted = 1.0 + residuals + self.instance.ridge * gains
            train[block] -= np.einsum("r,rm,rm->m", self._weight, gains, fitted) / d
            test[block] += (self.modes.quadratic(gains) - 2.0 * (self._cross @ gains)) / d
        score_error = (test - self.instance.loss_floor) / self.instance.delta
        return LossCurves(tau, *(x.reshape(tau.shape) for x in (train, test, score_error)))


def flow_filter(lam: Float[Array, " r"], c: Float[Array, " m"]) -> tuple[Float[Array, "r m"], Float[Array, "r m"]]:
    """Gains (1 - e^{-c lam})/lam and residuals e^{-c lam}; at lam = 0 the gain is c; c may be inf where lam > 0."""
    null = (lam == 0)[:, None]
    with np.errstate(invalid="ignore"):
        exponent = np.where(null, 0.0, lam[:, None] * c)
    # A null mode has no overlap with V: its gain multiplies 0 and must be finite.
    limit = np.broadcast_to(np.where(np.isfinite(c), c, 0.0), exponent.shape)
    gains = np.divide(-np.expm1(-exponent), lam[:, None], out=limit.copy(), where=~null)
    return gains, np.exp(-exponent)


def _times(tau: Any) -> Array:
    array = reals("tau", tau, "training times >= 0")
    wrong = ~(array >= 0)
    if np.any(wrong):
        raise bad("tau", float(array[wrong][0]), "training times >= 0", "0 and inf are allowed")
    return array


def _labels(groups: Any, p: int) -> Array:
    labels = np.asarray(groups)
    if labels.shape != (p,) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise bad("groups", f"shape {labels.shape}, dtype {labels.dtype}", f"({p},) integers >= 0, one per eigenvalue")
    return labels
