"""Losses bulk by bulk where a bulk touches the floor or all heights are small against it."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf

CASES = {
    "wide gaps far below the ridge": rf.ScoreProblem(8.0, 64.0, 0.01, ridge=1e6),
    "floor at s2": rf.ScoreProblem(8.0, 9.0, 0.1),
    "floor at 0": rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=2),
    "floor at a ridge": rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=2, ridge=1e-9),
    "just beside the floor": rf.ScoreProblem(2.0, 4.0000001, 0.1, noise_draws=2),
}


@pytest.mark.parametrize("name", CASES)
def test_bulks_add_up_to_the_losses(name: str) -> None:
    problem = CASES[name]
    unit = problem.psi_p / (problem.delta * (float(rf.coefficients(problem).norm2) + problem.ridge))
    split = rf.bulk_curves(problem, unit * np.array([0.0, 0.1, 1.0, 1e2, 1e4]))
    total = rf.loss_curves(problem, split.tau)
    np.testing.assert_allclose(split.train.sum(0), total.train - 1.0, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(split.test.sum(0), total.test - 1.0, rtol=1e-8, atol=1e-10)
    assert np.all(split.train <= 1e-12) and np.all(split.train[:, 1:3] < 0.0)  # every mode learns
