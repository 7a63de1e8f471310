r"""Functions of U applied to traces of its resolvent, at many training times: parabolas, one for each window of times.

`single` applies (1 - e^{-c lam})/lam to a trace F(z) = int mu(dlam)/(lam - z), `double` applies it twice to a kernel
(derivations (D7.1)-(D7.5), (D10.13)). The last row of points lies at z = 0 and serves tau = inf.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from rfscore._numbers import number, reals
from rfscore._precision import is_traced
from rfscore.errors import SolveError, bad
from rfscore.theory import contour
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent

#: In units of s2 + v2: where z = 0 is read if U may have a null space there, and no other eigenvalue is as small.
_NEAR_ZERO = 1e-26
#: Relative change of a kernel between there and four times further out that still counts as a limit.
_LIMIT = 1e-7
DIVERGES = max(rs.STATUS) + 1
STATUS = rs.STATUS | {
    DIVERGES: "the test loss diverges at infinite training time, because the smallest eigenvalues reach 0: psi_p = m "
    "psi_n within roundoff; use finite training times, or a ridge > 0"
}


def training_times(tau: Any) -> Any:
    """tau as a float array, refused when negative or NaN (0 and inf are allowed)."""
    if is_traced(tau):
        return jnp.asarray(tau)
    array = reals("tau", tau, "training times >= 0")
    if np.any(np.isnan(array)) or np.any(array < 0):
        raise bad("tau", float(array[np.isnan(array) | (array < 0)].ravel()[0]), "training times >= 0 (inf allowed)")
    return array


def grouped(times: Any, rtol: float) -> contour.Windows:
    """Windows of the finite positive times; 0 and inf join the last one, where they cost nothing."""
    if not 1e-13 <= number("rtol", rtol, "a number in [1e-13, 1e-2]") <= 1e-2:
        raise bad("rtol", rtol, "a number in [1e-13, 1e-2]")
    if is_traced(times):
        alone = np.arange(times.size)
        return contour.Windows(2.0, alone[:, None], alone, np.zeros_like(alone))
    flat = times.reshape(-1)
    inside = (flat > 0) & np.isfinite(flat)
    typical = flat[inside].max(initial=0.0) or 1.0
    return contour.windows(np.where(inside, flat, typical), rtol)


def verify(status: Any, name: str) -> None:
    """Raise unless the worst status is OK; a traced one cannot be looked at."""
    if not is_traced(status) and int(status) != rs.OK:
        raise SolveError(f"{name}: {STATUS[int(status)]}")


class Contours(NamedTuple):
    """Where the resolvents are needed, one contour a row of training times.

    Attributes:
        nodes: s_j, in units of the inverse of the row's largest exponent.
        weights: theirs.
        share: c of each time over the largest exponent of its row.
        largest: that exponent.
        z: -s_j/largest, and the row that serves tau = inf.
        first: tau = 0.
        last: tau = inf, or so large that only the null space of U is left.
    """

    nodes: Complex[np.ndarray, " N"]
    weights: Complex[np.ndarray, " N"]
    share: Float[Array, "W M 1"]
    largest: Float[Array, "W 1"]
    z: Complex[Array, "V N"]
    first: Bool[Array, "W M"]
    last: Bool[Array, "W M"]


Applied = tuple[Float[Array, "W M"], Float[Array, ""]]  # at the finite times, and at tau = inf


def contours(eq: Equivalent, delta: Float[Array, ""], tau: Float[Array, "W M"], count: int, span: float) -> Contours:
    """Parabolas for all rows of tau; 0 and inf may stand anywhere."""
    nodes, weights = contour.parabola(count, span)
    inside = (tau > 0) & jnp.isfinite(tau)
    # c below 1e-30/top or above 1e100 changes nothing in 16 digits and would overflow 1/c.
    c = jnp.clip(2.0 * delta * jnp.where(inside, tau, 1.0) / eq.psi_p, 1e-30 / eq.top, 1e100)
    last, end = jnp.isinf(tau), jnp.zeros((1, count), complex)
    if eq.mixing is not None:  # U has a null space if p > n m: come close enough to z = 0, at two distances
        near = jnp.where(eq.fixed[0] > 0, 0.0, _NEAR_ZERO * (eq.common[0] + eq.own[0]))
        end = end - near * jnp.where(jnp.arange(count) % 2 == 0, 1.0, 4.0)
        late = near * c > 1e-4
        last, c = last | late, jnp.where(late, 1.0, c)
    largest = 2.0 * jnp.max(c, axis=1, keepdims=True)
    z = jnp.concatenate([-nodes / largest, end])
    return Contours(nodes, weights, (c / largest)[..., None], largest, z, tau == 0, last)


def single(k: Contours, one: Complex[Array, "V N"], factor: float = 1.0) -> Applied:
    """(1 - e^{-factor c lam})/lam applied to a trace."""
    gain = k.weights * jnp.exp(factor * k.share * k.nodes) / k.nodes
    return 2.0 * jnp.real((gain * one[:-1, None]).sum(-1)), jnp.real(one[-1, 0])


def double(k: Contours, two: Complex[Array, "2 V N N"]) -> Applied:
    """(1 - e^{-c lam})/lam applied twice to a kernel, given at all pairs of points and of points and conjugates."""
    gain = k.weights * jnp.exp(k.share * k.nodes) / k.nodes
    return 2.0 * jnp.real((gain * partly(gain, two[:, :-1])).sum(-1)), jnp.real(two[0, -1, 0, 0])


def partly(gain: Complex[Array, "*W M N"], two: Complex[Array, "2 *W N N"]) -> Complex[Array, "*W M N"]:
    """A kernel on which a function acts once: the other time its conjugate half stands for the lower points."""
    return gain @ two[0] + gain.conj() @ jnp.swapaxes(two[1], -1, -2)


def at_all_times(k: Contours, values: Applied) -> Float[Array, "W M"]:
    """The result with its limits: nothing is learned at tau = 0."""
    return jnp.where(k.first, 0.0, jnp.where(k.last, values[1], values[0]))


def worst_status(
    eq: Equivalent, k: Contours, status: Int[Array, "V N"], two: Complex[Array, "2 V N N"]
) -> Int[Array, ""]:
    """The worst status of the points in use; DIVERGES if tau = inf is asked for and there is no limit at z = 0."""
    if eq.mixing is None:
        return status.max()
    near, far = jnp.real(two[0, -1, 0, 0]), jnp.real(two[0, -1, 1, 1])
    limit = (abs(near - far) <= _LIMIT * (1.0 + abs(near))) & (status[-1].max() == rs.OK)
    return jnp.maximum(status[:-1].max(), jnp.where(jnp.any(k.last) & ~limit, DIVERGES, rs.OK))


def by_time(group: contour.Windows, shape: tuple[int, ...], values: Any) -> Any:
    """Rows of windows back in the order and shape of the training times."""
    return values[group.row, group.column].reshape(shape)
