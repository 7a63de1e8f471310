"""What a sweep may ask, and that everything else is refused before anything runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rfscore as rf
from rfscore.errors import InputError
from rfscore.sweeps import Sweep, axes, cost, read, run
from rfscore.sweeps.spec import content, from_plain, problem

FIXED = {"psi_p": 8.0, "t": 0.1}


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("psi_n", "1:64:4:log", (1.0, 4.0, 16.0, 64.0)),
        ("psi_n", "1:3:3", (1.0, 2.0, 3.0)),
        ("seed", "0:2:3", (0, 1, 2)),
        ("psi_p", [4, 8], (4.0, 8.0)),
        ("tau", "1e3,inf", (1e3, math.inf)),
        ("population", "atoms:0.5,1.5;isotropic:1", ("atoms:0.5,1.5", "isotropic:1")),
        ("activation", "tanh,erf", ("tanh", "erf")),
        ("data.n", "16,32", (16, 32)),
        ("training.learning_rate", "1e-3", (1e-3,)),
    ],
)
def test_an_axis_is_read_from_its_short_form(name, text, values):
    assert axes.parse(name, text) == values


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("psi_n", "1:64", "low:high:count"), ("psi_n", "1:64:4:cubic", "low:high:count"),
        ("psi_n", "64:1:4", "low < high"),
        ("psi_n", "0:4:3:log", "low > 0"), ("psi_n", "1:2:1", "count in"), ("psi_n", "many", "low:high:count"),
        ("seed", "0.5", "whole number"), ("seed", "-1", "whole number"), ("psi_n", [1, 1.0], "differ"),
        ("psi_n", [], "at least one"), ("activation", 3, "text"),
    ],
)  # fmt: skip
def test_a_bad_axis_is_refused_with_the_remedy(name, text, said):
    with pytest.raises(InputError, match=said):
        axes.parse(name, text)


def test_points_run_over_the_product_and_pairs_over_the_list():
    grid = {"psi_n": [1, 2], "psi_p": [3, 5]}
    product = [(p["psi_n"], p["psi_p"]) for p in Sweep(grid, {"t": 0.1}).points()]
    assert product == [(1, 3), (1, 5), (2, 3), (2, 5)]
    pairs = Sweep(grid, {"t": 0.1}, paired=True)
    assert [(p["psi_n"], p["psi_p"]) for p in pairs.points()] == [(1, 3), (2, 5)] and pairs.shape == (2,)
    assert [pairs.point(i) for i in range(2)] == pairs.points()


def test_every_field_of_a_problem_can_vary():
    sweep = Sweep({"sigma_x": [0.5, 2.0], "activation": "tanh,erf", "t": [0.1, 1.0]}, {"psi_n": 2, "psi_p": 4})
    built = [problem(point) for point in sweep.points()]
    assert {p.population.sigma2 for p in built} == {0.25, 4.0} and {p.activation.name for p in built} == {"tanh", "erf"}
    assert {p.t for p in built} == {0.1, 1.0}
    rho = problem(Sweep({"population": "atoms:0.5,1.5;powerlaw:1,8"}, {"psi_n": 2, **FIXED}).point(1)).population
    assert isinstance(rho, rf.PowerLaw)


BAD = {
    "unknown model": (lambda: Sweep({"psi_n": 1}, FIXED, "oracle"), "one of"),
    "no axes": (lambda: Sweep({}, FIXED), "at least one"),
    "unknown name": (lambda: Sweep({"psi_m": 1}, FIXED), "psi_m"),
    "seed without a seed": (lambda: Sweep({"psi_n": 1, "seed": [0, 1]}, FIXED), "seed"),
    "no t": (lambda: Sweep({"psi_n": 1}, {"psi_p": 2}), "needs t: give --t"),
    "no d": (lambda: Sweep({"psi_n": 1}, FIXED, "finite"), "needs d: give --d"),
    "twice": (lambda: Sweep({"psi_n": 1, "t": 0.1}, FIXED), "not axes as well"),
    "two covariances": (
        lambda: Sweep({"psi_n": 1, "sigma_x": 2, "population": "isotropic:1"}, FIXED), "one of the two"
    ),
    "unequal pairs": (lambda: Sweep({"psi_n": [1, 2], "psi_p": 1}, {"t": 0.1}, paired=True), "one length"),
    "descending tau": (lambda: Sweep({"psi_n": 1}, FIXED, tau=[2, 1]), "ascending"),
    "negative tau": (lambda: Sweep({"psi_n": 1}, FIXED, tau=[-1]), "training times"),
    "tau text": (lambda: from_plain({"axes": {"psi_n": 1}, "fixed": FIXED, "tau": ["soon"]}), "tau = .soon."),
    "no tau": (lambda: Sweep({"psi_n": 1}, FIXED, tau=[]), "at least one"),
    "tau none": (lambda: Sweep({"psi_n": 1}, FIXED, tau=None), "tau = None"),
    "tau truth value": (lambda: Sweep({"psi_n": 1}, FIXED, tau=[True]), "tau = True"),
    "psi_n too large": (lambda: Sweep({"psi_n": [1, 1e5]}, FIXED).check(), "psi_n = 100000: psi_n"),
    "no such activation": (lambda: Sweep({"psi_n": 1}, FIXED | {"activation": "step"}).check(), "tanh"),
    "n rounds to 0": (lambda: Sweep({"psi_n": [0.02, 1]}, FIXED | {"d": 8}, "finite").check(), "raise d"),
    "too many features": (lambda: Sweep({"d": [8, 9000]}, FIXED | {"psi_n": 1}, "finite").check(), "lower d"),
    "no such features": (lambda: Sweep({"d": 8}, FIXED | {"psi_n": 1, "features": "x"}, "finite").check(), "gaussian"),
    "no such setting": (lambda: Sweep({"data.m": [1, 2]}, model="network").check(), "data.m"),
    "setting out of range": (lambda: Sweep({"data.n": [1, 2]}, model="network").check(), "data.n"),
    "unknown key": (lambda: from_plain({"axes": {"psi_n": 1}, "axis": 1}), "axis"),
    "axes not a table": (lambda: from_plain({"axes": [1]}), "table"),
    "no such file": (lambda: read("nowhere.toml"), "check the path"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_sweep_is_refused_with_the_remedy(name):
    make, said = BAD[name]
    with pytest.raises(InputError, match=said):
        make()


def test_a_bad_point_leaves_no_folder(tmp_path):
    with pytest.raises(InputError):
        run(Sweep({"psi_n": [1, 1e5]}, FIXED), tmp_path / "store", workers=0)
    assert not (tmp_path / "store").exists()


def test_a_sweep_comes_back_from_its_file(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text('tau = [10.0, inf]\n[axes]\npsi_n = "1:4:3:log"\n[fixed]\npsi_p = 8\nt = 0.1\n')
    sweep = read(path)
    assert sweep.axes == {"psi_n": (1.0, 2.0, 4.0)} and sweep.tau == (10.0, math.inf)
    assert from_plain(sweep.plain()) == sweep
    path.write_text("axes = ")
    with pytest.raises(InputError, match="no TOML"):
        read(path)


def test_a_file_of_eigenvalues_counts_by_its_content(tmp_path):
    np.save(tmp_path / "a.npy", [1.0, 2.0])
    np.save(tmp_path / "b.npy", [1.0, 2.0])
    np.save(tmp_path / "c.npy", [1.0, 3.0])
    a, b, c = (content({"population": f"file:{tmp_path}/{name}.npy"}) for name in "abc")
    assert a == b != c


def test_sigma_x_and_the_same_covariance_are_one_point():
    assert content({"sigma_x": 2.0}) == content({"population": "isotropic:4.0"})


def test_cost_grows_with_points_and_size_and_falls_with_workers():
    sweep = Sweep({"seed": list(range(8))}, FIXED | {"psi_n": 4, "d": 40}, "finite")
    larger = Sweep({"seed": list(range(8))}, FIXED | {"psi_n": 4, "d": 80}, "finite")
    one, two = (cost.estimate(sweep, sweep.points(), workers) for workers in (1, 2))
    assert one.core_seconds == two.core_seconds and two.seconds < one.seconds
    assert cost.estimate(larger, larger.points(), 1).core_seconds > 2 * one.core_seconds
    assert cost.estimate(larger, larger.points(), 1).bytes_per_worker > one.bytes_per_worker
    assert cost.estimate(sweep, sweep.points()[:4], 1).core_seconds == pytest.approx(one.core_seconds / 2)


def test_workers_are_as_many_as_fit_in_memory(monkeypatch):
    sweep = Sweep({"d": [10, 100]}, FIXED | {"psi_n": 4}, "finite")
    largest = cost.memory("finite", sweep.point(1))
    monkeypatch.setattr(cost, "free_memory", lambda: 3.5 * largest)
    assert cost.workers_that_fit(sweep, 8) == 3 and cost.workers_that_fit(sweep, 2) == 2
    monkeypatch.setattr(cost, "free_memory", lambda: 0.5 * largest)
    with pytest.raises(InputError, match="lower d"):
        cost.workers_that_fit(sweep, 1)
