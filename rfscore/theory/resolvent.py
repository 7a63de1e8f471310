r"""Solve the one-point equations at many z at once, and verify every solution.

For Im z > 0 there is one solution with Im q > 0, Im delta > 0, and Newton finds it from a nearby one. Each point walks
down its own path z + i eta from far above the spectrum, its step in log(eta) shrinking when Newton leaves the upper
half-plane and squaring when it does not. Only the end of the path is returned, and only when its residual and its
branch were checked; on the real axis it is the limit from above.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from rfscore._precision import float64, is_traced
from rfscore.errors import SolveError, bad
from rfscore.model.problem import ScoreProblem
from rfscore.results import Result, quantity
from rfscore.theory import one_point as op
from rfscore.theory.equivalent import Equivalent, equivalent

RESIDUAL_TOLERANCE = 1e-12
_CONVERGED = 1e-13  # roundoff of a sum over a thousand eigenvalues; one more step follows
_UNCERTAIN = 1e-6  # largest Newton increment, relative to q, of a verified solution
_ON_PATH = 1e-9  # loose ends on the path leave the narrow Newton basin of a nearly hard edge
_STEPS_PER_TRIAL = 12
_MAX_STEPS = 600
_FIRST_FACTOR = 0.02

OK, NOT_CONVERGED, WRONG_BRANCH = 0, 1, 2
#: What each status means and what to do about it.
STATUS = {
    OK: "verified",
    NOT_CONVERGED: "not determined to 6 digits: z is within roundoff of an atom or of a spectral edge; move it by a "
    "relative 1e-6, or add a small imaginary part",
    WRONG_BRANCH: "branch conditions not met: z is within roundoff of a spectral edge or an atom; move it by a "
    "relative 1e-6, or add a small imaginary part",
}


class Resolvent(Result):
    r"""Solutions of the one-point equations.

    Attributes:
        z: spectral points.
        q: (1/p) Tr (U - z)^{-1}.
        r: (1/p) Tr [Sigma W^T (U - z)^{-1} W]/d, with several classes of the first class's spectrum.
        s: (1/p) Tr [W^T (U - z)^{-1} W]/d.
        delta: (1/n) Tr [C (U - z)^{-1}], C the covariance of one sample's noise-averaged feature (of the
            first class).
        residual: relative residual of both equations, below 1e-12 when status is 0.
        status: 0, or a key of `rfscore.theory.resolvent.STATUS`.
    """

    z: Any = quantity("z")
    q: Any = quantity("z")
    r: Any = quantity("z")
    s: Any = quantity("z")
    delta: Any = quantity("z")
    residual: Any = quantity("z")
    status: Any = quantity("z")

    @property
    def message(self) -> str:
        """What the worst status means, and the remedy."""
        return STATUS[int(np.max(self.status, initial=OK))]


class _Walk(NamedTuple):
    q: Complex[Array, " B"]  # last accepted solution, at eta
    delta: Complex[Array, "B J"]
    eta: Float[Array, " B"]
    try_q: Complex[Array, " B"]  # Newton iterate towards the solution at try_eta
    try_delta: Complex[Array, "B J"]
    try_eta: Float[Array, " B"]
    log_factor: Float[Array, " B"]
    trial_steps: Int[Array, " B"]
    steps: Int[Array, ""]
    done: Bool[Array, " B"]


def _advance(
    eq: Equivalent, z: Complex[Array, " B"], unit: Float[Array, " B"], floor: Float[Array, " B"], w: _Walk
) -> _Walk:
    """One Newton step for every point, then accept, shrink or go on."""
    x = op.point(eq, w.try_q, w.try_delta, unit)
    at = z + 1j * w.try_eta
    first, second, size = op.residual(eq, x, at)
    last = w.try_eta == 0.0
    upper = (jnp.imag(w.try_q) > -1e-9 * abs(w.try_q)) & jnp.all(
        jnp.imag(w.try_delta) > -1e-9 * abs(w.try_delta), axis=-1
    )
    finite = jnp.isfinite(size)
    accept = finite & upper & (size < jnp.where(last, _CONVERGED, _ON_PATH)) & ~w.done
    fail = ~accept & (~finite | ~upper & (w.trial_steps > 1) | (w.trial_steps >= _STEPS_PER_TRIAL)) & ~w.done
    q, delta = jnp.where(accept, w.try_q, w.q), jnp.where(accept[:, None], w.try_delta, w.delta)
    eta = jnp.where(accept, w.try_eta, w.eta)
    log_factor = jnp.where(accept, 2.0 * w.log_factor, jnp.where(fail, 0.4 * w.log_factor, w.log_factor))
    new_eta = eta * jnp.exp(jnp.maximum(log_factor, -30.0))
    new_eta = jnp.where(new_eta < floor, 0.0, new_eta)
    restart = accept | fail
    dq, ddelta = op.newton_step(eq, x, first, second)
    begin_q, begin_delta = q, delta
    if eq.frozen:
        power_q, power_delta = _power_law(eq, x, at, new_eta - w.try_eta)
        begin_q, begin_delta = jnp.where(accept, q * power_q, q), jnp.where(accept[:, None], delta * power_delta, delta)
    stepped = (
        jnp.where(restart, begin_q, w.try_q + dq), jnp.where(restart[:, None], begin_delta, w.try_delta + ddelta)
    )  # fmt: skip
    freeze = w.done | (accept & last)
    return _Walk(
        q, delta, eta,
        jnp.where(freeze, q, stepped[0]), jnp.where(freeze[:, None], delta, stepped[1]),
        jnp.where(freeze, 0.0, jnp.where(restart, new_eta, w.try_eta)),
        log_factor, jnp.where(restart, 0, w.trial_steps + 1), w.steps + 1, freeze,
    )  # fmt: skip


def _power_law(
    eq: Equivalent, x: op.Point, at: Complex[Array, " B"], change: Float[Array, " B"]
) -> tuple[Complex[Array, " B"], Complex[Array, "B J"]]:
    """Factors of q and delta when Im z moves by `change`, as if both were powers of z: 1/z beside a null space of U."""
    dq, ddelta = op.newton_step(eq, x, jnp.ones_like(x.q), jnp.zeros_like(x.delta))
    ratio = 1.0 + 1j * change / at
    step = at * jnp.log(jnp.where(abs(ratio) > 1e-200, ratio, 1.0))  # the last step may lead to z = 0 itself
    return jnp.exp(step * dq / x.q), jnp.exp(step[:, None] * ddelta / x.delta)


@jax.custom_jvp
def _solve(
    eq: Equivalent, z: Complex[Array, " B"], unit: Float[Array, " B"]
) -> tuple[Complex[Array, " B"], Complex[Array, "B J"]]:
    """(q, delta) for Im z >= 0, not yet verified."""
    height = 8.0 * (eq.top + abs(z))
    start = op.far_point(eq, z + 1j * height, unit)
    floor = 1e-15 * (abs(z) + 1e-3 * eq.fixed[0])
    walk = _Walk(
        start.q, start.delta, height, start.q, start.delta, _FIRST_FACTOR * height,
        jnp.full_like(height, np.log(_FIRST_FACTOR)), jnp.zeros(z.shape, int), jnp.zeros((), int),
        jnp.zeros(z.shape, bool),
    )  # fmt: skip
    walk = jax.lax.while_loop(
        lambda w: (w.steps < _MAX_STEPS) & ~jnp.all(w.done), lambda w: _advance(eq, z, unit, floor, w), walk
    )
    # One more step costs little and takes the accepted residual to roundoff; Newton cannot leave a root it is at.
    x = op.point(eq, walk.try_q, walk.try_delta, unit)
    first, second, size = op.residual(eq, x, z)
    dq, ddelta = op.newton_step(eq, x, first, second)
    better = op.residual(eq, op.point(eq, walk.try_q + dq, walk.try_delta + ddelta, unit), z)[2] < size
    q = jnp.where(better, walk.try_q + dq, walk.try_q)
    delta = jnp.where(better[:, None], walk.try_delta + ddelta, walk.try_delta)
    return _on_the_real_axis(eq, z, unit, q, delta)


def _on_the_real_axis(
    eq: Equivalent, z: Complex[Array, " B"], unit: Float[Array, " B"], q: Array, delta: Array
) -> tuple[Complex[Array, " B"], Complex[Array, "B J"]]:
    """For real z off the support the solution is real: polish it there, and keep it only if it is verified."""

    def polish(_: Any, pair: tuple[Array, Array]) -> tuple[Array, Array]:
        x = op.point(eq, *pair, unit)
        dq, ddelta = op.newton_step(eq, x, *op.residual(eq, x, jnp.real(z) + 0j)[:2])
        return pair[0] + dq, pair[1] + ddelta

    # Complex arithmetic on numbers without imaginary part: exact, and one compiled Newton step fewer.
    real_q, real_delta = jax.lax.fori_loop(0, 3, polish, (jnp.real(q) + 0j, jnp.real(delta) + 0j))
    x = op.point(eq, real_q, real_delta, unit)
    near = abs(real_q - q) <= 1e-5 * abs(q)
    use = (jnp.imag(z) == 0.0) & near & (op.residual(eq, x, z)[2] < 1e-13) & (op.branch_margin(eq, x) > 0.0)
    return jnp.where(use, real_q, q), jnp.where(use[:, None], real_delta, delta)


@_solve.defjvp
def _solve_jvp(primals: tuple, tangents: tuple) -> tuple[tuple, tuple]:
    """Implicit differentiation: (1 - M) d(q, delta) = the equations' explicit derivative."""
    q, delta = _solve(*primals)
    eq, _, unit = primals
    x = op.point(eq, q, delta, unit)

    def equations(eq_: Equivalent, z_: Array, unit_: Array) -> tuple[Array, Array]:
        first, second, _ = op.residual(eq_, op.point(eq_, q, delta, unit_), z_)
        return first, second

    _, (first, second) = jax.jvp(equations, primals, tangents)
    return (q, delta), op.newton_step(eq, x, first, second)


