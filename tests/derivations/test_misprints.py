"""Misprints in the formulas of Bonnaire et al. 2025 (v2): the printed form fails, the corrected one holds.

Each test names the place; the corrected form is the one the package uses.
"""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from mpmath import mp

import rfscore as rf
from rfscore import oracle

RNG = np.random.default_rng(11)
T, VARIANCE = 0.3, 2.5  # sigma_x^2 far from 1, so that sigma_x and sigma_x^2 cannot be confused
DECAY, NOISE = np.exp(-2 * T), -np.expm1(-2 * T)


def draw(psi_n: float, psi_p: float, d: int) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """One Gaussian-equivalent U (Lemma C.1) for erf features, with W/sqrt d and its coefficients."""
    problem = rf.ScoreProblem(psi_n, psi_p, T, VARIANCE, "erf")
    co = oracle.coefficients(problem, dps=12)
    c = {"alpha2": float(co.a**2) * DECAY, "b2": float(co.b**2), "v2": float(co.v2), "s2": float(co.s2)}
    n, p = round(psi_n * d), round(psi_p * d)
    w, x = RNG.standard_normal((p, d)) / np.sqrt(d), np.sqrt(VARIANCE) * RNG.standard_normal((d, n))
    g = np.sqrt(c["alpha2"]) * w @ x + np.sqrt(c["v2"]) * RNG.standard_normal((p, n))
    return g @ g.T / n + c["b2"] * w @ w.T + c["s2"] * np.eye(p), w, c


def test_gamma_needs_its_square_in_the_main_text() -> None:
    """Main text: Gamma_t = e^{-2t} sigma_x^2 + Delta_t; the supplement has Gamma_t^2, the variance of a coordinate."""
    samples = np.sqrt(DECAY * VARIANCE) * RNG.standard_normal(400_000) + np.sqrt(NOISE) * RNG.standard_normal(400_000)
    value = DECAY * VARIANCE + NOISE
    noise = np.sqrt(2.0 / samples.size) * value  # standard error of a Gaussian variance
    assert abs(samples.var() - value) < 5 * noise
    assert abs(samples.var() - value**2) > 100 * noise


@pytest.mark.parametrize("lam", [0.02, 0.5, 8.0])
def test_relaxation_time_is_psi_p_over_delta_lambda_not_its_inverse(lam: float) -> None:
    """Main text: tau^{-1} = psi_p/(Delta_t lambda). Eq 10: mode lambda decays as exp(-2 Delta_t lambda tau/psi_p)."""
    d, p = 50, 400
    psi_p = p / d
    start, step, steps = 1.0, 1e-3 * psi_p / (NOISE * lam), 500
    for _ in range(steps):  # midpoint rule for dA/dtau = -2 Delta_t (d/p) lambda A
        half = start - 0.5 * step * 2 * NOISE * d / p * lam * start
        start -= step * 2 * NOISE * d / p * lam * half
    tau = step * steps
    assert np.exp(-2 * tau * NOISE * lam / psi_p) == pytest.approx(start, rel=1e-5)
    assert abs(np.exp(-2 * tau * psi_p / (NOISE * lam)) - start) > 0.1


def test_r_and_s_of_theorem_3_1_need_w_over_sqrt_d() -> None:
    """Theorem 3.1 prints r, s = (1/p) Tr with bare W: they are d times too large for its own equations."""
    d, psi_n, psi_p, z = 200, 2.0, 3.0, -0.05
    u, w, c = draw(psi_n, psi_p, d)
    p = u.shape[0]
    inverse = np.linalg.inv(u - z * np.eye(p))
    q, s = np.trace(inverse) / p, np.trace(w.T @ inverse @ w) / p

    def last_equation(r: float, s: float) -> float:
        bracket = 1 + psi_p / psi_n * (c["alpha2"] * r + c["v2"] * q)
        terms = [psi_p * (c["s2"] - z), psi_p * c["v2"] / bracket, (1 - psi_p) / q, -s / q**2]
        return abs(sum(terms)) / max(map(abs, terms))

    assert last_equation(VARIANCE * s, s) < 10 / d
    assert last_equation(d * VARIANCE * s, d * s) > 1 - 10 / d


