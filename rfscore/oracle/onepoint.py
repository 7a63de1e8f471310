r"""The one-point equations in mpmath, and a proof of the branch for every number returned.

With w = psi_p q, g = 1/(1 + delta), D_lam = 1 + b^2 w + alpha2 g w lam the two equations (theory: Theorem 3.1 of
Bonnaire et al. 2025 with r-hat eliminated) read
    w (s2 - z + v2 g) + 1 - <1/D> = psi_p,        psi_n delta = w (v2 + alpha2 <lam/D>).
Written as a fixed point they map (upper half-plane)^2 holomorphically into itself whenever Im z >= 0, so there is
exactly one solution with Im q > 0 and Im delta > 0: those two signs prove the branch. A real solution at real z is
physical if and only if dq/dz > 0 and ddelta/dz > 0 (it then continues into that half-plane).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import mp

from rfscore.errors import SolveError
from rfscore.model.problem import ScoreProblem
from rfscore.oracle import frozen
from rfscore.oracle._types import GUARD, Number, OnePoint
from rfscore.oracle.equivalence import Model, model


def system(m: Model, z: Any, w: Any, delta: Any) -> tuple[list[Any], list[list[Any]]]:
    """Residual and Jacobian in (w, delta)."""
    g = 1 / (1 + delta)
    x0 = x1 = y0 = y1 = y2 = mp.mpf(0)
    base, slope = 1 + m.b2 * w, m.alpha2 * w * g
    for lam, weight in zip(m.nodes, m.weights, strict=True):
        inverse = 1 / (base + slope * lam)
        first = weight * inverse
        second = first * inverse
        x0, x1 = x0 + first, x1 + lam * first
        y0, y1, y2 = y0 + second, y1 + lam * second, y2 + lam * lam * second
    kappa, down = m.s2 - z + m.v2 * g, m.alpha2 * w * g * g
    residual = [w * kappa + 1 - x0 - m.psi_p, m.psi_n * delta - w * (m.v2 + m.alpha2 * x1)]
    jacobian = [
        [kappa + m.b2 * y0 + m.alpha2 * g * y1, -w * m.v2 * g * g - down * y1],
        [-(m.v2 + m.alpha2 * x1) + w * m.alpha2 * (m.b2 * y1 + m.alpha2 * g * y2), m.psi_n - w * m.alpha2 * down * y2],
    ]
    return residual, jacobian


def _solve2(a: list[list[Any]], b: list[Any]) -> tuple[Any, Any]:
    det = a[0][0] * a[1][1] - a[0][1] * a[1][0]
    return (b[0] * a[1][1] - b[1] * a[0][1]) / det, (a[0][0] * b[1] - a[1][0] * b[0]) / det


def derivative(m: Model, z: Any, w: Any, delta: Any) -> tuple[Any, Any]:
    """dw/dz and ddelta/dz along the solution."""
    return _solve2(system(m, z, w, delta)[1], [w, mp.mpf(0)])


def newton(m: Model, z: Any, w: Any, delta: Any, *, upper: bool) -> tuple[Any, Any] | None:
    """Newton from (w, delta); with `upper` every iterate is kept in the upper half-plane. None if it fails."""
    tiny, last = mp.mpf(10) ** (4 - mp.dps), mp.inf
    for _ in range(60):
        residual, jacobian = system(m, z, w, delta)
        try:
            dw, dd = _solve2(jacobian, residual)
        except ZeroDivisionError:
            return None
        damped = False
        while upper and not (mp.im(w - dw) > 0 and mp.im(delta - dd) > 0):
            damped, dw, dd = True, dw / 2, dd / 2
            if abs(dw) < tiny * abs(w):  # stuck at the boundary of the half-plane: no convergence, whatever the step
                return None
        w, delta = w - dw, delta - dd
        size = max(abs(dw) / abs(w), abs(dd) / abs(delta)) if w and delta else mp.inf
        if size < tiny and not damped:
            return w, delta
        if size > 1e-8 and size > 1e6 * last:
            return None
        last = size
    return None


def _half_plane(m: Model, z: Any, start: tuple[Any, Any] | None) -> tuple[Any, Any]:
    """Solution for Im z > 0: from a neighbouring one, from -1/z, or by lowering Im z from far away."""
    guesses = [start] if start is not None else []
    guesses.append((-m.psi_p / z, -m.psi_p / m.psi_n * (m.norm2 - m.s2 - m.b2) / z))
    for w, delta in guesses:
        found = newton(m, z, w, delta, upper=True) if mp.im(w) > 0 and mp.im(delta) > 0 else None
        if found and mp.im(found[0]) > 0 and mp.im(found[1]) > 0:
            return found
    return _descend(m, mp.re(z), mp.im(z))[1]


def _descend(m: Model, x: Any, target: Any, stop: Callable | None = None) -> tuple[Any, Any]:
    """(Im z, solution) at x + i target, lowering Im z by factors that adapt to Newton's success."""
    height = 4 * (abs(x) + m.norm2 * (1 + m.psi_p) * (1 + 1 / m.psi_n)) + target
    z = mp.mpc(x, height)
    point = newton(m, z, -m.psi_p / z, -m.psi_p / m.psi_n * (m.norm2 - m.s2 - m.b2) / z, upper=True)
    factor = mp.mpf("0.1")
    for _ in range(2000):
        if point is None:
            break
        if height == target or (stop is not None and stop(height, point)):
            return height, point
        lower = max(height * factor, target)
        trial = newton(m, mp.mpc(x, lower), *point, upper=True)
        if trial is not None and mp.im(trial[0]) > 0 and mp.im(trial[1]) > 0:
            height, point, factor = lower, trial, max(factor**2, mp.mpf("0.01"))
        else:
            factor = mp.sqrt(factor)
            if factor > 0.9999:
                break
    raise SolveError(f"one-point equations at Re z = {mp.nstr(x, 8)}: continuation stopped; raise dps")


