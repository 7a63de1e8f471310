"""Panels of figs 4 and 14: every bulk on its own axes, the atom with the lowest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

import rfscore as rf
from paper_figs import finite, look
from paper_figs.job import Job
from rfscore import plotting
from rfscore.plotting import style

Array = np.ndarray
_COLOURS = {"population": style.POPULATION, "sample": style.SAMPLE, "lowest": style.LOWEST}


@dataclass(frozen=True)
class Spectrum:
    """Theory, and eigenvalues of drawn matrices: of the features, and of their Gaussian equivalent."""

    theory: rf.Spectrum
    law: rf.LargePsiLaw
    sample: int
    lam: Float[Array, "seeds p"]
    twin: Float[Array, "seeds p"]

    def name(self, bulk: int) -> str:
        """Population above the sample bulk (which holds the min(n, p)-th eigenvalue), lowest below it."""
        return "population" if bulk > self.sample else "sample" if bulk == self.sample else "lowest"

    @property
    def cuts(self) -> Float[Array, " k"]:
        """One point in every gap between bulks."""
        return self.theory.cuts


def drawn(job: Job, problems: list[rf.ScoreProblem], d: int, seeds: int) -> list[Spectrum]:
    """Spectra of several problems."""
    found = []
    for x in problems:
        theory = rf.spectrum(x)
        sample = int(np.argmin(abs(theory.edges[:, 0] - float(rf.timescales(x).lambda_min))))
        lam = [finite.eigenvalues(job, x, d, seeds, kind) for kind in rf.finite.FEATURES]
        found.append(Spectrum(theory, rf.large_psi_law(x), sample, *lam))
    return found


def picture(found: list[Spectrum], titles: list[str], d: int) -> Figure:
    """One row per spectrum: every bulk on its own axes."""
    figure, axes = plotting.panels(len(found), 3, width=look.TEXT, height=2.0)
    for row, one, title in zip(axes, found, titles, strict=True):
        _lowest(row[0], one)
        _sample(row[1], one)
        _population(row[2], one)
        style.tag(row[0], title)
        row[0].set_ylabel(r"density $\rho(\lambda)$")
    for ax in axes[-1]:
        ax.set_xlabel(r"eigenvalue $\lambda$ of $U$")
    handles: list[Artist] = [Patch(color=colour, alpha=0.5, label=f"{name} bulk") for name, colour in _COLOURS.items()]
    handles += [look.dash("theory", "-"), look.dash("Gaussian equivalent", ":"),
                Line2D([], [], color=style.ATOM, linewidth=1.6, label="atom (theory)")]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=6, columnspacing=1.2)
    count = len(found[0].lam)
    drawn_ones = (
        f"one matrix U of tanh features at d = {d}" if count == 1 else f"{count} matrices U of tanh features at d = {d}"
    )
    look.note(figure, f"Lines: Theorem 3.1. Histograms: {drawn_ones} (paper: one, d = 100), which smears the atom into "
                      "the lowest bulk; dotted: the matrix the theorem describes, at the same d.")  # fmt: skip
    return figure


def _histogram(ax: Axes, lam: Array, bins: Array, **options: Any) -> None:
    """Normalised by all eigenvalues, so that it compares with rho."""
    ax.stairs(np.histogram(lam, bins)[0] / lam.size / np.diff(bins), bins, **options)


def _both(ax: Axes, found: Spectrum, bulk: int, bins: Array) -> float:
    """Histograms and theory of one bulk; the top of the line."""
    _histogram(ax, found.lam, bins, fill=True, color=_COLOURS[found.name(bulk)], alpha=0.5)
    _histogram(ax, found.twin, bins, color=style.INK, linestyle=":", linewidth=0.8)
    low, high = found.theory.edges[bulk]
    lam = low + (high - low) * np.sin(0.5 * np.pi * np.linspace(0, 1, 400)) ** 2
    rho = found.theory.density(lam)
    ax.plot(lam, rho, color=style.INK)
    return plotting.top(lam, rho)


def _population(ax: Axes, found: Spectrum) -> None:
    edges, cuts = found.theory.edges, found.cuts
    first, last = edges[found.sample + 1, 0], max(edges[-1, 1], found.lam.max())
    ends = np.append(cuts, 1.05 * last)
    width = (edges[-1, 1] - first) / 26
    heights = []
    for k in range(found.sample + 1, len(edges)):
        low = max(ends[k - 1], edges[k, 0] - 4 * width)
        heights.append(_both(ax, found, k, np.arange(low, ends[k] + width, width)))
    ax.set(xlim=(first - 4 * width, 1.05 * last), ylim=(0, 1.4 * max(heights)))
    ax.ticklabel_format(axis="y", scilimits=(-1, 3))


def _sample(ax: Axes, found: Spectrum) -> None:
    (low, high), k = found.theory.edges[found.sample], found.sample
    start = max(found.cuts[k - 1] if k else 0.0, 0.5 * low)
    top = _both(ax, found, k, np.linspace(start, 1.3 * high, 50))
    ax.set(xlim=(0.0, 1.3 * high), ylim=(0, 1.4 * top))


def _lowest(ax: Axes, found: Spectrum) -> None:
    edges, k = found.theory.edges, found.sample
    high = edges[k - 1, 1] if k else edges[0, 0]
    bins, ends = np.linspace(0.0, 1.3 * high, 61), np.concatenate([[0.0], found.cuts[: max(k - 1, 0)], [1.3 * high]])
    heights = [_both(ax, found, i, bins[np.searchsorted(bins, ends[i]) : np.searchsorted(bins, ends[i + 1]) + 1])
               for i in range(k)]  # fmt: skip
    for where, mass in found.theory.atoms:
        ax.axvline(where, color=style.ATOM, linewidth=1.6)
        ax.text(where, 0.97, f" {mass:.3f}", color=style.ATOM, fontsize=6.5, va="top",
                transform=ax.get_xaxis_transform())  # fmt: skip
    ax.set(xlim=(0.0, 1.3 * high), ylim=(0, 1.6 * max(heights, default=1.0)))
    ax.xaxis.set_major_locator(MaxNLocator(4))


def numbers(found: Spectrum) -> dict[str, Any]:
    """Edges, masses and atom by theory; the same bulks in the drawn matrices, told apart in the gaps."""
    spec, lam, k = found.theory, found.lam, found.sample
    atom = spec.atoms[0] if spec.atoms else (spec.floor, 0.0)
    counts = np.bincount(np.searchsorted(found.cuts, lam.ravel()), minlength=len(spec.edges)) / lam.size
    top = lam > found.cuts[k]
    return {
        "edges": spec.edges, "masses": spec.masses, "bulks": [found.name(i) for i in range(len(spec.edges))],
        "sample_edges": spec.edges[k], "population_edges": [spec.edges[k + 1, 0], spec.edges[-1, 1]],
        "atom": {"location": atom[0], "mass": atom[1]},
        "drawn_masses": counts, "drawn_masses_note": "the first includes the atom",
        "drawn_population_edges": [lam[top].min(), lam.max()], "drawn_sample_high": lam[~top].max(),
        "cdf_distance_features": _distance(found, lam),
        "cdf_distance_gaussian_equivalent": _distance(found, found.twin),
        "law_sample_edges": found.law.sample_edges, "law_population_edges": found.law.population_edges,
    }  # fmt: skip


def _distance(found: Spectrum, lam: Array) -> float:
    """Largest distance of the distribution functions above the lowest bulks, which finite size smears into the atom."""
    lam = np.sort(lam.ravel())
    keep = lam > (found.cuts[found.sample - 1] if found.sample else found.theory.edges[0, 0])
    return float(np.max(abs(found.theory.cdf(lam[keep]) - (np.flatnonzero(keep) + 0.5) / lam.size)))
