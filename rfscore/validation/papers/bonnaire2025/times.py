"""tau_gen and tau_mem: how they scale with n, t, psi_p, sigma_x, and with the optimiser."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import rfscore as rf
import rfscore.finite
from rfscore import observables as ob
from rfscore.unet.scaling import horizontal_spread
from rfscore.validation.evidence import Comparison, below, more, near
from rfscore.validation.lab import TAU, Lab, slope

PSI_N = np.array([4.0, 8.0, 16.0, 32.0])
#: What "does not depend on" and "proportional to" mean for an exponent: see the tolerance column.
FLAT, LINEAR = 0.15, 0.15


def read(problems: Sequence[rf.ScoreProblem]) -> tuple[np.ndarray, np.ndarray]:
    """tau_gen (lowest test loss) and tau_mem (half of the final gap) of the exact curves."""
    curves = [rf.loss_curves(q, TAU) for q in problems]
    return (np.array([ob.tau_gen(TAU, c.test).value for c in curves]),
            np.array([ob.tau_mem(TAU, c.train, c.test).value for c in curves]))  # fmt: skip


def drawn(lab: Lab, problems: Sequence[rf.ScoreProblem], d: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of drawn Gaussian equivalents, (problems, seeds)."""
    gen, mem = np.empty((len(problems), seeds)), np.empty((len(problems), seeds))
    for i, q in enumerate(problems):
        for k in range(seeds):
            x = lab.draw(q, d, k, "gaussian-equivalent")
            gen[i, k] = ob.tau_gen(TAU, x.test).value
            mem[i, k] = ob.tau_mem(TAU, x.train, x.test).value
    return gen, mem


def exponent(name: str, x: np.ndarray, times: np.ndarray, target: float, tolerance: float, seed: int) -> Comparison:
    """Exponent of times (k, seeds) with half of its bootstrap interval."""
    fit = ob.fit_exponent(x, times, seed=seed)
    half = 0.5 * (fit.interval[1] - fit.interval[0])
    return near(name, fit.value, target, tolerance, half, "half the 95 % bootstrap interval over seeds")


def gen_inverse_delta(lab: Lab) -> list[Comparison]:
    """tau_gen against Delta_t at psi_n = 16, psi_p = 64, on exact curves and draws."""
    t = np.array([0.01, 0.03, 0.1])
    problems = [rf.ScoreProblem(16.0, 64.0, x) for x in t]
    delta = np.array([float(q.delta) for q in problems])
    gen, _ = read(problems)
    runs, _ = drawn(lab, problems, 32, 4)
    return [
        near("exponent of τ_gen in Δ_t, theory", slope(delta, gen), -1.0, 0.15, 1e-3, "spacing of τ"),
        exponent("the same, draws (d = 32)", delta, runs, -1.0, 0.15, lab.seed),
        more("τ_gen Δ_t at t = 0.1", gen[-1] * delta[-1], 1e-3, "spacing of τ"),
    ]


def gen_independent_of_n(lab: Lab) -> list[Comparison]:
    """Exponent of tau_gen in n: of the lowest test loss, and of the half-time of the population bulk."""
    problems = [rf.ScoreProblem(n, 64.0, 0.1) for n in PSI_N]
    gen, mem = read(problems)
    runs, _ = drawn(lab, problems, 32, 4)
    d, half = 24, []
    for q in problems:
        flow = rfscore.finite.draw(q, d, lab.rng(d, 812), "gaussian-equivalent").gradient_flow()
        top = (np.arange(flow.eigenvalues.size) >= flow.eigenvalues.size - d).astype(int)
        part = -flow.mode_contributions(TAU, top).train[1]
        half.append(ob.crossing(TAU[1:-1], part[1:-1], 0.5 * part[-1]).value)
    return [
        near("exponent in ψ_n of the time by which the population bulk has done half of its part",
             slope(PSI_N, np.array(half)), 0.0, FLAT, 0.02, "one draw each, d = 24"),
        near("exponent of the time of the lowest test loss, theory", slope(PSI_N, gen), 0.0, 0.3, 1e-3, "spacing of τ"),
        exponent("the same, draws (d = 32)", PSI_N, runs, 0.0, 0.3, lab.seed),
        more("growth of τ_gen for ψ_n = 4 … 32, against that of τ_mem next", gen[-1] / gen[0], 1e-3, "spacing of τ"),
        more("growth of τ_mem", mem[-1] / mem[0], 1e-3, "spacing of τ"),
    ]  # fmt: skip


