"""George, Veiga, Macris 2025 and Urfin, Bonnaire, Biroli, Mezard 2026, at infinitely many noise draws and tau = inf.

Their closed formula is solved here on its own, with scipy, from its two scalar equations.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from scipy import optimize

import rfscore as rf
import rfscore.finite
from claims.bonnaire2025.misprints import from_definitions
from claims.bonnaire2025.spectrum import DRAWS, SMALL
from rfscore import observables as ob
from rfscore.errors import SolveError
from rfscore.validation.evidence import Comparison, above, below, near
from rfscore.validation.lab import EXTRAPOLATED, TAU, Lab, limit, one_digit, slope


def closed_form(psi_n: float, psi_p: float, t: float) -> tuple[float, float, float]:
    """(L_train, L_test, bias) at tau = inf by Prop C.5 of the 2026 paper, Sigma = I, derivatives by differences.

    1/r + psi_p zeta = 1/q + mu_1^2 psi_p e^-2t/L + psi_p mu_1^2 Delta_t,
    psi_p z = (1 - psi_p)/q - r/q^2 + psi_p v_t^2/L + psi_p s_t^2,  L = 1 + (psi_p/psi_n)(mu_1^2 e^-2t r + v_t^2 q).
    """
    c, decay, noise = from_definitions(t, 1.0, 240), math.exp(-2 * t), -math.expm1(-2 * t)
    mu2 = c.mu1**2

    def equations(x: np.ndarray, z: float, zeta: float) -> list[float]:
        q, r = np.exp(x)
        inner = 1 + psi_p / psi_n * (mu2 * decay * r + c.v2 * q)
        return [
            (1 / r + psi_p * zeta - 1 / q - mu2 * psi_p * decay / inner - psi_p * mu2 * noise) * r,
            (psi_p * z - (1 - psi_p) / q + r / q**2 - psi_p * c.v2 / inner - psi_p * c.s2) * q / psi_p,
        ]

    start = np.log([1e-5, 1e-5])  # q = r = -1/z far left of the spectrum
    for far in np.geomspace(1e5, 1e-10, 90):  # and from there to z = 0
        start = _root(equations, start, -far, 0.0)

    def r_at(z: float, zeta: float) -> float:
        return float(np.exp(_root(equations, start, z, zeta)[1]))

    step_z, step_zeta = 1e-4 * c.s2, 1e-4 * c.s2 / psi_p
    by_z = (r_at(step_z, 0.0) - r_at(-step_z, 0.0)) / (2 * step_z)
    by_zeta = (r_at(0.0, step_zeta) - r_at(0.0, -step_zeta)) / (2 * step_zeta)
    r = r_at(0.0, 0.0)
    test = 1 - 2 * mu2 * noise * psi_p * r + mu2 * psi_p * noise * (mu2 * by_zeta + (c.v2 + c.s2) * by_z)
    return 1 - mu2 * psi_p * noise * r, test, 1 - mu2 * psi_p * r


def _root(equations: Callable, start: np.ndarray, z: float, zeta: float) -> np.ndarray:
    """A verified root."""
    found = optimize.root(equations, start, (z, zeta), tol=1e-14)
    worst = float(np.max(np.abs(found.fun)))
    if not worst < 1e-10:
        raise SolveError(f"closed form at z = {z:.3g}: residual {worst:.1e}; refine the path to z = 0")
    return found.x


def _final(lab: Lab, label: str) -> tuple[float, float]:
    """Final loss of exact draws at d -> infinity, and its uncertainty."""
    end = limit({d: np.array([[getattr(x, label)[-1]] for x in rows]) for d, rows in lab.draws(SMALL, DRAWS).items()})
    return float(end.value[0]), float(end.error[0])


def _against(lab: Lab, label: str, place: int, drawn: float, exact: float, source: str) -> list[Comparison]:
    """One final loss by the closed form against draws and against the package; how far each may be off."""
    value, error = _final(lab, label)
    package = float(getattr(rf.loss_curves(rf.ScoreProblem(8.0, 64.0, 0.1), TAU[-1:]), label)[0])
    return [
        near("closed form over draws at d → ∞, ψ_n = 2, ψ_p = 4, t = 0.1", closed_form(2.0, 4.0, 0.1)[place] / value,
             1.0, drawn, error / value, EXTRAPOLATED),
        near("closed form over the package's value, ψ_n = 8, ψ_p = 64", closed_form(8.0, 64.0, 0.1)[place] / package,
             1.0, exact, 0.1 * exact, source),
    ]  # fmt: skip


def test_error(lab: Lab) -> list[Comparison]:
    """Final test loss; the package's is that of the two-point kernel."""
    return _against(lab, "test", 1, 0.03, 1e-5, "differences")


def train_error(lab: Lab) -> list[Comparison]:
    """Final training loss."""
    return _against(lab, "train", 0, 0.02, 1e-8, "solver")


