"""Fig 2: a U-Net on images; quality, memorised fraction, losses, and samples early and late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from paper_figs import look, samples, trained
from paper_figs.job import Job, NotRun, Row
from rfscore import plotting
from rfscore.plotting import style
from rfscore.reproduce.short import listed, num
from rfscore.unet.summary import RunSummary

NAME = "fig02_images"
TITLE = "U-Net on images: quality, memorised fraction, losses at t = 0.01, samples"
PAPER = (
    "CelebA, W = 32: the FID is lowest from τ_gen ≈ 100 000 on for every n; f_mem rises at τ/n ≈ 300 and collapses "
    "against τ/n; training and test loss split at a time ∝ n, before f_mem rises."
)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    experiment, runs = trained.first("celeba_gpu", "celeba", "digits", wanted=lambda run: "f_mem" in run.columns)
    figure, axes = plotting.panels(2, 2, width=look.TEXT, height=2.35)
    (a, b), (c, d) = axes
    trained.draw(a, trained.curves(runs, "frechet"), band=False)
    a.set(yscale="log", xlabel=r"training step $\tau$", ylabel="Fréchet distance")
    real = [run.facts["frechet_of_real_images"] for run in runs if "frechet_of_real_images" in run.facts]
    if real:
        a.axhline(float(np.mean(real)), color=style.FAINT, linewidth=0.8, linestyle=":")
        a.annotate("real images", (0.02, float(np.mean(real))), xycoords=("axes fraction", "data"), fontsize=6.5,
                   xytext=(0, 2), textcoords="offset points", color=style.FAINT)  # fmt: skip
    a.legend(handles=trained.key(runs), loc="lower left", bbox_to_anchor=(0.0, 0.12))
    trained.memorised(b, runs, (0.15, 0.42, 0.42, 0.5))
    trained.losses(c, runs)
    c.legend(handles=trained.loss_key(), loc="upper left")
    c.set_ylim(0, 1.7 * max(float(np.nanmax(run.columns["test_loss"])) for run in runs))
    small = look.inset(c, (0.42, 0.6, 0.55, 0.38), r"$\tau/n$")
    trained.losses(small, runs, lambda run: 1 / run.n)
    small.set(ylabel="")
    small.set_xlabel(r"$\tau/n$", fontsize=6, labelpad=0.5)
    _samples(d)
    titles = (
        "(a) quality",
        "(b) memorised fraction",
        "(c) losses at fixed t",
        "(d) samples and nearest training images",
    )
    for ax, title in zip((a, b, c, d), titles, strict=True):
        style.tag(ax, title)
    look.note(figure, f"Networks: {trained.describe(runs)} (paper: CelebA 32x32, W = 32, SGD, FID, 10 000 samples). "
                      "Fréchet "
              "distance on EfficientNet-Lite0 features, which is not FID. (d) digits, framed: memorised.")  # fmt: skip
    numbers = trained.numbers(runs, "frechet") | {"by_test_loss": trained.numbers(runs)} | _split(runs)
    return job.leave(NAME, figure, title=TITLE, inputs=trained.inputs(experiment, runs), numbers=numbers,
                     row=Row(PAPER, *_sentences(numbers)))  # fmt: skip


def _samples(ax: Axes) -> None:
    """Two times, each with a row of samples above a row of neighbours."""
    try:
        sheet = samples.sheet("digits")
    except NotRun as reason:
        look.nothing(ax, str(reason))
        return
    ax.set_axis_off()
    for k, step in enumerate(sheet.steps):
        for row, (name, images) in enumerate((("samples", sheet.samples), ("nearest", sheet.nearest))):
            part = ax.inset_axes((0.16, 0.76 - 0.5 * k - 0.23 * row, 0.84, 0.22))
            samples.show(part, images[k, :6], sheet.ratio[k, :6] < samples.GAP if row == 0 else None)
            part.text(-0.02, 0.5, name if row else rf"$\tau$ = "
                                                   rf"{step}", transform=part.transAxes, ha="right", va="center",
                      fontsize=7)  # fmt: skip


def _split(runs: list[RunSummary]) -> dict[str, Any]:
    """Where test - training loss first exceeds a tenth of the untrained loss, and where f_mem exceeds 5 %."""
    from rfscore import observables as ob

    split, mem = [], []
    for run in runs:
        tau, test = run.curve("test_loss")
        _, train = run.curve("train_loss")
        split.append(ob.crossing(tau, test - train, 0.1).value)
        level = 0.05 + float(run.facts.get("chance_level") or 0.0)
        mem.append(ob.onset(*run.curve("f_mem"), level).value)
    return {"split_times": split, "f_mem_times": mem, "lag": np.array(mem) / np.array(split)}


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    sizes = listed([str(n) for n in x["n"]])
    gen = x["by_test_loss"]["times"]["tau_gen"]["value"]
    here = (
        f"n = {sizes}: test loss lowest at τ = {listed([num(v) for v in gen])}; the losses are 0.1 apart at τ = "
        f"{listed([num(v) for v in x['split_times']])}, f_mem passes 5 % at "
        f"{listed([num(v) for v in x['f_mem_times']])}."
    )
    fit, lag = x["by_test_loss"]["fits"]["tau_gen"], x["lag"][np.isfinite(x["lag"])]
    late = (
        f"f_mem rises {num(lag.min(), 2)} to {num(lag.max(), 2)} times later than the split, as in the paper; "
        if lag.size and lag.min() > 1
        else ""
    )
    spread = x["spread"].get("tau/n", float("nan"))
    return here, (
        f"{late}at equal f_mem the curves lie apart by a factor {num(spread)} along τ/n; τ_gen grows like "
        f"n^{num(fit.gamma, 2)} (the paper: constant)."
    )
