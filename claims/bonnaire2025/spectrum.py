"""Theorems 3.1 and 3.2 and Figures 4 and 14 against eigenvalues of drawn matrices."""

from __future__ import annotations

import numpy as np

import rfscore as rf
import rfscore.finite
from rfscore.validation.evidence import Comparison, above, below, more, near
from rfscore.validation.lab import EXTRAPOLATED, Lab, falls, limit, slope, vanishing

ATOMS = rf.Atoms([0.5, 1.5])
SMALL = rf.ScoreProblem(2.0, 4.0, 0.1)
TWO = rf.ScoreProblem(2.0, 4.0, 0.2, ATOMS)
LATE = rf.ScoreProblem(4.0, 12.0, 0.01)
FIG4 = rf.ScoreProblem(8.0, 64.0, 0.01)
FIG14 = rf.ScoreProblem(32.0, 64.0, 0.01)
DRAWS = {40: 16, 80: 8, 160: 4}
LARGE = {50: 4, 100: 3, 150: 2}
WIDE = {8: 6, 16: 3, 32: 2}
TWINS = {48: 8, 96: 4, 192: 2}
EDGE = "2 standard errors over seeds, and the next order in d^-2/3"
_Z = np.array([-0.03, -0.3, -3.0])


def theorem_3_1(lab: Lab) -> list[Comparison]:
    """q(z) of the fixed point against exact features, extrapolated in 1/d."""
    found = []
    for name, problem, sizes in (("Σ = I, ψ_p = 4", SMALL, DRAWS), ("Σ = (0.5, 1.5), ψ_p = 4", TWO, DRAWS),
                                 ("Σ = I, ψ_p = 12, t = 0.01", LATE, LARGE)):  # fmt: skip
        exact = np.real(rf.resolvent(problem, _Z).q)
        rows = {
            d: np.array([[np.mean(1.0 / (x.eigenvalues - z)) for z in _Z] / exact - 1.0 for x in drawn])
            for d, drawn in lab.draws(problem, sizes).items()
        }
        found.append(vanishing(f"relative difference of q(z), draws − theory, {name}", rows, 0.02))
    return found


def _within_bulks(problem: rf.ScoreProblem, eigenvalues: np.ndarray) -> list[float]:
    """Kolmogorov distance inside the sample and the population bulk; eigenvalues are told apart by rank."""
    spec, p = rf.spectrum(problem), eigenvalues.size
    ends = np.cumsum([sum(m for _, m in spec.atoms), *spec.masses])
    distances = []
    for low, high in zip(ends[-3:-1], ends[-2:], strict=True):
        levels = low + (high - low) * np.arange(1, 20) / 20
        here = eigenvalues[round(low * p) : round(high * p)]
        below_ = np.searchsorted(here, spec.quantile(levels)) / here.size
        distances.append(float(np.max(np.abs(below_ - np.arange(1, 20) / 20))))
    return distances


def histograms(lab: Lab) -> list[Comparison]:
    """Figures 4 and 14: the distribution inside each bulk, of the Gaussian matrix and of the features themselves."""
    found = []
    for problem, d in ((FIG4, 64), (FIG14, 32)):
        sample, population = _within_bulks(problem, lab.draw(problem, d, 0, "gaussian-equivalent").eigenvalues)
        name = f"Gaussian matrix, ψ_n = {problem.psi_n:g}, d = {d}"
        inside = round(float(problem.psi_n) * d)
        found.append(below(f"Kolmogorov distance in the sample bulk, {name}", sample, 3.0 / inside))
        found.append(below(f"Kolmogorov distance in the population bulk, {name}", population, 3.0 / d))
    distance = {d: np.array([_within_bulks(FIG4, x.eigenvalues) for x in rows])
                for d, rows in lab.draws(FIG4, WIDE).items()}  # fmt: skip
    sample, population = distance[max(WIDE)].mean(0)
    fall, error, source = falls({d: rows[:, 0] for d, rows in distance.items()})
    return [
        *found,
        below("exponent in d of the distance in the sample bulk, exact features, ψ_n = 8", fall, 0.0, error, source),
        below("distance in the population bulk, exact features, d = 32", population, 3.0 / 32),
        more("distance in the sample bulk, exact features, d = 32: rows of W differ in length", sample),
    ]  # fmt: skip


