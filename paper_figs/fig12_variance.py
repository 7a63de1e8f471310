"""Fig 12: losses of random-features networks for data of other variance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import rfscore as rf
from paper_figs import finite, look, panels
from paper_figs.job import Job, Row
from rfscore import observables as ob
from rfscore import plotting
from rfscore.plotting import style
from rfscore.report.numbers import listed, num, percent, span

NAME = "fig12_variance"
TITLE = "losses of the random-features model for σ_x = 2 and 0.5, ψ_p = 64, t = 0.1"
PAPER = "The losses split later with ψ_n and collapse against τ/τ_mem for any σ_x."
PSI_N, PSI_P, T, SIGMA_X = (4.0, 8.0, 16.0, 32.0), 64.0, 0.1, (2.0, 0.5)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((32, 3), (100, 3))
    found = {s: finite.cases(job, [rf.ScoreProblem(v, PSI_P, T, s**2) for v in PSI_N], d, seeds) for s in SIGMA_X}
    figure, axes = plotting.panels(2, 2, width=look.TEXT, height=2.35)
    for row, (sigma_x, cases) in zip(axes, found.items(), strict=True):
        panels.losses(row[0], cases)
        panels.gap(row[1], cases, panels.by_memory, normalised=True)
        row[0].set_yscale("log")
        row[1].set(
            xlabel=r"$\tau\,\Delta_t\lambda_{\rm min}/\psi_p$", ylabel=r"$L_{\rm gen}$ / final value", xlim=(1e-4, 1e2)
        )
        letter = "ac"[SIGMA_X.index(sigma_x)], "bd"[SIGMA_X.index(sigma_x)]
        style.tag(row[0], rf"({letter[0]}) losses, $\sigma_x$ = {sigma_x:g}")
        style.tag(row[1], rf"({letter[1]}) gap, time rescaled, $\sigma_x$ = {sigma_x:g}")
    key = look.psi_n_key(PSI_N, [look.dash("test", "-"), look.dash("training", "--")])
    figure.legend(handles=key, loc="outside upper center", ncols=6)
    numbers = {f"sigma_x_{s:g}": _numbers(cases) for s, cases in found.items()}
    off = percent(max(float(x["agreement"]["test_relative"]) for x in numbers.values()))
    look.note(figure, "Lines: theory at infinite size; (b), (d) in the unit of the exact left edge of the sample bulk. "
              f"Points: {seeds} networks, d = {d} (paper: 100), mean and standard deviation; their test loss is up to "
              f"{off} off, by finite size.")  # fmt: skip
    inputs = {"psi_n": PSI_N, "psi_p": PSI_P, "t": T, "sigma_x": SIGMA_X, "d": d, "seeds": seeds, "code": finite.code()}
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _numbers(cases: list[finite.Case]) -> dict[str, Any]:
    n = np.array([c.psi_n for c in cases])
    mem = np.array([ob.tau_half(c.tau, c.theory.train, c.theory.test).value for c in cases])
    runs = np.array([[ob.tau_half(c.tau, a, b).value for a, b in zip(c.train, c.test, strict=True)] for c in cases])
    spectral = np.array([float(c.scales.tau_mem_edge) for c in cases])
    return {
        "psi_n": n, "tau_mem_theory": mem, "tau_mem_runs": runs, "tau_mem_spectral": spectral,
        "collapse_ratio": mem / spectral, "lambda_min": np.array([float(c.scales.lambda_min) for c in cases]),
        "tau_gen_theory": np.array([ob.tau_opt(c.tau, c.theory.test).value for c in cases]),
        "test_inf": np.array([float(c.theory.test[-1]) for c in cases]),
        "exponent_theory": ob.fit_exponent(n, mem).value, "exponent_runs": ob.fit_exponent(n, runs),
        "exponent_spectral": ob.fit_exponent(n, spectral).value, "agreement": finite.agreement(cases),
    }  # fmt: skip


def _sentences(numbers: dict[str, Any]) -> tuple[str, str]:
    names = [f"σ_x = {s:g}" for s in SIGMA_X]
    found = list(numbers.values())
    here = listed([f"{span(x['tau_mem_theory'])} at {name}" for name, x in zip(names, found, strict=True)])
    ratios = listed([f"{span(x['collapse_ratio'])} ({name})" for name, x in zip(names, found, strict=True)])
    gammas = listed([f"n^{num(x['exponent_theory'], 2)} against n^{num(x['exponent_spectral'], 2)} ({name})"
                     for name, x in zip(names, found, strict=True)])  # fmt: skip
    return f"τ_mem (half gap) goes from {here} for ψ_n = {PSI_N[0]:g} … {PSI_N[-1]:g}.", (
        f"Half gap over ψ_p/(Δ_t λ_min) is {ratios}, so curves collapse up to that factor; τ_mem grows like {gammas}."
    )
