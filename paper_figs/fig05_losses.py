"""Fig 5: score error and losses of random-features networks, and where they generalise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

import rfscore as rf
from paper_figs import diagram, finite, look, panels
from paper_figs.job import Job, Row
from rfscore import observables as ob
from rfscore import plotting
from rfscore.plotting import style
from rfscore.report.numbers import listed, num, percent, span

NAME = "fig05_losses"
TITLE = "score error, losses and L_gen of the random-features model, ψ_p = 64, t = 0.1"
PAPER = (
    "Score error and test loss fall together and rise again later with ψ_n; against τ/τ_mem the rises coincide; in the "
    "(ψ_n, ψ_p) plane the boundary of overfitting moves up with τ."
)
PSI_N, PSI_P, T = (4.0, 8.0, 16.0, 32.0), 64.0, 0.1
MAP_TAU = (1e3, 1e4)
#: L_gen on the boundary drawn into the maps.
LEVEL = 0.1


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((48, 2), (100, 3))
    cases = finite.cases(job, [rf.ScoreProblem(v, PSI_P, T) for v in PSI_N], d, seeds)
    count = job.pick(41, 81)
    psi_n, psi_p = diagram.axis(1.0, 128.0, count), diagram.axis(1.0, 128.0, count)
    maps = diagram.gaps(job, psi_n, psi_p, T, MAP_TAU)
    figure, axes = plotting.panels(2, 3, width=look.TEXT, height=2.3)
    _curves(axes[:, :2], cases)
    for ax, values, tau, letter in zip(axes[:, 2], maps, MAP_TAU, "cf", strict=True):
        mesh = _map(ax, psi_p, psi_n, values)
        style.tag(ax, rf"({letter}) $L_{{\rm gen}}$ at $\tau=10^{{{np.log10(tau):.0f}}}$")
        figure.colorbar(mesh, ax=ax, label=r"$L_{\rm gen}$", aspect=25, pad=0.02)
    key = look.psi_n_key(PSI_N, [look.dash("test", "-"), look.dash("training", "--")])
    figure.legend(handles=key, loc="outside upper center", ncols=6)
    look.note(figure, f"Lines and maps: theory at infinite size. Points: {seeds} networks, d = {d} (paper: 100), mean "
                      "and standard deviation, which is mostly smaller than a point; the rest of the difference is "
                      "finite size. (d), (e): the same lines against tau Delta_t lambda_min/psi_p. (c), (f): white "
                      f"line: L_gen = {LEVEL:g}, above it less than that; dotted: n = p.")  # fmt: skip
    numbers = _numbers(cases) | {"boundary": _boundary(psi_p, psi_n, maps)}
    inputs = {"psi_n": PSI_N, "psi_p": PSI_P, "t": T, "d": d, "seeds": seeds, "map_tau": MAP_TAU, "map_psi": psi_n,
              "code": [finite.code(), diagram.code()]}  # fmt: skip
    row = Row(PAPER, _here(numbers), _differs(numbers, d))
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=row)


def _curves(axes: np.ndarray, cases: list[finite.Case]) -> None:
    """Score error and losses, below them the same in the unit of the paper's edge."""
    for ax, draw in zip(axes[0], (panels.score_error, panels.losses), strict=True):
        draw(ax, cases)
        ax.set_xlim(left=0.1)
    for ax, draw in zip(axes[1], (panels.score_error, panels.losses), strict=True):
        draw(ax, cases, panels.by_memory, points=False)
        ax.set(xlim=(1e-4, 30), xlabel=r"$\tau\,\Delta_t\lambda_{\rm min}/\psi_p$")
    titles = ("(a) score error", "(b) losses", "(d) score error, rescaled", "(e) losses, rescaled")
    for ax, title in zip(axes.flat, titles, strict=True):
        style.tag(ax, title)


