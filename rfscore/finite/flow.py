r"""Gradient flow of the exact loss: diagonalise once, then any array of training times.

A(tau)/sqrt p = -(1/gain) V^T U^{-1} (I - e^{-c U}), c = 2 gain^2 tau/psi_p, gain^2 = Delta_t for the score (Bonnaire
et al. 2025, Eqs 10 and 53). With the modes of U, f_l = e^{-c lambda_l} and the gains g_l = (1 - f_l)/lambda_l (c where
lambda_l = 0),

    L_train = E  - (1/d) sum_l |P_l|^2 [g_l (1 + f_l) + ridge g_l^2]
    L_test  = E' + (1/d) sum_ll' g_l g_l' M_ll' - (2/d) sum_l g_l P_l.Pt_l,

lambda_l the eigenvalues of U + ridge, E and E' the losses at A = 0 (1 where averaged noise is regressed on).
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
from rfscore.finite.setting import Moments
from rfscore.model.problem import ridge_in_range
from rfscore.model.training import Descent, Flow, Training
from rfscore.results import ClassCurves, DirectionCurves, LossCurves, Result, quantity

if TYPE_CHECKING:
    from rfscore.finite.instance import Instance

Array = np.ndarray


class ModeContributions(Result):
    r"""Split of L_train and L_test, minus those at A = 0, over the eigenmodes of U, or over groups of them.

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
            LossCurves at `training.tau(times)`; excess and score_error are NaN for held-out data.

        Raises:
            InputError: times that are none, a step beyond the stability limit, or a protocol that has to be iterated.

        Accuracy:
            1e-12 of the losses, plus inst.error_bound amplified by 1/lambda_min at late times.
        """
        counts = self._times(times, training)
        d, flat = self.instance.d, counts.ravel()
        start = self.instance.energy, self.instance.energy_test
        train, test = (np.full(flat.size, value) for value in start)
        for block, gains, residuals in self._blocks(flat, training):
            fitted = 1.0 + residuals + self.instance.ridge * gains
            train[block] -= np.einsum("r,rm,rm->m", self._weight, gains, fitted) / d
            test[block] += (self.modes.quadratic(gains) - 2.0 * (self._cross @ gains)) / d
        tau, least, unit = training.tau(counts), self.instance.loss_floor, self.instance.setting.unit
        return LossCurves.of(tau, train.reshape(counts.shape), test.reshape(counts.shape), least, unit)

    def weights(self, times: Any, *, training: Training = Flow()) -> Float[Array, "d p"]:  # noqa: B008 (frozen)
        """A of shape (d, p) at one time (Bonnaire et al. 2025, Eq 53)."""
        counts = self._times(times, training)
        if counts.size != 1:
            raise bad("times", f"shape {counts.shape}", "one number", "call weights once per time")
        gains, _ = training.filter(self._reached, counts.reshape(1), self.instance.rate)
        scale = np.sqrt(self.instance.p / self.instance.setting.gain2)
        return scale * self._theta(gains, self.modes.vectors())

    def class_curves(self, times: Any, *, training: Training = Flow()) -> ClassCurves:  # noqa: B008 (frozen)
        r"""Losses of every class, as `rf.class_curves` has them for large d.

        Args:
            times: as for `loss_curves`.
            training: as for `loss_curves`.

        Returns:
            ClassCurves; excess is NaN for held-out data.

        Raises:
            InputError: as for `loss_curves`; a class without training samples.

        Example:
            >>> import rfscore as rf
            >>> problem = rf.ScoreProblem(3.0, 4.0, 0.1, rf.Mixture([0.25, 0.75], [0.25, 2.0]), target="data")
            >>> flow = rf.finite.draw(problem, d=20, seed=0).gradient_flow()
            >>> flow.class_curves([1.0, 10.0]).test.shape
            (2, 2)
        """
        counts, instance, tested = self._times(times, training), self.instance, self.instance.tested
        rows = [np.flatnonzero(instance.labels == c) for c in range(tested.fractions.size)]
        if empty := [c for c, mine in enumerate(rows) if mine.size == 0]:
            raise bad(f"training samples of class {empty[0]}", 0, "at least 1 for losses of every class",
                      "raise d; of heavy-tailed data ask for loss_curves")  # fmt: skip
        found = np.empty((2, counts.size, len(rows)))
        thetas = list(self._thetas(counts, training))
        for c, mine in enumerate(rows):
            for which, moments in enumerate((instance.of_samples(mine), tested.moments(c))):
                found[which, :, c] = [np.mean(moments.losses(theta)) for theta in thetas]
        train, test = found.reshape(2, *counts.shape, len(rows))
        least = np.nan if tested.spectra is None else instance.setting.least(tested.spectra).mean(axis=1)
        return ClassCurves(training.tau(counts), tested.fractions, train, test, test - least)

    def direction_curves(self, times: Any, *, training: Training = Flow()) -> DirectionCurves:  # noqa: B008 (frozen)
        r"""Losses of every eigen-direction of Sigma, as `rf.direction_curves` has them for large d.

        Args:
            times: as for `loss_curves`.
            training: as for `loss_curves`.

        Returns:
            DirectionCurves with all d directions, ascending where Sigma was drawn.

        Raises:
            InputError: as for `loss_curves`; a population that is known by held-out data only.

        Example:
            >>> import rfscore as rf
            >>> problem = rf.ScoreProblem(2.0, 8.0, 0.1, rf.Atoms([0.0, 2.0]))
            >>> found = rf.finite.draw(problem, d=20, seed=0).gradient_flow().direction_curves([10.0, 1e3])
            >>> found.test.shape, found.variance[[0, -1]]
            ((2, 20), array([0., 2.]))
        """
        counts, instance, tested = self._times(times, training), self.instance, self.instance.tested
        if tested.spectra is None:
            raise bad("population", "held-out data", "a covariance, whose eigenvectors are the directions",
                      "give one to from_arrays")  # fmt: skip
        both = (Moments(u, v, target) for u, v, target in zip(
            (instance.U, instance.U_test), (instance.V, instance.V_test), instance.targets, strict=True
        ))  # fmt: skip
        thetas = list(self._thetas(counts, training))
        train, test = (
            np.reshape([m.losses(theta, tested.basis) for theta in thetas], (*counts.shape, instance.d)) for m in both
        )
        least, variance = tested.fractions @ instance.setting.least(tested.spectra), tested.fractions @ tested.spectra
        weights = np.full(instance.d, 1.0 / instance.d)
        return DirectionCurves(training.tau(counts), variance, weights, train, test, test - least)

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
            ModeContributions; its columns sum to L_train and L_test minus those at A = 0.

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

    def _thetas(self, counts: Array, training: Training) -> Iterator[Float[Array, "d p"]]:
        vectors = self.modes.vectors()
        for one in counts.ravel():
            yield self._theta(training.filter(self._reached, np.array([one]), self.instance.rate)[0], vectors)

    def _theta(self, gains: Float[Array, "r 1"], vectors: Float[Array, "p r"]) -> Float[Array, "d p"]:
        """gain A/sqrt p."""
        return -(gains * self.modes.overlap).T @ vectors.T

    def _times(self, times: Any, training: Training) -> Array:
        """Times of a protocol that trains every mode by itself, and stably."""
        if not training.modes_alone:
            raise bad("training", training, "Flow, or Descent without fresh_noise or batch",
                      "ask the instance, which iterates: instance.loss_curves(steps, training=...)")  # fmt: skip
        if isinstance(training, Descent):
            training.check_stable(float(self.eigenvalues[-1]), self.instance.rate)
        return training.times(times)

    def _blocks(self, times: Array, training: Training) -> Iterator[tuple[slice, Array, Array]]:
        """Gains and residuals for blocks of times, so that modes x times is never stored whole."""
        width = max(128, self.modes.reached.size // 8)
        for start in range(0, times.size, width):
            block = slice(start, start + width)
            yield block, *training.filter(self._reached, times[block], self.instance.rate)


def _labels(groups: Any, p: int) -> Array:
    labels = np.asarray(groups)
    if labels.shape != (p,) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise bad("groups", f"shape {labels.shape}, dtype {labels.dtype}", f"({p},) integers >= 0, one per eigenvalue")
    return labels