def _top(lab: Lab, problem: rf.ScoreProblem) -> dict[int, np.ndarray]:
    """Smallest and largest of the d top eigenvalues of drawn Gaussian equivalents."""
    drawn = lab.draws(problem, TWINS, "gaussian-equivalent")
    return {d: np.array([[x.eigenvalues[-d], x.eigenvalues[-1]] for x in rows]) for d, rows in drawn.items()}


def large_bulk(lab: Lab) -> list[Comparison]:
    """Figure 4: the population bulk lies in about [10, 45]."""
    low, high = rf.spectrum(FIG4).edges[-1]
    ends = limit(_top(lab, FIG4), 2.0 / 3.0)
    return [
        near("left edge, theory", low, 10.0, 0.5, 1e-9, "solver"),
        near("right edge, theory", high, 45.0, 0.5, 1e-9, "solver"),
        near("left end of draws at d → ∞ over theory", ends.value[0] / low, 1.0, 0.05, ends.error[0] / low, EDGE),
        near("right end of draws at d → ∞ over theory", ends.value[1] / high, 1.0, 0.05, ends.error[1] / high, EDGE),
    ]


def delta_weight(lab: Lab) -> list[Comparison]:
    """Mass 1 - (1 + psi_n)/psi_p at s_t^2: counted in a dense matrix, and the residue of q."""
    wanted, s2 = 1.0 - 9.0 / 64.0, float(rf.coefficients(FIG4).s2)
    d = 16
    dense = rfscore.finite.draw(FIG4, d, lab.rng(d, 999), "gaussian-equivalent").U
    lam = np.linalg.eigvalsh(dense)
    step = 1e-4 * s2
    residue = -float(np.real(rf.resolvent(FIG4, [s2 - step]).q[0])) * -step
    exact = lab.draw(FIG4, 32, 0).eigenvalues
    lowest = exact[: round(wanted * exact.size)]
    return [
        near("fraction of eigenvalues of the Gaussian equivalent within 10^-9 of s^2",
             float(np.mean(np.abs(lam - s2) < 1e-9)), wanted, 1e-12),
        near("residue of q(z) at s^2", residue, wanted, 1e-3, 1e-4, "distance from the pole, 10^-4 s^2"),
        more("mean of the lowest 55/64 of the eigenvalues over s^2, exact features, d = 32", lowest.mean() / s2),
        more("their spread over s^2: at finite d a peak, not a delta", lowest.std() / s2),
    ]  # fmt: skip


def _middle(spec: rf.Spectrum) -> int:
    """Which bulk is rho_1: the one in which the middle of the law's support lies."""
    centre = 0.5 * rf.large_psi_law(spec.problem).sample_edges.sum()
    return int(np.searchsorted(spec.edges[:, 0], centre)) - 1


def _sample_edges(problem: rf.ScoreProblem) -> np.ndarray:
    """Exact edges of rho_1."""
    spec = rf.spectrum(problem)
    return spec.edges[_middle(spec)]


def first_bulk_unchanged(lab: Lab) -> list[Comparison]:
    """Figure 4 right: Sigma changes the second bulk, not the first."""
    other = rf.ScoreProblem(8.0, 64.0, 0.01, ATOMS)
    change, ends = [], []
    for problem in (FIG4, other):
        spec = rf.spectrum(problem)
        k = _middle(spec)
        change.append(spec.edges[k])
        ends.append([spec.edges[k + 1, 0], spec.edges[-1, 1]])
    top = limit(_top(lab, other), 2.0 / 3.0)
    return [
        below("largest relative change of the edges of the sample bulk",
              np.max(abs(change[1] / change[0] - 1)), 0.03, 1e-9, "solver"),
        above("smallest relative change of the ends of the population's part",
              np.min(abs(np.array(ends[1]) / ends[0] - 1)), 0.15, 1e-9, "solver"),
        near("right end of that part, draws over theory, Σ = (0.5, 1.5)", top.value[1] / ends[1][1], 1.0, 0.05,
             top.error[1] / ends[1][1], EDGE),
        more("number of bulks with two atoms; one atom has 3", len(rf.spectrum(other).edges)),
    ]  # fmt: skip


