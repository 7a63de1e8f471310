"""tau_gen and tau_mem: how they scale with n, t, psi_p, and with the optimiser."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import rfscore as rf
import rfscore.finite
from rfscore import observables as ob
from rfscore.validation.evidence import Comparison, Form, more, near
from rfscore.validation.lab import SPACING, TAU, Lab, one_digit, slope, spaced

PSI_N = np.array([4.0, 8.0, 16.0, 32.0])
ALL = slice(None)


class Curves:
    """Exact curves of several problems on TAU, and the times read off them from all points or from some."""

    def __init__(self, problems: Sequence[rf.ScoreProblem]) -> None:
        self.problems = problems
        self.curves = [rf.loss_curves(q, TAU) for q in problems]

    def gen(self, pick: slice = ALL) -> np.ndarray:
        """Time of the lowest test loss."""
        return np.array([ob.tau_opt(TAU[pick], c.test[pick]).value for c in self.curves])

    def mem(self, pick: slice = ALL) -> np.ndarray:
        """Time of half of the final gap."""
        return np.array([ob.tau_half(TAU[pick], c.train[pick], c.test[pick]).value for c in self.curves])

    def onset(self, pick: slice = ALL) -> np.ndarray:
        """When L_gen first is `ONSET`."""
        return np.array([_onset(c.gap[pick], TAU[pick]) for c in self.curves])

    def edge(self) -> np.ndarray:
        """psi_p/(Delta_t lambda_min) with the exact left edge of rho_1."""
        return np.array([float(rf.timescales(q).tau_mem_edge) for q in self.problems])

    def population(self, pick: slice = ALL) -> np.ndarray:
        """When the population bulk has done half of its part of the training loss."""
        found = [-rf.bulk_curves(q, TAU).train[-1] for q in self.problems]
        return np.array([ob.crossing(TAU[pick], y[pick], 0.5 * y[-1]).value for y in found])


#: L_gen at the onset that is compared.
ONSET = 0.3


def _onset(gap: np.ndarray, tau: np.ndarray = TAU) -> float:
    return ob.crossing(tau[1:-1], gap[1:-1], ONSET).value


def drawn(lab: Lab, problems: Sequence[rf.ScoreProblem], d: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """tau_gen and tau_mem of drawn Gaussian equivalents, (problems, seeds)."""
    gen, mem = np.empty((len(problems), seeds)), np.empty((len(problems), seeds))
    for i, q in enumerate(problems):
        for k in range(seeds):
            x = lab.draw(q, d, k, "gaussian-equivalent")
            gen[i, k] = ob.tau_opt(TAU, x.test).value
            mem[i, k] = ob.tau_half(TAU, x.train, x.test).value
    return gen, mem


def exponent(name: str, x: np.ndarray, times: np.ndarray, target: float, seed: int) -> Comparison:
    """Exponent of times (k, seeds) with half of its bootstrap interval, wanted to one digit of the law's constant."""
    fit = ob.fit_exponent(x, times, seed=seed)
    half = 0.5 * (fit.interval[1] - fit.interval[0])
    return near(name, fit.value, target, one_digit(x), half, "half the 95 % bootstrap interval over seeds")


def read(
    what: str, found: tuple[float, float, str], target: float, tolerance: float, form: Form = "printed"
) -> Comparison:
    """A number read off exact curves, with its uncertainty, against a target."""
    value, error, source = found
    return near(what, value, target, tolerance, error, source, form)


def gen_inverse_delta(lab: Lab) -> list[Comparison]:
    """tau_gen against Delta_t at psi_n = 16, psi_p = 64, on exact curves and draws, for t <= 0.01."""
    t = np.array([0.001, 0.003, 0.01])
    found = Curves([rf.ScoreProblem(16.0, 64.0, x) for x in t])
    larger = Curves([rf.ScoreProblem(16.0, 64.0, x) for x in 10 * t])
    delta, wide = (np.array([float(q.delta) for q in x.problems]) for x in (found, larger))
    runs, _ = drawn(lab, found.problems, 32, 4)
    return [
        read("exponent of τ_gen in Δ_t for t = 0.001 … 0.01, theory",
             spaced(lambda pick: slope(delta, found.gen(pick))), -1.0, t.max()),
        exponent("the same, draws (d = 32)", delta, runs, -1.0, lab.seed),
        more("the same for t = 0.01 … 0.1, theory", *spaced(lambda pick: slope(wide, larger.gen(pick)))),
        more("τ_gen Δ_t at t = 0.001", *spaced(lambda pick: float(found.gen(pick)[0] * delta[0]))),
    ]  # fmt: skip


