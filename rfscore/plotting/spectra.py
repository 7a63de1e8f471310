"""Spectra of U: each bulk on its own scale, and all eigenvalues by rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from rfscore.plotting import style


def top(x: np.ndarray, y: np.ndarray) -> float:
    """Height of the axis of a density y along x: its largest value, unless a few points beside a hard edge decide that.

    At most twice the height above which half of the area lies.
    """
    seen = np.isfinite(y)
    x, y = x[seen], y[seen]
    order = np.argsort(-y)
    area = np.cumsum((y * np.gradient(x))[order])
    return float(min(y.max(), 2.0 * y[order][np.searchsorted(area, 0.5 * area[-1])])) or 1.0


def places(low: float, high: float, count: int = 400) -> np.ndarray:
    """Points of a bulk on a logarithmic axis, dense at both ends; of one that begins at 0 the last eight decades."""
    start = max(low, 1e-8 * high)
    return start * (high / start) ** (np.sin(0.5 * np.pi * np.linspace(0, 1, count)) ** 2)


def bulk(
    ax: Axes,
    lam: np.ndarray,
    density: np.ndarray,
    bins: np.ndarray | None = None,
    heights: np.ndarray | None = None,
    *,
    colour: str = style.INK,
    outline: np.ndarray | None = None,
    title: str = "",
    atom: float | None = None,
) -> None:
    """One bulk on its own scale: density of theory (line) over a histogram of finite-size eigenvalues.

    Args:
        ax: axes to draw into.
        lam: points inside and just outside the bulk.
        density: rho(lam).
        bins: edges of the histogram's bins.
        heights: the histogram, normalised like rho.
        colour: of the bulk.
        outline: a second histogram on the same bins, drawn as a thin outline (the Gaussian equivalent).
        title: the panel's title.
        atom: location of the atom, a vertical line.
    """
    if bins is not None and heights is not None:
        ax.stairs(heights, bins, fill=True, color=colour, alpha=0.45, label="non-linear features")
    if bins is not None and outline is not None:
        ax.stairs(outline, bins, color=style.INK, linewidth=0.8, linestyle=":", label="Gaussian equivalent")
    ax.plot(lam, density, color=style.INK, label="theory")
    if atom is not None:
        ax.axvline(atom, color=style.INK, linewidth=2.0)
    ax.set_xlim(lam[0], lam[-1])
    ax.set_ylim(0.0, 1.6 * top(lam, density))
    ax.ticklabel_format(axis="both", scilimits=(-3, 4))
    ax.set_xlabel(r"eigenvalue $\lambda$ of $U$")
    style.tag(ax, title, 1.09)


def density(
    ax: Axes,
    pieces: Sequence[tuple[np.ndarray, np.ndarray]],
    atoms: Sequence[tuple[float, float]] = (),
    names: Sequence[str] = (),
) -> None:
    """The whole density on logarithmic axes: one line per bulk, in its colour where it has a name, one per atom.

    Args:
        ax: axes to draw into.
        pieces: (lam, lam rho(lam)) of each bulk.
        atoms: (location, mass).
        names: of the bulks, as in `Spectrum.names`.
    """
    for (lam, y), name in zip(pieces, names or [""] * len(pieces), strict=True):
        seen, colour = np.isfinite(y), style.bulk_colour(name)
        known = colour != style.INK
        ax.plot(lam[seen], y[seen], color=colour, label=name if known else None)
        if name and not known:  # black like the others: it is named where it stands
            ax.annotate(name.split(" of ")[0], (lam[np.argmax(np.where(seen, y, 0.0))], np.max(y[seen])),
                        (0, 2), textcoords="offset points", ha="center", va="bottom")  # fmt: skip
        ax.fill_between(lam[seen], y[seen], color=colour, alpha=0.2, linewidth=0)
    for where, mass in atoms:
        ax.axvline(where, color=style.ATOM, linewidth=2.2, label=f"atom of mass {mass:.4g}")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper right")
    ax.set_xscale("log")
    ax.set_ylim(0.0, (1.4 if names else 1.05) * max(top(np.log(lam), y) for lam, y in pieces))
    ax.set(xlabel=r"eigenvalue $\lambda$ of $U$", ylabel=r"$\lambda\,\rho(\lambda)$: mass per unit of $\ln\lambda$")


def ranks(
    ax: Axes,
    lam: np.ndarray,
    rank: np.ndarray,
    points: Mapping[str, tuple[np.ndarray, np.ndarray, str, bool]],
    *,
    title: str = "",
) -> None:
    """Number of eigenvalues above lambda, on logarithmic axes: resolves all scales at once.

    Args:
        ax: axes to draw into.
        lam: eigenvalues.
        rank: p (1 - N(lam)) of theory.
        points: label -> (lam, rank, colour, filled) of finite size.
        title: the panel's title.
    """
    ax.plot(lam, rank, color=style.INK, label="theory")
    for label, (x, y, colour, filled) in points.items():
        face = colour if filled else "none"
        ax.plot(x, y, linestyle="none", marker="o" if filled else "s", color=colour, markerfacecolor=face, label=label)
    ax.set(xscale="log", yscale="log", xlabel=r"eigenvalue $\lambda$ of $U$")
    ax.set_ylabel(r"number of eigenvalues $\geq\lambda$")
    ax.legend(loc="lower left")
    style.tag(ax, title)
