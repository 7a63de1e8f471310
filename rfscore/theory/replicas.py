r"""Pairs of trained models that share some of their randomness: what variances are made of.

Two models are trained with the same or independent W, data and noises. Their mean product (1/d) E_x s.s' is the corner
of one lift whose columns are correlated only as far as their randomness is shared (derivations (D11.1)-(D11.3)):
the cross covariance of sampled part j keeps alpha2 where the data are shared, b^2 where the noises are, v2 where data
and W are, s2 where all three are; without a common W the traces q are not coupled at all.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rfscore.theory import assemble, targets
from rfscore.theory import one_point as op
from rfscore.theory.equivalent import Equivalent, Parts, readings


class Shared(NamedTuple):
    """What a pair of models has in common."""

    features: bool = False
    data: bool = False
    noise: bool = False


ALL = Shared(True, True, True)


def crossed(eq: Equivalent, shared: Shared) -> Equivalent:
    """The equivalent whose sampled parts are the cross covariances of a pair."""
    data = np.full(eq.base.shape[0] - 1, float(shared.data))
    of_rows, of_targets = np.r_[float(all(shared)), float(shared.noise), data], np.r_[float(shared.noise), data]
    both = np.r_[float(shared.data and shared.features), 1.0, data]
    parts = Parts.of(
        jnp.asarray(eq.common) * both, jnp.asarray(eq.own) * of_rows, jnp.asarray(eq.truth) * of_targets,
        jnp.asarray(eq.energy) * of_targets, eq.draws,
    )  # fmt: skip
    mean, mix = readings(parts.sampled, eq.ratio)
    chosen = (parts.sampled, parts.pulls, parts.power, mean, mix)
    return eqx.tree_at(lambda e: (e.sampled, e.pulls, e.power, e.mean, e.mix), eq, chosen)


def product(eq: Equivalent, contour: assemble.Contour, x: op.Point, shared: Shared) -> Float[Array, "V M"]:
    """(1/d) E_x f.f' of a pair, f the output times the gain: Delta_t s.s' for the score."""
    # The test point is the same: its linear part always couples, its non-linear part through a common W only.
    coupling = (eq.fractions @ eq.population) * np.r_[float(shared.features), np.ones(eq.base.shape[0])]
    pair = crossed(eq, shared)
    # P and Y belong to the single models: they are taken from `eq`.
    two = [targets.kernel(eq, x, y, coupling, pair=pair, same_features=shared.features) for y in (x, x.conj())]
    return assemble.twice(contour, jnp.stack(two))
