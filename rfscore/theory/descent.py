r"""Losses after k steps of gradient descent or heavy ball, in the limit d -> infinity.

In the eigenbasis of U (with the ridge) k steps leave the residual e_k(lam), e_{k+1} = (1 + beta - x lam) e_k - beta
e_{k-1}, with x = 2 Delta_t step/psi_p (derivations (D9.1)-(D9.5)); the losses are those of the flow with e_k in place
of e^{-c lam}. Put x lam = (1 - r)(r - beta)/r, so that e_k ~ r^k. Many steps: r = e^s on the parabola of the flow, and
r = -e^s for the eigenvalues that oscillate; between the two e_k vanishes, and the contour may cross the spectrum. Few
steps: e_k is a polynomial, on an ellipse around the spectrum ((D9.8)-(D9.9)).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from rfscore._precision import float64, is_traced
from rfscore.errors import InputError, SolveError, bad
from rfscore.problem import ScoreProblem
from rfscore.results import LossCurves
from rfscore.theory import calculus, contour, targets
from rfscore.theory import resolvent as rs
from rfscore.theory.curves import noise_floor
from rfscore.theory.equivalent import Equivalent, equivalent
from rfscore.theory.spectrum import spectrum

_MAX_NODES = 2000
_GROWTH = np.log(1e3)  # of the polynomials on the ellipse


class _Gains(NamedTuple):
    """Points z and the factors of the traces there, for M step counts a row: upper halves of contours."""

    z: Complex[np.ndarray, "V N"]
    single: Complex[np.ndarray, "V M N"]  # (1 - e)/lam
    double: Complex[np.ndarray, "V M N"]  # (1 - e^2)/lam
    square: Complex[np.ndarray, "V M N"]  # (1 - e)^2/lam^2


def largest_step(problem: ScoreProblem, momentum: float = 0.0) -> float:
    """Stability limit 2 (1 + beta)/lambda_max in units of training time, step = eta/d^2 (derivations (D9.3), (D9.5)).

    Example:
        >>> import rfscore as rf
        >>> print(f"{rf.largest_step(rf.ScoreProblem(2.0, 8.0, 0.1)):.3f}")
        4.940
    """
    top = float(spectrum(problem).edges[-1, 1])
    return (1.0 + momentum) * problem.psi_p / (problem.delta * top)


def _residuals(z: np.ndarray, steps: np.ndarray, x: float, beta: float) -> np.ndarray:
    """e_k(z) for each k, by the recursion: exact also at its double roots."""
    found = np.empty((steps.size, z.size), complex)
    now, before = np.ones_like(z), np.ones_like(z)
    for k in range(int(steps.max(initial=0)) + 1):
        found[steps == k] = now
        now, before = (1.0 + beta - x * z) * now - beta * before, now
    return found


def _few_steps(steps: np.ndarray, x: float, beta: float, low: float, top: float) -> _Gains:
    """One ellipse with foci at the ends of the spectrum, on which the polynomials grow by a factor 1000 at most."""
    parameter = np.exp(min(_GROWTH / max(1.0, float(steps.max(initial=1))), 0.3))
    count = int(np.ceil((np.log(1e14) + 2.0 * _GROWTH) / np.log(parameter) / 2.0)) + 16
    if count > _MAX_NODES:
        raise SolveError(f"{int(steps.max())} steps at momentum {beta:g} need {count} contour nodes, more than "
                         f"{_MAX_NODES}; take a momentum below 0.93, or loss_curves")  # fmt: skip
    turn = parameter * np.exp(1j * (np.arange(count) + 0.5) * np.pi / count)
    z = 0.5 * (low + top) + 0.25 * (top - low) * (turn + 1.0 / turn)
    weight = 0.25 * (top - low) * (turn - 1.0 / turn) / (2.0 * count)
    change = 1.0 - _residuals(z, steps, x, beta)
    factors = (change, change * (2.0 - change), change**2 / z)
    return _Gains(z[None], *(-(weight / z * factor)[None] for factor in factors))


def _many_steps(steps: np.ndarray, x: float, beta: float, top: float, rtol: float) -> _Gains:
    """The flow's parabola in s = log(r) for each k, and in log(-r) where eigenvalues oscillate."""
    nodes, weights = contour.parabola(contour.node_count(rtol, 2.0), 2.0)
    s = nodes / (2.0 * steps[:, None])
    signs = (1.0, -1.0) if x * top > 1.0 + beta else (1.0,)
    parts = []
    for sign in signs:
        r = sign * np.exp(s)
        falling = -np.expm1(s) if sign > 0 else 1.0 - r
        z = falling * (r - beta) / (x * r)
        slope = (beta / r - r) / x  # dz/ds
        k = steps[:, None]
        small = beta / r
        # Of the sign of r^k only (-1)^k matters; the power itself is e^{k s}.
        power = np.where(k % 2 == 0, 1.0, sign) * np.exp(k * s)
        rest = np.where(np.abs(small) > 0, small, 1.0) ** k * (beta > 0)
        left = (power * (r - beta) - rest * (small - beta)) / (r - small)
        weight = weights / (2.0 * k) * slope / z
        parts.append((z, weight * left, weight * left**2, -weight / z * (left**2 - 2.0 * left)))
    z, single, double, square = (np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True))
    return _Gains(z, single[:, None], double[:, None], square[:, None])


