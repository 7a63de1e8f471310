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
from rfscore.model.problem import ScoreProblem
from rfscore.oracle import frozen
from rfscore.oracle._types import GUARD, Losses
from rfscore.oracle.equivalence import Model, model
from rfscore.oracle.onepoint import solve
from rfscore.oracle.two_point import corner, feature_trace, population_coupling, prepare
from rfscore.oracle.wide import Wide


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


class _Averaged:
    """Solutions and traces where the noise is averaged: V = b W/sqrt d."""

    def __init__(self, m: Model) -> None:
        self.m, self.zero = m, mp.mpf(0)

    def solve(self, z: Any, start: Any = None) -> Any:
        """One-point solution (w, delta) at z."""
        return solve(self.m, z - self.m.ridge, start)[:2]

    def traces(self, point: Any) -> tuple[Any, Any]:
        """(H, X)."""
        value = self.m.b2 * feature_trace(self.m, *point)
        return value, value

    def side(self, point: Any) -> Any:
        """What the kernel needs of a solution."""
        return prepare(self.m, point)

    @staticmethod
    def mirrored(side: Any) -> Any:
        """The same at the conjugate point."""
        return mp.conj(side[0]), mp.conj(side[1]), [mp.conj(x) for x in side[2]]

    def product(self, one: Any, two: Any, coupling: tuple) -> Any:
        """(1/d) Tr V^T R1 C R2 V."""
        return self.m.b2 * corner(self.m, one, two, coupling)


class _Frozen:
    """The same with frozen noises."""

    def __init__(self, m: Model) -> None:
        # The null space of U has no overlap with V: its limit is read next to 0.
        self.m, self.zero = m, -m.s2 * mp.mpf(10) ** (-mp.dps) * (m.ridge == 0) - mp.mpf(10) ** (-3 * mp.dps)

    def solve(self, z: Any, start: Any = None) -> Any:
        return frozen.solve(self.m, z, start)

    def traces(self, point: Any) -> tuple[Any, Any]:
        return frozen.pull(self.m, point)

    def side(self, point: Any) -> Any:
        return point

    @staticmethod
    def mirrored(side: Any) -> Any:
        return tuple(mp.conj(x) for x in side)

    def product(self, one: Any, two: Any, coupling: tuple) -> Any:
        return frozen.kernels(self.m, one, two, coupling)[1]


def _route(m: Model) -> _Averaged | _Frozen | Wide:
    if mp.isinf(m.psi_p):
        return Wide(m)
    return _Averaged(m) if mp.isinf(m.draws) else _Frozen(m)


def _along(route: _Averaged | _Frozen | Wide, time: Any, count: int) -> list[tuple[Any, Any]]:
    """(weight/s, one-point solution) along the contour, each solution started from its neighbour."""
    found, start = [], None
    for s, weight in talbot(time, count):
        # Im s >= 0, so -conj(s) is the upper half-plane point; it goes with conj(weight/s), real parts are unaffected.
        point = route.solve(mp.conj(-s), start)
        start = point if mp.im(point[0]) > 0 else None
        found.append((mp.conj(weight / s), point))
    return found


def _double(route: _Averaged | _Frozen | Wide, points: list[tuple[Any, Any]], coupling: tuple) -> Any:
    """k x k applied to a kernel: both contours run over conjugate pairs, and the kernel is symmetric."""
    upper = [(factor, route.side(point)) for factor, point in points]
    lower = [(mp.conj(factor), route.mirrored(side)) for factor, side in upper]
    total = mp.mpf(0)
    for j, (fj, side) in enumerate(upper):
        for k in range(j + 1):
            fk = upper[k][0]
            same = mp.re(fj * fk * route.product(side, upper[k][1], coupling))
            cross = mp.re(fj * lower[k][0] * route.product(side, lower[k][1], coupling))
            total += (same + cross) / 2 * (1 if j == k else 2)
    return total


def _score_error(m: Model, test: Any) -> Any:
    inverse = mp.fsum(w / (m.decay * x + m.noise) for x, w in zip(m.nodes, m.weights, strict=True))
    return (test - 1 + m.noise * inverse) / m.noise


def _at(m: Model, tau: Any, count: int) -> tuple[Any, Any]:
    """(train, test); the ridge's penalty, ridge k^2 on H, is taken off the loss that is descended."""
    if tau == 0:
        return mp.mpf(1), mp.mpf(1)
    route, identity = _route(m), (mp.mpf(1), mp.mpf(0), mp.mpf(0))
    if mp.isinf(tau):
        point = route.solve(route.zero)
        side, (h, x) = route.side(point), route.traces(point)
        penalty = m.ridge * route.product(side, side, identity) if m.ridge else 0
        return 1 - h - penalty, 1 + route.product(side, side, population_coupling(m)) - 2 * x
    time = 2 * m.noise * tau / (1 if mp.isinf(m.psi_p) else m.psi_p)  # at infinite width of U/psi_p
    train = 1 - mp.re(mp.fsum(f * route.traces(p)[0] for f, p in _along(route, 2 * time, count)))
    points = _along(route, time, count)
    if m.ridge:
        train -= m.ridge * _double(route, points, identity)
    overlap = mp.re(mp.fsum(f * route.traces(p)[1] for f, p in points))
    return train, 1 + _double(route, points, population_coupling(m)) - 2 * overlap


def losses(problem: ScoreProblem, tau: Any, dps: int = 15, *, activation: Callable | None = None) -> Losses:
    r"""L_train, L_test and the score error at training time tau, to about `dps` digits.

    Args:
        problem: the model, at psi_p = inf with averaged noise and no ridge.
        tau: training time in [0, inf]; 0 and inf are evaluated in closed form.
        dps: digits asked for; the cost grows like its square (about 1 s at 15, isotropic).
        activation: sigma on mpmath numbers, for a user's activation.

    Returns:
        Losses; `error` is the largest change under more contour nodes and higher precision.

    Raises:
        InputError: tau negative or NaN; another process, target or population than the paper's;
            frozen noises or a ridge at psi_p = inf.

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
    if not problem.is_score:
        raise bad(
            "target", problem.target, "'score' for the oracle's losses", "its resolvent and kernel know no target"
        )
    if mp.isinf(problem.psi_p) and not (mp.isinf(problem.noise_draws) and problem.ridge == 0):
        raise bad("noise_draws, ridge", (problem.noise_draws, problem.ridge), "inf and 0 at psi_p = inf")
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
