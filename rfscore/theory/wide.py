r"""The wide limit psi_p = infinity: everything from one 2 x 2 block for each eigenvalue x of the sample covariance.

    B(x) = [[alpha2 x + b^2, sqrt(alpha2 v2 x/psi_n)], [sqrt(alpha2 v2 x/psi_n), v2/psi_n]]

is U/psi_p on a direction of the data and on the samples along it (derivations (D14.4)-(D14.7)). With c = 2 Delta_t tau
and m(x) the first entry of (1 - e^{-cB})/B, the score learned along that direction is -a^2 m(x) x_t, and

    L_train = 1 - b^2 int [(1 - e^{-2cB})/B]_11 Tr Omega/d
    L_test  = 1 - 2 b^2 int m Tr Omega/d + b^2 a^2 int m^2 Tr[Sigma_t Omega]/d

with Omega of `rfscore.theory.sample_law`: Theorem 1 of Latourelle-Vigeant et al. 2026 (arXiv 2608.23938), with their
time t/d = 2 Delta_t a^2 tau and their d delta_n = v2/(a^2 psi_n).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from rfscore._precision import is_traced
from rfscore.errors import bad
from rfscore.model.equivalence import coefficients
from rfscore.model.problem import ScoreProblem
from rfscore.model.process import OU
from rfscore.results import Result, quantity
from rfscore.theory.sample_law import SampleLaw, sample_law

Array = np.ndarray


class Block(NamedTuple):
    """The 2 x 2 blocks at points x, by eigenvalues: [f(B)]_11 = heavy f(high) + light f(low).

    Attributes:
        high: larger eigenvalue.
        low: smaller one; high low = b^2 v2/psi_n at every x.
        heavy: weight of the first on the data's direction.
        light: 1 - heavy, without cancellation.
    """

    high: Float[Array, " K"]
    low: Float[Array, " K"]
    heavy: Float[Array, " K"]
    light: Float[Array, " K"]

    def gain(self, c: Float[Array, " T"]) -> Float[Array, "T K"]:
        """m = [(1 - e^{-cB})/B]_11; at c = infinity 1/b^2."""
        return _gain(c, self.high) * self.heavy + _gain(c, self.low) * self.light


def _gain(c: Float[Array, " T"], rate: Float[Array, " K"]) -> Float[Array, "T K"]:
    return -np.expm1(-c[:, None] * rate) / rate


def block(x: Any, signal: float, noise: float, own: float) -> Block:
    """Blocks [[signal x + noise, sqrt(signal own x)], [., own]] at x >= 0.

    Args:
        x: eigenvalues of the sample covariance.
        signal: alpha2 = a^2 e^{-2t}.
        noise: b^2 = a^2 Delta_t.
        own: v2/psi_n, what a sample's feature has for itself.
    """
    x = np.asarray(x, dtype=float)
    first, coupling = signal * x + noise, 2.0 * np.sqrt(signal * own * x)
    apart = first - own
    gap = np.hypot(apart, coupling)
    high = 0.5 * (first + own + gap)
    with np.errstate(invalid="ignore", divide="ignore"):
        small = np.where(gap > 0, 0.5 * (coupling / gap) ** 2 / (1.0 + abs(apart) / gap), 0.0)
    return Block(high, noise * own / high, np.where(apart >= 0, 1.0 - small, small),
                 np.where(apart >= 0, small, 1.0 - small))  # fmt: skip


def is_wide(problem: ScoreProblem) -> bool:
    """True at psi_p = infinity."""
    return not is_traced(problem.psi_p) and bool(np.isinf(problem.psi_p))


def refuse_wide(problem: ScoreProblem, name: str) -> None:
    """Raise where the wide limit is not served."""
    if is_wide(problem):
        raise bad("psi_p", float("inf"), f"a finite number for {name}", "at infinite width there are loss_curves, "
                  "curve_times, wide_spectrum, timescales, training_times and rfscore.generation; everything else "
                  "takes psi_p up to 1e4")  # fmt: skip


def score_only(problem: ScoreProblem, where: str) -> None:
    """Raise unless the Ornstein-Uhlenbeck process's score is learned."""
    if not (problem.is_score and isinstance(problem.process, OU)):
        raise bad("process, target", (problem.process, problem.target), f"rf.OU() and 'score' {where}",
                  "loss_curves serves every channel and target at psi_p up to 1e4")  # fmt: skip


def law_of(problem: ScoreProblem) -> SampleLaw:
    """The sample covariance's law of a problem."""
    score_only(problem, "at infinite width")
    nodes, weights = problem.quadrature()
    return sample_law(float(problem.psi_n), np.asarray(nodes), np.asarray(weights))


class _Limit(NamedTuple):
    """What the limit knows of a problem."""

    law: SampleLaw
    a2: float
    signal: float
    noise: float
    own: float
    delta: float

    def block(self, x: Any) -> Block:
        return block(x, self.signal, self.noise, self.own)


