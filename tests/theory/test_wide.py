"""The wide limit psi_p = infinity: the limit of large widths, the printed formulas, and drawn sample covariances."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from rfscore.theory.sample_law import sample_law
from tests.reference import wide_twins

INF = float("inf")
TAU = np.array([0.3, 3.0, 30.0, 300.0, 1e4, INF])


@pytest.mark.parametrize("psi_n", [0.02, 0.5, 0.999, 1.0, 3.0, 1e4])
def test_law_of_the_sample_covariance_is_marchenko_pastur(psi_n: float) -> None:
    law = sample_law(psi_n, np.ones(1), np.ones(1))
    moments = [float(law.mean(law.x**k, np.array(0.0))) for k in (1, 2, 3)]
    np.testing.assert_allclose(moments, [1, 1 + 1 / psi_n, 1 + 3 / psi_n + psi_n**-2.0], rtol=1e-11)
    np.testing.assert_allclose(law.edges, [[(1 - psi_n**-0.5) ** 2, (1 + psi_n**-0.5) ** 2]], rtol=1e-9, atol=1e-15)
    assert law.atom[0] == pytest.approx(max(0.0, 1 - psi_n), abs=1e-12)
    s = 1e-3
    twin = wide_twins.marchenko_pastur(psi_n, lambda x: 1 / (x + s))
    assert float(law.mean(1 / (law.x + s), np.array(1 / s))) == pytest.approx(twin, rel=1e-8)


@pytest.mark.parametrize("psi_n", [0.3, 2.0, 40.0])
def test_law_of_each_direction_solves_the_fixed_point(psi_n: float) -> None:
    lam, w = np.array([0.0, 0.4, 1.0, 6.0]), np.array([0.1, 0.3, 0.35, 0.25])
    law = sample_law(psi_n, lam, w)
    np.testing.assert_allclose(law.weights @ law.x, lam, atol=1e-10)
    s, mu = -0.05, 0.0
    for _ in range(20000):
        mu = 0.5 * (mu + float((w * lam / (lam / (1 + mu) - s)).sum()) / psi_n)
    found = law.weights @ (1 / (law.x - s)) + law.atom / -s
    np.testing.assert_allclose(found, 1 / (lam / (1 + mu) - s), rtol=1e-10)


@pytest.mark.parametrize(
    ("psi_n", "t", "covariance"),
    [(3.0, 0.1, 1.0), (0.5, 0.3, 1.0), (2.0, 0.01, rf.Atoms([0.5, 1.5])), (2.0, 0.1, rf.Atoms([0.0, 1.0], [0.3, 0.7]))],
)  # fmt: skip
def test_losses_are_the_limit_of_wide_networks_at_the_rate_of_one_over_psi_p(
    psi_n: float, t: float, covariance: rf.Covariance | float
) -> None:
    wide = rf.loss_curves(rf.ScoreProblem(psi_n, INF, t, covariance), TAU)
    off = []
    for psi_p in (1e3, 1e4):
        found = rf.loss_curves(rf.ScoreProblem(psi_n, psi_p, t, covariance), TAU)
        off.append([abs(found.train - wide.train).max(), abs(found.test / wide.test - 1).max()])
    rates = np.log10(np.array(off[0]) / np.array(off[1]))
    np.testing.assert_allclose(rates, 1.0, atol=0.05)
    assert np.max(off[1]) < 0.01


@pytest.mark.parametrize(("psi_n", "tau"), [(0.5, 20.0), (3.0, 5.0), (3.0, 2000.0)])
def test_losses_are_the_printed_theorem(psi_n: float, tau: float) -> None:
    problem = rf.ScoreProblem(psi_n, INF, 0.2)
    co = rf.coefficients(problem)
    found = rf.loss_curves(problem, [tau])
    twin = wide_twins.losses(psi_n, 0.2, tau, float(co.a), float(co.v2))
    np.testing.assert_allclose([found.train[0], found.test[0]], twin, rtol=1e-8)


@pytest.mark.parametrize("n", [150, 900])
def test_losses_are_those_of_a_drawn_sample_covariance(n: int) -> None:
    sigma = np.repeat([0.25, 2.0], [200, 100])
    problem = rf.ScoreProblem(n / 300, INF, 0.1, rf.Atoms([0.25, 2.0], [2 / 3, 1 / 3]))
    co = rf.coefficients(problem)
    numbers = (float(co.a), float(co.b), float(co.v2), float(co.alpha2))
    for tau in (3.0, 100.0, 3000.0):
        found = rf.loss_curves(problem, [tau])
        twin = wide_twins.drawn_losses(sigma, n, numbers, float(co.delta), 0.1, tau, 0)
        np.testing.assert_allclose([found.train[0], found.test[0]], twin, rtol=4 / 300)


@pytest.mark.parametrize("psi_n", [0.1, 2.0, 8.0])
def test_plateau_of_the_test_loss_does_not_depend_on_the_samples(psi_n: float) -> None:
    curves = rf.loss_curves(rf.ScoreProblem(psi_n, INF, 0.1, rf.Atoms([0.5, 2.0])), [0.0, INF])
    np.testing.assert_allclose(curves.test, [1.0, 1.25 * math.exp(-0.2) / -math.expm1(-0.2)], rtol=1e-11)
    np.testing.assert_allclose(curves.train, [1.0, 0.0], atol=1e-11)


def test_lowest_bulk_in_closed_form() -> None:
    problem = rf.ScoreProblem(2.0, INF, 0.1)
    co, spec = rf.coefficients(problem), rf.wide_spectrum(problem)
    d, h = float(co.delta), float(co.v2 / co.a**2) / 2
    total = np.exp(-0.2) * np.array([(1 + 0.5**0.5) ** 2, (1 - 0.5**0.5) ** 2]) + d + h
    np.testing.assert_allclose(spec.edges[0], co.a**2 * 2 * d * h / (total + np.sqrt(total**2 - 4 * d * h)), rtol=1e-11)
    np.testing.assert_allclose(1e4 * spec.edges[0] + co.s2, [4.86707, 48.81459], atol=6e-6)
    exact = rf.spectrum(rf.ScoreProblem(2.0, 1e4, 0.1)).edges[0]
    np.testing.assert_allclose(exact, [4.86479, 48.80018], atol=6e-6)
    nodes, weights = spec.rule()
    trace = co.alpha2 + co.b**2 + co.v2
    assert nodes @ weights == pytest.approx(trace, rel=1e-10)
    assert weights.sum() == pytest.approx(3.0, rel=1e-10)


def test_times_are_those_of_wide_networks() -> None:
    for psi_n in (0.5, 3.0):
        wide, near = (rf.timescales(rf.ScoreProblem(psi_n, p, 0.1)) for p in (INF, 1e4))
        for name in ("tau_gen_scale", "tau_mem_edge", "tau_last_edge", "tau_mem_law"):
            assert getattr(wide, name) == pytest.approx(getattr(near, name), rel=0.05), name
    best = [rf.curve_times(rf.ScoreProblem(3.0, p, 0.1)) for p in (INF, 1e4)]
    assert best[0].tau_opt.value == pytest.approx(best[1].tau_opt.value, rel=1e-3)
    assert best[0].tau_half.value == pytest.approx(best[1].tau_half.value, rel=1e-2)


def test_what_is_not_served_at_infinite_width_is_refused_with_the_remedy() -> None:
    wide = rf.ScoreProblem(2.0, INF, 0.1)
    calls = [
        lambda: rf.spectrum(wide), lambda: rf.resolvent(wide, -1.0), lambda: rf.two_point(wide, -1.0, -2.0),
        lambda: rf.bulk_curves(wide, [1.0]), lambda: rf.decomposition(wide, [1.0]), lambda: rf.large_psi_law(wide),
        lambda: rf.largest_step(wide), lambda: rf.loss_curves(wide, [1], training=rf.Descent(1.0)),
        lambda: rf.finite.draw(wide, 10), lambda: rf.wide_spectrum(wide.replace(psi_p=3.0)),
        lambda: rf.loss_curves(wide.replace(ridge=0.1), [1.0]), lambda: rf.timescales(wide.replace(noise_draws=2)),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(rf.InputError, match=r"psi_p"):
            call()
    with pytest.raises(rf.InputError, match="inf"):
        rf.ScoreProblem(2.0, -INF, 0.1)
