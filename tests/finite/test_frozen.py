"""Frozen noises and ridge at finite size: brute force from the features, both shapes, averages over the noises."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from tests.reference import finite_twins as twins

TAU = np.concatenate([[0.0], np.geomspace(1e-2, 1e7, 30), [np.inf]])
SHAPES = {"p > n m": (1.0, 4.0, 2), "p < n m": (2.0, 1.5, 3), "p = n m": (1.0, 2.0, 2), "m = 1": (0.5, 3.0, 1)}


@pytest.fixture(params=SHAPES, scope="module")
def instance(request: pytest.FixtureRequest) -> rf.finite.FrozenInstance:
    psi_n, psi_p, m = SHAPES[request.param]
    problem = rf.ScoreProblem(psi_n, psi_p, 0.1, rf.Uniform(0.2, 1.8), noise_draws=m, ridge=1e-3)
    return rf.finite.draw(problem, d=20, seed=3)


def sampled_loss(inst: rf.finite.FrozenInstance, a: np.ndarray, data: np.ndarray, noise: np.ndarray) -> float:
    """(1/(n m d)) sum |sqrt(Delta) s_A(x_t) + xi|^2 from the features themselves."""
    noised = np.exp(-inst.t) * np.repeat(data, inst.noise_draws, axis=0) + np.sqrt(inst.delta) * noise
    score = np.tanh(noised @ inst.weights.T / np.sqrt(inst.d)) @ a.T / np.sqrt(inst.p)
    return float(np.mean(np.sum((np.sqrt(inst.delta) * score + noise) ** 2, axis=1)) / inst.d)


@pytest.mark.parametrize("m", [1, 2, 5])
@pytest.mark.parametrize("p", [8, 70])
def test_training_loss_is_the_loss_on_the_very_noises_that_were_drawn(m: int, p: int) -> None:
    rng = np.random.default_rng(0)
    W, X = rng.standard_normal((p, 6)), rng.standard_normal((9, 6))
    inst = rf.finite.from_arrays(weights=W, data=X, t=0.2, covariance=np.eye(6), noise_draws=m, seed=7, ridge=0.01)
    noise = np.random.default_rng(7).standard_normal((9 * m, 6))
    flow = inst.gradient_flow()
    for tau in (0.0, 3.0, 1e3, np.inf):
        a, cur = flow.weights(tau), flow.loss_curves(tau)
        assert cur.train == pytest.approx(sampled_loss(inst, a, X, noise), abs=1e-11)
        assert cur.test == pytest.approx(twins.quadratic_loss(a, inst.U_test, inst.V_test, 0.2), abs=1e-11)


def test_tall_features_and_the_dense_matrix_give_the_same_losses(instance: rf.finite.FrozenInstance) -> None:
    dense = dataclasses.replace(instance, factor=None, dense=(instance.U, instance.V))
    one, two = instance.gradient_flow(), dense.gradient_flow()
    assert np.allclose(one.eigenvalues, two.eigenvalues, atol=1e-13)
    for name in ("train", "test"):
        a, b = getattr(one.loss_curves(TAU), name), getattr(two.loss_curves(TAU), name)
        assert np.allclose(a, b, rtol=1e-9, atol=1e-10), name
    assert np.allclose(one.weights(50.0), two.weights(50.0), atol=1e-9)
    parts = one.mode_contributions(TAU)
    assert np.allclose(parts.train.sum(0) + instance.energy, one.loss_curves(TAU).train, atol=1e-11)
    assert np.allclose(parts.test.sum(0) + 1.0, one.loss_curves(TAU).test, rtol=1e-10)


def test_population_terms_are_those_of_averaged_noise(instance: rf.finite.FrozenInstance) -> None:
    problem = rf.ScoreProblem(instance.psi_n, instance.psi_p, 0.1, rf.Uniform(0.2, 1.8))
    averaged = rf.finite.draw(problem, d=20, seed=3)
    assert np.array_equal(averaged.weights, instance.weights)
    assert np.array_equal(averaged.U_test, instance.U_test) and np.array_equal(averaged.V_test, instance.V_test)


def test_more_features_than_noised_copies_interpolate_without_ridge() -> None:
    inst = rf.finite.draw(rf.ScoreProblem(1.0, 4.0, 0.1, noise_draws=2), d=20, seed=0)
    cur, flow = inst.gradient_flow().loss_curves(TAU), inst.gradient_flow()
    assert abs(cur.train[-1]) < 1e-9 and cur.train[0] == inst.energy and inst.energy != 1.0
    assert np.sum(flow.eigenvalues == 0.0) == inst.p - inst.n * 2
    assert flow.modes.vectors().shape == (inst.p, inst.n * 2)


def test_mean_over_the_noises_is_the_exact_average() -> None:
    rng = np.random.default_rng(1)
    W, X = rng.standard_normal((7, 5)), rng.standard_normal((4, 5))
    given = {"weights": W, "data": X, "t": 0.3, "covariance": np.eye(5)}
    exact = rf.finite.from_arrays(**given)
    seeds = [rf.finite.from_arrays(**given, noise_draws=50, seed=s) for s in range(40)]
    for name in ("U", "V"):
        values = np.array([getattr(inst, name) for inst in seeds])
        error = values.std(0, ddof=1) / np.sqrt(40)
        assert np.all(abs(values.mean(0) - getattr(exact, name)) < 5 * error + 1e-12), name


def test_gaussian_equivalent_has_the_covariance_of_its_definition() -> None:
    """(1/p) Tr U and the part that two noised copies of one sample share."""
    problem = rf.ScoreProblem(2.0, 6.0, 0.3, noise_draws=2)
    co = rf.coefficients(problem)
    traces, shared = [], []
    for seed in range(30):
        inst = rf.finite.draw(problem, d=20, seed=seed, features="gaussian-equivalent")
        phi = inst.factor[0] * np.sqrt(inst.n * 2)
        traces.append(np.sum(phi**2) / phi.size)
        shared.append(np.mean(phi[:, ::2] * phi[:, 1::2]))
    for values, expected in ((traces, co.norm2), (shared, co.alpha2 + co.v2)):
        assert abs(np.mean(values) - float(expected)) < 4 * np.std(values) / np.sqrt(30)


def test_ridge_is_weight_decay_of_the_flow_and_of_the_optimisers() -> None:
    rng = np.random.default_rng(2)
    W, X = rng.standard_normal((12, 4)), rng.standard_normal((8, 4))
    inst = rf.finite.from_arrays(weights=W, data=X, t=0.2, covariance=np.eye(4), ridge=0.05)
    plain = rf.finite.from_arrays(weights=W, data=X, t=0.2, covariance=np.eye(4))
    shifted = twins.flow_weights(inst.U + 0.05 * np.eye(12), inst.V, 0.2, 20.0)
    assert np.max(np.abs(inst.gradient_flow().weights(20.0) - shifted)) < 1e-9
    assert np.allclose(inst.gradient_flow().eigenvalues, plain.gradient_flow().eigenvalues + 0.05)
    late = inst.gradient_flow()
    step = 0.05 / (2 * inst.delta * late.eigenvalues[-1] / 3)
    end = late.loss_curves(10**7, training=rf.Descent(step))
    assert end.train == pytest.approx(late.loss_curves(np.inf).train, abs=1e-10)
    adam = inst.loss_curves([6000], training=rf.Adam(2e-3 / inst.d**2))
    assert adam.train[0] == pytest.approx(float(late.loss_curves(np.inf).train), abs=2e-3)
    assert late.loss_curves(np.inf).train > plain.gradient_flow().loss_curves(np.inf).train + 1e-3


@pytest.mark.parametrize("draws", [0, 1.5, -2])
def test_bad_numbers_of_draws_are_refused(draws: float) -> None:
    with pytest.raises(rf.InputError, match="noise_draws"):
        rf.finite.from_arrays(weights=np.eye(3), data=np.eye(3), t=0.1, covariance=np.eye(3), noise_draws=draws)


def test_more_noises_than_can_be_drawn_are_refused_before_anything_is_built() -> None:
    with pytest.raises(rf.InputError, match=r"noise_draws = .*use inf"):
        rf.finite.draw(rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=10**9), d=20)
    with pytest.raises(rf.InputError, match="ridge"):
        rf.finite.from_arrays(weights=np.eye(3), data=np.eye(3), t=0.1, covariance=np.eye(3), ridge=-1.0)
