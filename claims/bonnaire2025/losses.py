"""Loss and score-error curves: what Figures 5, 11 and 13 show, Proposition C.2, and the threshold n*(p)."""

from __future__ import annotations

import numpy as np

import rfscore as rf
from claims.bonnaire2025.spectrum import DRAWS, LARGE, LATE, SMALL
from claims.bonnaire2025.times import PSI_N
from rfscore import observables as ob
from rfscore.validation.evidence import Comparison, above, below, more, near
from rfscore.validation.lab import EXTRAPOLATED, SPACING, TAU, Lab, limit, one_digit, slope, spaced

FIG5 = [rf.ScoreProblem(n, 64.0, 0.1) for n in PSI_N]
FIG13 = [rf.ScoreProblem(n, 32.0, 0.01) for n in PSI_N]


def curves_at_every_time(lab: Lab) -> list[Comparison]:
    """Exact draws at d -> infinity against the exact curves, at every training time."""
    found = []
    for name, problem, sizes in (("ψ_p = 4, t = 0.1", SMALL, DRAWS), ("ψ_p = 12, t = 0.01", LATE, LARGE)):
        theory = rf.loss_curves(problem, TAU)
        for label in ("train", "test"):
            exact = getattr(theory, label)
            rows = {d: np.array([(getattr(x, label) - exact) / np.maximum(1.0, exact) for x in drawn])[:, 1:]
                    for d, drawn in lab.draws(problem, sizes).items()}  # fmt: skip
            end = limit(rows)
            worst = int(np.argmax(abs(end.value)))
            word = "training" if label == "train" else "test"
            found.append(near(f"largest difference over τ, {word} loss, {name}, d → ∞", end.value[worst], 0.0, 0.03,
                              end.error.max(), EXTRAPOLATED))  # fmt: skip
    return found


def two_phases(lab: Lab) -> list[Comparison]:
    """Figures 5A and 5B: at tau_gen the two losses still agree; later they part and the score error rises."""
    curves = [rf.loss_curves(q, TAU) for q in FIG5]
    gap, rise = [], []
    for c in curves:
        i = int(np.argmin(c.test))
        gap.append(c.gap[i] / c.gap[-1])
        rise.append(c.score_error[-1] / c.score_error[i])
    seen = np.array([[(x.test - x.train)[np.argmin(x.test)] / (x.test - x.train)[-1]
                      for x in lab.draws(q, {32: 4}, "gaussian-equivalent")[32]] for q in FIG5])  # fmt: skip
    worst = seen[np.argmax(seen.mean(1))]
    return [
        below("largest gap at τ_gen over the final gap, theory", max(gap), 0.1, 1e-9, "solver"),
        below("the same, draws (d = 32)", worst.mean(), 0.1, worst.std(ddof=1), "2 standard errors over 4 seeds"),
        above("smallest ratio of final to lowest score error", min(rise), 2.0, 1e-9, "solver"),
    ]


def gap_boundary(lab: Lab) -> list[Comparison]:
    """Figure 5C: the psi_n at which L_gen = 0.1 is larger at tau = 10^4 than at 10^3, for every psi_p > psi_n."""
    psi_n, found = np.geomspace(1.0, 128.0, 29), {}
    psi_p = (16.0, 32.0, 64.0)
    for p in psi_p:
        gaps = np.array([rf.loss_curves(rf.ScoreProblem(n, p, 0.1), [1e3, 1e4]).gap for n in psi_n])
        found[p] = [[ob.crossing(psi_n[::s], -gaps[::s, k], -0.1).value for k in (0, 1)] for s in (1, 2)]
    shift = np.array([[late / early for early, late in pair] for pair in found.values()])
    return [
        above("smallest ratio of the boundary ψ_n at τ = 10^4 to that at 10^3, ψ_p = 16, 32, 64", shift[:, 0].min(),
              1.0, float(np.max(abs(np.diff(shift)))), "every second ψ_n left out"),
        *(more(f"boundary at τ = 10^4, ψ_p = {p:g}", pair[0][1], abs(pair[0][1] - pair[1][1]),
               "every second ψ_n left out") for p, pair in found.items()),
    ]  # fmt: skip


def score_error_power(lab: Lab) -> list[Comparison]:
    """Figure 13: lowest score error against psi_n at psi_p = 32, t = 0.01, psi_n = 4 ... 32."""
    curves = [rf.loss_curves(q, TAU).score_error for q in FIG13]

    def lowest(pick: slice) -> np.ndarray:
        return np.array([ob.minimum(TAU[pick], y[pick]).height for y in curves])

    rows = {d: np.array([[slope(PSI_N, np.array([ob.minimum(TAU[1:-1], lab.draw(q, d, k).score_error[1:-1]).height
                                                 for q in FIG13]))] for k in range(count)])
            for d, count in {16: 16, 32: 8, 64: 4}.items()}  # fmt: skip
    end = limit(rows)
    here, error = float(end.value[0] + end.slope[0] / 100), float(end.error[0])
    theory = spaced(lambda pick: slope(PSI_N, lowest(pick)))
    local = ob.local_slopes(PSI_N, lowest(slice(None))).slope
    return [
        # The printed digits, and what our draws leave open if that is no more than 0.03.
        near("exponent over ψ_n = 4 … 32 of drawn networks at the paper's d = 100 (from d = 16, 32, 64)", here, -0.59,
             0.005 + min(error, 0.03), error, EXTRAPOLATED),
        near("the same at d → ∞, minus theory", end.value[0] - theory[0], 0.0, 0.05, error, EXTRAPOLATED),
        more("the same, theory", *theory),
        *(more(f"local exponent between ψ_n = {a:g} and {b:g}", s, theory[1], SPACING)
          for a, b, s in zip(PSI_N, PSI_N[1:], local, strict=False)),
    ]  # fmt: skip


