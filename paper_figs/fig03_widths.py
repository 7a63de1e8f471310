"""Fig 3: several widths of the network, and where in the (p, n) plane a model memorises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from paper_figs import diagram, look, trained
from paper_figs.job import Job, Row
from rfscore import plotting
from rfscore.plotting import style
from rfscore.report.numbers import listed, num
from rfscore.runs.summary import RunSummary

NAME = "fig03_widths"
TITLE = "dependence on the width, and the phase diagram of the random-features model"
PAPER = (
    "τ_gen ∝ 1/W (Wτ_gen ≈ 3·10⁶) and τ_mem ∝ n/W; the smallest n without memorisation at τ_gen, 3τ_gen, 8τ_gen rises "
    "with p and with τ, up to n*(p)."
)
#: Multiples of tau_gen = 1/Delta_t at which the boundary is drawn, and L_gen on it.
MULTIPLES = (10.0, 100.0, 1e3, 1e4, np.inf)
T, LEVEL = 0.1, 0.1


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    found = {name: runs for name, runs in trained.load("celeba_gpu", "celeba", "digits", "mixture").items()
             if len({run.width for run in runs if "f_mem" in run.columns}) > 1}  # fmt: skip
    experiment, runs = next(iter(found.items()), ("none", []))
    figure, axes = plotting.panels(2, 3, width=look.TEXT, height=2.2)
    _widths([*axes[:, :2].flat], runs)
    axes[1, 2].set_axis_off()
    axis = diagram.axis(0.5, 256.0, job.pick(28, 61))
    tau = [c / -np.expm1(-2 * T) for c in MULTIPLES]
    boundary = _boundary(axes[0, 2], axis, diagram.gaps(job, axis, axis, T, tau))
    text = (
        f"(a)-(d) {trained.describe(runs)} (paper: CelebA, SGD). "
        if runs
        else "(a)-(d) several widths are not run here. "
    )
    look.note(figure, f"{text}(e) random-features theory, t = {T:g}: on a line L_gen = {LEVEL:g} at that multiple of "
              "1/Delta_t, the paper's time of generalisation; dotted: n = p, the paper's n*(p).")  # fmt: skip
    numbers: dict[str, Any] = {"random_features": boundary}
    if runs:
        numbers["networks"] = trained.numbers(runs, _quality(runs))
    inputs = trained.inputs(experiment, runs) if runs else {"experiment": "none"}
    inputs |= {"t": T, "psi": axis, "multiples": MULTIPLES, "code": diagram.code()}
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _quality(runs: list[RunSummary]) -> str:
    return next(name for name in ("frechet", "kl", "test_loss") if all(name in run.columns for run in runs))


def _widths(axes: list[Axes], runs: list[RunSummary]) -> None:
    """Quality and f_mem, against tau and rescaled; colour n, line style W."""
    what = trained.QUALITY[_quality(runs)] if runs else "quality"
    titles = (f"(a) {what}", r"(b) against $\tau W$", "(c) memorised fraction", r"(d) against $\tau W/n$")
    for ax, title in zip(axes, titles, strict=True):
        style.tag(ax, title)
    if not runs:
        for ax in axes:
            look.nothing(ax, "needs several widths")
        return
    quality, widths = _quality(runs), sorted({run.width for run in runs})
    dashes = dict(zip(widths, trained.WIDTH_DASHES, strict=False))
    factors: list[trained.Factor] = [
        lambda run: 1.0,
        lambda run: run.width,
        lambda run: 1.0,
        lambda run: run.width / run.n,
    ]
    for ax, factor, column in zip(axes, factors, (quality, quality, "f_mem", "f_mem"), strict=True):
        trained.draw(ax, trained.curves(runs, column, factor, dashes=dashes), band=False)
    axes[0].set(ylabel=trained.QUALITY[quality])
    axes[2].set(ylabel=r"memorised fraction $f_{\rm mem}$")
    for ax, label in zip(axes, (r"$\tau$", r"$\tau W$", r"$\tau$", r"$\tau W/n$"), strict=True):
        ax.set_xlabel(label)
    for ax in axes[:2] if quality != "test_loss" else ():
        ax.set(yscale="log")
    axes[0].legend(handles=trained.key(runs), fontsize=6)
    axes[1].legend(handles=[look.dash(f"W = {w}", dashes[w]) for w in widths], fontsize=6)
    for ax in axes[2:]:
        ax.set(yscale="symlog", ylim=(-0.002, 1.0))
        ax.set_yscale("symlog", linthresh=0.01)


def _boundary(ax: Axes, axis: np.ndarray, maps: np.ndarray) -> dict[str, Any]:
    """Lines L_gen = LEVEL in the (psi_p, psi_n) plane: above a line nothing is memorised yet at that time."""
    found: dict[str, Any] = {"t": T, "psi_p": axis, "level": LEVEL}
    handles = []
    for k, (c, values) in enumerate(zip(MULTIPLES, maps, strict=True)):
        shade = style.INK if np.isinf(c) else colormaps["Blues"](0.35 + 0.6 * k / len(MULTIPLES))
        ax.contour(axis, axis, np.log(values / LEVEL), levels=[0.0], colors=[shade], linewidths=1.6)
        label = r"$\tau=\infty$: $n^*(p)$" if np.isinf(c) else rf"$\tau=10^{{{np.log10(c):.0f}}}/\Delta_t$"
        handles.append(Line2D([], [], color=shade, label=label))
        found[f"psi_n_at_{c:g}_tau_gen"] = [_crossing(axis, values[:, i]) for i in range(axis.size)]
    ax.plot(axis, axis, ":", color=style.INK, linewidth=0.9)
    ax.figure.legend(handles=[*handles, look.dash("$n=p$", ":")], loc="upper center", bbox_to_anchor=(0.86, 0.42))
    for which in ("x", "y"):
        getattr(ax, f"set_{which}scale")("log", base=2)
        getattr(ax, f"set_{which}ticks")([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
    ax.minorticks_off()
    ax.set(xlabel=r"$\psi_p=p/d$", ylabel=r"$\psi_n=n/d$", ylim=(axis[0], axis[-1]), xlim=(axis[0], axis[-1]))
    style.tag(ax, "(e) random features")
    ax.text(0.97, 0.03, "below a line: memorised", transform=ax.transAxes, ha="right", fontsize=7, color=style.INK)
    return found


def _crossing(axis: np.ndarray, gap: np.ndarray) -> float:
    """Largest psi_n at which the gap is above LEVEL, between two of the map's rows; NaN where it is at neither end."""
    above = np.flatnonzero(gap > LEVEL)
    if not above.size or above[-1] + 1 == axis.size:
        return float("nan")
    i = above[-1]
    share = np.log(gap[i] / LEVEL) / np.log(gap[i] / gap[i + 1])
    return float(np.exp(np.log(axis[i]) + share * np.log(axis[i + 1] / axis[i])))


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    theory = x["random_features"]
    at = int(np.argmin(abs(np.log(theory["psi_p"] / 64))))
    edge = np.array([theory[f"psi_n_at_{c:g}_tau_gen"][at] for c in MULTIPLES])
    rises = bool(np.all(np.diff(edge[np.isfinite(edge)]) >= 0))
    here = (
        f"Random features at ψ_p = {num(theory['psi_p'][at], 2)}: the boundary L_gen = {LEVEL:g} "
        f"{'rises' if rises else 'does not rise steadily'} with τ, ψ_n = {listed([num(v, 2) for v in edge])} at "
        f"τ/τ_gen = {listed(['∞' if np.isinf(c) else f'{c:g}' for c in MULTIPLES])}"
    )
    star = f"n*(p), if L_gen(∞) = {LEVEL:g} counts, is {num(edge[-1] / theory['psi_p'][at], 2)} p; the paper's is p"
    if "networks" not in x:
        return f"{here}.", f"Networks of several widths are not run here; {star}."
    net = x["networks"]
    gen, mem = net["fits"]["tau_opt"], net["fits"]["tau_onset"]
    wide = f" W^{num(-mem.beta, 2)}" if np.isfinite(mem.beta) else " (one width)"
    return f"{here}. Networks of W = {listed([str(w) for w in sorted(set(net['width']))])}.", (
        f"τ_gen ~ W^{num(-gen.beta, 2)} over {gen.used} runs and τ_mem ~ n^{num(mem.gamma, 2)}{wide} over {mem.used} "
        f"({mem.left_out} not reached), the paper has 1/W and n/W; {star}."
    )
