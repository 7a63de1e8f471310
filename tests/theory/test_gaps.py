"""The walk along the real curve: every gap and no other, for one problem or many at a time."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import pytest

import rfscore as rf
from rfscore._precision import float64
from rfscore.theory import floor_edge
from rfscore.theory.equivalent import equivalent
from rfscore.theory.gaps import consistent, gaps
from rfscore.theory.real_curve import Curves

TWO = rf.Atoms([1.5, 2.0], [0.5, 0.5])

#: psi_n, psi_p, t, m, Sigma; eigenvalues per dimension in each bulk, ascending.
BULKS = [
    # Few samples: the real curve runs through G = 0, where both roots of its quadratic are the same number.
    (0.068, 41.5, 0.0041, 2, rf.Isotropic(), [0.068, 0.068]),
    (0.204, 0.3135, 0.0318, 3, rf.Isotropic(), [0.3135]),
    (0.058, 53.8, 0.061, 3, rf.Isotropic(), [0.116, 0.058]),
    (0.0686, 443.7, 0.695, 3, rf.Isotropic(), [3 * 0.0686]),
    (0.0501, 47.5, 0.916, 2, TWO, [2 * 0.0501]),
    # One noise per sample, many samples: a bulk where w is infinite, too narrow for an even walk.
    (273.0, 2.87, 0.49, 1, rf.Isotropic(), [1.87, 1.0]),
    (58.3, 4.13, 0.081, 1, rf.Isotropic(), [3.13, 1.0]),
]


@pytest.mark.parametrize("i", range(len(BULKS)))
def test_bulks_of_frozen_noises_hold_what_they_must(i: int) -> None:
    psi_n, psi_p, t, draws, sigma, expected = BULKS[i]
    spec = rf.spectrum(rf.ScoreProblem(psi_n, psi_p, t, sigma, noise_draws=draws))
    np.testing.assert_allclose(spec.masses * psi_p, expected, rtol=1e-9)
    assert spec.edges[0, 0] > 0


def test_eigenvalues_of_one_draw_lie_in_the_bulks() -> None:
    problem = rf.ScoreProblem(0.2, 3.0, 0.06, noise_draws=3)
    spec = rf.spectrum(problem)
    values = rf.finite.draw(problem, d=200, seed=0).modes().eigenvalues
    seen = values[values > 1e-9]
    assert seen.size == 120
    inside = (seen[:, None] > 0.93 * spec.edges[:, 0]) & (seen[:, None] < 1.07 * spec.edges[:, 1])
    assert inside.any(axis=1).all()
    np.testing.assert_allclose(inside.sum(axis=0) / 200, spec.masses * problem.psi_p, atol=0.011)


def test_many_problems_at_once_have_the_gaps_of_each() -> None:
    problems = [rf.ScoreProblem(n, 3.0 * n, 0.05, sigma, noise_draws=m)
                for n in (0.3, 4.0) for sigma in (rf.Isotropic(), TWO) for m in (1, 2, np.inf)]  # fmt: skip
    eqs = float64(lambda: [equivalent(problem) for problem in problems])()
    for eq, together in zip(eqs, gaps(eqs), strict=True):
        assert together == gaps([eq])[0]


def test_times_of_many_problems_under_vmap_are_those_of_each() -> None:
    psi_n = np.array([0.4, 4.0, 30.0])
    with jax.enable_x64(True):
        many = jax.jit(jax.vmap(lambda n: rf.timescales(rf.ScoreProblem(n, 20.0, 0.01))))(psi_n)
    for i, n in enumerate(psi_n):
        alone = rf.timescales(rf.ScoreProblem(n, 20.0, 0.01))
        for name in ("tau_mem_edge", "tau_last_edge"):
            assert float(getattr(many, name)[i]) == pytest.approx(float(getattr(alone, name)), rel=1e-12)


#: psi_n, psi_p, t, sigma, m, ridge: as many features as columns above the floor, or so to roundoff.
HARD = [
    (2.0, 4.0, 0.1, "tanh", 2, 0.0),
    (4.0, 16.0, 0.1, "relu", 4, 0.0),
    (2.0, 2.0, 0.1, "erf", 1, 0.0),
    (0.1, 0.1 * 7, 0.1, "sin", 7, 0.0),
    (2.0, 4.0, 0.1, "erf", 2, 1e-9),
    (22.145, 22.145, 0.77, "sin", 1, 1e3),
    (3.0, 4.0, 0.1, "tanh", np.inf, 0.0),
    (0.1, 1.1, 1e-4, "sin", np.inf, 0.0),
    (22.145, 23.145, 5.0, "relu", np.inf, 0.5),
]


@pytest.mark.parametrize("case", HARD)
def test_at_the_interpolation_peak_the_lowest_bulk_starts_at_the_floor(case: tuple) -> None:
    psi_n, psi_p, t, activation, draws, ridge = case
    problem = rf.ScoreProblem(psi_n, psi_p, t, activation=activation, noise_draws=draws, ridge=ridge)
    spec, times = rf.spectrum(problem), rf.timescales(problem)
    floor = ridge + (float(rf.coefficients(problem).s2) if draws == np.inf else 0.0)
    assert spec.edges[0, 0] == floor == times.lambda_lowest and spec.atoms == []
    expected = psi_p / (problem.delta * floor) if floor else np.inf
    assert float(times.tau_last_edge) == pytest.approx(expected, rel=1e-14)
    assert np.isposinf(spec.density(spec.edges[0, 0])) and np.all(np.diff(spec.edges) > 0)
    near = spec.density(floor + (spec.edges[0, 1] - floor) * np.array([1e-8, 4e-8]))
    if floor < 1e-6 * (spec.edges[0, 1] - floor):
        assert near[0] / near[1] == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize(("draws", "activation"), [(1, "relu"), (3, "sin"), (np.inf, "tanh")])
def test_beside_the_peak_the_lowest_edge_leaves_the_floor_as_the_square_of_the_distance(
    draws: float, activation: str
) -> None:
    """Down to distances of which the height keeps no digit without care, and on to where the walk finds it as well."""
    rank = 1.0 + 2.0 if draws == np.inf else 2.0 * draws
    heights, distance = [], []
    for off in (-1e-2, -1e-4, -1e-9, -1e-13, 1e-13, 1e-9, 1e-4, 1e-2):
        psi_p = rank * (1.0 + off)
        spec = rf.spectrum(rf.ScoreProblem(2.0, psi_p, 0.1, activation=activation, noise_draws=draws))
        heights.append(spec._heights[0, 0])
        distance.append(psi_p - rank)
        assert sum(mass for _, mass in spec.atoms) == pytest.approx(max(0.0, distance[-1] / psi_p), rel=1e-14)
    law = np.array(heights) / np.array(distance) ** 2
    np.testing.assert_allclose(law, law[3], rtol=5 * abs(np.array(distance)).max() / rank)
    np.testing.assert_allclose(law[2:6], law[3], rtol=1e-7)


def test_the_edge_solved_beside_the_floor_is_the_one_that_the_walk_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    for psi_p, draws in ((3.002, np.inf), (2.998, np.inf), (6.004, 3), (5.996, 3), (2.001, 1), (1.999, 1)):
        eq = float64(lambda p=psi_p, m=draws: equivalent(rf.ScoreProblem(2.0, p, 0.1, TWO, noise_draws=m)))()
        eq = eqx.tree_at(lambda e: e.fixed, eq, np.asarray(eq.fixed) * [0, 1, 1])
        solved = floor_edge.lowest(eq)
        assert solved is not None
        monkeypatch.setattr(floor_edge, "_NEAR", 0.0)
        walked = next(gap.high_edge for gap in gaps([eq])[0] if gap.high_edge)
        monkeypatch.undo()
        assert solved[0] == pytest.approx(walked.y, rel=1e-10) and solved[1] == pytest.approx(walked.q, rel=1e-5)
        np.testing.assert_allclose(solved[2], walked.delta, rtol=1e-5)


def test_times_of_an_edge_at_the_floor_have_derivatives() -> None:
    """The height is a square of the distance: its derivative is 0, and that of the time the floor's."""

    def time(ridge: float) -> float:
        return rf.timescales(rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=2, ridge=ridge)).tau_last_edge

    with jax.enable_x64(True):
        slope = float(jax.jit(jax.grad(time))(0.5))
    assert slope == pytest.approx(-float(time(0.5)) / 0.5, rel=1e-12)


