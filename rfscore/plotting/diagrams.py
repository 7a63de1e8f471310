"""Phase diagrams: a quantity over two axes as a heat-map, boundaries as lines, finite-size points on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import NullLocator

from rfscore.plotting import style

#: Symbols of the axes and quantities, as the paper writes them.
SYMBOLS = {
    "psi_n": r"$\psi_n = n/d$", "psi_p": r"$\psi_p = p/d$", "t": r"diffusion time $t$", "sigma_x": r"$\sigma_x$",
    "fraction": "fraction of class 1", "variance_1": r"$\sigma_1^2$", "variance_2": r"$\sigma_2^2$",
    "tau": r"training time $\tau$", "d": r"dimension $d$", "seed": "seed",
    "gap": r"$L_{\rm gen} = L_{\rm test}-L_{\rm train}$", "train": r"$L_{\rm train}$", "test": r"$L_{\rm test}$",
    "score_error": "score error", "train_inf": r"$L_{\rm train}(\infty)$", "test_inf": r"$L_{\rm test}(\infty)$",
    "tau_opt": r"best stopping $\tau_{\rm opt}$", "test_opt": r"lowest $L_{\rm test}$",
    "overtraining": r"$L_{\rm test}(\infty)-\min_\tau L_{\rm test}$",
    "tau_half": r"$\tau_{\rm half}$: half of the final gap",
    "window_half": r"window $\tau_{\rm half}/\tau_{\rm opt}$", "tau_gen_scale": r"$1/\Delta_t$",
    "tau_mem_edge": r"$\psi_p/(\Delta_t\lambda_{\rm min})$",
    "window_edge": r"window $\psi_p/\lambda_{\rm min}$",
    "tau_last_edge": r"$\psi_p/(\Delta_t\lambda_{\rm lowest})$",
    "lambda_min": r"$\lambda_{\rm min}$", "lambda_lowest": r"$\lambda_{\rm lowest}$",
}  # fmt: skip
_UNKNOWN = "#dddddd"  # where a number is not defined, or not there yet


@dataclass(frozen=True)
class Scattered:
    """Finite-size values over the same two axes."""

    x: Float[np.ndarray, " m"]
    y: Float[np.ndarray, " m"]
    value: Float[np.ndarray, " m"]


def symbol(name: str) -> str:
    """How a name is written on a picture; names of settings as they are."""
    return SYMBOLS.get(name, name)


def heat_map(
    ax: Axes,
    x: Float[np.ndarray, " X"],
    y: Float[np.ndarray, " Y"],
    values: Float[np.ndarray, "X Y"],
    *,
    names: tuple[str, str],
    label: str,
    title: str = "",
    limits: tuple[float, float] | None = None,
    points: Scattered | None = None,
) -> None:
    """A quantity over two axes; logarithmic colours where it is positive and spans more than a factor of ten.

    Args:
        ax: axes to draw into.
        x: first axis, ascending.
        y: second axis, ascending.
        values: the quantity; NaN and infinite places are grey.
        names: of the two axes.
        label: of the colour bar.
        title: of the panel.
        limits: of the colours [default: those of the values].
        points: finite-size values, drawn as discs in the same colours.
    """
    shown = np.where(np.isfinite(values), values, np.nan)
    known = shown[np.isfinite(shown)]
    low, high = limits or ((float(known.min()), float(known.max())) if known.size else (0.0, 1.0))
    wide = low > 0 and high > 10 * low
    norm: Any = LogNorm(low, high) if wide else Normalize(low, high if high > low else low + 1.0)
    colours = colormaps["cividis"].with_extremes(bad=_UNKNOWN)
    image = ax.pcolormesh(x, y, shown.T, norm=norm, cmap=colours, shading="nearest", rasterized=True)
    for axis, places, name in (("x", x, names[0]), ("y", y, names[1])):
        _axis(ax, axis, places, name)
    if points is not None:
        ax.scatter(points.x, points.y, c=points.value, norm=norm, cmap=colours, s=30, edgecolors="white",
                   linewidths=1.1, zorder=4)  # fmt: skip
    assert ax.figure is not None
    ax.figure.colorbar(image, ax=ax, label=label, pad=0.02)
    style.tag(ax, title)


def _axis(ax: Axes, axis: str, places: np.ndarray, name: str) -> None:
    """A logarithmic axis with ticks at powers of two for the psi, of ten otherwise, where the places are spread so."""
    spread = places.size > 2 and places[0] > 0 and np.ptp(np.diff(np.log(places))) < np.ptp(np.diff(places)) / places[0]
    if spread:
        getattr(ax, f"set_{axis}scale")("log")
    if spread and name.startswith("psi"):
        ticks = 2.0 ** np.arange(np.ceil(np.log2(places[0]) - 1e-3), np.log2(places[-1]) + 1e-3)
        step = max(1, int(np.ceil(ticks.size / 7)))
        getattr(ax, f"set_{axis}ticks")(ticks[::step], [f"{v:g}" for v in ticks[::step]])
        getattr(ax, f"{axis}axis").set_minor_locator(NullLocator())
    getattr(ax, f"set_{axis}label")(symbol(name))


def boundaries(
    ax: Axes, psi_p: Float[np.ndarray, " P"], lines: Mapping[str, Float[np.ndarray, " P"]], *, legend: bool = True
) -> None:
    """n*(p) lines over (psi_p, psi_n); the one of tau = infinity, given last, is solid.

    Args:
        ax: axes of a heat-map.
        psi_p: first axis.
        lines: label -> psi_n of the boundary, NaN where it lies outside.
        legend: draw the key.
    """
    dashes = [":", "--", "-."]
    for i, (label, psi_n) in enumerate(lines.items()):
        last = i == len(lines) - 1
        ax.plot(psi_p, psi_n, color="white", linestyle="-" if last else dashes[i % 3], linewidth=1.6, label=label)
    if legend:
        key = ax.legend(
            loc="lower right",
            ncols=2,
            borderpad=0.2,
            fontsize=7,
            frameon=True,
            facecolor=style.INK,
            framealpha=0.55,
            edgecolor="none",
        )
        for text in key.get_texts():
            text.set_color("white")


def lines(
    ax: Axes,
    x: Float[np.ndarray, " X"],
    values: Mapping[str, Float[np.ndarray, " X"]],
    *,
    name: str,
    label: str,
    spread: Mapping[str, Float[np.ndarray, " X"]] | None = None,
) -> None:
    """A quantity along one axis, one line (theory) or row of points with error bars (finite size) per label.

    Args:
        ax: axes to draw into.
        x: the axis.
        values: label -> values.
        name: of the axis.
        label: of the quantity.
        spread: label -> half-length of the error bar; those are drawn as points.
    """
    colours = colormaps["cividis"](np.linspace(0.0, 0.85, max(1, len(values))))
    for colour, (key, y) in zip(colours, values.items(), strict=True):
        shown = np.where(np.isfinite(y), y, np.nan)
        if spread is not None and key in spread:
            style.dots(ax, style.Points(x, shown, spread[key]), colour, label=key)
        else:
            ax.plot(x, shown, color=colour, marker=".", label=key or None)  # what was computed, and lines between
    _axis(ax, "x", x, name)
    known = np.concatenate([y[np.isfinite(y)] for y in values.values()])
    if known.size and known.min() > 0 and known.max() > 10 * known.min():
        ax.set_yscale("log")
    ax.set_ylabel(label)
    if len(values) > 1:
        ax.legend(fontsize=7)
