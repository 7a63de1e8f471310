r"""The wide limit psi_p = infinity through resolvents alone: no law of the sample covariance, no quadrature over it.

[(s + B(x))^{-1}]_11 = g/(x - z) with g = (s + h)/(alpha2 s), z = -(s + b^2)(s + h)/(alpha2 s), h = v2/psi_n: each
transform needs only M_lam(z) = 1/(lam/(1 + mu) - z), mu = (1/psi_n) int rho lam M_lam (Latourelle-Vigeant et al. 2026,
Eq 26), and products of two of them its divided difference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mpmath import mp

from rfscore.oracle.equivalence import Model

_WARM_UP, _NEWTON = 400, 60


class Point(NamedTuple):
    """M_lam and its derivative at z(s), with the factor g."""

    g: Any
    z: Any
    values: tuple[Any, ...]
    slopes: tuple[Any, ...]


class Wide:
    """Solutions and traces of U/psi_p at infinite width; spectral points are minus Laplace variables."""

    def __init__(self, m: Model) -> None:
        # tau = inf is read next to s = 0, where z -> -infinity.
        self.m, self.own, self.zero = m, m.v2 / m.psi_n, -(mp.mpf(10) ** (-3 * mp.dps))

    def solve(self, minus_s: Any, start: Any = None) -> Point:
        """The transforms at s."""
        s, m = -minus_s, self.m
        g = (s + self.own) / (m.alpha2 * s)
        z = -g * (s + m.b2)
        mu = self._mu(z)
        values = [1 / (lam / (1 + mu) - z) for lam in m.nodes]
        spread = [w * lam * v * v / m.psi_n for lam, w, v in zip(m.nodes, m.weights, values, strict=True)]
        turned = mp.fsum(x * lam for x, lam in zip(spread, m.nodes, strict=True)) / (1 + mu) ** 2
        rise = mp.fsum(spread) / (1 - turned)  # d mu/dz
        slopes = [v * v * (1 + lam * rise / (1 + mu) ** 2) for lam, v in zip(m.nodes, values, strict=True)]
        return Point(g, z, tuple(values), tuple(slopes))

    def _mu(self, z: Any) -> Any:
        """mu by damped iteration, then by Newton steps to all digits."""
        m = self.m

        def image(mu: Any) -> Any:
            return mp.fsum(w * lam / (lam / (1 + mu) - z) for lam, w in zip(m.nodes, m.weights, strict=True)) / m.psi_n

        mu = mp.mpf(0)
        with mp.workdps(20):
            for _ in range(_WARM_UP):
                new = (mu + image(mu)) / 2
                if abs(new - mu) < mp.mpf(10) ** -12 * (1 + abs(new)):
                    break
                mu = new
        for _ in range(_NEWTON):
            terms = [w * lam * lam / ((1 + mu) * (lam / (1 + mu) - z)) ** 2
                     for lam, w in zip(m.nodes, m.weights, strict=True)]  # fmt: skip
            step = (mu - image(mu)) / (1 - mp.fsum(terms) / m.psi_n)
            mu -= step
            if abs(step) <= abs(1 + mu) * mp.mpf(10) ** (3 - mp.dps):
                return mu
        raise ArithmeticError(f"no solution for mu at z = {mp.nstr(z, 8)}")

    def traces(self, point: Point) -> tuple[Any, Any]:
        """H = X = b^2 int [(s + B)^{-1}]_11 Tr Omega/d."""
        value = self.m.b2 * point.g * mp.fsum(w * v for w, v in zip(self.m.weights, point.values, strict=True))
        return value, value

    def side(self, point: Point) -> Point:
        """What the kernel needs of a solution."""
        return point

    @staticmethod
    def mirrored(side: Point) -> Point:
        """The same at the conjugate point."""
        return Point(
            mp.conj(side.g), mp.conj(side.z), tuple(map(mp.conj, side.values)), tuple(map(mp.conj, side.slopes))
        )

    def product(self, one: Point, two: Point, coupling: tuple) -> Any:
        """b^2 int [R1]_11 [R2]_11 Tr[(k_WW + k_WSW Sigma) Omega]/d."""
        if one.z == two.z:
            parts = one.slopes
        else:
            parts = tuple((x - y) / (one.z - two.z) for x, y in zip(one.values, two.values, strict=True))
        weights = (w * (coupling[1] + coupling[2] * lam) for lam, w in zip(self.m.nodes, self.m.weights, strict=True))
        return self.m.b2 * one.g * two.g * mp.fsum(w * p for w, p in zip(weights, parts, strict=True))
