"""One drawn network as a point of a sweep: exact gradient flow, on a grid of times of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import rfscore.finite
from rfscore import observables
from rfscore.sweeps.outcome import Outcome, found
from rfscore.sweeps.spec import Point, problem

#: Times a decade at which the lowest test loss and the half of the gap are looked for.
_PER_DECADE = 24


def evaluate(point: Point, tau: Sequence[float]) -> Outcome:
    """Losses at tau, best stopping and half-way time of the instance (problem, d, seed, features).

    tau_opt is refined by a parabola through three of 24 times a decade, tau_half is linear in log(tau) between two
    (`rfscore.observables`); both are otherwise defined as by theory.
    """
    instance = rfscore.finite.draw(problem(point), int(point["d"]), int(point["seed"]), str(point["features"]))  # type: ignore[arg-type]
    flow = instance.gradient_flow()
    positive = flow.eigenvalues[flow.eigenvalues > 0]
    rate = 2.0 * instance.delta / instance.p * instance.d  # c = rate tau; p/d is the psi_p that was drawn
    low, high = 1e-2 / (rate * positive[-1]), 40.0 / (rate * positive[0])
    grid = np.geomspace(low, high, 2 + int(_PER_DECADE * np.log10(high / low)))
    curves = flow.loss_curves(np.append(grid, np.inf))
    wanted = flow.loss_curves(np.asarray(tau))
    best = observables.tau_opt(curves.tau, curves.test)
    half = observables.tau_half(curves.tau, curves.train, curves.test)
    to_the_end = best.status == "censored" and best.interval[1] == np.inf
    lowest = best.height if best.status == "ok" else float(curves.test.min())
    values = {
        "train": wanted.train, "test": wanted.test, "gap": wanted.gap, "score_error": wanted.score_error,
        "train_inf": curves.train[-1], "test_inf": curves.test[-1],
        "tau_opt": np.inf if to_the_end else best.value, "test_opt": lowest,
        "train_opt": np.interp(best.value, grid, curves.train[:-1]) if best.status == "ok" else curves.train[-1],
        "excess": curves.test[-1] - lowest, "tau_half": half.value, "window_half": half.value / best.value,
        "lambda_lowest": positive[0],
    }  # fmt: skip
    remarks = [f"{name}: {x.message}" for name, x in (("tau_opt", best), ("tau_half", half)) if x.status != "ok"]
    return found(values, remarks)
