"""The oracle at infinite width, through resolvents alone, against the quadrature over the sample covariance's law."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
from rfscore import oracle

INF = float("inf")


@pytest.mark.parametrize("psi_n", [0.5, 3.0])
@pytest.mark.parametrize("population", [1.0, rf.Atoms([0.0, 0.4, 2.0], [0.2, 0.5, 0.3])])
def test_wide_losses_agree_with_resolvents_inverted_in_high_precision(
    psi_n: float, population: rf.Covariance | float
) -> None:
    problem = rf.ScoreProblem(psi_n, INF, 0.1, population)
    times = np.array([2.0, 300.0, INF])
    found = rf.loss_curves(problem, times)
    for k, tau in enumerate(times):
        exact = oracle.losses(problem, tau, dps=11)
        assert exact.error < 1e-10
        numbers = [float(exact.train), float(exact.test), float(exact.score_error)]
        np.testing.assert_allclose([found.train[k], found.test[k], found.score_error[k]], numbers, rtol=1e-9, atol=1e-9)


def test_frozen_noises_and_ridge_are_refused_at_infinite_width() -> None:
    with pytest.raises(rf.InputError, match="psi_p = inf"):
        oracle.losses(rf.ScoreProblem(2.0, INF, 0.1, ridge=0.1), 1.0)