def verify(
    eq: Equivalent, x: op.Point, z: Complex[Array, "*B"], uncertain: float = _UNCERTAIN
) -> tuple[Float[Array, "*B"], Int[Array, "*B"]]:
    """Relative residual and status of what is meant to be the solution at Im z >= 0, however it was found."""
    first, second, size = op.residual(eq, x, z)
    # A small residual proves a small error only where the equations are well conditioned: ask Newton how far q is off.
    certain = abs(op.newton_step(eq, x, first, second)[0]) <= uncertain * abs(x.q)
    tiny = 1e-7  # roundoff of a solution that is within roundoff of a square-root edge
    rounding = 1e-12 * (abs(x.delta).sum(-1) + abs(x.q))
    upper = (jnp.imag(x.q) >= -rounding) & jnp.all(jnp.imag(x.delta) >= -rounding[..., None], axis=-1)
    turned = jnp.imag(z * x.q) >= -1e-9 * abs(z * x.q)
    good = upper & turned & (op.branch_margin(eq, x) > -tiny)
    return size, jnp.where(~((size < RESIDUAL_TOLERANCE) & certain), NOT_CONVERGED, jnp.where(good, OK, WRONG_BRANCH))


def solve(
    eq: Equivalent, z: Complex[Array, "*B"], uncertain: float = _UNCERTAIN, unit: Float[Array, "*B"] | float = 1.0
) -> tuple[op.Point, Float[Array, "*B"], Int[Array, "*B"]]:
    """Solutions at any z (conjugate symmetry below the axis), residual and status; in units of `unit`."""
    z = jnp.asarray(z, dtype=complex)
    below = jnp.imag(z) < 0.0
    flat = jnp.where(below, jnp.conj(z), z).reshape(-1)
    unit = jnp.broadcast_to(jnp.asarray(unit, dtype=float), z.shape)
    q, delta = _solve(eq, flat, unit.reshape(-1))
    size, status = verify(eq, op.point(eq, q, delta, unit.reshape(-1)), flat, uncertain)
    shape = z.shape
    q, delta = q.reshape(shape), delta.reshape(*shape, delta.shape[-1])
    q = jnp.where(below, jnp.conj(q), q)
    delta = jnp.where(below[..., None], jnp.conj(delta), delta)
    return op.point(eq, q, delta, unit), size.reshape(shape), status.reshape(shape)


