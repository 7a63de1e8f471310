"""Where the test loss peaks, in features, samples and time, and how the peak goes away."""

from __future__ import annotations

import numpy as np
from scipy import optimize

import rfscore as rf
import rfscore.finite
from rfscore import observables as ob
from rfscore.validation.evidence import Comparison, above, below, more, near
from rfscore.validation.lab import TAU, Lab, slope

Array = np.ndarray
END = TAU[-1:]
SEEDS = "2 standard errors over seeds"


def final_test(psi_n: float, psi_p: float, t: float, m: float, ridge: float = 0.0) -> float:
    """Test loss at infinite time."""
    problem = rf.ScoreProblem(psi_n, float(psi_p), t, noise_draws=m, ridge=ridge)
    return float(rf.loss_curves(problem, END, rtol=1e-9).test[0])


def drawn(lab: Lab, problem: rf.ScoreProblem, d: int, seeds: int, tau: float = np.inf) -> tuple[float, float]:
    """Mean test loss of networks and two standard errors."""

    def work() -> Array:
        flows = (rfscore.finite.draw(problem, d, lab.rng(d, 741, i)).gradient_flow() for i in range(seeds))
        return np.array([flow.loss_curves([tau]).test[0] for flow in flows])

    values = lab.once(("frozen-drawn", repr(problem), d, seeds, tau), work)
    return float(values.mean()), float(2 * values.std(ddof=1) / np.sqrt(seeds))


def second_peak(lab: Lab) -> list[Comparison]:
    """Largest final test loss over psi_n at psi_p = 2000, t = 0.1, ridge 10^-4: its place for m = 1, 2, 4."""
    place = {}
    for m in (1, 2, 4):
        found = optimize.minimize_scalar(
            lambda x, m=m: -final_test(float(np.exp(x)) / m, 2000.0, 0.1, m, 1e-4), bounds=np.log([0.5, 4.0]),
            method="bounded", options={"xatol": 1e-3},
        )  # fmt: skip
        place[m] = float(np.exp(found.x))
    at = {m: (f"m ψ_n at the peak, m = {m}", x) for m, x in place.items()}
    printed = [near(*at[m], 1.0, 0.1, 2e-3, "search") for m in place]
    corrected = [near(*at[1], 1.0, 0.1, 2e-3, "search", "corrected")]
    corrected += [Comparison(f"{at[m][0]}: between 1 and m", at[m][1], 1.0, float(m), 2e-3, "search", "corrected")
                  for m in (2, 4)]  # fmt: skip
    high, side = (drawn(lab, rf.ScoreProblem(n, 32.0, 0.1, noise_draws=1, ridge=1e-4), 24, 8) for n in (1.0, 4.0))
    ratio = above("final test loss at n = d over that at n = 4d, networks, m = 1, ψ_p = 32", high[0] / side[0], 1.0,
                  (high[1] + side[1]) / side[0], SEEDS)  # fmt: skip
    return [*printed, ratio, *corrected]


def growth(lab: Lab) -> list[Comparison]:
    """Test loss at p = nm against time, m = 1 and 4: a power 1/2; networks at p = nm against theory at one time."""
    found = []
    for m in (1, 4):
        tau = np.array([1e7, 1e8, 1e9])
        test = np.asarray(rf.loss_curves(rf.ScoreProblem(2.0, 2.0 * m, 0.1, noise_draws=m), tau).test)
        early, late = slope(tau[:2], test[:2]), slope(tau[1:], test[1:])
        found.append(near(f"exponent of L_test in τ at p = nm, τ = 10^8 … 10^9, m = {m}", late, 0.5, 0.05,
                          abs(late - early), "change per decade"))  # fmt: skip
    at = rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=2)
    low, high = (drawn(lab, at, 32, 12, tau) for tau in (1e4, 1e6))
    ratio, error = high[0] / low[0], high[0] / low[0] * (high[1] / high[0] + low[1] / low[0])
    found.append(above("L_test at τ = 10^6 over 10^4, networks at p = nm (d = 32, m = 2)", ratio, 2.0, error, SEEDS))
    exact = rf.loss_curves(at, [1e4, 1e6]).test
    return [*found, more("the same by theory", float(exact[1] / exact[0]), 1e-9, "solver")]


