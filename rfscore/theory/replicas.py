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
from rfscore.theory.equivalent import Equivalent


class Shared(NamedTuple):
    """What a pair of models has in common."""

    features: bool = False
    data: bool = False
    noise: bool = False


ALL = Shared(True, True, True)


def crossed(eq: Equivalent, shared: Shared) -> Equivalent:
    """The equivalent whose sampled parts are the cross covariances of a pair."""
    common = np.array([shared.data and shared.features, 0.0, shared.data]) * eq.common
    if eq.mixing is None:
        return eqx.tree_at(lambda e: e.sampled, eq, jnp.asarray(common)[None])
    own = np.array([all(shared), shared.noise, 0.0]) * eq.own
    sampled = jnp.stack([jnp.asarray(eq.mixing[0] * own + common), jnp.asarray(own)])[: eq.share.shape[0]]
    return eqx.tree_at(lambda e: (e.sampled, e.mixing), eq, (sampled, eq.mixing * float(shared.noise)))


def product(eq: Equivalent, contour: assemble.Contour, x: op.Point, shared: Shared) -> Float[Array, "V M"]:
    """Delta_t (1/d) E_x s.s' of a pair."""
    # The test point is the same: its linear part always couples, its non-linear part through a common W only.
    coupling = eq.population * np.array([shared.features, 1.0, 1.0])
    pair = crossed(eq, shared)
    # beta and S belong to the single models: they are taken from `eq`.
    two = [targets.kernel(eq, x, y, coupling, pair=pair, same_features=shared.features) for y in (x, x.conj())]
    return assemble.twice(contour, jnp.stack(two))