def gen_independent_of_n(lab: Lab) -> list[Comparison]:
    """Exponent of tau_gen in n: of the lowest test loss as printed; corrected, of the population bulk's half-time."""
    found = Curves([rf.ScoreProblem(n, 64.0, 0.1) for n in PSI_N])
    many = np.array([64.0, 128.0, 256.0, 512.0])
    large = Curves([rf.ScoreProblem(n, 64.0, 0.1) for n in many])
    runs, _ = drawn(lab, found.problems, 32, 4)
    allowed = one_digit(PSI_N)
    what = "exponent of the time by which the population bulk has done half of its part, theory, ψ_n = {}"
    steps = np.diff(large.gen())
    return [
        read("exponent in ψ_n = 4 … 32 of the time of the lowest test loss, theory",
             spaced(lambda pick: slope(PSI_N, found.gen(pick))), 0.0, allowed),
        exponent("the same, draws (d = 32)", PSI_N, runs, 0.0, lab.seed),
        read(what.format("4 … 32"), spaced(lambda pick: slope(PSI_N, found.population(pick))), 0.0, allowed,
             "corrected"),
        # The edges of the population bulk move like 1/psi_n at fixed psi_p (claim rho2-independent-of-n).
        read(what.format("64 … 512"), spaced(lambda pick: slope(many, large.population(pick))), 0.0, 1 / many.min(),
             "corrected"),
        more("last over first growth of the lowest test loss's time per doubling of n, ψ_n = 64 … 512: a logarithm "
             "has 1", steps[-1] / steps[0], 0.0, SPACING),
        more("growth of τ_gen (lowest test loss) for ψ_n = 4 … 32", *spaced(lambda p: float(np.divide(
            *found.gen(p)[[-1, 0]])))),
        more("growth of τ_mem (half of the gap)", *spaced(lambda p: float(np.divide(*found.mem(p)[[-1, 0]])))),
    ]  # fmt: skip


def _excess(psi_n: np.ndarray, psi_p: float) -> float:
    """What the exponent of tau_mem exceeds 1 by: 1/x + O(x^-2), x = sqrt(psi_p/psi_n) (D8.8), at the largest psi_n."""
    x = float(np.sqrt(psi_p / psi_n.max()))
    return 1 / x + 1 / x**2


def mem_many_features(lab: Lab) -> list[Comparison]:
    """psi_p >> psi_n: tau_mem proportional to psi_n up to the theory's own next order, which must vanish."""
    psi_n = np.array([4.0, 8.0, 16.0])
    found, wider = (Curves([rf.ScoreProblem(n, p, 0.1) for n in psi_n]) for p in (2000.0, 8000.0))
    _, runs = drawn(lab, [rf.ScoreProblem(n, 1024.0, 0.1) for n in psi_n], 8, 6)
    delta = float(found.problems[0].delta)
    edge, digit = slope(psi_n, wider.edge()), one_digit(psi_n)
    return [
        near("exponent in ψ_n of ψ_p/(Δ_t λ_min), ψ_p = 8000", edge, 1.0, _excess(psi_n, 8000.0), 1e-9, "solver"),
        near("what it exceeds 1 by, over that at ψ_p = 2000", (edge - 1) / (slope(psi_n, found.edge()) - 1), 0.5, 0.1,
             1e-6, "solver"),
        read("exponent of the time of half the final gap, theory, ψ_p = 8000",
             spaced(lambda pick: slope(psi_n, wider.mem(pick))), 1.0, digit),
        exponent("the same, draws (ψ_p = 1024, d = 8)", psi_n, runs, 1.0, lab.seed),
        more("v_t^2 Δ_t τ_mem/ψ_n at ψ_p = 8000, ψ_n = 4 (1 for ψ_p → ∞)", float(
            wider.edge()[0] * delta / psi_n[0] * float(rf.coefficients(wider.problems[0]).v2)), 1e-9, "solver"),
    ]  # fmt: skip


def mem_linear_at_figure_5(lab: Lab) -> list[Comparison]:
    """The same where psi_p = 64 is not much larger than psi_n = 4 ... 32."""
    found = Curves([rf.ScoreProblem(n, 64.0, 0.01) for n in PSI_N])
    edge, allowed = found.edge(), one_digit(PSI_N)
    runs = np.array([[_onset(x.test - x.train) for x in lab.draws(q, {32: 4}, "gaussian-equivalent")[32]]
                     for q in found.problems])  # fmt: skip
    return [
        near("exponent in ψ_n of ψ_p/(Δ_t λ_min)", slope(PSI_N, edge), 1.0, allowed, 1e-9, "solver"),
        read(f"exponent of the time at which L_gen is {ONSET:g}, theory",
             spaced(lambda pick: slope(PSI_N, found.onset(pick))), 1.0, allowed),
        exponent("the same, draws (d = 32)", PSI_N, runs, 1.0, lab.seed),
        read("exponent of the time of half the final gap, theory",
             spaced(lambda pick: slope(PSI_N, found.mem(pick))), 1.0, allowed),
        *(more(f"ψ_p/(Δ_t λ_min) at ψ_n = {n:g}", e, 1e-9, "solver") for n, e in zip(PSI_N, edge, strict=True)),
    ]  # fmt: skip


