"""Fig 10: the mixture with its classes told to the network, sampled with classifier-free guidance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paper_figs import look, trained
from paper_figs.job import Job, Row
from rfscore import plotting
from rfscore.plotting import style
from rfscore.report.numbers import listed, num

NAME = "fig10_classes"
TITLE = "class-conditional Gaussian mixture: memorised fraction"
PAPER = "With classifier-free guidance (W = 64, n = 256, 512, 1024) the curves of f_mem collapse against τ/n."


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    experiment, runs = trained.first("mixture_classes", wanted=lambda run: "f_mem" in run.columns)
    figure, axes = plotting.panels(1, 2, width=look.TEXT, height=2.5)
    a, b = axes[0]
    trained.memorised(a, runs, b)
    for ax in (a, b):
        ax.set(yscale="log", ylim=(1e-3, 0.5))
    a.legend(handles=trained.key(runs), loc="upper left")
    style.tag(a, r"(a) against $\tau$")
    style.tag(b, r"(b) against $\tau/n$")
    look.note(figure, f"Networks: {trained.describe(runs)}, conditional, guided samples "
                      "(paper: W = 64, guidance weight not given). Dotted: 5 %, which one of them passes: "
                      "the curves do not meet against tau/n.")  # fmt: skip
    numbers = trained.numbers(runs) | {
        "last_f_mem": [float(run.columns["f_mem"][-1]) for run in runs],
        "last_tau": [float(run.tau[-1]) for run in runs]
    }  # fmt: skip
    return job.leave(NAME, figure, title=TITLE, inputs=trained.inputs(experiment, runs), numbers=numbers,
                     row=Row(PAPER, *_sentences(numbers)))  # fmt: skip


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    mem, fit, spread = x["times"]["tau_onset"]["value"], x["fits"]["tau_onset"], x["spread"]
    here = f"f_mem passes 5 % at τ = {listed([num(v) for v in mem])} for n = {listed([str(n) for n in x['n']])}."
    if fit.used < 2:
        last = listed([f"{y:.2g}" for y in x["last_f_mem"]])
        rises = listed([num(t / n) for t, n in zip(x["last_tau"], x["n"], strict=True)])
        return here, f"No exponent: fewer than two runs reach 5 %. f_mem ends at {last}, at τ/n = {rises}."
    return here, (
        f"Exponent {num(fit.gamma, 2)} over {fit.used} runs; at equal f_mem the curves lie apart by a factor "
        f"{num(spread.get('tau', float('nan')))} along τ and {num(spread.get('tau/n', float('nan')))} along τ/n."
    )
