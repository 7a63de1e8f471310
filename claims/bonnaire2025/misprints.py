"""Formulas whose printed form fails: each check tries the printed and the corrected one on the same numbers.

The coefficients come from quadrature of their definitions, not from the package.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

import rfscore as rf
import rfscore.finite
from rfscore.validation.evidence import Comparison, below, more, near
from rfscore.validation.lab import EXTRAPOLATED, Lab, limit

T, VARIANCE = 0.3, 2.5  # sigma_x^2 far from 1, so that sigma_x and sigma_x^2 cannot be confused
DECAY, NOISE = math.exp(-2 * T), -math.expm1(-2 * T)


class Constants(NamedTuple):
    """mu_1, a, b, v^2, s^2, E sigma^2 and Gamma^2."""

    mu1: float
    a: float
    b: float
    v2: float
    s2: float
    norm2: float
    gamma2: float


@cache
def from_definitions(t: float, variance: float, nodes: int = 120) -> Constants:
    """Eqs 12-14 and 38-48 for tanh, by Gauss-Hermite products; nothing of the package is used."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    decay, delta = math.exp(-2 * t), -math.expm1(-2 * t)
    signal, noise = math.sqrt(decay * variance), math.sqrt(delta)
    gamma = math.sqrt(decay * variance + delta)
    field = np.tanh(signal * x[:, None] + noise * x[None, :])  # u down, v across
    mu1 = float(w @ (np.tanh(gamma * x) * x))
    norm2 = float(w @ np.tanh(gamma * x) ** 2)
    b = float(w @ field @ (w * x))
    a = float((w * x) @ field @ w) / signal
    common = float(w @ (field @ w) ** 2)
    v2 = common - a**2 * decay * variance
    return Constants(mu1, a, b, v2, norm2 - a**2 * decay * variance - v2 - b**2, norm2, gamma**2)


def coefficients(lab: Lab) -> list[Comparison]:
    """a, b, v^2, s^2 of the package against two-dimensional quadrature of their definitions."""
    found = []
    for t, variance in ((0.1, 1.0), (0.3, 2.5), (1.0, 0.25)):
        mine, theirs = from_definitions(t, variance), rf.coefficients(rf.ScoreProblem(1.0, 1.0, t, variance))
        off = max(abs(float(getattr(theirs, k)) / getattr(mine, k) - 1) for k in ("mu1", "a", "b", "v2", "s2"))
        found.append(near(f"largest relative difference, t = {t:g}, σ_x^2 = {variance:g}", off, 0.0, 1e-6, 1e-8,
                          "cancellation in the definitions"))  # fmt: skip
    return found


def gamma_square(lab: Lab) -> list[Comparison]:
    """Variance of one coordinate of x_t over e^{-2t} sigma_x^2 + Delta_t."""
    rng, count = lab.rng(901), 400_000
    x = math.sqrt(DECAY * VARIANCE) * rng.standard_normal(count) + math.sqrt(NOISE) * rng.standard_normal(count)
    value, error = DECAY * VARIANCE + NOISE, 2 * math.sqrt(2 / count)
    return [
        near("variance of a coordinate of x_t over Γ_t^2, Γ_t = e^-2t σ_x^2 + Δ_t", x.var() / value**2, 1.0, 0.02,
             error, "2 standard errors"),
        near("the same, Γ_t^2 = e^-2t σ_x^2 + Δ_t", x.var() / value, 1.0, 0.02, error, "2 standard errors",
             "corrected"),
    ]  # fmt: skip


def relaxation_time(lab: Lab) -> list[Comparison]:
    """A mode followed by Runge-Kutta steps of Eq 10 until it has fallen to 1/e^2."""
    lam, psi_p = 0.5, 8.0
    rate = lambda x: -2 * NOISE / psi_p * lam * x  # noqa: E731
    x, tau, h = 1.0, 0.0, 1e-3 * psi_p / (NOISE * lam)
    while x > math.exp(-2.0):
        k1 = rate(x)
        k2 = rate(x + 0.5 * h * k1)
        x, tau = x + h * k2, tau + h
    unit = psi_p / (NOISE * lam)
    return [
        near("τ at which the mode is e^-2, times ψ_p/(Δ_t λ)", tau * unit, 1.0, 0.02, 1e-3 * unit**2, "step size"),
        near("the same, times Δ_t λ/ψ_p", tau / unit, 1.0, 0.02, 1e-3, "step size", "corrected"),
    ]


