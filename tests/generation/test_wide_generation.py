"""What infinitely wide networks generate: drawn twins, Latourelle-Vigeant's Figure 3, limits."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from rfscore import generation
from rfscore.generation.levels import RandomFeatures, level
from tests.reference import wide_twins

INF = float("inf")
GRID = np.geomspace(2.5, 0.02, 31)
LV = rf.ScoreProblem(800 / 720, INF, 0.1, rf.Atoms([17 / 12, 1 / 36], [0.7, 0.3]))
KERNEL = generation.DotProduct(lambda x: x + 0.005 * x**5)


@pytest.mark.parametrize("process", ["flow", "sde"])
@pytest.mark.parametrize("n", [50, 200])
def test_law_of_the_samples_is_that_of_drawn_training_sets(process: generation.wide.Process, n: int) -> None:
    sigma = np.repeat([0.4, 1.6], [33, 67])
    problem = rf.ScoreProblem(n / 100, INF, 0.1, rf.Atoms([0.4, 1.6], [0.33, 0.67]))
    features = RandomFeatures(problem.activation)
    levels = [(at.t, at.a, at.v2) for at in (level(problem, t) for t in GRID)]
    found = generation.generated(problem, [10.0, 1000.0], GRID, process=process)

    def slope(variance: float) -> float:
        return float(features.slope(np.array([variance]))[0])

    for k, tau in enumerate((10.0, 1000.0)):
        numbers = []
        for seed in range(8):
            drawn = wide_twins.generated_covariance(sigma, n, levels, slope, tau, seed, noisy=process == "sde")
            diagonal, inverse = np.diag(drawn), np.linalg.inv(drawn)
            log_ratio = np.linalg.slogdet(drawn)[1] / 100 - np.log(sigma).mean()
            kl = 0.5 * (np.diag(inverse) @ sigma / 100 - 1 + log_ratio)
            back = 0.5 * (np.mean(diagonal / sigma) - 1 - log_ratio)
            numbers.append([diagonal[:33].mean(), diagonal[33:].mean(), kl, back])
        mean, error = np.mean(numbers, axis=0), np.std(numbers, axis=0, ddof=1) / 8**0.5
        theory = np.array([*found.variance[k], found.kl_true[k], found.kl_generated[k]])
        np.testing.assert_array_less(abs(mean - theory), 3 * error + 2 / 100 * theory)


def test_numbers_of_latourelle_vigeant_figure_3() -> None:
    grid = np.geomspace(3.0, 1e-3, 300)
    best = generation.optimal(LV, features=KERNEL, within=(0.05, 50.0))  # their t/d in [0.1, 100]

    def rate(t: float) -> float:
        return 2.0 * -np.expm1(-2.0 * t)  # their t/d is 2 Delta_t tau

    for t, value in zip((1e-3, 0.01, 0.1, 0.3, 1.0, 3.0), (4.004, 3.688, 2.683, 2.407, 3.410, 9.754), strict=True):
        assert rate(t) * best(t) == pytest.approx(value, abs=2e-3)
    end = rate(1e-3) * best(1e-3)
    between = generation.exponential((1e-3, end), (3.0, rate(3.0) * best(3.0)))
    schedules = [best, lambda t: end / rate(t), lambda t: between(t) / rate(t)]
    printed = [(1.5580, 0.35189, 0.3514), (1.4750, 0.24140, 0.3717), (1.4275, 0.16199, 0.4100)]
    for schedule, numbers in zip(schedules, printed, strict=True):
        found = generation.generated(LV, schedule, grid, process="sde", continuous=True, features=KERNEL)
        np.testing.assert_allclose([*found.variance[0], found.kl_true[0]], numbers, rtol=3e-4)


def test_many_euler_steps_are_the_continuous_limit_at_first_order() -> None:
    problem = rf.ScoreProblem(3.0, INF, 0.1)
    for process in ("flow", "sde"):
        exact = generation.generated(problem, [30.0], np.geomspace(2.5, 0.02, 1601), process=process, continuous=True)
        off = [
            generation.generated(problem, [30.0], np.geomspace(2.5, 0.02, k), process=process).mean_variance[0]
            - exact.mean_variance[0]
            for k in (201, 401)
        ]
        assert off[0] / off[1] == pytest.approx(2.0, abs=0.05)


def test_untrained_networks_leave_white_noise_that_grows_and_trained_ones_collapse() -> None:
    problem = rf.ScoreProblem(3.0, INF, 0.1)
    found = generation.generated(problem, [0.0, INF], GRID)
    steps = -np.diff(GRID)
    np.testing.assert_allclose(found.mean_variance[0], np.prod((1 + steps) ** 2), rtol=1e-11)
    level_of = np.array([level(problem, t).delta for t in GRID[:-1]])
    assert found.mean_variance[1] < 0.02 < level_of[-1]
    assert found.kl_true[1] > 10 * found.kl_generated[1] > 0


def test_true_score_of_many_samples_generates_the_truth() -> None:
    problem = rf.ScoreProblem(1e4, INF, 0.1)
    grid = np.geomspace(5.0, 1e-4, 2000)
    best = generation.optimal(problem)
    found = generation.generated(problem, best, grid, continuous=True)
    assert found.kl_true[0] < 1e-4
    assert found.mean_variance[0] == pytest.approx(1.0, abs=2e-3)


def test_bad_input_is_refused() -> None:
    problem = rf.ScoreProblem(3.0, INF, 0.1)
    for call in (
        lambda: generation.generated(problem, [1.0], [0.1, 1.0]),
        lambda: generation.generated(problem, [-1.0], GRID),
        lambda: generation.generated(problem.replace(ridge=0.1), [1.0], GRID),
        lambda: generation.exponential((0.1, 1.0), (0.1, 2.0)),
    ):
        with pytest.raises(rf.InputError, match="expected"):
            call()


@pytest.mark.parametrize(
    "setting",
    [{"process": rf.Linear()}, {"target": "data"}, {"population": rf.Mixture([0.5, 0.5], [1.0, 2.0])}],
)
def test_other_channels_targets_and_mixtures_are_refused(setting: dict) -> None:
    problem, grid = rf.ScoreProblem(3.0, INF, 0.1, **setting), np.geomspace(0.9, 0.02, 5)
    for call in (
        lambda: rf.loss_curves(problem, [1.0]),
        lambda: rf.timescales(problem),
        lambda: rf.wide_spectrum(problem),
        lambda: generation.generated(problem, [1.0], grid),
        lambda: generation.optimal(problem)(0.1),
        lambda: generation.kl_bound(problem.replace(psi_p=5.0), [1.0], (0.9, 0.1)),
        lambda: rf.finite.generator(problem.replace(psi_p=5.0), 6, 0, grid),
    ):
        with pytest.raises(rf.InputError, match="expected"):
            call()
