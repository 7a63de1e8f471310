r"""The limiting spectrum of U: bulks with exact edges, the atom with its exact mass, density, distribution, moments.

Everything is computed in y = lambda - s2, the height above the floor, so that a bulk a billion times narrower than its
distance from 0 keeps its digits. The distribution function needs no integration: the one-point equations are the
stationarity of a potential Phi with dPhi/dz = -q, and N(lam) = -Im Phi(lam + i0)/pi (derivations (D5.7)-(D5.9)).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy import optimize

from rfscore._numbers import reals
from rfscore._precision import float64, is_traced
from rfscore.errors import InputError, SolveError, bad
from rfscore.model.problem import ScoreProblem
from rfscore.results import Result, quantity
from rfscore.theory import floor_edge
from rfscore.theory import resolvent as rs
from rfscore.theory.counting import counting
from rfscore.theory.equivalent import Equivalent, equivalent
from rfscore.theory.gaps import Gap, consistent, gaps

_MASS_TOLERANCE = 1e-8
_HARD = 1e-16  # an edge that is closer to the floor, over the bulk's width, is resolved by its law alone
_CHUNK = 512
_PANEL_NODES = 101
_MAX_HALVINGS = 24
_NARROWEST_GAP = 1e-9  # relative; roundoff hides narrower ones


def _above_floor(eq: Equivalent) -> Equivalent:
    """The same equivalent for U - s2: resolvents are then functions of y."""
    return eqx.tree_at(lambda e: e.fixed, eq, jnp.asarray(eq.fixed).at[0].set(0.0))


@jax.jit
def _on_axis(eq: Equivalent, y: Float[Array, " N"]) -> tuple[Array, Array, Array]:
    """Density and distribution at heights y, with the solver's status."""
    # Next to an edge q is less certain than a single resolvent may be; what matters here is checked by the masses.
    x, _, status = rs.solve(eq, y + 0j, uncertain=1e-3)
    return jnp.imag(x.q) / jnp.pi, counting(eq, x, y + 0j), status


