"""Discrete optimisers in the eigenbasis equal loops over the weights."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from rfscore.finite.optimizers import descent_filter, momentum_filter
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
    curves = flow.momentum(STEPS, step_size, beta) if beta else flow.gradient_descent(STEPS, step_size)
    assert np.allclose(curves.tau, STEPS * step_size / (1 - beta))
    for k, train, test in zip(STEPS, curves.train, curves.test, strict=True):
        a = twins.descent_loop(instance.U, instance.V, instance.t, int(k), 25 * step_size, beta)
        assert abs(train - twins.quadratic_loss(a, instance.U, instance.V, instance.t)) < 1e-10
        assert abs(test - twins.quadratic_loss(a, instance.U_test, instance.V_test, instance.t)) < 1e-10


def test_small_steps_follow_the_flow_with_an_error_of_first_order(instance: rf.finite.Instance) -> None:
    flow, tau = instance.gradient_flow(), 3.0
    exact = flow.losses(tau).test
    errors = []
    for k in (2000, 4000, 8000):
        errors.append([flow.gradient_descent(k, tau / k).test - exact,
                       flow.momentum(k, 0.2 * tau / k, 0.8).test - exact])  # fmt: skip
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    assert np.all(np.abs(ratios - 2.0) < 0.05)
    assert np.max(np.abs(errors)) < 1e-2


@pytest.mark.parametrize("beta", [0.2, 0.9])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_momentum_is_accurate_through_both_double_roots(beta: float, sign: float) -> None:
    # At lam = (1 - r)^2, r = +-sqrt beta, the two roots coincide and e_k = r^k (1 + k (1 - beta/r)).
    steps, r = np.array([0.0, 1.0, 2.0, 7.0, 40.0]), sign * np.sqrt(beta)
    lam = (1 - r) ** 2 * (1 + np.array([-1e-3, -1e-9, -1e-13, 0.0, 1e-13, 1e-9, 1e-3]))
    gains, residuals = momentum_filter(1.0, beta)(lam, steps)
    assert np.max(np.abs(residuals[3] - r**steps * (1 + steps * (1 - beta / r)))) < 1e-11
    before, now = np.ones_like(lam, dtype=np.longdouble), np.ones_like(lam, dtype=np.longdouble)
    for k in range(41):
        if k in steps:
            column = int(np.flatnonzero(steps == k)[0])
            assert np.max(np.abs(residuals[:, column] - now)) < 1e-11
            assert np.max(np.abs(gains[:, column] * lam - (1 - now))) < 1e-11
        before, now = now, (1 + np.longdouble(beta) - lam) * now - np.longdouble(beta) * before


@pytest.mark.parametrize("filter_", [descent_filter(0.3), momentum_filter(0.3, 0.9)], ids=["descent", "momentum"])
def test_gains_are_accurate_down_to_a_null_eigenvalue(filter_) -> None:
    steps = np.array([0.0, 1.0, 5.0, 1000.0])
    gains, residuals = filter_(np.array([0.0, 1e-300, 1e-15, 1e-9]), steps)
    assert np.allclose(gains, gains[0], rtol=2e-6, atol=0)  # 1 + O(k x lam)
    assert np.allclose(gains[1:3], gains[0], rtol=1e-10, atol=0)
    assert gains[0, 1] == pytest.approx(0.3, rel=1e-12)
    assert np.all(residuals[0] == 1.0)


def test_any_number_of_steps_is_one_power(instance: rf.finite.Instance) -> None:
    flow = instance.gradient_flow()
    step_size = 0.9 * largest_step(instance)
    limit = flow.losses(np.inf)
    for curves in (flow.gradient_descent([10**12], step_size), flow.momentum([10**12], step_size, 0.9)):
        assert abs(curves.train[0] - limit.train) < 1e-11
        assert abs(curves.test[0] - limit.test) < 1e-10


def test_steps_beyond_the_stability_limit_are_refused_with_the_limit(instance: rf.finite.Instance) -> None:
    flow, limit = instance.gradient_flow(), largest_step(instance)
    with pytest.raises(rf.InputError, match="diverges"):
        flow.gradient_descent(3, 1.001 * limit)
    flow.momentum(3, 1.4 * limit, 0.5)
    with pytest.raises(rf.InputError, match="diverges"):
        flow.momentum(3, 1.501 * limit, 0.5)


@pytest.mark.parametrize("twin", ["exact", "gaussian-equivalent"])
def test_adam_equals_a_loop_written_out(twin: str) -> None:
    inst = rf.finite.draw(rf.ScoreProblem(2.0, 4.0, 0.2), d=5, seed=4, features=twin)
    curves = rf.finite.adam(inst, 60, 0.02, (0.8, 0.95), 1e-6, record=[60, 0, 7])
    assert np.allclose(curves.tau, np.array([0, 7, 60]) * 0.02 / 25)
    for k, train, test in zip((0, 7, 60), curves.train, curves.test, strict=True):
        a = twins.adam_loop(inst.U, inst.V, 0.2, k, 0.02, (0.8, 0.95), 1e-6)
        assert abs(train - twins.quadratic_loss(a, inst.U, inst.V, 0.2)) < 1e-12
        assert abs(test - twins.quadratic_loss(a, inst.U_test, inst.V_test, 0.2)) < 1e-12


def test_adam_reaches_the_minimum_of_the_training_loss(instance: rf.finite.Instance) -> None:
    curves = rf.finite.adam(instance, 20_000, 0.003)
    limit = instance.gradient_flow().losses(np.inf).train
    assert limit - 1e-12 < curves.train[-1] < limit + 1e-3
