"""One style for every picture: theory is a line, finite size is points with error bars, a colour means one thing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps, rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Inches; one panel is legible in a column of a two-column page.
COLUMN = 3.5
INK = "#222222"
FAINT = "#6b6b6b"  # 5.3 to 1 on white
#: Colours of Okabe and Ito, told apart by every kind of colour vision.
TRAIN, TEST = "#0072B2", "#D55E00"
POPULATION, SAMPLE, LOWEST, ATOM = "#56B4E9", "#009E73", "#E69F00", "#777777"
REAL, GAUSSIAN = "#CC79A7", "#444444"
_MARKERS = "oDsv^P"
_STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.0,
    "errorbar.capsize": 0.0,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "mathtext.fontset": "dejavusans",
}


@dataclass(frozen=True)
class Points:
    """Finite-size data of one curve: mean and its error bar."""

    x: Float[np.ndarray, " m"]
    y: Float[np.ndarray, " m"]
    error: Float[np.ndarray, " m"]


@contextmanager
def paper() -> Iterator[None]:
    """The style over matplotlib's defaults, while pictures are made and saved; afterwards the settings are as before.

    A user's matplotlibrc changes nothing: equal numbers are equal files.
    """
    with rc_context():
        rcdefaults()
        rcParams.update(_STYLE)
        yield


def panels(rows: int = 1, columns: int = 1, *, width: float | None = None, height: float = 2.7) -> tuple[Figure, Any]:
    """A figure without any window system, and its axes as an array (rows, columns); `height` is that of one row."""
    figure = Figure(figsize=(COLUMN * columns if width is None else width, height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False)


_BULKS = {"population bulk": POPULATION, "sample bulk": SAMPLE, "lowest bulk": LOWEST}


def bulk_colour(name: str) -> str:
    """The colour of a bulk by its name in `Spectrum.names`, numbered ones included."""
    return next((colour for key, colour in _BULKS.items() if name.startswith(key)), INK)


def cut(figure: Figure, dpi: int = 150) -> list[bytes]:
    """Every panel of a figure as a PNG of its own, for screens on which they stand below each other."""
    figure.draw_without_rendering()
    pieces = []
    for ax in figure.axes:
        box = ax.get_tightbbox()
        assert box is not None  # of an axes that is drawn
        buffer = io.BytesIO()
        inches = box.transformed(figure.dpi_scale_trans.inverted()).padded(0.04)
        figure.savefig(buffer, format="png", dpi=dpi, bbox_inches=inches, metadata={"Software": None})
        pieces.append(buffer.getvalue())
    return pieces


def psi_n_colour(psi_n: float) -> tuple[float, float, float, float]:
    """The colour of one psi_n in every picture: dark is few samples."""
    return colormaps["viridis"](float(np.clip(0.7 * (np.log2(psi_n) + 0.5) / 5.5, 0.0, 0.7)))


def psi_n_marker(psi_n: float) -> str:
    """The marker of one psi_n, so that colour is never the only difference."""
    return _MARKERS[round(np.log2(psi_n)) % len(_MARKERS)]


def dots(ax: Axes, points: Points, colour: Any, marker: str = "o", *, filled: bool = True, label: str = "") -> None:
    """Finite-size points with error bars."""
    ax.errorbar(
        points.x, points.y, yerr=points.error, linestyle="none", marker=marker, color=colour, elinewidth=0.9,
        markerfacecolor=colour if filled else "white", markeredgewidth=0.9, label=label.strip() or None, zorder=3,
    )  # fmt: skip


def binary_axis(ax: Axes, values: Any) -> None:
    """A logarithmic psi axis with ticks at powers of two (of four or sixteen over long ranges), written out."""
    low, high = float(np.min(values)), float(np.max(values))
    octaves = np.log2(high / low)
    step = 1 if octaves <= 6 else 2 if octaves <= 9 else 3
    ticks = 2.0 ** np.arange(np.ceil(np.log2(low) - 1e-3), np.log2(high) + 1e-3, step)
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()


def tag(ax: Axes, text: str, height: float | None = None) -> None:
    """A panel's title, flush left; `height` in axes units keeps a row of titles level."""
    ax.set_title(text, loc="left", color=INK, y=height)
