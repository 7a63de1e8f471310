"""The closed formulas of Urfin, Bonnaire, Biroli, Mezard 2026 at infinite time, solved on their own (Sigma = I).

Prop C.2: q and r at (z, zeta) solve, with L_1 = 1 + (psi_p/psi_n) mu_1^2 e^-2t r + (psi_p/(psi_n m)) [mu_1^2 Delta_t r
+ mu_*^2 q (1 + (m - 1) kappa)] and L_2 = 1 + (psi_p/(psi_n m)) [mu_1^2 Delta_t r + mu_*^2 q (1 - kappa)],

    psi_p z = (1 - psi_p)/q - r/q^2 + (psi_p mu_*^2/m) [(1 + (m - 1) kappa)/L_1 + (m - 1) (1 - kappa)/L_2],
    1/r = 1/q - psi_p zeta + psi_p mu_1^2 [(Delta_t/m) (1/L_1 + (m - 1)/L_2) + e^-2t/L_1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from claims.bonnaire2025.misprints import from_definitions
from rfscore.errors import SolveError

Array = np.ndarray
_STEP = 1e-30  # of derivatives along i: exact, nothing is subtracted


class Final(NamedTuple):
    """The minimum of the ridge objective, test loss, squared bias and variance of the score; q and r at z = -ridge."""

    objective: float
    test: float
    bias2: float
    variance: float
    q: float
    r: float


@dataclass(frozen=True)
class System:
    """The two equations, and T_1 and T_2, as functions of x = (log q, log r), z and zeta."""

    psi_n: float
    psi_p: float
    t: float
    m: float

    @cached_property
    def constants(self) -> tuple[float, float, float, float]:
        """mu_1^2, v_t^2 = mu_*^2 kappa, s_t^2 = mu_*^2 (1 - kappa) and Delta_t."""
        c = from_definitions(self.t, 1.0, 240)
        return c.mu1**2, c.v2, c.s2, -math.expm1(-2 * self.t)

    def levels(self, q: complex, r: complex) -> tuple[complex, complex]:
        """L_1 and L_2."""
        mu2, v2, s2, noise = self.constants
        both, one = self.psi_p / self.psi_n, 1.0 / self.m
        first = 1 + both * (mu2 * (1 - noise) * r + one * mu2 * noise * r + (v2 + one * s2) * q)
        return first, 1 + both * one * (mu2 * noise * r + s2 * q)

    def residual(self, x: Array, z: complex, zeta: complex) -> Array:
        """Both equations, scaled by q and r."""
        (mu2, v2, s2, noise), p = self.constants, self.psi_p
        q, r = np.exp(x)
        first, second = self.levels(q, r)
        one, rest = 1.0 / self.m, 1.0 - 1.0 / self.m
        middle = (1 - p) / q - r / q**2 + p * ((v2 + one * s2) / first + rest * s2 / second) - p * z
        pull = noise * (one / first + rest / second) + (1 - noise) / first
        return np.array([middle * q / p, (1 / q - p * zeta + p * mu2 * pull - 1 / r) * r])

    def traces(self, x: Array) -> tuple[complex, complex]:
        """T_1 and T_2."""
        mu2, _, _, noise = self.constants
        q, r = np.exp(x)
        first, second = self.levels(q, r)
        total = (1.0 / first + (self.m - 1.0) / second) / self.m if math.isfinite(self.m) else 1.0 / second
        return 1 - total + mu2 * self.psi_p * noise * r * total**2, self.psi_p * math.sqrt(mu2 * noise) * r * total

    def jacobian(self, x: Array, z: float) -> Array:
        """Of the residual in x."""
        return np.stack([np.imag(self.residual(x + 1j * _STEP * e, z, 0.0)) / _STEP for e in np.eye(2)], axis=1)


def final(psi_n: float, psi_p: float, t: float, m: float, ridge: float) -> Final:
    """Losses at infinite time from T_1, T_2 and the derivatives T_4, T_5 of T_1 in zeta and z.

    Args:
        psi_n: n/d.
        psi_p: p/d.
        t: diffusion time.
        m: noises per sample, a whole number or inf.
        ridge: lambda > 0.

    Returns:
        What the formulas say, to about 1e-10.

    Raises:
        SolveError: the two equations were not solved.
    """
    system = System(psi_n, psi_p, t, float(m))
    mu2, v2, s2, noise = system.constants
    x = _root(system, ridge)
    t1, t2 = (float(np.real(value)) for value in system.traces(x))
    t5, t4 = (_slope(system, lambda y: system.traces(y)[0], x, -ridge, k) for k in (0, 1))
    overlap, quadratic = math.sqrt(mu2 * noise) * t2, mu2 * t4 + (v2 + s2) * t5
    variance = (quadratic - mu2 * t2**2) / noise
    bias2 = (1 - overlap / noise) ** 2
    return Final(1 - t1, 1 - 2 * overlap + quadratic, bias2, variance, *(float(v) for v in np.exp(x)))


def _slope(system: System, value: Callable[[Array], complex], x: Array, z: float, which: int) -> float:
    """Derivative of value(x(z, zeta)) in z (which = 0) or in zeta (1), by implicit differentiation."""
    step = 1j * _STEP * np.eye(2)[which]
    moved = np.imag(system.residual(x.astype(complex), z + step[0], step[1])) / _STEP
    dx = -np.linalg.solve(system.jacobian(x, z), moved)
    return float(np.imag(value(x + 1j * _STEP * dx)) / _STEP)


def _root(system: System, ridge: float) -> Array:
    """log q and log r at z = -ridge, by Newton from z = -10^6, where q = r = -1/z."""
    x = np.log([1e-6, 1e-6])
    for far in np.geomspace(1e6, ridge, 25 * max(1, round(math.log10(1e6 / ridge)))):
        for _ in range(60):
            step = np.linalg.solve(system.jacobian(x, -far), np.real(system.residual(x, -far, 0.0)))
            x = x - np.clip(step, -0.5, 0.5)
            if np.max(np.abs(step)) < 1e-13:
                break
    worst = float(np.max(np.abs(np.real(system.residual(x, -ridge, 0.0)))))
    if not worst < 1e-9:
        raise SolveError(f"Prop C.2 at ridge {ridge:.3g}: residual {worst:.1e}; take a larger ridge")
    return x
