"""Beyond the paper: the local exponent of the lowest score error is not constant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import rfscore as rf
from paper_figs import diagram, look
from paper_figs.fig13_score import ETA, lowest
from paper_figs.job import Job, Row
from rfscore import observables as ob
from rfscore import plotting
from rfscore.plotting import style
from rfscore.report.numbers import listed, num

NAME = "beyond_score_exponent"
TITLE = "drift of the exponent of the lowest score error"
PAPER = "A power law ψ_n^-η with η ≈ 0.59 (ψ_p = 32, t = 0.01); a theory of η is left open."
PSI_P, TIMES = (8.0, 32.0, 128.0, 1024.0), (0.01, 0.1)
DASHES: tuple[Any, ...] = (":", "-", "--", "-.")


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    psi_n = diagram.axis(1.0, 512.0, job.pick(28, 55))
    slopes: dict[str, Any] = {}
    figure, axes = plotting.panels(1, 2, width=look.TEXT, height=2.7)
    for ax, t, letter in zip(axes[0], TIMES, "ab", strict=True):
        ax.axhline(-ETA, color=style.FAINT, linewidth=0.8)
        ax.axvspan(4, 32, color=style.FAINT, alpha=0.15, linewidth=0)
        for psi_p, dash in zip(PSI_P, DASHES, strict=True):
            job.say(f"t = {t:g}, psi_p = {psi_p:g}")
            values = np.array([lowest(rf.ScoreProblem(v, psi_p, t)) for v in psi_n])
            local = ob.local_slopes(psi_n, values)
            ax.plot(local.n, local.slope, linestyle=dash, color=style.TEST, label=rf"$\psi_p$ = {psi_p:g}")
            slopes[f"t_{t:g}_psi_p_{psi_p:g}"] = {"psi_n": local.n, "exponent": local.slope, "lowest": values}
        style.binary_axis(ax, psi_n)
        ax.set(xlabel=r"$\psi_n=n/d$", ylim=(-1.35, 0.0))
        style.tag(ax, f"({letter}) t = {t:g}")
    axes[0, 0].set_ylabel("local exponent of the lowest score error")
    axes[0, 0].legend(loc="lower right")
    axes[0, 0].annotate("paper: -0.59", (1.05, -ETA), xytext=(0, -8), textcoords="offset points", fontsize=6.5,
                        color=style.FAINT)  # fmt: skip
    look.note(
        figure, "Theory at infinite size, isotropic data, tanh; grey: the paper's exponent and its range of psi_n."
    )
    numbers = {"paper": ETA, **slopes}
    inputs = {"psi_p": PSI_P, "t": TIMES, "psi_n": psi_n, "code": diagram.code()}
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(slopes)))


def _at(found: dict[str, Any], psi_n: float) -> float:
    return float(np.interp(np.log(psi_n), np.log(found["psi_n"]), found["exponent"]))


def _sentences(slopes: dict[str, Any]) -> tuple[str, str]:
    paper = slopes["t_0.01_psi_p_32"]
    here = (
        f"At the paper's ψ_p = 32, t = 0.01 the local exponent goes from {num(_at(paper, 2.0), 2)} at ψ_n = 2 over "
        f"{num(_at(paper, 8.0), 2)} at 8 to {num(_at(paper, 128.0), 2)} at 128."
    )
    wide, inside = slopes["t_0.01_psi_p_1024"], (4.0, 32.0, 256.0)
    ptp = float(np.ptp([_at(paper, v) for v in (4.0, 32.0)]))
    return here, (
        f"{'No power law' if ptp > 0.05 else 'A power law'}: it changes by {num(ptp, 2)} within the paper's range; "
        f"for ψ_p = 1024 it is {listed([num(_at(wide, v), 2) for v in inside])} at ψ_n = "
        f"{listed([f'{v:g}' for v in inside])}."
    )
