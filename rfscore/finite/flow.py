r"""Gradient flow of the exact loss: diagonalise once, then any array of training times.

A(tau)/sqrt p = -(1/sqrt Delta_t) V^T U^{-1} (I - e^{-c U}), c = 2 Delta_t tau/psi_p (Bonnaire et al. 2025, Eqs 10 and
53). With the modes of U, f_l = e^{-c lambda_l} and the gains g_l = (1 - f_l)/lambda_l (c where lambda_l = 0),

    L_train = E - (1/d) sum_l |P_l|^2 [g_l (1 + f_l) + ridge g_l^2]
    L_test  = 1 + (1/d) sum_ll' g_l g_l' M_ll' - (2/d) sum_l g_l P_l.Pt_l,

lambda_l the eigenvalues of U + ridge, E the mean square of the training noises (1 where they are averaged).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from rfscore.errors import bad
from rfscore.model.problem import ridge_in_range
from rfscore.model.training import Descent, Flow, Training
from rfscore.results import LossCurves, Result, quantity

if TYPE_CHECKING:
    from rfscore.finite.instance import Instance

Array = np.ndarray


class ModeContributions(Result):
    r"""Split of L_train - 1 and L_test - 1 over the eigenmodes of U, or over groups of them.

    Attributes:
        tau: training times.
        train: -(1/d) |P_l|^2 [g_l (1 + f_l) + ridge g_l^2], (modes, *tau.shape).
        test: (1/d) g_l sum_l' M_ll' g_l' - (2/d) g_l P_l.Pt_l, the double sum split evenly between l and l'.
    """

    tau: Any = quantity("tau")
    train: Any = quantity("mode", "tau")
    test: Any = quantity("mode", "tau")


class GradientFlow:
    r"""The explicit solution of the gradient flow of one instance.

    Args:
        instance: the model; its U is diagonalised here.

    Example:
        >>> import numpy as np
        >>> import rfscore as rf
        >>> problem = rf.ScoreProblem(psi_n=2.0, psi_p=4.0, t=0.1)
        >>> flow = rf.finite.draw(problem, d=20, seed=0).gradient_flow()
        >>> curves = flow.loss_curves([0.0, 1.0, np.inf])
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

    def loss_curves(self, times: Any, *, training: Training = Flow()) -> LossCurves:  # noqa: B008 (frozen)
        r"""Training loss, test loss and score error, exactly.

        Args:
            times: training times >= 0 of the flow (0 and inf are exact), or whole numbers of steps; any shape.
            training: Flow, or Descent without gradient noise.

        Returns:
            LossCurves at `training.tau(times)`; score_error = (L_test - 1)/Delta_t + Tr Sigma_t^{-1}/d (denoising
            identity), NaN for held-out data.

        Raises:
            InputError: times that are none, a step beyond the stability limit, or a protocol that has to be iterated.

        Accuracy:
            1e-12 of the losses, plus inst.error_bound amplified by 1/lambda_min at late times.
        """
        counts = self._times(times, training)
        d, flat = self.instance.d, counts.ravel()
        train, test = np.full(flat.size, self.instance.energy), np.ones(flat.size)
        for block, gains, residuals in self._blocks(flat, training):
            fitted = 1.0 + residuals + self.instance.ridge * gains
            train[block] -= np.einsum("r,rm,rm->m", self._weight, gains, fitted) / d
            test[block] += (self.modes.quadratic(gains) - 2.0 * (self._cross @ gains)) / d
        tau, least = training.tau(counts), self.instance.loss_floor
        return LossCurves.of(
            tau, train.reshape(counts.shape), test.reshape(counts.shape), least, self.instance.delta
        )  # fmt: skip

    def weights(self, times: Any, *, training: Training = Flow()) -> Float[Array, "d p"]:  # noqa: B008 (frozen)
        """A of shape (d, p) at one time (Bonnaire et al. 2025, Eq 53)."""
        counts = self._times(times, training)
        if counts.size != 1:
            raise bad("times", f"shape {counts.shape}", "one number", "call weights once per time")
        gains, _ = training.filter(self._reached, counts.reshape(1), self._rate)
        scale = -np.sqrt(self.instance.p / self.instance.delta)
        return scale * ((gains * self.modes.overlap).T @ self.modes.vectors().T)

    def mode_contributions(
        self, times: Any, groups: Int[Array, " p"] | None = None, *, training: Training = Flow()  # noqa: B008 (frozen)
    ) -> ModeContributions:  # fmt: skip
        r"""Which eigenvalues lower the training loss, and which raise the test loss, at each time.

        Args:
            times: as for `loss_curves`.
            groups: a label 0, 1, ... per eigenvalue, e.g. `np.searchsorted(gaps, flow.eigenvalues)` for bulks; without
                it one row per mode is returned.
            training: as for `loss_curves`.

        Returns:
            ModeContributions; its columns sum to L_train - 1 and L_test - 1.

        Raises:
            InputError: as for `loss_curves`; groups not p integers >= 0.
        """
        counts = self._times(times, training)
        p, d = self.eigenvalues.size, self.instance.d
        labels = np.arange(p) if groups is None else _labels(groups, p)
        count = int(labels.max()) + 1
        reached = labels[p - self.modes.reached.size :]
        train, test = np.zeros((count, counts.size)), np.zeros((count, counts.size))
        for block, gains, residuals in self._blocks(counts.ravel(), training):
            fitted = gains * (1.0 + residuals + self.instance.ridge * gains)
            np.add.at(train[:, block], reached, -(self._weight * fitted.T).T / d)
            rows = gains * (self.modes.coupled(gains) - 2.0 * self._cross[:, None]) / d
            np.add.at(test[:, block], reached, rows)
        shape = (count, *counts.shape)
        return ModeContributions(training.tau(counts), train.reshape(shape), test.reshape(shape))

    def with_ridge(self, ridge: float) -> GradientFlow:
        """The same network trained with another ridge: U is not diagonalised again."""
        twin = copy.copy(self)
        twin.instance = replace(self.instance, ridge=ridge_in_range(ridge))
        return twin

    @cached_property
    def _weight(self) -> Array:
        return np.einsum("rd,rd->r", self.modes.overlap, self.modes.overlap)

    @cached_property
    def _cross(self) -> Array:
        return np.einsum("rd,rd->r", self.modes.overlap, self.modes.overlap_test)

    @property
    def _rate(self) -> float:
        return 2.0 * self.instance.delta / self.instance.psi_p

    def _times(self, times: Any, training: Training) -> Array:
        """Times of a protocol that trains every mode by itself, and stably."""
        if not training.modes_alone:
            raise bad("training", training, "Flow, or Descent without fresh_noise or batch",
                      "ask the instance, which iterates: instance.loss_curves(steps, training=...)")  # fmt: skip
        if isinstance(training, Descent):
            training.check_stable(float(self.eigenvalues[-1]), self._rate)
        return training.times(times)

    def _blocks(self, times: Array, training: Training) -> Iterator[tuple[slice, Array, Array]]:
        """Gains and residuals for blocks of times, so that modes x times is never stored whole."""
        width = max(128, self.modes.reached.size // 8)
        for start in range(0, times.size, width):
            block = slice(start, start + width)
            yield block, *training.filter(self._reached, times[block], self._rate)


def _labels(groups: Any, p: int) -> Array:
    labels = np.asarray(groups)
    if labels.shape != (p,) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise bad("groups", f"shape {labels.shape}, dtype {labels.dtype}", f"({p},) integers >= 0, one per eigenvalue")
    return labels
