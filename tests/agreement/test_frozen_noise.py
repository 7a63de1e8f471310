"""Finite m and a ridge: drawn instances against the theory. The distance is of order 1/d, and the order is measured."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from tests.agreement.fits import assert_bias_is_one_over_d, exponent
from tests.theory.helpers import INF, four

TAU = np.array([0.3, 3.0, 30.0, 300.0, 3e3, 3e4, 3e6, INF])
SIZES = {16: 480, 32: 240, 64: 120}
#: Both sides of psi_p = m psi_n; psi_n d, psi_p d and eigenvalue multiplicities are whole numbers at all sizes.
CASES = {
    "m = 1, p > n": rf.ScoreProblem(1.5, 4.0, 0.1, noise_draws=1),
    "m = 1, p < n": rf.ScoreProblem(4.0, 1.5, 0.2, four([0.5, 1.5]), "erf", noise_draws=1),
    "m = 2, p > 2 n": rf.ScoreProblem(1.0, 4.0, 0.1, noise_draws=2),
    "m = 2, p < 2 n, ridge": rf.ScoreProblem(2.0, 2.5, 0.2, four([0.5, 1.5]), "erf", noise_draws=2, ridge=0.01),
}


@functools.cache
def deviations(name: str, features: str, few: int = 1) -> dict[int, np.ndarray]:
    """(drawn - theory)/max(1, test) of both losses at all times; one row per seed."""
    problem = CASES[name]
    cur = rf.loss_curves(problem, TAU)
    scale, found = np.maximum(1.0, cur.test), {}
    for d, seeds in SIZES.items():
        rows = []
        for seed in range(seeds // few):
            run = rf.finite.draw(problem, d=d, seed=1000 * d + seed, features=features).gradient_flow().loss_curves(TAU)
            rows.append(np.concatenate([(run.train - cur.train) / scale, (run.test - cur.test) / scale]))
        found[d] = np.array(rows)
    return found


@pytest.mark.parametrize("name", CASES)
def test_losses_of_gaussian_draws_differ_from_the_theory_by_order_one_over_d(name: str) -> None:
    assert_bias_is_one_over_d(deviations(name, "gaussian-equivalent"), power=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m = 1, p > n", "m = 2, p > 2 n"])
def test_exponent_of_the_bias_of_exact_draws_is_one(name: str) -> None:
    """From the losses whose bias is resolved at every size."""
    gamma, error, count = exponent(deviations(name, "exact"), resolved=4.0)
    assert count >= 5 and error < 0.1
    assert abs(gamma - 1.0) < 3.0 * error, (gamma, error)


def test_theory_of_another_number_of_noises_is_rejected_by_the_same_draws() -> None:
    name = "m = 2, p > 2 n"
    problem = CASES[name]
    right = rf.loss_curves(problem, TAU)
    wrong = rf.loss_curves(rf.ScoreProblem(1.0, 4.0, 0.1, noise_draws=3), TAU)
    shift = np.concatenate([right.train - wrong.train, right.test - wrong.test]) / np.tile(np.maximum(1, right.test), 2)
    found = {d: rows + shift for d, rows in deviations(name, "gaussian-equivalent").items()}
    with pytest.raises(AssertionError):
        assert_bias_is_one_over_d(found, power=np.inf)