def generalisation_window(lab: Lab) -> list[Comparison]:
    """Prop C.2: for 1 << tau << psi_n both losses are 1 - O(Delta_t) and |L_gen| <= O(psi_n^-1/2)."""
    psi_n, t = np.array([256.0, 1024.0, 4096.0]), 0.01
    problems = [rf.ScoreProblem(n, 64.0, t) for n in psi_n]
    gap = np.array([abs(float(rf.loss_curves(q, [100.0]).gap[0])) for q in problems])
    times = np.array([0.03, 0.1, 0.3])
    fall = [1.0 - float(rf.loss_curves(rf.ScoreProblem(4096.0, 64.0, x), [30.0 / x]).test[0]) for x in times]
    delta = -np.expm1(-2 * times)
    return [
        below("exponent of L_gen in ψ_n at τ = 100, ψ_p = 64, t = 0.01", slope(psi_n, gap), -0.5, 1e-6, "solver"),
        below("largest |L_gen| √ψ_n there", float(np.max(gap * np.sqrt(psi_n))), 1.0, 1e-9, "solver"),
        near("exponent in Δ_t of 1 − L_test at τ = 30/t, ψ_n = 4096", slope(delta, np.array(fall)), 1.0, 0.01, 1e-6,
             "solver"),
        more("L_gen falls like ψ_n to this power: the bound is loose", slope(psi_n, gap), 1e-6, "solver"),
    ]  # fmt: skip


def threshold_peak(lab: Lab) -> list[Comparison]:
    """The delta peak, the untrained directions, exists for n < p - d: counted in drawn matrices on both sides."""
    import rfscore.finite

    d, psi_p = 40, 10.0
    found = []
    for psi_n in (8.0, 8.9, 9.1, 10.0):
        x = rfscore.finite.draw(rf.ScoreProblem(psi_n, psi_p, 0.1), d, lab.rng(d, 822), "gaussian-equivalent")
        at = float(
            np.mean(np.linalg.eigvalsh(x.U) < float(rf.coefficients(rf.ScoreProblem(1, 1, 0.1)).s2) * (1 + 1e-9))
        )
        wanted = max(0.0, 1.0 - (1.0 + psi_n) / psi_p)
        found.append(near(f"fraction of eigenvalues at s^2, ψ_p = 10, ψ_n = {psi_n:g}", at, wanted, 1e-9))
    return found


def threshold_loss(lab: Lab) -> list[Comparison]:
    """n*(p) read off the test loss: beyond it training for ever is no worse than not training, L_test(inf) <= 1."""
    psi_p = np.array([8.0, 32.0, 128.0])
    ratio = np.geomspace(0.25, 8.0, 41)
    stars = []
    for p in psi_p:
        final = np.array([rf.loss_curves(rf.ScoreProblem(r * p, p, 0.01), TAU[-1:]).test[0] for r in ratio])
        stars.append([ob.crossing(ratio[::s], final[::s], 1.0, rising=False).value for s in (1, 2)])
    seen = [x.test[-1] for x in lab.draws(rf.ScoreProblem(12.0, 8.0, 0.01), {32: 3})[32]]
    star, coarse = np.array(stars).T
    gamma, other = 1.0 + slope(psi_p, star), 1.0 + slope(psi_p, coarse)
    source = "every second ψ_n left out"
    return [
        near("exponent of n* in p", gamma, 1.0, one_digit(psi_p), abs(gamma - other), source),
        below("final test loss at n = 1.5 p, draws (ψ_p = 8, d = 32)", float(np.mean(seen)), 1.0,
              2 * float(np.std(seen, ddof=1)) / np.sqrt(3), "2 standard errors over 3 seeds"),
        Comparison("n*/p at ψ_p = 128, t = 0.01", star[-1], 0.5, 1.5, abs(star[-1] - coarse[-1]), source),
    ]  # fmt: skip


def shares(lab: Lab) -> list[Comparison]:
    """Which bulk memorises: the rise of the test loss after its lowest point, by eigenvalues above and below rho_2."""
    q = rf.ScoreProblem(8.0, 64.0, 0.01)
    parts = rf.bulk_curves(q, [np.inf]).test[:, 0]
    sizes = {8: 12, 16: 6, 32: 3}
    problem = rf.ScoreProblem(4.0, 16.0, 0.1)
    import rfscore.finite

    rows = {}
    for d, count in sizes.items():
        found = []
        for i in range(count):
            flow = rfscore.finite.draw(problem, d, lab.rng(d, 821, i)).gradient_flow()
            split = flow.mode_contributions([np.inf], np.repeat([0, 1], [15 * d, d])).test[:, 0]
            found.append([split[0] / split.sum()])
        rows[d] = np.array(found)
    end, wanted = limit(rows), rf.bulk_curves(problem, [np.inf]).test[:, 0]
    return [
        above("share of the eigenvalues below ρ_2 in the final rise, ψ_p = 64, ψ_n = 8, t = 0.01", parts[:-1].sum() / (
            parts.sum()), 0.9, 1e-7, "solver"),
        near("the same share at ψ_p = 16, ψ_n = 4, t = 0.1, draws − theory, d → ∞", end.value[0] - wanted[:-1].sum() / (
            wanted.sum()), 0.0, 0.08, end.error[0], EXTRAPOLATED),
        more("share of the lowest bulk alone: d eigenvalues", parts[0] / parts.sum(), 1e-7, "solver"),
    ]  # fmt: skip
