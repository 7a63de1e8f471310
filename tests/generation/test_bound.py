"""The bound on KL from the score error: it holds, it is converged, and how far it is off."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
from rfscore import generation

INF = float("inf")


@pytest.mark.parametrize("covariance", [1.0, 0.5])
def test_bound_holds_for_linear_scores_and_is_within_a_factor_of_three(covariance: float) -> None:
    problem, tau = rf.ScoreProblem(3.0, INF, 0.1, covariance), np.geomspace(1.0, 1e5, 11)
    low = 1e-3
    bound = generation.kl_bound(problem, tau, (5.0, low), nodes=40)
    grid = np.geomspace(5.0, low, 800)
    found = generation.generated(problem, tau, grid, process="sde", continuous=True, linear=True)
    # KL(P_low | samples), from the two numbers that `generated` gives for Sigma itself.
    noised = np.exp(-2 * low) * covariance - np.expm1(-2 * low)
    inverse = 2 * found.kl_true + 1 - _log_ratio(found, covariance)
    kl = 0.5 * (inverse * noised / covariance - 1 + _log_ratio(found, covariance) - np.log(noised / covariance))
    assert np.all(kl <= bound.bound * (1 + 1e-3))
    assert np.all(kl > 0.4 * bound.bound)


def test_gaussian_of_the_samples_covariance_is_not_their_law() -> None:
    """The slope of tanh falls with the norm of a point: the KL to the fitted Gaussian passes the bound."""
    problem, tau = rf.ScoreProblem(3.0, INF, 0.1), [1e3, 1e4]
    bound = generation.kl_bound(problem, tau, (5.0, 1e-3), nodes=40).bound
    fitted, gaussian = (
        generation.generated(problem, tau, np.geomspace(5.0, 1e-3, 400), process="sde", continuous=True, linear=linear)
        for linear in (False, True)
    )
    assert np.all(fitted.kl_true > 1.1 * bound)
    assert np.all(gaussian.kl_true < bound)


def _log_ratio(found: generation.Generated, covariance: float) -> np.ndarray:
    """(1/d) log det of the samples' covariance over Sigma's."""
    return np.asarray(found.mean_variance / covariance - 1 - 2 * found.kl_generated)


def test_bound_is_converged_and_knows_the_start() -> None:
    problem, tau = rf.ScoreProblem(2.0, 8.0, 0.1, 0.25), [1.0, 100.0, 1e4]
    found = [generation.kl_bound(problem, tau, (1.0, 0.01), nodes=k).bound for k in (16, 24)]
    np.testing.assert_allclose(*found, rtol=1e-6)
    noised = 1 - 0.75 * np.exp(-2.0)
    start = generation.kl_bound(problem, [1.0], (1.0, 0.01), nodes=2).start
    assert start == pytest.approx(0.5 * (noised - 1 - np.log(noised)), rel=1e-12)


def test_bad_input_is_refused() -> None:
    problem = rf.ScoreProblem(2.0, 8.0, 0.1)
    for call in (lambda: generation.kl_bound(problem, [1.0], (0.1, 1.0)),
                 lambda: generation.kl_bound(problem, [1.0], nodes=1)):  # fmt: skip
        with pytest.raises(rf.InputError, match="expected"):
            call()
