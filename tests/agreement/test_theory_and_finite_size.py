"""Infinite-size theory against drawn instances: the distance is of order 1/d, and its slope is measured.

For every number x (a loss at one training time, a moment, a value of the distribution function) the mean over seeds
obeys x_d = x + c/d + O(1/d^2). A weighted fit over three sizes gives c and the intercept; the intercept must vanish
within four standard errors plus the stated second-order term, three times |c|/d_min^2.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from tests.agreement.fits import assert_bias_is_one_over_d, fit
from tests.reference import theory_twins as twin
from tests.theory.helpers import INF, curves, four

SIZES = {"exact": {24: 48, 48: 24, 96: 12}, "gaussian-equivalent": {24: 200, 48: 100, 96: 50}}
TAU = np.array([0.3, 3.0, 30.0, 300.0, 3e3, 3e4, 3e6, INF])

# psi_n d, psi_p d and every eigenvalue multiplicity are whole numbers at the three sizes.
CASES = {
    "tanh, p > n": rf.ScoreProblem(1.5, 4.0, 0.1),
    "erf, two atoms": rf.ScoreProblem(2.0, 1.5, 0.2, four([0.5, 1.5]), "erf"),
    "relu, uneven atoms": rf.ScoreProblem(1.0, 2.5, 0.3, rf.Atoms([0.2, 0.6, 1.0, 3.0], [0.25] * 4), "relu"),
    "erf, p < d": rf.ScoreProblem(2.0, 0.5, 0.2, four([0.3, 1.7]), "erf"),
}


@functools.cache
def drawn(name: str, features: str) -> dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """(train, test, sorted eigenvalues) of every seed at every size; one eigendecomposition serves all tests."""
    found: dict[int, list] = {}
    for d, seeds in SIZES[features].items():
        for seed in range(seeds):
            flow = rf.finite.draw(CASES[name], d=d, seed=1000 * d + seed, features=features).gradient_flow()
            losses = flow.loss_curves(TAU)
            found.setdefault(d, []).append((losses.train, losses.test, np.sort(flow.eigenvalues)))
    return found


def loss_deviations(name: str, features: str, cur: rf.LossCurves) -> dict[int, np.ndarray]:
    """(drawn - theory)/max(1, test) of both losses at all times; one row per seed."""
    scale = np.maximum(1.0, cur.test)
    return {
        d: np.array([np.concatenate([(x - cur.train) / scale, (y - cur.test) / scale]) for x, y, _ in rows])
        for d, rows in drawn(name, features).items()
    }


@pytest.mark.parametrize("name", CASES)
def test_losses_of_exact_draws_differ_from_the_theory_by_order_one_over_d(name: str) -> None:
    found = loss_deviations(name, "exact", curves(CASES[name], TAU))
    slope, error = assert_bias_is_one_over_d(found, power=0.02)
    assert np.max(np.abs(slope)) < 3.0
    if name in ("tanh, p > n", "relu, uneven atoms"):
        assert np.max(np.abs(slope) / error) > 6.0  # the bias itself is resolved: it is there, and it is 1/d


@pytest.mark.parametrize("name", CASES)
def test_losses_of_gaussian_draws_differ_from_the_theory_by_order_one_over_d(name: str) -> None:
    found = loss_deviations(name, "gaussian-equivalent", curves(CASES[name], TAU))
    slope, _ = assert_bias_is_one_over_d(found, power=0.009)
    assert np.max(np.abs(slope)) < 1.0


def test_theory_of_a_slightly_different_problem_is_rejected_by_the_same_draws() -> None:
    problem = CASES["erf, two atoms"]
    for wrong in (
        rf.ScoreProblem(1.05 * problem.psi_n, problem.psi_p, problem.t, problem.population, "erf"),
        rf.ScoreProblem(problem.psi_n, problem.psi_p, problem.t, rf.Atoms(np.ones(4)), "erf"),
    ):
        found = loss_deviations("erf, two atoms", "gaussian-equivalent", curves(wrong, TAU))
        intercept, error, slope, _ = fit(found)
        assert np.max(np.abs(intercept) - 3.0 * np.abs(slope) / 24**2 - 4.0 * error) > 0.002


def spectral_deviations(name: str, features: str) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Fractions of eigenvalues below the theory's quantiles 0.05 ... 0.95 (off the atom); two relative moments."""
    spec = rf.spectrum(CASES[name])
    atom = sum(mass for _, mass in spec.atoms)
    levels = atom + (1.0 - atom) * np.arange(1, 20) / 20.0
    at, first, second = spec.quantile(levels), spec.moment(1), spec.moment(2)
    rows = drawn(name, features)
    below = {d: np.array([np.searchsorted(x, at) / x.size - levels for *_, x in v]) for d, v in rows.items()}
    moments = {
        d: np.array([[x.mean() / first - 1.0, (x**2).mean() / second - 1.0] for *_, x in v]) for d, v in rows.items()
    }
    return below, moments


