"""Fig 2: U-Nets on images; quality, memorised fraction, losses, and samples before memorisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figs import look, samples, trained
from paper_figs.job import Job, NotRun, Row
from rfscore import observables as ob
from rfscore.plotting import style
from rfscore.report.numbers import listed, num
from rfscore.runs.summary import RunSummary

NAME = "fig02_images"
TITLE = "U-Nets on faces and on digits: memorised fraction, losses at t = 0.01, quality"
PAPER = (
    "CelebA, W = 32: the FID is lowest from τ_gen ≈ 100 000 on for every n; f_mem rises at τ/n ≈ 300 and collapses "
    "against τ/n; training and test loss split at a time ∝ n, before f_mem rises."
)
#: Name in the text, and where the runs may be: the paper's own size first.
SOURCES = {"faces": ("celeba_gpu", "celeba"), "digits": ("digits",)}


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    found = {name: trained.first(*places, wanted=lambda run: "f_mem" in run.columns) for name, places in _known()}
    figure = Figure(figsize=(look.TEXT, 3.6 * len(found) + 0.2))
    grid = figure.add_gridspec(2 * len(found), 3)
    letters = iter("abcdefghij")
    for row, (name, (_, runs)) in enumerate(found.items()):
        first = figure.add_subplot(grid[2 * row : 2 * row + 2, 0])
        axes = [figure.add_subplot(grid[2 * row + i, k]) for k in (1, 2) for i in (0, 1)]
        _row(first, axes, runs)
        titles = (f"{name}: {_first(runs)}", "copies", r"copies against $\tau/n$", "losses", r"losses against $\tau/n$")
        for ax, what in zip((first, *axes), titles, strict=True):
            style.tag(ax, f"({next(letters)}) {what}")
    every = [run for _, runs in found.values() for run in runs]
    figure.legend(handles=[*trained.key(every), *trained.loss_key()], loc="outside upper center", ncols=6)
    texts = ". ".join(trained.describe(runs) for _, runs in found.values())
    look.note(figure, f"{texts[0].upper()}{texts[1:]} (paper: CelebA 32x32, W = 32, SGD, FID, 10 000 samples). Losses "
                      "at t = 0.01. Bands: 95 % intervals. Dotted: 5 % above chance, where tau_onset is "
                      "read. Few training faces: what is generated is noisy.")  # fmt: skip
    numbers = {name: trained.numbers(runs) | _split(runs) for name, (_, runs) in found.items()}
    inputs = {name: trained.inputs(*x) for name, x in found.items()}
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _known() -> list[tuple[str, tuple[str, ...]]]:
    known = [(name, places) for name, places in SOURCES.items() if trained.load(*places)]
    if not known:
        raise NotRun("no runs on images: python -m experiments digits")
    return known


def _first(runs: list[RunSummary]) -> str:
    return "quality" if "frechet" in runs[0].columns else "samples"


def _row(first: Axes, axes: list[Axes], runs: list[RunSummary]) -> None:
    copies, copies_by_n, losses, losses_by_n = axes
    if _first(runs) == "quality":
        _quality(first, runs)
    else:
        _samples(first, "celeba")
    trained.memorised(copies, runs, copies_by_n)
    trained.losses(losses, runs)
    trained.losses(losses_by_n, runs, lambda run: 1 / run.n)
    losses_by_n.set_xlabel(r"$\tau/n$")
    for ax in (losses, losses_by_n):
        ax.set_ylim(bottom=0)


def _quality(ax: Axes, runs: list[RunSummary]) -> None:
    trained.draw(ax, trained.curves(runs, "frechet"), band=False)
    ax.set(yscale="log", xlabel=r"training step $\tau$", ylabel="Fréchet distance (not FID)")
    real = [run.facts["frechet_of_real_images"] for run in runs if "frechet_of_real_images" in run.facts]
    if real:
        ax.axhline(float(np.mean(real)), color=style.FAINT, linewidth=0.8, linestyle=":")
        ax.annotate("real images", (0.02, float(np.mean(real))), xycoords=("axes fraction", "data"), fontsize=6.5,
                    xytext=(0, 2), textcoords="offset points", color=style.FAINT)  # fmt: skip


def _samples(ax: Axes, experiment: str) -> None:
    """New samples of the early step, three rows of four."""
    try:
        sheet = samples.sheet(experiment)
    except NotRun as reason:
        look.nothing(ax, str(reason).split(":")[0])
        return
    ax.set_axis_off()
    for row in range(3):
        part = ax.inset_axes((0.02, 0.70 - 0.29 * row, 0.96, 0.27))
        samples.show(part, sheet.samples[0, 4 * row : 4 * row + 4])
    share = float(np.mean(sheet.ratio[0] < samples.GAP))
    ax.text(0.5, 0.0, rf"$\tau$ = {sheet.steps[0]}, n = {sheet.n}: $f_{{\rm mem}}$ = {100 * share:.0f} %",
            transform=ax.transAxes, ha="center", fontsize=7)  # fmt: skip


def _split(runs: list[RunSummary]) -> dict[str, Any]:
    """Where test - training loss first exceeds a tenth, and where f_mem exceeds 5 %."""
    split, mem = [], []
    for run in runs:
        tau, test = run.curve("test_loss")
        _, train = run.curve("train_loss")
        split.append(ob.crossing(tau, test - train, 0.1).value)
        mem.append(ob.onset(*run.curve("f_mem"), trained.level(run)).value)
    return {"split_times": split, "f_mem_times": mem, "lag": np.array(mem) / np.array(split)}


def _sentences(numbers: dict[str, Any]) -> tuple[str, str]:
    here, differs = [], []
    for name, x in numbers.items():
        gen, fit = x["times"]["tau_opt"]["value"], x["fits"]["tau_opt"]
        lag, spread = x["lag"][np.isfinite(x["lag"])], x["spread"].get("tau/n", float("nan"))
        here.append(
            f"{name.title()}, n = {listed([str(n) for n in x['n']])}: test loss lowest at τ = "
            f"{listed([num(v) for v in gen])}; the losses are 0.1 apart at τ = "
            f"{listed([num(v) for v in x['split_times']])}, f_mem passes 5 % at "
            f"{listed([num(v) for v in x['f_mem_times']])}."
        )
        late = (
            f"f_mem rises {num(lag.min(), 2)} to {num(lag.max(), 2)} times later than the split; " if lag.size else ""
        )
        differs.append(
            f"{name.title()}: {late}at equal f_mem the curves lie apart by a factor {num(spread)} along τ/n; "
            f"τ_gen grows like n^{num(fit.gamma, 2)} (the paper: constant)."
        )
    return " ".join(here), " ".join(differs)
