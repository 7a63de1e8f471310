"""Fig 7: full batches, and Adam."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from paper_figs import look, trained
from paper_figs.job import Job, NotRun, Row
from rfscore import plotting
from rfscore.plotting import style
from rfscore.report.numbers import listed, num
from rfscore.runs.summary import RunSummary

NAME = "fig07_optimiser"
TITLE = "trained networks with full batches, and with Adam"
PAPER = (
    "With full batches (n to 512) τ_mem still grows like n; with Adam (W = 64) both phases stay and come much earlier."
)


_PAPER = (
    "All by Adam, on different data. Dotted: 5 % above chance. Paper: CelebA, full batches by SGD, Adam with W = 64."
)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    figure, axes = plotting.panels(2, 2, width=look.TEXT, height=2.2)
    chosen = [_panels(row, *choice) for row, choice in zip(axes, _CHOICES, strict=True)]
    known = [x for x in chosen if x is not None]
    if not known:
        raise NotRun("no runs with full batches or with Adam: python -m experiments digits")
    for row, letters, title, x in zip(axes, ("ab", "cd"), ("full batch, B = n", "batches"), chosen, strict=True):
        for ax, letter in zip(row, letters, strict=True):
            style.tag(ax, f"({letter}) {title}" if x is None else f"({letter}) {title}: {trained.data_name(x[1][0])}")
    texts = [
        f"({letter}) {trained.describe(x[1])}."
        for letter, x in zip(("a, b", "c, d"), chosen, strict=True)
        if x is not None
    ]
    look.note(
        figure,
        " ".join(
            [
                *texts,
                _PAPER,
            ]
        ),
    )
    numbers = {
        key: trained.numbers(x[1]) for key, x in zip(("full_batch", "adam"), chosen, strict=True) if x is not None
    }
    inputs = {key: trained.inputs(*x) for key, x in zip(("full_batch", "adam"), chosen, strict=True) if x is not None}
    return job.leave(
        NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers, inputs))
    )


def _full(run: RunSummary) -> bool:
    return "f_mem" in run.columns and float(run.facts.get("batch") or 0) >= run.n


def _adam(run: RunSummary) -> bool:
    return "f_mem" in run.columns and run.facts.get("optimizer") == "adam"


#: Which runs, where to look for them (images first: the paper's figure shows images), and what is missing otherwise.
_CHOICES: tuple[tuple[Callable[[RunSummary], bool], tuple[str, ...], str], ...] = (
    (_full, ("celeba", "digits", "mixture"), "needs two runs with batch = n"),
    (_adam, ("celeba", "mixture", "digits"), "needs two runs with Adam"),
)


def _panels(
    axes: np.ndarray, wanted: Callable[[RunSummary], bool], experiments: tuple[str, ...], text: str
) -> tuple[str, list[RunSummary]] | None:
    try:
        found = trained.first(*experiments, wanted=wanted)
    except NotRun:
        for ax in axes:
            look.nothing(ax, text)
        return None
    trained.memorised(axes[0], found[1], axes[1])
    axes[0].legend(handles=trained.key(found[1]), loc="upper left")
    return found


def _sentences(numbers: dict[str, Any], inputs: dict[str, Any]) -> tuple[str, str]:
    parts, differs = [], []
    for key, x in numbers.items():
        fit, mem = x["fits"]["tau_onset"], x["times"]["tau_onset"]["value"]
        name = "full batch" if key == "full_batch" else "Adam"
        parts.append(
            f"{name} (n = {listed([str(n) for n in x['n']])}): f_mem passes 5 % at τ = {listed([num(v) for v in mem])}"
        )
        exponent = f"exponent {num(fit.gamma, 2)}" if fit.used > 1 else "no exponent"
        falls = [top > 1.5 * last for top, last in zip(x["f_mem_highest"], x["f_mem_last"], strict=True)]
        again = f", f_mem falls again by a third or more in {sum(falls)}" if any(falls) else ""
        differs.append(f"{name}: {exponent} over {fit.used} runs, {fit.left_out} not reached{again}")
    optimisers = {str(x["facts"].get("optimizer")) for x in inputs.values()}
    same = "; every run here, full batches too, is by Adam" if optimisers == {"adam"} else ""
    return f"{'; '.join(parts)}.", f"{'; '.join(differs)}{same}."
