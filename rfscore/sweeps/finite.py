"""One drawn network as a point of a sweep: exact gradient flow, on a grid of times of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import rfscore.finite
from rfscore.sweeps.outcome import Outcome, found
from rfscore.sweeps.spec import Point, problem


def evaluate(point: Point, tau: Sequence[float]) -> Outcome:
    """Losses at tau, best stopping and half-way time of the instance (problem, d, seed, features).

    tau_opt and tau_half are solved on its exact curves (`rfscore.finite.curve_times`), as by theory.
    """
    instance = rfscore.finite.draw(problem(point), int(point["d"]), int(point["seed"]), str(point["features"]))  # type: ignore[arg-type]
    flow = instance.gradient_flow()
    wanted, times = flow.loss_curves(np.asarray(tau)), rfscore.finite.curve_times(flow)
    best, half = times.tau_opt, times.tau_half
    # Without a best time the test loss is flat, or lowest where it starts.
    ends = flow.loss_curves([0.0, best.value if best.status == "ok" else 0.0, np.inf])
    values = {
        "train": wanted.train, "test": wanted.test, "gap": wanted.gap, "score_error": wanted.score_error,
        "train_inf": ends.train[2], "test_inf": ends.test[2], "tau_opt": best.value, "test_opt": ends.test[1],
        "train_opt": ends.train[1], "overtraining": ends.test[2] - ends.test[1], "tau_half": half.value,
        "window_half": half.value / best.value, "lambda_lowest": flow.eigenvalues[flow.eigenvalues > 0][0],
    }  # fmt: skip
    remarks = [f"{name}: {x.message}" for name, x in (("tau_opt", best), ("tau_half", half)) if x.status != "ok"]
    return found(values, remarks)
