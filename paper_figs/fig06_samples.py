"""Fig 6: generated images at two training times, and how near they are to training images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figs import look, samples, trained
from paper_figs.job import Job, NotRun, Row
from rfscore.memorization import wilson
from rfscore.plotting import style
from rfscore.report.numbers import num, percent

NAME = "fig06_samples"
TITLE = "generated digits and faces before and after memorisation, and their distance to training images"
PAPER = (
    "CelebA, n = 1024, W = 32: at τ = 190 000 new faces (FID 35.1, f_mem 0 %), at 1.62 million 47.2 % copies of "
    "training images."
)
SHOWN = 9


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    sheets = {"digits": samples.sheet("digits"), **_faces()}
    run = next((r for r in trained.load("digits").get("digits", []) if r.name == sheets["digits"].name), None)
    numbers = {name: _numbers(sheet, run if name == "digits" else None) for name, sheet in sheets.items()}
    figure = Figure(figsize=(look.TEXT, 3.9))
    grid = figure.add_gridspec(1, 2, width_ratios=(1.75, 1))
    _rows(figure, grid[0, 0], sheets)
    _distances(figure.add_subplot(grid[0, 1]), sheets)
    faces = sheets.get("faces")
    text = "" if faces is None else (
        f" Faces 16x16, W = 16, n = {faces.n}, Adam, by {faces.sampler}; only samples of the early step that are far "
        f"from every training face (ratio above {samples.NEW:.2g}) are shown.")  # fmt: skip
    look.note(figure, f"Digits 8x8, U-Net W = 8, n = {sheets['digits'].n}, Adam, by {sheets['digits'].sampler} (paper: "
                      f"CelebA 32x32, W = 32, n = 1024, SGD). Framed: memorised.{text}")  # fmt: skip
    inputs = {name: {"run": s.name, "n": s.n, "steps": s.steps, "samples": s.ratio.shape[1], "gap": samples.GAP}
              for name, s in sheets.items()}  # fmt: skip
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _faces() -> dict[str, samples.Sheet]:
    try:
        return {"faces": samples.sheet("celeba")}
    except NotRun:
        return {}


def _rows(figure: Figure, place: Any, sheets: dict[str, samples.Sheet]) -> None:
    """Digits: training, and samples above their neighbours at both steps; faces: early samples."""
    digits = sheets["digits"]
    rows: list[tuple[str, np.ndarray, np.ndarray | None]] = [("training digits", digits.train, None)]
    for k, step in enumerate(digits.steps):
        rows.append((rf"$\tau$ = {step}", digits.samples[k], digits.ratio[k, :SHOWN] < samples.GAP))
        rows.append(("nearest", digits.nearest[k], None))
    if "faces" in sheets:
        rows.append((rf"faces, $\tau$ = {sheets['faces'].steps[0]}", sheets["faces"].samples[0], None))
    parts = place.subgridspec(len(rows), 1, hspace=0.05)
    for i, (name, images, copies) in enumerate(rows):
        ax = figure.add_subplot(parts[i])
        samples.show(ax, images[:SHOWN], copies)
        ax.text(-0.01, 0.5, name, transform=ax.transAxes, ha="right", va="center", fontsize=7.5)


def _distances(ax: Axes, sheets: dict[str, samples.Sheet]) -> None:
    """Share of samples below each ratio of distances: blue early, orange late."""
    for sheet, dash, name in zip(sheets.values(), ("-", "--"), sheets, strict=False):
        for ratio, step, colour in zip(sheet.ratio, sheet.steps, (style.TRAIN, style.TEST), strict=True):
            x = np.sort(ratio)
            ax.step(x, np.arange(1, x.size + 1) / x.size, where="post", linestyle=dash, color=colour,
                    label=rf"{name}, $\tau$ = {step}")  # fmt: skip
    ax.axvline(samples.GAP, color=style.INK, linewidth=0.8, linestyle=":")
    ax.text(samples.GAP - 0.015, 0.97, "copies", ha="right", va="top", fontsize=7, rotation=90)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="nearest / second nearest distance", ylabel="share of samples below")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=6.5, ncols=1)


def _numbers(sheet: samples.Sheet, run: Any) -> dict[str, Any]:
    count = sheet.ratio.shape[1]
    copies = (sheet.ratio < samples.GAP).sum(1)
    found: dict[str, Any] = {
        "steps": sheet.steps, "samples": count, "f_mem_of_these": copies / count,
        "median_ratio": np.median(sheet.ratio, axis=1),
        "interval": [wilson(int(k), count, 0.95) for k in copies],
    }  # fmt: skip
    if run is not None:
        found["saturated"] = (np.isin(sheet.samples, (0.0, 1.0)).mean((2, 3)) > 0.9).mean(1)
        for name in ("f_mem", "frechet"):
            if name in run.columns:
                tau, y = run.curve(name)
                found[f"{name}_of_run"] = np.interp(sheet.steps, tau, y)
    return found


def _sentences(numbers: dict[str, Any]) -> tuple[str, str]:
    here, differs = [], []
    for name, x in numbers.items():
        (early, late), shares = x["steps"], x.get("f_mem_of_run", x["f_mem_of_these"])
        here.append(
            f"{name.title()}, after {early} steps {percent(float(shares[0]))} copies, after {late} "
            f"{percent(float(shares[1]))}."
        )
    digits = numbers["digits"]
    if "frechet_of_run" in digits:
        first, second = digits["frechet_of_run"]
        broken = " and ".join(percent(float(v)) for v in digits["saturated"])
        differs.append(
            f"{broken} of the digits are black or white noise, the network is that small; their Fréchet distance "
            f"{'still falls' if second < first else 'rises'} from {num(first)} to {num(second)} (EfficientNet "
            "features, not FID), where the paper's FID is flat from τ_gen on."
        )
    if "faces" in numbers:
        first, second = numbers["faces"]["median_ratio"]
        differs.append(
            "Late faces are not shown, for they are copies or blends of training faces: the median ratio of distances "
            f"falls from {num(first, 2)} to {num(second, 2)}."
        )
    return " ".join(here), " ".join(differs) or "Digits instead of faces."