def _in_chunks(eq: Equivalent, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`_on_axis` in one compiled shape: compiling again costs more than solving a few points too many."""
    pieces = []
    with jax.enable_x64(True):
        for start in range(0, max(y.size, 1), _CHUNK):
            padded = np.full(_CHUNK, -1.0)
            piece = y[start : start + _CHUNK]
            padded[: piece.size] = piece
            pieces.append([np.asarray(a)[: piece.size] for a in _on_axis(eq, jnp.asarray(padded))])
    density, fraction, status = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return density, fraction, status


def _tanh_sinh(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes on (0, 1) as distances from both ends, and weights: square roots at the ends cost nothing."""
    u = np.linspace(-3.7, 3.7, count)
    phase = 0.5 * np.pi * np.sinh(u)
    left, right = 1.0 / (1.0 + np.exp(-2.0 * phase)), 1.0 / (1.0 + np.exp(2.0 * phase))
    return left, right, (u[1] - u[0]) * np.pi * np.cosh(u) * left * right


def _edge_law(distance: np.ndarray, margin: np.ndarray, edge: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Density at `distance` over that at `margin`, and what is below it, over density times distance ((D5.15)).

    rho ~ sqrt(y - edge)/y at a height `edge` above the floor: a square root, and at a hard edge its inverse.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.isinf(edge)
        turn = np.where(far, 1.0, (margin + edge) / (distance + edge))
        ratio = np.where(distance + edge == 0.0, np.inf, np.sqrt(distance / margin) * turn)
        size = distance / edge
        root = np.sqrt(size)
        share = 2.0 * (1.0 - np.arctan(root) / root) * (1.0 + 1.0 / size)
    share = np.where(size < 1e-4, 2.0 / 3.0 * (1.0 + 0.4 * size), share)
    return ratio, np.where(edge == 0.0, 2.0, share)


class Atom(NamedTuple):
    """Eigenvalues that are all equal: where, and which fraction of all."""

    location: float
    mass: float


class BulkRule(NamedTuple):
    """A quadrature of the density."""

    nodes: Float[np.ndarray, " N"]
    weights: Float[np.ndarray, " N"]
    bulk: Int[np.ndarray, " N"]


class Spectrum(Result):
    r"""The limiting eigenvalue distribution of U.

    Attributes:
        problem: the problem it belongs to.
        edges: (k, 2) ends of the bulks, ascending.
        masses: (k,) fractions of the eigenvalues in each bulk, exact.
        atoms: locations and masses; the atom at the floor exists when psi_p > psi_n + 1, with m frozen noises when
            psi_p > m psi_n.
        floor: s2 (0 with frozen noises) plus the ridge, below which there is no spectrum.
    """

    problem: ScoreProblem
    atoms: list[Atom]
    _heights: Float[np.ndarray, "k 2"]  # edges - s2, to full relative accuracy
    _panels: Float[np.ndarray, "m 2"]  # bulks, halved until the density integrates to the exact mass of every part
    _owner: Int[np.ndarray, " m"]  # whose panel it is
    _eq: Equivalent
    edges: Float[np.ndarray, "k 2"] = quantity("bulk", "side")
    masses: Float[np.ndarray, " k"] = quantity("bulk")
    floor: float = quantity()

    def _evaluate(self, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Density and fraction below, at heights y."""
        flat = np.ravel(y)
        low, high = self._heights[:, 0], self._heights[:, 1]
        bulk = np.clip(np.searchsorted(low, flat, side="right") - 1, 0, low.size - 1)
        inside = (flat > low[bulk]) & (flat < high[bulk])
        inside |= (flat == 0.0) & (low[bulk] == 0.0)  # a hard edge is part of its bulk: the density is infinite there
        at_low = flat - low[bulk] < high[bulk] - flat
        edge, width = np.where(at_low, low[bulk], high[bulk]), high[bulk] - low[bulk]
        # Within `margin` of an edge roundoff decides; the law of the edge, anchored at the margin, does not care.
        margin = np.maximum(1e-8 * np.minimum(width, edge), 1e4 * np.finfo(float).eps * edge)
        # Close to the floor q is large, and the height of the edge as the equations see it less certain.
        margin = np.where(at_low, np.maximum(margin, 1e6 * np.finfo(float).eps * np.sqrt(width * edge)), margin)
        margin = np.where(edge < _HARD * width, 100.0 * _HARD * width, np.minimum(margin, 0.1 * width))
        distance = abs(flat - edge)
        law = inside & (distance < margin)
        anchor = np.where(law, edge + np.where(at_low, margin, -margin), flat)
        density, fraction, status = _in_chunks(self._eq, np.where(inside, anchor, -1.0))
        if np.any(status != rs.OK):
            at = anchor[status != rs.OK][0] + self.floor
            raise SolveError(f"density at lam = {at:.6g}: {rs.STATUS[int(status.max())]}")
        ratio, share = _edge_law(distance, margin, np.where(at_low, edge, np.inf))
        density = np.where(inside, density, 0.0) * np.where(law, ratio, 1.0)
        below = sum(mass for _, mass in self.atoms) + np.concatenate([[0.0], np.cumsum(self.masses)])
        tail = np.where(law & (distance > 0.0), share, 0.0) * np.where(distance > 0.0, density, 0.0) * distance
        by_law = np.where(at_low, below[bulk] + tail, below[bulk + 1] - tail)
        fraction = np.clip(np.where(law, by_law, fraction), below[bulk], below[bulk + 1])
        fraction = np.where(inside, fraction, np.where(flat >= high[bulk], below[bulk + 1], below[bulk]))
        fraction = np.where(flat < 0.0, 0.0, fraction)
        return density.reshape(np.shape(y)), fraction.reshape(np.shape(y))

    def density(self, lam: Any) -> np.ndarray:
        """rho(lam) of the continuous part, exactly 0 off the bulks; Bonnaire et al. 2025, Theorem 3.1.

        Args:
            lam: real points, any shape.

        Raises:
            InputError: lam is NaN.
            SolveError: a point inside a bulk was not verified.

        Accuracy: about 1e-15 over the relative distance to the edge.
        """
        return self._evaluate(_real("lam", lam) - self.floor)[0]

    def cdf(self, lam: Any) -> np.ndarray:
        """Fraction of eigenvalues <= lam, the atom included; exact, not integrated."""
        return self._evaluate(_real("lam", lam) - self.floor)[1]

    @property
    def names(self) -> list[str]:
        """Which bulk is which: population bulk on top, the sample bulk (rho_1 of the paper), the lowest below it.

        With several classes they are numbered.
        """
        if self._eq.fractions.shape[0] > 1:  # every class has bulks of its own
            return [f"bulk {i + 1} of {len(self.masses)}" for i in range(len(self.masses))]
        below = sum(atom.mass for atom in self.atoms) + np.cumsum(self.masses) - self.masses
        psi_n, psi_p = float(self.problem.psi_n), float(self.problem.psi_p)
        # The min(n, p)-th largest eigenvalue lies in the sample bulk.
        level = 1.0 - min(1.0, psi_n / psi_p) + 1e-6 / max(psi_p, 1.0)
        sample = max(0, int(np.searchsorted(below, level, side="right")) - 1)
        if below.size == 1:
            return ["all eigenvalues"]
        names = ["lowest bulk"] * sample + ["sample bulk"] + ["population bulk"] * (below.size - sample - 1)
        return [f"{name} {i + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)]

    @property
    def cuts(self) -> Float[np.ndarray, " gaps"]:
        """A point in every gap between bulks, the geometric mean of its ends: tells eigenvalues of draws apart."""
        return np.sqrt(self.edges[:-1, 1] * self.edges[1:, 0])

    def mass(self, bulk: int) -> float:
        """Fraction of the eigenvalues in one bulk (index into `edges`)."""
        return float(self.masses[bulk])

    def rule(self) -> BulkRule:
        """Nodes lam, weights with the density included, and the bulk of each: sum w f(lam) = int rho f off the atom."""
        nodes, weights = self._rule(self._panels)
        return BulkRule(nodes.ravel(), weights.ravel(), np.repeat(self._owner, _PANEL_NODES))

    def _rule(self, panels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tanh-sinh on panels (m, 2): nodes and weights (m, count)."""
        low, width = panels[:, :1], np.diff(panels)
        left, right, weights = _tanh_sinh(_PANEL_NODES)
        y = np.where(left < 0.5, low + width * left, low + width - width * right)
        return y + self.floor, weights * width * self._evaluate(y)[0]

    def moment(self, order: int) -> float:
        """int lam^order drho, atom included, to about 1e-9 relative."""
        if not (isinstance(order, (int, np.integer)) and order >= 0):
            raise bad("order", order, "an integer >= 0")
        total = sum(mass * where**order for where, mass in self.atoms)
        rule = self.rule()
        return total + float((rule.weights * rule.nodes**order).sum())

    def quantile(self, fraction: Any) -> np.ndarray:
        """Smallest lam with cdf(lam) >= fraction, for fraction in (0, 1)."""
        levels = _real("fraction", fraction)
        if np.any((levels <= 0) | (levels >= 1)):
            raise bad("fraction", float(levels[(levels <= 0) | (levels >= 1)].ravel()[0]), "numbers in (0, 1)")
        return np.vectorize(self._quantile, otypes=[float])(levels)

    def _quantile(self, level: float) -> float:
        reached = sum(mass for _, mass in self.atoms)
        if level <= reached:
            return self.floor
        for (low, high), mass in zip(self._heights, self.masses, strict=True):
            if level <= reached + mass:

                def excess(x: float, low: float = low, high: float = high) -> float:
                    return float(self._evaluate(np.array([low + (high - low) * x * x]))[1][0]) - level

                ends = np.array([1e-8, 1.0 - 1e-12])
                if excess(ends[0]) > 0:
                    return low + self.floor
                if excess(ends[1]) < 0:
                    return high + self.floor
                root = optimize.brentq(excess, *ends, xtol=1e-13)
                return low + (high - low) * root * root + self.floor
            reached += mass
        return float(self.edges[-1, 1])

    def to_xarray(self) -> Any:
        """As every result, with the atoms."""
        where, mass = ([atom[i] for atom in self.atoms] for i in (0, 1))
        found = super().to_xarray().assign_coords(side=["low", "high"])
        return found.assign(atom_location=("atom", np.array(where)), atom_mass=("atom", np.array(mass)))


def _real(name: str, value: Any) -> np.ndarray:
    array = reals(name, value, "real numbers")
    if np.any(np.isnan(array)):
        raise bad(name, "NaN", "real numbers")
    return array


@float64
def spectrum(problem: ScoreProblem) -> Spectrum:
    r"""Bulks, atom and density of the limiting spectrum of U (Bonnaire et al. 2025, Theorem 3.1; (D5.1)-(D5.9)).

    Args:
        problem: the problem, with concrete numbers (the count of bulks depends on them).

    Returns:
        Spectrum, verified: the exact masses sum to one, and the density of every bulk integrates to its mass.

    Raises:
        InputError: called under a JAX transformation.
        SolveError: density and exact mass of a bulk disagree by more than 1e-8 (a continuous Sigma whose nodes are too
            few for the bulk's resolution).

    Accuracy:
        Edges and masses to about 1e-12 relative (height above s2); gaps narrower than a
            relative 1e-9 count as none.

    Example:
        >>> import rfscore as rf
        >>> spec = rf.spectrum(rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01))
        >>> print(spec.edges.round(4).tolist())
        [[0.0037, 0.0102], [0.0913, 0.3595], [9.8359, 44.693]]
        >>> print((64 * spec.masses).round(9), round(spec.atoms[0][1], 6))
        [1. 7. 1.] 0.859375
    """
    if is_traced(problem):
        raise InputError("spectrum needs concrete numbers: its number of bulks depends on them; use timescales or "
                         "resolvent under jit, vmap and grad")  # fmt: skip
    eq = _above_floor(equivalent(problem))
    floor = float(equivalent(problem).fixed[0])
    found = gaps([eq], continuous=problem.population.continuous)[0]
    free = [gap for gap in found if gap.low <= 0.0 or gap.high - gap.low > _NARROWEST_GAP * gap.low]
    if not consistent(eq, free):
        raise SolveError("spectrum: the edges found do not close; move psi_n or psi_p by a relative 1e-9")
    atom = max(0.0, floor_edge.excess(eq)) / float(eq.psi_p)
    bulks = [(a.high, b.low) for a, b in pairwise(free) if b.low > a.high or not atom]
    heights = np.array(bulks)
    masses = _masses(eq, free, heights, atom)
    atoms = [Atom(floor, atom)] if atom > 0 else []
    owner = np.arange(len(heights))
    return _verified(Spectrum(
        problem=problem, edges=heights + floor, masses=masses, atoms=atoms, floor=floor, _heights=heights,
        _panels=heights, _owner=owner, _eq=eq,
    ))  # fmt: skip


def _masses(eq: Equivalent, free: list[Gap], heights: np.ndarray, atom: float) -> np.ndarray:
    """Exact masses: differences of the counting function, which is rational and constant in every gap."""
    between = [gap for gap in free[1:-1] if gap.low >= heights[0, 1]]
    if not between:
        return np.array([1.0 - atom])
    ends = np.array([[gap.low + part * (gap.high - gap.low) for part in (0.01, 0.99)] for gap in between])
    _, counts, status = _in_chunks(eq, ends.ravel())
    if np.any(status != rs.OK):
        raise SolveError(f"spectrum: a gap was not verified; {rs.STATUS[int(status.max())]}")
    counts = counts.reshape(ends.shape)
    if not np.allclose(counts[:, 0], counts[:, 1], rtol=0.0, atol=1e-10):
        raise SolveError("spectrum: eigenvalues inside a supposed gap; move psi_n or psi_p by a relative 1e-6")
    return np.diff(np.concatenate([[atom], counts[:, 0], [1.0]]))


def _verified(spec: Spectrum) -> Spectrum:
    """The same spectrum with panels on each of which the density integrates to the difference of the exact cdf.

    A panel that does not is cut at its median, so that nodes go where two bulks have just merged or a scale hides.
    """
    done, owners = [], []
    panels, owner = spec._heights, np.arange(len(spec.masses))
    for _ in range(_MAX_HALVINGS):
        nodes, weights = spec._rule(panels)
        exact = np.diff(spec._evaluate(panels)[1])[:, 0]
        error = abs(weights.sum(-1) - exact)
        rough = error > np.maximum(0.1 * _MASS_TOLERANCE * spec.masses[owner], 1e-12)
        done.append(panels[~rough])
        owners.append(owner[~rough])
        if not rough.any():
            found = (np.concatenate(done), np.concatenate(owners))
            return eqx.tree_at(lambda s: (s._panels, s._owner), spec, found)
        median = np.argmax(np.cumsum(weights[rough], axis=1) >= 0.5 * weights[rough].sum(1, keepdims=True), axis=1)
        cut = nodes[rough][np.arange(median.size), median] - spec.floor
        halves = np.stack([panels[rough, 0], cut, cut, panels[rough, 1]], axis=-1)
        panels, owner = halves.reshape(-1, 2), np.repeat(owner[rough], 2)
    worst = int(owner[0])
    low, high = spec.edges[worst]
    raise SolveError(
        f"spectrum: the density on [{low:.6g}, {high:.6g}] does not integrate to its mass {spec.masses[worst]:.6g} "
        f"within {_MASS_TOLERANCE:g}; if Sigma is continuous use explicit eigenvalues (Atoms or Empirical), else move "
        "psi_n or psi_p by a relative 1e-6: two bulks are about to merge"
    )
