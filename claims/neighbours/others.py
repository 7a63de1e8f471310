"""Kim and Lee 2026, Bodin and Macris 2021, Latourelle-Vigeant et al. 2026, and facts on U used in follow-ups."""

from __future__ import annotations

import math

import numpy as np

import rfscore as rf
import rfscore.finite
from claims.bonnaire2025.misprints import from_definitions
from claims.bonnaire2025.spectrum import DRAWS, SMALL, TWO
from rfscore import observables as ob
from rfscore.validation.evidence import Comparison, above, below, near
from rfscore.validation.lab import EXTRAPOLATED, TAU, Features, Lab, limit, slope, vanishing

TWIN: Features = "gaussian-equivalent"


def _kim_lee(psi_n: float, psi_p: float, t: float) -> float:
    """Their Prop 4.5 at c = 0 in this notation, from constants by quadrature."""
    c, decay, noise = from_definitions(t, 1.0, 240), math.exp(-2 * t), -math.expm1(-2 * t)
    root = max(np.roots([c.v2, c.s2 + c.v2 * (psi_p / psi_n - 1), -c.s2]).real)
    return decay * root / (noise + decay * root)


def large_psi_training_loss(lab: Lab) -> list[Comparison]:
    """The quadratic's training loss against exact values at growing psi, and draws at psi_n = 32, psi_p = 64."""
    scales = np.array([10.0, 100.0, 1000.0])
    exact = [float(rf.loss_curves(rf.ScoreProblem(x, 2 * x, 0.1), TAU[-1:]).train[0]) for x in scales]
    off = np.array([abs(_kim_lee(x, 2 * x, 0.1) - y) for x, y in zip(scales, exact, strict=True)])
    drawn = lab.draws(rf.ScoreProblem(32.0, 64.0, 0.1), {8: 12, 16: 6, 32: 4}, "gaussian-equivalent")
    end = limit({d: np.array([[x.train[-1]] for x in rows]) for d, rows in drawn.items()})
    return [
        near("exponent in ψ of |closed form − exact|, ψ_p = 2ψ_n, t = 0.1", slope(scales, off), -1.0, 0.15, 1e-4,
             "solver"),
        below("that difference at ψ_n = 1000", off[-1], 1e-3, 1e-9, "solver"),
        near("draws at d → ∞ over the closed form, ψ_n = 32, ψ_p = 64", end.value[0] / _kim_lee(32.0, 64.0, 0.1), 1.0,
             0.01, end.error[0], EXTRAPOLATED),
    ]  # fmt: skip


def training_loss_vanishes(lab: Lab) -> list[Comparison]:
    """psi_p -> infinity at fixed psi_n: L_train(inf) -> 0."""
    psi_p = np.array([100.0, 1000.0, 10_000.0])
    train = np.array([float(rf.loss_curves(rf.ScoreProblem(8.0, p, 0.1), TAU[-1:]).train[0]) for p in psi_p])
    few, many = (np.array([x.train[-1] for x in lab.draws(rf.ScoreProblem(4.0, p, 0.1), {8: 4}, TWIN)[8]])
                 for p in (64.0, 512.0))  # fmt: skip
    drawn = many / few
    first, last = (slope(psi_p[k : k + 2], train[k : k + 2]) for k in (0, 1))
    return [
        near("exponent of L_train(∞) in ψ_p over the last decade, ψ_n = 8", last, -1.0, abs(last - first), 1e-6,
             "solver"),
        below("L_train(∞) of draws at ψ_p = 512 over that at 64 (ψ_n = 4, d = 8)", drawn.mean(), 0.25,
              float(drawn.std(ddof=1)), "2 standard errors over 4 seeds"),
    ]  # fmt: skip


def epoch_wise(lab: Lab) -> list[Comparison]:
    """Along training the test error falls and then rises when p > n; with n >> p it falls only. Theory and draws."""
    many, few = rf.ScoreProblem(4.0, 16.0, 0.1), rf.ScoreProblem(64.0, 1.0, 0.1)
    tests = [rf.loss_curves(q, TAU).test for q in (many, few)]
    steps = np.diff(tests[0])
    signs = np.sign(steps[np.abs(steps) > 1e-9])
    turns = int(np.sum(signs[1:] != signs[:-1]))
    drawn = [np.array([x.test[-1] / x.test.min() for x in lab.draws(q, {48: 3}, "gaussian-equivalent")[48]])
             for q in (many, few)]  # fmt: skip
    errors, source = [2 * float(x.std(ddof=1)) / math.sqrt(3) for x in drawn], "2 standard errors over 3 seeds"
    return [
        near("turning points of the test loss, ψ_p = 16, ψ_n = 4", turns, 1.0, 0.5),
        below("final over lowest test loss, ψ_p = 1, ψ_n = 64", tests[1][-1] / tests[1].min(), 1.001, 1e-9, "solver"),
        above(
            "final over lowest test loss of draws (d = 48), ψ_p = 16, ψ_n = 4", drawn[0].mean(), 1.5, errors[0], source
        ),
        below("the same, ψ_p = 1, ψ_n = 64", drawn[1].mean(), 1.02, errors[1], source),
    ]


