r"""What training pulls on: traces of V, the correlation of features and noise, with the resolvent of U.

With R(z) = (U - z)^{-1} and the noise averaged, V = b W/sqrt d. With m frozen noises it does not concentrate there;
the joint resolvent of the features and of the targets xi that they are regressed on gives, with
beta = sum_j share_j t_j g_j (1 where the noise is averaged) and S = psi_p s,

    H(z) = (1/d) Tr V^T R V  = 1 - beta + b^2 beta^2 S,      X(z) = (1/d) Tr Vt^T R V = b^2 beta S,
    (1/d) Tr V^T R(z1) C R(z2) V = beta12 - b^2 (beta12 S2 beta2 + beta1 S12 beta2 + beta1 S1 beta12)

with the corners S12 of S and beta12 of beta from the lifted equations (derivations (D10.7)-(D10.12)).
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Inexact

from rfscore.theory import one_point as op
from rfscore.theory.equivalent import Equivalent
from rfscore.theory.two_point import corner

#: Coupling of the weights' own norm, |A|^2.
IDENTITY = (1.0, 0.0, 0.0)


def beta(eq: Equivalent, x: op.Point) -> Inexact[Array, "*B"]:
    """Weight of b W/sqrt d in V R."""
    if eq.mixing is None:
        return jnp.ones_like(x.q)
    return (eq.share * eq.mixing * x.g).sum(-1)


def traces(eq: Equivalent, x: op.Point) -> tuple[Inexact[Array, "*B"], Inexact[Array, "*B"]]:
    """H and X; in the unit of x beta is larger and S smaller by it."""
    trace = eq.target**2 * eq.psi_p * op.traces(eq, x)[0]
    if eq.mixing is None:
        return trace, trace
    weight = beta(eq, x)
    missing = (eq.share * eq.mixing * x.delta * x.g).sum(-1)  # 1 - beta with its digits: small far from the spectrum
    return missing + x.unit * weight**2 * trace, weight * trace


def kernel(
    eq: Equivalent,
    x: op.Point,
    y: op.Point,
    coupling: Inexact[Array, "*#P 3"],
    *,
    pair: Equivalent | None = None,
    source: Inexact[Array, "*#P"] | float = 0.0,
    same_features: bool = True,
) -> Inexact[Array, "*B N M"]:
    """(1/d) Tr V^T R(z1) C R(z2) V at all pairs of the solutions x (..., N) and y (..., M).

    Args:
        eq: the equivalent that x and y solve.
        x: N solutions.
        y: M solutions.
        coupling: triple of C, or one a pair of points.
        pair: cross covariances of two models that share only part of their randomness (`rfscore.theory.replicas`).
        source: what the coupling itself adds to beta12, where C contains sampled columns.
        same_features: whether both resolvents belong to one W.
    """
    pair = eq if pair is None else pair
    lifted = corner(pair, x, y, coupling, same_features)
    if eq.mixing is None or pair.mixing is None:
        return -(eq.target**2) * lifted.trace
    beta1, s1 = (a[..., :, None] for a in (beta(eq, x), eq.psi_p * op.traces(eq, x)[0]))
    beta2, s2 = (a[..., None, :] for a in (beta(eq, y), eq.psi_p * op.traces(eq, y)[0]))
    beta12 = source + (eq.share * pair.mixing * lifted.weight).sum(-1)
    inner = beta12 * s2 * beta2 + beta1 * lifted.trace * beta2 + beta1 * s1 * beta12
    return beta12 - eq.target**2 * inner


def pairs(
    eq: Equivalent, x: op.Point, coupling: Inexact[Array, " 3"] | tuple[float, float, float]
) -> Inexact[Array, "2 *B N N"]:
    """The kernel of the solutions x with themselves, and with their conjugates: what a contour's upper half needs."""
    return jnp.stack([kernel(eq, x, y, jnp.asarray(coupling)) for y in (x, x.conj())])
