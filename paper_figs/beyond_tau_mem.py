"""Beyond the paper: tau_mem grows faster than n unless psi_p >> psi_n."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import rfscore as rf
from paper_figs import diagram, look
from paper_figs.job import Job, Row
from rfscore import observables as ob
from rfscore import plotting
from rfscore.plotting import style
from rfscore.report.numbers import listed, num

NAME = "beyond_tau_mem"
TITLE = "local exponent of τ_mem in n, t = 0.01"
PAPER = "τ_mem ∝ n, from ψ_p/(Δ_t λ_min) with λ_min the left edge of ρ_1, for p ≫ n."
PSI_P, T = (16.0, 64.0, 256.0, 1024.0), 0.01
DASHES: tuple[Any, ...] = (":", "-", "--", "-.")
#: Exponents within this of one count as proportional.
NEAR = 0.15


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    found = {}
    for psi_p in PSI_P:
        job.say(f"psi_p = {psi_p:g}")
        found[psi_p] = _times(psi_p, job.pick(15, 29))
    figure, axes = plotting.panels(1, 2, width=look.TEXT, height=2.8)
    for ax, kind, title in zip(axes[0], ("edge", "half_gap"), (
            r"(a) $\psi_p/(\Delta_t\lambda_{\rm min})$, exact left edge", "(b) half of the final "
                                                                          "gap"), strict=True):  # fmt: skip
        ax.axhspan(1 - NEAR, 1 + NEAR, color=style.FAINT, alpha=0.2, linewidth=0)
        ax.axhline(1.0, color=style.INK, linewidth=0.7)
        for (psi_p, x), dash in zip(found.items(), DASHES, strict=True):
            ax.plot(
                x["middle"] / psi_p,
                x[f"{kind}_exponent"],
                linestyle=dash,
                color=style.TEST,
                label=rf"$\psi_p$ = {psi_p:g}",
            )
        ax.set(xscale="log", xlabel=r"$\psi_n/\psi_p=n/p$", ylim=(-0.6, 3.0))
        style.tag(ax, title)
    axes[0, 0].set_ylabel(r"local exponent of $\tau_{\rm mem}$ in $n$")
    axes[0, 0].legend(loc="upper left")
    look.note(figure, "Theory at infinite size, isotropic data, tanh, t = 0.01. Shaded: proportional to n within "
              f"{NEAR:g} of the exponent.")  # fmt: skip
    numbers = {f"psi_p_{psi_p:g}": x for psi_p, x in found.items()}
    inputs = {"psi_p": PSI_P, "t": T, "near": NEAR, "code": diagram.code()}
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(found)))


def _times(psi_p: float, count: int) -> dict[str, Any]:
    """The times of both edges and of half the gap over psi_n = 1 ... psi_p, and their local exponents."""
    psi_n = diagram.axis(1.0, psi_p, count)
    problems = [rf.ScoreProblem(float(v), psi_p, T) for v in psi_n]
    tau = rf.training_times([problems[0], problems[-1]], 161)
    curves = [rf.loss_curves(x, tau) for x in problems]
    half = np.array([ob.tau_half(tau, c.train, c.test).value for c in curves])
    scales = [rf.timescales(x) for x in problems]
    times = {"edge": np.array([float(x.tau_mem_edge) for x in scales]), "half_gap": half,
             "lowest": np.array([float(x.tau_last_edge) for x in scales])}  # fmt: skip
    exponents = {f"{name}_exponent": ob.local_slopes(psi_n, values).slope for name, values in times.items()}
    return {"psi_n": psi_n, "middle": np.sqrt(psi_n[1:] * psi_n[:-1]), **times, **exponents}


def _until(x: dict[str, Any], psi_p: float) -> float:
    """Largest n/p, below that of the steepest growth, at which the edge's exponent is within NEAR of one, or NaN."""
    rising = np.arange(x["middle"].size) < np.argmax(x["edge_exponent"])
    near = x["middle"][rising & (abs(x["edge_exponent"] - 1.0) <= NEAR)]
    return float(near.max() / psi_p) if near.size else float("nan")


def _at(x: dict[str, Any], psi_p: float, ratio: float, kind: str) -> float:
    return float(np.interp(np.log(ratio * psi_p), np.log(x["middle"]), x[f"{kind}_exponent"]))


def _sentences(found: dict[float, Any]) -> tuple[str, str]:
    ends = [_until(x, psi_p) for psi_p, x in found.items()]
    here = (
        f"At ψ_p = {listed([f'{v:g}' for v in found])} the edge's exponent is within {NEAR:g} of 1 up to n/p = "
        f"{listed([num(v, 2) for v in ends])}; at n = p/4 it is "
        f"{listed([num(_at(x, psi_p, 0.25, 'edge'), 2) for psi_p, x in found.items()])}."
    )
    half = [_at(x, psi_p, 0.25, "half_gap") for psi_p, x in found.items()]
    lowest = listed([num(_at(x, psi_p, 0.25, "lowest"), 2) for psi_p, x in found.items()])
    above = all(_at(x, psi_p, 0.25, "edge") > 1 + NEAR for psi_p, x in found.items())
    return here, (
        f"{'Faster than n' if above else 'Not everywhere faster than n'} at n = p/4 by the edge; the time at which "
        f"half of the gap is reached has exponents {listed([num(v, 2) for v in half])} there, the lowest bulk's edge "
        f"{lowest}."
    )
