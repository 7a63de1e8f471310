r"""The one place where losses are put together: functions of U, applied to traces and kernels of its resolvent.

Training leaves of each mode of U the residual e(lam) and moves A by the gain (1 - e)/lam (`rfscore.model.training`). On
a contour both are numbers at the points z, and with the traces H and X and the kernel of `rfscore.theory.targets`

    L_train = L_0 - [ (1 - e^2)/lam on H ] - ridge [ gain x gain on the kernel of I ]
    L_test  = L_0 + [ gain x gain on the kernel of U-tilde ] - 2 [ gain on X ],   L_0 = (1/d) E|target|^2 (1 for noise)

(derivations (D7.1)-(D7.8), (D9.8)-(D9.9), (D10.7)-(D10.13), (D13.13)). What differs from protocol to protocol is the
contour: parabolas for the flow (here), those of `rfscore.theory.step_contours` for steps, closed curves through gaps
for the part of one bulk (`rfscore.theory.bulks`). Each has `gain`, `both` and `collected`; nothing else is asked.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from rfscore._numbers import number
from rfscore._precision import AnyArray, is_traced
from rfscore.errors import SolveError, bad
from rfscore.model.problem import ScoreProblem
from rfscore.model.training import Flow
from rfscore.theory import contours, targets
from rfscore.theory import one_point as op
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


@runtime_checkable
class Contour(Protocol):
    """Upper halves of V contours with N points, and the functions of a protocol at M times on each."""

    @property
    def gain(self) -> Any:
        """Factors (V, M, N) that apply (1 - e)/lam."""

    @property
    def both(self) -> Any:
        """Factors (V, M, N) that apply (1 - e^2)/lam."""

    def collected(self, products: Complex[Array, "V M N"], end: Complex[Array, ""]) -> Float[Array, "K M"]:
        """What the products sum to with the lower halves, a row for each contour, or for each bulk.

        `end` is the function's value at z = 0, for tau = inf.
        """


class Terms(NamedTuple):
    """What losses are made of, at the points of the contours; where tau = inf is served, R = V + 1 rows, else R = V.

    Attributes:
        pull: H.
        cross: X.
        fit: the kernel with U-tilde between, at pairs of points and of points and conjugates.
        norm: the ridge times the kernel with I between, None without ridge.
    """

    pull: Complex[Array, "R N"]
    cross: Complex[Array, "R N"]
    fit: Complex[Array, "2 R N N"]
    norm: Complex[Array, "2 R N N"] | None


def terms(eq: Equivalent, x: op.Point, ridge: Float[Array, ""] | None) -> Terms:
    """The terms at solutions x of the one-point equations, of the whole population."""
    norm = None if ridge is None else ridge * targets.pairs(eq, x, targets.identity(eq))
    return Terms(*targets.traces(eq, x), targets.pairs(eq, x, eq.fractions @ eq.population), norm)


def once(contour: Contour, factor: Complex[Array, "V M N"], trace: Complex[Array, "R N"]) -> Float[Array, "K M"]:
    """A function, given by its factors, applied to a trace."""
    return contour.collected(factor * trace[: factor.shape[0], None], trace[-1, 0])


def twice(contour: Contour, kernel: Complex[Array, "2 R N N"]) -> Float[Array, "K M"]:
    """The gain applied twice to a kernel."""
    gain = jnp.asarray(contour.gain)
    return contour.collected(gain * partly(gain, kernel[:, : gain.shape[0]]), kernel[0, -1, 0, 0])


def partly(gain: Complex[Array, "*V M N"], kernel: Complex[Array, "2 *V N N"]) -> Complex[Array, "*V M N"]:
    """A kernel on which a function acts once: the other time its conjugate half stands for the lower points."""
    return gain @ kernel[0] + gain.conj() @ jnp.swapaxes(kernel[1], -1, -2)


def changes(contour: Contour, of: Terms) -> tuple[Float[Array, "K M"], Float[Array, "K M"]]:
    """L_train - L_0 and L_test - L_0."""
    train = -once(contour, jnp.asarray(contour.both), of.pull)
    if of.norm is not None:
        train = train - twice(contour, of.norm)
    return train, twice(contour, of.fit) - 2.0 * once(contour, jnp.asarray(contour.gain), of.cross)


def start(eq: Equivalent) -> Float[AnyArray, ""]:
    """L_0, the loss of the untrained network: (1/d) E|target|^2."""
    return (eq.fractions @ eq.energy) @ eq.means


def losses(eq: Equivalent, contour: Contour, of: Terms) -> tuple[Float[Array, "K M"], Float[Array, "K M"]]:
    """Training and test loss."""
    train, test = changes(contour, of)
    return start(eq) + train, start(eq) + test


class FlowContours(NamedTuple):
    """Parabolas for the gradient flow, e = e^{-c lam}, one for each row of training times.

    Attributes:
        nodes: s_j, in units of the inverse of the row's largest exponent.
        weights: theirs.
        share: c of each time over the largest exponent of its row.
        z: -s_j over that exponent, and one row more, which serves tau = inf.
        unit: of the solutions there (`one_point.point`): less than 1 in the last row if U has a null space.
        early: below the smallest c that is resolved, its part of it: all but linear there, 0 at tau = 0.
        last: tau = inf; None where only finite times are asked for, and the last row of z is not there.
    """

    nodes: Complex[np.ndarray, " N"]
    weights: Complex[np.ndarray, " N"]
    share: Float[Array, "W M 1"]
    z: Complex[Array, "V N"]
    unit: Float[Array, "V N"] | float = 1.0
    early: Float[Array, "W M"] | float = 1.0
    last: Bool[Array, "W M"] | None = None

    @property
    def gain(self) -> Any:
        """Factors (W, M, N) that apply (1 - e)/lam."""
        return self.weights * jnp.exp(self.share * self.nodes) / self.nodes

    @property
    def both(self) -> Any:
        """Factors (W, M, N) that apply (1 - e^2)/lam."""
        return self.weights * jnp.exp(2.0 * self.share * self.nodes) / self.nodes

    @property
    def rate(self) -> Any:
        """Factors (W, M, N) that apply d/dlog(c) of (1 - e)/lam."""
        return self.weights * jnp.exp(self.share * self.nodes) * self.share

    def collected(self, products: Complex[Array, "W M N"], end: Complex[Array, ""]) -> Float[Array, "W M"]:
        """With the limits: nothing is learned at tau = 0, and tau = inf is a value at z = 0."""
        finite = self.early * 2.0 * jnp.real(products.sum(-1))
        return finite if self.last is None else jnp.where(self.last, jnp.real(end), finite)


def flow(eq: Equivalent, rate: Float[Array, ""], tau: Float[Array, "W M"], count: int, span: float) -> FlowContours:
    """Parabolas for all rows of tau; 0 and inf may stand anywhere. The rate is `ScoreProblem.rate`, c/tau."""
    nodes, weights = contours.parabola(count, span)
    last = jnp.isinf(tau)
    # c below 1e-30/top or above 1e100 changes nothing in 16 digits and would overflow 1/c.
    asked, smallest = rate * jnp.where(last, 1.0, tau), 1e-30 / eq.top
    c = jnp.clip(asked, smallest, 1e100)
    largest = 2.0 * jnp.max(c, axis=1, keepdims=True)
    end, unit = _end(eq)
    z = jnp.concatenate([-nodes / largest, jnp.full((1, count), end, complex)])
    units = jnp.ones(z.shape).at[-1].set(unit)
    return FlowContours(nodes, weights, (c / largest)[..., None], z, units, jnp.minimum(asked / smallest, 1.0), last)


def _end(eq: Equivalent) -> tuple[Array, Array]:
    """z and unit that serve tau = inf: z = 0, which a null space of U (p > n m, no ridge) allows in scaled form only.

    With frozen noises C_0 is the ridge l, and q(z) depends on l - z alone: in units of u at (l - z)/u.
    """
    if not eq.frozen:
        return jnp.zeros(()), jnp.ones(())
    ridge = eq.fixed[0]
    height = ridge + eq.scale
    share = eq.excess / eq.psi_p
    over = (share > 0) & (ridge <= _NO_RIDGE * eq.scale * share**2)
    return jnp.where(over, ridge - height, 0.0), jnp.where(over, ridge / height, 1.0)


def slope(contour: FlowContours, of: Terms) -> Float[Array, "W M"]:
    """dL_test/dlog(c) of the flow."""
    products = contour.rate * (partly(contour.gain, of.fit) - of.cross[:, None])
    return 2.0 * contour.collected(products, jnp.zeros((), complex))


def grouped(times: Any, rtol: float) -> contours.Windows:
    """Windows of the finite positive times; 0 and inf join the last one, where they cost nothing."""
    if not 1e-13 <= number("rtol", rtol, "a number in [1e-13, 1e-2]") <= 1e-2:
        raise bad("rtol", rtol, "a number in [1e-13, 1e-2]")
    if is_traced(times):
        alone = np.arange(times.size)
        return contours.Windows(2.0, alone[:, None], alone, np.zeros_like(alone))
    flat = times.reshape(-1)
    inside = (flat > 0) & np.isfinite(flat)
    typical = flat[inside].max(initial=0.0) or 1.0
    return contours.windows(np.where(inside, flat, typical), rtol)


class Asked(NamedTuple):
    """Training times of the flow, and the contours that serve them.

    Attributes:
        tau: as asked, any shape.
        group: which contour serves which.
        rows: the times of every contour.
        size: nodes of a contour.
    """

    tau: Any
    group: contours.Windows
    rows: Any
    size: int

    @classmethod
    def of(cls, times: Any, rtol: float) -> Asked:
        """From what a user asks."""
        tau = jnp.asarray(times) if is_traced(times) else Flow().times(times)
        group = grouped(tau, rtol)
        return cls(tau, group, tau.reshape(-1)[group.member], contours.node_count(rtol, group.span))

    def by_time(self, values: Any) -> Any:
        """Rows of windows back in the order and shape of the training times, other axes behind."""
        found = values[self.group.row, self.group.column]
        return found.reshape(*np.shape(self.tau), *found.shape[1:])


def statuses(eq: Equivalent, contour: FlowContours, status: Int[Array, "V N"]) -> Int[Array, "W M"]:
    """The worst status behind each training time; DIVERGES at tau = inf if there is no limit at z = 0."""
    end = status[-1].max()
    if eq.frozen:
        peak = (abs(eq.excess) <= _PEAK * eq.psi_p) | (end != rs.OK)
        end = jnp.where((eq.fixed[0] == 0) & peak, DIVERGES, end)
    assert contour.last is not None
    return jnp.where(contour.last, end, status[:-1].max(-1)[:, None])


def verify(status: Any, name: str) -> None:
    """Raise unless the worst status is OK; a traced one cannot be looked at."""
    if not is_traced(status) and np.max(status, initial=rs.OK) != rs.OK:
        raise SolveError(f"{name}: {STATUS[int(np.max(status))]}")


def unverified_as_nan(status: Int[Array, "*#T"], values: Float[Array, "*T"]) -> Float[Array, "*T"]:
    """NaN where a value was not verified: what cannot be refused, traced or by wish, is no number."""
    return jnp.where(status == rs.OK, values, jnp.nan)


def concrete_ridge(problem: ScoreProblem) -> Any:
    """The ridge, or None where it is 0 and need not be looked at."""
    return None if not is_traced(problem.ridge) and problem.ridge == 0 else jnp.asarray(problem.ridge, dtype=float)


def least_losses(problem: ScoreProblem) -> Float[AnyArray, "K L"]:
    """Least possible loss of every class and direction; the class of x_t can be told from it when d is large."""
    return problem.regression.least(problem.process, problem.t, problem.classes().nodes)


def least_loss(problem: ScoreProblem, eq: Equivalent) -> Float[AnyArray, ""]:
    """Their mean: of the exact score 1 - Delta_t Tr Sigma_t^{-1}/d."""
    return eq.fractions @ least_losses(problem) @ eq.weights
