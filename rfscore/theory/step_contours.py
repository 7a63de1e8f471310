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

from rfscore._precision import AnyArray
from rfscore.errors import SolveError
from rfscore.theory import contours

_MAX_NODES = 2000
_GROWTH = np.log(1e3)  # of the polynomials on the ellipse
_RTOL = 1e-12


class Run(NamedTuple):
    """x = 2 Delta_t step/psi_p, the momentum, and the ends of the spectrum."""

    x: float
    beta: float
    low: float
    top: float

    @property
    def few(self) -> float:
        """Below so many steps the ellipse is used: r^k and (beta/r)^k are not yet apart."""
        return max(40.0, 60.0 / np.log(1.0 / self.beta) if self.beta > 0 else 0.0)

    @property
    def limit(self) -> float:
        """Real z from which on descent diverges."""
        return 2.0 * (1.0 + self.beta) / self.x

    def angle(self, high: float) -> float:
        """Largest |arg z| of a curve around eigenvalues up to `high` on which descent contracts.

        |r| = 1 is the ellipse around (1 + beta)/x with half-axes (1 +- beta)/x; 0.7 keeps a distance from it.
        """
        right = self.x * min(np.sqrt(high * self.limit), 2.0 * high)  # where the curve ends
        slope = np.sqrt(max(0.0, 2.0 * (1.0 + self.beta) / right - 1.0)) * (1.0 - self.beta) / (1.0 + self.beta)
        return float(min(1.2, 0.7 * np.arctan(slope)))


class StepContours(NamedTuple):
    """Upper halves of V contours, for M step counts each.

    Attributes:
        z: their N points.
        weight: dz/(2 pi i).
        residual: e_k(z).
        response: h_k(z).
        one: 1, or 0 where the contour surrounds the origin too and its residue cancels the 1 of 1 - e_k.
    """

    z: Complex[AnyArray, "V N"]
    weight: Complex[AnyArray, "V N"]
    residual: Complex[AnyArray, "V M N"]
    response: Complex[AnyArray, "V M N"]
    one: float

    @property
    def gain(self) -> Complex[AnyArray, "V M N"]:
        """Factors that apply (1 - e_k)/lam."""
        return -(self.weight / self.z)[:, None] * (self.one - self.residual)

    @property
    def both(self) -> Complex[AnyArray, "V M N"]:
        """Factors that apply (1 - e_k^2)/lam."""
        return -(self.weight / self.z)[:, None] * (self.one - self.residual**2)

    def collected(self, products: Complex[AnyArray, "V M N"], end: Complex[AnyArray, ""]) -> Float[Array, "V M"]:
        """Both halves; no number of steps ends training."""
        return 2.0 * jnp.real(products.sum(-1))

    def power(self, degree: int, ridge: Float[Array, ""]) -> Complex[AnyArray, "V M N"]:
        """Factors that apply (lam - ridge)^degree h_k(lam)^2."""
        return -(self.weight * (self.z - ridge) ** degree)[:, None] * self.response**2

    @property
    def kick(self) -> Complex[AnyArray, "V M N"]:
        """Factors that apply h_k."""
        return -self.weight[:, None] * self.response


def _polynomials(z: np.ndarray, steps: np.ndarray, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """e_k(z) and h_k(z) for each k, by the recursion: exact also at its double roots."""
    found = np.empty((2, steps.size, z.size), complex)
    now, before = np.ones((2, z.size), complex), np.stack([np.ones_like(z), np.zeros_like(z)])
    for k in range(int(steps.max(initial=0)) + 1):
        found[:, steps == k] = now[:, None]
        now, before = (1.0 + run.beta - run.x * z) * now - run.beta * before, now
    return found[0], found[1]


def few_steps(steps: Float[np.ndarray, " M"], run: Run) -> StepContours:
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


def many_steps(steps: Float[np.ndarray, " V"], run: Run) -> StepContours:
    """The flow's parabola in s = log(r) for each k, and in log(-r) where eigenvalues oscillate; M is 1."""
    nodes, weights = contours.parabola(contours.node_count(_RTOL, 2.0), 2.0)
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


def changed(z: Complex[np.ndarray, " N"], steps: Float[np.ndarray, " M"], run: Run) -> Complex[np.ndarray, "M N"]:
    """1 - e_k(z), from the roots r of z = (1 - r)(r - beta)/(x r), for contours around a part of the spectrum.

    Raises:
        SolveError: e_k grows along the contour, which leaves the disk in which descent contracts.
    """
    k = steps[:, None]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if run.beta == 0.0:
            found = -np.expm1(k * np.log1p(-run.x * z))
        else:
            trace = 1.0 + run.beta - run.x * z
            root = np.sqrt(trace * trace - 4.0 * run.beta)
            first = 0.5 * (trace + np.where(np.real(trace * root.conj()) < 0, -root, root))
            second = run.beta / first
            powers = first**k * (first - run.beta) - second**k * (second - run.beta)
            found = 1.0 - powers / (first - second)
    if not np.max(abs(found), initial=0.0) < np.exp(_GROWTH):
        raise SolveError(f"{int(steps.max())} steps of size x = {run.x:.3g}: the top bulk oscillates too fast for a "
                         "contour around it alone; take a smaller step_size, or fewer steps")  # fmt: skip
    return found