def test_omega_of_lemma_c_1_has_one_column_per_sample() -> None:
    """Lemma C.1 prints Omega as p x d: it cannot be added to W X' (p x n) and would leave the wrong atom."""
    d, psi_n, psi_p = 100, 2.0, 5.0
    u, w, c = draw(psi_n, psi_p, d)
    n, p = round(psi_n * d), round(psi_p * d)
    with pytest.raises(ValueError, match="broadcast"):
        w @ RNG.standard_normal((d, n)) + RNG.standard_normal((p, d))
    at_floor = np.sum(np.linalg.eigvalsh(u) < c["s2"] * (1 + 1e-9)) / p
    assert at_floor == pytest.approx(1 - (1 + psi_n) / psi_p, abs=1e-12)  # n + d directions are not at s2
    narrow = c["alpha2"] * w @ w.T + c["v2"] / n * (o := RNG.standard_normal((p, d))) @ o.T + c["s2"] * np.eye(p)
    printed = np.sum(np.linalg.eigvalsh(narrow) < c["s2"] * (1 + 1e-9)) / p
    assert printed > at_floor + 0.1


def test_population_matrix_needs_one_over_gamma_squared() -> None:
    """Eq 81 (Lemma C.2): mu_1^2 W Sigma_t W^T/d lacks 1/Gamma_t^2; Eq 85 has it. Trace: (1/p) Tr U~ = E sigma^2."""
    co = oracle.coefficients(rf.ScoreProblem(1, 1, T, VARIANCE, "erf"), dps=20)
    with mp.workdps(30):
        residual, trace_w = co.norm2 - co.mu1**2, co.gamma2  # (1/p) Tr W Sigma_t W^T/d = Gamma_t^2
        assert abs(co.mu1**2 / co.gamma2 * trace_w + residual - co.norm2) < mp.mpf(10) ** -18
        assert abs(co.mu1**2 * trace_w + residual - co.norm2) > 0.3


@pytest.mark.parametrize(("variance", "holds"), [(1.0, True), (VARIANCE, False), (0.25, False)])
def test_a_equals_mu_1_only_for_unit_variance(variance: float, holds: bool) -> None:
    """SM C.5-C.6 use a_t^2 = mu_1^2 and b_t^2 = Delta_t mu_1^2: true only where Gamma_t = 1, i.e. sigma_x = 1."""
    problem = rf.ScoreProblem(1, 1, T, variance, "erf")
    co = oracle.coefficients(problem, dps=20)
    with mp.workdps(30):
        # From the definitions: E[erf(x) u] = sd_u E[erf'(x)], erf'(x) Gaussian: 2/sqrt(pi (1 + 2 Gamma^2)).
        slope = 2 / mp.sqrt(mp.pi * (1 + 2 * co.gamma2))
        assert abs(slope**2 - co.a**2) < mp.mpf(10) ** -18
        assert abs(co.delta * slope**2 - co.b**2) < mp.mpf(10) ** -18
        assert (abs(co.mu1**2 - co.a**2) < mp.mpf(10) ** -15) is holds
        assert (abs(co.delta * co.mu1**2 - co.b**2) < mp.mpf(10) ** -15) is holds
        other = co.mu1**2 / mp.mpf(variance)  # the other form found in SM C.5
        assert (abs(other - co.a**2) < mp.mpf(10) ** -15) is holds


def test_exponent_of_eq_206_is_over_psi_p_not_d() -> None:
    """Eq 206 prints exp(-2 Delta_t U tau/d); Eq 53 and the flow of Eq 10 need exp(-2 Delta_t U tau/psi_p)."""
    d, p = 4, 12
    features = RNG.standard_normal((p, 30))
    u, v = features @ features.T / 30, RNG.standard_normal((p, d))
    lam, vectors = np.linalg.eigh(u)

    def weights(tau: float, scale: float) -> np.ndarray:
        gain = -np.expm1(-2 * NOISE * lam * tau / scale) / lam
        return -np.sqrt(p) / np.sqrt(NOISE) * (v.T @ vectors * gain) @ vectors.T

    def defect(scale: float) -> float:
        tau, h = 0.7, 1e-5
        slope = (weights(tau + h, scale) - weights(tau - h, scale)) / (2 * h)
        right = -2 * NOISE * d / p * weights(tau, scale) @ u - 2 * d * np.sqrt(NOISE) / np.sqrt(p) * v.T
        return float(np.abs(slope - right).max() / np.abs(right).max())

    assert defect(p / d) < 1e-7
    assert defect(d) > 0.1