def _gaussian_draw(lab: Lab, d: int, psi_n: float, psi_p: float) -> tuple[np.ndarray, np.ndarray, Constants]:
    """One U of Lemma C.1 written out, W/sqrt d, and the constants."""
    c, rng = from_definitions(T, VARIANCE), lab.rng(d, 902)
    n, p = round(psi_n * d), round(psi_p * d)
    w = rng.standard_normal((p, d)) / math.sqrt(d)
    g = c.a * math.exp(-T) * math.sqrt(VARIANCE) * w @ rng.standard_normal((d, n))
    g += math.sqrt(c.v2) * rng.standard_normal((p, n))
    return g @ g.T / n + c.b**2 * w @ w.T + c.s2 * np.eye(p), w, c


def traces_need_root_d(lab: Lab) -> list[Comparison]:
    """The last equation of Theorem 3.1, with r and s measured as printed and with W/sqrt d."""
    psi_n, psi_p, z = 2.0, 3.0, -0.05
    rows: dict[str, dict[int, float]] = {"printed": {}, "corrected": {}}
    for d in (60, 120, 240):
        u, w, c = _gaussian_draw(lab, d, psi_n, psi_p)
        inverse = np.linalg.inv(u - z * np.eye(len(u)))
        q, s = np.trace(inverse) / len(u), np.trace(w.T @ inverse @ w) / len(u)
        for form, scale in (("printed", d), ("corrected", 1)):
            r = VARIANCE * s * scale
            inner = 1 + psi_p / psi_n * (c.a**2 * DECAY * r + c.v2 * q)
            terms = [psi_p * (c.s2 - z), psi_p * c.v2 / inner, (1 - psi_p) / q, -s * scale / q**2]
            rows[form][d] = float(abs(sum(terms)) / max(map(abs, terms)))
    what = "last equation, relative residual of one draw at d = 240, {}"
    return [
        below(what.format("traces with W"), rows["printed"][240], 0.02),
        below(what.format("traces with W/√d"), rows["corrected"][240], 0.02, form="corrected"),
        more("residual with W/√d at d = 60: it shrinks like 1/d", rows["corrected"][60]),
    ]


def omega_columns(lab: Lab) -> list[Comparison]:
    """Fraction of eigenvalues at s_t^2 with Omega p x d as printed, and p x n: it must be 1 - (1 + psi_n)/psi_p."""
    d, psi_n, psi_p = 60, 2.0, 5.0
    u, w, c = _gaussian_draw(lab, d, psi_n, psi_p)
    omega = lab.rng(903).standard_normal((len(u), d))
    narrow = (c.a**2 * DECAY * VARIANCE + c.b**2) * w @ w.T + c.v2 / d * omega @ omega.T + c.s2 * np.eye(len(u))
    share = [float(np.mean(np.linalg.eigvalsh(m) < c.s2 * (1 + 1e-9))) for m in (narrow, u)]
    wanted = 1 - (1 + psi_n) / psi_p
    return [
        near("fraction of eigenvalues at s_t^2, Ω of d columns", share[0], wanted, 1e-9),
        near("the same, Ω of n columns", share[1], wanted, 1e-9, form="corrected"),
    ]


def unit_variance_only(lab: Lab) -> list[Comparison]:
    """a_t^2 = mu_1^2 and b_t^2 = Delta_t mu_1^2 at sigma_x^2 = 2.5; with 1/Gamma_t^2; and at sigma_x = 1."""
    c, one = from_definitions(T, VARIANCE), from_definitions(T, 1.0)
    return [
        near("a_t^2/μ_1^2 at σ_x^2 = 2.5", (c.a / c.mu1) ** 2, 1.0, 1e-6, 1e-9, "quadrature"),
        near("b_t^2/(Δ_t μ_1^2) at σ_x^2 = 2.5", c.b**2 / (NOISE * c.mu1**2), 1.0, 1e-6, 1e-9, "quadrature"),
        near("a_t^2 Γ_t^2/μ_1^2", c.a**2 * c.gamma2 / c.mu1**2, 1.0, 1e-6, 1e-9, "quadrature", "corrected"),
        near("b_t^2 Γ_t^2/(Δ_t μ_1^2)", c.b**2 * c.gamma2 / (NOISE * c.mu1**2), 1.0, 1e-6, 1e-9, "quadrature",
             "corrected"),
        near("a_t^2/μ_1^2 at σ_x = 1", (one.a / one.mu1) ** 2, 1.0, 1e-6, 1e-9, "quadrature", "corrected"),
    ]  # fmt: skip


