"""Gradient descent and heavy ball in the limit: the flow, polynomials by hand, runs, and both contours."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rfscore as rf
from rfscore.theory import descent, every_step, step_contours
from rfscore.theory.equivalent import equivalent
from rfscore.theory.spectrum import spectrum

PLAIN = rf.ScoreProblem(2.0, 8.0, 0.1)
FROZEN = rf.ScoreProblem(2.0, 3.0, 0.1, noise_draws=2, ridge=0.002)
STEPS = np.array([0, 1, 2, 5, 20, 39, 60, 3000])


def test_one_step_is_the_quadratic_it_is_by_hand() -> None:
    """L_train = 1 - (2 x M0 - x^2 M1), M0 = b^2 psi_p, M1 = (b^2/d^2) Tr W^T U W, for averaged noise."""
    co, step = rf.coefficients(PLAIN), 1.3
    x, psi = 2.0 * PLAIN.delta * step / 8.0, 8.0
    first = co.s2 * psi + (co.b**2 + co.alpha2) * psi * (1.0 + psi) + co.v2 * psi
    cur = rf.loss_curves(PLAIN, [0, 1], training=rf.Descent(step))
    assert cur.train[0] == pytest.approx(1.0, abs=1e-12) and cur.test[0] == pytest.approx(1.0, abs=1e-12)
    by_hand = 1.0 - co.b**2 * (2.0 * x * psi - x * x * first)
    assert cur.train[1] == pytest.approx(by_hand, abs=1e-10) and cur.test[1] == pytest.approx(by_hand, abs=1e-10)


def test_small_steps_are_the_flow_up_to_first_order_in_the_step() -> None:
    tau, gap = np.array([2.0, 20.0]), []
    flow = rf.loss_curves(PLAIN, tau)
    for step in (0.02, 0.01):
        cur = rf.loss_curves(PLAIN, np.round(tau / step), training=rf.Descent(step))
        assert np.allclose(cur.tau, tau)
        gap.append(np.max(abs(cur.test - flow.test)))
    assert gap[0] / gap[1] == pytest.approx(2.0, rel=0.05) and gap[1] < 1e-2


@pytest.mark.parametrize(("problem", "beta"), [(PLAIN, 0.0), (FROZEN, 0.5)], ids=["averaged", "frozen, heavy ball"])
def test_runs_of_drawn_instances_follow_the_curve(problem: rf.ScoreProblem, beta: float) -> None:
    step = 0.8 * rf.largest_step(problem, beta)
    cur, runs = rf.loss_curves(problem, STEPS, training=rf.Descent(step, momentum=beta)), []
    for seed in range(4):
        flow = rf.finite.draw(problem, d=48, seed=seed, features="gaussian-equivalent").gradient_flow()
        runs.append(flow.loss_curves(STEPS, training=rf.Descent(step, beta)))
    assert np.allclose(np.mean([run.train for run in runs], 0), cur.train, atol=0.015)
    assert np.allclose(np.mean([run.test for run in runs], 0), cur.test, rtol=0.03)


@pytest.mark.parametrize(("beta", "steps"), [(0.0, 70.0), (0.5, 110.0)])
def test_polynomials_on_an_ellipse_and_powers_on_a_parabola_agree(beta: float, steps: float) -> None:
    step, count = 0.9 * rf.largest_step(FROZEN, beta), np.array([steps])
    run = descent.run_of(FROZEN, spectrum(FROZEN), rf.Descent(step, beta))
    with jax.enable_x64(True):
        eq, ridge = equivalent(FROZEN), jnp.asarray(FROZEN.ridge)
        few, many = (
            descent._mean(eq, ridge, k, every_step.solved(eq, k.z))
            for k in (step_contours.few_steps(count, run), step_contours.many_steps(count, run))
        )
        for one, two in zip(few, many, strict=True):
            assert float(jnp.abs(one - two).max()) < 1e-10
    assert run.x * run.top > 1.0 + beta  # eigenvalues that oscillate are among them


def test_many_steps_end_where_the_flow_ends() -> None:
    end = rf.loss_curves(PLAIN, [np.inf])
    for beta in (0.0, 0.5):
        cur = rf.loss_curves(PLAIN, [10**9], training=rf.Descent(0.9 * rf.largest_step(PLAIN, beta), momentum=beta))
        assert cur.train[0] == pytest.approx(end.train[0], abs=1e-9)
        assert cur.test[0] == pytest.approx(end.test[0], rel=1e-9)


def test_stability_limit_is_two_over_the_largest_eigenvalue() -> None:
    top = rf.spectrum(PLAIN).edges[-1, 1]
    assert 2.0 * PLAIN.delta * rf.largest_step(PLAIN) / 8.0 * top == pytest.approx(2.0)
    assert rf.largest_step(PLAIN, 0.5) == pytest.approx(1.5 * rf.largest_step(PLAIN))
    with pytest.raises(rf.InputError, match=r"step_size = .*diverges"):
        rf.loss_curves(PLAIN, [1], training=rf.Descent(1.0001 * rf.largest_step(PLAIN)))


@pytest.mark.parametrize("steps", [[-1], [0.5], [np.nan], ["x"]])
def test_numbers_of_steps_are_whole(steps: list) -> None:
    with pytest.raises(rf.InputError, match="steps"):
        rf.loss_curves(PLAIN, steps, training=rf.Descent(1.0))


@pytest.mark.parametrize("beta", [-0.1, 1.0, np.nan])
def test_momentum_is_below_one(beta: float) -> None:
    with pytest.raises(rf.InputError, match="momentum"):
        rf.loss_curves(PLAIN, [1], training=rf.Descent(1.0, momentum=beta))


def test_momentum_that_no_contour_takes_is_refused_with_a_remedy() -> None:
    with pytest.raises(rf.SolveError, match="momentum below"):
        rf.loss_curves(PLAIN, [3000], training=rf.Descent(1.0, momentum=0.99))


def test_step_size_is_one_unit_in_theory_and_in_a_drawn_instance() -> None:
    theory = rf.loss_curves(PLAIN, [10], training=rf.Descent(1.0))
    flow = rf.finite.draw(PLAIN, d=20, seed=0).gradient_flow()
    for training in (rf.Descent(1.0), rf.Descent(0.5, 0.5)):
        run = flow.loss_curves([10], training=training)
        assert run.tau == pytest.approx([10.0])
        assert run.train == pytest.approx(theory.train, abs=0.05)


@pytest.mark.parametrize("momentum", [0.0, 0.6])
@pytest.mark.parametrize("problem", [PLAIN, FROZEN], ids=["averaged", "frozen"])
def test_bulks_and_parts_follow_descent(problem: rf.ScoreProblem, momentum: float) -> None:
    training = rf.Descent(0.3 * rf.largest_step(problem, momentum), momentum)
    steps = [0, 1, 7, 60, 3000]
    cur = rf.loss_curves(problem, steps, training=training)
    split, parts = (f(problem, steps, training=training) for f in (rf.bulk_curves, rf.decomposition))
    assert np.allclose(1.0 + split.train.sum(0), cur.train, atol=1e-9)
    assert np.allclose(1.0 + split.test.sum(0), cur.test, rtol=1e-9)
    assert np.allclose(parts.bias2 + parts.variance, cur.score_error, rtol=1e-8, atol=1e-8)
    assert np.array_equal(split.tau, cur.tau) and np.array_equal(parts.tau, cur.tau)


def test_bulks_of_small_steps_are_those_of_the_flow_and_of_a_drawn_network() -> None:
    problem, tau = rf.ScoreProblem(3.0, 12.0, 0.1), 300.0
    flow = rf.bulk_curves(problem, [tau])
    errors = []
    for count in (400, 800):
        split = rf.bulk_curves(problem, [count], training=rf.Descent(tau / count))
        errors.append(np.max(abs(split.test - flow.test)))
    assert errors[0] < 0.02 and errors[0] / errors[1] == pytest.approx(2.0, abs=0.1)
    training = rf.Descent(tau / 400)
    drawn = rf.finite.draw(problem, d=60, seed=0).gradient_flow()
    groups = np.searchsorted(rf.spectrum(problem).cuts, drawn.eigenvalues)
    run = drawn.mode_contributions([400], groups, training=training)
    assert np.allclose(run.test, rf.bulk_curves(problem, [400], training=training).test, atol=0.12)


def test_what_theory_has_not_is_refused_with_a_way_on() -> None:
    with pytest.raises(rf.InputError, match=r"Flow or Descent.*draw a network"):
        rf.loss_curves(PLAIN, [1], training=rf.Adam(0.1))
    for question in (rf.bulk_curves, rf.decomposition):
        for training in (rf.Adam(0.1), rf.Descent(0.1, fresh_noise=True), rf.Descent(0.1, batch=0.5)):
            with pytest.raises(rf.InputError, match="mix the modes"):
                question(PLAIN, [1], training=training)
    run = step_contours.Run(0.2, 0.0, 0.1, 9.0)
    with pytest.raises(rf.SolveError, match="oscillates"):  # a curve outside the disk |1 - x z| < 1
        step_contours.changed(np.array([9.0 + 6.0j]), np.array([10_000.0]), run)


def test_by_wish_a_loss_that_is_not_verified_is_no_number_but_a_status() -> None:
    peak = rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=2)
    found = rf.loss_curves(peak, [1.0, np.inf], throw=False)
    assert np.isfinite(found.test[0]) and np.isnan(found.test[1]) and found.status.tolist() == [0, found.status[1]]
    assert found.status[1] != 0 and "ridge > 0" in found.message
    assert rf.loss_curves(PLAIN, [1.0]).message == "" and not rf.loss_curves(PLAIN, [1.0]).status.any()
