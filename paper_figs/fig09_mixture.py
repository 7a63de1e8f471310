"""Fig 9: a Gaussian mixture; KL divergence and memorised fraction for several n and W."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from paper_figs import look, trained
from paper_figs.job import Job, Row
from rfscore import plotting
from rfscore.plotting import networks, style
from rfscore.report.numbers import listed, num
from rfscore.runs.summary import RunSummary

NAME = "fig09_mixture"
TITLE = "Gaussian mixture, d = 8: KL divergence and memorised fraction against training"
PAPER = (
    "KL falls to about 0 at a τ_gen that does not depend on n, with f_mem = 0; both rise at τ_mem ∝ n (left, W = "
    "128) and ∝ 1/W (right, n = 2048)."
)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    experiment, left = trained.first("mixture_sgd", "mixture", wanted=lambda run: "kl" in run.columns)
    right = _by_width(trained.load(experiment)[experiment])
    figure, axes = plotting.panels(2 + bool(right), 2, width=look.TEXT, height=2.1)
    _kl(axes[0], left)
    trained.memorised(axes[1, 0], left, axes[1, 1])
    for ax in axes[1]:
        ax.set(yscale="log", ylim=(1e-3, 1.5))
    axes[0, 0].legend(handles=trained.key(left), loc="lower left")
    if right:
        _widths(axes[2], right)
    names = ("KL divergence", r"KL against $\tau/n$", "memorised fraction", r"memorised fraction against $\tau/n$",
             "KL divergence", "memorised fraction")  # fmt: skip
    for ax, letter, what in zip(axes.flat, "abcdef", names, strict=False):
        style.tag(ax, f"({letter}) {what}, " + (f"W = {left[0].width}" if letter in "abcd" else f"n = {right[0].n}"))
    several = "" if right else " Several widths of one n are not run here: python -m experiments queue."
    look.note(figure, f"Networks: {trained.describe(left)} (paper: full-batch SGD, up to 4 million steps, n to "
                      "4096). One network per n; bands: 95 % intervals of the measurement, where known; KL by the "
                      f"paper's entropy formula. f_mem = 0 is below the axis. Dotted: 5 %.{several}")  # fmt: skip
    numbers: dict[str, Any] = {"by_n": trained.numbers(left, "kl") | _kl_numbers(left)}
    if right:
        numbers["by_width"] = trained.numbers(right, "kl") | _kl_numbers(right)
    row = Row(PAPER, *_sentences(numbers))
    return job.leave(
        NAME, figure, title=TITLE, inputs=trained.inputs(experiment, [*left, *right]), numbers=numbers, row=row
    )


def _by_width(runs: list[RunSummary]) -> list[RunSummary]:
    """The runs of the n that was trained at most widths; none when that is one width."""
    groups: dict[int, list[RunSummary]] = {}
    for run in runs:
        groups.setdefault(run.n, []).append(run)
    best = max(groups.values(), key=lambda found: len({run.width for run in found}))
    return best if len({run.width for run in best}) > 1 else []


def _kl(axes: np.ndarray, runs: list[RunSummary]) -> None:
    for ax, factor, label in zip(
        axes, (trained.once, trained.over_n), (r"training step $\tau$", r"$\tau/n$"), strict=True
    ):
        trained.draw(ax, trained.curves(runs, "kl", factor))
        ax.set(xlabel=label, ylabel="KL(generated | true)", yscale="log", ylim=(0.3, 300))


def _widths(axes: np.ndarray, runs: list[RunSummary]) -> None:
    """One n, several W, against tau W: colour is n, so the width is a line style."""
    widths = sorted({run.width for run in runs})
    dashes = dict(zip(widths, trained.WIDTH_DASHES, strict=False))
    for ax, column in zip(axes, ("kl", "f_mem"), strict=True):
        trained.draw(ax, trained.curves(runs, column, lambda run: run.width, dashes=dashes))
        ax.set(
            xlabel=r"$\tau W$", yscale="log", ylabel=trained.QUALITY.get(column, r"memorised fraction $f_{\rm mem}$")
        )
    colour, _ = networks.look(runs[0].n, trained.sizes(runs))
    axes[0].legend(handles=[Line2D([], [], color=colour, linestyle=dashes[w], label=f"W = {w}") for w in widths])


def _kl_numbers(runs: list[RunSummary]) -> dict[str, Any]:
    return {"kl_lowest": [float(run.curve("kl")[1].min()) for run in runs],
            "kl_last": [float(run.curve("kl")[1][-1]) for run in runs]}  # fmt: skip


def _sentences(numbers: dict[str, Any]) -> tuple[str, str]:
    x = numbers["by_n"]
    gen, mem = (x["times"][name]["value"] for name in ("tau_opt", "tau_onset"))
    here = (
        f"n = {listed([str(n) for n in x['n']])}: KL is lowest ({listed([num(v, 2) for v in x['kl_lowest']])}) at τ = "
        f"{listed([num(v) for v in gen])}; f_mem passes 5 % at τ = {listed([num(v) for v in mem])}."
    )
    fit = x["fits"]["tau_onset"]
    law = (
        f"τ_mem ~ n^{num(fit.gamma, 2)} over {fit.used} runs ({fit.left_out} not reached)"
        if fit.used > 1
        else "no exponent"
    )
    wide = ""
    if "by_width" in numbers:
        beta = numbers["by_width"]["fits"]["tau_onset"].beta
        wide = f" ~ W^-{num(beta, 2)}" if beta == beta else ""
    reached = max(x["kl_lowest"]) < 0.1
    return here, f"{law}{wide}; KL {'reaches' if reached else 'does not reach'} 0."
