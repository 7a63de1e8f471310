"""Figures 5 and 12: do the curves of different n coincide against tau/tau_mem?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import rfscore as rf
from claims.bonnaire2025.times import PSI_N
from rfscore.runs.scaling import horizontal_spread
from rfscore.validation.evidence import Comparison, Form, below, more
from rfscore.validation.lab import COINCIDE, TAU, Lab

#: Lowest L_gen, and lowest fraction of its final value, at which curves are compared.
LOWEST, LOWEST_SHARE = 0.02, 0.05
Lines = list[tuple[np.ndarray, np.ndarray]]


def _spread(gaps: Sequence[np.ndarray], times: np.ndarray, relative: bool, every: int = 1) -> float:
    """exp of the standard deviation of log(tau/times) at equal height of L_gen, or of L_gen over its final value."""
    pick = slice(1, -1, every)
    lines: Lines = [(TAU[pick] / s, y[pick] / (y[-1] if relative else 1.0)) for y, s in zip(gaps, times, strict=True)]
    return horizontal_spread(lines, LOWEST_SHARE if relative else LOWEST)


def _coincide(name: str, gaps: list[np.ndarray], times: np.ndarray, relative: bool, form: Form) -> list[Comparison]:
    """The spread along tau/tau_mem against what curves that coincide to one digit may have; and that along tau."""
    what = "L_gen over its final value" if relative else "L_gen"
    after, before = _spread(gaps, times, relative), _spread(gaps, np.ones(len(times)), relative)
    error = abs(after - _spread(gaps, times, relative, 2))
    return [
        below(f"spread of {what} along τ/τ_mem, {name}", after, COINCIDE, error, "every second τ left out", form),
        more(f"the same along τ: spread of {what}, {name}", before),
    ]


def _collapse(name: str, sigma_x: float, lab: Lab) -> list[Comparison]:
    """As printed, the losses as they are; corrected, their difference over its final value."""
    problems = [rf.ScoreProblem(n, 64.0, 0.1, sigma_x**2) for n in PSI_N]
    times = np.array([float(rf.timescales(q).tau_mem_edge) for q in problems])
    theory = [rf.loss_curves(q, TAU).gap for q in problems]
    drawn = [np.mean([x.test - x.train for x in lab.draws(q, {32: 4}, "gaussian-equivalent")[32]], axis=0)
             for q in problems]  # fmt: skip
    found = []
    for relative, form in ((False, "printed"), (True, "corrected")):
        found += _coincide(f"{name}, theory", theory, times, relative, form)  # type: ignore[arg-type]
        found += _coincide(f"{name}, draws (d = 32)", drawn, times, relative, form)  # type: ignore[arg-type]
    return found


def figure_5(lab: Lab) -> list[Comparison]:
    """Figure 5, insets."""
    return _collapse("σ_x = 1", 1.0, lab)


def wide_data(lab: Lab) -> list[Comparison]:
    """Figure 12 top: sigma_x = 2."""
    return _collapse("σ_x = 2", 2.0, lab)


def narrow_data(lab: Lab) -> list[Comparison]:
    """Figure 12 bottom: sigma_x = 1/2."""
    return _collapse("σ_x = 0.5", 0.5, lab)