@jax.jit
def _apply(eq: Equivalent, ridge: Float[Array, ""], gains: _Gains) -> tuple[Array, Array, Array]:
    """(train, test) (V, M), and the worst status."""
    x, _, status = rs.solve(eq, jnp.asarray(gains.z))
    pull, cross = targets.traces(eq, x)
    two = targets.pairs(eq, x, eq.population)

    def on(factor: Any, trace: Array) -> Array:
        return 2.0 * jnp.real((factor * trace[:, None]).sum(-1))

    g = jnp.asarray(gains.single)
    test = 2.0 * jnp.real((g * calculus.partly(g, two)).sum(-1)) - 2.0 * on(g, cross)
    # The penalty's factor has no residue on a constant: taking H(0) off keeps the digits of many steps.
    end, _, at_end = rs.solve(eq, jnp.where(ridge > 0, 0.0, -1.0)[None])
    decay = on(gains.square, pull - targets.traces(eq, end)[0])
    return 1.0 - on(gains.double, pull) - ridge * decay, 1.0 + test, jnp.maximum(status.max(), at_end.max())


@float64
def descent_curves(problem: ScoreProblem, steps: Any, step_size: float, *, momentum: float = 0.0) -> LossCurves:
    r"""Losses after k full-batch steps at a finite step size (derivations (D9.1)-(D9.5), (D9.8)-(D9.9)).

    Args:
        problem: the problem, with concrete numbers.
        steps: numbers of steps, whole, any shape.
        step_size: eta/d^2, the training time of one step, in (0, largest_step(problem, momentum)).
        momentum: beta of heavy ball, in [0, 1).

    Returns:
        LossCurves with tau = k step_size/(1 - momentum), the clock on which a small step is the flow.

    Raises:
        InputError: a step size beyond the stability limit, steps not whole, momentum outside its range.
        SolveError: a resolvent was not verified, or more momentum than the contours can take.

    Accuracy:
        About 1e-9 relative to max(1, loss).

    Example:
        >>> import rfscore as rf
        >>> cur = rf.descent_curves(rf.ScoreProblem(2.0, 8.0, 0.1), [1, 10, 1000], 1.0)
        >>> print(cur.train.round(5))
        [0.95542 0.80808 0.50689]
    """
    if is_traced(problem):
        raise InputError("descent_curves needs concrete numbers: its contours depend on the spectrum; "
                         "use loss_curves under jit, vmap and grad")  # fmt: skip
    counts = np.asarray(steps)
    if counts.dtype.kind not in "iuf" or not np.all((counts >= 0) & (counts <= 2.0**53) & (counts == np.floor(counts))):
        raise bad("steps", steps, "whole numbers in [0, 2^53]")
    if not 0 <= momentum < 1:
        raise bad("momentum", momentum, "a number in [0, 1)")
    edges, flat = spectrum(problem).edges, counts.ravel().astype(float)
    limit = (1.0 + momentum) * problem.psi_p / (problem.delta * edges[-1, 1])
    if not 0 < step_size < limit:
        raise bad("step_size", step_size, f"a number in (0, {limit:.6g})", "the descent diverges beyond it")
    eq, x = equivalent(problem), 2.0 * problem.delta * step_size / problem.psi_p
    few = flat < max(40.0, 60.0 / np.log(1.0 / momentum) if momentum > 0 else 0.0)
    train, test = np.ones(flat.size), np.ones(flat.size)
    for chosen, early in ((few, True), (~few, False)):
        if not chosen.any():
            continue
        ends = (x, momentum, float(edges[-1, 1]))
        gains = (_few_steps(flat[chosen], *ends[:2], float(edges[0, 0]), ends[2]) if early
                 else _many_steps(flat[chosen], *ends, 1e-12))  # fmt: skip
        *found, status = _apply(eq, jnp.asarray(problem.ridge, dtype=float), gains)
        calculus.verify(status, "descent_curves")
        train[chosen], test[chosen] = (np.asarray(value).ravel() for value in found)
    shaped = [values.reshape(counts.shape) for values in (train, test)]
    tau = counts * step_size / (1.0 - momentum)
    score_error = (shaped[1] - noise_floor(problem, eq)) / problem.delta
    return LossCurves(tau=tau, train=shaped[0], test=shaped[1], score_error=score_error)
