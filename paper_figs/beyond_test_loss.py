"""Beyond the paper: the test loss at every training time, for every number of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

import rfscore as rf
from paper_figs import diagram, finite, look
from paper_figs.job import Job, Row
from rfscore import observables as ob
from rfscore import plotting
from rfscore.plotting import Points, style
from rfscore.report.numbers import listed, num, percent

NAME = "beyond_test_loss"
TITLE = "test loss at every training time, ψ_p = 32, t = 0.1"
PAPER = "No formula for the test loss at finite τ; finite networks only."
PSI_P, T = 32.0, 0.1
RUN_PSI_N = (2.0, 8.0, 32.0)
SLICES = (10.0, 1e2, 1e3, 1e4, np.inf)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((32, 3), (100, 3))
    # The networks of fig 11, from the cache.
    cases = finite.cases(job, [rf.ScoreProblem(v, PSI_P, T) for v in RUN_PSI_N], d, seeds)
    psi_n = diagram.axis(0.5, 128.0, 49)
    job.say("test loss over psi_n")
    sliced, best = _over_psi_n(psi_n)
    figure, axes = plotting.panels(1, 2, width=look.TEXT, height=2.9)
    _along_training(axes[0, 0], cases)
    _across_samples(axes[0, 1], psi_n, sliced, best, cases)
    numbers = _numbers(psi_n, sliced, best, cases)
    ends = listed([percent(float(case.test[:, -1].mean() / case.theory.test[-1] - 1)) for case in cases])
    where = listed([f"{v:g}" for v in RUN_PSI_N])
    look.note(figure, f"Lines: theory at infinite size. Points: {seeds} networks, d = {d}, mean and standard "
              f"deviation; at the end they are {ends} from the theory at psi_n = {where}, by finite size. "
              "Dotted: the exact score's test loss.")  # fmt: skip
    inputs = {"psi_p": PSI_P, "t": T, "psi_n": psi_n, "networks": RUN_PSI_N, "d": d, "seeds": seeds, "tau": SLICES,
              "code": [finite.code(), diagram.code()]}  # fmt: skip
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers, d)))


def _over_psi_n(psi_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Test loss (times, psi_n) at the slices, and its lowest value over all times."""
    problems = [rf.ScoreProblem(v, PSI_P, T) for v in psi_n]
    unit = 1.0 / float(problems[0].delta)
    tau = np.concatenate([[0.0], np.geomspace(1e-2 * unit, 1e4 * unit, 161), [np.inf]])
    sliced = np.array([rf.loss_curves(x, SLICES).test for x in problems]).T
    return sliced, np.array([rf.loss_curves(x, tau).test.min() for x in problems])


def _floor() -> float:
    """Test loss of the exact score for isotropic data of variance one: e^{-2t}."""
    return float(np.exp(-2 * T))


def _along_training(ax: Axes, cases: list[finite.Case]) -> None:
    tau = cases[0].tau[1:-1]
    shown = [2.0**k for k in range(6)]
    for v in shown:
        ax.plot(tau, rf.loss_curves(rf.ScoreProblem(v, PSI_P, T), tau).test, color=style.psi_n_colour(v))
    for i, case in enumerate(cases):
        points = finite.spread(case.tau, case.test, 6, 2 * i)
        style.dots(ax, points, style.psi_n_colour(case.psi_n), style.psi_n_marker(case.psi_n))
    ax.axhline(_floor(), color=style.FAINT, linewidth=0.8, linestyle=":")
    ax.set(xscale="log", xlabel=r"training time $\tau$", ylabel=r"$L_{\rm test}$", ylim=(0.6, None))
    ax.legend(handles=look.psi_n_key(shown, markers=False), loc="upper left")
    style.tag(ax, "(a) along training")


def _across_samples(
    ax: Axes, psi_n: np.ndarray, sliced: np.ndarray, best: np.ndarray, cases: list[finite.Case]
) -> None:  # fmt: skip
    for k, (tau, values) in enumerate(zip(SLICES, sliced, strict=True)):
        colour = style.INK if np.isinf(tau) else colormaps["Oranges"](0.35 + 0.15 * k)
        name = r"$\infty$" if np.isinf(tau) else rf"$10^{{{np.log10(tau):.0f}}}$"
        ax.plot(psi_n, values, color=colour, label=rf"$\tau$ = {name}")
        for case in cases:
            inner, log_tau = case.tau[1:-1], np.log(np.clip(tau, None, case.tau[-2]))
            runs = case.test[:, -1] if np.isinf(tau) else np.array([np.interp(log_tau, np.log(inner), y[1:-1])
                                                                    for y in case.test])  # fmt: skip
            style.dots(
                ax, Points(np.array([case.psi_n]), runs.mean(keepdims=True), runs.std(ddof=1, keepdims=True)), colour
            )
    ax.plot(psi_n, best, "--", color=style.TRAIN, label=r"lowest over $\tau$")
    ax.axhline(_floor(), color=style.FAINT, linewidth=0.8, linestyle=":")
    style.binary_axis(ax, psi_n)
    ax.set(xlabel=r"$\psi_n=n/d$", ylabel=r"$L_{\rm test}$", ylim=(0.6, None))
    ax.legend(loc="upper right")
    style.tag(ax, "(b) at fixed times")


def _numbers(psi_n: np.ndarray, sliced: np.ndarray, best: np.ndarray, cases: list[finite.Case]) -> dict[str, Any]:
    peak = [int(np.argmax(values)) for values in sliced]
    return {
        "psi_n": psi_n, "tau": SLICES, "test": sliced, "lowest": best, "peak_psi_n": psi_n[peak],
        "peak_inside": [0 < i < psi_n.size - 1 for i in peak], "peak_height": [float(v.max()) for v in sliced],
        "tau_gen": [ob.tau_opt(c.tau, c.theory.test).value for c in cases], "agreement": finite.agreement(cases),
    }  # fmt: skip


def _sentences(x: dict[str, Any], d: int) -> tuple[str, str]:
    inside = [(tau, where, top) for tau, where, top, ok in
              zip(x["tau"], x["peak_psi_n"], x["peak_height"], x["peak_inside"], strict=True) if ok]  # fmt: skip
    agreement = percent(x["agreement"]["test_relative"])
    here = f"The exact L_test(τ) agrees with networks of d = {d} within {agreement} at every τ."
    if not inside:
        return here, "At no fixed τ does the test loss have a peak in ψ_n: more samples never hurt here."
    falls = bool(np.all(np.diff(x["lowest"]) < 0))
    peaks = listed([f"{num(where, 2)} (τ = {num(tau)}, {num(top)})" for tau, where, top in inside])
    return here, (
        f"At fixed τ the test loss has a peak in ψ_n, at {peaks}: below it more samples hurt. Stopped at the best time "
        f"it {'falls throughout' if falls else 'does not fall throughout, either'}."
    )
