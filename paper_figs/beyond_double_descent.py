"""Beyond the paper: double descent over the number of features and along training, with frozen noises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import rfscore as rf
from paper_figs import diagram, finite, look, noises
from paper_figs.job import Job, Row
from rfscore import plotting
from rfscore.plotting import Points, style
from rfscore.report.numbers import listed, num

NAME = "beyond_double_descent"
TITLE = "double descent in the number of features and in time, m frozen noises per sample"
PAPER = (
    "The noise is averaged (m = ∞), where no peak exists; for m frozen noises the 2026 double-descent paper has "
    "τ = ∞ only, with a peak at p = nm."
)
PSI_N, T, M = 4.0, 0.1, 4
SLICES = (1e2, 1e3, 1e4, 1e5, np.inf)
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # p/(nm)
RUNS = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
TAU = np.concatenate([np.geomspace(0.1, 1e6, 141), [np.inf]])
#: Directions of two sizes: the large ones are fitted, noise included, before the small ones are learned.
TWO = rf.ScoreProblem(2.0, 16.0, 0.05, rf.Atoms([0.02, 1.98]), noise_draws=1)
TWO_DRAWS = (1, 4, np.inf)


def problem(psi_p: float, m: float = M) -> rf.ScoreProblem:
    """The problem of the map."""
    return rf.ScoreProblem(PSI_N, psi_p, T, noise_draws=m)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((24, 4), (64, 4))
    psi_p = diagram.axis(0.5, 256.0, 73)  # nm is one of them
    grid = noises.test_losses(job, [problem(p) for p in psi_p], TAU, "map")
    runs = {r: _runs(job, problem(r * M * PSI_N), d, seeds) for r in RUNS}
    twice = {m: noises.test_losses(job, [_two(m)], TAU, "two variances")[0] for m in TWO_DRAWS}
    two_runs = {m: _runs(job, _two(m), 2 * d, seeds) for m in twice}
    figure, axes = plotting.panels(2, 2, width=look.TEXT, height=2.75)
    _map(figure, axes[0, 0], psi_p, grid)
    _over_features(axes[0, 1], psi_p, grid, runs)
    _along_training(axes[1, 0], psi_p, grid, runs)
    _two_sizes(axes[1, 1], twice, two_runs)
    text = (
        f"(a)–(c): Σ = I, psi_n = {PSI_N:g}, t = {T:g}, m = {M}; (d): variances 0.02 and 1.98 in equal parts, psi_n = "
        f"{TWO.psi_n:g}, psi_p = {TWO.psi_p:g}, t = {TWO.t:g}. Lines: theory. Points: {seeds} networks, d = {d} "
        f"({2 * d} in (d)), mean and standard deviation; none at p = nm for tau = ∞, where the mean does not exist."
    )
    look.note(figure, text)
    numbers = _numbers(psi_p, grid, twice, runs)
    inputs = {"psi_n": PSI_N, "t": T, "m": M, "psi_p": psi_p, "tau": SLICES, "two": TWO, "d": d, "seeds": seeds,
              "code": [finite.code(), diagram.code()]}  # fmt: skip
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _two(m: float) -> rf.ScoreProblem:
    return rf.ScoreProblem(TWO.psi_n, TWO.psi_p, TWO.t, TWO.population, noise_draws=m)


def _runs(job: Job, one: rf.ScoreProblem, d: int, seeds: int) -> np.ndarray:
    return np.array([x["test"] for x in finite.losses(job, one, d, seeds, TAU)])


def _column(psi_p: np.ndarray, share: float) -> int:
    return int(np.argmin(abs(np.log(psi_p / (share * M * PSI_N)))))


def _row(tau: float) -> int:
    return -1 if np.isinf(tau) else int(np.argmin(abs(np.log(TAU[:-1] / tau))))


def _slice_colour(tau: float) -> Any:
    return style.INK if np.isinf(tau) else colormaps["Oranges"](0.2 * np.log10(tau) - 0.05)


def _width_colour(share: float) -> Any:
    return colormaps["RdPu"](0.4 + 0.15 * (np.log2(share) + 2))


def _map(figure: Figure, ax: Axes, psi_p: np.ndarray, grid: np.ndarray) -> None:
    late = np.isfinite(TAU)
    mesh = ax.pcolormesh(psi_p, TAU[late], grid[:, late].T, norm=LogNorm(0.8, 12.0), cmap="cividis",
                         shading="gouraud", rasterized=True)  # fmt: skip
    ax.contour(psi_p, TAU[late], grid[:, late].T, levels=[1.0, 1.5, 3.0], colors="white", linewidths=[1.1, 0.6, 0.6])
    ax.plot(psi_p, TAU[np.argmin(grid, axis=1)], color="white", linestyle=":")
    for place, name in ((PSI_N, "$p=n$"), (M * PSI_N, "$p=nm$")):
        ax.axvline(place, color="white", linewidth=0.7, linestyle="--")
        ax.annotate(name, (place, 0.1), (2, 4), textcoords="offset points", color="white", fontsize=7)
    style.binary_axis(ax, psi_p)
    ax.set(yscale="log", xlabel=r"$\psi_p=p/d$", ylabel=r"training time $\tau$", ylim=(0.1, 1e6))
    bar = figure.colorbar(mesh, ax=ax, extend="max", label=r"$L_{\rm test}$")
    bar.set_ticks([1, 2, 5, 10], labels=["1", "2", "5", "10"])
    bar.ax.minorticks_off()
    style.tag(ax, r"(a) $L_{\rm test}$; dotted: best $\tau$; white: 1, 1.5, 3")


def _over_features(ax: Axes, psi_p: np.ndarray, grid: np.ndarray, runs: dict[float, np.ndarray]) -> None:
    share = psi_p / (M * PSI_N)
    for tau in SLICES:
        name = r"$\infty$" if np.isinf(tau) else rf"$10^{{{np.log10(tau):.0f}}}$"
        ax.plot(share, grid[:, _row(tau)], color=_slice_colour(tau), label=rf"$\tau$ = {name}")
        x = np.array([r for r in runs if not (np.isinf(tau) and r == 1.0)])
        found = np.array([runs[r][:, _row(tau)] for r in x])
        style.dots(ax, Points(x, found.mean(1), found.std(1, ddof=1)), _slice_colour(tau))
    ax.plot(share, grid.min(1), "--", color=style.TRAIN, label=r"lowest over $\tau$")
    ax.set(yscale="log", ylim=(0.75, 40), xlabel=r"$p/(nm)$", ylabel=r"$L_{\rm test}$")
    style.binary_axis(ax, share)
    ax.legend(loc="upper left")
    style.tag(ax, "(b) model-wise, at fixed times")


def _along_training(ax: Axes, psi_p: np.ndarray, grid: np.ndarray, runs: dict[float, np.ndarray]) -> None:
    inner = look.inner(TAU)
    for i, share in enumerate(WIDTHS):
        colour = _width_colour(share)
        ax.plot(
            TAU[inner],
            grid[_column(psi_p, share), inner],
            color=colour,
            label="$p=nm$" if share == 1 else f"$p={share:g}\\,nm$",
        )
        if share in runs:
            style.dots(ax, finite.spread(TAU, runs[share], 12, 2 * i), colour)
    ax.set(xscale="log", yscale="log", ylim=(0.75, 40), xlabel=r"training time $\tau$", ylabel=r"$L_{\rm test}$")
    ax.legend(loc="upper left")
    style.tag(ax, r"(c) epoch-wise, $\Sigma=I$: down, then up")


def _two_sizes(ax: Axes, curves: dict[float, np.ndarray], runs: dict[float, np.ndarray]) -> None:
    inner = look.inner(TAU)
    for i, (m, curve) in enumerate(curves.items()):
        ax.plot(TAU[inner], curve[inner], color=noises.colour(m))
        style.dots(ax, finite.spread(TAU, runs[m], 8, 4 * i), noises.colour(m), noises.marker(m))
    ax.axhline(1.0, color=style.FAINT, linewidth=0.7)
    ax.set(xscale="log", ylim=(0.6, 1.25), xlabel=r"training time $\tau$", ylabel=r"$L_{\rm test}$")
    ax.legend(handles=noises.key(list(curves)), loc="lower left")
    style.tag(ax, r"(d) epoch-wise, two variances: double descent")


def _turns(curve: np.ndarray) -> int:
    """Changes of direction of a curve, leaving out what is flat."""
    steps = np.diff(curve)
    signs = np.sign(steps[np.abs(steps) > 1e-7 * curve[1:]])
    return int(np.sum(signs[1:] != signs[:-1]))


def _numbers(
    psi_p: np.ndarray, grid: np.ndarray, twice: dict[float, np.ndarray], runs: dict[float, np.ndarray]
) -> dict[str, Any]:
    at = _column(psi_p, 1.0)
    late = rf.loss_curves(problem(psi_p[at]), [1e7, 1e8]).test
    top = next(i for i in range(_row(1.0), TAU.size) if twice[1][i] > twice[1][i + 1] and twice[1][i] > 1)
    finite_times = [x for x in SLICES if np.isfinite(x)]
    peaks = [grid[:, _row(x)] for x in finite_times]
    place, best = [int(np.argmax(y)) for y in peaks], grid.min(1)
    return {
        "tau": finite_times, "peak": [y.max() for y in peaks], "peak_over_nm": psi_p[place] / (M * PSI_N),
        "peak_over_largest_p": [y.max() / y[-1] for y in peaks], "lowest_over_tau": best[[0, at, -1]],
        "peaks_of_lowest": int(np.sum((best[1:-1] > best[:-2]) & (best[1:-1] > best[2:]))),
        "growth": float(np.log10(late[1] / late[0])),
        "largest_turns_along_tau": max(_turns(y) for y in grid),
        "two_first_rise": float(twice[1][top]), "two_first_low": float(twice[1][:top].min()),
        "two_then_low": float(twice[1][top:].min()), "two_end": float(twice[1][-1]), "two_rise_at": float(TAU[top]),
        "two_turns": _turns(twice[1]),
        "runs_over_theory": {r: float(np.mean(x[:, _row(1e3)]) / grid[_column(psi_p, r), _row(1e3)])
                             for r, x in runs.items()},
    }  # fmt: skip


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    peaks = zip(x["tau"], x["peak"], x["peak_over_nm"], x["peak_over_largest_p"], strict=True)
    shown = [(tau, top, where) for tau, top, where, over in peaks if over > 1.05]
    heights = listed([f"{num(top, 2)} at p = {num(where, 2)} nm (τ = {num(tau)})" for tau, top, where in shown])
    here = (
        f"At a fixed late τ the test loss has a peak in p, {heights}: it moves to p = nm and grows without bound, in "
        f"the end like τ^{num(x['growth'], 2)}; stopped at the best τ there "
        f"{'is none' if x['peaks_of_lowest'] == 0 else 'is one, too'}."
    )
    along = "falls and rises once" if x["largest_turns_along_tau"] == 1 else "turns more than once"
    return here, (
        f"Along τ the loss {along} at every p for Σ = I; with two variances and m = 1 it falls to "
        f"{num(x['two_first_low'], 3)}, rises to {num(x['two_first_rise'], 3)} at τ = {num(x['two_rise_at'], 2)}, "
        f"falls to {num(x['two_then_low'], 3)} and ends at {num(x['two_end'], 3)}: double descent in time comes with "
        "directions of two sizes, in p without."
    )
