"""Latourelle-Vigeant et al. 2026: the wide limit, its lowest bulk, what it generates, and that it copies nothing."""

from __future__ import annotations

import math

import numpy as np

import rfscore as rf
import rfscore.finite
from rfscore import generation
from rfscore.validation.evidence import Comparison, above, below, more, near
from rfscore.validation.lab import Lab, slope

INF = math.inf
#: Their Figure 3: d = 720, n = 800, K = h(<x, x'>/d) with h(y) = y + 0.005 y^5, two eigenvalues of Sigma.
FIGURE_3 = rf.ScoreProblem(800 / 720, INF, 0.1, rf.Atoms([17 / 12, 1 / 36], [0.7, 0.3]))
KERNEL = generation.DotProduct(lambda y: y + 0.005 * y**5)


def plateau(lab: Lab) -> list[Comparison]:
    """The final test loss of wide networks goes to e^-2t/Delta_t like 1/psi_p, whatever the number of samples."""
    target, psi_p = math.exp(-0.2) / -math.expm1(-0.2), np.array([100.0, 1000.0, 10_000.0])
    found = []
    for psi_n in (2.0, 8.0):
        test = np.array([float(rf.loss_curves(rf.ScoreProblem(psi_n, p, 0.1), [INF]).test[0]) for p in psi_p])
        off = target - test
        last, first = slope(psi_p[1:], off[1:]), slope(psi_p[:2], off[:2])
        found += [
            near(f"exponent in ψ_p of what is missing, ψ_n = {psi_n:g}", last, -1.0, abs(last - first) + 1e-3, 1e-6,
                 "solver"),
            below(f"missing at ψ_p = 10^4 as a share, ψ_n = {psi_n:g}", off[2] / target, 0.01, 1e-9, "solver"),
        ]  # fmt: skip
    train = rf.loss_curves(rf.ScoreProblem(8.0, INF, 0.1), [INF]).train[0]
    return [*found, below("L_train(∞) at ψ_p = ∞", abs(float(train)), 1e-9, 1e-11, "solver")]


def lowest_bulk(lab: Lab) -> list[Comparison]:
    """The d slowest modes in closed form, against exact edges at growing psi_p."""
    edges = rf.wide_spectrum(rf.ScoreProblem(2.0, INF, 0.1)).edges[0]
    found = []
    for psi_p in (1e3, 1e4):
        problem = rf.ScoreProblem(2.0, psi_p, 0.1)
        exact = rf.spectrum(problem).edges[0]
        found.append(abs((psi_p * edges + float(rf.coefficients(problem).s2)) / exact - 1))
    return [
        near(f"exponent in ψ_p of the difference, {side} edge, ψ_n = 2, t = 0.1",
             math.log10(found[1][k] / found[0][k]), -1.0, 0.05, 1e-6, "solver")
        for k, side in enumerate(("lower", "upper"))
    ] + [below("largest difference at ψ_p = 10^4", found[1].max(), 1e-3, 1e-9, "solver")]  # fmt: skip


def figure_3(lab: Lab) -> list[Comparison]:
    """Variances in the two eigenspaces and KL at t0 = 1e-3: of one draw of the sample covariance, d = 720."""
    grid = np.geomspace(3.0, 1e-3, 200)
    best = generation.optimal(FIGURE_3, features=KERNEL, within=(0.05, 50.0))

    def rate(t: float) -> float:
        return -2.0 * math.expm1(-2.0 * t)

    ends = rate(1e-3) * best(1e-3), rate(3.0) * best(3.0)
    between = generation.exponential((1e-3, ends[0]), (3.0, ends[1]))
    schedules = {
        "optimal": best,
        "constant": lambda t: ends[0] / rate(t),
        "exponential": lambda t: between(t) / rate(t),
    }
    drawn = {"optimal": (1.5625, 0.35190, 0.3511), "constant": (1.4796, 0.24139, 0.3711),
             "exponential": (1.4322, 0.16197, 0.4090)}  # fmt: skip
    found = []
    for name, schedule in schedules.items():
        law = generation.generated(FIGURE_3, schedule, grid, process="sde", continuous=True, features=KERNEL)
        values = (*law.variance[0], law.kl_true[0])
        for what, value, target in zip(("large", "small", "KL/d"), values, drawn[name], strict=True):
            found.append(near(f"{name} schedule, {what}, over the draw", value / target, 1.0, 0.01, 1e-3, "one draw"))
    return found


def no_copies(lab: Lab) -> list[Comparison]:
    """Networks whose losses have split: fractions of copies, and distances, against fresh points."""
    problem, grid = rf.ScoreProblem(3.0, 20.0, 0.1), np.geomspace(2.5, 0.02, 16)
    losses = rf.loss_curves(problem, [10.0, INF])
    copies, chance, closer = 0, 0, []
    for seed in range(2):
        gen = rfscore.finite.generator(problem, 24, seed, grid)
        for tau in (1e4, INF):
            one = generation.measure(gen.samples(tau, 2000), gen.data, gen.sigma)
            copies, chance = copies + one.f_mem.count, chance + one.chance.count
            closer.append(one.nearest / one.nearest_fresh)
    return [
        above("L_test/L_train at τ = ∞, ψ_n = 3, ψ_p = 20, t = 0.1", losses.test[1] / losses.train[1], 2.0, 1e-6,
              "solver"),
        below("copies among 8000 samples, d = 24, τ = 10^4 and ∞", copies / 8000, 0.005, 0.001, "2 standard errors"),
        more("of fresh points", chance / 8000),
        above("distance to the nearest training point over that of fresh points", min(closer), 0.5, 0.02, "4 networks"),
    ]  # fmt: skip
