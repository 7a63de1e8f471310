"""Fig 13: score error, and how its lowest value falls with the number of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import NullFormatter

import rfscore as rf
from paper_figs import finite, look, panels
from paper_figs.job import Job, Row
from rfscore import observables as ob
from rfscore import plotting
from rfscore.plotting import Points, style
from rfscore.report.numbers import listed, num, percent

NAME = "fig13_score"
TITLE = "lowest score error against ψ_n, ψ_p = 32, t = 0.01"
PAPER = (
    "The lowest score error over τ falls like a power of ψ_n with exponent about -0.59 (10 runs, bars 3 standard "
    "deviations)."
)
PSI_N, PSI_P, T, ETA = (4.0, 8.0, 16.0, 32.0), 32.0, 0.01, 0.59
DENSE = np.geomspace(2.0, 64.0, 31)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((40, 6), (100, 10))
    cases = finite.cases(job, [rf.ScoreProblem(v, PSI_P, T) for v in PSI_N], d, seeds, points=161)
    numbers = _numbers(cases, job)
    figure, axes = plotting.panels(1, 2, width=look.TEXT, height=2.8)
    a, b = axes[0]
    panels.score_error(a, cases)
    a.set_ylim(1e-2, 1e2)
    a.legend(handles=look.psi_n_key(PSI_N), loc="lower left")
    runs = numbers["lowest_runs"]
    b.plot(DENSE, numbers["dense_lowest"], color=style.INK, label="theory")
    b.plot(DENSE, numbers["prefactor"] * DENSE ** numbers["exponent_theory"], ":", color=style.FAINT,
           label=rf"power law $\psi_n^{{{numbers['exponent_theory']:.2f}}}$ through 4 to 32")  # fmt: skip
    for i, psi_n in enumerate(PSI_N):
        points = Points(np.array([psi_n]), runs[i].mean(keepdims=True), 3 * runs[i].std(ddof=1, keepdims=True))
        style.dots(b, points, style.psi_n_colour(psi_n), style.psi_n_marker(psi_n))
    style.binary_axis(b, DENSE)
    b.set_yscale("log")
    b.set_yticks([0.02, 0.03, 0.05, 0.1], ["0.02", "0.03", "0.05", "0.1"])
    b.yaxis.set_minor_formatter(NullFormatter())
    b.set(xlabel=r"$\psi_n=n/d$", ylabel=r"lowest score error over $\tau$")
    b.legend(loc="lower left")
    style.tag(a, "(a) score error along training")
    style.tag(b, "(b) its lowest value")
    off = percent(float(runs[-1].mean() / numbers["lowest_theory"][-1] - 1))
    look.note(figure, f"Lines: theory at infinite size. Points: {seeds} networks, d = {d} (paper: 10, d = 100); "
                      f"bars: (a) one, (b) three standard deviations. At psi_n = {PSI_N[-1]:g} the networks are {off} "
                      "above the theory, more than their bar: finite size.")  # fmt: skip
    inputs = {"psi_n": PSI_N, "psi_p": PSI_P, "t": T, "d": d, "seeds": seeds, "code": finite.code()}
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers, d)))


def lowest(problem: rf.ScoreProblem) -> float:
    """Lowest score error over tau, by the parabola through the lowest points in log(tau)."""
    unit = 1.0 / float(problem.delta)
    tau = np.geomspace(0.02 * unit, 1e3 * unit, 241)
    return ob.minimum(tau, rf.loss_curves(problem, tau).score_error).height


def _numbers(cases: list[finite.Case], job: Job) -> dict[str, Any]:
    job.say("lowest score error over a dense range of psi_n")
    n = np.array(PSI_N)
    theory = np.array([lowest(c.problem) for c in cases])
    inner = look.inner(cases[0].tau)
    runs = np.array([[ob.minimum(c.tau[inner], row[inner]).height for row in c.score_error] for c in cases])
    dense = np.array([lowest(rf.ScoreProblem(v, PSI_P, T)) for v in DENSE])
    fit = ob.fit_exponent(n, theory)
    return {
        "psi_n": n, "lowest_theory": theory, "lowest_runs": runs, "exponent_theory": fit.value,
        "prefactor": fit.prefactor, "exponent_runs": ob.fit_exponent(n, runs),
        "local_exponents_theory": ob.local_slopes(n, theory).slope, "dense_psi_n": DENSE, "dense_lowest": dense,
        "agreement": finite.agreement(cases),
    }  # fmt: skip


def _sentences(x: dict[str, Any], d: int) -> tuple[str, str]:
    runs, local = x["exponent_runs"], x["local_exponents_theory"]
    here = (
        f"Exponent {num(x['exponent_theory'])} over ψ_n = 4 … 32 by theory, {num(runs.value)} (95 % interval "
        f"{num(runs.interval[0])} to {num(runs.interval[1])}) for networks of d = {d}."
    )
    drift = float(np.ptp(local))
    verdict = "no clean power law" if drift > 0.05 else "a power law within 0.05"
    return here, (
        f"{num(abs(x['exponent_theory']) - ETA, 2)} from the paper's 0.59; but {verdict}: the local exponents of the "
        f"theory are {listed([num(v, 2) for v in local])}."
    )
