"""Losses, score error and contributions of the bulks against training time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rfscore.plotting import style
from rfscore.plotting.style import Points

Line = tuple[np.ndarray, np.ndarray]


def _key(
    ax: Axes, psi_ns: Sequence[float], styles: Sequence[tuple[str, Any]], *, markers: bool, **options: Any
) -> None:
    """A legend of what colours and line styles mean, once."""
    handles = [
        Line2D([], [], color=style.psi_n_colour(v), marker=style.psi_n_marker(v) if markers else "",
               label=rf"$\psi_n$ = {v:g}")
        for v in psi_ns
    ]  # fmt: skip
    handles += [Line2D([], [], color=style.INK, linestyle=dash, label=name) for name, dash in styles]
    ax.legend(handles=handles, **options)


def losses(
    ax: Axes,
    train: Mapping[float, Line],
    test: Mapping[float, Line],
    train_points: Mapping[float, Points] | None = None,
    test_points: Mapping[float, Points] | None = None,
    *,
    xlabel: str = r"training time $\tau$",
    legend: bool = True,
) -> None:
    """Training (dashed) and test loss (solid), one colour per psi_n; lines theory, points finite size.

    Args:
        ax: axes to draw into.
        train: psi_n -> (x, L_train).
        test: psi_n -> (x, L_test).
        train_points: psi_n -> finite-size points, open markers.
        test_points: psi_n -> finite-size points, filled markers.
        xlabel: what x is.
        legend: draw the key.
    """
    for lines, points, dash, filled in ((train, train_points, "--", False), (test, test_points, "-", True)):
        for psi_n, (x, y) in lines.items():
            colour = style.psi_n_colour(psi_n)
            ax.plot(x, y, dash, color=colour)
            if points and psi_n in points:
                style.dots(ax, points[psi_n], colour, style.psi_n_marker(psi_n), filled=filled)
    ax.set_xscale("log")
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(xlabel)
    ax.set_ylabel("loss per dimension")
    if legend:
        _key(ax, list(train), [("test", "-"), ("training", "--")], markers=bool(test_points), loc="upper left")


def score_error(
    ax: Axes, lines: Mapping[float, Line], points: Mapping[float, Points] | None = None, *, legend: bool = True
) -> None:
    """Score error (1/d) E|s_A + Sigma_t^-1 x|^2 against tau, one colour per psi_n.

    Args:
        ax: axes to draw into.
        lines: psi_n -> (tau, error), theory.
        points: psi_n -> finite-size points.
        legend: draw the key.
    """
    for psi_n, (x, y) in lines.items():
        ax.plot(x, y, color=style.psi_n_colour(psi_n))
        if points and psi_n in points:
            style.dots(ax, points[psi_n], style.psi_n_colour(psi_n), style.psi_n_marker(psi_n))
    ax.set(xscale="log", yscale="log", xlabel=r"training time $\tau$", ylabel="score error per dimension")
    if legend:
        _key(ax, list(lines), [], markers=bool(points), loc="best")


def collapse(
    ax: Axes, lines: Mapping[float, Line], points: Mapping[float, Points] | None = None, *, xlabel: str
) -> None:
    """A quantity that rises from 0 to 1, one colour per psi_n: curves on top of each other have one time scale.

    Args:
        ax: axes to draw into.
        lines: psi_n -> (rescaled tau, gap over final gap), theory.
        points: psi_n -> finite-size points.
        xlabel: what x is.
    """
    for psi_n, (x, y) in lines.items():
        ax.plot(x, y, color=style.psi_n_colour(psi_n))
        if points and psi_n in points:
            style.dots(ax, points[psi_n], style.psi_n_colour(psi_n), style.psi_n_marker(psi_n))
    ax.axhline(0.5, color=style.FAINT, linewidth=0.7)
    ax.set(xscale="log", xlabel=xlabel, ylabel=r"$(L_{\rm test}-L_{\rm train})$ / final value")


def contributions(
    ax: Axes,
    tau: np.ndarray,
    theory: Mapping[str, np.ndarray],
    points: Mapping[str, Points],
    colours: Mapping[str, str],
    *,
    total: np.ndarray | None = None,
    ylabel: str = "",
    legend: bool = True,
) -> None:
    """What each bulk of the spectrum adds to a loss, against tau; the bulks sum to the loss minus one.

    Args:
        ax: axes to draw into.
        tau: training times.
        theory: bulk -> contribution at tau.
        points: group of finite-size eigenvalues -> points, drawn in the bulk's colour.
        colours: bulk or group -> colour.
        total: the sum, a thin line.
        ylabel: what is split.
        legend: draw the key.
    """
    ax.axhline(0.0, color=style.FAINT, linewidth=0.7)
    if total is not None:
        ax.plot(tau, total, ":", color=style.INK, linewidth=1.1, label="sum")
    for name, y in theory.items():
        ax.plot(tau, y, color=colours[name], label=name)
    for name, values in points.items():
        style.dots(ax, values, colours[name])
    ax.set(xscale="log", xlabel=r"training time $\tau$", ylabel=ylabel)
    if legend:
        ax.legend(loc="best")


def versus(
    ax: Axes, theory: Mapping[str, Line], points: Mapping[str, tuple[Points, str, bool]], *, title: str = ""
) -> None:
    """Theory against several kinds of finite-size points, for one psi_n.

    Args:
        ax: axes to draw into.
        theory: "test" or "training" -> (tau, loss); training is dashed.
        points: label -> (points, colour, filled).
        title: the panel's title.
    """
    for name, (x, y) in theory.items():
        ax.plot(x, y, "--" if name == "training" else "-", color=style.INK)
    for label, (values, colour, filled) in points.items():
        style.dots(ax, values, colour, "o" if filled else "s", filled=filled, label=label)
    ax.set(xscale="log", xlabel=r"training time $\tau$")
    ax.set_ylim(bottom=0.0)
    style.tag(ax, title)
