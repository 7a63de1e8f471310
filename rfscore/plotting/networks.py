"""Trained networks of several sizes: losses, memorised fraction, its collapse, and the two times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from rfscore.plotting import style

_GEN, _MEM = style.TRAIN, style.TEST


@dataclass(frozen=True)
class Curve:
    """One curve of a network of one size (n or W); `low` and `high` are the ends of its interval."""

    size: int
    x: Float[np.ndarray, " m"]
    y: Float[np.ndarray, " m"]
    low: Float[np.ndarray, " m"] | None = None
    high: Float[np.ndarray, " m"] | None = None
    dash: Any = "-"


@dataclass(frozen=True)
class Time:
    """One time of a network of one size; a censored one is a bound from below."""

    size: int
    value: float
    low: float = np.nan
    high: float = np.nan
    censored: bool = False


def look(size: int, sizes: Sequence[int]) -> tuple[Any, str]:
    """Colour and marker of one size among all of a figure: dark is small."""
    low, high = np.log2(min(sizes)), np.log2(max(sizes))
    place = (np.log2(size) - low) / (high - low) if high > low else 0.0
    return style.psi_n_colour(2.0 ** (5.5 * place - 0.5)), style.psi_n_marker(2.0 ** sorted(set(sizes)).index(size))


def _draw(ax: Axes, curve: Curve, sizes: Sequence[int], *, filled: bool = True, every: int = 1) -> None:
    """A line with markers, and its interval as a band."""
    colour, marker = look(curve.size, sizes)
    keep = curve.x > 0  # the untrained network has no place on a logarithmic axis
    if curve.low is not None and curve.high is not None:
        ax.fill_between(curve.x[keep], curve.low[keep], curve.high[keep], color=colour, alpha=0.25, linewidth=0)
    ax.plot(curve.x[keep], curve.y[keep], linestyle=curve.dash, color=colour, marker=marker, markevery=every,
            markersize=3.5, markerfacecolor=colour if filled else "white", linewidth=1.2)  # fmt: skip


def losses(
    ax: Axes, train: Sequence[Curve], test: Sequence[Curve], sizes: Sequence[int], *, ylabel: str = "loss per dimension"
) -> None:
    """Test (solid, filled) and training loss (dashed, open) against tau, one colour per size.

    Args:
        ax: axes to draw into.
        train: training losses; drawn dashed.
        test: test losses, or another quality when there are no training losses.
        sizes: all sizes of the figure.
        ylabel: what is drawn.
    """
    for curve in train:
        _draw(ax, Curve(curve.size, curve.x, curve.y, dash="--"), sizes, filled=False, every=2)
    for curve in test:
        _draw(ax, curve, sizes, every=2)
    ax.set(xscale="log", xlabel=r"training step $\tau$", ylabel=ylabel)
    if not train:
        return
    looks: tuple[tuple[str, Any, str], ...] = (("test", "-", style.INK), ("training", "--", "white"))
    handles = [Line2D([], [], color=style.INK, marker="o", markersize=3.5, markerfacecolor=face, linestyle=dash,
                      label=name) for name, dash, face in looks]  # fmt: skip
    ax.legend(handles=handles, loc="best")


def memorised(
    ax: Axes, curves: Sequence[Curve], sizes: Sequence[int], *, chance: float = 0.0, threshold: float | None = None,
    xlabel: str = r"training step $\tau$", widths: Mapping[int, Any] | None = None,
) -> None:  # fmt: skip
    """Memorised fraction of the generated samples, one colour per size, its interval as a band.

    Args:
        ax: axes to draw into.
        curves: f_mem against tau or a rescaled tau.
        sizes: all sizes of the figure.
        chance: level of samples that have memorised nothing, a thin line.
        threshold: height above chance that defines tau_onset, a dotted line.
        xlabel: what x is.
        widths: W -> line style, when there are several.
    """
    ax.axhline(chance, color=style.FAINT, linewidth=0.7)
    if threshold is not None:
        ax.axhline(chance + threshold, color=style.INK, linewidth=0.8, linestyle=(0, (1, 1)))
        ax.annotate(rf"chance + {threshold:.3g}: $\tau_{{\rm onset}}$", (0.02, chance + threshold), xytext=(0, 2),
                    xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=7)  # fmt: skip
    for curve in curves:
        _draw(ax, curve, sizes, every=3 if widths else 1)
    if widths:
        handles = [Line2D([], [], color=style.INK, linestyle=dash, label=f"W = {w}") for w, dash in widths.items()]
        ax.legend(handles=handles, loc="upper left")
    ax.set(xscale="log", xlabel=xlabel, ylabel=r"memorised fraction $f_{\rm mem}$")


def rescaled(
    ax: Axes, measured: Sequence[Curve], theory: Sequence[Curve], sizes: Sequence[int], *, ylabel: str,
    level: float | None = None,
) -> None:  # fmt: skip
    """Runs (markers) and the random-features theory beside each (thick and pale, without), over tau/tau_opt.

    Args:
        ax: axes to draw into.
        measured: of the runs, x in units of each one's tau_opt.
        theory: of the theory, x in units of its own tau_opt.
        sizes: all sizes of the figure.
        ylabel: what is drawn.
        level: a dotted line.
    """
    for curve in theory:
        keep = curve.x > 0
        ax.plot(curve.x[keep], curve.y[keep], color=look(curve.size, sizes)[0], linewidth=4.0, alpha=0.35, zorder=1)
    for curve in measured:
        _draw(ax, curve, sizes)
    if level is not None:
        ax.axhline(level, color=style.INK, linewidth=0.8, linestyle=(0, (1, 1)))
    ax.set(xscale="log", xlabel=r"$\tau/\tau_{\rm opt}$", ylabel=ylabel)
    looks: tuple[tuple[str, dict[str, Any]], ...] = (
        ("runs", {"marker": "o", "markersize": 3.5, "linewidth": 1.2}),
        ("random-features theory", {"linewidth": 4.0, "alpha": 0.35}),
    )
    handles = [Line2D([], [], color=style.INK, label=name, **how) for name, how in looks[: 1 + bool(theory)]]
    ax.legend(handles=handles, loc="upper left")


def times(
    ax: Axes, gen: Sequence[Time], mem: Sequence[Time], gap: Sequence[Time], sizes: Sequence[int], *,
    prediction: tuple[np.ndarray, np.ndarray] | None = None, guide: tuple[np.ndarray, np.ndarray] | None = None,
    names: tuple[str, str] | None = None,
) -> None:  # fmt: skip
    """tau_opt, tau_onset and tau_half against the size with intervals; an arrow upwards is a time not reached.

    Args:
        ax: axes to draw into.
        gen: tau_opt.
        mem: tau_onset, by f_mem.
        gap: tau_half, by the losses, open markers.
        sizes: sizes to mark on the axis.
        prediction: (size, tau_half) of the random-features model, scaled to the unit of the runs.
        guide: (size, tau) of a line to guide the eye.
        names: what the size is and what the guide is, by default n and "proportional to n".
    """
    groups = ((gen, _GEN, "o", True, r"$\tau_{\rm opt}$"),
              (mem, _MEM, "s", True, r"$\tau_{\rm onset}$ ($f_{\rm mem}$)"),
              (gap, _MEM, "D", False, r"$\tau_{\rm half}$ (loss gap)"))  # fmt: skip
    if prediction is not None:
        ax.plot(*prediction, color=style.GAUSSIAN, linewidth=1.3, label="random features, scaled")
    xlabel, law = names or (r"training points $n$", r"$\propto n$")
    if guide is not None:
        ax.plot(*guide, color=style.FAINT, linewidth=1.0, linestyle=(0, (1, 1)), label=law)
    for points, colour, marker, filled, name in groups:
        if points:
            _times(ax, points, colour, marker, filled, name)
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=r"training step $\tau$")
    ax.set_xticks(sorted(set(sizes)), [str(n) for n in sorted(set(sizes))])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(min(sizes) / 1.4, max(sizes) * 1.4)
    low, high = np.log(ax.get_ylim())
    ax.set_ylim(np.exp(low - 0.4 * (high - low)), np.exp(high + 0.15 * (high - low)))  # room for the key and arrows
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower center", fontsize=7, ncols=2, columnspacing=1.0)


def _times(ax: Axes, points: Sequence[Time], colour: str, marker: str, filled: bool, name: str) -> None:
    known = [x for x in points if not x.censored]
    size, y, low, high = (np.array([getattr(x, key) for x in known]) for key in ("size", "value", "low", "high"))
    # An end that is unknown or unbounded (0 or infinity) has no bar.
    bars = [np.where(np.isfinite(end) & (end > 0), np.abs(y - end), 0.0) for end in (low, high)]
    ax.errorbar(size, y, yerr=bars, linestyle="none", marker=marker, color=colour, elinewidth=0.9, label=name, zorder=3,
                markerfacecolor=colour if filled else "white", markeredgewidth=0.9)  # fmt: skip
    for x in points:
        if x.censored:
            ax.annotate("", (x.size, x.value), xytext=(0, 18), textcoords="offset points", annotation_clip=False,
                        arrowprops={"arrowstyle": "<-", "color": colour, "linewidth": 1.1})  # fmt: skip
            ax.plot(x.size, x.value, marker=marker, color=colour, markerfacecolor="white", linestyle="none")


def key(figure: Figure, sizes: Sequence[int], name: str = "n") -> None:
    """What colours and markers mean, once, above all panels."""
    handles = []
    for size in sorted(set(sizes)):
        colour, marker = look(size, sizes)
        handles.append(Line2D([], [], color=colour, marker=marker, label=f"{name} = {size}"))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 8))
