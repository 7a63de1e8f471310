"""One instance of the model at finite size: the four matrices that decide training, with their normalisation."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from rfscore._numbers import Seed
from rfscore.finite.flow import GradientFlow
from rfscore.finite.iterate import iterated
from rfscore.finite.modes import DenseModes, Modes
from rfscore.finite.setting import Moments, Setting, Tested
from rfscore.model.training import Flow, Training
from rfscore.results import LossCurves


@runtime_checkable
class Samples(Protocol):
    """Training samples that can be noised anew, or averaged over their noises a few at a time."""

    def noised(
        self, rows: np.ndarray, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, "p k"], Float[np.ndarray, "d k"]]:
        """Features of one new noised copy of each of these samples, and their residuals at A = 0."""

    def averaged(self, rows: np.ndarray) -> Moments:
        """Moments of these samples alone."""


@dataclass(frozen=True, eq=False, repr=False)
class Instance(abc.ABC):
    r"""A random-features model with W frozen and n samples, the noise averaged or drawn (Bonnaire et al. 2025, Eq 11).

    phi are the features of a noised sample, r = -(on_data x + on_noise xi) its residual at A = 0, minus the target: xi
    where the target is the score.

    Attributes:
        weights: W, (p, d).
        n: number of training samples.
        setting: diffusion time, process and target, with signal, noise, delta, on_data, on_noise, gain2.
        U: (1/n) sum_nu E_xi[phi phi^T], (p, p).
        V: (1/n) sum_nu E_xi[phi r^T], (p, d).
        U_test: the same average over the population, (p, p).
        V_test: the same average over the population, (p, d).
        error_bound: bound on the error of the entries of U and U_test made by integrating the noise.
        targets: E[r r^T] of training and of the population, (d, d) each; their traces over d are the losses at A = 0.
        tested: the population, class by class.
        labels: class of each training sample.
        ridge: weight decay, in units of the eigenvalues of U; training sees U + ridge I.
        samples: the training samples one by one, for stochastic descent; None with frozen noises.
    """

    weights: Float[np.ndarray, "p d"]
    n: int
    setting: Setting
    error_bound: float
    targets: tuple[Float[np.ndarray, "d d"], Float[np.ndarray, "d d"]] = field(kw_only=True)
    tested: Tested = field(kw_only=True)
    labels: Int[np.ndarray, " n"] = field(kw_only=True)
    ridge: float = field(default=0.0, kw_only=True)
    samples: Samples | None = field(default=None, kw_only=True)

    if TYPE_CHECKING:  # fields or cached properties of each kind of instance

        @property
        def U(self) -> Float[np.ndarray, "p p"]:
            """See above."""

        @property
        def V(self) -> Float[np.ndarray, "p d"]:
            """See above."""

        @property
        def U_test(self) -> Float[np.ndarray, "p p"]:
            """See above."""

        @property
        def V_test(self) -> Float[np.ndarray, "p d"]:
            """See above."""

    @property
    def p(self) -> int:
        """Number of features."""
        return self.weights.shape[0]

    @property
    def d(self) -> int:
        """Data dimension."""
        return self.weights.shape[1]

    @property
    def psi_n(self) -> float:
        """n/d."""
        return self.n / self.d

    @property
    def psi_p(self) -> float:
        """p/d."""
        return self.p / self.d

    @property
    def t(self) -> float | None:
        """Diffusion time; None for a channel without time."""
        return self.setting.t

    @property
    def delta(self) -> float:
        """Variance of the noise: Delta_t = 1 - e^{-2t}."""
        return self.setting.delta

    @property
    def rate(self) -> float:
        """c/tau = 2 gain^2/psi_p, 2 Delta_t/psi_p where the target is the score."""
        return 2.0 * self.setting.gain2 / self.psi_p

    @property
    def energy(self) -> float:
        """Training loss at A = 0, 1 where averaged noise is all that is regressed on."""
        return float(np.trace(self.targets[0])) / self.d

    @property
    def energy_test(self) -> float:
        """Test loss at A = 0."""
        return float(np.trace(self.targets[1])) / self.d

    @property
    def loss_floor(self) -> float:
        """Least possible test loss, 1 - Delta_t Tr Sigma_t^{-1}/d for the score; NaN of held-out samples."""
        spectra = self.tested.spectra
        return np.nan if spectra is None else float(self.tested.fractions @ self.setting.least(spectra).mean(axis=1))

    def __repr__(self) -> str:
        time = "" if self.t is None else f", t={self.t:g}"
        return f"{type(self).__name__}(p={self.p}, n={self.n}, d={self.d}{time})"

    def of_samples(self, rows: Int[np.ndarray, " k"]) -> Moments:
        """Moments of these training samples alone."""
        assert self.samples is not None  # frozen noises have their own way
        return self.samples.averaged(rows)

    @abc.abstractmethod
    def modes(self) -> Modes:
        """Eigenvalues and overlaps of U: all that training needs."""

    def eigenvalues(self) -> Float[np.ndarray, " p"]:
        """Eigenvalues of U, ascending."""
        return np.sort(self.modes().eigenvalues)

    def gradient_flow(self) -> GradientFlow:
        r"""Diagonalise U once; the flow dA/dtau = -d^2 grad L_train (Bonnaire et al. 2025, Eq 10) is then explicit.

        Returns:
            GradientFlow, which answers for any array of training times.

        Example:
            >>> import rfscore as rf
            >>> problem = rf.ScoreProblem(psi_n=2.0, psi_p=4.0, t=0.1)
            >>> flow = rf.finite.draw(problem, d=20, seed=0).gradient_flow()
            >>> print(flow.loss_curves([0.0]).train)
            [1.]
        """
        return GradientFlow(self)

    def loss_curves(self, times: Any, *, training: Training = Flow(), seed: Seed = 0) -> LossCurves:  # noqa: B008 (frozen)
        r"""Training loss, test loss and score error of this network under any protocol; the call of `rf.loss_curves`.

        Flow and plain descent are exact at every time, from the eigenvectors of U: to ask again, keep
        `gradient_flow()`. Adam, and descent with new noises or batches, are iterated.

        Args:
            times: training times of the flow, or whole numbers of steps; any shape.
            training: Flow, Descent or Adam.
            seed: of the noises and batches that steps see.

        Returns:
            LossCurves at `training.tau(times)`.

        Raises:
            InputError: a parameter outside its range; gradient noise for an instance with frozen noises.
            SolveError: an iterated run diverged.

        Example:
            >>> import rfscore as rf
            >>> inst = rf.finite.draw(rf.ScoreProblem(psi_n=2.0, psi_p=4.0, t=0.1), d=20, seed=0)
            >>> curves = inst.loss_curves([0, 200], training=rf.Descent(1.0, fresh_noise=True))
            >>> bool(curves.train[1] < curves.train[0])
            True
        """
        if training.modes_alone:
            return self.gradient_flow().loss_curves(times, training=training)
        return iterated(self, times, training, seed)


@dataclass(frozen=True, eq=False, repr=False)
class ExactInstance(Instance):
    """An instance whose matrices hold the non-linear features themselves."""

    U: Float[np.ndarray, "p p"]
    V: Float[np.ndarray, "p d"]
    U_test: Float[np.ndarray, "p p"]
    V_test: Float[np.ndarray, "p d"]

    def eigenvalues(self) -> Float[np.ndarray, " p"]:
        """Eigenvalues of U, ascending, without the vectors."""
        return np.linalg.eigvalsh(self.U)

    def modes(self) -> Modes:
        """Dense eigendecomposition of U."""
        return DenseModes(self.U.copy(), self.V, self.V_test, self.U_test)
