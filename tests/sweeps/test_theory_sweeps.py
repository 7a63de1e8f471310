"""Many problems at once give what the public functions give one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

import rfscore as rf
from rfscore.sweeps import theory
from rfscore.theory import stopping

TAU = (0.0, 1e2, 1e4, np.inf)
#: p > n, p < n, p = n, a large t: asymmetric on purpose.
PROBLEMS = [
    rf.ScoreProblem(8.0, 64.0, 0.01),
    rf.ScoreProblem(9.0, 2.5, 0.05),
    rf.ScoreProblem(5.0, 5.0, 0.1),
    rf.ScoreProblem(0.4, 30.0, 0.8),
    rf.ScoreProblem(20.0, 0.6, 0.3),
]
#: Programs of their own, and so seconds of compilation.
OTHERS = [
    rf.ScoreProblem(3.0, 12.0, 0.1, rf.Atoms([0.5, 1.5], [0.3, 0.7])),
    rf.ScoreProblem(20.0, 0.6, 0.3, activation="erf"),
    rf.ScoreProblem(2.0, 6.0, 0.1, noise_draws=2),
    rf.ScoreProblem(4.0, 16.0, 0.05, ridge=0.02),
    rf.ScoreProblem(1.5, 0.7, 0.2, noise_draws=3, ridge=0.05),
]


@pytest.fixture(scope="module")
def outcomes():
    return theory.evaluate(PROBLEMS, TAU)


@pytest.fixture(scope="module")
def others():
    return theory.evaluate(OTHERS, TAU)


@pytest.mark.parametrize("i", range(len(PROBLEMS)))
def test_losses_and_times_are_those_of_the_public_functions(outcomes, i):
    check_losses(PROBLEMS[i], outcomes[i].values)


@pytest.mark.slow
@pytest.mark.parametrize("i", range(len(OTHERS)))
def test_the_same_for_other_data_activations_frozen_noises_and_ridges(others, i):
    check_losses(OTHERS[i], others[i].values)
    check_stopping(OTHERS[i], others[i].values)


def check_losses(problem, values):
    curves, scales = rf.loss_curves(problem, TAU), rf.timescales(problem)
    for name in ("train", "test", "gap", "score_error"):
        np.testing.assert_allclose(values[name], getattr(curves, name), rtol=1e-10, atol=1e-10)
    assert (values["train_inf"], values["test_inf"]) == (values["train"][-1], values["test"][-1])
    for name in ("tau_gen_scale", "tau_mem_edge", "tau_last_edge", "tau_mem_law", "lambda_min", "lambda_lowest"):
        assert values[name] == pytest.approx(float(getattr(scales, name)), rel=1e-12, nan_ok=True)
    assert values["window_edge"] == values["tau_mem_edge"] / values["tau_gen_scale"]


def _losses(problem, log_tau):
    found = rf.loss_curves(problem, [np.exp(log_tau)])
    return float(found.train[0]), float(found.test[0])


@pytest.mark.parametrize("i", range(len(PROBLEMS)))
def test_best_stopping_is_the_lowest_point_of_the_loss_curve(outcomes, i):
    check_stopping(PROBLEMS[i], outcomes[i].values)


def check_stopping(problem, values):
    grid = np.geomspace(1e-2 / float(problem.delta), 100 * values["tau_last_edge"], 400)
    curves = rf.loss_curves(problem, grid)
    at = int(np.argmin(curves.test))
    ends = np.log(grid[[at - 1, at + 1]])
    low = optimize.minimize_scalar(
        lambda x: _losses(problem, x)[1], bounds=ends, method="bounded", options={"xatol": 1e-8}
    )
    assert values["tau_opt"] == pytest.approx(np.exp(low.x), rel=1e-5)
    assert values["test_opt"] == pytest.approx(low.fun, abs=1e-9)
    assert values["train_opt"] == pytest.approx(_losses(problem, np.log(values["tau_opt"]))[0], abs=1e-9)
    assert values["overtraining"] == values["test_inf"] - values["test_opt"]


@pytest.mark.parametrize("i", range(len(PROBLEMS)))
def test_the_half_way_time_is_where_the_gap_is_half_of_its_end(outcomes, i):
    problem, outcome = PROBLEMS[i], outcomes[i]
    half = 0.5 * (outcome.values["test_inf"] - outcome.values["train_inf"])

    def gap(tau):
        train, test = _losses(problem, np.log(tau))
        return test - train

    if np.isfinite(outcome.values["tau_half"]):
        assert gap(outcome.values["tau_half"]) == pytest.approx(half, rel=1e-8)
        assert outcome.values["tau_half"] > outcome.values["tau_opt"]
        between = np.geomspace(outcome.values["tau_opt"], outcome.values["tau_half"], 40)[:-1]
        assert max(map(gap, between)) < half  # the first such time
    else:
        assert outcome.status == "partial" and "tau_half" in outcome.message
        assert gap(outcome.values["tau_opt"]) >= half


def test_the_sample_has_both_kinds(outcomes):
    assert {outcome.status for outcome in outcomes} == {"ok", "partial"}


def test_a_number_does_not_depend_on_its_neighbours(outcomes):
    shuffled = theory.evaluate(PROBLEMS[::-1], TAU)[::-1]
    alone = [theory.evaluate([problem], TAU)[0] for problem in PROBLEMS[:2]]
    assert repr(shuffled) == repr(outcomes)
    assert repr(alone) == repr(outcomes[:2])


@pytest.mark.slow
def test_fast_and_slow_paths_agree(outcomes):
    problem, scales = PROBLEMS[0], {"lambda_lowest": outcomes[0].values["lambda_lowest"]}
    import jax

    with jax.enable_x64(True):
        stacked = jax.tree_util.tree_map(lambda x: np.stack([x]), problem)
        slow = theory._batch(stacked, np.array([scales["lambda_lowest"]]), TAU, stopping.WINDOWS[0], False, False)[3]
    assert int(slow.remark[0]) == 0
    assert float(slow.tau_opt[0]) == pytest.approx(outcomes[0].values["tau_opt"], rel=1e-9)
    assert float(slow.tau_half[0]) == pytest.approx(outcomes[0].values["tau_half"], rel=1e-9)


@pytest.mark.slow
def test_what_the_fast_path_leaves_unverified_is_repeated_on_the_slow_one(outcomes, monkeypatch):
    verified = stopping._verified

    def doubtful(eq, q, delta, z):
        x, status = verified(eq, q, delta, z)
        return x, status + 1

    theory._batch.clear_cache()
    monkeypatch.setattr(stopping, "_verified", doubtful)
    again = theory.evaluate(PROBLEMS[:1], TAU)[0]
    theory._batch.clear_cache()
    assert again.status == "ok"
    assert again.values["tau_opt"] == pytest.approx(outcomes[0].values["tau_opt"], rel=1e-9)


def test_a_problem_without_a_solution_fails_alone(outcomes, monkeypatch):
    spectral = theory._spectral

    def without_an_edge(problems):
        scales, span = spectral(problems)
        return scales, np.where([problem is PROBLEMS[1] for problem in problems], np.nan, span)

    monkeypatch.setattr(theory, "_spectral", without_an_edge)
    found = theory.evaluate(PROBLEMS[:3], TAU)
    assert [outcome.status for outcome in found] == ["ok", "failed", "ok"]
    assert found[1].message.startswith("SolveError: timescales: an edge was not verified; move") and not found[1].values
    assert repr(found[0]) == repr(outcomes[0])


@pytest.mark.slow
def test_finite_networks_approach_the_theory():
    from rfscore.sweeps import finite

    problem = rf.ScoreProblem(4.0, 8.0, 0.1)
    expected = theory.evaluate([problem], (10.0, 1e3))[0].values
    errors = {}
    for d in (20, 80):
        point = {"psi_n": 4.0, "psi_p": 8.0, "t": 0.1, "d": d, "population": "isotropic:1", "activation": "tanh",
                 "process": "ou", "target": "score",
                 "features": "exact"}  # fmt: skip
        runs = [finite.evaluate(point | {"seed": seed}, (10.0, 1e3)).values for seed in range(4)]
        errors[d] = [abs(np.mean([run["gap"][1] for run in runs]) / expected["gap"][1] - 1),
                     abs(np.mean([run["test_opt"] for run in runs]) / expected["test_opt"] - 1),
                     abs(np.mean([run["tau_half"] for run in runs]) / expected["tau_half"] - 1)]  # fmt: skip
    assert np.all(np.array(errors[80]) < [0.05, 0.02, 0.15])
    assert sum(errors[80]) < sum(errors[20])
