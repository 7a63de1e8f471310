"""Pictures of results in a notebook: `rf.plot.losses(curves)`. Each draws into `ax` (or new axes) and returns the axes.

Needs the extra `rfscore[plot]`. They are thin faces of `rfscore.plotting`, whose functions take plain arrays.
"""

from __future__ import annotations

from rfscore._extras import need as _need

_need("rfscore.plot", "matplotlib")

from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from rfscore import plotting
from rfscore.plotting import style
from rfscore.results import LossCurves
from rfscore.theory.bulks import BulkCurves
from rfscore.theory.spectrum import Spectrum


def losses(curves: LossCurves, finite: LossCurves | None = None, ax: Axes | None = None) -> Axes:
    """Training (dashed) and test loss (solid) against training time; points are a finite network's.

    Example:
        >>> import rfscore as rf
        >>> curves = rf.loss_curves(rf.ScoreProblem(2.0, 8.0, 0.1), [0.1, 1.0, 10.0, 100.0])
        >>> ax = rf.plot.losses(curves)
        >>> ax.get_yscale()
        'log'
    """
    ax = _axes(ax)
    for name, colour, dash in (("test", style.TEST, "-"), ("train", style.TRAIN, "--")):
        tau, value = _drawable(curves, name)
        ax.plot(tau, value, dash, color=colour, label={"train": "training"}.get(name, name))
        if finite is not None:
            ax.plot(*_drawable(finite, name), "o", color=colour, markerfacecolor="white")
    ax.set(xscale="log", yscale="log", xlabel=r"training time $\tau$", ylabel="loss per dimension")
    ax.legend()
    return ax


def spectrum(found: Spectrum, ax: Axes | None = None) -> Axes:
    """The density of eigenvalues on a logarithmic axis, bulk by bulk, with the atom.

    Example:
        >>> import rfscore as rf
        >>> ax = rf.plot.spectrum(rf.spectrum(rf.ScoreProblem(2.0, 8.0, 0.1)))
        >>> ax.get_xscale()
        'log'
    """
    ax = _axes(ax)
    places = [plotting.places(low, high) for low, high in found.edges]
    plotting.density(ax, [(lam, lam * found.density(lam)) for lam in places], found.atoms, found.names)
    return ax


def contributions(split: BulkCurves, loss: str = "test", ax: Axes | None = None) -> Axes:
    """What each bulk adds to the "test" or "train" loss, against training time.

    Example:
        >>> import rfscore as rf
        >>> split = rf.bulk_curves(rf.ScoreProblem(8.0, 64.0, 0.01), [1e2, 1e4, 1e6])
        >>> len(rf.plot.contributions(split).get_legend().get_texts())
        4
    """
    ax = _axes(ax)
    tau, rows = np.asarray(split.tau), np.asarray(getattr(split, loss))
    shown = (tau > 0) & np.isfinite(tau)
    lines = {f"bulk [{low:.3g}, {high:.3g}]": row[shown] for (low, high), row in zip(split.edges, rows, strict=True)}
    colours = dict(zip(lines, _bulk_colours(len(lines)), strict=True))
    plotting.contributions(ax, tau[shown], lines, {}, colours, total=rows.sum(0)[shown], ylabel=f"part of {loss} loss")
    return ax


def _axes(ax: Axes | None) -> Axes:
    return pyplot.subplots(layout="constrained")[1] if ax is None else ax


def _drawable(curves: LossCurves, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Without tau = 0 and infinity, which a logarithmic axis has not."""
    tau, value = (np.ravel(x) for x in (curves.tau, getattr(curves, name)))
    shown = (tau > 0) & np.isfinite(tau)
    return tau[shown], value[shown]


def _bulk_colours(count: int) -> list[Any]:
    """Three bulks have the colours that they have in every picture; more have those between."""
    named = [style.LOWEST, style.SAMPLE, style.POPULATION]
    return named if count == 3 else [pyplot.get_cmap("cividis")(x) for x in np.linspace(0.0, 0.9, count)]