def flow_exponent(lab: Lab) -> list[Comparison]:
    """Does A(tau) with the exponent of Eq 206 solve Eq 10? Relative defect of the equation, by central differences."""
    d, p, rng = 5, 15, lab.rng(904)
    f = rng.standard_normal((p, 40))
    u, v = f @ f.T / 40, rng.standard_normal((p, d))
    lam, e = np.linalg.eigh(u)

    def weights(tau: float, scale: float) -> np.ndarray:
        gain = -np.expm1(-2 * NOISE * lam * tau / scale) / lam
        return -math.sqrt(p / NOISE) * (v.T @ e * gain) @ e.T

    def defect(scale: float) -> float:
        tau, h = 0.7, 1e-5
        left = (weights(tau + h, scale) - weights(tau - h, scale)) / (2 * h)
        right = -2 * NOISE * d / p * weights(tau, scale) @ u - 2 * d * math.sqrt(NOISE / p) * v.T
        return float(np.abs(left - right).max() / np.abs(right).max())

    return [
        below("defect of Eq 10 with exp(−2Δ_t U τ/d)", defect(d), 1e-6, 1e-8, "finite differences"),
        below("defect with exp(−2Δ_t U τ/ψ_p)", defect(p / d), 1e-6, 1e-8, "finite differences", "corrected"),
    ]


def mehler_sum(lab: Lab) -> list[Comparison]:
    """Ratio of the joint to the product density of a Gaussian pair, from the Hermite sum begun at 1 and at 0."""
    from scipy.special import eval_hermitenorm

    rho, x, y = 0.4, 1 / 3, -0.75
    ratio = math.exp(-(rho**2 * (x * x + y * y) - 2 * rho * x * y) / (2 * (1 - rho**2))) / math.sqrt(1 - rho**2)
    terms = [rho**k / math.factorial(k) * eval_hermitenorm(k, x) * eval_hermitenorm(k, y) for k in range(60)]
    return [
        near("sum from s = 1, minus the density ratio", sum(terms[1:]) - ratio, 0.0, 1e-10, 1e-14, "roundoff"),
        near("sum from s = 0, minus the density ratio", sum(terms) - ratio, 0.0, 1e-10, 1e-14, "roundoff", "corrected"),
    ]


def replica_limit(lab: Lab) -> list[Comparison]:
    """(E Z^s - 1)/s for Z = 1 or e with equal odds, at large and small s, against E log Z = 1/2."""
    quotient = lambda s: 0.5 * math.expm1(s) / s  # noqa: E731
    return [
        near("(E Z^s − 1)/s at s = 10^2, minus E log Z", quotient(100.0) - 0.5, 0.0, 1e-3, 1e-9, "roundoff"),
        near("the same at s = 10^-4", quotient(1e-4) - 0.5, 0.0, 1e-3, 1e-9, "roundoff", "corrected"),
    ]


def score_error_dimension(lab: Lab) -> list[Comparison]:
    """Eq 218 for the zero score: the average over N(0, Gamma^2 I) in p or in d dimensions against 1/Gamma_t^2."""
    d, p, count, rng = 20, 60, 20_000, lab.rng(905)
    gamma2 = DECAY * VARIANCE + NOISE
    value = {m: (gamma2 * rng.standard_normal((count, m)) ** 2).sum(1).mean() / (d * gamma2**2) * gamma2
             for m in (p, d)}  # fmt: skip
    error = 2 * math.sqrt(2 / (count * d))
    return [
        near("Γ_t^2 E_score of the zero score, y of p dimensions", value[p], 1.0, 0.02, error, "2 standard errors"),
        near("the same, y of d dimensions", value[d], 1.0, 0.02, error, "2 standard errors", "corrected"),
    ]