def mem_many_features(lab: Lab) -> list[Comparison]:
    """psi_p >> psi_n: tau_mem proportional to psi_n, with prefactor of order 1/Delta_t."""
    psi_n = np.array([4.0, 8.0, 16.0])
    problems = [rf.ScoreProblem(n, 4096.0, 0.1) for n in psi_n]
    edge = np.array([float(rf.timescales(q).tau_mem) for q in problems])
    _, mem = read(problems)
    _, runs = drawn(lab, [rf.ScoreProblem(n, 1024.0, 0.1) for n in psi_n], 8, 6)
    delta = float(problems[0].delta)
    return [
        near("exponent in ψ_n of ψ_p/(Δ_t λ_min), ψ_p = 4096", slope(psi_n, edge), 1.0, LINEAR, 1e-9, "solver"),
        near("exponent of the time of half the final gap, theory", slope(psi_n, mem), 1.0, LINEAR, 1e-3,
             "spacing of τ"),
        exponent("the same, draws (ψ_p = 1024, d = 8)", psi_n, runs, 1.0, 2 * LINEAR, lab.seed),
        more("ψ_p v_t^2 Δ_t τ_mem/(ψ_p ψ_n): λ_min over v_t^2 ψ_p/ψ_n, inverted", float(np.mean(
            edge * delta / psi_n * float(rf.coefficients(problems[0]).v2))), 1e-9, "solver"),
    ]  # fmt: skip


def _onset(gap: np.ndarray) -> float:
    """When L_gen first is 0.3."""
    return ob.crossing(TAU[1:-1], gap[1:-1], 0.3).value


def mem_linear_at_figure_5(lab: Lab) -> list[Comparison]:
    """The same where psi_p = 64 is not much larger than psi_n = 4 ... 32."""
    problems = [rf.ScoreProblem(n, 64.0, 0.01) for n in PSI_N]
    edge = np.array([float(rf.timescales(q).tau_mem) for q in problems])
    _, mem = read(problems)
    onset = np.array([_onset(rf.loss_curves(q, TAU).gap) for q in problems])
    runs = np.array([[_onset(x.test - x.train) for x in lab.draws(q, {32: 4}, "gaussian-equivalent")[32]]
                     for q in problems])  # fmt: skip
    return [
        near("exponent in ψ_n of ψ_p/(Δ_t λ_min)", slope(PSI_N, edge), 1.0, LINEAR, 1e-9, "solver"),
        near("exponent of the time at which L_gen is 0.3, theory", slope(PSI_N, onset), 1.0, LINEAR, 1e-2,
             "spacing of τ"),
        exponent("the same, draws (d = 32)", PSI_N, runs, 1.0, LINEAR, lab.seed),
        near("exponent of the time of half the final gap, theory", slope(PSI_N, mem), 1.0, LINEAR, 1e-2,
             "spacing of τ"),
        *(more(f"ψ_p/(Δ_t λ_min) at ψ_n = {n:g}", e, 1e-9, "solver") for n, e in zip(PSI_N, edge, strict=True)),
    ]  # fmt: skip


def mem_independent_of_p(lab: Lab) -> list[Comparison]:
    """psi_p >> psi_n: tau_mem does not depend on psi_p."""
    psi_p = np.array([1024.0, 2048.0, 4096.0, 8192.0])
    problems = [rf.ScoreProblem(4.0, p, 0.1) for p in psi_p]
    edge = np.array([float(rf.timescales(q).tau_mem) for q in problems])
    _, mem = read(problems)
    return [
        near("exponent in ψ_p of ψ_p/(Δ_t λ_min), ψ_n = 4", slope(psi_p, edge), 0.0, FLAT, 1e-9, "solver"),
        near("exponent of the time of half the final gap", slope(psi_p, mem), 0.0, FLAT, 1e-3, "spacing of τ"),
    ]


def _spreads(lines: list[tuple[np.ndarray, np.ndarray]], times: np.ndarray, lowest: float) -> tuple[float, float]:
    """log of the horizontal spread of curves along tau, and along tau/tau_mem."""
    scaled = [(x / s, y) for (x, y), s in zip(lines, times, strict=True)]
    return float(np.log(horizontal_spread(lines, lowest))), float(np.log(horizontal_spread(scaled, lowest)))