def _map(ax: Axes, psi_p: np.ndarray, psi_n: np.ndarray, values: np.ndarray) -> Any:
    """L_gen over (psi_p, psi_n), logarithmic colours."""
    mesh = ax.pcolormesh(psi_p, psi_n, np.maximum(values, 1e-12), norm=LogNorm(1e-3, 1e1), cmap="cividis",
                         shading="nearest", rasterized=True)  # fmt: skip
    ax.contour(psi_p, psi_n, np.log(values / LEVEL), levels=[0.0], colors="white", linewidths=1.3)
    ax.plot(psi_p, psi_p, ":", color="white", linewidth=0.9)
    ax.set_ylim(psi_n[0], psi_n[-1])
    for which in ("x", "y"):
        getattr(ax, f"set_{which}scale")("log", base=2)
        getattr(ax, f"set_{which}ticks")([1, 4, 16, 64], ["1", "4", "16", "64"])
    ax.minorticks_off()
    ax.set(xlabel=r"$\psi_p=p/d$", ylabel=r"$\psi_n=n/d$")
    return mesh


def _boundary(psi_p: np.ndarray, psi_n: np.ndarray, maps: np.ndarray) -> dict[str, Any]:
    """At each tau, the smallest psi_n with L_gen < LEVEL, for psi_p = 16 and 64."""
    found: dict[str, Any] = {"level": LEVEL}
    for tau, values in zip(MAP_TAU, maps, strict=True):
        for target in (16.0, 64.0):
            column = values[:, int(np.argmin(abs(np.log(psi_p / target))))]
            below = np.flatnonzero(column < LEVEL)
            found[f"psi_n_at_tau_{tau:g}_psi_p_{target:g}"] = float(psi_n[below[0]]) if below.size else np.nan
    return found


def _numbers(cases: list[finite.Case]) -> dict[str, Any]:
    n = np.array([c.psi_n for c in cases])

    def each(read: Any) -> np.ndarray:
        return np.array([read(c) for c in cases])

    mem = each(lambda c: ob.tau_half(c.tau, c.theory.train, c.theory.test).value)
    runs = np.array([[ob.tau_half(c.tau, a, b).value for a, b in zip(c.train, c.test, strict=True)] for c in cases])
    onset = each(lambda c: ob.crossing(c.tau, np.asarray(c.theory.gap), LEVEL).value)
    spectral = each(lambda c: float(c.scales.tau_mem_edge))
    return {
        "psi_n": n, "min_score_error": each(lambda c: float(np.min(c.theory.score_error))),
        "tau_gen_theory": each(lambda c: ob.tau_opt(c.tau, c.theory.test).value), "tau_mem_theory": mem,
        "tau_mem_runs": runs, "tau_mem_spectral": spectral,
        "train_inf": each(lambda c: float(c.theory.train[-1])), "test_inf": each(lambda c: float(c.theory.test[-1])),
        "exponent_theory": ob.fit_exponent(n, mem).value, "exponent_runs": ob.fit_exponent(n, runs),
        "exponent_spectral": ob.fit_exponent(n, spectral).value, "agreement": finite.agreement(cases),
        "collapse_ratio": mem / spectral, "onset_theory": onset, "onset_exponent": ob.fit_exponent(n, onset).value,
    }  # fmt: skip


def _here(x: dict[str, Any]) -> str:
    edges = [num(v) for v in x["boundary"].values()][1:]
    return (
        f"Lowest test loss at τ = {span(x['tau_gen_theory'])}, half of the gap at τ = {span(x['tau_mem_theory'])}; "
        f"lowest score error {listed([num(v) for v in x['min_score_error']])}; L_gen = {LEVEL:g} is reached at ψ_n = "
        f"{edges[1]} (τ = 10³) and {edges[3]} (τ = 10⁴) for ψ_p = 64."
    )


def _differs(x: dict[str, Any], d: int) -> str:
    ratio = x["collapse_ratio"]
    return (
        f"τ_mem grows like n^{num(x['exponent_theory'], 2)} by half of the gap (networks "
        f"{num(x['exponent_runs'].value, 2)}), n^{num(x['onset_exponent'], 2)} by L_gen = {LEVEL:g}, "
        f"n^{num(x['exponent_spectral'], 2)} by the paper's ψ_p/(Δ_t λ_min): half gap over the latter is "
        f"{span(ratio)}. Networks at d = {d} differ from theory by up to {percent(x['agreement']['test_relative'])} "
        "in the test loss."
    )
