r"""Contours on which k steps of gradient descent or heavy ball are applied to a resolvent.

k steps leave the residual e_k(lam), e_{k+1} = (1 + beta - x lam) e_k - beta e_{k-1}, e_0 = e_{-1} = 1, and what one
step moves is after i more steps h_i(lam), the same recursion from h_0 = 1, h_{-1} = 0 (derivations (D9.4), (D12.4)).
Put x lam = (1 - r)(r - beta)/r, so that e_k and h_k are about r^k. Many steps: r = e^s on the parabola of the flow, and
r = -e^s for the eigenvalues that oscillate; between the two e_k vanishes, and the contour may cross the spectrum. Few
steps: e_k is a polynomial, on an ellipse around the spectrum ((D9.8)-(D9.9)).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from rfscore.errors import SolveError
from rfscore.theory import contour

_MAX_NODES = 2000
_GROWTH = np.log(1e3)  # of the polynomials on the ellipse
_RTOL = 1e-12


class Descent(NamedTuple):
    """x = 2 Delta_t step/psi_p, the momentum, and the ends of the spectrum."""

    x: float
    beta: float
    low: float
    top: float

    @property
    def few(self) -> float:
        """Below so many steps the ellipse is used: r^k and (beta/r)^k are not yet apart."""
        return max(40.0, 60.0 / np.log(1.0 / self.beta) if self.beta > 0 else 0.0)


class StepContours(NamedTuple):
    """Upper halves of V contours, for M step counts each.

    Attributes:
        z: their N points.
        weight: dz/(2 pi i).
        residual: e_k(z).
        response: h_k(z).
        one: 1, or 0 where the contour surrounds the origin too and its residue cancels the 1 of 1 - e_k.
    """

    z: Complex[np.ndarray, "V N"]
    weight: Complex[np.ndarray, "V N"]
    residual: Complex[np.ndarray, "V M N"]
    response: Complex[np.ndarray, "V M N"]
    one: float

    @property
    def gain(self) -> Complex[np.ndarray, "V M N"]:
        """Factors that apply (1 - e_k)/lam."""
        return -(self.weight / self.z)[:, None] * (self.one - self.residual)

    @property
    def both(self) -> Complex[np.ndarray, "V M N"]:
        """Factors that apply (1 - e_k^2)/lam."""
        return -(self.weight / self.z)[:, None] * (self.one - self.residual**2)

    def power(self, degree: int, ridge: Float[Array, ""]) -> Complex[Array, "V M N"]:
        """Factors that apply (lam - ridge)^degree h_k(lam)^2."""
        return -(self.weight * (self.z - ridge) ** degree)[:, None] * self.response**2

    @property
    def kick(self) -> Complex[np.ndarray, "V M N"]:
        """Factors that apply h_k."""
        return -self.weight[:, None] * self.response


def on(factor: Complex[Array, "V M N"], trace: Complex[Array, "V N"]) -> Float[Array, "V M"]:
    """A function applied to a trace."""
    return 2.0 * jnp.real((factor * trace[:, None]).sum(-1))


def _polynomials(z: np.ndarray, steps: np.ndarray, run: Descent) -> tuple[np.ndarray, np.ndarray]:
    """e_k(z) and h_k(z) for each k, by the recursion: exact also at its double roots."""
    found = np.empty((2, steps.size, z.size), complex)
    now, before = np.ones((2, z.size), complex), np.stack([np.ones_like(z), np.zeros_like(z)])
    for k in range(int(steps.max(initial=0)) + 1):
        found[:, steps == k] = now[:, None]
        now, before = (1.0 + run.beta - run.x * z) * now - run.beta * before, now
    return found[0], found[1]


def few_steps(steps: Float[np.ndarray, " M"], run: Descent) -> StepContours:
    """One ellipse with foci at the ends of the spectrum, on which the polynomials grow by a factor 1000 at most."""
    parameter = np.exp(min(_GROWTH / max(1.0, float(steps.max(initial=1))), 0.3))
    count = int(np.ceil((np.log(1e14) + 2.0 * _GROWTH) / np.log(parameter) / 2.0)) + 16
    if count > _MAX_NODES:
        raise SolveError(f"{int(steps.max())} steps at momentum {run.beta:g} need {count} contour nodes, more than "
                         f"{_MAX_NODES}; take a momentum below 0.93, or loss_curves")  # fmt: skip
    turn = parameter * np.exp(1j * (np.arange(count) + 0.5) * np.pi / count)
    z = 0.5 * (run.low + run.top) + 0.25 * (run.top - run.low) * (turn + 1.0 / turn)
    weight = 0.25 * (run.top - run.low) * (turn - 1.0 / turn) / (2.0 * count)
    residual, response = _polynomials(z, steps, run)
    return StepContours(z[None], weight[None], residual[None], response[None], 1.0)


def many_steps(steps: Float[np.ndarray, " V"], run: Descent) -> StepContours:
    """The flow's parabola in s = log(r) for each k, and in log(-r) where eigenvalues oscillate; M is 1."""
    nodes, weights = contour.parabola(contour.node_count(_RTOL, 2.0), 2.0)
    k = steps[:, None]
    s = nodes / (2.0 * k)
    signs = (1.0, -1.0) if run.x * run.top > 1.0 + run.beta else (1.0,)
    parts = []
    for sign in signs:
        r = sign * np.exp(s)
        falling = -np.expm1(s) if sign > 0 else 1.0 - r
        z = falling * (r - run.beta) / (run.x * r)
        slope = (run.beta / r - r) / run.x  # dz/ds
        small = run.beta / r
        # Of the sign of r^k only (-1)^k matters; the power itself is e^{k s}.
        power = np.where(k % 2 == 0, 1.0, sign) * np.exp(k * s)
        rest = np.where(np.abs(small) > 0, small, 1.0) ** k * (run.beta > 0)
        residual = (power * (r - run.beta) - rest * (small - run.beta)) / (r - small)
        response = (power * r - rest * small) / (r - small)
        parts.append((z, weights / (2.0 * k) * slope, residual, response))
    z, weight, residual, response = (np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True))
    return StepContours(z, weight, residual[:, None], response[:, None], 0.0)
