r"""Training, test and score error at one training time, by numerical inversion of a Laplace transform.

With c = 2 Delta_t tau/psi_p, (1 - e^{-c lam})/lam is the inverse Laplace transform at c of 1/(s (s + lam)), so
    L_train = 1 - b^2 L^{-1}[S(-s)/s](2 c),
    L_test = 1 + b^2 L^{-1} L^{-1}[T(-s1, -s2)/(s1 s2)](c, c) - 2 b^2 L^{-1}[S(-s)/s](c).
All singularities lie on s <= 0, where Talbot's contour s(theta) = r theta (cot theta + i) converges geometrically
whatever the scales of the spectrum (Abate and Valko, Int. J. Numer. Meth. Engng 60, 2004): about 0.6 digits a node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import mp

from rfscore.errors import bad
from rfscore.oracle._types import GUARD, Losses
from rfscore.oracle.coefficients import Model, model
from rfscore.oracle.kernel import corner, feature_trace, population_coupling, prepare
from rfscore.oracle.onepoint import solve
from rfscore.problem import ScoreProblem


def talbot(time: Any, count: int) -> list[tuple[Any, Any]]:
    """Nodes s and weights of f(time) = Re sum weight F(s), upper half of the contour."""
    r = 2 * mp.mpf(count) / (5 * time)
    pairs = [(mp.mpc(r), r / count * mp.exp(r * time) / 2)]
    for k in range(1, count):
        theta = k * mp.pi / count
        cot = mp.cot(theta)
        s = r * theta * mp.mpc(cot, 1)
        slope = mp.mpc(1, theta + (theta * cot - 1) * cot)
        pairs.append((s, r / count * mp.exp(s * time) * slope))
    return pairs


def _solutions(m: Model, nodes: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """One-point solutions at z = -s along the contour, each started from its neighbour."""
    found, start = [], None
    for s, _ in nodes:
        w, delta, _status = solve(m, mp.conj(-s), start)  # Im s >= 0, so -conj(s) is the upper half-plane point
        start = (w, delta) if mp.im(w) > 0 else None
        found.append((w, delta))
    return found  # at z = -conj(s); conjugates belong to z = -s


def _test_terms(m: Model, time: Any, count: int) -> tuple[Any, Any]:
    """(k applied to S, k x k applied to T) at exponent `time`."""
    pairs = talbot(time, count)
    points = _solutions(m, pairs)
    # Values at z = -conj(s) go with conj(s), conj(weight); real parts are unaffected.
    left = [(mp.conj(w / s), point) for (s, w), point in zip(pairs, points, strict=True)]
    single = mp.re(mp.fsum(factor * feature_trace(m, *point) for factor, point in left))
    coupling = population_coupling(m)
    upper = [(factor, prepare(m, point)) for factor, point in left]
    lower = [(mp.conj(f), (mp.conj(w), mp.conj(g), [mp.conj(x) for x in d])) for f, (w, g, d) in upper]
    double = mp.mpf(0)
    for j, (fj, side) in enumerate(upper):
        # Both contours run over conjugate pairs: (1/2) Re over (j, k) and (j, conj k), symmetric in j <-> k.
        for k in range(j + 1):
            fk = upper[k][0]
            same = mp.re(fj * fk * corner(m, side, upper[k][1], coupling))
            cross = mp.re(fj * lower[k][0] * corner(m, side, lower[k][1], coupling))
            double += (same + cross) / 2 * (1 if j == k else 2)
    return single, double


def _score_error(m: Model, test: Any) -> Any:
    inverse = mp.fsum(w / (m.decay * x + m.noise) for x, w in zip(m.nodes, m.weights, strict=True))
    return (test - 1 + m.noise * inverse) / m.noise


def _at(m: Model, tau: Any, count: int) -> tuple[Any, Any]:
    if tau == 0:
        return mp.mpf(1), mp.mpf(1)
    if mp.isinf(tau):
        point = solve(m, mp.mpf(0))[:2]
        side, s0 = prepare(m, point), feature_trace(m, *point)
        return 1 - m.b2 * s0, 1 + m.b2 * corner(m, side, side, population_coupling(m)) - 2 * m.b2 * s0
    time = 2 * m.noise * tau / m.psi_p
    pairs = talbot(2 * time, count)
    values = [(mp.conj(w / s), p) for (s, w), p in zip(pairs, _solutions(m, pairs), strict=True)]
    train = 1 - m.b2 * mp.re(mp.fsum(f * feature_trace(m, *p) for f, p in values))
    single, double = _test_terms(m, time, count)
    return train, 1 + m.b2 * double - 2 * m.b2 * single


def losses(problem: ScoreProblem, tau: Any, dps: int = 15, *, activation: Callable | None = None) -> Losses:
    r"""L_train, L_test and the score error at training time tau, to about `dps` digits.

    Args:
        problem: the model.
        tau: training time in [0, inf]; 0 and inf are evaluated in closed form.
        dps: digits asked for; the cost grows like its square (about 1 s at 15, isotropic).
        activation: sigma on mpmath numbers, for a user's activation.

    Returns:
        Losses; `error` is the largest change under more contour nodes and higher precision.

    Raises:
        InputError: tau negative or NaN.

    Example:
        >>> import rfscore as rf
        >>> from rfscore import oracle
        >>> end = oracle.losses(rf.ScoreProblem(2, 8, 0.1), float("inf"), dps=12)
        >>> print(f"{float(end.train):.6f} {float(end.test):.6f}")
        0.475889 1.980536
    """
    tau = mp.mpmathify(tau)
    if not tau >= 0:
        raise bad("tau", float(tau), "a training time in [0, inf]")
    runs = []
    for extra, guard in zip((3, 8), GUARD, strict=True):
        count = int(mp.ceil((dps + extra) / 0.55))
        digits = dps + guard + int(0.2 * count)  # e^{2 count/5} is the largest weight
        with mp.workdps(digits):
            m = model(problem, digits, activation)
            train, test = _at(m, tau, count)
            runs.append((train, test, _score_error(m, test)))
    coarse, fine = runs
    error = max(abs(x - y) for x, y in zip(coarse, fine, strict=True)) + mp.mpf(10) ** (-dps - GUARD[0])
    return Losses(tau, *fine, error=error)