def full_time_by_double_integral(lab: Lab) -> list[Comparison]:
    """The functional calculus of a two-point kernel, as for their regression, against draws at every tau; two atoms."""
    theory = rf.loss_curves(TWO, TAU)
    rows = {d: np.array([(x.test - theory.test) / np.maximum(1.0, theory.test) for x in drawn])[:, 1:]
            for d, drawn in lab.draws(TWO, DRAWS).items()}  # fmt: skip
    found = limit(rows)
    worst = int(np.argmax(abs(found.value)))
    return [near("largest difference of the test loss over τ, Σ = (0.5, 1.5), d → ∞", found.value[worst], 0.0, 0.03,
                 found.error.max(), EXTRAPOLATED)]  # fmt: skip


def trace(lab: Lab) -> list[Comparison]:
    """(1/p) Tr U = E sigma(Gamma_t z)^2, by quadrature, in draws at d -> infinity and by the spectrum."""
    norm2 = from_definitions(0.1, 1.0).norm2
    rows = {d: np.array([[x.eigenvalues.mean() / norm2 - 1] for x in drawn])
            for d, drawn in lab.draws(SMALL, DRAWS).items()}  # fmt: skip
    return [
        vanishing("mean eigenvalue of exact features over ||σ||^2, minus 1, d → ∞", rows, 0.01),
        near(
            "first moment of the spectrum over ||σ||^2", rf.spectrum(SMALL).moment(1) / norm2, 1.0, 1e-7, 1e-9, "solver"
        ),
    ]


def soft_edge(lab: Lab) -> list[Comparison]:
    """One noise draw per sample: U has rank n. All noises averaged: full rank, with an edge at index n + d."""
    d, n, p, t, drops = 32, 96, 512, 0.01, []
    for i in range(3):
        rng = lab.rng(702, i)
        w, data = rng.standard_normal((p, d)), rng.standard_normal((n, d))
        noise = math.sqrt(-math.expm1(-2 * t)) * rng.standard_normal((n, d))
        one = np.tanh(w @ (math.exp(-t) * data + noise).T / math.sqrt(d))
        x = rfscore.finite.from_arrays(weights=w, data=data, t=t, covariance=np.ones(d))
        averaged = np.sort(np.linalg.eigvalsh(x.U))[::-1]
        drops.append(2 * d + 1 + int(np.argmax(averaged[2 * d : p // 2] / averaged[2 * d + 1 : p // 2 + 1])))
    place, scatter = float(np.mean(drops)), float(np.std(drops, ddof=1))
    return [
        near("rank of U from one noise draw, over n", np.linalg.matrix_rank(one) / n, 1.0, 1e-9),
        near("rank of the averaged U, over p", np.linalg.matrix_rank(x.U) / p, 1.0, 1e-9),
        # n samples, and the d directions of W on top where they are told apart; one eigenvalue either way.
        Comparison(
            "index of the widest gap beyond the population bulk, over n",
            place / n,
            1.0 - 1.0 / n,
            1.0 + (d + 1.0) / n,
            2 * scatter / math.sqrt(3) / n,
            "2 standard errors over 3 draws",
        ),
    ]


def variance_first(lab: Lab) -> list[Comparison]:
    """Sigma = (0.5, 1.5): directions of larger variance are learned first, read off A(tau) of drawn networks."""
    problem, d = rf.ScoreProblem(32.0, 32.0, 0.3, rf.Atoms([0.2, 1.8])), 20
    tau = np.geomspace(0.05, 1e3, 60)
    times = np.empty((3, 2))
    for i in range(3):
        x = rfscore.finite.draw(problem, d, lab.rng(d, 703, i), "gaussian-equivalent")
        flow = x.gradient_flow()
        along = np.array([np.einsum("ip,pi->i", flow.weights(s), x.V_test) for s in tau])
        half = np.argsort(problem.population.eigenvalues(d))
        for k, chosen in enumerate((half[: d // 2], half[d // 2 :])):
            part = -along[:, chosen].mean(axis=1)
            times[i, k] = ob.crossing(tau, part, 0.5 * part.max()).value
    ratio = times[:, 1] / times[:, 0]
    return [below("time to half along the directions of variance 1.8 over that along 0.2, draws (d = 20)", ratio.mean(),
                  1.0, 2 * ratio.std(ddof=1) / math.sqrt(3), "2 standard errors over 3 seeds")]  # fmt: skip
