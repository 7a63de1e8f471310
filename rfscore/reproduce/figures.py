"""The figures of the report: arranges panels and hands arrays to `rfscore.plotting`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from rfscore import plotting as draw
from rfscore.plotting import Points, style
from rfscore.reproduce.analysis import Numbers, mean_error
from rfscore.reproduce.laws import NEAR_ONE
from rfscore.reproduce.real import RealResult
from rfscore.reproduce.runs import CurveResult, SpectrumResult

Array = np.ndarray

_PER_SAMPLE = r"$\tau/n$"


def _points(x: Array, values: Array, every: int, first: int = 0) -> Points:
    """Mean over seeds and standard error, thinned so that the theory's line stays visible."""
    mean, error = mean_error(values)
    pick = slice(1 + first, -1, every)  # 0 and infinity have no place on a logarithmic axis
    return Points(x[pick], mean[pick], error[pick])


def _histogram(lam: Array, bins: Array) -> Array:
    """Fraction of all eigenvalues per unit of lambda: comparable with rho."""
    return np.histogram(lam, bins)[0] / lam.size / np.diff(bins)


def spectrum(result: SpectrumResult) -> Figure:
    """The atom and each bulk, every one on its own scale."""
    spec, exact, twin = result.theory, result.exact.ravel(), result.equivalent.ravel()
    names = spec.names
    count = len(spec.edges) + bool(spec.atoms)
    figure, axes = draw.panels(1, count, width=2.45 * count, height=2.5)
    panels = list(axes[0])
    if spec.atoms:
        _atom_panel(panels.pop(0), result)
    for k, (ax, (low, high)) in enumerate(zip(panels, spec.edges, strict=True)):
        margin = 0.12 * (high - low)
        lam = np.linspace(max(low - margin, 0.5 * (spec.floor + low)), high + margin, 400)
        # The atom's finite-size peak ends where the lowest bulk begins; its tail would dwarf the bulk.
        bins = np.linspace(low if k == 0 and spec.atoms else lam[0], lam[-1], 31)
        rho = spec.density(lam)
        draw.bulk(
            ax, lam, rho, bins, _histogram(exact, bins), outline=_histogram(twin, bins),
            colour=style.bulk_colour(names[k]), title=f"{names[k]}\nmass {spec.mass(k):.4g}",
        )  # fmt: skip
    panels[0].set_ylabel(r"density $\rho(\lambda)$")
    panels[-1].legend(loc="upper right", fontsize=7)
    return figure


def _atom_panel(ax: style.Axes, result: SpectrumResult) -> None:
    spec = result.theory
    location, mass = spec.atoms[0]
    bins = np.linspace(0.0, 2.6 * location, 31)
    flat = np.full(2, 0.0)
    draw.bulk(ax, bins[[0, -1]], flat, bins, _histogram(result.exact.ravel(), bins), colour=style.ATOM,
              atom=location, title=f"atom at $s^2$ = {location:.3g}\nmass {mass:.4g}")  # fmt: skip
    ax.set_ylabel(r"density $\rho(\lambda)$")


