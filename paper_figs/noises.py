"""Figures on m frozen noises per sample: how a number of noises looks, and maps of the test loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.lines import Line2D

import rfscore as rf
from paper_figs import diagram
from paper_figs.cache import kept
from paper_figs.job import Job
from rfscore.plotting import style

Array = np.ndarray
_MARKERS = {1.0: "o", 2.0: "s", 4.0: "^", 16.0: "v", np.inf: "D"}


def colour(m: float) -> Any:
    """Light to dark is few to many noises; the exact average is black."""
    return style.INK if np.isinf(m) else colormaps["plasma_r"](0.22 + 0.14 * float(np.log2(m)))


def marker(m: float) -> str:
    """So that colour is never the only difference."""
    return _MARKERS[float(m)]


def label(m: float) -> str:
    """m = 4, m = ∞."""
    return r"$m=\infty$" if np.isinf(m) else f"$m={m:g}$"


def key(draws: Sequence[float], *, markers: bool = True) -> list[Line2D]:
    """Legend handles."""
    return [Line2D([], [], color=colour(m), marker=marker(m) if markers else "", label=label(m)) for m in draws]


def test_losses(
    job: Job, problems: Sequence[rf.ScoreProblem], tau: Float[Array, " T"], what: str = "test loss"
) -> Float[Array, "problems T"]:
    """L_test of several problems at the same training times, from the cache when nothing has changed.

    At p = nm without ridge the loss grows without bound: inf at tau = inf.
    """

    def compute() -> dict[str, Array]:
        found = np.empty((len(problems), len(tau)))
        for i, problem in enumerate(problems):
            job.say(f"{what}: {i + 1} of {len(problems)}")
            peak = problem.ridge == 0.0 and float(rf.timescales(problem).tau_last_edge) == np.inf
            solved = np.isfinite(tau) | (not peak)
            found[i] = np.inf
            if solved.any():
                found[i, solved] = rf.loss_curves(problem, tau[solved]).test
        return {"test": found}

    return kept("test", {"problems": list(problems), "tau": tau}, diagram.code(), compute)["test"]
