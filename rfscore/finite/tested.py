"""Populations that an instance of exact features is tested on: Gaussian classes, or held-out samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from rfscore.finite.model import Model
from rfscore.finite.setting import Moments

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class GaussianClasses:
    """Gaussian classes with covariances diagonal in the basis of the coordinates, or one with any covariance.

    Attributes:
        model: the features.
        fractions: of the classes.
        covariances: the diagonals of all classes (K, d), or one matrix (1, d, d).
    """

    model: Model
    fractions: Float[Array, " K"]
    covariances: Float[Array, "K d"] | Float[Array, "1 d d"]

    @cached_property
    def _eigen(self) -> tuple[Array, Array | None]:
        if self.covariances.ndim == 2:
            return self.covariances, None
        values, vectors = np.linalg.eigh(self.covariances[0])
        return values[None], vectors

    @property
    def spectra(self) -> Float[Array, "K d"]:
        """Eigenvalues of each class."""
        return self._eigen[0]

    @property
    def basis(self) -> Float[Array, "d d"] | None:
        """Eigenvectors, where they are not the coordinates."""
        return self._eigen[1]

    def measured(self, number: int) -> tuple[Moments, float]:
        """Moments of one class, and a bound on their error."""
        return self.model.over_population(self.covariances[number])

    def moments(self, number: int) -> Moments:
        """Moments of one class."""
        return self.measured(number)[0]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out samples, the noise averaged exactly.

    Attributes:
        model: the features.
        data: the samples.
        labels: the class of each.
    """

    model: Model
    data: Float[Array, "m d"]
    labels: Int[Array, " m"]
    spectra: None = None
    basis: None = None

    @property
    def fractions(self) -> Float[Array, " K"]:
        """Of the classes among the samples."""
        return np.bincount(self.labels) / self.labels.size

    def measured(self, number: int) -> tuple[Moments, float]:
        """Moments of one class, and a bound on their error."""
        return self.model.over_noise(self.data[self.labels == number])

    def moments(self, number: int) -> Moments:
        """Moments of one class."""
        return self.measured(number)[0]


def whole(tested: GaussianClasses | HeldOut) -> tuple[Moments, float]:
    """Moments of the whole population, class after class, and a bound on their error."""
    total, worst = None, 0.0
    for number, part in enumerate(tested.fractions):
        found, error = tested.measured(number)
        if len(tested.fractions) > 1:
            found = Moments(*(part * x for x in found))
        total = found if total is None else Moments(*(a + b for a, b in zip(total, found, strict=True)))
        worst = max(worst, error)
    assert total is not None  # there is at least one class
    return total, worst