def _collapse(name: str, problems: Sequence[rf.ScoreProblem], lab: Lab) -> list[Comparison]:
    """What psi_p/(Delta_t lambda_min) leaves of the spread of L_gen, as it is and over its final value."""
    times = np.array([float(rf.timescales(q).tau_mem) for q in problems])
    found, best = [], []
    for source, gaps in (("theory", [rf.loss_curves(q, TAU).gap for q in problems]),
                         ("draws (d = 32)", [np.mean([x.test - x.train for x in lab.draws(
                             q, {32: 4}, "gaussian-equivalent")[32]], axis=0) for q in problems])):  # fmt: skip
        plain = [(TAU[1:-1], y[1:-1]) for y in gaps]
        over = [(TAU[1:-1], y[1:-1] / y[-1]) for y in gaps]
        left = [_spreads(plain, times, 0.02), _spreads(over, times, 0.05)]
        best.append(min(after / before for before, after in left))
        for what, (before, after) in zip(("L_gen", "L_gen over its final value"), left, strict=True):
            found.append(more(f"spread of {what} along τ/τ_mem, {source}; along τ it is {np.exp(before):.2f}",
                              float(np.exp(after)), 0.02, "spacing of τ"))  # fmt: skip
    what = "spread left by τ/τ_mem, as a fraction of that along τ (logarithms), the better of two readings, {}, {}"
    return [
        below(what.format(name, "theory"), best[0], 0.5, 0.02, "spacing of τ"),
        below(what.format(name, "draws (d = 32)"), best[1], 0.5, 0.03, "spacing of τ, 4 seeds"),
        *found,
    ]


def collapse(lab: Lab) -> list[Comparison]:
    """Figure 5, insets."""
    return _collapse("t = 0.1", [rf.ScoreProblem(n, 64.0, 0.1) for n in PSI_N], lab)


def collapse_wide(lab: Lab) -> list[Comparison]:
    """Figure 12 top: sigma_x = 2."""
    return _collapse("σ_x = 2", [rf.ScoreProblem(n, 64.0, 0.1, 4.0) for n in PSI_N], lab)


def collapse_narrow(lab: Lab) -> list[Comparison]:
    """Figure 12 bottom: sigma_x = 1/2."""
    return _collapse("σ_x = 0.5", [rf.ScoreProblem(n, 64.0, 0.1, 0.25) for n in PSI_N], lab)


def ratio_many_features(lab: Lab) -> list[Comparison]:
    """psi_p >> psi_n: tau_mem/tau_gen does not depend on t."""
    t = np.array([0.001, 0.003, 0.01])
    problems = [rf.ScoreProblem(4.0, 4096.0, x) for x in t]
    window = np.array([float(rf.timescales(q).window) for q in problems])
    gen, mem = read(problems)
    return [
        near("exponent in t of τ_mem/τ_gen, ψ_n = 4, ψ_p = 4096, from the spectrum", slope(t, window), 0.0, FLAT, 1e-9,
             "solver"),
        more("the same for half of the final gap: the lowest bulk has its own edge, and that is proportional to t",
             slope(t, mem / gen), 2e-3, "spacing of τ"),
    ]  # fmt: skip


def ratio_equal_sizes(lab: Lab) -> list[Comparison]:
    """psi_p = psi_n: tau_mem/tau_gen grows like 1/t."""
    t = np.array([0.001, 0.003, 0.01])
    problems = [rf.ScoreProblem(32.0, 32.0, x) for x in t]
    window = np.array([float(rf.timescales(q).window) for q in problems])
    gen, mem = read(problems)
    return [
        near("exponent in t of ψ_p/λ_min, ψ_n = ψ_p = 32", slope(t, window), -1.0, 0.15, 1e-9, "solver"),
        more("the same for half of the final gap over the lowest test loss", slope(t, mem / gen), 2e-3, "spacing of τ"),
    ]


def adam(lab: Lab) -> list[Comparison]:
    """Figure 15: the time at which the losses part grows with n under Adam as under gradient flow, or faster."""
    psi_n, d, steps = np.array([2.0, 4.0, 8.0]), 12, 4000
    ours, flow = np.empty((3, 3)), np.empty((3, 3))
    record = np.unique(np.geomspace(1, steps, 80).round().astype(int))
    for i, n in enumerate(psi_n):
        for k in range(3):
            x = rfscore.finite.draw(rf.ScoreProblem(n, 16.0, 0.01), d, lab.rng(d, 811, k))
            curves = rfscore.finite.adam(x, steps, 0.02, record=[0, *record])
            ours[i, k] = ob.crossing(curves.tau, curves.gap, 0.3).value
            flow[i, k] = _onset(x.gradient_flow().losses(TAU).gap)
    return [
        exponent("exponent in n of the time at which L_gen is 0.3, Adam (ψ_p = 16, d = 12)", psi_n, ours, 1.0, 0.35,
                 lab.seed),
        more("the same with gradient flow", slope(psi_n, flow.mean(1))),
    ]  # fmt: skip