def spectral_points(name: str, z: Any) -> Any:
    """z as a complex array, refused when not finite or not numbers."""
    if is_traced(z):
        return jnp.asarray(z, dtype=complex)
    try:
        points = np.asarray(z)
    except (TypeError, ValueError) as error:
        raise bad(name, z, "finite complex numbers") from error
    if points.dtype.kind not in "iufc":  # text and truth values convert, and are no numbers
        raise bad(name, z, "finite complex numbers")
    points = points.astype(np.complex128)
    if not np.all(np.isfinite(points)):
        raise bad(name, complex(points[~np.isfinite(points)].ravel()[0]), "finite complex numbers")
    return points


@jax.jit
def _resolvent(eq: Equivalent, z: Complex[Array, "*B"]) -> Resolvent:
    x, size, status = solve(eq, z)
    of_base = op.traces(eq, x)
    s, r, delta = of_base[..., 0], of_base[..., 1], op.deltas(eq, x.delta)
    return Resolvent(z=z, q=x.q, r=r, s=s, delta=delta[..., 0], residual=size, status=status)


@float64
def resolvent(problem: ScoreProblem, z: Any, *, throw: bool = True) -> Resolvent:
    r"""Resolvent traces of U at complex spectral points (Bonnaire et al. 2025, Theorem 3.1; derivations (D4.5)-(D4.9)).

    Args:
        problem: the problem.
        z: complex spectral points, any shape. Real z is the limit from above: inside a bulk Im q = pi rho.
        throw: raise when a point cannot be verified; otherwise such points carry a non-zero status.

    Returns:
        Resolvent, arrays of the shape of z.

    Raises:
        InputError: z is not finite, or not numbers.
        SolveError: a point was not verified (an atom, or within roundoff of an edge).

    Accuracy:
        Relative residual below 1e-12, checked with the branch conditions at every point. Close to an edge at relative
        distance x the solution itself is accurate to about 1e-15/sqrt(x).

    Example:
        >>> import rfscore as rf
        >>> res = rf.resolvent(rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01), [-1.0, 20.0])
        >>> print(f"{res.q[0].real:.6f} {res.q[1].imag:.6f}")
        0.965214 0.001998
    """
    points = spectral_points("z", z)
    result = _resolvent(equivalent(problem), points)
    if throw and not is_traced(result) and np.any(np.asarray(result.status) != OK):
        where = np.asarray(points)[np.asarray(result.status) != OK].ravel()[0]
        raise SolveError(f"resolvent at z = {complex(where):.6g}: {result.message}")
    return result
