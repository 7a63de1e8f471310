"""Gradient flow: identities, an ODE solver, rank deficiency, the split over modes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from tests.reference import finite_twins as twins

TAU = np.concatenate([[0.0], np.geomspace(1e-3, 1e9, 60), [np.inf]])
SHAPES = {"p < n": (3.0, 1.5), "p > n": (1.0, 4.0), "p < d": (2.0, 0.5), "n < d": (0.5, 3.0)}


@pytest.fixture(params=SHAPES, scope="module")
def instance(request: pytest.FixtureRequest) -> rf.finite.Instance:
    psi_n, psi_p = SHAPES[request.param]
    return rf.finite.draw(rf.ScoreProblem(psi_n, psi_p, 0.1, rf.Uniform(0.2, 1.8)), d=24, seed=7)


def test_losses_start_at_one_and_the_training_loss_never_rises(instance: rf.finite.Instance) -> None:
    curves = instance.gradient_flow().loss_curves(TAU)
    assert curves.train[0] == 1.0 and curves.test[0] == 1.0
    assert np.all(np.diff(curves.train) < 1e-14)
    assert curves.train[-1] >= 0


def test_losses_equal_the_quadratic_form_of_the_weights(instance: rf.finite.Instance) -> None:
    flow = instance.gradient_flow()
    for tau in (0.5, 30.0, np.inf):
        a, curves = flow.weights(tau), flow.loss_curves(tau)
        assert a.shape == (instance.d, instance.p)
        # The inverse of U at tau = inf amplifies roundoff by its condition number, about 1e4 here.
        assert abs(twins.quadratic_loss(a, instance.U, instance.V, 0.1) - curves.train) < 1e-11
        assert abs(twins.quadratic_loss(a, instance.U_test, instance.V_test, 0.1) - curves.test) < 1e-11


def test_weights_equal_an_ode_solvers() -> None:
    inst = rf.finite.draw(rf.ScoreProblem(2.0, 3.0, 0.2), d=4, seed=1)
    flow = inst.gradient_flow()
    for tau in (0.3, 20.0):
        expected = twins.flow_weights(inst.U, inst.V, 0.2, tau)
        assert np.max(np.abs(flow.weights(tau) - expected)) < 1e-9
        assert abs(flow.loss_curves(tau).test - twins.quadratic_loss(expected, inst.U_test, inst.V_test, 0.2)) < 1e-9


def test_infinite_time_is_least_squares(instance: rf.finite.Instance) -> None:
    expected = 1 - np.trace(instance.V.T @ np.linalg.solve(instance.U, instance.V)) / instance.d
    assert abs(instance.gradient_flow().loss_curves(np.inf).train - expected) < 1e-11


def test_few_times_and_many_times_take_routes_that_agree(instance: rf.finite.Instance) -> None:
    many, few = instance.gradient_flow(), instance.gradient_flow()
    curves = many.loss_curves(TAU)
    assert "half_coupling" in vars(many.modes)
    one = few.loss_curves(TAU[30])
    assert abs(one.test - curves.test[30]) < 1e-12


def test_the_direct_route_is_taken_for_one_time_of_a_wide_instance() -> None:
    inst = rf.finite.draw(rf.ScoreProblem(2.0, 30.0, 0.1), d=6, seed=0)
    few, many = inst.gradient_flow(), inst.gradient_flow()
    single = few.loss_curves(50.0)
    assert "half_coupling" not in vars(few.modes)
    assert abs(single.test - many.loss_curves(np.full(100, 50.0)).test[0]) < 1e-12
    assert "half_coupling" in vars(many.modes)


def test_score_error_is_the_sampled_distance_to_the_true_score() -> None:
    sigma = np.linspace(0.3, 1.7, 12)
    rng = np.random.default_rng(0)
    W, X = rng.standard_normal((36, 12)), rng.standard_normal((24, 12)) * np.sqrt(sigma)
    flow = rf.finite.from_arrays(weights=W, data=X, t=0.3, covariance=sigma).gradient_flow()
    sigma_t = np.exp(-0.6) * sigma + 1 - np.exp(-0.6)
    x = rng.standard_normal((200_000, 12)) * np.sqrt(sigma_t)
    for tau in (0.0, 5.0, np.inf):
        score = np.tanh(x @ W.T / np.sqrt(12)) @ flow.weights(tau).T / np.sqrt(36)
        sampled = np.sum((score + x / sigma_t) ** 2, axis=1) / 12
        standard_error = sampled.std() / np.sqrt(sampled.size)
        assert abs(flow.loss_curves(tau).score_error - sampled.mean()) < 4 * standard_error


def test_contributions_of_modes_sum_to_the_losses(instance: rf.finite.Instance) -> None:
    flow = instance.gradient_flow()
    curves, parts = flow.loss_curves(TAU), flow.mode_contributions(TAU)
    assert parts.train.shape == parts.test.shape == (instance.p, TAU.size)
    assert np.max(np.abs(parts.train.sum(axis=0) + 1 - curves.train)) < 1e-12
    assert np.max(np.abs(parts.test.sum(axis=0) + 1 - curves.test)) < 1e-11
    groups = (flow.eigenvalues > np.median(flow.eigenvalues)).astype(int)
    grouped = flow.mode_contributions(TAU, groups)
    for label in (0, 1):
        assert np.max(np.abs(grouped.train[label] - parts.train[groups == label].sum(axis=0))) < 1e-12
        assert np.max(np.abs(grouped.test[label] - parts.test[groups == label].sum(axis=0))) < 1e-11


def test_the_split_is_even_between_the_two_modes_of_a_pair() -> None:
    inst = rf.finite.draw(rf.ScoreProblem(2.0, 2.0, 0.2), d=5, seed=2)
    parts = inst.gradient_flow().mode_contributions(np.inf)
    values, vectors = np.linalg.eigh(inst.U)
    overlap, overlap_test = vectors.T @ inst.V, vectors.T @ inst.V_test
    pairs = (overlap @ overlap.T) * (vectors.T @ inst.U_test @ vectors) / np.outer(values, values)
    expected = (pairs.sum(axis=1) - 2 * np.sum(overlap * overlap_test, axis=1) / values) / 5
    assert np.max(np.abs(parts.test - expected)) < 1e-10


def test_shapes_of_tau_are_kept_and_scalars_stay_scalars() -> None:
    flow = rf.finite.draw(rf.ScoreProblem(2.0, 2.0, 0.2), d=5, seed=2).gradient_flow()
    assert flow.loss_curves(1.0).test.shape == ()
    assert flow.loss_curves(np.ones((2, 3))).test.shape == (2, 3)
    assert flow.mode_contributions(np.ones((2, 3))).test.shape == (10, 2, 3)


@pytest.mark.parametrize("case", ["linear activation, p > d", "repeated features", "zero feature"])
def test_rank_deficient_u_gives_the_same_losses_as_its_pseudo_inverse(case: str) -> None:
    rng = np.random.default_rng(3)
    W, X = rng.standard_normal((18, 6)), rng.standard_normal((10, 6))
    activation: object = "tanh"
    if case == "linear activation, p > d":
        activation = rf.Activation("linear", lambda x: 0.7 * x)
    elif case == "repeated features":
        W[9:] = W[:9]
    else:
        W[4] = 0.0
    inst = rf.finite.from_arrays(weights=W, data=X, t=0.2, activation=activation, covariance=np.eye(6))
    flow = inst.gradient_flow()
    curves = flow.loss_curves(np.array([0.0, 1.0, 1e6, 1e300, np.inf]))
    assert np.sum(flow.eigenvalues < 1e-12) >= 1
    a = -np.sqrt(18 / inst.delta) * inst.V.T @ np.linalg.pinv(inst.U, rcond=1e-12, hermitian=True)
    assert abs(curves.train[-1] - twins.quadratic_loss(a, inst.U, inst.V, 0.2)) < 1e-10
    assert abs(curves.test[-1] - twins.quadratic_loss(a, inst.U_test, inst.V_test, 0.2)) < 1e-10
    assert abs(curves.test[3] - curves.test[4]) < 1e-10
    assert np.max(np.abs(flow.weights(np.inf) - a)) < 1e-8


def test_a_matrix_that_is_not_positive_semi_definite_is_refused() -> None:
    inst = rf.finite.draw(rf.ScoreProblem(2.0, 2.0, 0.2), d=5, seed=2)
    broken = dataclasses.replace(inst, U=inst.U - 0.1 * np.eye(inst.p))
    with pytest.raises(rf.SolveError, match="not positive"):
        broken.gradient_flow()
