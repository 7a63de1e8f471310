"""Numbers of the asymptotic theory that draws must approach at the known 1/d distance, and memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite

TAU = np.array([0.1, 1.0, 10.0, 100.0, 1e3, 1e4, np.inf])
# psi_p = 8, psi_n = 2, t = 0.1, Sigma = I, tanh, d -> infinity
TRAIN = np.array([0.995250, 0.958144, 0.810361, 0.691070, 0.506919, 0.475889, 0.475889])
TEST = np.array([0.995250, 0.958281, 0.842679, 1.010166, 1.538114, 1.980380, 1.980536])


def test_draws_approach_the_theory_with_a_bias_of_order_one_over_d() -> None:
    problem = rf.ScoreProblem(psi_n=2.0, psi_p=8.0, t=0.1)
    bias, spread = {}, {}
    for d, seeds in ((25, 24), (50, 12), (100, 6)):
        curves = [rf.finite.draw(problem, d=d, seed=seed).gradient_flow().loss_curves(TAU) for seed in range(seeds)]
        rows = np.array([np.concatenate([c.train - TRAIN, c.test - TEST]) for c in curves])
        bias[d], spread[d] = rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(seeds)
    # One constant c per number, bias = c/d, fitted on the two small sizes, predicts the large one.
    weight = {d: (d * spread[d]) ** -2.0 for d in (25, 50)}
    constant = sum(weight[d] * d * bias[d] for d in weight) / sum(weight.values())
    error = 1.0 / np.sqrt(sum(weight.values()))
    second_order = np.abs(constant) / 25 / 100  # relative corrections of order 1/d at the fitted sizes
    assert np.all(np.abs(bias[100] - constant / 100) < 4 * np.hypot(spread[100], error / 100) + second_order)
    assert np.max(np.abs(constant[[6, 13]] / np.array([0.85, -4.9]) - 1)) < 0.35  # 0.4844 and 1.9318 at d = 100


@pytest.mark.parametrize(("psi_n", "psi_p", "d"), [(8.0, 30.0, 40), (30.0, 4.0, 100)])
def test_peak_memory_is_at_most_eight_matrices(psi_n: float, psi_p: float, d: int) -> None:
    problem = rf.ScoreProblem(psi_n, psi_p, t=0.1)
    rf.finite.draw(problem, d=5, seed=0).gradient_flow().loss_curves(TAU)  # caches and imports
    tracemalloc.start()
    try:
        inst = rf.finite.draw(problem, d=d, seed=0)
        built = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        flow = inst.gradient_flow()
        flow.loss_curves(np.geomspace(1e-2, 1e8, 100))
        trained = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    matrix, data = 8 * inst.p**2, 8 * inst.n * d
    assert built < 8 * matrix + data
    assert trained < 8 * matrix + data  # the instance keeps its samples, for runs that meet new noises


def test_memory_does_not_grow_with_the_number_of_samples() -> None:
    def peak(psi_n: float) -> int:
        tracemalloc.start()
        try:
            rf.finite.draw(rf.ScoreProblem(psi_n=psi_n, psi_p=20.0, t=0.1), d=20, seed=0)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(5.0)
    extra_data = 8 * 20 * 20 * (100 - 25) * 4  # the samples themselves and their temporaries
    assert peak(100.0) - peak(25.0) < extra_data + 8 * 400**2
