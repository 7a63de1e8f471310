"""Theorem 3.2, the closed-form training loss, the timescales: printed numbers and the order of what is neglected."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
from tests.theory.helpers import INF, REGIMES, curves

# t, sigma_x^2, psi_p, psi_n, edges of rho_1 (or None), tau_mem = psi_p/(Delta_t lambda_-)
EDGES = [
    (0.01, 1.0, 32.0, 4.0, 0.08726, 0.37624, 18519), (0.01, 1.0, 32.0, 8.0, 0.02742, 0.23175, 58947),
    (0.01, 1.0, 32.0, 16.0, 0.00626, 0.15074, 258328), (0.01, 1.0, 32.0, 32.0, 0.00187, 0.10404, 862562),
    (0.1, 1.0, 64.0, 4.0, 0.13815, 0.35961, 2555.7), (0.1, 1.0, 64.0, 8.0, 0.05985, 0.21645, 5899.4),
    (0.1, 1.0, 64.0, 16.0, 0.02742, 0.13815, 12878), (0.1, 1.0, 64.0, 32.0, 0.01595, 0.09425, 22138),
    (0.01, 1.0, 64.0, 4.0, 0.23175, 0.640, 13947), (0.01, 1.0, 64.0, 8.0, 0.08726, 0.376, 37039),
    (0.01, 1.0, 64.0, 16.0, 0.02742, 0.232, 117894), (0.01, 1.0, 64.0, 32.0, 0.00626, 0.151, 516656),
    (0.1, 4.0, 64.0, 4.0, 0.682, 1.860, 517.7), (0.1, 4.0, 64.0, 8.0, 0.2656, 1.098, 1329),
    (0.1, 4.0, 64.0, 16.0, 0.0931, 0.682, 3791), (0.1, 4.0, 64.0, 32.0, 0.0322, 0.449, 10980),
    (0.1, 0.25, 64.0, 4.0, 0.01338, 0.0275, 26397), (0.1, 0.25, 64.0, 8.0, 0.00839, 0.0184, 42079),
    (0.1, 0.25, 64.0, 16.0, 0.00633, 0.0134, 55814), (0.1, 0.25, 64.0, 32.0, 0.00560, 0.0106, 63095),
]  # fmt: skip


@pytest.mark.parametrize("row", EDGES, ids=lambda r: f"t={r[0]},var={r[1]},psi={r[2]:g},{r[3]:g}")
def test_edges_of_the_sample_bulk_and_memorisation_times_are_the_printed_ones(row: tuple[float, ...]) -> None:
    t, variance, psi_p, psi_n, low, high, tau_mem = row
    problem = rf.ScoreProblem(psi_n, psi_p, t, variance)
    edges = rf.large_psi_law(problem).sample_edges
    # half a unit of the last digit printed
    assert edges[0] == pytest.approx(low, abs=6e-6 if variance != 4.0 else 6e-5 if low < 0.5 else 6e-4)
    assert edges[1] == pytest.approx(high, abs=6e-6 if psi_p == 32.0 or (t, variance) == (0.1, 1.0) else 6e-4)
    times = rf.timescales(problem)
    assert times.tau_mem_law == pytest.approx(tau_mem, rel=3e-4)
    assert times.tau_gen_scale == pytest.approx(1.0 / problem.delta, rel=1e-14)


def test_parts_of_theorem_carry_all_the_mass_up_to_their_order() -> None:
    law = rf.large_psi_law(REGIMES["paper, p > n"])
    assert law.atom[1] + law.sample_mass + law.population_mass == pytest.approx(1.0, abs=1e-14)
    other = rf.large_psi_law(rf.ScoreProblem(64.0, 8.0, 0.01))
    assert other.atom[1] == 0.0 and other.sample_mass + other.population_mass == pytest.approx(1.0, abs=1e-14)


def test_exact_edges_of_the_sample_bulk_approach_the_law_like_one_over_psi() -> None:
    gaps = []
    for scale in (16.0, 64.0, 256.0):
        problem = rf.ScoreProblem(scale, 4.0 * scale, 0.1, activation="erf")
        law, spec = rf.large_psi_law(problem).sample_edges, rf.spectrum(problem)
        bulk = spec.edges[np.searchsorted(spec.edges[:, 0], 0.5 * law.sum()) - 1]
        gaps.append(abs(bulk[1] / law[1] - 1.0))
    assert gaps[-1] < 0.01
    assert np.all(np.diff(np.log(gaps)) < -0.6 * np.log(4.0))


def test_closed_form_of_the_final_training_loss_approaches_the_exact_one_like_one_over_psi() -> None:
    printed = rf.ScoreProblem(32.0, 64.0, 0.1)
    assert rf.large_psi_train_loss(printed) == pytest.approx(0.649, abs=5e-4)
    gaps = []
    for scale in (10.0, 100.0, 1000.0):
        problem = rf.ScoreProblem(scale, 2.0 * scale, 0.1)
        gaps.append(abs(float(rf.large_psi_train_loss(problem)) - curves(problem, INF).train[0]))
    assert gaps[2] < 2e-4 and gaps[1] / gaps[2] == pytest.approx(10.0, rel=0.15)


def test_memorisation_time_uses_the_exact_edge_and_the_slowest_mode_the_lowest_one() -> None:
    problem = REGIMES["paper, p > n"]
    times, spec = rf.timescales(problem), rf.spectrum(problem)
    unit = problem.psi_p / problem.delta
    assert times.lambda_lowest == pytest.approx(spec.edges[0, 0], rel=1e-12)
    assert times.lambda_min == pytest.approx(spec.edges[1, 0], rel=1e-12)
    assert times.tau_mem_edge == pytest.approx(unit / spec.edges[1, 0])
    assert times.tau_last_edge == pytest.approx(unit / spec.edges[0, 0])
    assert times.window_edge == pytest.approx(times.tau_mem_edge / times.tau_gen_scale)


def test_proportional_to_n_holds_when_there_are_many_more_features_than_samples_and_not_otherwise() -> None:
    def exponent(psi_n: np.ndarray, psi_p: float) -> float:
        tau = [float(rf.timescales(rf.ScoreProblem(n, psi_p, 0.01)).tau_mem_law) for n in psi_n]
        return float(np.polyfit(np.log(psi_n), np.log(tau), 1)[0])

    # lambda_- = v2 psi_p/psi_n (1 - 2 sqrt(psi_n/psi_p) + ...): the correction to one is the square root of the ratio
    assert exponent(np.array([1.0, 2.0]), 1e4) == pytest.approx(1.0, abs=0.02)
    assert exponent(np.array([16.0, 32.0]), 64.0) > 1.8
