r"""Real solutions of the one-point equations as an explicit curve.

With w = psi_p q, g = 1/(1 + delta) and kappa = (1 + w b^2)/(alpha2 w g), the two equations separate (derivations
(D5.1)-(D5.6)):

    (1 + b^2 w)(v2 w + psi_n) = w Phi(kappa),
    Phi(kappa) = alpha2 kappa [psi_n - int rho_Sigma lam/(kappa + lam)]

is a quadratic for w at given kappa, and g and y = z - s2 follow in closed form. With m frozen noises kappa =
(1 + w b^2 beta)/(alpha2 w g_1), beta = sum_j share_j t_j g_j; then 1/g_1 and 1/g_2 are linear in w at given kappa, and
w solves a quadratic again ((D10.14)-(D10.16)), or a linear equation for m = 1. Real z off the support are the points
of this curve where the response matrix M(z, z) has spectral radius < 1. A second sampled part must have no signal in
it. NumPy, many places of many problems at once; `rfscore.theory.gaps` walks along them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rfscore.theory.equivalent import Equivalent

_REACH = 34.0  # log-distance to a pole of Phi at which the curve is cut
_BLOCK = 2_000_000  # numbers in the largest table: places times eigenvalues
_PLACES = 16_384  # and at most so many places at a time, whose numbers stay in the processor's cache


class Curves:
    """The curves of K problems whose Sigma have equally many eigenvalues and poles, with as many sampled parts.

    A place is (problem, interval, sheet, u): kappa = kappa(interval, u), interval 0 below all poles of Phi, i between
    poles i - 1 and i, the last above all; sheet = -1 or 1, the sign of the square root.
    """

    def __init__(self, eqs: Sequence[Equivalent]) -> None:
        spectra = [_merged(eq) for eq in eqs]
        self.lam = np.stack([lam for lam, _ in spectra])
        self.rho = np.stack([rho for _, rho in spectra])
        self.psi_p, self.b2, self.fixed_b2, self.v2, self.first_b2, self.alpha2 = np.array(
            [[eq.psi_p, eq.own[0, 1], eq.fixed[1], *eq.sampled[0]] for eq in eqs], dtype=float
        ).T
        self.share = np.stack([np.asarray(eq.share) for eq in eqs])
        self.columns = self.psi_p[:, None] / np.stack([np.asarray(eq.ratio) for eq in eqs])
        self.psi_n = self.columns[:, 0]
        #: (k0, kWW) of the second sampled part, if there is one.
        self.second = np.stack([np.asarray(eq.sampled)[1, :2] for eq in eqs]).T if self.share.shape[1] > 1 else None
        #: The quadratic for w has no square: one frozen noise per sample.
        self.linear = self.second is None and not self.fixed_b2.any()
        # Ascending in kappa. A null direction of Sigma carries noise: with frozen noises it is a pole as well.
        null = int(self.fixed_b2.any() and (self.lam[:, 0] == 0).any())
        self.poles = -self.lam[:, null:][:, ::-1]
        self.smallest = np.array([lam[lam > 0][0] for lam in self.lam])

    @staticmethod
    def kind(eq: Equivalent) -> tuple[int, int, bool, bool]:
        """Problems of one kind share a Curves."""
        lam = _merged(eq)[0]
        return lam.size, len(np.asarray(eq.share)), bool(np.asarray(eq.fixed)[1]), bool(lam[0] == 0)

    @property
    def last(self) -> int:
        """Index of the interval above all poles."""
        return self.poles.shape[1]

    def reach(self, k: Int[np.ndarray, " N"], interval: Int[np.ndarray, " N"]) -> tuple[np.ndarray, np.ndarray]:
        """Range of u."""
        scale, ratio = np.log(self.lam[k, -1]), np.log(self.lam[k, -1] / self.smallest[k])
        outer = (interval == 0) | (interval == self.last)
        return np.where(outer, scale - _REACH - ratio, -_REACH), np.where(outer, scale + _REACH + 10.0, _REACH)

    def may_be_free(self, k: Int[np.ndarray, " N"], interval: Int[np.ndarray, " N"]) -> np.ndarray:
        """False where the two poles beside an interval alone prove that no gap lies in it.

        M_11 >= int rho_Sigma lam^2/(kappa + lam)^2/psi_n, of which two neighbours at a distance s give at least
        (a^(1/3) + b^(1/3))^3/(psi_n s^2), a = rho lam^2: dense eigenvalues cost nothing.
        """
        inner = (interval > 0) & (interval < self.last)
        after = np.where(inner, interval, 1 if self.last > 1 else 0)
        before = np.maximum(after - 1, 0)
        rho = self.rho[:, self.lam.shape[1] - self.last :][:, ::-1]
        low, high = self.poles[k, before], self.poles[k, after]
        least = (np.cbrt(rho[k, before] * low**2) + np.cbrt(rho[k, after] * high**2)) ** 3
        return ~(inner & (least > (1.0 + 1e-9) * self.psi_n[k] * (high - low) ** 2))

    def at(self, k: Int[np.ndarray, " N"], interval: Int[np.ndarray, " N"], u: Float[np.ndarray, " N"]) -> Places:
        """The places (k, interval, u), on both sheets."""
        return Places(self, k, *self._shifted(k, interval, u))

    def _shifted(self, k: np.ndarray, interval: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """kappa and kappa + lam (N, L); distances to the interval's own poles keep their relative accuracy."""
        first, last = interval == 0, interval == self.last
        before, after = np.maximum(interval - 1, 0), np.minimum(interval, self.last - 1)
        low, high = self.poles[k, before], self.poles[k, after]
        grown = np.exp(u)
        part = (high - low) / (1.0 + grown)
        from_low = np.where(first, -grown, np.where(last, grown, part * grown))
        from_high = np.where(first, -grown, np.where(last, grown, -part))
        # The walk also crosses kappa = 0, where kappa itself needs no relative accuracy (phi is regular there).
        kappa = np.where(last | (~first & (u < 0)), low + from_low, high + from_high)
        if self.lam.shape[1] == 1:
            return kappa, from_low[:, None]
        table, row = kappa[:, None] + self.lam[k], np.arange(k.size)
        table[row, self.lam.shape[1] - 1 - before] = from_low
        table[row, self.lam.shape[1] - 1 - after] = from_high
        return kappa, table

    def slope(self, k: np.ndarray, interval: np.ndarray, u: np.ndarray) -> np.ndarray:
        """`Places.slope`, in blocks of bounded memory."""
        return self._in_blocks(lambda *place: self.at(*place).slope(), k, interval, u)

    def margin(self, k: np.ndarray, interval: np.ndarray, u: np.ndarray, sheet: np.ndarray) -> np.ndarray:
        """`Places.margin`, in blocks of bounded memory."""
        return self._in_blocks(lambda *place: self.at(*place[:3]).margin(place[3]), k, interval, u, sheet)

    def phi(self, k: np.ndarray, interval: np.ndarray, u: np.ndarray) -> np.ndarray:
        """`Places.phi`, in blocks of bounded memory."""
        return self._in_blocks(lambda *place: self.at(*place).phi, k, interval, u)

    def leading(self, k: np.ndarray, interval: np.ndarray, u: np.ndarray) -> np.ndarray:
        """`Places.leading`, in blocks of bounded memory."""
        return self._in_blocks(lambda *place: self.at(*place).leading(), k, interval, u)

    def _in_blocks(self, what: Callable[..., np.ndarray], *columns: np.ndarray) -> np.ndarray:
        size = max(1, min(_PLACES, _BLOCK // self.lam.shape[1]))
        starts = range(0, columns[0].size, size)
        parts = [what(*(column[start : start + size] for column in columns)) for start in starts]
        return np.concatenate(parts) if parts else np.empty(0)


def _merged(eq: Equivalent) -> tuple[np.ndarray, np.ndarray]:
    """Distinct eigenvalues of Sigma, ascending, and their weights."""
    lam, index = np.unique(np.asarray(eq.base)[1], return_inverse=True)
    return lam, np.bincount(index, weights=np.asarray(eq.weights))


class _Quadratic(NamedTuple):
    """What is linear and constant in a quadratic for X, and dX/dw."""

    slope: np.ndarray
    linear: np.ndarray
    constant: np.ndarray

    def root(self, square: np.ndarray, root: np.ndarray) -> np.ndarray:
        """X for a signed square root of the discriminant for w: of the two forms, the one without cancellation."""
        root = self.slope * root
        apart = root * self.linear <= 0
        total = np.where(apart, root - self.linear, -root - self.linear)
        return np.where(apart, total / (2.0 * square), 2.0 * self.constant / total)


class Places:
    """N places on the curves: everything there is a closed formula."""

    def __init__(self, curves: Curves, k: np.ndarray, kappa: np.ndarray, table: np.ndarray) -> None:
        self.c, self.k, self.kappa, self.table = curves, k, kappa, table
        self.v2, self.psi_n, self.alpha2, self.first_b2 = (
            values[k] for values in (curves.v2, curves.psi_n, curves.alpha2, curves.first_b2)
        )
        self.rho = curves.rho[k] if curves.rho.shape[1] > 1 else curves.rho[0]
        self.lam = curves.lam[k]
        #: int rho_Sigma/(kappa + lam)
        self.inverse = (self.rho / table).sum(-1)
        #: G of 1/g_1 = (psi_n + A w)/G, A the first entry of C_1.
        self.phi = self.psi_n - (self.rho * self.lam / table).sum(-1) - self.first_b2 / self.alpha2 * self.inverse

    def _second(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """G/g_2 = constant + slope w, and the weight of g_2 in m: b^2 times its share."""
        assert self.c.second is not None
        own, load = self.c.second[:, self.k]
        columns = self.c.columns[self.k, 1]
        trace = load / (self.alpha2 * columns) * self.inverse
        return self.phi + trace * self.psi_n, self.phi * own / columns + trace * self.v2, self.c.share[self.k, 1] * load

    @cached_property
    def quadratics(self) -> tuple[np.ndarray, list[_Quadratic]]:
        """a X^2 + B X + C = 0 for X = w, G/g_1 and G/g_2: their common a, and the rest ((D10.14)-(D10.16)).

        All three say the same, but each X has its digits only from its own, where it is small: near zeros of G both
        roots w tend to -psi_n/A, and near poles one tends to the zero of G/g_2.
        """
        n, v2, fixed, phi = self.psi_n, self.v2, self.c.fixed_b2[self.k], self.phi
        pull = (self.first_b2 - self.alpha2 * self.kappa) * phi
        one = np.ones_like(phi)
        if self.c.second is None:
            own = _Quadratic(v2, v2 * (v2 - n * fixed + pull), -n * v2 * pull)
            return v2 * fixed, [_Quadratic(one, v2 + n * fixed + pull, n), own]
        constant, slope, weight = self._second()
        load = weight * phi
        rest = phi * (1.0 - self.c.second[0, self.k] * n / (self.c.columns[self.k, 1] * v2))
        return v2 * (slope + load) + pull * slope, [
            _Quadratic(one, n * (slope + load) + (v2 + pull) * constant, n * constant),
            _Quadratic(v2, v2 * rest * (v2 + pull) - n * pull * slope - v2 * n * load, -n * v2 * pull * rest),
            _Quadratic(
                slope, -(slope + load) * v2 * rest - load * v2 * constant - pull * constant * slope,
                load * constant * v2 * rest,
            ),
        ]  # fmt: skip

    def _discriminant(self) -> tuple[np.ndarray, np.ndarray]:
        """B^2 - 4 a C of the quadratic for w, from the one with the least cancellation, and the size of its terms."""
        square, forms = self.quadratics
        values = np.stack([form.linear**2 - 4.0 * square * form.constant for form in forms])
        sizes = np.stack([form.linear**2 + 4.0 * abs(square * form.constant) for form in forms])
        slopes = np.stack([form.slope for form in forms]) ** 2
        best = np.argmin(np.nan_to_num(sizes / slopes, nan=np.inf), axis=0)[None]
        value, size = (np.take_along_axis(x / slopes, best, axis=0)[0] for x in (values, sizes))
        return value, size

    def slope(self) -> np.ndarray:
        """A number that is at least 1 in modulus where the curve is real."""
        square, forms = self.quadratics
        if self.c.linear:
            return np.full_like(square, 2.0)
        if self.c.second is None:  # the constant and the square are positive numbers
            return forms[0].linear / (2.0 * np.sqrt(square * forms[0].constant))
        value, size = self._discriminant()
        return 1.0 + value / size

    def leading(self) -> np.ndarray:
        """What vanishes where w is infinite."""
        square, forms = self.quadratics
        return forms[0].linear if self.c.linear else square

    def _turn(self) -> np.ndarray | int:
        """Sign of the square root on sheet 1. With two sampled parts the root is |G| times a smooth function."""
        return 1 if self.c.second is None else np.where(self.phi < 0, -1, 1)

    def larger(self) -> Int[np.ndarray, " N"]:
        """The sheet on which |w| is larger."""
        return self._turn() * np.where(self.quadratics[1][0].linear > 0, -1, 1)

    def solution(self, sheet: Int[np.ndarray, " N"]) -> tuple[np.ndarray, np.ndarray]:
        """(w, g_j as columns)."""
        square, forms = self.quadratics
        if self.c.linear:
            found = [-form.constant / form.linear for form in forms]
        else:
            root = sheet * self._turn() * np.sqrt(np.maximum(self._discriminant()[0], 0.0))
            found = [form.root(square, root) for form in forms]
        return found[0], np.stack([self.phi / gain for gain in found[1:]], axis=-1)

    def height(self, sheet: Int[np.ndarray, " N"]) -> np.ndarray:
        """y = z - s2 along the curve (z - ridge with frozen noises)."""
        w, g = self.solution(sheet)
        level = self.v2 * g[:, 0]
        if self.c.second is not None:
            level = level + self.c.share[self.k, 1] * self.c.second[0, self.k] * g[:, 1]
        return level + (1.0 - self.c.psi_p[self.k] - self.inverse / (self.alpha2 * w * g[:, 0])) / w

    def margin(self, sheet: Int[np.ndarray, " N"]) -> np.ndarray:
        """1 - spectral radius of M(z, z), made symmetric: positive exactly off the support."""
        w, g = self.solution(sheet)
        square = self.rho / ((self.alpha2 * w * g[:, 0])[:, None] * self.table) ** 2
        zero, one, two = square.sum(-1), (square * self.lam).sum(-1), (square * self.lam**2).sum(-1)
        parts = [(self.v2, self.first_b2, self.alpha2)]
        if self.c.second is not None:
            parts.append((*self.c.second[:, self.k], np.zeros_like(w)))
        share, columns, psi_p = self.c.share[self.k], self.c.columns[self.k], self.c.psi_p[self.k]
        level, slope = self.c.fixed_b2[self.k], self.alpha2 * g[:, 0]  # of m(lam) = level + slope lam
        for j, part in enumerate(parts):
            level = level + share[:, j] * part[1] * g[:, j]
        size = np.sqrt(share / columns) * w[:, None] * g
        matrix = np.empty((w.size, 1 + len(parts), 1 + len(parts)))
        matrix[:, 0, 0] = w**2 / psi_p * (level**2 * zero + 2.0 * level * slope * one + slope**2 * two)
        for i, (k0, k1, k2) in enumerate(parts):
            row = size[:, i] * (k0 + k1 * zero + k2 * one) / np.sqrt(psi_p)
            matrix[:, 0, i + 1] = matrix[:, i + 1, 0] = row
            for j, (_, l1, l2) in enumerate(parts):
                overlap = k1 * l1 * zero + (k1 * l2 + k2 * l1) * one + k2 * l2 * two
                matrix[:, i + 1, j + 1] = size[:, i] * size[:, j] * overlap
        return _one_minus_radius(matrix)


def _one_minus_radius(matrix: Float[np.ndarray, "N K K"]) -> Float[np.ndarray, " N"]:
    """1 - the largest eigenvalue of symmetric matrices; -1 where an entry is not finite."""
    fine = np.isfinite(matrix).all((1, 2))
    if matrix.shape[1] == 2:
        half = 0.5 * (matrix[:, 0, 0] - matrix[:, 1, 1])
        radius = 0.5 * (matrix[:, 0, 0] + matrix[:, 1, 1]) + np.sqrt(half**2 + matrix[:, 0, 1] ** 2)
    else:
        radius = np.linalg.eigvalsh(np.where(fine[:, None, None], matrix, 0.0))[:, -1]
    return np.where(fine & np.isfinite(radius), 1.0 - radius, -1.0)
