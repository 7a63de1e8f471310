"""Fig 6: generated images at two training times, each above its nearest training image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from paper_figs import look, samples, trained
from paper_figs.job import Job, Row
from rfscore import plotting
from rfscore.memorization import wilson
from rfscore.reproduce.short import num, percent

NAME = "fig06_samples"
TITLE = "generated digits before and after memorisation, with their nearest training images"
PAPER = (
    "CelebA, n = 1024, W = 32: at τ = 190 000 new faces (FID 35.1, f_mem 0 %), at 1.62 million 47.2 % copies of "
    "training images."
)
SHOWN = 12


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    sheet = samples.sheet("digits")
    run = next((r for r in trained.load("digits").get("digits", []) if r.name == sheet.name), None)
    numbers = _numbers(sheet, run)
    figure, axes = plotting.panels(5, 1, width=look.TEXT, height=0.66)
    samples.show(axes[0, 0], sheet.train[:SHOWN])
    names = ["training"]
    for k, step in enumerate(sheet.steps):
        copies = sheet.ratio[k, :SHOWN] < samples.GAP
        samples.show(axes[1 + 2 * k, 0], sheet.samples[k, :SHOWN], copies)
        samples.show(axes[2 + 2 * k, 0], sheet.nearest[k, :SHOWN])
        names += [rf"$\tau$ = {step}", "nearest"]
    for ax, name in zip(axes[:, 0], names, strict=True):
        ax.text(-0.01, 0.5, name, transform=ax.transAxes, ha="right", va="center", fontsize=8)
    look.note(figure, f"Digits 8x8, U-Net W = 8, n = {sheet.n}, Adam (paper: CelebA 32x32, W = 32, n = 1024, SGD). "
                      "Framed: "
              "memorised, the nearest training image is three times as near as the second.")  # fmt: skip
    inputs = {
        "run": sheet.name,
        "n": sheet.n,
        "steps": sheet.steps,
        "samples": sheet.ratio.shape[1],
        "gap": samples.GAP,
    }
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _numbers(sheet: samples.Sheet, run: Any) -> dict[str, Any]:
    count = sheet.ratio.shape[1]
    copies = (sheet.ratio < samples.GAP).sum(1)
    found: dict[str, Any] = {
        "steps": sheet.steps, "samples": count, "f_mem_of_these": copies / count,
        "saturated": (np.isin(sheet.samples, (0.0, 1.0)).mean((2, 3)) > 0.9).mean(1),
        "interval": [wilson(int(k), count, 0.95) for k in copies],
    }  # fmt: skip
    for name in ("f_mem", "frechet"):
        if run is not None and name in run.columns:
            tau, y = run.curve(name)
            found[f"{name}_of_run"] = np.interp(sheet.steps, tau, y)
    return found


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    early, late = x["steps"]
    shares = x.get("f_mem_of_run", x["f_mem_of_these"])
    here = f"Digits, after {early} steps {percent(float(shares[0]))} copies, after {late} {percent(float(shares[1]))}."
    if "frechet_of_run" not in x:
        return here, "Digits instead of faces."
    first, second = x["frechet_of_run"]
    falls = second < first
    broken = " and ".join(percent(float(v)) for v in x["saturated"])
    return here, (
        f"{broken} of the samples are black or white noise, the network is that small; the Fréchet distance "
        f"{'still falls' if falls else 'rises'} from {num(first)} to {num(second)} between the two "
        "(EfficientNet features, not FID), where the paper's FID is flat from τ_gen on."
    )