@pytest.mark.parametrize("name", ["erf, two atoms", "relu, uneven atoms", "tanh, p > n"])
def test_spectrum_of_gaussian_draws_differs_from_the_theory_by_order_one_over_d(name: str) -> None:
    """Kolmogorov-Smirnov distance of the mean distribution, and two moments."""
    below, moments = spectral_deviations(name, "gaussian-equivalent")
    assert_bias_is_one_over_d(below, power=0.007)
    assert_bias_is_one_over_d(moments, power=0.06)
    assert np.max(np.abs(below[96].mean(axis=0))) < 0.005


@pytest.mark.parametrize("name", ["erf, two atoms", "relu, uneven atoms"])
def test_spectrum_of_exact_draws_approaches_the_theory_from_a_smeared_small_bulk(name: str) -> None:
    """The spread of |w_i|^2/d ~ d^(-1/2) enters the diagonal of the exact U and smears its narrow lowest bulk.

    There the distance falls like d^(-1/2), above the median and in the moments like 1/d.
    """
    below, moments = spectral_deviations(name, "exact")
    mean = {d: rows.mean(axis=0) for d, rows in below.items()}
    distance = np.array([np.max(np.abs(mean[d])) for d in mean])
    slope = np.polyfit(np.log(list(mean)), np.log(distance), 1)[0]
    assert -1.2 < slope < -0.4 and distance[-1] < 0.09
    assert np.max(np.abs(mean[96][9:])) < 0.5 * np.max(np.abs(mean[24][9:])) + 0.004
    assert_bias_is_one_over_d(moments, power=0.13)


def test_two_point_kernel_of_gaussian_draws_differs_from_the_theory_by_order_one_over_d() -> None:
    problem = rf.ScoreProblem(2.0, 3.0, 0.2, four([0.5, 1.5]), "erf")
    u = twin.parts(problem)
    couplings = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), u.population]
    z = np.array([-0.1, -1.0 + 0.5j, 0.5 + 0.5j, 2.0 + 1.0j, -3.0, 0.1j, 5.0 - 2.0j, -0.02])
    chosen = [(0, 0), (1, 2), (3, 6), (5, 4)]
    exact = np.array([[rf.two_point(problem, z, z, c).values[i, j] for c in couplings] for i, j in chosen]).ravel()

    def deviation(d: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng([d, seed])
        ratio = np.concatenate([twin.drawn_kernel(u, z[i], z[j], couplings, d, rng) for i, j in chosen]) / exact - 1.0
        return np.concatenate([ratio.real, ratio.imag])

    sizes = {16: 60, 32: 30, 64: 15}
    rows = {d: np.array([deviation(d, seed) for seed in range(seeds)]) for d, seeds in sizes.items()}
    assert_bias_is_one_over_d(rows, power=0.06)
    wrong = rf.ScoreProblem(3.0, 3.0, 0.2, four([0.5, 1.5]), "erf")  # half more data would be noticed
    other = (
        np.array([[rf.two_point(wrong, z, z, c).values[i, j] for c in couplings] for i, j in chosen]).ravel() / exact
        - 1.0
    )
    assert np.max(np.abs(other)) > 0.12


def test_one_realisation_printed_for_d_300_lies_within_its_bias() -> None:
    """One exact tanh draw at d = 300, psi_p = 8, psi_n = 2, t = 0.1: the difference is 0.6/d and -3.5/d at infinity."""
    cur = curves(rf.ScoreProblem(2.0, 8.0, 0.1), [0.1, 1.0, 10.0, 100.0, 1e3, 1e4, INF])
    train = np.array([0.995257, 0.958206, 0.810484, 0.691346, 0.509866, 0.477904, 0.477904])
    test = np.array([0.995256, 0.958336, 0.842922, 1.011376, 1.528388, 1.968567, 1.968958])
    assert np.all(np.abs(cur.train - train) < 1.5 / 300) and np.all(np.abs(cur.test - test) < 6.0 / 300)
    ratio = 100.0 * np.array([0.4844 - cur.train[-1], 1.9318 - cur.test[-1]])
    assert np.allclose(ratio, [0.85, -4.9], rtol=0.02)  # d = 100


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh, small t", "tanh, power law"])
def test_harder_problems_agree_at_larger_sizes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = {
        "tanh, small t": rf.ScoreProblem(2.0, 6.0, 0.01),
        "tanh, power law": rf.ScoreProblem(2.0, 3.0, 0.1, rf.PowerLaw(exponent=1.0, size=50)),
    }[name]
    monkeypatch.setitem(CASES, name, problem)
    monkeypatch.setitem(SIZES, "exact", {50: 24, 100: 12, 200: 6})
    assert_bias_is_one_over_d(loss_deviations(name, "exact", rf.loss_curves(problem, TAU)), power=0.05)
