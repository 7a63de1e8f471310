"""From curves to the numbers of the report: times, exponents, agreement, shares of the bulks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

import rfscore as rf
from rfscore import observables as ob
from rfscore.reproduce.config import Plan
from rfscore.reproduce.laws import Law
from rfscore.reproduce.real import RealCurves, RealResult
from rfscore.reproduce.runs import CurveResult, Runs, SpectrumResult, opt_and_half

Array = np.ndarray


@dataclass(frozen=True)
class Times:
    """tau_opt and tau_half of one psi_n: of the theory's curves, of each run, and predicted by the spectrum."""

    psi_n: float
    theory_opt: float
    theory_half: float
    runs_opt: Float[Array, " seeds"]
    runs_half: Float[Array, " seeds"]
    runs_half_small: Float[Array, " seeds"]
    spectral: rf.Timescales


@dataclass(frozen=True)
class Agreement:
    """Largest differences over tau between the mean of the runs and theory."""

    train: float
    test: float
    test_relative: float
    half_test_relative: float


@dataclass(frozen=True)
class Exponents:
    """gamma of tau_half ~ n^gamma: runs (bootstrap over seeds), theory curves, spectral predictions."""

    runs: ob.Exponent
    theory: float
    spectral: float
    last: float
    law: float
    opt: float


@dataclass(frozen=True)
class BulkShare:
    """One bulk: final contributions to the losses, and when half of each was reached (NaN where there is none)."""

    name: str
    edges: tuple[float, float]
    mass: float
    train: float
    test: float
    test_lowest: float
    train_half: float
    test_half: float
    runs_train: float
    runs_test: float


@dataclass(frozen=True)
class BulkMean:
    """Mean eigenvalue of one bulk: theory, and the same ranks of drawn matrices."""

    name: str
    theory: float
    equivalent: float
    exact: float


@dataclass(frozen=True)
class Atom:
    """The atom in drawn U: fractions of eigenvalues, exact and counted; and the means of the bulks."""

    location: float
    mass: float
    counted: float
    below_first_gap: float
    below_first_gap_exact: float
    mean: float
    spread: float
    bulk_fractions: tuple[float, ...]
    means: list[BulkMean]


@dataclass(frozen=True)
class Distance:
    """How far images and Gaussian data of their covariance and size are from theory, and from each other."""

    psi_n: float
    real_train: float
    real_test: float
    control_train: float
    control_test: float
    direct_train: float
    direct_test: float
    theory_half: float
    real_half: Float[Array, " seeds"]
    control_half: Float[Array, " seeds"]
    theory_opt: float
    real_opt: Float[Array, " seeds"]
    control_opt: Float[Array, " seeds"]
    theory_best: float
    real_best: float


def mean_error(values: Float[Array, "seeds T"]) -> tuple[Array, Array]:
    """Mean over seeds and its standard error."""
    return values.mean(0), values.std(0, ddof=1) / np.sqrt(len(values))


def times(result: CurveResult) -> Times:
    """tau_opt and tau_half, the same definitions for theory and runs; solved, not read off the grid."""
    theory = opt_and_half(rf.curve_times(result.problem))
    runs, small = result.runs.times, result.half.times
    return Times(float(result.problem.psi_n), *theory, runs[:, 0], runs[:, 1], small[:, 1], result.spectral)


def agreement(result: CurveResult) -> Agreement:
    """Largest difference of the runs' mean from theory."""

    def relative(runs: Runs) -> float:
        return float(np.max(abs(runs.test.mean(0) / result.theory.test - 1.0)))

    return Agreement(
        float(np.max(abs(result.runs.train.mean(0) - result.theory.train))),
        float(np.max(abs(result.runs.test.mean(0) - result.theory.test))),
        relative(result.runs),
        relative(result.half),
    )


def exponents(found: list[Times], seed: int) -> Exponents:
    """Power laws over the psi_n that were run."""
    n = np.array([x.psi_n for x in found])

    def slope(values: list) -> float:
        return ob.fit_exponent(n, np.array(values, dtype=float), seed=seed).value

    return Exponents(
        ob.fit_exponent(n, np.array([x.runs_half for x in found]), seed=seed),
        slope([x.theory_half for x in found]),
        slope([x.spectral.tau_mem_edge for x in found]),
        slope([x.spectral.tau_last_edge for x in found]),
        slope([x.spectral.tau_mem_law for x in found]),
        slope([x.theory_opt for x in found]),
    )