def regime_one(lab: Lab) -> list[Comparison]:
    """psi_p > psi_n >> 1: edges of rho_1 approach the law like 1/psi; masses are exact; drawn masses by gaps."""
    scales = np.array([16.0, 64.0, 256.0])
    problems = [rf.ScoreProblem(x, 4 * x, 0.1) for x in scales]
    gaps = [np.max(np.abs(_sample_edges(q) / rf.large_psi_law(q).sample_edges - 1)) for q in problems]
    order = 1.0 / scales.min()  # the next order, relative to this one
    spec = rf.spectrum(FIG4)
    lam = lab.draw(FIG4, 64, 0, "gaussian-equivalent").eigenvalues
    cut = np.sqrt(spec.edges[-2, 1] * spec.edges[-1, 0])
    return [
        below("largest relative difference of the edges of ρ_1 at ψ_n = 256, ψ_p = 1024", gaps[-1], 0.02, 1e-9,
              "solver"),
        near("exponent with which it shrinks in ψ", slope(scales, np.array(gaps)), -1.0, order, 1e-6, "solver"),
        near("mass of ρ_2 times ψ_p, counted in a draw (d = 64)", float(np.mean(lam > cut)) * 64, 1.0, 1e-9),
        near("mass between δ and ρ_2 over ψ_n/ψ_p, counted in a draw", float(np.mean((lam < cut) & (
            lam > 1.0001 * spec.floor))) * 8, 1.0, 1e-9),
        more("share of ρ_1's mass that has split off into a third, lower bulk", spec.masses[0] * 8, 1e-9, "solver"),
    ]  # fmt: skip


def regime_two(lab: Lab) -> list[Comparison]:
    """psi_n > psi_p >> 1."""
    scales = np.array([16.0, 64.0, 256.0])
    problems = [rf.ScoreProblem(4 * x, x, 0.1) for x in scales]
    gaps = [np.max(np.abs(_sample_edges(q) / rf.large_psi_law(q).sample_edges - 1)) for q in problems]
    problem = rf.ScoreProblem(32.0, 8.0, 0.1)
    lam = np.array([lab.draw(problem, 48, i).eigenvalues for i in range(2)])
    spec = rf.spectrum(problem)
    above = float(np.mean(lam > np.sqrt(spec.edges[-2, 1] * spec.edges[-1, 0])))
    return [
        below("largest relative difference of the edges of ρ_1 at ψ_p = 256, ψ_n = 1024", gaps[-1], 0.02, 1e-9,
              "solver"),
        near("exponent with which it shrinks in ψ", slope(scales, np.array(gaps)), -1.0, 1.0 / scales.min(), 1e-6,
             "solver"),
        near("mass of ρ_2 times ψ_p, counted in exact draws (ψ_p = 8, d = 48)", above * 8, 1.0, 1e-9),
        near("mass of atoms", sum(m for _, m in spec.atoms), 0.0, 1e-12),
    ]  # fmt: skip


def independent_of_sigma(lab: Lab) -> list[Comparison]:
    """rho_1 depends on Sigma through Tr Sigma only."""
    scales = np.array([150.0, 600.0, 2400.0])
    spread = []
    for x in scales:
        edges = [_sample_edges(rf.ScoreProblem(x, 4 * x, 0.1, c))
                 for c in (rf.Isotropic(1.0), ATOMS, rf.Atoms([0.2, 1.0, 1.8]))]  # fmt: skip
        spread.append(np.max(np.ptp(edges, axis=0) / edges[0]))
    first, last = (slope(scales[k : k + 2], np.array(spread[k : k + 2])) for k in (0, 1))
    return [
        below("largest relative spread of the edges over three Σ at ψ_n = 2400", spread[-1], 0.001, 1e-9, "solver"),
        near(
            "local exponent with which it shrinks, ψ_n = 600 … 2400",
            last,
            -1.0,
            2 * abs(last - first),
            abs(last - first),
            "its change from ψ_n = 150 … 600",
        ),
    ]