def test_mehler_sum_of_eq_61_starts_at_zero() -> None:
    """Eq 61 starts its Hermite sum at s = 1: without s = 0 the joint density of a Gaussian pair has no mass."""
    rho, x, y = sympy.Rational(2, 5), sympy.Rational(1, 3), -sympy.Rational(3, 4)
    ratio = sympy.exp(-(rho**2 * (x**2 + y**2) - 2 * rho * x * y) / (2 * (1 - rho**2))) / sympy.sqrt(1 - rho**2)

    def he(k: int, at: sympy.Rational) -> sympy.Expr:
        return 2 ** (-sympy.Rational(k, 2)) * sympy.hermite(k, at / sympy.sqrt(2))

    terms = [sympy.N(rho**k / sympy.factorial(k) * he(k, x) * he(k, y), 40) for k in range(90)]
    assert abs(sum(terms) - sympy.N(ratio, 40)) < 1e-30
    assert abs(sum(terms[1:]) - sympy.N(ratio, 40)) == pytest.approx(1.0)


def test_replica_number_goes_to_zero_not_to_infinity() -> None:
    """The replica limit is printed s -> infinity; (E Z^s - 1)/s tends to E log Z for s -> 0."""
    s, a = sympy.symbols("s a", positive=True)
    moment = (1 + sympy.exp(a * s)) / 2  # Z is 1 or e^a with equal probability
    quotient = (moment - 1) / s
    assert sympy.limit(quotient, s, 0) == a / 2
    assert sympy.limit(quotient.subs(a, 1), s, sympy.oo) == sympy.oo


def test_score_error_of_eq_218_averages_over_d_dimensions() -> None:
    """Eq 218 averages over y ~ N(0, Gamma_t^2 I_p), but a score acts on R^d: the zero score has error 1/Gamma_t^2."""
    d, p = 30, 90
    gamma2 = DECAY * VARIANCE + NOISE
    exact = 1 / gamma2
    error = {}
    for size in (d, p):
        y = np.sqrt(gamma2) * RNG.standard_normal((20_000, size))
        error[size] = (y**2).sum(axis=1).mean() / (d * gamma2**2)
    assert error[d] == pytest.approx(exact, rel=5 * np.sqrt(2 / (20_000 * d)))
    assert error[p] == pytest.approx(p / d * exact, rel=0.01)
    # and the denoising identity of Eq 218 with L_test = 1 holds for the d-dimensional average only
    for size, holds in ((d, True), (p, False)):
        assert bool(abs((1 - NOISE / gamma2) + NOISE * error[size] - 1) < 0.01) is holds


def test_kl_bound_of_eq_219_is_a_factor_two_too_small_for_this_noise() -> None:
    """Eq 219 prints (d/2) int E_score dt. With dB = sqrt 2 Wiener the bound is d int E_score dt, and it is attained.

    N(0, 1) data in one dimension with the score off by e^{-t}: the mean ends off by one, KL = 1/2 = int e^{-2t} dt.
    """
    t = sympy.Symbol("t", positive=True)
    # Backward in time the drift is x + 2 s, s = -x + e^{-t}: dm/dt = m - 2 e^{-t} in forward time t, m(infinity) = 0.
    solution = sympy.exp(-t)
    assert sympy.simplify(sympy.diff(solution, t) - (solution - 2 * sympy.exp(-t))) == 0
    assert sympy.limit(solution, t, sympy.oo) == 0
    kl = solution.subs(t, 0) ** 2 / 2  # unit variances
    score_error = sympy.integrate(sympy.exp(-2 * t), (t, 0, sympy.oo))
    assert kl <= score_error
    assert not kl <= score_error / 2


def test_pencil_equation_carries_psi_p_in_its_second_line() -> None:
    """SM Eq 102: zeta_2 (psi_n + v_t^2 psi_p zeta_1 - e^{-t} mu_1 zeta_3) = psi_n; a copy prints v_t^2 psi_n."""
    problem = rf.ScoreProblem(2, 5, T, 1.0, "erf")
    co, point = oracle.coefficients(problem, dps=20), oracle.resolvent(problem, -0.3, dps=20)
    with mp.workdps(30):
        zeta1, zeta2 = point.q, 1 / (1 + point.delta)
        zeta3 = -mp.exp(-mp.mpf(T)) * co.mu1 * 5 * point.r
        common = 2 - mp.exp(-mp.mpf(T)) * co.mu1 * zeta3
        assert abs(zeta2 * (common + co.v2 * 5 * zeta1) - 2) < mp.mpf(10) ** -17
        assert abs(zeta2 * (common + co.v2 * 2 * zeta1) - 2) > 1e-3
