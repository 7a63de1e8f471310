"""The figure of a comparison: picks what goes into each panel and hands arrays to `rfscore.plotting.networks`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rfscore.plotting import networks, panels, style
from rfscore.runs.compare import Comparison
from rfscore.runs.readings import TIMES, Reading
from rfscore.runs.summary import RunSummary

_LABELS = {
    "test_loss": "loss per dimension", "frechet": "Fréchet distance", "kernel": "kernel distance",
    "kl": "KL divergence",
}  # fmt: skip


_Pair = tuple[list[networks.Curve], list[networks.Curve]]


def figure(found: Comparison) -> Figure:
    """Losses, f_mem, f_mem against the rescaled time, and both times; colours are n, or W when all n are equal.

    With several n and several widths, (a), (b) and (d) show the width with most runs and (c) all runs. (e) and (f) hold
    the losses of every run against the random-features theory beside it, over tau/tau_opt.
    """
    runs = [x.run for x in found.runs]
    widths = sorted({run.width for run in runs})
    several = len(widths) > 1
    by_width = several and len({run.n for run in runs}) == 1
    main = _main_width(found)
    same = [run for run in runs if by_width or run.width == main]
    sizes = [run.width if by_width else run.n for run in runs]
    chance = float(np.mean([run.facts.get("chance_level") or 0.0 for run in runs]))
    dashes = dict(zip(widths, ("-", "--", "-.", ":") * len(widths), strict=False)) if several and not by_width else None
    first = "test_loss" if any("test_loss" in run.columns for run in same) else found.quality
    with_width = "tau W/n" in found.spread
    factor = (lambda run: run.width / run.n) if with_width else (lambda run: 1 / run.n)

    rows = _rescaled(found, by_width)
    picture, axes = panels(3 if any(measured for measured, _ in rows) else 2, 2)
    (a, b), (c, d) = axes[:2]
    train, test = _curves(same, "train_loss", by_width), _curves(same, first, by_width)
    networks.losses(a, train, test, sizes, ylabel=_LABELS[first])
    networks.memorised(b, _curves(same, "f_mem", by_width), sizes, chance=chance, threshold=found.threshold)
    networks.memorised(c, _curves(runs, "f_mem", by_width, factor, dashes), sizes, chance=chance,
                       xlabel=r"$\tau W/n$" if with_width else r"$\tau/n$", widths=dashes)  # fmt: skip
    _times_panel(d, found, same, by_width)
    networks.key(picture, sizes, "W" if by_width else "n")
    shown = f", n = {runs[0].n}" if by_width else f", W = {main or '?'}" if several else ""
    titles = (f"(a) {'losses' if first == 'test_loss' else 'quality'}{shown}", f"(b) memorised fraction{shown}",
              "(c) the same, time rescaled", f"(d) the two times{shown}")  # fmt: skip
    for ax, title in zip((a, b, c, d), titles, strict=True):
        style.tag(ax, title)
    labels = (r"gap / its last value", r"test loss / its lowest")
    for ax, (measured, theory), label, level in zip(axes[2:].ravel(), rows, labels, (0.5, None), strict=False):
        networks.rescaled(ax, measured, theory, sizes, ylabel=label, level=level)
    for ax, title in zip(axes[2:].ravel(), ("(e) test − training loss", "(f) test loss"), strict=False):
        style.tag(ax, title)
    return picture


def _rescaled(found: Comparison, by_width: bool) -> tuple[_Pair, _Pair]:
    """(runs, theory) of the gap over its last value and of the test loss over its lowest, times over tau_opt."""
    gaps: _Pair = ([], [])
    tests: _Pair = ([], [])
    for x, model in zip(found.runs, found.predictions, strict=True):
        size, opt = x.run.width if by_width else x.run.n, x.times["tau_opt"].observable.value
        if not {"train_loss", "test_loss"} <= set(x.run.columns) or not math.isfinite(opt):
            continue
        own = _ratios(size, x.run.tau / opt, x.run.columns["train_loss"], x.run.columns["test_loss"])
        curves = [own]
        if model is not None and math.isfinite(model.tau_opt.value):
            curves.append(_ratios(size, model.tau / model.tau_opt.value, model.train, model.test))
        for place, (gap, test) in enumerate(curves):
            gaps[place].append(gap)
            tests[place].append(test)
    # So far that the theory's own split is seen.
    ends = [5 * model.ratio for model in found.predictions if model is not None and math.isfinite(model.ratio)]
    last = max([*(10 * curve.x.max() for curve in gaps[0]), *ends], default=math.nan)
    shown = [[_until(curve, 0.03, last) for curve in theory] for _, theory in (gaps, tests)]
    return (gaps[0], shown[0]), (tests[0], shown[1])


def _ratios(size: int, x: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[networks.Curve, networks.Curve]:
    known = np.isfinite(train) & np.isfinite(test)
    x, gap, test = x[known], (test - train)[known], test[known]
    return networks.Curve(size, x, gap / gap[-1]), networks.Curve(size, x, test / test.min())


def _until(curve: networks.Curve, first: float, last: float) -> networks.Curve:
    keep = (curve.x >= first) & (curve.x <= last)
    return networks.Curve(curve.size, curve.x[keep], curve.y[keep])


def _main_width(found: Comparison) -> int:
    """The width with most runs; among equals the one where most memorise, then the largest."""
    widths = np.array([x.run.width for x in found.runs])
    known = np.isfinite(found.values("tau_onset"))
    return max(widths.tolist(), key=lambda w: (np.sum(widths == w), np.sum(known[widths == w]), w))


def _curves(
    runs: Sequence[RunSummary], name: str, by_width: bool, factor: Callable[[RunSummary], float] = lambda run: 1.0,
    dashes: dict[int, Any] | None = None,
) -> list[networks.Curve]:  # fmt: skip
    """One measured curve of every run that has it, against tau times a factor."""
    curves = []
    for run in runs:
        if name in run.columns:
            tau, y = run.curve(name)
            known = np.isfinite(run.columns[name])
            low, high = (run.columns[f"{name}_{side}"][known] if f"{name}_{side}" in run.columns else None
                         for side in ("low", "high"))  # fmt: skip
            size = run.width if by_width else run.n
            curves.append(networks.Curve(size, tau * factor(run), y, low, high, dashes[run.width] if dashes else "-"))
    return curves


def _times_panel(ax: Axes, found: Comparison, same: Sequence[RunSummary], by_width: bool) -> None:
    """Both times against n or W, the random-features line and a line proportional to n or 1/W."""
    pick = [i for i, x in enumerate(found.runs) if any(x.run is run for run in same)]
    runs, models = [found.runs[i] for i in pick], [found.predictions[i] for i in pick]
    sizes = [x.run.width if by_width else x.run.n for x in runs]
    marks = {}
    for name in TIMES:
        found_marks = [_mark(size, x.times[name]) for size, x in zip(sizes, runs, strict=True)]
        marks[name] = [mark for mark in found_marks if mark is not None]
    size = np.array(sizes, dtype=np.float64)
    line = np.array([np.nan if x is None else x.tau_half.value for x in models])
    mem, gap = found.values("tau_onset")[pick], found.values("tau_half")[pick]
    networks.times(ax, marks["tau_opt"], marks["tau_onset"], marks["tau_half"], sizes,
                   prediction=_scaled(size, line, gap if np.isfinite(gap).any() else mem),
                   guide=_scaled(size, 1 / size if by_width else size, mem),
                   names=("width $W$", r"$\propto 1/W$") if by_width else None)  # fmt: skip


def _mark(size: int, reading: Reading) -> networks.Time | None:
    """A point, an arrow for a time not reached, nothing for one that is undefined or before the first step."""
    found = reading.observable
    if found.status == "ok":
        return networks.Time(size, found.value, *reading.interval)
    if found.status == "censored" and math.isinf(found.interval[1]) and found.interval[0] > 0:
        return networks.Time(size, found.interval[0], censored=True)
    return None


def _scaled(size: np.ndarray, line: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(size, line) over all sizes, scaled to the first point both have; None when there is none."""
    known = np.isfinite(line)
    both = np.flatnonzero(known & np.isfinite(points))
    sizes, where = np.unique(size[known], return_index=True)
    if both.size == 0 or sizes.size < 2:
        return None
    first = both[np.argmin(size[both])]
    return sizes, line[known][where] * points[first] / line[first]
