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

#: Closer to psi_p = m psi_n, relative to psi_p, the losses at tau = inf are not known to more than six digits.
_PEAK = 1e-9
#: A ridge this small, relative to the lowest edge of U, is treated as an addition to none.
_NO_RIDGE = 1e-9
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
    if not is_traced(status) and np.max(status, initial=rs.OK) != rs.OK:
        raise SolveError(f"{name}: {STATUS[int(np.max(status))]}")


class Contours(NamedTuple):
    """Where the resolvents are needed, one contour a row of training times.

    Attributes:
        nodes: s_j, in units of the inverse of the row's largest exponent.
        weights: theirs.
        share: c of each time over the largest exponent of its row.
        z: -s_j over that exponent, and the row that serves tau = inf.
        unit: of the solutions there (`one_point.point`): less than 1 in the last row if U has a null space.
        early: below the smallest c that is resolved, its part of it: all but linear there, 0 at tau = 0.
        last: tau = inf.
    """

    nodes: Complex[np.ndarray, " N"]
    weights: Complex[np.ndarray, " N"]
    share: Float[Array, "W M 1"]
    z: Complex[Array, "V N"]
    unit: Float[Array, "V N"]
    early: Float[Array, "W M"]
    last: Bool[Array, "W M"]


Applied = tuple[Float[Array, "W M"], Float[Array, ""]]  # at the finite times, and at tau = inf


def contours(eq: Equivalent, delta: Float[Array, ""], tau: Float[Array, "W M"], count: int, span: float) -> Contours:
    """Parabolas for all rows of tau; 0 and inf may stand anywhere."""
    nodes, weights = contour.parabola(count, span)
    last = jnp.isinf(tau)
    # c below 1e-30/top or above 1e100 changes nothing in 16 digits and would overflow 1/c.
    asked, smallest = 2.0 * delta * jnp.where(last, 1.0, tau) / eq.psi_p, 1e-30 / eq.top
    c = jnp.clip(asked, smallest, 1e100)
    largest = 2.0 * jnp.max(c, axis=1, keepdims=True)
    end, unit = _end(eq)
    z = jnp.concatenate([-nodes / largest, jnp.full((1, count), end, complex)])
    units = jnp.ones(z.shape).at[-1].set(unit)
    return Contours(nodes, weights, (c / largest)[..., None], z, units, jnp.minimum(asked / smallest, 1.0), last)


def _end(eq: Equivalent) -> tuple[Array, Array]:
    """z and unit that serve tau = inf: z = 0, which a null space of U (p > n m, no ridge) allows in scaled form only.

    With frozen noises C_0 is the ridge l, and q(z) depends on l - z alone: in units of u at (l - z)/u.
    """
    if eq.mixing is None:
        return jnp.zeros(()), jnp.ones(())
    ridge = eq.fixed[0]
    height = ridge + eq.scale
    share = eq.excess / eq.psi_p
    over = (share > 0) & (ridge <= _NO_RIDGE * eq.scale * share**2)
    return jnp.where(over, ridge - height, 0.0), jnp.where(over, ridge / height, 1.0)


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
    return jnp.where(k.last, values[1], k.early * values[0])


def statuses(eq: Equivalent, k: Contours, status: Int[Array, "V N"]) -> Int[Array, "W M"]:
    """The worst status behind each training time; DIVERGES at tau = inf if there is no limit at z = 0."""
    end = status[-1].max()
    if eq.mixing is not None:
        peak = (abs(eq.excess) <= _PEAK * eq.psi_p) | (end != rs.OK)
        end = jnp.where((eq.fixed[0] == 0) & peak, DIVERGES, end)
    return jnp.where(k.last, end, status[:-1].max(-1)[:, None])


def unverified_as_nan(status: Int[Array, "*T"], values: Float[Array, "*T"]) -> Float[Array, "*T"]:
    """Traced values cannot be refused: NaN where they were not verified."""
    return jnp.where(status == rs.OK, values, jnp.nan) if is_traced(status) else values


def by_time(group: contour.Windows, shape: tuple[int, ...], values: Any) -> Any:
    """Rows of windows back in the order and shape of the training times."""
    return values[group.row, group.column].reshape(shape)
