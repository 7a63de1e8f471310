"""Discrete optimisers in the eigenbasis equal loops over the weights."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from tests.reference import finite_twins as twins

STEPS = np.array([0, 1, 2, 3, 10, 301])


@pytest.fixture(scope="module")
def instance() -> rf.finite.Instance:
    return rf.finite.draw(rf.ScoreProblem(2.0, 4.0, 0.2), d=5, seed=4)


def largest_step(instance: rf.finite.Instance) -> float:
    """2/(the largest curvature of the loss), over d^2."""
    return instance.psi_p / (instance.delta * instance.gradient_flow().eigenvalues[-1])


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.77, 0.999])
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9, 0.99])
def test_powers_equal_loops(instance: rf.finite.Instance, fraction: float, beta: float) -> None:
    step_size = fraction * (1 + beta) * largest_step(instance)
    flow = instance.gradient_flow()
    curves = flow.loss_curves(STEPS, training=rf.Descent(step_size, beta))
    assert np.allclose(curves.tau, STEPS * step_size / (1 - beta))
    for k, train, test in zip(STEPS, curves.train, curves.test, strict=True):
        a = twins.descent_loop(instance.U, instance.V, instance.t, int(k), 25 * step_size, beta)
        assert abs(train - twins.quadratic_loss(a, instance.U, instance.V, instance.t)) < 1e-10
        assert abs(test - twins.quadratic_loss(a, instance.U_test, instance.V_test, instance.t)) < 1e-10


def test_small_steps_follow_the_flow_with_an_error_of_first_order(instance: rf.finite.Instance) -> None:
    flow, tau = instance.gradient_flow(), 3.0
    exact = flow.loss_curves(tau).test
    errors = []
    for k in (2000, 4000, 8000):
        runs = rf.Descent(tau / k), rf.Descent(0.2 * tau / k, momentum=0.8)
        errors.append([flow.loss_curves(k, training=training).test - exact for training in runs])
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    assert np.all(np.abs(ratios - 2.0) < 0.05)
    assert np.max(np.abs(errors)) < 1e-2


@pytest.mark.parametrize("beta", [0.2, 0.9])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_momentum_is_accurate_through_both_double_roots(beta: float, sign: float) -> None:
    # At lam = (1 - r)^2, r = +-sqrt beta, the two roots coincide and e_k = r^k (1 + k (1 - beta/r)).
    steps, r = np.array([0.0, 1.0, 2.0, 7.0, 40.0]), sign * np.sqrt(beta)
    lam = (1 - r) ** 2 * (1 + np.array([-1e-3, -1e-9, -1e-13, 0.0, 1e-13, 1e-9, 1e-3]))
    gains, residuals = rf.Descent(1.0, beta).filter(lam, steps, 1.0)
    assert np.max(np.abs(residuals[3] - r**steps * (1 + steps * (1 - beta / r)))) < 1e-11
    before, now = np.ones_like(lam, dtype=np.longdouble), np.ones_like(lam, dtype=np.longdouble)
    for k in range(41):
        if k in steps:
            column = int(np.flatnonzero(steps == k)[0])
            assert np.max(np.abs(residuals[:, column] - now)) < 1e-11
            assert np.max(np.abs(gains[:, column] * lam - (1 - now))) < 1e-11
        before, now = now, (1 + np.longdouble(beta) - lam) * now - np.longdouble(beta) * before


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gains_are_accurate_down_to_a_null_eigenvalue(momentum: float) -> None:
    steps = np.array([0.0, 1.0, 5.0, 1000.0])
    gains, residuals = rf.Descent(0.15, momentum).filter(np.array([0.0, 1e-300, 1e-15, 1e-9]), steps, 2.0)
    assert np.allclose(gains, gains[0], rtol=2e-6, atol=0)  # 1 + O(k x lam)
    assert np.allclose(gains[1:3], gains[0], rtol=1e-10, atol=0)
    assert gains[0, 1] == pytest.approx(0.3, rel=1e-12)
    assert np.all(residuals[0] == 1.0)


def test_any_number_of_steps_is_one_power(instance: rf.finite.Instance) -> None:
    flow = instance.gradient_flow()
    step_size = 0.9 * largest_step(instance)
    limit = flow.loss_curves(np.inf)
    for momentum in (0.0, 0.9):
        curves = flow.loss_curves([10**12], training=rf.Descent(step_size, momentum))
        assert abs(curves.train[0] - limit.train) < 1e-11
        assert abs(curves.test[0] - limit.test) < 1e-10


def test_steps_beyond_the_stability_limit_are_refused_with_the_limit(instance: rf.finite.Instance) -> None:
    flow, limit = instance.gradient_flow(), largest_step(instance)
    with pytest.raises(rf.InputError, match="diverges"):
        flow.loss_curves(3, training=rf.Descent(1.001 * limit))
    flow.loss_curves(3, training=rf.Descent(1.4 * limit, 0.5))
    with pytest.raises(rf.InputError, match="diverges"):
        flow.loss_curves(3, training=rf.Descent(1.501 * limit, 0.5))


@pytest.mark.parametrize("twin", ["exact", "gaussian-equivalent"])
def test_adam_equals_a_loop_written_out(twin: str) -> None:
    inst = rf.finite.draw(rf.ScoreProblem(2.0, 4.0, 0.2), d=5, seed=4, features=twin)
    curves = inst.loss_curves([60, 0, 7], training=rf.Adam(0.02 / 25, (0.8, 0.95), 1e-6))
    assert np.allclose(curves.tau, np.array([60, 0, 7]) * 0.02 / 25)
    for k, train, test in zip((60, 0, 7), curves.train, curves.test, strict=True):
        a = twins.adam_loop(inst.U, inst.V, 0.2, k, 0.02, (0.8, 0.95), 1e-6)
        assert abs(train - twins.quadratic_loss(a, inst.U, inst.V, 0.2)) < 1e-12
        assert abs(test - twins.quadratic_loss(a, inst.U_test, inst.V_test, 0.2)) < 1e-12


def test_adam_reaches_the_minimum_of_the_training_loss(instance: rf.finite.Instance) -> None:
    curves = instance.loss_curves([20_000], training=rf.Adam(0.003 / 25))
    limit = instance.gradient_flow().loss_curves(np.inf).train
    assert limit - 1e-12 < curves.train[-1] < limit + 1e-3


def test_the_instance_answers_every_protocol_and_its_modes_only_theirs(instance: rf.finite.Instance) -> None:
    flow = instance.gradient_flow()
    for training in (rf.Flow(), rf.Descent(0.1, 0.5)):
        mine, its = instance.loss_curves([0, 3], training=training), flow.loss_curves([0, 3], training=training)
        assert np.array_equal(mine.test, its.test) and np.array_equal(mine.tau, training.tau(np.array([0.0, 3.0])))
    for training in (rf.Adam(1e-3), rf.Descent(0.1, fresh_noise=True), rf.Descent(0.1, batch=0.5)):
        assert instance.loss_curves([[0, 3]], training=training).test.shape == (1, 2)
        with pytest.raises(rf.InputError, match="ask the instance"):
            flow.loss_curves([0, 3], training=training)


def test_a_batch_of_all_samples_is_no_batch_and_contributions_follow_descent(instance: rf.finite.Instance) -> None:
    assert rf.Descent(0.1, batch=1.0).modes_alone and rf.Descent(0.1, batch=1.0).batch is None
    flow, training = instance.gradient_flow(), rf.Descent(0.1, 0.5)
    curves, parts = (f(STEPS, training=training) for f in (flow.loss_curves, flow.mode_contributions))
    assert np.allclose(parts.train.sum(0) + 1.0, curves.train) and np.allclose(parts.test.sum(0) + 1.0, curves.test)


def test_another_ridge_needs_no_new_eigenvectors() -> None:
    problem, tau = rf.ScoreProblem(2.0, 4.0, 0.2), [0.0, 1.0, 1e3, np.inf]
    flow = rf.finite.draw(problem, d=8, seed=1).gradient_flow()
    ridged = rf.finite.draw(rf.ScoreProblem(2.0, 4.0, 0.2, ridge=0.3), d=8, seed=1)
    twin = flow.with_ridge(0.3)
    assert twin.modes is flow.modes and flow.instance.ridge == 0.0
    assert np.allclose(twin.loss_curves(tau).test, ridged.loss_curves(tau).test, rtol=1e-11)
    with pytest.raises(rf.InputError, match="ridge = -1"):
        flow.with_ridge(-1.0)
