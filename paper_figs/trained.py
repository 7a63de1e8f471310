"""Trained networks of a figure: the committed summaries of experiments/, grouped, and drawn in one way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from paper_figs.job import ROOT, NotRun
from rfscore.plotting import networks, style
from rfscore.runs.compare import Comparison, compare
from rfscore.runs.summary import RunSummary

#: Sizes n that have a colour of their own, the same in every figure.
SIZES = tuple(2**k for k in range(4, 13))
WIDTH_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
QUALITY = {"frechet": "Fréchet distance", "kl": "KL(generated | true)", "test_loss": "test loss"}
_OPTIMISERS = {"adam": "Adam", "sgd": "SGD"}
Factor = Callable[[RunSummary], float]


def load(*experiments: str) -> dict[str, list[RunSummary]]:
    """Summaries by experiment, ascending in W and n; experiments without any are left out."""
    found = {}
    for name in experiments:
        files = sorted((ROOT / "experiments" / name / "summaries").glob("*.json"))
        runs = [RunSummary.load(x) for x in files if not x.name.endswith(".manifest.json")]
        if runs:
            found[name] = sorted(runs, key=lambda run: (run.width, run.n))
    return found


def first(*experiments: str, wanted: Callable[[RunSummary], bool] = lambda run: True) -> tuple[str, list[RunSummary]]:
    """The first experiment with at least two wanted runs of one width and optimiser; those runs.

    Raises:
        NotRun: there is none.
    """
    for name, runs in load(*experiments).items():
        groups: dict[Any, list[RunSummary]] = {}
        for run in runs:
            if wanted(run):
                groups.setdefault((run.width, run.facts.get("optimizer")), []).append(run)
        best = max(groups.values(), key=len, default=[])
        if len({run.n for run in best}) > 1:
            return name, best
    raise NotRun(f"no two runs of one width in experiments/{{{', '.join(experiments)}}} with what this figure shows")


def sizes(runs: Iterable[RunSummary]) -> list[int]:
    """All n that share the colour scale."""
    return sorted({*SIZES, *(run.n for run in runs)})


def curves(
    runs: Sequence[RunSummary], column: str, factor: Factor = lambda run: 1.0, *, dashes: dict[int, Any] | None = None
) -> list[networks.Curve]:
    """One measured curve per run against tau times a factor."""
    found = []
    for run in runs:
        if column not in run.columns:
            continue
        tau, y = run.curve(column)
        known = np.isfinite(run.columns[column])
        low, high = (run.columns[f"{column}_{side}"][known] if f"{column}_{side}" in run.columns else None
                     for side in ("low", "high"))  # fmt: skip
        dash = dashes[run.width] if dashes else "-"
        found.append(networks.Curve(run.n, tau * factor(run), y, low, high, dash))
    return found


def draw(ax: Axes, found: Sequence[networks.Curve], *, filled: bool = True, band: bool = True) -> None:
    """Lines with markers, measurement intervals as bands; the untrained network (tau = 0) has no place."""
    every = sizes_of(found)
    for curve in found:
        colour, marker = networks.look(curve.size, every)
        keep = curve.x > 0
        if band and curve.low is not None and curve.high is not None:
            ax.fill_between(curve.x[keep], curve.low[keep], curve.high[keep], color=colour, alpha=0.25, linewidth=0)
        ax.plot(curve.x[keep], curve.y[keep], linestyle=curve.dash, color=colour, marker=marker, markersize=2.8,
                markerfacecolor=colour if filled else "white", markeredgewidth=0.7)  # fmt: skip
    ax.set_xscale("log")


def sizes_of(found: Sequence[networks.Curve]) -> list[int]:
    """The common colour scale, with whatever other n there are."""
    return sorted({*SIZES, *(curve.size for curve in found)})


def key(runs: Sequence[RunSummary]) -> list[Line2D]:
    """One handle per n."""
    handles = []
    for n in sorted({run.n for run in runs}):
        colour, marker = networks.look(n, sizes(runs))
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=2.8, label=f"n = {n}"))
    return handles


def memorised(ax: Axes, runs: Sequence[RunSummary], by_n: Axes | None = None) -> None:
    """f_mem against tau, and against tau/n on axes of its own: measured values, never over their highest."""
    for one, factor, label in ((ax, once, r"training step $\tau$"), (by_n, over_n, r"$\tau/n$")):
        if one is not None:
            draw(one, curves(runs, "f_mem", factor))
            one.axhline(level(runs[0]), color=style.INK, linewidth=0.7, linestyle=":")
            one.set(xlabel=label, ylabel=r"memorised fraction $f_{\rm mem}$")


def once(run: RunSummary) -> float:
    """tau as it is."""
    return 1.0


def over_n(run: RunSummary) -> float:
    """1/n, for tau/n."""
    return 1.0 / run.n


def level(run: RunSummary) -> float:
    """f_mem at tau_mem: 5 % above its chance level."""
    return 0.05 + float(run.facts.get("chance_level") or 0.0)


def losses(ax: Axes, runs: Sequence[RunSummary], factor: Factor = lambda run: 1.0) -> None:
    """Test (solid, filled) and training loss (dashed, open) at fixed t."""
    for column, dash, filled in (("train_loss", "--", False), ("test_loss", "-", True)):
        found = curves(runs, column, factor)
        draw(ax, [networks.Curve(c.size, c.x, c.y, dash=dash) for c in found], filled=filled)
    ax.set(xlabel=r"training step $\tau$", ylabel="loss per dimension")


def numbers(runs: Sequence[RunSummary], quality: str = "test_loss") -> dict[str, Any]:
    """Times, exponents and collapse, read as `rfscore runs compare` reads them."""
    found: Comparison = compare(runs, quality=quality, prediction=False)
    times = {
        name: {"value": found.values(name), "interval": [x.times[name].interval for x in found.runs],
               "status": [x.times[name].observable.status for x in found.runs]}
        for name in ("tau_opt", "tau_onset", "tau_half")
    }  # fmt: skip
    return {
        "runs": [x.run.name for x in found.runs], "n": [x.run.n for x in found.runs],
        "width": [x.run.width for x in found.runs], "steps": [float(x.run.tau[-1]) for x in found.runs],
        "quality": quality, "times": times, "fits": found.fits, "spread": found.spread,
        "f_mem_last": [float(x.run.curve("f_mem")[1][-1]) for x in found.runs if "f_mem" in x.run.columns],
        "f_mem_highest": [float(x.run.curve("f_mem")[1].max()) for x in found.runs if "f_mem" in x.run.columns],
        "notes": found.notes,
    }  # fmt: skip


def describe(runs: Sequence[RunSummary]) -> str:
    """What was trained, for the line below a picture."""
    run = runs[0]
    widths = sorted({run.width for run in runs})
    return (
        f"{data_name(run)}, W = {', '.join(map(str, widths))} ({run.facts.get('parameters', '?')} "
        f"parameters{' and others' if len(widths) > 1 else ''}), "
        f"{_OPTIMISERS.get(str(run.facts.get('optimizer')), '?')} {run.facts.get('learning_rate', '')}, batch "
        f"{_range(runs, 'batch')}, {_range(runs, 'samples')} samples a step"
    )


def _range(runs: Sequence[RunSummary], fact: str) -> str:
    """Smallest and largest value of a whole number among the runs."""
    values = {int(run.facts.get(fact) or 0) for run in runs}  # type: ignore[call-overload]
    return " to ".join(str(value) for value in sorted({min(values), max(values)}))


def data_name(run: RunSummary) -> str:
    """What a run was trained on: digits, a mixture, or faces with their size."""
    name, d = str(run.facts.get("data", "data")), int(run.facts.get("d") or 0)  # type: ignore[call-overload]
    side = round(d**0.5)
    return f"CelebA {side}x{side}" if "celeba" in name.lower() else name


def inputs(experiment: str, runs: Sequence[RunSummary]) -> dict[str, Any]:
    """Which runs a picture shows."""
    return {"experiment": experiment, "runs": [run.name for run in runs],
            "facts": {k: v for k, v in runs[0].facts.items() if k != "covariance_eigenvalues"}}  # fmt: skip


def loss_key() -> list[Line2D]:
    """Which line is test, which training."""
    looks: tuple[tuple[str, Any, str], ...] = (("test", "-", style.INK), ("training", "--", "white"))
    return [
        Line2D([], [], color=style.INK, marker="o", markersize=2.8, linestyle=dash, label=label, markerfacecolor=face)
        for label, dash, face in looks
    ]