def _real(m: Model, x: Any) -> tuple[Any, Any, str]:
    """Limit from above at real z = x: inside a bulk complex, outside real; either is proved before it is returned."""
    found: dict[str, Any] = {}

    def stop(height: Any, point: tuple[Any, Any]) -> bool:
        dw, dd = derivative(m, mp.mpc(x, height), *point)
        if height * max(abs(dw / point[0]), abs(dd / point[1])) > 0.5:
            return False
        guess = [value - 1j * height * slope for value, slope in zip(point, (dw, dd), strict=True)]
        inside = newton(m, x, *guess, upper=False)
        small = mp.mpf(10) ** (-mp.dps // 2)
        if inside and mp.im(inside[0]) > small * abs(inside[0]) and mp.im(inside[1]) > small * abs(inside[1]):
            found["point"] = (*inside, "bulk")
            return True
        outside = newton(m, x, mp.re(guess[0]), mp.re(guess[1]), upper=False)
        if outside and all(slope > 0 for slope in derivative(m, x, *outside)):
            found["point"] = (*outside, "gap")
            return True
        return False

    _descend(m, x, mp.mpf(10) ** (-mp.dps) * (abs(x) + m.s2), stop)
    if "point" not in found:
        raise SolveError(f"z = {mp.nstr(x, 12)} lies on an edge or on the atom of the spectrum: move it, or raise dps")
    return found["point"]


def solve(m: Model, z: Any, start: tuple[Any, Any] | None = None) -> tuple[Any, Any, str]:
    """(w, delta, status) at z in the current precision; Im z < 0 by conjugation, real z as the limit from above."""
    if mp.im(z) == 0:
        return _real(m, mp.re(z))
    if mp.im(z) < 0:
        w, delta, status = solve(m, mp.conj(z), start)
        return mp.conj(w), mp.conj(delta), status
    w, delta = _half_plane(m, z, start)
    if not (mp.im(z * w) >= -abs(z * w) * mp.mpf(10) ** (6 - mp.dps)):
        raise SolveError(f"z = {mp.nstr(z, 8)}: Im(z q) < 0")
    return w, delta, "upper half-plane"


def traces(m: Model, w: Any, delta: Any) -> dict[str, Any]:
    """q, delta, r, s from the unknowns."""
    base, slope = 1 + m.b2 * w, m.alpha2 * w / (1 + delta)
    inverse = [weight / (base + slope * lam) for lam, weight in zip(m.nodes, m.weights, strict=True)]
    q = w / m.psi_p
    r = q * mp.fsum(lam * value for lam, value in zip(m.nodes, inverse, strict=True))
    return {"q": q, "delta": delta, "r": r, "s": q * mp.fsum(inverse)}


def number(z: Any) -> Any:
    """mpf for real input, mpc otherwise; exact for Python numbers."""
    z = mp.mpmathify(z)
    return mp.re(z) if mp.im(z) == 0 else z


def resolvent(problem: ScoreProblem, z: Any, dps: int = 30, *, activation: Callable | None = None) -> OnePoint:
    r"""q, delta, r, s at one z, to `dps` digits (Bonnaire et al. 2025, Theorem 3.1, with W/sqrt d in r and s).

    Args:
        problem: the model; its quadrature of rho_Sigma is taken as exact atoms.
        z: complex number; a real z gives the limit from the upper half-plane.
        dps: digits asked for.
        activation: sigma on mpmath numbers, for a user's activation.

    Returns:
        OnePoint; `error` compares two working precisions, `status` says what proves the branch.

    Raises:
        SolveError: z on an edge or on the atom; with frozen noises also z on the real axis from 0 upwards.

    Example:
        >>> import rfscore as rf
        >>> from rfscore import oracle
        >>> point = oracle.resolvent(rf.ScoreProblem(2, 8, 0.1, activation="erf"), 1j, dps=20)
        >>> print(f"{complex(point.q):.10f}", point.status)
        0.0680468957+0.8964497774j upper half-plane
    """
    runs = []
    for guard in GUARD:
        with mp.workdps(dps + guard):
            m, at = model(problem, dps + guard, activation), number(z)
            if mp.isinf(m.draws):
                w, delta, status = solve(m, at - m.ridge)
                runs.append(traces(m, w, delta))
            else:
                state, status = frozen.solve(m, at), "upper half-plane" if mp.im(at) else "gap"
                runs.append(frozen.values(m, at, state))
    coarse, fine = runs
    error = max(abs(fine[k] - coarse[k]) / abs(fine[k]) for k in fine)
    return OnePoint(z=at, **fine, error=error + mp.mpf(10) ** (-dps - GUARD[0]), status=status)


def density(problem: ScoreProblem, lam: Any, dps: int = 30, *, activation: Callable | None = None) -> Number:
    r"""rho(lam) = Im q(lam + i0)/pi of the continuous spectrum, exactly 0 in a gap."""
    point = resolvent(problem, lam, dps, activation=activation)
    with mp.workdps(dps + GUARD[1]):
        value = mp.im(point.q) / mp.pi
        return Number(value, abs(point.q) * point.error if point.status == "bulk" else mp.mpf(0))
