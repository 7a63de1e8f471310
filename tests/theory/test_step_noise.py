"""Gradient noise in the theory: a slow twin, runs, one step by hand, limits, stability, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rfscore as rf
from rfscore.theory import descent, every_step, step_noise
from rfscore.theory.equivalent import equivalent
from rfscore.theory.spectrum import spectrum
from tests.reference import noisy_descent

PLAIN = rf.ScoreProblem(2.0, 4.0, 0.1)
RIDGED = rf.ScoreProblem(2.0, 3.0, 0.1, ridge=0.01, population=rf.Atoms([0.5, 1.5], [0.5, 0.5]))
RECORD = [0, 1, 3, 10, 25]


def noisy(problem: rf.ScoreProblem, steps: object, step: float, **how: object) -> rf.LossCurves:
    return rf.loss_curves(problem, steps, training=rf.Descent(step, **{"fresh_noise": True, **how}))


@pytest.mark.parametrize(
    ("problem", "momentum", "fresh", "batch", "part"),
    [
        (PLAIN, 0.0, True, 1.0, 0.6),
        (RIDGED, 0.3, True, 0.4, 0.6),
        (RIDGED, 0.0, False, 0.25, 0.6),
        (rf.ScoreProblem(0.5, 4.0, 1.0), 0.0, True, 1.0, 0.6),
    ],
    ids=["fresh noises", "fresh noises of a part, momentum, ridge", "part of the samples", "noise beside few samples"],
)
def test_curve_is_the_limit_of_the_matrix_recursion(
    problem: rf.ScoreProblem, momentum: float, fresh: bool, batch: float, part: float
) -> None:
    """Differences of means of draws shrink like 1/d: within four standard errors and 1/d at d = 24 and d = 64."""
    step = part * rf.largest_step(problem, momentum, fresh_noise=fresh, batch=batch)
    cur = rf.loss_curves(problem, RECORD, training=rf.Descent(step, momentum=momentum, fresh_noise=fresh, batch=batch))
    plain = rf.loss_curves(problem, RECORD, training=rf.Descent(step, momentum=momentum))
    assert np.all(cur.test[2:] - plain.test[2:] > 0.005)  # what is compared is not the mean alone
    for d, seeds in ((24, 20), (64, 6)):
        draws = np.array([noisy_descent.losses(problem, d, seed, RECORD[-1], step, momentum, fresh, batch)[:, RECORD]
                          for seed in range(seeds)])  # fmt: skip
        error = abs(draws.mean(0) - np.stack([cur.train, cur.test]))
        assert np.all(error <= 4.0 * draws.std(0) / np.sqrt(seeds - 1.0) + 1.0 / d + 1e-12), (d, error * d)


@pytest.mark.parametrize("features", ["gaussian-equivalent", "exact"])
def test_runs_with_new_noises_at_every_step_follow_the_curve(features: str) -> None:
    how, d, seeds = {"momentum": 0.3, "batch": 0.5}, 40, 12
    step = 0.4 * rf.largest_step(PLAIN, 0.3, fresh_noise=True, batch=0.5)
    cur, runs = noisy(PLAIN, RECORD, step, **how), []
    for seed in range(seeds):
        instance = rf.finite.draw(PLAIN, d=d, seed=seed, features=features)
        run = instance.loss_curves(RECORD, training=rf.Descent(step, fresh_noise=True, **how), seed=seed)
        assert np.allclose(run.tau, cur.tau)
        runs.append([run.train, run.test])
    error = abs(np.mean(runs, 0) - [cur.train, cur.test])
    assert np.all(error <= 4.0 * np.std(runs, 0) / np.sqrt(seeds - 1.0) + 1.5 / d + 1e-12), error * d
    plain = rf.loss_curves(PLAIN, RECORD, training=rf.Descent(step, momentum=0.3))
    assert np.all(cur.train[1:] - plain.train[1:] > 0.05)


def test_one_step_by_hand() -> None:
    """A_1 comes from noise of covariance U/n alone: x^2 Tr U^2/n is added to L_train."""
    step = 1.3
    x = 2.0 * PLAIN.delta * step / 4.0
    added = noisy(PLAIN, [1], step).train[0] - rf.loss_curves(PLAIN, [1], training=rf.Descent(step)).train[0]
    assert added == pytest.approx(x**2 * 4.0 / 2.0 * rf.spectrum(PLAIN).moment(2), rel=1e-9)
    half = noisy(PLAIN, [1], step, batch=0.5).train[0] - rf.loss_curves(PLAIN, [1], training=rf.Descent(step)).train[0]
    assert half == pytest.approx(2.0 * added, rel=1e-9)


def test_small_steps_lose_the_noise_up_to_first_order_in_the_step() -> None:
    tau, gap = np.array([2.0, 20.0]), []
    flow = rf.loss_curves(PLAIN, tau)
    for step in (0.02, 0.01):
        cur = noisy(PLAIN, np.round(tau / step), step)
        gap.append(cur.test - flow.test)
    assert gap[0] / gap[1] == pytest.approx([2.0, 2.0], rel=0.05) and np.all(abs(gap[1]) < 5e-3)


def test_all_samples_with_averaged_noise_is_descent_without_gradient_noise() -> None:
    plain = rf.loss_curves(PLAIN, RECORD, training=rf.Descent(1.5))
    near = rf.loss_curves(PLAIN, RECORD, training=rf.Descent(1.5, batch=1.0 - 1e-9))
    assert np.allclose(near.train, plain.train, atol=1e-8) and np.allclose(near.test, plain.test, atol=1e-8)


def volterra(problem: rf.ScoreProblem, step: float, momentum: float, noise: step_noise.GradientNoise, last: int):
    """Run, equivalent, mean curves and kernels at 0 ... last."""
    with jax.enable_x64(True):
        run, eq = descent.run_of(problem, spectrum(problem), rf.Descent(step, momentum)), equivalent(problem)
        ridge = jnp.asarray(float(problem.ridge))

        def evaluate(k, x):
            return [*descent._mean(eq, ridge, k, x), *step_noise.kernels(eq, ridge, k, x)]

        return run, eq, evaluate, every_step.at_every_step(eq, evaluate, last, run)


def test_convolution_is_the_step_by_step_solution() -> None:
    noise, last = step_noise.GradientNoise(True, 0.5), 150
    run, _, _, values = volterra(RIDGED, 2.0, 0.3, noise, last)
    kernels = run.x**2 * step_noise._weighted(step_noise.Kernels(*values[3:]), noise)
    train, test, own = values[:3]
    state, slow = np.zeros((2, last + 1)), np.zeros((2, last + 1))
    for k in range(last + 1):
        moved = sum((kernels[:, :, k - 1 - j] @ state[:, j] for j in range(k)), np.zeros(3))
        state[:, k] = np.array([train[k] - own[k], own[k]]) + moved[:2]
        slow[:, k] = state[:, k].sum(), test[k] + moved[2]
    fast = step_noise.fluctuating(run, noise, values[:3], step_noise.Kernels(*values[3:]))
    assert np.allclose(fast, slow, rtol=1e-11)


@pytest.mark.parametrize(("momentum", "part"), [(0.0, 0.9), (0.5, 0.95)])
def test_polynomials_between_step_counts_are_exact(momentum: float, part: float) -> None:
    step = part * rf.largest_step(RIDGED, momentum)
    noise, last = step_noise.GradientNoise(True, 1.0), 30_000
    run, eq, evaluate, values = volterra(RIDGED, step, momentum, noise, last)
    assert run.x * run.top > 1.0 + momentum  # eigenvalues that oscillate are among them
    chosen = np.array([0, 7, 41, 97, 98, 1001, 1002, 12_345, 29_999])
    with jax.enable_x64(True):
        direct = every_step.at_steps(eq, evaluate, chosen.astype(float), run)
    scale = np.maximum(abs(direct), abs(direct).max(1, keepdims=True) * 1e-3)
    assert np.max(abs(values[:, chosen] - direct) / scale) < 1e-9


@pytest.mark.parametrize("momentum", [0.0, 0.4])
def test_sum_of_all_kernels_is_their_integral_over_frequencies(momentum: float) -> None:
    step = 0.8 * rf.largest_step(RIDGED, momentum)
    noise, last = step_noise.GradientNoise(True, 0.3), 2**15
    run, eq, _, values = volterra(RIDGED, step, momentum, noise, last)
    with jax.enable_x64(True):
        radius = step_noise.growth(eq, RIDGED.ridge, run, noise)
    summed = run.x**2 * step_noise._weighted(step_noise.Kernels(*values[3:].sum(1)), noise)[:2]
    assert radius == pytest.approx(max(np.linalg.eigvals(summed).real), rel=1e-8)


def test_largest_step_is_where_the_fluctuations_begin_to_feed_themselves() -> None:
    how = {"fresh_noise": True, "batch": 0.1}
    limit, plain = rf.largest_step(PLAIN, **how), rf.largest_step(PLAIN)
    assert limit < 0.9 * plain
    below = rf.loss_curves(PLAIN, [4000, 8000], training=rf.Descent(0.9 * limit, **how))
    assert below.train[1] == pytest.approx(below.train[0], rel=0.01)
    near = [rf.loss_curves(PLAIN, [20_000], training=rf.Descent(part * limit, **how)).train[0] for part in (0.98, 0.99)]
    assert near[1] / near[0] == pytest.approx(2.0, rel=0.15)  # like 1/(limit - step)
    with pytest.raises(rf.InputError, match=rf"step_size = .*\(0, {limit:.4f}.*diverges"):
        rf.loss_curves(PLAIN, [1], training=rf.Descent(1.001 * limit, **how))
    assert rf.largest_step(PLAIN, fresh_noise=True, batch=0.05) < limit


def test_step_just_below_the_limit_of_full_batches_is_taken() -> None:
    step = (1.0 - 1e-9) * rf.largest_step(PLAIN, fresh_noise=True)
    assert step < rf.largest_step(PLAIN)
    assert np.isfinite(noisy(PLAIN, [10], step).train[0])


@pytest.mark.parametrize("batch", [0.0, 1.1, -1.0, np.nan])
def test_batch_is_a_part_of_the_samples(batch: float) -> None:
    for call in (lambda: noisy(PLAIN, [1], 1.0, batch=batch), lambda: rf.largest_step(PLAIN, batch=batch)):
        with pytest.raises(rf.InputError, match="batch"):
            call()


def test_frozen_noises_have_no_others() -> None:
    frozen = rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=2)
    with pytest.raises(rf.InputError, match="noise_draws = inf"):
        noisy(frozen, [1], 1.0)


def test_more_steps_than_are_computed_one_by_one_are_refused() -> None:
    with pytest.raises(rf.InputError, match=r"steps = 8388608: expected .*gradient noise.*close to the flow"):
        noisy(PLAIN, [2**23], 1.0)


def test_momentum_close_to_one_is_refused() -> None:
    with pytest.raises(rf.InputError, match="momentum"):
        noisy(PLAIN, [1], 1.0, momentum=0.95)


def test_shapes_and_no_steps_are_kept() -> None:
    assert noisy(PLAIN, [[0, 1], [2, 3]], 1.0).test.shape == (2, 2)
    assert noisy(PLAIN, [], 1.0).train.shape == (0,)
    assert noisy(PLAIN, 0, 1.0).train == pytest.approx(1.0, abs=1e-12)
