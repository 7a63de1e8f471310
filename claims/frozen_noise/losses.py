"""Final losses, bias and variance at m frozen noises: closed formulas against networks fitted without the package."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

import rfscore as rf
from claims.frozen_noise.printed import Final, final
from rfscore.validation.evidence import Comparison, above, below, more, near
from rfscore.validation.lab import EXTRAPOLATED, Lab, Limit, limit, slope

Array = np.ndarray
END = np.array([np.inf])
PSI_N, PSI_P, T, M, RIDGE = 2.0, 6.0, 0.1, 2, 0.01
#: {d: number of networks}
SIZES = {40: 24, 80: 12, 160: 8}


def problem(psi_p: float = PSI_P, m: float = M, ridge: float = RIDGE) -> rf.ScoreProblem:
    """The problem of this module."""
    return rf.ScoreProblem(PSI_N, psi_p, T, noise_draws=m, ridge=ridge)


class Data(NamedTuple):
    """A network and its training set: W (p, d), clean samples (n, d), and m noises of each (n, m, d)."""

    weights: Array
    clean: Array
    noise: Array

    def features(self, clean: Array, noise: Array) -> Array:
        """tanh(W x_t/sqrt d) of noised points, (points, p)."""
        noised = math.exp(-T) * clean + math.sqrt(-math.expm1(-2 * T)) * noise
        return np.tanh(noised @ self.weights.T / math.sqrt(self.weights.shape[1]))

    def training(self) -> tuple[Array, Array]:
        """Features (n m, p) and noises (n m, d)."""
        flat = self.noise.reshape(-1, self.noise.shape[2])
        return self.features(np.repeat(self.clean, self.noise.shape[1], axis=0), flat), flat


def sample(rng: np.random.Generator, d: int, psi_p: float, m: int) -> Data:
    """One draw."""
    n = round(PSI_N * d)
    return Data(rng.standard_normal((round(psi_p * d), d)), rng.standard_normal((n, d)), rng.standard_normal((n, m, d)))


def _fitted(lab: Lab, d: int, index: int) -> Array:
    """(objective, test, bias, variance, empirical, training loss) of one ridge regression, by numpy alone."""
    rng, delta = lab.rng(d, 731, index), -math.expm1(-2 * T)
    data = sample(rng, d, PSI_P, M)
    phi, xi = data.training()
    count, p = phi.shape
    # B^T = -sqrt(Delta_t) A^T/sqrt p: the loss is |xi - phi B|^2/(N d) + ridge |B|^2/d.
    b = np.linalg.solve(phi.T @ phi / count + RIDGE * np.eye(p), phi.T @ xi / count)
    train = np.sum((xi - phi @ b) ** 2) / (count * d)

    def fresh(clean: Array) -> Array:
        noise = rng.standard_normal(clean.shape)
        values = data.features(clean, noise) @ b
        loss = np.mean((noise - values) ** 2)
        noised = math.exp(-T) * clean + math.sqrt(delta) * noise
        return np.array(
            [loss, -np.mean(values * noised) / math.sqrt(delta), np.mean((values / math.sqrt(delta) - noised) ** 2)]
        )

    test = np.mean([fresh(rng.standard_normal((2000, d))) for _ in range(5)], axis=0)
    empirical = np.mean([fresh(np.repeat(data.clean, 20, axis=0))[0] for _ in range(5)])
    bias = 1 + test[1]  # of s = -values/sqrt(Delta_t) against -x_t, Gamma = 1
    return np.array([train + RIDGE * np.sum(b**2) / d, test[0], bias, test[2] - bias**2, empirical, train])


def _limit(lab: Lab) -> Limit:
    def work() -> Limit:
        return limit({d: np.array([_fitted(lab, d, i) for i in range(count)]) for d, count in SIZES.items()})

    return lab.once("frozen-fits", work)


def _printed(lab: Lab) -> Final:
    return lab.once("frozen-printed", lambda: final(PSI_N, PSI_P, T, M, RIDGE))


def _drawn(lab: Lab, what: str, column: int, formula: float, tolerance: float) -> Comparison:
    end = _limit(lab)
    value, error = float(end.value[column]), float(end.error[column] / abs(end.value[column]))
    return near(f"{what}: formula over networks at d → ∞", formula / value, 1.0, tolerance, error, EXTRAPOLATED)


def objective(lab: Lab) -> list[Comparison]:
    """1 - T_1 against the least value of the ridge objective in networks, and against the package."""
    ours = rf.loss_curves(problem(), END).train[0] + RIDGE * rf.decomposition(problem(), END).penalty[0]
    value = _printed(lab).objective
    return [
        _drawn(lab, "ridge objective", 0, value, 0.02),
        near("1 − T_1 over the package's training loss plus penalty", value / ours, 1.0, 1e-9, 1e-11, "solver"),
        more("share of the penalty in it", 1 - float(rf.loss_curves(problem(), END).train[0]) / ours, 1e-9, "solver"),
    ]


def test_loss(lab: Lab) -> list[Comparison]:
    """The test loss of the formulas against networks and the package, at this and two other problems."""
    others = ((16.0, 30.0, 0.1, 16, 1e-3), (8.0, 40.0, 0.1, 4, 1e-3))
    worst = max(
        abs(final(*x).test / rf.loss_curves(rf.ScoreProblem(*x[:3], noise_draws=x[3], ridge=x[4]), END).test[0] - 1)
        for x in ((PSI_N, PSI_P, T, M, RIDGE), *others)
    )
    return [
        _drawn(lab, "test loss", 1, _printed(lab).test, 0.03),
        below("largest relative difference to the package, three problems", worst, 1e-9, 1e-11, "solver"),
    ]


def bias_variance(lab: Lab) -> list[Comparison]:
    """B^2 and V of the formulas against networks and the package."""
    parts, exact = rf.decomposition(problem(), END), _printed(lab)
    identity = math.exp(-2 * T) - math.expm1(-2 * T) * (exact.bias2 + exact.variance)
    return [
        _drawn(lab, "bias", 2, math.copysign(math.sqrt(exact.bias2), _limit(lab).value[2]), 0.04),
        _drawn(lab, "variance", 3, exact.variance, 0.04),
        near("bias^2 over the package's", exact.bias2 / parts.bias2[0], 1.0, 1e-8, 1e-10, "solver"),
        near("variance over the package's", exact.variance / parts.variance[0], 1.0, 1e-8, 1e-10, "solver"),
        near("e^-2t + Δ_t (B^2 + V) over the test loss of networks", identity / float(_limit(lab).value[1]), 1.0, 0.03,
             float(_limit(lab).error[1] / _limit(lab).value[1]), EXTRAPOLATED),
    ]  # fmt: skip


def empirical(lab: Lab) -> list[Comparison]:
    """Fresh noises on the training points: networks, their order, and the approach to the training loss with m."""
    ours = float(rf.decomposition(problem(), END).empirical[0])
    end = _limit(lab)
    draws, gaps = (1e2, 1e3, 1e4), []
    for m in draws:
        parts, cur = rf.decomposition(problem(m=m), END), rf.loss_curves(problem(m=m), END)
        gaps.append(float(parts.empirical[0] - cur.train[0]))
    error = float(end.error[4] + end.error[5])
    return [
        _drawn(lab, "empirical test loss", 4, ours, 0.03),
        above("empirical test loss − training loss, networks", end.value[4] - end.value[5], 0.0, error, EXTRAPOLATED),
        above("test loss − empirical test loss, networks", end.value[1] - end.value[4], 0.0,
              float(end.error[1] + end.error[4]), EXTRAPOLATED),
        near("exponent in m of empirical test loss − training loss, m = 10^2 … 10^4",
             slope(np.array(draws), np.array(gaps)), -1.0, 0.05, 1e-6, "solver"),
    ]  # fmt: skip


def interpolation(lab: Lab) -> list[Comparison]:
    """m = 1, no ridge: least squares by numpy above and below p = n, against the exact training loss."""
    below_n, above_n = 0.7 * PSI_N, 1.3 * PSI_N

    def residual(d: int, index: int, psi_p: float) -> float:
        phi, xi = sample(lab.rng(d, 732, index, round(10 * psi_p)), d, psi_p, 1).training()
        rest = xi - phi @ np.linalg.lstsq(phi, xi, rcond=None)[0]
        return float(np.mean(rest**2))

    found = limit({d: np.array([[residual(d, i, below_n)] for i in range(c)]) for d, c in SIZES.items()})
    exact = [float(rf.loss_curves(problem(p, 1, 0.0), END).train[0]) for p in (below_n, above_n)]
    return [
        below("training loss at p = 1.3 n, least squares, d = 40", residual(40, 0, above_n), 1e-12, 1e-15, "roundoff"),
        below("the same by theory", exact[1], 1e-10, 1e-11, "solver"),
        near("training loss at p = 0.7 n: theory over least squares at d → ∞", exact[0] / found.value[0], 1.0, 0.03,
             float(found.error[0] / found.value[0]), EXTRAPOLATED),
    ]  # fmt: skip


def many_draws(lab: Lab) -> list[Comparison]:
    """Prop C.2 against its own limit, Prop C.5, as m grows."""
    draws = np.array([1e3, 1e4, 1e5])
    limit_form = final(PSI_N, PSI_P, T, np.inf, RIDGE)
    rows = [final(PSI_N, PSI_P, T, float(m), RIDGE) for m in draws]
    test = np.array([abs(x.test - limit_form.test) for x in rows])
    train = np.array([abs(x.objective - limit_form.objective) for x in rows])
    exact = float(rf.loss_curves(problem(m=np.inf), END).test[0])
    return [
        near("exponent in m of the difference of test losses", slope(draws, test), -1.0, 0.02, 1e-4, "solver"),
        near("exponent in m of the difference of objectives", slope(draws, train), -1.0, 0.02, 1e-4, "solver"),
        near(
            "Prop C.5 over the package at averaged noise, test loss",
            limit_form.test / exact,
            1.0,
            1e-9,
            1e-11,
            "solver",
        ),
    ]


def wide(lab: Lab) -> list[Comparison]:
    """psi_p -> infinity at a fixed ridge: objective and 1 - ridge q fall like 1/psi_p; networks at two widths."""
    psi_p = np.array([1e2, 1e3, 1e4])
    q = np.array([float(np.real(rf.resolvent(problem(p), [0.0]).q[0])) for p in psi_p])
    value = np.array([final(PSI_N, float(p), T, M, RIDGE).objective for p in psi_p])
    train = np.array([float(rf.loss_curves(problem(float(p)), END).train[0]) for p in psi_p])
    drawn = [np.mean([rf.finite.draw(problem(p), 8, lab.rng(8, 733, i)).gradient_flow().loss_curves(END).train[0]
                      for i in range(6)]) for p in (16.0, 128.0)]  # fmt: skip
    return [
        near(
            "exponent of 1 − λ q in ψ_p, last decade", slope(psi_p[1:], 1 - RIDGE * q[1:]), -1.0, 0.05, 1e-6, "solver"
        ),
        near("exponent of the ridge objective, last decade", slope(psi_p[1:], value[1:]), -1.0, 0.05, 1e-6, "solver"),
        below("training loss at ψ_p = 10^4", train[2], 1e-4, 1e-9, "solver"),
        below(
            "training loss of networks at ψ_p = 128 over that at 16 (d = 8)", drawn[1] / drawn[0], 0.25, 0.02, "seeds"
        ),
    ]