def kl_bound(lab: Lab) -> list[Comparison]:
    """A case in which the bound is attained: N(0, 1) data, the score off by e^{-t}, the reverse equation integrated.

    The mean of the generated Gaussian solves dm/dt = m - 2 e^{-t} backward from a late time, its variance stays 1.
    """
    from scipy.integrate import quad, solve_ivp

    late = 20.0
    path = solve_ivp(lambda t, m: m - 2 * np.exp(-t), (late, 0.0), [0.0], rtol=1e-10, atol=1e-12)
    kl = 0.5 * float(path.y[0, -1]) ** 2
    integral = quad(lambda t: math.exp(-2 * t), 0, late)[0]
    return [
        below("KL(P|P̂) over (d/2) ∫ E_score dt", kl / (0.5 * integral), 1.0 + 1e-6, 1e-8, "integration"),
        below("KL(P|P̂) over d ∫ E_score dt", kl / integral, 1.0 + 1e-6, 1e-8, "integration", "corrected"),
    ]


def _pencil(lab: Lab) -> tuple[dict[str, float], Constants, float, float]:
    """zeta_1 ... zeta_3 measured in drawn matrices at d -> infinity (sigma_x = 1), and the largest relative error."""
    psi_n, psi_p, z, t = 2.0, 6.0, -0.05, T
    c, rows = from_definitions(t, 1.0), {}
    for d, count in {40: 24, 80: 12, 160: 4}.items():
        found = []
        for i in range(count):
            rng = lab.rng(d, 906, i)
            n, p = round(psi_n * d), round(psi_p * d)
            w = rng.standard_normal((p, d)) / math.sqrt(d)
            g = c.a * math.exp(-t) * w @ rng.standard_normal((d, n)) + math.sqrt(c.v2) * rng.standard_normal((p, n))
            inverse = np.linalg.inv(g @ g.T / n + c.b**2 * w @ w.T + (c.s2 - z) * np.eye(p))
            outside = 1.0 - np.sum(g * (inverse @ g)) / n**2  # 1/(1 + delta), by Sherman and Morrison
            found.append([np.trace(inverse) / p, outside, np.trace(w.T @ inverse @ w) / p])
        rows[d] = np.array(found)
    end = limit(rows)
    zeta = {"1": end.value[0], "2": end.value[1], "3": -math.exp(-t) * c.mu1 * psi_p * end.value[2]}
    weight = 1 + c.b**2 * psi_p * zeta["1"] + DECAY * c.mu1**2 * psi_p * zeta["1"] * zeta["2"]
    zeta["4"] = 1.0 / weight  # their fourth equation
    return zeta, c, float(np.max(end.error / abs(end.value))), z


def pencil_first(lab: Lab) -> list[Comparison]:
    """First pencil equation, with zeta_2 zeta_3 and with zeta_2 zeta_4."""
    zeta, c, error, z = lab.once("pencil", lambda: _pencil(lab))
    common = c.s2 - z + c.v2 * zeta["2"] + NOISE * c.mu1**2 * zeta["4"]
    values = [zeta["1"] * (common + DECAY * c.mu1**2 * zeta["2"] * zeta[k]) for k in ("3", "4")]
    return [
        near("left side of Eq 101 with ζ_2 ζ_3 (it must be 1)", values[0], 1.0, 0.02, 2 * error, EXTRAPOLATED),
        near("left side with ζ_2 ζ_4", values[1], 1.0, 0.02, 2 * error, EXTRAPOLATED, "corrected"),
    ]


def pencil_second(lab: Lab) -> list[Comparison]:
    """Second pencil equation, with v^2 psi_n and with v^2 psi_p."""
    zeta, c, error, _ = lab.once("pencil", lambda: _pencil(lab))
    shared = 2.0 - math.exp(-T) * c.mu1 * zeta["3"]
    values = [zeta["2"] * (shared + c.v2 * psi * zeta["1"]) / 2.0 for psi in (2.0, 6.0)]
    return [
        near("left over right side of Eq 102 with v_t^2 ψ_n", values[0], 1.0, 0.01, 2 * error, EXTRAPOLATED),
        near("the same with v_t^2 ψ_p", values[1], 1.0, 0.01, 2 * error, EXTRAPOLATED, "corrected"),
    ]
