"""Ridge and early stopping at m frozen noises: what they remove, and how far they are the same."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize

import rfscore as rf
import rfscore.finite
from claims.frozen_noise.peaks import SEEDS, final_test
from rfscore.validation.evidence import Comparison, above, below, more, near
from rfscore.validation.lab import TAU, Lab, slope

Array = np.ndarray
FLOOR = math.exp(-0.2)  # test loss of the exact score at t = 0.1, Sigma = I
RIDGES = np.geomspace(1e-3, 30.0, 10)  # times psi_p


def best_ridge(psi_n: float, psi_p: float, t: float, m: float) -> tuple[float, float]:
    """The ridge of the lowest final test loss, and that loss; the bracket is checked."""
    values = [final_test(psi_n, psi_p, t, m, float(x) * psi_p) for x in RIDGES]
    i = int(np.clip(np.argmin(values), 1, RIDGES.size - 2))
    found = optimize.minimize_scalar(
        lambda y: final_test(psi_n, psi_p, t, m, float(np.exp(y)) * psi_p), bounds=np.log(RIDGES[[i - 1, i + 1]]),
        method="bounded", options={"xatol": 1e-4},
    )  # fmt: skip
    inside = found.success and found.fun <= min(values)
    return (float(np.exp(found.x)) * psi_p, float(found.fun)) if inside else (math.nan, math.nan)


def best_stopping(psi_n: float, psi_p: float, t: float, m: float) -> float:
    """The lowest test loss along training, on the common grid of times."""
    return float(rf.loss_curves(rf.ScoreProblem(psi_n, psi_p, t, noise_draws=m), TAU[:-1]).test.min())


def _networks(lab: Lab, psi_p: float, m: float, seeds: int = 6) -> Array:
    """(best over the ridge at infinite time, best over time without one, final) of networks, d = 24, psi_n = 4."""

    def work() -> Array:
        found = []
        for i in range(seeds):
            problem = rf.ScoreProblem(4.0, psi_p, 0.1, noise_draws=m)
            flow = rfscore.finite.draw(problem, 24, lab.rng(24, 751, i)).gradient_flow()
            ridged = []
            for x in np.geomspace(1e-3, 30.0, 41) * psi_p:
                ridged.append(flow.with_ridge(float(x)).loss_curves([np.inf]).test[0])
            test = flow.loss_curves(TAU).test
            found.append((min(ridged), test.min(), test[-1]))
        return np.array(found)

    return lab.once(("frozen-best", psi_p, m, seeds), work)


def _means(rows: Array, column: int) -> tuple[float, float]:
    return float(rows[:, column].mean()), float(2 * rows[:, column].std(ddof=1) / math.sqrt(len(rows)))


WIDTHS = (2.0, 4.0, 8.0, 16.0, 64.0)  # psi_p below, at and above nm = 8


def _falls(lab: Lab, values: list[float], column: int, what: str, error: float) -> list[Comparison]:
    """Excess over neighbouring widths in theory, and at two widths in networks."""
    excess = np.array(values) - FLOOR
    (narrow, e1), (wide, e2) = (_means(_networks(lab, p, 2), column) for p in (2.0, 16.0))
    return [
        below(f"largest ratio of the excess test loss at neighbours ψ_p = 2, 4, 8 = nm, 16, 64, {what}",
              float(np.max(excess[1:] / excess[:-1])), 1.0, error, "search"),
        below(f"test loss of networks at ψ_p = 16 less that at 2, {what} (d = 24)", wide - narrow, 0.0, e1 + e2, SEEDS),
    ]  # fmt: skip


def ridge_removes_peak(lab: Lab) -> list[Comparison]:
    """Best ridge at m = 2, psi_n = 4, t = 0.1: the loss falls with p, through nm."""
    found = _falls(lab, [best_ridge(4.0, p, 0.1, 2)[1] for p in WIDTHS], 0, "best ridge", 1e-4)
    return [*found, more("final test loss at ψ_p = 16 over that at 2 without a ridge",
                         final_test(4.0, 16.0, 0.1, 2) / final_test(4.0, 2.0, 0.1, 2), 1e-9, "solver")]  # fmt: skip


def stopping_removes_peak(lab: Lab) -> list[Comparison]:
    """Best stopping at m = 2, psi_n = 4, t = 0.1: the loss falls with p, through nm."""
    return _falls(lab, [best_stopping(4.0, p, 0.1, 2) for p in WIDTHS], 1, "best stopping", 1e-3)


def leading_order(lab: Lab) -> list[Comparison]:
    """A strong ridge at infinite time against a stop at c = 1/ridge: what differs, relative to what was learned."""
    problem = rf.ScoreProblem(4.0, 16.0, 0.1, noise_draws=2)
    ridge = np.array([1e3, 1e4, 1e5])
    stopped = np.asarray(rf.loss_curves(problem, float(problem.psi_p) / (2 * float(problem.delta) * ridge)).test)
    ridged = np.array([final_test(4.0, 16.0, 0.1, 2, float(x)) for x in ridge])
    off = abs(stopped - ridged) / (1 - ridged)
    return [
        near(
            "exponent in the ridge of that difference, ridge 10^3 … 10^5", slope(ridge, off), -1.0, 0.05, 1e-3, "solver"
        ),
        below("the difference at ridge 10^5", off[-1], 1e-2, 1e-5, "solver"),
    ]


def as_good(lab: Lab) -> list[Comparison]:
    """Excess test loss at the best ridge over that at the best stop, m = 1, 2 and infinity, theory and networks."""
    ratio = {m: (best_ridge(4.0, 16.0, 0.1, m)[1] - FLOOR) / (best_stopping(4.0, 16.0, 0.1, m) - FLOOR)
             for m in (1, 2, np.inf)}  # fmt: skip
    found = [near(f"excess at the best ridge over that at the best stop, m = {name}", ratio[m], 1.0, 0.1, 2e-3,
                  "spacing of τ") for m, name in ((1, "1"), (2, "2"), (np.inf, "∞"))]  # fmt: skip
    found += [near(f"the same, m = {m}", ratio[m], 1.0, 0.1, 2e-3, "spacing of τ", "corrected") for m in (1, 2)]
    found.append(above("the same, m = ∞: stopping is better", ratio[np.inf], 1.1, 2e-3, "spacing of τ", "corrected"))
    rows = _networks(lab, 16.0, np.inf)
    gain = rows[:, 0] - rows[:, 1]
    error = float(2 * gain.std(ddof=1) / math.sqrt(len(gain)))
    found.append(above("test loss at the best ridge less that at the best stop, networks, m = ∞", float(gain.mean()),
                       0.0, error, SEEDS, "corrected"))  # fmt: skip
    return found


def benign(lab: Lab) -> list[Comparison]:
    """Final test loss of very wide networks against the best of those narrower than n, without a ridge, psi_n = 8."""
    narrow = np.geomspace(0.25, 7.0, 25)
    excess = {
        m: final_test(8.0, 1e4, 0.1, m) - min(final_test(8.0, float(p), 0.1, m) for p in narrow) for m in (1, 2, 4)
    }
    order = [final_test(8.0, 1e4, 0.1, m) for m in (1, 2, 4, 16, np.inf)]
    one, four = (_networks(lab, 64.0, m) for m in (1, 4))
    low = {m: min(_means(_networks(lab, p, m), 2) for p in (0.5, 1.0, 2.0)) for m in (1, 4)}
    return [
        below("final test loss at ψ_p = 10^4 less the best at p < n, m = 1", excess[1], 0.0, 1e-3, "spacing of p"),
        above("the same, m = 2", excess[2], 0.0, 1e-3, "spacing of p"),
        above("the same, m = 4", excess[4], 0.0, 1e-3, "spacing of p"),
        above("smallest ratio of the final test losses there, neighbours m = 1, 2, 4, 16, ∞",
              float(min(np.divide(order[1:], order[:-1]))), 1.0, 1e-9, "solver"),
        above("cost of m = 4 over m = 1 at ψ_p = 64 in networks, each less its best at p ≤ n/2 (d = 24, ψ_n = 4)",
              _means(four, 2)[0] - low[4][0] - (_means(one, 2)[0] - low[1][0]), 0.0,
              _means(four, 2)[1] + _means(one, 2)[1] + low[4][1] + low[1][1], SEEDS),
    ]  # fmt: skip
