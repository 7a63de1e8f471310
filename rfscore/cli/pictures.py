"""The pictures that commands leave: one problem each, its parameters above, its times marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    import rfscore as rf
    from rfscore.observables import CurveTimes

_TEX = {"psi_n": r"$\psi_n$", "psi_p": r"$\psi_p$"}


def _titled(figure: Figure, title: str) -> Figure:
    """The words of the screen's title, its Greek letters set."""
    for word, tex in _TEX.items():
        title = title.replace(word, tex)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.0)
    return figure


def spectrum(spec: rf.Spectrum, title: str) -> Figure:
    """Every bulk named and in its colour."""
    from rfscore import plotting

    figure, axes = plotting.panels(width=4.6, height=3.2)
    places = [plotting.places(low, high) for low, high in spec.edges]
    plotting.density(axes[0, 0], [(lam, lam * spec.density(lam)) for lam in places], spec.atoms, spec.names)
    return _titled(figure, title)


def _marked(ax: Axes, times: CurveTimes, *, named: bool) -> None:
    """Vertical lines where the curves have their times."""
    from rfscore.plotting import style

    for name, colour, tex in (("opt", style.TRAIN, r"$\tau_{\rm opt}$"), ("half", style.TEST, r"$\tau_{\rm half}$")):
        found = getattr(times, f"tau_{name}")
        if found.status != "ok":
            continue
        ax.axvline(found.value, color=colour, linewidth=1.0, linestyle=":")
        if named:
            ax.annotate(f"{tex} = {found.value:.3g}", (found.value, 1.0), xycoords=("data", "axes fraction"),
                        xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=8,
                        color=colour)  # fmt: skip


def curves(tau: np.ndarray, found: rf.LossCurves, times: CurveTimes, title: str) -> Figure:
    """Losses over all scales, the test loss around its lowest value, the score error (the excess for other targets)."""
    from rfscore import plotting
    from rfscore.plotting import style

    inner = slice(1, -1)
    score_known = bool(np.all(np.isfinite(found.score_error)))
    error, what = (found.score_error, "score error") if score_known else (found.excess, "excess test loss")
    x, test, train, error = tau[inner], found.test[inner], found.train[inner], error[inner]
    start = float(found.test[0])
    figure, axes = plotting.panels(1, 3, width=9.6, height=3.0)
    (losses, lowest, score), label = axes[0], r"training time $\tau$"
    losses.plot(x, test, color=style.TEST, label="test")
    losses.plot(x, train, "--", color=style.TRAIN, label="training")
    losses.set(xscale="log", yscale="log", xlabel=label, ylabel="loss per dimension")
    losses.legend(loc="upper left")
    lowest.plot(x, test, color=style.TEST)
    lowest.plot(x, train, "--", color=style.TRAIN)
    deep = max(start - float(test.min()), 1e-6 * start)
    lowest.set(xscale="log", xlabel=label, ylabel="the same, near the lowest",
               ylim=(start - 1.3 * deep, start + 0.5 * deep))  # fmt: skip
    score.plot(x, error, color=style.INK)
    score.set(xscale="log", yscale="log", xlabel=label, ylabel=f"{what} per dimension")
    for ax, named in ((losses, False), (lowest, False), (score, True)):
        _marked(ax, times, named=named)
    return _titled(figure, title)


def timescales(problem: rf.ScoreProblem, title: str) -> Figure:
    """Times for psi_n around the one asked for, which is marked, all else equal."""
    import rfscore as rf
    from rfscore import plotting
    from rfscore.model.problem import PSI_RANGE
    from rfscore.plotting import style

    psi_n = np.unique(np.clip(float(problem.psi_n) * 2.0 ** np.arange(-2.0, 2.5, 0.5), *PSI_RANGE))
    around = [problem.replace(psi_n=float(v)) for v in psi_n]
    scales = [rf.timescales(q) for q in around]
    found = [rf.curve_times(q) for q in around]
    read = {name: np.array([getattr(x, name).value for x in found]) for name in ("tau_opt", "tau_half")}
    clock = r"\Delta_t" if problem.is_score else r"\gamma^2"  # the gain
    lines = {
        rf"$\psi_p/({clock}\lambda_{{\rm min}})$": (np.array([float(s.tau_mem_edge) for s in scales]), "--"),
        rf"$\psi_p/({clock}\lambda_{{\rm lowest}})$": (np.array([float(s.tau_last_edge) for s in scales]), ":"),
        rf"$1/{clock}$": (np.array([float(s.tau_gen_scale) for s in scales]), "-."),
    }
    figure, axes = plotting.panels(width=4.6, height=3.6)
    ax = axes[0, 0]
    plotting.times(ax, psi_n, read, {}, lines)
    ax.set_ylim(top=50 * max(float(s.tau_last_edge) for s in scales))
    ax.axvline(float(problem.psi_n), color=style.FAINT, linewidth=0.7)
    here = int(np.argmin(np.abs(psi_n - float(problem.psi_n))))
    for name, colour in (("tau_opt", style.TRAIN), ("tau_half", style.TEST)):
        ax.plot(psi_n[here], read[name][here], "o", color=colour)
    return _titled(figure, title)


def finite(tau: np.ndarray, theory: rf.LossCurves, run: rf.LossCurves, title: str) -> Figure:
    """One instance's losses (points) on the theory's (lines)."""
    from rfscore import plotting
    from rfscore.plotting import style

    figure, axes = plotting.panels(width=4.6, height=3.4)
    ax, inner, some = axes[0, 0], slice(1, -1), slice(1, -1, max(1, len(tau) // 24))
    kinds: Mapping[str, tuple[Any, Any, str, str]] = {
        "test": (theory.test, run.test, style.TEST, "-"), "training": (theory.train, run.train, style.TRAIN, "--"),
    }  # fmt: skip
    for name, (line, points, colour, dash) in kinds.items():
        ax.plot(tau[inner], line[inner], dash, color=colour, label=f"{name}, theory")
        ax.plot(tau[some], points[some], "o" if dash == "-" else "s", color=colour, markerfacecolor="white",
                label=f"{name}, this instance")  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel=r"training time $\tau$", ylabel="loss per dimension")
    ax.legend(loc="best")
    return _titled(figure, title)
