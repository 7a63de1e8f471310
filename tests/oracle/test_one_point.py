"""One-point equations of the oracle: the paper's printed system, limits, branch, finite draws."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp

import rfscore as rf
from rfscore import oracle
from rfscore.oracle.equivalence import Model
from rfscore.oracle.onepoint import solve, traces

CASES = [
    rf.ScoreProblem(8, 64, 0.01, activation="erf"),
    rf.ScoreProblem(2, 8, 0.1, rf.Atoms([0.5, 1.5]), activation="sin"),
    rf.ScoreProblem(0.05, 3.0, 2.0, rf.Atoms([0.0, 0.2, 4.0], [0.3, 0.3, 0.4]), activation="relu"),
    rf.ScoreProblem(1e4, 0.02, 1e-4, activation="erf"),
    rf.ScoreProblem(0.02, 1e4, 5.0, rf.Atoms([1e-3, 1e3]), activation="erf"),
]
POINTS = [1j, -2.0, 0.3 + 1e-6j, -0.5 - 2j, 1e-4 + 1e-9j]


def printed_residual(problem: rf.ScoreProblem, point: oracle.OnePoint) -> float:
    """Theorem 3.1 as printed (with W/sqrt d in r and s): the largest of its residuals, relative."""
    co = oracle.coefficients(problem, dps=25)
    nodes, weights = problem.population.quadrature()
    psi_n, psi_p, decay = mp.mpf(problem.psi_n), mp.mpf(problem.psi_p), mp.exp(-2 * mp.mpf(problem.t))
    q, r, s, z = point.q, point.r, point.s, point.z
    a2, v2, b2 = co.a**2, co.v2, co.b**2
    bracket = 1 + a2 * decay * psi_p / psi_n * r + psi_p * v2 / psi_n * q
    s_hat, r_hat = b2 * psi_p + 1 / q, psi_p * a2 * decay / bracket
    terms = [psi_p * (co.s2 - z), psi_p * v2 / bracket, (1 - psi_p) / q, -s / q**2]
    s_int = mp.fsum(float(w) / (s_hat + float(x) * r_hat) for x, w in zip(nodes, weights, strict=True))
    r_int = mp.fsum(float(x) * float(w) / (s_hat + float(x) * r_hat) for x, w in zip(nodes, weights, strict=True))
    last = abs(sum(terms)) / max(abs(x) for x in terms)
    return float(max(abs(s_int / s - 1), abs(r_int / r - 1), last))


@pytest.mark.parametrize("z", POINTS)
@pytest.mark.parametrize("problem", CASES, ids=range(len(CASES)))
def test_solution_satisfies_theorem_3_1_with_signs_of_a_stieltjes_transform(
    problem: rf.ScoreProblem, z: complex
) -> None:
    with mp.workdps(30):
        point = oracle.resolvent(problem, z, dps=20)
        assert printed_residual(problem, point) < 1e-15
        side = mp.sign(mp.im(point.z))
        if side:
            for value in (point.q, point.delta, point.r, point.s):
                assert side * mp.im(value) > 0
                assert side * mp.im(point.z * value) > -(mp.mpf(10) ** -18) * abs(point.z * value)


def test_pure_noise_features_give_marchenko_pastur() -> None:
    """alpha2 = b = 0, psi_n < psi_p: v2 Omega Omega^T/n + s2, whose resolvent is the root of a quadratic."""
    with mp.workdps(40):
        one, ratio = mp.mpf(1), mp.mpf(3)
        m = Model(2 * one, 2 * ratio, 0 * one, 0 * one, one / 3, one / 7, one / 2, one / 2, (one,), (one,))
        for z in (mp.mpc(1, 2), mp.mpf(-1), mp.mpf("0.9")):
            w, delta, status = solve(m, z)
            q = traces(m, w, delta)["q"]
            # v2/(1 + ratio v2 q) + s2 - z = 1/q
            assert abs(m.v2 / (1 + ratio * m.v2 * q) + m.s2 - z - 1 / q) < mp.mpf(10) ** -35
            assert status == ("bulk" if z == mp.mpf("0.9") else "gap" if mp.im(z) == 0 else "upper half-plane")


@pytest.mark.parametrize("problem", CASES[:3], ids=range(3))
def test_real_point_is_the_limit_from_above(problem: rf.ScoreProblem) -> None:
    for lam in (0.05, 0.7, 3.0, -1.0):
        on, above = (oracle.resolvent(problem, z, dps=25) for z in (lam, mp.mpc(lam, mp.mpf(10) ** -14)))
        assert abs(on.q - above.q) < 1e-10 * abs(on.q)


def test_conjugate_points_give_conjugate_values() -> None:
    up, down = (oracle.resolvent(CASES[1], z, dps=15) for z in (0.4 + 0.3j, 0.4 - 0.3j))
    assert up.q == mp.conj(down.q) and up.s == mp.conj(down.s)


def test_far_away_the_moments_appear() -> None:
    problem = CASES[1]
    co, z = oracle.coefficients(problem, dps=20), mp.mpf(-(10**8))
    point = oracle.resolvent(problem, z, dps=30)
    assert abs(-z * point.q - 1 - co.norm2 / z) < 100 / abs(z) ** 2


def test_edges_and_atom_are_refused_instead_of_returned() -> None:
    problem = rf.ScoreProblem(2, 8, 0.1, activation="erf")
    with pytest.raises(rf.SolveError, match="atom"):
        oracle.resolvent(problem, oracle.coefficients(problem, dps=40).s2, dps=20)


def test_density_is_exactly_zero_in_a_gap_and_positive_in_a_bulk() -> None:
    problem = rf.ScoreProblem(2, 8, 0.1, activation="erf")
    assert oracle.density(problem, 0.4).value == 0
    assert oracle.density(problem, 2.0).value > 0.01


def test_traces_agree_with_one_large_draw_of_the_gaussian_equivalent() -> None:
    problem = rf.ScoreProblem(2, 3, 0.2, rf.Atoms([0.5, 1.5]), activation="erf")
    co = oracle.coefficients(problem, dps=15)
    d, rng = 400, np.random.default_rng(5)
    n, p = 2 * d, 3 * d
    w, lam = rng.standard_normal((p, d)) / np.sqrt(d), np.repeat([0.5, 1.5], d // 2)
    a, b2, v2, s2 = (float(x) for x in (co.a, co.b**2, co.v2, co.s2))
    g = a * np.exp(-0.2) * (w * np.sqrt(lam)) @ rng.standard_normal((d, n)) + np.sqrt(v2) * rng.standard_normal((p, n))
    u = g @ g.T / n + b2 * w @ w.T + s2 * np.eye(p)
    for z in (-0.1, 0.5 + 0.2j):
        inverse = np.linalg.inv(u - z * np.eye(p))
        got = np.trace(inverse) / p, np.trace(w.T @ inverse @ w) / p, np.trace((w * lam).T @ inverse @ w) / p
        point = oracle.resolvent(problem, z, dps=10)
        for x, y in zip(got, (point.q, point.s, point.r), strict=True):
            assert abs(x - complex(y)) < 6 / d * abs(x)  # fluctuations of linear statistics are O(1/d)