def vanishing(lab: Lab) -> list[Comparison]:
    """Height of the peak over the plateau at psi_p = 9900, ridge 10^-3, m = 1 ... 256; two sizes of m in networks."""
    height = []
    for m in (1, 4, 16, 64, 256):
        psi_p = 8.0 * m * np.geomspace(0.5, 3.0, 19)
        top = max(final_test(8.0, float(p), 0.1, m, 1e-3) for p in psi_p[psi_p < 9900])
        height.append(top / final_test(8.0, 9900.0, 0.1, m, 1e-3))
    networks = []
    for m in (1, 8):
        near_peak, far = (drawn(lab, rf.ScoreProblem(2.0, p, 0.1, noise_draws=m, ridge=1e-3), 24, 6)
                          for p in (2.0 * m, 32.0 * m))  # fmt: skip
        networks.append(
            (near_peak[0] / far[0], near_peak[0] / far[0] * (near_peak[1] / near_peak[0] + far[1] / far[0]))
        )
    return [
        below("largest ratio of the heights of neighbours m = 1, 4, 16, 64, 256",
              max(np.divide(height[1:], height[:-1])), 1.0, 1e-3, "spacing of p"),
        near("peak over plateau at m = 256", height[-1], 1.0, 0.02, 1e-3, "spacing of p"),
        above("peak over plateau at m = 1", height[0], 2.0, 0.05, "spacing of p"),
        above("peak over plateau in networks (d = 24, ψ_n = 2), m = 1 less m = 8", networks[0][0] - networks[1][0], 0.0,
              networks[0][1] + networks[1][1], SEEDS),
    ]  # fmt: skip


def rise(lab: Lab) -> list[Comparison]:
    """The p at which the final test loss passes that of the untrained network, ridge 10^-5, t = 0.1: over n and m."""

    def place(psi_n: float, m: float) -> float:
        psi_p = psi_n * np.geomspace(0.1, 1.6, 25)
        return float(ob.crossing(psi_p, np.array([final_test(psi_n, p, 0.1, m, 1e-5) for p in psi_p]), 1.0).value)

    psi_n, draws = np.array([32.0, 128.0, 512.0]), np.array([4.0, 16.0, 64.0])
    over_n = np.array([place(float(n), 4) for n in psi_n])
    over_m = np.array([place(128.0, float(m)) for m in draws])
    few, many = (drawn(lab, rf.ScoreProblem(4.0, p, 0.1, noise_draws=4), 32, 6) for p in (1.0, 4.0))
    return [
        near("exponent in n of the p at which L_test(∞) passes 1, m = 4", slope(psi_n, over_n), 1.0, 0.1, 0.02,
             "spacing of p"),
        below("exponent in m of that p, m = 4 … 64", slope(draws, over_m), 0.5, 0.02, "spacing of p"),
        Comparison("that p over n, m = 64", over_m[-1] / 128.0, 0.25, 4.0, 0.02, "spacing of p"),
        above("L_test(∞) of networks at p = n less that at p = n/4, m = 4, d = 32", many[0] - few[0], 0.0,
              many[1] + few[1], SEEDS),
    ]  # fmt: skip


def more_noises(lab: Lab) -> list[Comparison]:
    """Averaged noise against one draw, ridge 10^-5: the p at which they are equally good; networks on both sides."""

    def difference(log_share: float, psi_n: float, t: float) -> float:
        p = psi_n * float(np.exp(log_share))
        return final_test(psi_n, p, t, np.inf, 1e-5) - final_test(psi_n, p, t, 1, 1e-5)

    place = {(n, t): float(np.exp(optimize.brentq(difference, 0.02, np.log(8.0), (n, t), xtol=1e-6)))
             for n, t in ((8.0, 0.01), (32.0, 0.01), (128.0, 0.01), (32.0, 0.1))}  # fmt: skip
    few, many = place[8.0, 0.01], place[128.0, 0.01]
    sides = []
    for share, sign in ((0.5, -1.0), (6.0, 1.0)):
        one, all_ = (drawn(lab, rf.ScoreProblem(4.0, 4.0 * share, 0.01, noise_draws=m, ridge=1e-5), 24, 6)
                     for m in (1, np.inf))  # fmt: skip
        sides.append((sign * (all_[0] - one[0]), all_[1] + one[1]))
    return [
        near("p over n where m = ∞ and m = 1 are equally good, ψ_n = 128, t = 0.01", many, 1.0, 0.1, 1e-5, "solver"),
        near("exponent in n of that p, ψ_n = 8 … 128", 1 + np.log(many / few) / np.log(16.0), 1.0, 0.05, 1e-5, "solver",
             "corrected"),
        Comparison("that p over n, t = 0.01 and 0.1: the larger", max(many, place[32.0, 0.1]), 1.0, 4.0, 1e-5, "solver",
                   "corrected"),
        above("gain of averaging at p = n/2, networks (d = 24)", sides[0][0], 0.0, sides[0][1], SEEDS),
        above("loss by averaging at p = 6n, networks", sides[1][0], 0.0, sides[1][1], SEEDS),
        more("that p over n at ψ_n = 32, t = 0.1", place[32.0, 0.1], 1e-5, "solver"),
    ]  # fmt: skip
