"""The oracle's coefficients: closed forms against quadrature, and the table of the paper's setting."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mp

import rfscore as rf
from rfscore import oracle

# t, sigma_x^2, Delta_t, mu1, a, b, v2, s2, |sigma|^2 for tanh; eight decimals, from a 200-node Gauss-Hermite rule.
TANH = [
    (0.01, 1.0, 0.01980133, 0.60570551, 0.60570551, 0.08523318, 0.02554178, 0.00187355, 0.39429449),
    (0.1, 1.0, 0.18126925, 0.60570551, 0.60570551, 0.25788352, 0.01384145, 0.01357387, 0.39429449),
    (1.0, 1.0, 0.86466472, 0.60570551, 0.60570551, 0.5632295, 0.00005479, 0.02736053, 0.39429449),
    (0.1, 4.0, 0.18126925, 0.72059468, 0.38760744, 0.16502668, 0.07360942, 0.01952644, 0.61239256),
    (0.1, 0.25, 0.18126925, 0.47635185, 0.76676316, 0.32645499, 0.0008812, 0.00544456, 0.23323684),
]


@pytest.mark.parametrize("row", TANH)
def test_tanh_coefficients_agree_with_an_independent_gauss_hermite_table(row: tuple) -> None:
    t, variance, *expected = row
    co = oracle.coefficients(rf.ScoreProblem(1, 1, t, variance), dps=12)
    got = [float(x) for x in (co.delta, co.mu1, co.a, co.b, co.v2, co.s2, co.norm2)]
    np.testing.assert_allclose(got, expected, atol=6e-9)


@pytest.mark.parametrize(("name", "function"), [("erf", mpmath.erf), ("sin", mpmath.sin)])
@pytest.mark.parametrize("t", [1e-4, 2.0])
def test_closed_forms_agree_with_quadrature_of_the_same_function(name: str, function: object, t: float) -> None:
    problem = rf.ScoreProblem(1, 1, t, 1.3, activation=name)
    closed = oracle.coefficients(problem, dps=5)
    quadrature = oracle.coefficients(problem, dps=5, activation=function)
    with mp.workdps(30):
        for field in ("mu1", "v2", "s2", "norm2"):
            x, y = getattr(closed, field), getattr(quadrature, field)
            assert abs(x - y) <= 1e-20 * abs(x), field


@pytest.mark.slow
def test_relu_closed_form_agrees_with_quadrature_split_at_the_kink() -> None:
    problem = rf.ScoreProblem(1, 1, 0.3, 0.7, activation="relu")
    closed = oracle.coefficients(problem, dps=1)
    split = rf.Activation("ramp", lambda x: x if x > 0 else mp.mpf(0), kinks=(0.0,), centre=True)
    found = oracle.coefficients(rf.ScoreProblem(1, 1, 0.3, 0.7, activation=split), dps=1)
    for field in ("mean", "mu1", "v2", "s2"):
        x, y = getattr(closed, field), getattr(found, field)
        assert abs(x - y) <= 1e-8 * abs(x), field


@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "relu"])
def test_coefficients_add_up_to_the_second_moment(name: str) -> None:
    co = oracle.coefficients(rf.ScoreProblem(1, 1, 0.2, activation=name), dps=15)
    with mp.workdps(35):
        assert abs(co.mu1**2 + co.v2 + co.s2 - co.norm2) < mp.mpf(10) ** -20
    assert co.v2 > 0 and co.s2 > 0


def test_numpy_activation_is_refused_with_the_remedy() -> None:
    problem = rf.ScoreProblem(1, 1, 0.2, activation=lambda x: np.arctan(x))
    with pytest.raises(rf.InputError, match="pass activation="):
        oracle.coefficients(problem, dps=8)
    found = oracle.coefficients(problem, dps=8, activation=mpmath.atan)
    assert 0 < found.mu1 < 1


def test_activation_that_drops_digits_is_refused() -> None:
    import math

    problem = rf.ScoreProblem(1, 1, 0.2, activation=lambda x: math.atan(x))
    with pytest.raises(rf.InputError, match="16 digits"):
        oracle.coefficients(problem, dps=8)


def test_uncentred_activation_is_refused() -> None:
    problem = rf.ScoreProblem(1, 1, 0.2)
    with pytest.raises(rf.InputError, match="centre"):
        oracle.coefficients(problem, dps=8, activation=lambda x: mp.tanh(x) + mp.mpf(1) / 10)


def test_error_estimate_bounds_the_distance_to_a_more_precise_run() -> None:
    problem = rf.ScoreProblem(1, 1, 0.01, activation="erf")
    rough, fine = oracle.coefficients(problem, dps=10), oracle.coefficients(problem, dps=40)
    for field in ("mu1", "v2", "s2"):
        assert abs(getattr(rough, field) - getattr(fine, field)) <= rough.error * abs(getattr(fine, field))
    assert fine.error < mp.mpf(10) ** -45
