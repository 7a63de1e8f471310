"""How all figures look: print sizes, keys, and the caption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rfscore import plotting
from rfscore.plotting import style

#: Inches of the paper's text block and of one of its columns.
TEXT, COLUMN = 7.0, 3.4
_SIZES: Any = {
    "font.size": 8.0, "axes.titlesize": 8.0, "axes.labelsize": 8.0, "legend.fontsize": 7.0, "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0, "lines.linewidth": 1.2, "lines.markersize": 3.2, "legend.labelspacing": 0.3,
}  # fmt: skip


@contextmanager
def print_style() -> Iterator[None]:
    """rfscore's style at print size, while figures are made and saved."""
    with plotting.paper(), rc_context(_SIZES):
        yield


def note(figure: Figure, text: str) -> None:
    """What the picture shows, in words that stand beside it (`caption` of its record), not in it."""
    figure.set_label(text)


def psi_n_key(psi_n: Sequence[float], extra: Sequence[Line2D] = (), *, markers: bool = True) -> list[Line2D]:
    """Legend handles: one colour and marker per psi_n, then `extra`."""
    handles = [
        Line2D([], [], color=style.psi_n_colour(v), marker=style.psi_n_marker(v) if markers else "",
               label=rf"$\psi_n$ = {v:g}")
        for v in psi_n
    ]  # fmt: skip
    return [*handles, *extra]


def dash(label: str, linestyle: Any, colour: str = style.INK) -> Line2D:
    """One legend handle for a line style."""
    return Line2D([], [], color=colour, linestyle=linestyle, label=label)


def nothing(ax: Axes, text: str) -> None:
    """The place of a panel whose runs are not here, with the reason."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, f"not run here\n{text}", transform=ax.transAxes, ha="center", va="center", fontsize=7,
            color=style.FAINT)  # fmt: skip


def inner(tau: np.ndarray) -> np.ndarray:
    """Which training times have a place on a logarithmic axis."""
    return np.flatnonzero((tau > 0) & np.isfinite(tau))
