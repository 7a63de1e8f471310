"""Beyond the paper: overfitting is benign for one noise per sample, malign for more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

import rfscore as rf
from claims.frozen_noise import printed
from paper_figs import diagram, finite, look, noises
from paper_figs.job import Job, Row
from rfscore import plotting
from rfscore.plotting import Points, style
from rfscore.report.numbers import listed, num

NAME = "beyond_benign"
TITLE = "benign and malign overfitting: m noises per sample, ψ_n = 8, t = 0.1, ridge 10⁻³"
PAPER = "m = ∞ only. The 2026 double-descent paper, at τ = ∞: benign for m = 1, malign for m ≥ 2, a peak at p = nm."
PSI_N, T, RIDGE = 8.0, 0.1, 1e-3
DRAWS = (1, 2, 4, 16, np.inf)
WIDE = 32.0
RUN_PSI_P = (0.5, 2.0, 8.0, WIDE)
TAU = np.concatenate([np.geomspace(0.3, 3e6, 113), [np.inf]])


def problem(psi_p: float, m: float) -> rf.ScoreProblem:
    """The problem at m noises, with the ridge of the 2026 figures."""
    return rf.ScoreProblem(PSI_N, psi_p, T, noise_draws=m, ridge=RIDGE)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((32, 3), (64, 3))
    psi_p = np.geomspace(0.25, 8192.0, 91)
    curves = {m: noises.test_losses(job, [problem(p, m) for p in psi_p], TAU[-1:], f"m = {m}") for m in DRAWS}
    wide = {m: noises.test_losses(job, [problem(WIDE, m)], TAU)[0] for m in DRAWS}
    runs = {m: {p: _runs(job, problem(p, m), d, seeds) for p in RUN_PSI_P} for m in DRAWS}
    marks = {m: {p: printed.final(PSI_N, p, T, m, RIDGE).test for p in np.geomspace(0.5, 4096, 14)} for m in DRAWS}
    figure, axes = plotting.panels(1, 2, width=look.TEXT, height=3.0)
    _over_features(axes[0, 0], psi_p, curves, runs, marks)
    _along_training(axes[0, 1], wide, runs)
    text = (
        "Lines: theory; crosses: the closed formula of the 2026 paper (Prop C.2), solved on its own. Points: "
        f"{seeds} networks, d = {d}, mean and standard deviation. Grey: the untrained network."
    )
    look.note(figure, text)
    numbers = _numbers(psi_p, curves, marks, runs, wide)
    inputs = {"psi_n": PSI_N, "t": T, "ridge": RIDGE, "m": DRAWS, "psi_p": psi_p, "d": d, "seeds": seeds,
              "code": [finite.code(), diagram.code()]}  # fmt: skip
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _runs(job: Job, one: rf.ScoreProblem, d: int, seeds: int) -> np.ndarray:
    return np.array([x["test"] for x in finite.losses(job, one, d, seeds, TAU)])


def _over_features(ax: Axes, psi_p: np.ndarray, curves: dict, runs: dict, marks: dict) -> None:
    for m in DRAWS:
        ax.plot(psi_p, curves[m][:, -1], color=noises.colour(m))
        ax.plot(list(marks[m]), list(marks[m].values()), "x", color=noises.colour(m), markersize=4.5)
        found = np.array([runs[m][p][:, -1] for p in RUN_PSI_P])
        style.dots(ax, Points(np.array(RUN_PSI_P), found.mean(1), found.std(1, ddof=1)), noises.colour(m),
                   noises.marker(m))  # fmt: skip
        if np.isfinite(m):
            ax.annotate("", (PSI_N * m, 0.79), (PSI_N * m, 0.74),
                        arrowprops={"arrowstyle": "->", "color": noises.colour(m), "lw": 1.0})  # fmt: skip
    ax.axhline(1.0, color=style.FAINT, linewidth=0.7)
    style.binary_axis(ax, psi_p)
    ax.set(yscale="log", ylim=(0.74, 7.5), xlabel=r"$\psi_p=p/d$", ylabel=r"$L_{\rm test}(\tau=\infty)$")
    ax.set_yticks([1, 2, 4], ["1", "2", "4"])
    ax.minorticks_off()
    ax.text(psi_p[0], 1.04, "malign: worse", color=style.FAINT, fontsize=6.5, va="bottom")
    ax.text(psi_p[-1], 0.88, "benign: better", color=style.FAINT, fontsize=6.5, ha="right", va="top")
    ax.legend(handles=noises.key(DRAWS), loc="upper left")
    style.tag(ax, r"(a) end of training; arrows: $p=nm$")


def _along_training(ax: Axes, wide: dict, runs: dict) -> None:
    inner = look.inner(TAU)
    for i, m in enumerate(DRAWS):
        ax.plot(TAU[inner], wide[m][inner], color=noises.colour(m))
        style.dots(ax, finite.spread(TAU, runs[m][WIDE], 11, 2 * i), noises.colour(m), noises.marker(m))
    ax.axhline(1.0, color=style.FAINT, linewidth=0.7)
    ax.set(xscale="log", yscale="log", ylim=(0.74, 7.5), xlabel=r"training time $\tau$", ylabel=r"$L_{\rm test}$")
    ax.set_yticks([1, 2, 4], ["1", "2", "4"])
    ax.minorticks_off()
    ax.text(0.3, 1.03, "worse than untrained", color=style.FAINT, fontsize=6.5, va="bottom")
    style.tag(ax, rf"(b) along training, $\psi_p$ = {WIDE:g}")


def _numbers(psi_p: np.ndarray, curves: dict, marks: dict, runs: dict, wide: dict) -> dict[str, Any]:
    end = {m: float(curves[m][-1, -1]) for m in DRAWS}
    before = {m: float(curves[m][psi_p < PSI_N, -1].min()) for m in DRAWS}
    off = [abs(value / float(rf.loss_curves(problem(p, m), [np.inf]).test[0]) - 1)
           for m in DRAWS for p, value in marks[m].items()]  # fmt: skip
    inner = {m: curves[m][:, -1] for m in DRAWS}
    peak = {m: int(np.argmax(y)) for m, y in inner.items()}
    return {
        "m": DRAWS, "largest_p": psi_p[-1], "end_of_largest_p": list(end.values()),
        "best_below_n": list(before.values()),
        "peak": [inner[m].max() for m in DRAWS], "peak_psi_p": [psi_p[peak[m]] for m in DRAWS],
        "peak_inside": [0 < peak[m] < psi_p.size - 1 for m in DRAWS],
        "lowest_over_tau_wide": [wide[m].min() for m in DRAWS], "end_wide": [wide[m][-1] for m in DRAWS],
        "closed_form_largest_difference": max(off),
        "runs_end_wide": [runs[m][WIDE][:, -1].mean() for m in DRAWS],
    }  # fmt: skip


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    ends, before = x["end_of_largest_p"], x["best_below_n"]
    benign = [m for m, end, low in zip(x["m"], ends, before, strict=True) if end < low]
    named = ["∞" if np.isinf(m) else f"{m:g}" for m in x["m"]]
    here = (
        f"At p = {num(x['largest_p'] / PSI_N)} n the fully trained test loss ends at "
        f"{listed([num(v, 3) for v in ends])} for m = {listed(named)}; the best of networks smaller than n has "
        f"{listed([num(v, 3) for v in before])}: larger is better only for m = "
        f"{listed([f'{m:g}' for m in benign]) if benign else '(none)'}."
    )
    gain = [end / low for end, low in zip(x["end_wide"], x["lowest_over_tau_wide"], strict=True)]
    return here, (
        f"The closed formula agrees to {num(x['closed_form_largest_difference'], 1)}. Stopped at its best, more noises "
        f"always help: {listed([num(v, 3) for v in x['lowest_over_tau_wide']])} at ψ_p = {WIDE:g}; training on to the "
        f"end costs a factor {num(min(gain), 2)} (m = 1) to {num(max(gain), 2)} (m = ∞)."
    )