def test_a_missed_bulk_or_a_wrong_edge_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = rf.ScoreProblem(8.0, 64.0, 0.01)
    eq = float64(lambda: equivalent(problem))()
    free = gaps([eq])[0]
    assert consistent(eq, free)
    missed = [*free[:1], free[1]._replace(high=free[2].high, high_edge=free[2].high_edge), *free[3:]]
    wrong = [*free[:1], free[1]._replace(high_edge=free[2].high_edge), *free[2:]]
    negative = [free[0], free[1]._replace(high=-1e-30, low=-1e-30), *free[2:]]
    assert not any(consistent(eq, found) for found in (missed, wrong, negative, free[:1], free[1:]))
    for module in ("timescales", "spectrum"):
        monkeypatch.setattr(f"rfscore.theory.{module}.gaps", lambda eqs, **_: [missed] * len(eqs))
        with pytest.raises(rf.SolveError, match="edge"):
            getattr(rf, module)(problem)


@pytest.mark.parametrize("draws", [1, 2, np.inf])
def test_intervals_that_two_poles_rule_out_hold_no_gap(draws: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for sigma in (rf.PowerLaw(2.0, 40), rf.Atoms([0.0, 0.1, 1.0, 2.0], [0.2, 0.3, 0.3, 0.2])):
        eq = float64(lambda s=sigma: equivalent(rf.ScoreProblem(3.0, 7.0, 0.2, s, noise_draws=draws)))()
        curves, interval = Curves([eq]), np.arange(eq.base.shape[1] + 1)[: Curves([eq]).last + 1]
        able = curves.may_be_free(np.zeros_like(interval), interval)
        assert able[0] and able[-1] and able.sum() < interval.size
        quick = gaps([eq])[0]
        monkeypatch.setattr(Curves, "may_be_free", lambda self, k, i: np.ones(k.size, dtype=bool))
        assert quick == gaps([eq])[0]
        monkeypatch.undo()


def test_the_density_is_known_at_the_foot_of_a_bulk_beside_the_floor() -> None:
    sigma = rf.Uniform(1.89, 32.2)
    spec = rf.spectrum(rf.ScoreProblem(0.1693003923222335, 0.1693018015917953, 5.7e-4, sigma, "sin", noise_draws=1))
    low = spec._heights[0, 0]
    assert 0 < low < 1e-10 and spec.masses.size == 1
    lam = low * (1.0 + np.array([1e-3, 4e-3]))
    assert np.divide(*spec.density(lam)[::-1]) == pytest.approx(2.0 * 1.001 / 1.004, rel=1e-4)  # sqrt(y - y0)/y


def test_the_branch_is_judged_where_the_first_minor_vanishes_exactly() -> None:
    """Hardly any signal at t = 5 and small variance: the parts decouple, and 1 - M_00 is 0 to the last bit."""
    spec = rf.spectrum(rf.ScoreProblem(72.26624592957612, 0.5850019721927112, 5.0, rf.Isotropic(0.004347), "relu"))
    low, high = spec.edges[0]
    assert np.all(spec.density(low + (high - low) * np.sin(np.linspace(0.01, 1.56, 300)) ** 2) > 0)
    assert spec.moment(1) == pytest.approx(float(rf.coefficients(spec.problem).norm2), rel=1e-9)
