"""A small mpmath solver of the one-point equations with a general fixed part, for checks at fifty digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mpmath import mp


@dataclass(frozen=True)
class System:
    """U = fixed (triple of I, W W^T/d, W Sigma W^T/d) + one sampled part (v2, 0, alpha2) with n columns."""

    psi_n: Any
    psi_p: Any
    fixed: tuple[Any, Any, Any]
    sampled: tuple[Any, Any, Any]
    nodes: tuple[Any, ...]
    weights: tuple[Any, ...] = field(default=(1,))

    def mean(self, function: Callable[[Any], Any]) -> Any:
        """int rho_Sigma f."""
        return mp.fsum(w * function(x) for w, x in zip(self.weights, self.nodes, strict=True))

    def m(self, lam: Any, delta: Any) -> Any:
        """m(lam) = fixed + sampled/(1 + delta) without the identity parts."""
        k = [f + c / (1 + delta) for f, c in zip(self.fixed, self.sampled, strict=True)]
        return k[1] + k[2] * lam

    def residual(self, z: Any, q: Any, delta: Any) -> list[Any]:
        """(D4.5) and (D4.6), with (D4.7) inserted."""
        d = lambda x: 1 + self.psi_p * q * self.m(x, delta)  # noqa: E731
        first = self.fixed[0] - z + self.sampled[0] / (1 + delta) + self.mean(lambda x: self.m(x, delta) / d(x)) - 1 / q
        r, s = self.mean(lambda x: x * q / d(x)), self.mean(lambda x: q / d(x))
        c = self.sampled
        return [first, self.psi_p / self.psi_n * (c[0] * q + c[1] * s + c[2] * r) - delta]

    def solve(self, z: Any, start: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
        """(q, delta): the physical solution left of the spectrum or off the axis, by damped iteration, then Newton."""
        if start is None:
            q, delta = -1 / mp.mpmathify(z) if z else mp.mpf(1), mp.mpf(1) / 2
            for _ in range(400):
                first, second = self.residual(z, q, delta)
                q, delta = (q + 1 / (first + 1 / q)) / 2, delta + second / 2
            start = (q, delta)
        root = mp.findroot(lambda q, delta: self.residual(z, q, delta), start, maxsteps=60)
        return root[0], root[1]

    def trace(self, z: Any, start: tuple[Any, Any] | None = None) -> Any:
        """S = psi_p s."""
        q, delta = self.solve(z, start)
        return self.psi_p * self.mean(lambda x: q / (1 + self.psi_p * q * self.m(x, delta)))


def reference(**changes: Any) -> System:
    """Two atoms, psi_n = 2, psi_p = 5; call inside workdps."""
    one = mp.mpf(1)
    values = {
        "psi_n": 2 * one,
        "psi_p": 5 * one,
        "fixed": (one / 60, one / 8, 0 * one),
        "sampled": (one / 40, 0 * one, one / 3),
        "nodes": (one / 2, 7 * one / 4),
        "weights": (2 * one / 7, 5 * one / 7),
    }
    return System(**{**values, **changes})
