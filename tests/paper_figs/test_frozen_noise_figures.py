"""Figures on frozen noises: their searches, their looks, and recorded numbers that are those of the theory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import rfscore as rf
from paper_figs import beyond_benign, beyond_double_descent, cache, diagram, finite, noises, optima
from paper_figs.job import Job, records
from rfscore.errors import SolveError


def test_the_lowest_point_is_found_between_grid_points_and_refused_at_an_end():
    grid = np.geomspace(1e-2, 1e2, 9)

    def bowl(x: float) -> float:
        return 1.0 + np.log(x / 0.37) ** 2

    place, value = optima.lowest(bowl, grid, np.array([bowl(x) for x in grid]))
    assert place == pytest.approx(0.37, rel=1e-3) and value == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(SolveError, match="widen the grid"):
        optima.lowest(lambda x: x, grid, grid)


def test_a_map_holds_the_peak_itself(tmp_path, monkeypatch):
    """p = nm is on the axis, not beside it, and its loss at infinite time is infinite."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    psi_p = diagram.axis(1.0, 4.0, 3)
    assert psi_p.tolist() == [1.0, 2.0, 4.0]
    problems = [rf.ScoreProblem(2.0, float(p), 0.1, noise_draws=2) for p in psi_p]
    found = noises.test_losses(Job(), problems, np.array([10.0, 1e3, np.inf]))
    assert np.isinf(found[2, 2]) and np.isfinite(found).sum() == 8
    np.testing.assert_allclose(found[2, :2], rf.loss_curves(problems[2], [10.0, 1e3]).test, rtol=1e-12)


def test_a_ridge_put_on_a_flow_is_the_network_trained_with_it():
    problem = rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=2)
    stream = lambda: finite.stream(problem, 12, 0)  # noqa: E731
    flow = rf.finite.draw(problem, 12, stream()).gradient_flow()
    with_one = rf.finite.draw(problem.replace(ridge=0.3), 12, stream()).gradient_flow()
    tau = [1.0, 1e3, np.inf]
    np.testing.assert_allclose(flow.with_ridge(0.3).loss_curves(tau).test, with_one.loss_curves(tau).test, rtol=1e-12)
    assert flow.loss_curves(tau).test[-1] != pytest.approx(with_one.loss_curves(tau).test[-1], rel=1e-2)


def test_the_optima_of_one_network_are_the_lowest_of_dense_scans():
    problem = rf.ScoreProblem(4.0, 4.0, 0.3, noise_draws=2)
    tau, stopped, ridge, ridged = optima.of_network(problem, 12, 0)
    flow = rf.finite.draw(problem, 12, finite.stream(problem, 12, 0)).gradient_flow()
    scan = flow.loss_curves(np.geomspace(1e-2, 1e3, 4001)).test
    over = [flow.with_ridge(x).loss_curves([np.inf]).test[0] for x in np.geomspace(1e-3, 1e2, 1001)]
    assert stopped == pytest.approx(scan.min(), abs=1e-6) and ridged == pytest.approx(min(over), abs=1e-6)
    assert flow.loss_curves([tau]).test[0] == stopped
    assert flow.with_ridge(ridge).loss_curves([np.inf]).test[0] == ridged


def test_every_number_of_noises_has_its_own_colour_and_marker():
    draws = beyond_benign.DRAWS
    assert len({tuple(np.round(_rgb(m), 3)) for m in draws}) == len({noises.marker(m) for m in draws}) == len(draws)
    light = [float(np.dot(_rgb(m), [0.299, 0.587, 0.114])) for m in draws]
    assert all(a > b for a, b in pairwise(light))  # told apart in print, too


def _rgb(m: float) -> np.ndarray:
    return np.array(to_rgb(noises.colour(m)))


def test_turns_of_a_curve_are_counted():
    x = np.linspace(0.0, 3.0, 400)
    assert beyond_double_descent._turns(np.cos(np.pi * x)) == 2
    assert beyond_double_descent._turns(np.exp(-x)) == 0


def test_recorded_numbers_on_frozen_noises_are_those_of_the_theory():
    benign = records()["beyond_benign"]["numbers"]
    for m, end in zip(beyond_benign.DRAWS, benign["end_of_largest_p"], strict=True):
        exact = rf.loss_curves(beyond_benign.problem(benign["largest_p"], m), [np.inf]).test[0]
        assert end == pytest.approx(exact, rel=1e-9)
    assert benign["closed_form_largest_difference"] < 1e-9
    twice = records()["beyond_double_descent"]["numbers"]
    curve = rf.loss_curves(beyond_double_descent.TWO, [twice["two_rise_at"], np.inf]).test
    assert [twice["two_first_rise"], twice["two_end"]] == pytest.approx(curve.tolist(), rel=1e-9)
    assert twice["largest_turns_along_tau"] == 1 and twice["two_turns"] == 3


def test_recorded_optima_are_stationary_points_of_the_theory():
    found = records()["beyond_optima"]
    psi_p, t = found["inputs"]["psi_p"], found["inputs"]["t"]
    n, m, row = found["numbers"]["n"], found["numbers"]["m"], 4
    problem = rf.ScoreProblem(n["x"][row], psi_p, t, noise_draws=m[0])
    best = n["time"][0][row] / float(problem.delta)
    assert np.argmin(rf.loss_curves(problem, best * np.array([0.9, 1.0, 1.1])).test) == 1
    ridge = n["ridge"][0][row] * psi_p
    losses = [rf.loss_curves(problem.replace(ridge=ridge * x), [np.inf]).test[0] for x in (0.9, 1.0, 1.1)]
    assert np.argmin(losses) == 1
