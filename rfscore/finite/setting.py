r"""What decides the loss of an instance besides its features: the channel, and what the output is regressed on.

The loss of gain f on y = on_data x + on_noise xi is that of Theta phi + r, r = -y the residual at A = 0, which is xi
where the target is the score. With the second moments of (phi, r) under any law of samples and noises,

    L = (1/d) [ Tr <r r^T> + Tr Theta U Theta^T + 2 Tr Theta V ],   U = <phi phi^T>, V = <phi r^T>.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from rfscore.model.problem import ScoreProblem
from rfscore.model.process import Process
from rfscore.model.target import Named, Target

Array = np.ndarray


class Moments(NamedTuple):
    """U, V, and the second moment of what is regressed on."""

    U: Float[Array, "p p"]
    V: Float[Array, "p d"]
    target: Float[Array, "d d"]

    def losses(self, theta: Float[Array, "d p"], basis: Float[Array, "d d"] | None = None) -> Float[Array, " d"]:
        """Loss of every coordinate, or of every column of `basis`, at Theta; their mean is the loss."""
        v, target = self.V, self.target
        if basis is not None:
            theta, v, target = basis.T @ theta, v @ basis, basis.T @ target @ basis
        return np.diagonal(target) + np.sum(theta * (theta @ self.U + 2.0 * v.T), axis=1)


@runtime_checkable
class Tested(Protocol):
    """The population that an instance is tested on, class by class."""

    @property
    def fractions(self) -> Float[Array, " K"]:
        """Of the classes."""

    @property
    def spectra(self) -> Float[Array, "K d"] | None:
        """Eigenvalues of each class in the common eigenbasis; None where only samples are known."""

    @property
    def basis(self) -> Float[Array, "d d"] | None:
        """That eigenbasis, in columns; None where it is that of the coordinates."""

    def moments(self, number: int) -> Moments:
        """Of one class."""


@dataclass(frozen=True)
class Setting:
    """The diffusion time of a process and a target, with the numbers that follow.

    Attributes:
        t: diffusion time, None for a channel without time.
        process: how noise is added.
        target: what is regressed.
    """

    t: float | None
    process: Process
    target: Target | Named

    @classmethod
    def of(cls, problem: ScoreProblem) -> Setting:
        """Of a problem."""
        return cls(None if problem.t is None else float(problem.t), problem.process, problem.target)

    @cached_property
    def signal(self) -> float:
        """Weight of the data in x_t."""
        return float(self.process.signal(self.t))

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the noise in x_t."""
        return float(self.process.noise(self.t))

    @cached_property
    def delta(self) -> float:
        """noise^2: Delta_t."""
        return float(self.process.variance(self.t))

    @cached_property
    def _aim(self) -> Target:
        return self.target.at(self.process, self.t)

    @property
    def on_data(self) -> float:
        """Weight of the sample in the target."""
        return float(self._aim.on_data)

    @property
    def on_noise(self) -> float:
        """Weight of the noise in the target."""
        return float(self._aim.on_noise)

    @property
    def gain2(self) -> float:
        """Squared factor of the output in the loss: the clock of the flow is c = 2 gain^2 tau/psi_p."""
        return float(self.target.gain2(self.process, self.t))

    @property
    def unit(self) -> float:
        """Excess loss over score error; NaN where the target is not the score."""
        return self.delta if self.target.is_score else np.nan

    def residual(self, clean: Float[Array, "k d"], noise: Float[Array, "k d"]) -> Float[Array, "k d"]:
        """Minus the target."""
        return -(self.on_data * clean + self.on_noise * noise)

    def least(self, spectra: Float[Array, "K d"]) -> Float[Array, "K d"]:
        """Least possible loss of every direction of Gaussian data with these eigenvalues."""
        return np.asarray(self._aim.least(self.process, self.t, np.maximum(spectra, 0.0)))

    def regressed(self, second: Float[Array, "d d"]) -> Float[Array, "d d"]:
        """Second moment of the target, of data with this one, the noise averaged."""
        return self.on_data**2 * second + self.on_noise**2 * np.eye(second.shape[0])