def _distance(problem: rf.ScoreProblem) -> float:
    """Largest relative distance of the edges of rho_2 from those of U-tilde's bulk."""
    return float(np.max(np.abs(rf.spectrum(problem).edges[-1] / rf.large_psi_law(problem).population_edges - 1)))


def independent_of_n(lab: Lab) -> list[Comparison]:
    """rho_2 is the bulk of U-tilde: its edges go to the population's as psi_n grows, psi_p fixed or in proportion."""
    psi_n, scales = np.array([256.0, 1024.0, 4096.0]), np.array([64.0, 256.0, 1024.0])
    fixed = np.array([_distance(rf.ScoreProblem(n, 16.0, 0.1)) for n in psi_n])
    both = np.array([_distance(rf.ScoreProblem(n, 4 * n, 0.1)) for n in scales])
    right = float(rf.large_psi_law(rf.ScoreProblem(64.0, 16.0, 0.1)).population_edges[1])
    end = limit({d: np.array([[np.linalg.eigvalsh(rfscore.finite.draw(
        rf.ScoreProblem(1.0, 16.0, 0.1), d, lab.rng(d, 5, i)).U_test)[-1] / right] for i in range(count)])
        for d, count in {24: 16, 48: 8, 96: 4}.items()}, 2.0 / 3.0)  # fmt: skip
    return [
        near("exponent in ψ_n of the distance of its edges from those of Ũ, ψ_p = 16, ψ_n = 256 … 4096",
             slope(psi_n, fixed), -1.0, 16.0 / psi_n.min(), 1e-6, "solver"),
        near("the same at ψ_p = 4 ψ_n, ψ_n = 64 … 1024", slope(scales, both), -0.5, 1 / np.sqrt(scales.min()), 1e-6,
             "solver"),
        near("largest eigenvalue of drawn Ũ of exact features, d → ∞, over that right edge", end.value[0], 1.0, 0.05,
             end.error[0], EDGE),
        more("relative distance at the ψ_n = 8 of Figure 4 (ψ_p = 64)", _distance(FIG4), 1e-9, "solver"),
    ]  # fmt: skip


def floor_shrinks_like_t(lab: Lab) -> list[Comparison]:
    """At psi_p = psi_n the left edge is s_t^2, which is proportional to t."""
    t = np.array([0.001, 0.003, 0.01])
    law = np.array([rf.timescales(rf.ScoreProblem(32.0, 32.0, x)).lambda_min_law for x in t], dtype=float)
    exact = np.array([rf.timescales(rf.ScoreProblem(32.0, 32.0, x)).lambda_min for x in t], dtype=float)
    return [
        near("exponent of the large-ψ edge in t", slope(t, law), 1.0, 2 * t.max(), 1e-6, "solver"),
        near("exponent of the exact left edge in t (ψ = 32)", slope(t, exact), 1.0, 2 * t.max(), 1e-6, "solver"),
    ]


def gaussian_equivalence(lab: Lab) -> list[Comparison]:
    """Lemma C.1: exact features and the Gaussian matrix have the same resolvent traces, both at d -> infinity."""
    found = []
    for name, problem in (("Σ = I", SMALL), ("Σ = (0.5, 1.5)", TWO)):
        both = []
        for features in ("exact", "gaussian-equivalent"):
            drawn = lab.draws(problem, DRAWS, features)
            both.append(limit({d: np.array([[np.mean(1.0 / (x.eigenvalues - z)) for z in _Z] for x in rows])
                               for d, rows in drawn.items()}))  # fmt: skip
        ratio = both[0].value / both[1].value - 1.0
        error = float(np.max((both[0].error + both[1].error) / both[1].value))
        found.append(near(f"relative difference of q(z), features − Gaussian matrix, {name}",
                          ratio[np.argmax(abs(ratio))], 0.0, 0.03, error, EXTRAPOLATED))  # fmt: skip
    return found
