"""Two-point kernel and loss curves of the oracle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mpmath import mp

import rfscore as rf
from rfscore import oracle
from rfscore.oracle.equivalence import model
from rfscore.oracle.onepoint import solve
from rfscore.oracle.two_point import feature_trace, population_coupling

TWO = rf.ScoreProblem(2, 8, 0.1, rf.Atoms([0.5, 1.5]), activation="erf")
PAIRS = [(1j, -2.0), (0.3 + 0.1j, 2 - 1j), (-1.0, -0.2), (0.5, 4 + 1e-3j)]
# Sigma = I, tanh, psi_n = 2, psi_p = 8, t = 0.1.
TABLE = {0.1: (0.995250, 0.995250), 1.0: (0.958144, 0.958281), 10.0: (0.810361, 0.842679), 100.0: (0.691070, 1.010166),
         1e3: (0.506919, 1.538114), 1e4: (0.475889, 1.980380), np.inf: (0.475889, 1.980536)}  # fmt: skip


@pytest.mark.parametrize(("z1", "z2"), PAIRS)
def test_identity_coupling_is_the_resolvent_identity(z1: complex, z2: complex) -> None:
    one, two = (8 * oracle.resolvent(TWO, z, dps=20).s for z in (z1, z2))
    found = oracle.kernel(TWO, z1, z2, dps=20, coupling=(1, 0, 0)).value
    assert abs(found - (one - two) / (mp.mpmathify(z1) - z2)) < mp.mpf(10) ** -18 * abs(found)


@pytest.mark.parametrize(("z1", "z2"), PAIRS)
def test_kernel_is_symmetric_and_commutes_with_conjugation(z1: complex, z2: complex) -> None:
    found, swapped = (oracle.kernel(TWO, *pair, dps=15).value for pair in ((z1, z2), (z2, z1)))
    assert abs(found - swapped) < mp.mpf(10) ** -14 * abs(found)
    if mp.im(z1) and mp.im(z2):
        turned = oracle.kernel(TWO, np.conj(z1), np.conj(z2), dps=15).value
        assert abs(mp.conj(found) - turned) < mp.mpf(10) ** -14 * abs(found)


@pytest.mark.parametrize("z", [-0.5, 0.0, 1 + 1j, 0.02 + 1e-3j])
def test_diagonal_kernel_is_minus_the_derivative_of_S_along_an_isotropic_coupling(z: complex) -> None:
    """Adding eps (k0 I + kWW W W^T/d) to U only moves s2 and b2, so dS/deps needs one-point solutions only."""
    with mp.workdps(45):
        m, eps = model(TWO, 45), mp.mpf(10) ** -15
        k0, k_ww = mp.mpf("0.7"), mp.mpf("1.3")

        def trace(sign: int) -> object:
            moved = replace(m, s2=m.s2 + sign * eps * k0, b2=m.b2 + sign * eps * k_ww)
            return feature_trace(moved, *solve(moved, mp.mpmathify(z))[:2])

        slope = (trace(1) - trace(-1)) / (2 * eps)
        found = oracle.kernel(TWO, z, z, dps=25, coupling=(k0, k_ww, 0)).value
        assert abs(found + slope) < mp.mpf(10) ** -20 * abs(found)


def test_every_term_of_the_coupling_agrees_with_one_large_draw() -> None:
    problem = rf.ScoreProblem(1, 2, 0.1, rf.Atoms([0.5, 1.5]), activation="erf")
    co = oracle.coefficients(problem, dps=15)
    d, rng = 300, np.random.default_rng(2)
    n, p = d, 2 * d
    w, lam = rng.standard_normal((p, d)) / np.sqrt(d), np.repeat([0.5, 1.5], d // 2)
    a, b2, v2, s2 = (float(x) for x in (co.a, co.b**2, co.v2, co.s2))
    g = a * np.exp(-0.1) * (w * np.sqrt(lam)) @ rng.standard_normal((d, n)) + np.sqrt(v2) * rng.standard_normal((p, n))
    values, vectors = np.linalg.eigh(g @ g.T / n + b2 * w @ w.T + s2 * np.eye(p))
    we = vectors.T @ w
    for z1, z2 in ((-0.2, -0.2), (-1.0, -0.05)):
        left, right = we / (values - z1)[:, None], we / (values - z2)[:, None]
        first, second = we.T @ left, we.T @ right
        blocks = np.trace(left.T @ right), np.trace(first @ second), np.trace((first * lam) @ second)
        for j, block in enumerate(blocks):
            found = float(oracle.kernel(problem, z1, z2, dps=10, coupling=tuple(float(i == j) for i in range(3))).value)
            assert abs(block / d - found) < 6 / d * abs(found)


def test_curves_reproduce_the_reference_table() -> None:
    problem = rf.ScoreProblem(2, 8, 0.1)
    for tau, (train, test) in TABLE.items():
        found = oracle.losses(problem, tau, dps=9)
        assert abs(found.train - train) < 6e-7 and abs(found.test - test) < 6e-7
        assert found.error < 1e-9


def test_untrained_network_has_loss_one_and_late_times_reach_the_limit() -> None:
    start, late, end = (oracle.losses(TWO, tau, dps=10) for tau in (0, 1e12, mp.inf))
    assert start.train == 1 and start.test == 1
    assert abs(late.train - end.train) < 1e-10 and abs(late.test - end.test) < 1e-10


@pytest.mark.parametrize("tau", [0.5, 300.0])
def test_error_estimate_of_a_rough_run_bounds_its_distance_to_a_fine_one(tau: float) -> None:
    rough, fine = (oracle.losses(TWO, tau, dps=dps) for dps in (4, 14))
    assert max(abs(rough.train - fine.train), abs(rough.test - fine.test)) <= rough.error < 1e-4


def test_small_times_follow_the_first_two_moments() -> None:
    """d/dtau of L_train at 0 is -(2 c/tau) b^2 S_0 with S_0 = psi_p, c = 2 Delta tau/psi_p."""
    with mp.workdps(30):
        m = model(TWO, 30)
        tau = mp.mpf(10) ** -6
        found = oracle.losses(TWO, tau, dps=18)
        slope = 4 * m.noise * m.b2
        assert abs((1 - found.train) / tau / slope - 1) < 1e-4
        assert abs((1 - found.test) / tau / slope - 1) < 1e-4
        assert population_coupling(m)[0] == m.v2 + m.s2


def test_negative_time_is_refused() -> None:
    with pytest.raises(rf.InputError, match=r"tau = -1.0: expected a training time in \[0, inf\]"):
        oracle.losses(TWO, -1.0)
