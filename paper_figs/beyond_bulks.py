"""Beyond the paper: what each bulk of the spectrum adds to the losses, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import rfscore as rf
import rfscore.finite
from paper_figs import finite, look
from paper_figs.cache import Arrays, kept
from paper_figs.job import Job, Row
from rfscore import observables as ob
from rfscore import plotting
from rfscore.finite import pool
from rfscore.plotting import style
from rfscore.report.numbers import num, percent

NAME = "beyond_bulks"
TITLE = "contribution of each bulk to the losses, ψ_p = 64, ψ_n = 8, t = 0.01"
PAPER = "Memorisation is attributed to the bulk ρ_1 as a whole, generalisation to ρ_2; no split of the losses."
PSI_N, PSI_P, T = 8.0, 64.0, 0.01


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((32, 2), (100, 2))
    problem = rf.ScoreProblem(PSI_N, PSI_P, T)
    tau = rf.training_times(problem, 121)
    job.say("theory")
    split, scales = rf.bulk_curves(problem, tau), rf.timescales(problem)
    names = split.names
    runs = _runs(job, problem, d, seeds, tau, rf.spectrum(problem).cuts)
    figure, axes = plotting.panels(1, 3, width=look.TEXT, height=2.6)
    for ax, part in zip(axes[0], ("train", "test", "test"), strict=True):
        theory = np.asarray(getattr(split, part))
        ax.axhline(0.0, color=style.FAINT, linewidth=0.7)
        for k, name in enumerate(names):
            ax.plot(tau[1:-1], theory[k, 1:-1], color=style.bulk_colour(name), label=name)
            style.dots(ax, finite.spread(tau, runs[part][:, k], 6, 2 * k), style.bulk_colour(name))
        ax.plot(tau[1:-1], theory.sum(0)[1:-1], ":", color=style.INK, label="sum")
        ax.set(xscale="log", xlabel=r"training time $\tau$")
    axes[0, 0].set_ylabel("contribution to the loss")
    axes[0, 1].set_ylim(-0.025, 0.03)
    axes[0, 2].set(yscale="log", ylim=(1e-3, 60))
    axes[0, 0].legend(loc="lower left")
    titles = (r"(a) $L_{\rm train}-1$", r"(b) $L_{\rm test}-1$, first", r"(c) $L_{\rm test}-1$, later")
    for ax, title in zip(axes[0], titles, strict=True):
        style.tag(ax, title)
    sample = next(k for k, name in enumerate(names) if name.startswith("sample"))
    ends = num(float(runs["test"][:, sample, -1].mean())), num(float(np.asarray(split.test)[sample, -1]))
    look.note(figure, f"Lines: theory at infinite size, contours through the gaps. Points: eigenmodes of {seeds} "
              f"networks, d = {d}, grouped at the same gaps, the atom's with the lowest bulk; mean and standard "
              f"deviation. The sample bulk of the networks ends at {ends[0]}, of the theory at {ends[1]}: at this d "
              "the bulks of exact features are not as far apart.")  # fmt: skip
    numbers = _numbers(tau, split, names, scales, runs)
    inputs = {"psi_n": PSI_N, "psi_p": PSI_P, "t": T, "d": d, "seeds": seeds, "code": finite.code()}
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _runs(job: Job, problem: rf.ScoreProblem, d: int, seeds: int, tau: np.ndarray, cut: np.ndarray) -> Arrays:
    """Contributions (seeds, bulk, T) of drawn networks."""

    def one(seed: int) -> Arrays:
        def compute() -> Arrays:
            flow = rfscore.finite.draw(problem, d, finite.stream(problem, d, seed)).gradient_flow()
            parts = flow.mode_contributions(tau, np.searchsorted(cut, flow.eigenvalues))
            return {"train": np.asarray(parts.train), "test": np.asarray(parts.test)}

        return kept("bulks", {"problem": problem, "d": d, "seed": seed, "tau": tau, "cut": cut}, finite.code(), compute)

    found = pool.each(one, range(seeds), round(float(problem.psi_p) * d), lambda k: job.say(f"network {k + 1}"))
    return {name: np.array([x[name] for x in found]) for name in ("train", "test")}


def _numbers(
    tau: np.ndarray, split: rf.BulkCurves, names: list[str], scales: rf.Timescales, runs: Arrays
) -> dict[str, Any]:
    train, test = np.asarray(split.train), np.asarray(split.test)
    half = [ob.crossing(tau, y, 0.5 * y[-1]).value if y[-1] > 0 else np.nan for y in test]
    return {
        "bulks": names, "edges": split.edges, "train_inf": train[:, -1], "test_inf": test[:, -1],
        "share_of_final_rise": test[:, -1] / test[:, -1].sum(), "test_lowest": test.min(1), "test_half_time": half,
        "tau_mem": scales.tau_mem_edge, "tau_last": scales.tau_last_edge, "runs_test_inf": runs["test"][:, :, -1],
    }  # fmt: skip


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    low = [i for i, name in enumerate(x["bulks"]) if name.startswith("lowest")]
    share = float(sum(x["share_of_final_rise"][i] for i in low))
    here = (
        f"The lowest bulk, d eigenvalues, makes {percent(share)} of the final rise of the test loss, half of it at τ = "
        f"{num(x['test_half_time'][low[0]])}; the population bulk lowers it by up to {num(-x['test_lowest'][-1])} "
        "first."
        if low else "There is no lowest bulk."
    )  # fmt: skip
    return here, (
        f"The time of the paper's edge is ψ_p/(Δ_t λ_min) = {num(float(x['tau_mem']))}, that of the lowest bulk's edge "
        f"{num(float(x['tau_last']))}: the rise comes between them."
        if low and float(x["tau_mem"]) < x["test_half_time"][low[0]] < float(x["tau_last"])
        else f"Edges of the sample and lowest bulk give τ = {num(float(x['tau_mem']))} and {num(float(x['tau_last']))}."
    )
