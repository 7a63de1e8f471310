"""Noisy descent of a drawn instance: its samples, its limits, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
from rfscore.finite.iterate import iterated

WIDE, TALL = rf.ScoreProblem(2.0, 4.0, 0.1), rf.ScoreProblem(3.0, 2.0, 0.1, ridge=0.01)
FEATURES = ("exact", "gaussian-equivalent")


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("problem", [WIDE, TALL], ids=["p > n + d", "p < n + d"])
def test_samples_one_by_one_are_those_of_the_instance(problem: rf.ScoreProblem, features: str) -> None:
    instance = rf.finite.draw(problem, d=12, seed=3, features=features)
    rows, rng = np.arange(instance.n), np.random.default_rng(0)
    u, v, _ = instance.samples.averaged(rows)
    assert np.allclose(u, instance.U, atol=1e-12) and np.allclose(v, instance.V, atol=1e-12)
    halves = [instance.samples.averaged(part)[0] for part in (rows[: rows.size // 2], rows[rows.size // 2 :])]
    assert np.allclose(np.mean(halves, 0), u, atol=1e-12)
    copies = [instance.samples.noised(rows, rng) for _ in range(400)]
    seconds = np.mean([phi @ phi.T for phi, _ in copies], 0) / instance.n
    pulls = np.mean([phi @ xi.T for phi, xi in copies], 0) / instance.n
    spread = 5.0 * np.sqrt(1.0 / (400 * instance.n))
    assert np.max(abs(seconds - u)) < spread and np.max(abs(pulls - v)) < spread


@pytest.mark.parametrize("features", FEATURES)
def test_all_samples_with_averaged_noise_is_heavy_ball(features: str) -> None:
    instance = rf.finite.draw(TALL, d=10, seed=1, features=features)
    flow, record = instance.gradient_flow(), [0, 1, 2, 7, 20]
    step = 1.2 / (2.0 * instance.delta / instance.psi_p * flow.eigenvalues[-1])
    run = iterated(instance, record, rf.Descent(step, momentum=0.4))
    exact = flow.loss_curves(record, training=rf.Descent(step, momentum=0.4))
    for name in ("tau", "test", "score_error"):
        assert np.allclose(getattr(run, name), getattr(exact, name), atol=1e-11), name
    assert np.allclose(run.train, exact.train, atol=1e-11)


def test_noises_are_not_the_weights_though_the_seeds_are_equal() -> None:
    instance = rf.finite.draw(WIDE, d=20, seed=0)
    seen = []

    class Spy:
        def noised(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            seen.append(instance.samples.noised(rows, rng))
            return seen[-1]

    object.__setattr__(spied := rf.finite.draw(WIDE, d=20, seed=0), "samples", Spy())
    spied.loss_curves([1], training=rf.Descent(0.25, fresh_noise=True), seed=0)
    first = seen[0][1].T
    assert abs(np.corrcoef(first.ravel(), instance.weights[: len(first)].ravel())[0, 1]) < 0.2


def test_one_seed_is_one_run_and_another_is_another() -> None:
    instance = rf.finite.draw(WIDE, d=12, seed=0)
    training = rf.Descent(1.0, fresh_noise=True, batch=0.5)
    one, same, other = (instance.loss_curves([1, 5], training=training, seed=s).test for s in (1, 1, 2))
    assert np.array_equal(one, same) and not np.allclose(one, other)


def test_divergence_is_an_error_that_names_the_limit() -> None:
    instance = rf.finite.draw(rf.ScoreProblem(0.5, 8.0, 0.1), d=20, seed=0)
    top = instance.gradient_flow().eigenvalues[-1]
    step = 0.99 * instance.psi_p / (instance.delta * top)
    with pytest.raises(rf.SolveError, match=r"diverged before step .*largest_step"), np.errstate(all="ignore"):
        instance.loss_curves([20_000], training=rf.Descent(step, fresh_noise=True, batch=0.1))


def test_frozen_noises_have_no_others() -> None:
    instance = rf.finite.draw(rf.ScoreProblem(2.0, 3.0, 0.1, noise_draws=2), d=10, seed=0)
    with pytest.raises(rf.InputError, match="noise_draws = inf"):
        instance.loss_curves([5], training=rf.Descent(1.0, fresh_noise=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": -1}, "steps"), ({"times": 2.5}, "steps"), ({"times": 2e9}, "at most"),
        ({"step_size": 0.0}, "step_size"),
        ({"step_size": 1e9}, "diverges"), ({"batch": 0.0}, "batch"), ({"batch": 0.01}, "at least one"),
        ({"batch": 1.5}, "batch"), ({"momentum": 1.0}, "momentum"), ({"step_size": "1"}, "step_size"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    instance = rf.finite.draw(WIDE, d=12, seed=0)
    with pytest.raises(rf.InputError, match=message):
        given = {"times": 5, "step_size": 0.01, "fresh_noise": True, **changes}
        times = given.pop("times")
        instance.loss_curves(times, training=rf.Descent(**given))