def mem_independent_of_p(lab: Lab) -> list[Comparison]:
    """psi_p >> psi_n: tau_mem does not depend on psi_p, up to the next order of the law."""
    psi_p = np.array([1024.0, 2048.0, 4096.0, 8192.0])
    found = Curves([rf.ScoreProblem(4.0, p, 0.1) for p in psi_p])
    # tau_mem ~ psi_n (1 + 2/x) at psi_p = x^2 psi_n: an exponent of -1/x in psi_p, at most that of the smallest.
    allowed = _excess(np.array([4.0]), psi_p.min())
    return [
        near("exponent in ψ_p of ψ_p/(Δ_t λ_min), ψ_n = 4", slope(psi_p, found.edge()), 0.0, allowed, 1e-9, "solver"),
        read("exponent of the time of half the final gap",
             spaced(lambda pick: slope(psi_p, found.mem(pick))), 0.0, allowed),
    ]  # fmt: skip


def ratio_many_features(lab: Lab) -> list[Comparison]:
    """psi_p >> psi_n: tau_mem/tau_gen does not depend on t."""
    t = np.array([0.001, 0.003, 0.01])
    found = Curves([rf.ScoreProblem(4.0, 4096.0, x) for x in t])
    window = np.array([float(rf.timescales(q).window_edge) for q in found.problems])
    return [
        near("exponent in t of τ_mem/τ_gen, ψ_n = 4, ψ_p = 4096, from the spectrum", slope(t, window), 0.0,
             one_digit(t), 1e-9, "solver"),
        more("the same for half of the final gap: the lowest bulk has its own edge, and that is proportional to t",
             *spaced(lambda pick: slope(t, found.mem(pick) / found.gen(pick)))),
    ]  # fmt: skip


def ratio_equal_sizes(lab: Lab) -> list[Comparison]:
    """psi_p = psi_n: tau_mem/tau_gen grows like 1/t."""
    t = np.array([0.001, 0.003, 0.01])
    found = Curves([rf.ScoreProblem(32.0, 32.0, x) for x in t])
    window = np.array([float(rf.timescales(q).window_edge) for q in found.problems])
    return [
        near("exponent in t of ψ_p/λ_min, ψ_n = ψ_p = 32", slope(t, window), -1.0, one_digit(t), 1e-9, "solver"),
        more("the same for half of the final gap over the lowest test loss",
             *spaced(lambda pick: slope(t, found.mem(pick) / found.gen(pick)))),
    ]  # fmt: skip


def window_grows(lab: Lab) -> list[Comparison]:
    """tau_mem of the curves grows with n faster than tau_gen: the window opens with n."""
    found = Curves([rf.ScoreProblem(n, 64.0, 0.1) for n in PSI_N])
    growth, error, source = spaced(lambda p: float(np.divide(*(found.mem(p) / found.gen(p))[[-1, 0]])))
    ratio, spacing, _ = spaced(lambda p: float(np.min(found.mem(p) / found.gen(p))))
    return [
        Comparison("growth of τ_mem/τ_gen from ψ_n = 4 to 32, ψ_p = 64, t = 0.1", growth, 1.0, error=error,
                   source=source),
        Comparison("smallest τ_mem/τ_gen", ratio, 10.0, error=spacing, source=source),
    ]  # fmt: skip


def adam(lab: Lab) -> list[Comparison]:
    """Figure 15: the time at which the losses part is proportional to n under Adam, at two heights of the gap."""
    psi_n, d, steps, levels = np.array([2.0, 4.0, 8.0]), 12, 4000, (ONSET, 1.0)
    ours, flow = np.empty((2, 3, 3)), np.empty((3, 3))
    record = np.unique(np.geomspace(1, steps, 80).round().astype(int))
    for i, n in enumerate(psi_n):
        for k in range(3):
            x = rfscore.finite.draw(rf.ScoreProblem(n, 16.0, 0.01), d, lab.rng(d, 811, k))
            curves = x.loss_curves([0, *record], training=rf.Adam(0.02 / d**2))
            ours[:, i, k] = [ob.crossing(curves.tau, curves.gap, level).value for level in levels]
            flow[i, k] = _onset(x.gradient_flow().loss_curves(TAU).gap)
    return [
        *(exponent(f"exponent in n of the time at which L_gen is {level:g}, Adam (ψ_p = 16, d = 12)", psi_n, rows, 1.0,
                   lab.seed) for level, rows in zip(levels, ours, strict=True)),
        more(f"exponent of the time at which L_gen is {ONSET:g} with gradient flow", slope(psi_n, flow.mean(1)),
             2 * float(np.std([slope(psi_n, column) for column in flow.T], ddof=1)) / np.sqrt(3),
             "2 standard errors over 3 seeds"),
    ]  # fmt: skip
