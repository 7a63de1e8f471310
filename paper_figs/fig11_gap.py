"""Fig 11: generalisation gap of random-features networks at several diffusion times."""

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
from rfscore.report.numbers import listed, num

NAME = "fig11_gap"
TITLE = "L_gen of the random-features model at several t, ψ_p = 32"
PAPER = (
    "L_gen for several ψ_n and t, against τ and rescaled (τ_mem in the text, τ_gen in the caption): it collapses; "
    "τ_mem/τ_gen does not depend on t for p ≫ n and grows like 1/t for p ~ n."
)
PSI_N, PSI_P, TIMES = (2.0, 8.0, 32.0), 32.0, (0.01, 0.03, 0.1)
#: L_gen at the onset that is compared.
LEVEL = 0.1
_LABELS = (r"$L_{\rm gen}$", r"$L_{\rm gen}$", r"$L_{\rm gen}$ / final value")


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((32, 3), (100, 3))
    found = {t: finite.cases(job, [rf.ScoreProblem(v, PSI_P, t) for v in PSI_N], d, seeds) for t in TIMES}
    figure, axes = plotting.panels(3, len(TIMES), width=look.TEXT, height=1.75)
    for column, (t, cases) in zip(axes.T, found.items(), strict=True):
        _column(column, t, cases)
    for row, letter, label in zip(axes, "abc", _LABELS, strict=True):
        row[0].set_ylabel(label)
        for ax, t in zip(row, TIMES, strict=True):
            style.tag(ax, rf"({letter}) $t$ = {t:g}" if t == TIMES[0] else rf"$t$ = {t:g}")
    figure.legend(handles=look.psi_n_key(PSI_N), loc="outside upper center", ncols=3)
    look.note(figure, f"Lines: theory at infinite size. Points: {seeds} networks, d = {d} (paper: 100), mean and "
                      "standard deviation. (b): rescaled by the exact left edge of the sample bulk, as in the "
                      "paper: the lines meet near the onset, not after it. (c): over the final value, rescaled by the "
                      "left edge of the lowest bulk: the lines meet.")  # fmt: skip
    numbers = _numbers(found)
    inputs = {"psi_n": PSI_N, "psi_p": PSI_P, "t": TIMES, "d": d, "seeds": seeds, "code": finite.code()}
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers,
                     row=Row(PAPER, _here(numbers), _differs(numbers)))  # fmt: skip


def _column(axes: np.ndarray, t: float, cases: list[finite.Case]) -> None:
    """One t: the gap against tau, at its onset, and on its way to the end."""
    a, b, c = axes
    panels.gap(a, cases)
    panels.gap(b, cases, panels.by_memory, points=False)
    panels.gap(c, cases, _by_last, normalised=True, points=False)
    a.set(yscale="log", ylim=(1e-4, 60), xlim=(1, 5e7), ylabel="")
    b.set(yscale="log", ylim=(1e-4, 60), xlim=(1e-4, 1e3), ylabel="")
    c.set(xlim=(1e-4, 1e2), ylabel="")
    for ax, where in ((b, "min"), (c, "lowest")):
        ax.set_xlabel(rf"$\tau\,\Delta_t\lambda_{{\rm {where}}}/\psi_p$")


def _by_last(case: finite.Case) -> float:
    """1/tau_last, with the left edge of the lowest bulk."""
    return 1.0 / float(case.scales.tau_last_edge)


def _numbers(found: dict[float, list[finite.Case]]) -> dict[str, Any]:
    """Times by (t, psi_n), and exponents of tau_mem/tau_gen in 1/t between the smallest and the largest t."""
    cases = list(found.values())
    gen = np.array([[ob.tau_opt(c.tau, c.theory.test).value for c in row] for row in cases])
    mem = np.array([[ob.tau_half(c.tau, c.theory.train, c.theory.test).value for c in row] for row in cases])
    edge = np.array([[float(c.scales.window_edge) for c in row] for row in cases])
    span = np.log(TIMES[-1] / TIMES[0])
    onset = np.array([[ob.crossing(c.tau, np.asarray(c.theory.gap), LEVEL).value for c in row] for row in cases])
    return {
        "level": LEVEL, "onset": onset,
        "onset_over_spectral": onset / np.array([[float(c.scales.tau_mem_edge) for c in row] for row in cases]),
        "t": TIMES, "psi_n": PSI_N, "tau_gen": gen, "tau_mem": mem, "window": mem / gen, "spectral_window": edge,
        "window_exponent_in_1_over_t": np.log((mem / gen)[0] / (mem / gen)[-1]) / span,
        "spectral_window_exponent_in_1_over_t": np.log(edge[0] / edge[-1]) / span,
        "tau_mem_over_spectral": mem / np.array([[float(c.scales.tau_mem_edge) for c in row] for row in cases]),
        "tau_mem_over_lowest": mem / np.array([[float(c.scales.tau_last_edge) for c in row] for row in cases]),
        "agreement": finite.agreement([c for row in cases for c in row]),
    }  # fmt: skip


def _here(x: dict[str, Any]) -> str:
    spectral = listed([num(v, 2) for v in x["spectral_window_exponent_in_1_over_t"]])
    return (
        f"From t = 0.1 to 0.01 the ratio ψ_p/λ_min grows like t^-γ with γ = {spectral} at ψ_n = "
        f"{listed([f'{v:g}' for v in PSI_N])} (ψ_p = {PSI_P:g}): constant for p ≫ n and 1/t for p = n when γ is 0 "
        "and 1."
    )


def _differs(x: dict[str, Any]) -> str:
    names = ("onset", "onset_over_spectral", "tau_mem_over_spectral", "tau_mem_over_lowest")
    raw, onset, spectral, lowest = (f"{num(x[name].min(), 2)} to {num(x[name].max(), 2)}" for name in names)
    fold = [float(np.exp(np.ptp(np.log(x[name])))) for name in names]
    words = f"they differ by a factor {num(fold[1], 2)} instead of {num(fold[0], 2)}"
    return (
        f"L_gen = {LEVEL:g} comes at τ = {raw}, {onset} times the sample bulk's ψ_p/(Δ_t λ_min): {words}. Half of the "
        f"final gap comes at {spectral} times that and {lowest} times the lowest bulk's: saturation follows the "
        f"{'lowest' if fold[3] < fold[2] else 'sample'} bulk, and its ratio to τ_gen grows like t^-γ with γ = "
        f"{listed([num(v, 2) for v in x['window_exponent_in_1_over_t']])}."
    )
