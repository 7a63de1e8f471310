"""Panels several figures share: losses, score error and gap of random-features networks against training time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes

from paper_figs import look
from paper_figs.finite import Case, spread
from rfscore.plotting import style

Array = np.ndarray
Rescale = Callable[[Case], float]
_TAU = r"training time $\tau$"


def by_memory(case: Case) -> float:
    """1/tau_mem, the paper's psi_p/(Delta_t lambda_min) with the exact left edge of the sample bulk."""
    return 1.0 / float(case.scales.tau_mem_edge)


def _draw(
    ax: Axes, case: Case, theory: Array, runs: Array | None, factor: float, dash: object = "-", *, filled: bool = True,
    shift: int = 0,
) -> None:  # fmt: skip
    inner = look.inner(case.tau)
    colour = style.psi_n_colour(case.psi_n)
    ax.plot(factor * case.tau[inner], theory[inner], linestyle=dash, color=colour)  # type: ignore[arg-type]
    if runs is not None:
        every = max(1, len(case.tau) // 22)
        points = spread(factor * case.tau, runs, every, shift % every)
        style.dots(ax, points, colour, style.psi_n_marker(case.psi_n), filled=filled)


def losses(ax: Axes, cases: list[Case], factor: Rescale | None = None, *, points: bool = True) -> None:
    """Test (solid, filled) and training loss (dashed, open)."""
    for i, case in enumerate(cases):
        scale = factor(case) if factor else 1.0
        for name, dash, filled in (("train", "--", False), ("test", "-", True)):
            runs = getattr(case, name) if points else None
            _draw(ax, case, getattr(case.theory, name), runs, scale, dash, filled=filled, shift=i)
    ax.set(xscale="log", xlabel=_TAU, ylabel="loss per dimension")


def score_error(ax: Axes, cases: list[Case], factor: Rescale | None = None, *, points: bool = True) -> None:
    """Score error, both axes logarithmic."""
    for i, case in enumerate(cases):
        runs = case.score_error if points else None
        _draw(ax, case, case.theory.score_error, runs, factor(case) if factor else 1.0, shift=i)
    ax.set(xscale="log", yscale="log", xlabel=_TAU, ylabel="score error per dimension")


def gap(
    ax: Axes, cases: list[Case], factor: Rescale | None = None, *, normalised: bool = False, points: bool = True,
    dash: object = "-",
) -> None:  # fmt: skip
    """L_gen = test - training loss, optionally over its final value."""
    for i, case in enumerate(cases):
        theory, runs = np.asarray(case.theory.gap), case.test - case.train
        if normalised:
            theory, runs = theory / theory[-1], runs / runs[:, -1:]
        _draw(ax, case, theory, runs if points else None, factor(case) if factor else 1.0, dash, shift=i)
    ax.set(xscale="log", xlabel=_TAU, ylabel=r"$L_{\rm gen}=L_{\rm test}-L_{\rm train}$")