def shares(tau: Array, result: CurveResult) -> list[BulkShare]:
    """What each bulk contributes, and when."""
    bulks = result.bulks
    assert bulks is not None  # asked only for the psi_n that is split
    spectrum = rf.spectrum(result.problem)

    def half(y: Array) -> float:
        sign = np.sign(y[-1]) or 1.0
        return ob.crossing(tau, sign * y, 0.5 * sign * y[-1]).value if y[-1] != 0 else np.nan

    return [
        BulkShare(
            name, (float(low), float(high)), spectrum.mass(k), float(bulks.train[k, -1]), float(bulks.test[k, -1]),
            float(bulks.test[k].min()), half(bulks.train[k]), half(bulks.test[k]),
            float(result.runs.bulk_train[:, k, -1].mean()), float(result.runs.bulk_test[:, k, -1].mean()),
        )
        for k, (name, (low, high)) in enumerate(zip(bulks.names, bulks.edges, strict=True))
    ]  # fmt: skip


def bulk_means(result: SpectrumResult) -> list[BulkMean]:
    """Mean eigenvalue of each bulk; drawn eigenvalues are told apart by rank, so that smeared edges do not matter."""
    spec, p = result.theory, result.exact.shape[1]
    nodes, weights, owner = spec.rule()
    ends = np.rint(p * np.cumsum([sum(mass for _, mass in spec.atoms), *spec.masses])).astype(int)

    def exact(k: int) -> float:
        here = owner == k
        return float((weights[here] * nodes[here]).sum() / weights[here].sum())

    def drawn(lam: Array, k: int) -> float:
        return float(np.sort(lam, axis=1)[:, ends[k] : ends[k + 1]].mean())

    return [
        BulkMean(name, exact(k), drawn(result.equivalent, k), drawn(result.exact, k))
        for k, name in enumerate(spec.names)
    ]


def atom(result: SpectrumResult) -> Atom | None:
    """Where the eigenvalues that belong to the atom lie; None without an atom."""
    if not result.theory.atoms:
        return None
    location, mass = result.theory.atoms[0]
    edges, lam = result.theory.edges, np.sort(result.exact, axis=1)
    lowest = lam[:, : round(mass * lam.shape[1])]
    groups = np.searchsorted(np.append(edges[0, 0], result.theory.cuts), lam)
    fractions = np.array([(groups == k).mean() for k in range(len(edges) + 1)])
    return Atom(
        location, mass, float(fractions[0]), float(fractions[:2].sum()), mass + float(result.theory.masses[0]),
        float(lowest.mean()), float(lowest.std()), tuple(float(x) for x in fractions[1:]),
        bulk_means(result),
    )  # fmt: skip


def distance(x: RealCurves) -> Distance:
    """Largest differences over tau and times, of images and of their Gaussian control; best test loss of images."""

    def largest(runs: Array, theory: Array) -> float:
        return float(np.max(abs(runs.mean(0) - theory)))

    opt, half = opt_and_half(rf.curve_times(x.problem))
    return Distance(
        float(x.problem.psi_n),
        largest(x.real_train, x.theory.train), largest(x.real_test, x.theory.test),
        largest(x.control_train, x.theory.train), largest(x.control_test, x.theory.test),
        largest(x.real_train, x.control_train.mean(0)), largest(x.real_test, x.control_test.mean(0)),
        half, x.real_times[:, 1], x.control_times[:, 1], opt, x.real_times[:, 0], x.control_times[:, 0],
        float(x.theory.test.min()), float(x.real_test.mean(0).min()),
    )  # fmt: skip


@dataclass(frozen=True)
class Numbers:
    """Everything the report says in numbers."""

    times: list[Times]
    agreement: list[Agreement]
    exponents: Exponents
    laws: list[Law]
    shares: list[BulkShare]
    atoms: list[Atom | None]
    distances: list[Distance]


def analyse(
    plan: Plan, spectra: list[SpectrumResult], tau: Array, curves: list[CurveResult], real: RealResult,
    found_laws: list[Law],
) -> Numbers:  # fmt: skip
    """All numbers, from all results."""
    found = [times(result) for result in curves]
    split = next(result for result in curves if result.bulks is not None)
    return Numbers(
        found, [agreement(r) for r in curves], exponents(found, plan.seed), found_laws, shares(tau, split),
        [atom(r) for r in spectra], [distance(x) for x in real.curves],
    )  # fmt: skip