def _final_test(psi_n: float, psi_p: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Final training and test losses over psi_p."""
    found = [rf.loss_curves(rf.ScoreProblem(psi_n, float(p), t), TAU[-1:]) for p in psi_p]
    return np.array([c.train[0] for c in found]), np.array([c.test[0] for c in found])


def crossover(lab: Lab) -> list[Comparison]:
    """The steepest fall of the final training loss in log p, and the growth of the final gap across p = n, t = 0.01."""
    psi_n, places, growth = np.array([8.0, 32.0, 128.0]), [], []
    for n in psi_n:
        psi_p = n * np.geomspace(0.1, 10.0, 41)
        train, test = _final_test(float(n), psi_p, 0.01)
        places.append(psi_p[np.argmin(np.gradient(train, np.log(psi_p)))])
        spacing = float(np.log(psi_p[1] / psi_p[0]))
        gap = np.interp(np.log([0.2, 5.0]), np.log(psi_p / n), test - train)
        growth.append(gap[1] / gap[0])
    return [
        near("exponent in n of the p at which the final training loss falls fastest",
             slope(psi_n, np.array(places)), 1.0, one_digit(psi_n), spacing / np.log(psi_n[-1] / psi_n[0]),
             "spacing of p"),
        Comparison("that p over n at ψ_n = 128, within a factor 4", places[-1] / 128.0, 0.25, 4.0,
                   spacing * places[-1] / 128.0, "spacing of p"),
        above("smallest growth of the final gap from p = n/5 to p = 5n", min(growth), 10.0, 0.1, "interpolation"),
    ]  # fmt: skip


def hermite_series(lab: Lab) -> list[Comparison]:
    """v_t^2 and s_t^2 as Hermite series at sigma_x = 1, against their definitions."""
    t = 0.1
    c = from_definitions(t, 1.0, 240)
    x, w = np.polynomial.hermite_e.hermegauss(240)
    w = w / w.sum()
    orders = np.arange(2, 60)
    squares = []
    for s in orders:
        basis = np.polynomial.hermite_e.hermeval(x, np.eye(60)[s]) / math.sqrt(math.factorial(s))
        squares.append(float(w @ (np.tanh(x) * basis)) ** 2)
    series = np.array(squares)
    v2, s2 = series @ np.exp(-2 * orders * t), series @ -np.expm1(-2 * orders * t)
    return [near("v_t^2, series over definition", v2 / c.v2, 1.0, 1e-6, 1e-9, "quadrature"),
            near("s_t^2, series over definition", s2 / c.s2, 1.0, 1e-3, 1e-5, "tail of the series")]  # fmt: skip


def bias_and_variance(lab: Lab) -> list[Comparison]:
    """The bias 1 - mu_1 T_2/sqrt(Delta_t) measured in draws; the variance is what remains of the score error."""
    rows = {}
    for d, count in {20: 24, 40: 12, 80: 6}.items():
        found = []
        for i in range(count):
            x = rfscore.finite.draw(SMALL, d, lab.rng(d, 701, i))
            flow = x.gradient_flow()
            # E[s.y]/d of the trained score: V_test/sqrt(Delta_t) is E[sigma(W y/sqrt d) y^T].
            along = np.sum(flow.weights(np.inf) * x.V_test.T) / (d * math.sqrt(x.p * x.delta))
            found.append([1 + along, flow.loss_curves([np.inf]).score_error[0]])
        rows[d] = np.array(found)
    end = limit(rows)
    bias = closed_form(2.0, 4.0, 0.1)[2]
    test = closed_form(2.0, 4.0, 0.1)[1]
    delta = float(SMALL.delta)
    return [
        near("bias of drawn networks over the closed form, d → ∞", end.value[0] / bias, 1.0, 0.04,
             end.error[0] / abs(bias), EXTRAPOLATED),
        above("variance: score error of draws − bias^2", end.value[1] - end.value[0] ** 2, 0.0, end.error[1],
              EXTRAPOLATED),
        near("(L_test − e^-2t)/Δ_t over the score error of draws", (test - (1 - delta)) / delta / end.value[1], 1.0,
             0.04, end.error[1] / end.value[1], EXTRAPOLATED),
    ]  # fmt: skip


def _bias_square(psi_n: float, psi_p: float, t: float) -> float:
    """(1 - mu_1^2 psi_p s(0))^2 with the package's resolvent."""
    s = float(np.real(rf.resolvent(rf.ScoreProblem(psi_n, psi_p, t), [0.0]).s[0]))
    return float((1 - from_definitions(t, 1.0).mu1 ** 2 * psi_p * s) ** 2)


def bias_saturates(lab: Lab) -> list[Comparison]:
    """Bias^2 for psi_p = 10^2 ... 10^4 at psi_n = 8, t = 0.1: it goes to e^-4t/Delta_t^2, where L_train is 0."""
    square = [_bias_square(8.0, p, 0.1) for p in (1e2, 1e3, 1e4)]
    delta = -math.expm1(-0.2)
    below_ = [1 - x * delta**2 / math.exp(-0.4) for x in square]
    first, last = (math.log10(b / a) for a, b in itertools.pairwise(below_))
    return [
        near(
            "local exponent in ψ_p of 1 − bias^2 Δ_t^2/e^-4t over the last decade",
            last,
            -1.0,
            abs(last - first),
            1e-6,
            "solver",
        ),
        below("1 − bias^2 Δ_t^2/e^-4t at ψ_p = 10^4", below_[2], 0.01, 1e-9, "solver"),
    ]


def bias_in_t(lab: Lab) -> list[Comparison]:
    """Bias^2 against t without ridge, psi_n = 8, psi_p = 10^4."""
    t = np.array([0.001, 0.003, 0.01])
    square = np.array([_bias_square(8.0, 1e4, x) for x in t])
    return [near("exponent of bias^2 in t = 0.001 … 0.01", slope(t, square), -2.0, 4 * t.max(), 1e-6, "solver")]


def no_peak(lab: Lab) -> list[Comparison]:
    """Interior maxima of the final test loss in psi_p, psi_n = 8, t = 0.1; and the order of three sizes in draws."""
    psi_p = np.geomspace(0.25, 1000.0, 49)
    _, test = _final_test(8.0, psi_p, 0.1)
    maxima = int(np.sum((test[1:-1] > test[:-2]) & (test[1:-1] > test[2:])))
    last = np.array([[x.test[-1] for x in lab.draws(rf.ScoreProblem(8.0, p, 0.1), {24: 3}, "gaussian-equivalent")[24]]
                     for p in (8.0, 24.0, 72.0)])  # fmt: skip
    ratio = last[1:] / last[:-1]
    i = int(np.argmin(ratio.mean(1)))
    return [
        near("interior maxima of L_test(∞) over ψ_p = 0.25 … 1000", maxima, 0.0, 0.5),
        above("smallest ratio of L_test(∞) at ψ_p = 24 to 8, and 72 to 24, draws",
              ratio[i].mean(), 1.0, 2 * ratio[i].std(ddof=1) / math.sqrt(3), "2 standard errors over 3 seeds"),
    ]  # fmt: skip


def early_stopping(lab: Lab) -> list[Comparison]:
    """Lowest test loss over tau, which falls with psi_p while the final one rises; psi_n = 8, t = 0.1."""
    psi_p = (4.0, 16.0, 64.0, 256.0)
    curves = [rf.loss_curves(rf.ScoreProblem(8.0, p, 0.1), TAU) for p in psi_p]
    lowest = np.array([c.test.min() for c in curves]) - math.exp(-0.2)  # above the population's optimum
    final = np.array([c.test[-1] for c in curves])
    pair = [lab.draws(rf.ScoreProblem(8.0, p, 0.1), {32: 3}, "gaussian-equivalent")[32] for p in (4.0, 64.0)]
    few, many = (np.array([x.test.min() for x in rows]) for rows in pair)
    drawn = many / few
    return [
        below("largest ratio of the lowest excess test loss between neighbours ψ_p = 4, 16, 64, 256",
              float(np.max(lowest[1:] / lowest[:-1])), 1.0, 1e-3, "spacing of τ"),
        above("smallest ratio of the final test loss between them", float(np.min(final[1:] / final[:-1])), 1.0, 1e-9,
              "solver"),
        below("lowest test loss at ψ_p = 64 over that at 4, draws (d = 32)", drawn.mean(), 1.0,
              2 * float(drawn.std(ddof=1)) / math.sqrt(3), "2 standard errors over 3 seeds"),
    ]  # fmt: skip


def rise_at_n(lab: Lab) -> list[Comparison]:
    """The p at which the final test loss becomes larger than that of the untrained network, against n, t = 0.1."""
    psi_n, place = np.array([16.0, 64.0, 256.0]), []
    for n in psi_n:
        psi_p = n * np.geomspace(0.05, 20.0, 60)
        _, test = _final_test(float(n), psi_p, 0.1)
        place.append([ob.crossing(psi_p[::s], test[::s], 1.0).value for s in (1, 2)])
    exact, coarse = np.array(place).T
    return [
        near("exponent in n of the p at which L_test(∞) = 1", slope(psi_n, exact), 1.0, one_digit(psi_n),
             abs(slope(psi_n, exact) - slope(psi_n, coarse)), "every second p left out"),
        Comparison("that p over n at ψ_n = 256, within a factor 4", exact[-1] / 256.0, 0.25, 4.0,
                   abs(exact[-1] - coarse[-1]) / 256.0, "every second p left out"),
    ]  # fmt: skip
