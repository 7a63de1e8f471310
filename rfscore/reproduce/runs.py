"""Theory and finite size for Gaussian data: spectra, curves, contributions of the bulks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

import rfscore as rf
import rfscore.finite
from rfscore.finite import pool
from rfscore.observables import CurveTimes
from rfscore.reproduce.config import CurveCase, Plan, SpectrumCase

Array = np.ndarray
Progress = Callable[[str, float], None]


def seed_of(plan_seed: int, *key: int) -> np.random.SeedSequence:
    """An independent stream for every instance; the same plan and key give the same draw."""
    return np.random.SeedSequence([plan_seed, *key])


def cost(p: int, n: int, *, vectors: bool = True) -> float:
    """Seconds of one instance on one core, roughly: the progress bar's unit."""
    return (3e-10 if vectors else 1e-10) * p**3 + 1.2e-9 * p**2 * n + 2e-7 * p**2


@dataclass(frozen=True)
class SpectrumResult:
    """One spectrum: theory, and eigenvalues (seeds, p) of exact features and of their Gaussian equivalent."""

    problem: rf.ScoreProblem
    theory: rf.Spectrum
    lambda_min: float
    exact: Float[Array, "seeds p"]
    equivalent: Float[Array, "seeds p"]


@dataclass(frozen=True)
class Runs:
    """Losses of finite instances of one psi_n, at one d; `times` are tau_opt and tau_half of each (NaN: none)."""

    train: Float[Array, "seeds T"]
    test: Float[Array, "seeds T"]
    score_error: Float[Array, "seeds T"]
    bulk_train: Float[Array, "seeds k T"]
    bulk_test: Float[Array, "seeds k T"]
    times: Float[Array, "seeds 2"]


@dataclass(frozen=True)
class CurveResult:
    """One psi_n: theory curves, split by bulk for the chosen psi_n, spectral times, and finite runs at d and d/2."""

    problem: rf.ScoreProblem
    theory: rf.LossCurves
    bulks: rf.BulkCurves | None
    spectral: rf.Timescales
    runs: Runs
    half: Runs


def opt_and_half(found: CurveTimes) -> tuple[float, float]:
    """The two times of a curve, NaN where there is none."""
    return found.tau_opt.value, found.tau_half.value


def spectra(plan: Plan, progress: Progress) -> list[SpectrumResult]:
    """Stage 1: spectra by theory, and eigenvalues of drawn U."""
    case: SpectrumCase = plan.spectrum
    results = []
    for i, psi_n in enumerate(case.psi_n):
        problem = rf.ScoreProblem(psi_n, case.psi_p, case.t)
        theory, edge = rf.spectrum(problem), float(rf.timescales(problem).lambda_min)
        p, n = round(case.psi_p * case.d), round(psi_n * case.d)

        def one(key: tuple[rfscore.finite.Features, int], problem: rf.ScoreProblem = problem, i: int = i) -> Array:
            features, k = key
            return rfscore.finite.draw(problem, case.d, seed_of(plan.seed, 1, i, k), features).eigenvalues()

        def done(key: tuple[rfscore.finite.Features, int], p: int = p, n: int = n) -> None:
            progress("spectra", cost(p, n, vectors=False) if key[0] == "exact" else 0.0)

        keys = [(features, k) for features in rfscore.finite.FEATURES for k in range(case.seeds)]
        found = np.array(pool.each(one, keys, p, done))
        results.append(SpectrumResult(problem, theory, edge, found[: case.seeds], found[case.seeds :]))
    return results


def _finite(
    plan: Plan, problem: rf.ScoreProblem, d: int, tau: Array, cut: Array, key: tuple[int, ...], progress: Progress
) -> Runs:
    p, n = round(float(problem.psi_p) * d), round(float(problem.psi_n) * d)

    def one(k: int) -> tuple[Any, ...]:
        flow = rfscore.finite.draw(problem, d, seed_of(plan.seed, *key, k)).gradient_flow()
        curves, times = flow.loss_curves(tau), opt_and_half(rfscore.finite.curve_times(flow))
        # Labels of the bulks; the atom's modes are below the first cut, with the lowest bulk.
        parts = flow.mode_contributions(tau, np.searchsorted(cut, flow.eigenvalues))
        return curves.train, curves.test, curves.score_error, parts.train, parts.test, times

    found = pool.each(one, range(plan.curves.seeds), p, lambda _: progress("exact training", cost(p, n)))
    return Runs(*(np.array(column) for column in zip(*found, strict=True)))


def curves(plan: Plan, progress: Progress) -> tuple[Float[Array, " T"], list[CurveResult]]:
    """Stage 2: loss curves by theory, and exact training of drawn instances at d and d/2."""
    case: CurveCase = plan.curves
    problems = [rf.ScoreProblem(psi_n, case.psi_p, case.t) for psi_n in case.psi_n]
    tau = rf.training_times(problems, plan.points)
    results = []
    for i, problem in enumerate(problems):
        theory = rf.loss_curves(problem, tau)
        bulks = rf.bulk_curves(problem, tau) if problem.psi_n == case.split else None
        cut = rf.spectrum(problem).cuts
        runs, half = (_finite(plan, problem, d, tau, cut, (2, i, d), progress) for d in (case.d, case.d // 2))
        results.append(CurveResult(problem, theory, bulks, rf.timescales(problem), runs, half))
    return tau, results