def _limit(problem: ScoreProblem, name: str) -> _Limit:
    if is_traced(problem) or np.isfinite(problem.noise_draws) or problem.ridge != 0:
        raise bad("noise_draws, ridge", (problem.noise_draws, problem.ridge), f"inf and 0, as concrete numbers, for "
                  f"{name} at psi_p = inf", "take psi_p = 1e4 for frozen noises, a ridge or derivatives")  # fmt: skip
    law, co = law_of(problem), coefficients(problem)
    a2, alpha2, v2 = float(co.a) ** 2, float(co.alpha2), float(co.v2)
    delta = float(problem.delta)
    return _Limit(law, a2, alpha2, a2 * delta, v2 / float(problem.psi_n), delta)


def losses(problem: ScoreProblem, tau: Float[Array, "*T"]) -> tuple[Array, float, Array, Array, Array]:
    """(tau, loss of the true score, train, test, status 0) of the flow at psi_p = infinity."""
    limit = _limit(problem, "loss_curves")
    c = 2.0 * limit.delta * tau.ravel()
    inside, at_zero = limit.block(limit.law.x), limit.block([0.0])
    nodes = np.asarray(problem.quadrature()[0])
    both, both_zero = inside.gain(2.0 * c), at_zero.gain(2.0 * c)[:, 0]
    m, m_zero = inside.gain(c), at_zero.gain(c)[:, 0]
    noised = np.exp(-2.0 * float(problem.t)) * nodes + limit.delta
    train = 1.0 - limit.noise * limit.law.mean(both, both_zero)
    fit = limit.noise * limit.a2 * limit.law.mean(m**2, m_zero**2, noised)
    test = 1.0 - 2.0 * limit.noise * limit.law.mean(m, m_zero) + fit
    floor = 1.0 - limit.delta * float((limit.law.direction / noised).sum())
    return tau, floor, train.reshape(tau.shape), test.reshape(tau.shape), np.zeros(tau.shape, dtype=int)


class WideSpectrum(Result):
    r"""The eigenvalues of U/psi_p at psi_p = infinity, counted per dimension d: 1 + psi_n of them are not 0.

    Attributes:
        problem: the problem it belongs to.
        edges: (k, 2) ends of the bulks, ascending.
        masses: (k,) eigenvalues in each bulk, over d.
        atoms: (j, 2) location and number over d of equal eigenvalues: v2/psi_n for the samples beyond d, b^2 for the
            directions beyond n.
    """

    problem: ScoreProblem
    edges: Float[np.ndarray, "k 2"] = quantity("bulk", "side")
    masses: Float[np.ndarray, " k"] = quantity("bulk")
    atoms: Float[np.ndarray, "j 2"] = quantity("atom", "of_atom")

    def rule(self) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        """Nodes and weights of the bulks and atoms: sum w f(lam) = (1/d) Tr f(U/psi_p) over what is not 0."""
        limit = _limit(self.problem, "wide_spectrum")
        found, held = limit.block(limit.law.x), limit.law.direction @ limit.law.weights
        nodes, weights = np.concatenate([found.low, found.high]), np.concatenate([held, held])
        return np.append(nodes, self.atoms[:, 0]), np.append(weights, self.atoms[:, 1])


def wide_spectrum(problem: ScoreProblem) -> WideSpectrum:
    """Bulks and atoms of U/psi_p: both eigenvalues of B(x) over the bulks of the sample covariance (D14.5).

    Args:
        problem: the problem, with psi_p = inf.

    Returns:
        WideSpectrum.

    Raises:
        InputError: a finite psi_p, frozen noises or a ridge.
        SolveError: the masses of the sample covariance's law are off by more than 1e-8.

    Accuracy:
        Edges to about 1e-12 relative.

    Example:
        >>> import rfscore as rf
        >>> found = rf.wide_spectrum(rf.ScoreProblem(psi_n=2.0, psi_p=float("inf"), t=0.1))
        >>> print((1e4 * found.edges).round(3).tolist(), found.masses.round(9).tolist())
        [[4.853, 48.801], [943.127, 9482.969]] [1.0, 1.0]
    """
    if not is_wide(problem):
        raise bad("psi_p", problem.psi_p, "inf for wide_spectrum", "use spectrum")
    limit = _limit(problem, "wide_spectrum")
    law, found = limit.law, limit.block(limit.law.edges)
    bulk = np.searchsorted(law.edges[:, 0], law.x, side="right") - 1
    held = np.bincount(bulk, law.direction @ law.weights, minlength=len(law.edges))
    edges = np.concatenate([found.low[::-1, ::-1], found.high])
    masses = np.concatenate([held[::-1], held])
    rank = float(held.sum())
    extra = [(limit.own, float(problem.psi_n) - rank), (limit.noise, 1.0 - rank)]
    atoms = np.array([atom for atom in extra if atom[1] > 1e-12]).reshape(-1, 2)
    return WideSpectrum(problem, edges, masses, atoms)


def edge_eigenvalues(problem: ScoreProblem) -> tuple[float, float, float]:
    """Of U/psi_p: the n-th largest eigenvalue's bulk from below, the lowest bulk's, and v2/psi_n."""
    limit = _limit(problem, "timescales")
    edges = limit.law.edges
    lowest = float(limit.block(edges[-1, 1]).low)
    rank = min(1.0, float(limit.law.direction[np.asarray(problem.quadrature()[0]) > 0].sum()))
    sample = limit.own if float(problem.psi_n) >= rank else float(limit.block(edges[0, 0]).high)
    return sample, lowest, limit.own
