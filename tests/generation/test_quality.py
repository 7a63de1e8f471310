"""Samples against the truth: numbers known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from rfscore import generation


def test_kl_of_points_with_known_covariance_and_of_the_truth_itself() -> None:
    rng = np.random.default_rng(0)
    sigma = np.array([0.5, 1.0, 2.0, 4.0])
    data = rng.standard_normal((40, 4)) * np.sqrt(sigma)
    ratio = 0.4
    points = rng.standard_normal((200_000, 4)) * np.sqrt(ratio * sigma)
    found = generation.measure(points, data, sigma)
    assert found.kl_true == pytest.approx(0.5 * (1 / ratio - 1 + np.log(ratio)), rel=0.02)
    assert found.kl_generated == pytest.approx(0.5 * (ratio - 1 - np.log(ratio)), rel=0.02)
    np.testing.assert_allclose(found.variance, ratio * sigma, rtol=0.02)
    values, vectors = np.linalg.eigh(data.T @ data / 40)
    np.testing.assert_allclose(found.along_data, np.diag(vectors.T * (ratio * sigma) @ vectors), rtol=0.02)
    truth = [generation.measure(rng.standard_normal((400, 4)) * np.sqrt(sigma), data, sigma) for _ in range(40)]
    for name in ("kl_true", "kl_generated"):
        values = np.array([getattr(one, name) for one in truth])
        assert values.mean() == pytest.approx(truth[0].kl_bias, abs=4 * values.std() / 40**0.5)
        assert values.mean() > 0.5 * truth[0].kl_bias


def test_bad_input_is_refused() -> None:
    points = np.random.default_rng(0).standard_normal((10, 4))
    for call in (lambda: generation.measure(points[:4], points, np.ones(4)),
                 lambda: generation.measure(points, points[:5], np.array([0.0, 1, 1, 1]))):  # fmt: skip
        with pytest.raises(rf.InputError, match="expected"):
            call()


def test_overfitting_networks_do_not_copy() -> None:
    """Long after the losses have split the variance has fallen, and no sample is nearer to the data than fresh points.

    The end of training is the same network at any tau beyond its last mode."""
    problem = rf.ScoreProblem(3.0, 20.0, 0.1)
    gen = rf.finite.generator(problem, 16, 0, np.geomspace(2.5, 0.02, 16))
    curves = rf.loss_curves(problem, [10.0, np.inf])
    assert curves.test[1] > 2 > 2 * curves.test[0] > curves.train[1] * 4
    for tau in (10.0, np.inf):
        found = generation.measure(gen.samples(tau, 1500), gen.data, gen.sigma)
        assert found.f_mem.interval[0] <= found.chance.interval[1]
        assert found.nearest > 0.5 * found.nearest_fresh
