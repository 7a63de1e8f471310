"""How many eigenvalues lie below a point: the potential of the one-point equations counts them (derivations (D5.7))."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from rfscore.theory import one_point as op
from rfscore.theory.equivalent import Equivalent


def counting(eq: Equivalent, x: op.Point, z: Complex[Array, "*B"]) -> Float[Array, "*B"]:
    """Fraction of eigenvalues below real z, from the solution just above the axis: -Im Phi/pi.

    The arguments are those of the upper half-plane, where Im q > 0, Im delta > 0 and Im(1/q + psi_p m) < 0.
    """
    arg_q = jnp.where(jnp.imag(x.q) > 0, jnp.angle(x.q), jnp.where(jnp.real(x.q) > 0, 0.0, jnp.pi))
    inner = 1.0 / x.q[..., None] + eq.psi_p * op.profile(eq, x.k)
    arg_inner = jnp.where(jnp.imag(inner) < 0, jnp.angle(inner), jnp.where(jnp.real(inner) > 0, 0.0, -jnp.pi))
    columns = eq.share / eq.ratio
    outer = 1.0 + op.deltas(eq, x.delta)
    arg_outer = jnp.where(jnp.imag(outer) > 0, jnp.angle(outer), jnp.where(jnp.real(outer) > 0, 0.0, jnp.pi))
    phase = -arg_q + (eq.weights * (arg_q[..., None] + arg_inner)).sum(-1) / eq.psi_p + (columns * arg_outer).sum(-1)
    smooth = x.q * (x.k[..., 0] - z) + (columns * x.g).sum(-1)
    return -(phase + jnp.imag(smooth)) / jnp.pi
