"""Coefficients of the Gaussian equivalent: identities, closed forms at 50 digits, the paper's table, honest errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp

import rfscore as rf
from rfscore import oracle, testing
from tests.theory.helpers import examples

TIMES = (1e-4, 1e-3, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0)
VARIANCES = (0.25, 1.0, 4.0)

# t, sigma_x^2, Delta_t, mu_1, a, b, v^2, s^2, |sigma|^2 for tanh, from a 200-node Gauss-Hermite rule: one unit in the
# eighth digit (s^2 of the sixth row is 0.002398483).
TABLE = [
    (0.01, 1.0, 0.01980133, 0.60570551, 0.60570551, 0.08523318, 0.02554178, 0.00187355, 0.39429449),
    (0.1, 1.0, 0.18126925, 0.60570551, 0.60570551, 0.25788352, 0.01384145, 0.01357387, 0.39429449),
    (1.0, 1.0, 0.86466472, 0.60570551, 0.60570551, 0.5632295, 0.00005479, 0.02736053, 0.39429449),
    (0.1, 4.0, 0.18126925, 0.72059468, 0.38760744, 0.16502668, 0.07360942, 0.01952644, 0.61239256),
    (0.1, 0.25, 0.18126925, 0.47635185, 0.76676316, 0.32645499, 0.0008812, 0.00544456, 0.23323684),
    (0.01, 4.0, 0.01980133, 0.7286089, 0.3670401, 0.05164885, 0.09969049, 0.00239849, 0.63295991),
    (0.01, 0.25, 0.01980133, 0.42158125, 0.81918215, 0.11527301, 0.0024225, 0.0006646, 0.18081785),
]


def closed_form(name: str, t: float, variance: float) -> dict[str, float]:
    """mu1, v2, s2 from E sigma(x) sigma(y) = K(Cov(x, y)) for x, y of variance Gamma^2, at 60 digits."""
    with mp.workdps(60):
        down, gamma2 = mp.exp(-2 * mp.mpf(t)), mp.exp(-2 * mp.mpf(t)) * mp.mpf(variance) - mp.expm1(-2 * mp.mpf(t))
        signal = down * mp.mpf(variance)
        if name == "erf":
            slope, k = 4 / mp.pi / (1 + 2 * gamma2), lambda c: 2 / mp.pi * mp.asin(2 * c / (1 + 2 * gamma2))
        elif name == "sin":
            slope, k = mp.exp(-gamma2), lambda c: mp.exp(-gamma2) * mp.sinh(c)
        else:

            def k(c: mp.mpf) -> mp.mpf:
                rho = c / gamma2
                return gamma2 / (2 * mp.pi) * (mp.sqrt(1 - rho**2) + rho * (mp.pi - mp.acos(rho)) - 1)

            slope = mp.mpf(1) / 4
        v2 = k(signal) - slope * signal
        s2 = (k(gamma2) - slope * gamma2) - v2
        return {"mu1": float(mp.sqrt(slope * gamma2)), "v2": float(v2), "s2": float(s2)}


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("name", ["erf", "sin", "relu"])
def test_closed_forms_are_met_to_twelve_digits_at_every_time(name: str, variance: float) -> None:
    for t in TIMES:
        co, exact = rf.coefficients(rf.ScoreProblem(1.0, 2.0, t, variance, name)), closed_form(name, t, variance)
        assert {key: float(getattr(co, key)) for key in exact} == pytest.approx(exact, rel=1e-12, abs=0.0)


@pytest.mark.parametrize(("t", "variance"), [(1e-4, 1.0), (0.03, 0.25), (0.7, 4.0), (5.0, 1.0)])
def test_tanh_matches_mpmath_to_twelve_digits(t: float, variance: float) -> None:
    problem = rf.ScoreProblem(1.0, 2.0, t, variance)
    co, exact = rf.coefficients(problem), oracle.coefficients(problem, dps=15)
    for name in ("mu1", "a", "b", "v2", "s2", "norm2"):
        assert float(getattr(co, name)) == pytest.approx(float(getattr(exact, name)), rel=1e-12, abs=0.0)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"t={row[0]},var={row[1]}")
def test_published_table_is_reproduced_to_all_its_digits(row: tuple[float, ...]) -> None:
    co = rf.coefficients(rf.ScoreProblem(1.0, 2.0, row[0], row[1]))
    found = [co.delta, co.mu1, co.a, co.b, co.v2, co.s2, co.norm2]
    assert np.allclose(found, row[2:], rtol=0.0, atol=1.1e-8)


@examples(40)
@given(testing.problems())
def test_stein_relations_hold_over_the_whole_domain(problem: rf.ScoreProblem) -> None:
    co, down = rf.coefficients(problem), np.exp(-2.0 * problem.t)
    signal = down * problem.population.variance
    assert co.delta == pytest.approx(-np.expm1(-2.0 * problem.t), rel=1e-15)
    assert co.gamma2 == pytest.approx(signal + co.delta, rel=1e-14)
    assert co.a * np.sqrt(co.gamma2) == pytest.approx(co.mu1, rel=1e-14)
    assert co.b == pytest.approx(np.sqrt(co.delta) * co.a, rel=1e-14)
    assert signal * co.a**2 + co.b**2 == pytest.approx(co.mu1**2, rel=1e-14)
    assert co.alpha2 == pytest.approx(down * co.a**2, rel=1e-14)
    assert co.norm2 == pytest.approx(co.mu1**2 + co.v2 + co.s2, rel=1e-14)
    assert co.v2 > 0 and co.s2 > 0 and co.error < 1e-12


@examples(15)
@given(st.floats(1e-4, 5.0), st.floats(0.1, 4.0), testing.activations())
def test_energy_of_the_activation_is_split_without_loss(t: float, variance: float, name: str) -> None:
    problem = rf.ScoreProblem(1.0, 2.0, t, variance, name)
    co = rf.coefficients(problem)
    z, w = np.polynomial.hermite_e.hermegauss(180)
    if name == "relu":  # half-line integrals of polynomials
        energy = 0.5 * co.gamma2 * (1.0 - 1.0 / np.pi)
    else:
        energy = (w * problem.activation(np.sqrt(co.gamma2) * z) ** 2).sum() / np.sqrt(2.0 * np.pi)
    assert co.norm2 == pytest.approx(energy, rel=1e-7 if name == "tanh" else 1e-12)


@pytest.mark.parametrize("name", ["erf", "sin", "relu"])
def test_reported_error_covers_the_achieved_one_at_every_scale(name: str) -> None:
    scales = (0.01, 1.0, 4.0) if name == "sin" else (0.01, 1.0, 4.0, 30.0, 100.0, 400.0)
    for variance in scales:
        for t in (1e-4, 0.05, 1.0):
            problem = rf.ScoreProblem(1.0, 2.0, t, variance, name)
            try:
                co = rf.coefficients(problem)
            except rf.InputError as refused:  # an honest refusal says what was reached
                assert "relative error" in str(refused) and variance >= 30.0
                continue
            exact = closed_form(name, t, variance)
            achieved = max(abs(float(getattr(co, key)) / exact[key] - 1.0) for key in ("v2", "s2"))
            assert achieved <= float(co.error), (variance, t)


@pytest.mark.slow
@pytest.mark.parametrize("variance", [25.0, 100.0])
def test_reported_error_of_tanh_covers_the_achieved_one_at_large_scale(variance: float) -> None:
    problem = rf.ScoreProblem(1.0, 2.0, 0.05, variance)
    co, exact = rf.coefficients(problem), oracle.coefficients(problem, dps=12)
    achieved = max(abs(float(getattr(co, key)) / float(getattr(exact, key)) - 1.0) for key in ("v2", "s2"))
    assert achieved <= float(co.error) + 1e-11


def test_users_callable_with_a_kink_is_integrated_when_the_kink_is_declared() -> None:
    leaky = rf.Activation("leaky", lambda x: np.where(x > 0, x, 0.25 * x), kinks=(0.0,), centre=True)
    co, relu = (rf.coefficients(rf.ScoreProblem(1.0, 2.0, 0.05, activation=a)) for a in (leaky, "relu"))
    # leaky = x/4 + (3/4) relu: the linear part changes mu1 alone
    assert co.v2 == pytest.approx(0.75**2 * relu.v2, rel=1e-11)
    assert co.s2 == pytest.approx(0.75**2 * relu.s2, rel=1e-11)
    assert co.mu1 == pytest.approx(0.25 * np.sqrt(co.gamma2) + 0.75 * relu.mu1, rel=1e-12)


def test_undeclared_kink_is_refused_or_its_error_is_stated() -> None:
    hidden = rf.Activation("hidden", lambda x: np.where(x > 0, x, 0.25 * x), centre=True)
    exact = rf.coefficients(rf.ScoreProblem(1.0, 2.0, 0.05, activation="relu"))
    try:
        co = rf.coefficients(rf.ScoreProblem(1.0, 2.0, 0.05, activation=hidden))
    except rf.InputError as refused:
        assert "kinks" in str(refused)
    else:
        assert abs(co.s2 / (0.75**2 * exact.s2) - 1.0) <= co.error


def test_smooth_callable_of_the_user_matches_mpmath() -> None:
    softsign = rf.Activation("softsign", lambda x: x / np.sqrt(1 + x * x))
    problem = rf.ScoreProblem(1.0, 2.0, 0.05, activation=softsign)
    exact = oracle.coefficients(problem, dps=15, activation=lambda x: x / mp.sqrt(1 + x * x))
    co = rf.coefficients(problem)
    for name in ("mu1", "v2", "s2"):
        assert abs(float(getattr(co, name)) / float(getattr(exact, name)) - 1.0) <= max(1e-12, float(co.error))


@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_non_linear_parts_scale_as_the_cube_of_small_time_and_of_large_noise(name: str) -> None:
    # Odd sigma: the first non-linear Hermite coefficient is the third, so v2 ~ e^{-6t}; s2 ~ t.
    co = {t: rf.coefficients(rf.ScoreProblem(1.0, 2.0, t, 1.0, name)) for t in (1e-4, 2e-4, 4.0, 5.0)}
    assert co[2e-4].s2 / co[1e-4].s2 == pytest.approx(2.0, rel=1e-3)
    assert np.log(co[4.0].v2 / co[5.0].v2) == pytest.approx(6.0, abs=1e-3)