def curves(tau: Array, results: list[CurveResult], d: int) -> Figure:
    """Losses and score error against tau; losses and the normalised gap against tau/n."""
    figure, axes = draw.panels(2, 2, width=7.4, height=2.95)
    every = max(1, len(tau) // 24)
    for ax, scaled in ((axes[0, 0], False), (axes[1, 0], True)):
        lines: list[dict] = [{}, {}]
        points: list[dict] = [{}, {}]
        for i, r in enumerate(results):
            x = tau / (float(r.problem.psi_n) * d) if scaled else tau
            for part, theory, runs in ((0, r.theory.train, r.runs.train), (1, r.theory.test, r.runs.test)):
                lines[part][float(r.problem.psi_n)] = (x[1:-1], theory[1:-1])
                points[part][float(r.problem.psi_n)] = _points(x, runs, every, first=i)
        xlabel = _PER_SAMPLE if scaled else r"training time $\tau$"
        draw.losses(ax, *lines, *points, xlabel=xlabel, legend=not scaled)
    lines, points = [{}, {}], [{}, {}]
    for i, r in enumerate(results):
        psi_n, gaps = float(r.problem.psi_n), r.runs.test - r.runs.train
        x = tau / (psi_n * d)
        lines[0][psi_n] = (tau[1:-1], r.theory.score_error[1:-1])
        points[0][psi_n] = _points(tau, r.runs.score_error, every, i)
        lines[1][psi_n] = (x[1:-1], (r.theory.gap / r.theory.gap[-1])[1:-1])
        points[1][psi_n] = _points(x, gaps / gaps[:, -1:], every, i)
    draw.score_error(axes[0, 1], lines[0], points[0], legend=False)
    draw.collapse(axes[1, 1], lines[1], points[1], xlabel=_PER_SAMPLE)
    titles = (r"(a) losses against $\tau$", r"(b) score error against $\tau$", r"(c) losses against $\tau/n$",
              r"(d) gap between the losses against $\tau/n$")  # fmt: skip
    for ax, title in zip(axes.flat, titles, strict=True):
        style.tag(ax, title)
    return figure


def times(numbers: Numbers) -> Figure:
    """tau_opt and tau_half against psi_n, and the local exponent of tau_half at several psi_p."""
    figure, axes = draw.panels(1, 2, width=7.2, height=3.3)
    found = numbers.times
    psi_n = np.array([x.psi_n for x in found])
    points = {}
    for name, runs in (("tau_opt", [x.runs_opt for x in found]), ("tau_half", [x.runs_half for x in found])):
        mean, error = mean_error(np.array(runs).T)
        points[name] = Points(psi_n, mean, error)
    theory = {"tau_opt": np.array([x.theory_opt for x in found]), "tau_half": np.array([x.theory_half for x in found])}
    spectral = {
        r"$\psi_p/(\Delta_t\lambda_{\rm min})$, sample bulk": (
            np.array([x.spectral.tau_mem_edge for x in found]),
            "--",
        ),
        r"$\psi_p/(\Delta_t\lambda_{\rm lowest})$, lowest bulk": (
            np.array([x.spectral.tau_last_edge for x in found]),
            ":",
        ),
        r"$1/\Delta_t$": (np.array([x.spectral.tau_gen_scale for x in found]), "-."),
    }
    guide = (psi_n[[0, -1]], theory["tau_half"][0] * psi_n[[0, -1]] / psi_n[0])
    draw.times(axes[0, 0], psi_n, theory, points, spectral, proportional=guide)
    axes[0, 0].set_ylim(top=30 * max(x.spectral.tau_last_edge for x in found))
    draw.exponents(axes[0, 1], {x.psi_p: (x.middle, x.slope) for x in numbers.laws}, band=(1 - NEAR_ONE, 1 + NEAR_ONE))
    return figure


def bulks(tau: Array, result: CurveResult) -> Figure:
    """Contribution of each bulk to training and test loss."""
    split = result.bulks
    assert split is not None  # asked only for the psi_n that is split
    names = split.names
    colours = {name: style.bulk_colour(name) for name in names}
    every = max(1, len(tau) // 24)
    figure, axes = draw.panels(1, 2, width=7.2, height=3.1)
    parts = (
        (split.train, result.runs.bulk_train, result.theory.train),
        (split.test, result.runs.bulk_test, result.theory.test),
    )
    for ax, (theory, runs, total) in zip(axes[0], parts, strict=True):
        lines = {name: theory[k, 1:-1] for k, name in enumerate(names)}
        points = {name: _points(tau, runs[:, k], every, 2 * k) for k, name in enumerate(names)}
        draw.contributions(ax, tau[1:-1], lines, points, colours, total=total[1:-1] - 1.0, legend=ax is axes[0, 0])
    axes[0, 0].set_ylabel("contribution to the loss")
    style.tag(axes[0, 0], r"training loss: $L_{\rm train}-1$ by bulk")
    style.tag(axes[0, 1], r"test loss: $L_{\rm test}-1$ by bulk")
    return figure


def real_curves(result: RealResult) -> Figure:
    """Theory, images and Gaussian data of the same covariance, one panel per psi_n."""
    figure, axes = draw.panels(1, len(result.curves), width=2.45 * len(result.curves), height=2.9)
    tau = result.tau
    every = max(1, len(tau) // 18)
    top = max(y.max() for x in result.curves for y in (x.real_test, x.control_test, x.theory.test))
    for ax, x in zip(axes[0], result.curves, strict=True):
        theory = {"training": (tau[1:-1], x.theory.train[1:-1]), "test": (tau[1:-1], x.theory.test[1:-1])}
        for part in ("test", "train"):
            label = part == "test"
            images, gaussian = (getattr(x, f"{kind}_{part}") for kind in ("real", "control"))
            draw.versus(ax, theory if label else {}, {
                "real images" if label else "": (_points(tau, images, every), style.REAL, True),
                "Gaussian data" if label else " ": (_points(tau, gaussian, every, every // 2), style.GAUSSIAN, False),
            }, title=rf"$\psi_n$ = {x.problem.psi_n:g}")  # fmt: skip
        ax.set_ylim(0.0, 1.05 * top)
    axes[0, 0].set_ylabel("loss per dimension\n(solid: test, dashed: training)")
    axes[0, -1].legend(loc="upper right", fontsize=7)
    return figure


def real_spectrum(result: RealResult) -> Figure:
    """All eigenvalues by rank: theory, images, Gaussian data."""
    figure, axes = draw.panels(1, 1, width=4.2, height=3.1)
    p = result.real_eigenvalues.size
    spec = result.spectrum
    span = [min(x[0] for x in (spec.edges[0], result.real_eigenvalues[:1])), spec.edges[-1, 1]]
    lam = np.geomspace(0.5 * max(span[0], 1e-12), 1.2 * span[1], 600)
    above = p * (1.0 - spec.cdf(lam))
    keep = above > 0.3
    pick = np.unique(np.geomspace(1, p, 70).astype(int))
    points = {
        label: (np.sort(values)[::-1][pick - 1], pick.astype(float), colour, filled)
        for label, values, colour, filled in (
            ("real images", result.real_eigenvalues, style.REAL, True),
            ("Gaussian data", result.control_eigenvalues, style.GAUSSIAN, False),
        )
    }
    draw.ranks(axes[0, 0], lam[keep], above[keep], points)
    return figure


def all_figures(
    spectra: list[SpectrumResult], tau: Array, results: list[CurveResult], real: RealResult, numbers: Numbers, d: int
) -> Iterator[tuple[str, Figure]]:
    """(name, figure) of the report, in order."""
    for x in spectra:
        yield f"spectrum-psi_n-{x.problem.psi_n:g}", spectrum(x)
    yield "losses", curves(tau, results, d)
    yield "times", times(numbers)
    yield "bulks", bulks(tau, next(r for r in results if r.bulks is not None))
    yield "real-losses", real_curves(real)
    yield "real-spectrum", real_spectrum(real)
