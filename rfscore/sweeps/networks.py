"""One trained network as a point of a sweep; its folder in the store continues an interrupted training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rfscore.sweeps.outcome import Outcome, found
from rfscore.sweeps.spec import Point, network_config


def evaluate(point: Point, shared: Mapping[str, Any], folder: Path) -> Outcome:
    """Train (or go on training), measure every snapshot, and read the times off the curves.

    train_inf and test_inf are the losses at the last step; a loss is measured over noise draws, see
    `rfscore.networks.measure`.
    """
    from rfscore.networks import data, run
    from rfscore.networks.measure import measure_run
    from rfscore.runs.readings import read_times

    config = network_config(shared, point)
    run.train(config, folder, lambda *_: None, resume=(folder / run.CONFIG).exists())
    summary = measure_run(config, data.load(config.data), folder, lambda *_: None)
    times = read_times(summary).times
    best, half, copied = (times[name].observable for name in ("tau_opt", "tau_half", "tau_onset"))
    train, test = summary.curve("train_loss")[1], summary.curve("test_loss")[1]
    to_the_end = best.status == "censored" and best.interval[1] == np.inf
    lowest = int(np.argmin(test))
    values: dict[str, Any] = {
        "train_inf": train[-1], "test_inf": test[-1], "tau_opt": np.inf if to_the_end else best.value,
        "test_opt": test[lowest], "train_opt": train[lowest], "overtraining": test[-1] - test[lowest],
        "tau_half": half.value, "window_half": half.value / best.value,
    }  # fmt: skip
    named = [("tau_opt", best), ("tau_half", half)]
    if "f_mem" in summary.columns:
        values |= {"f_mem": summary.curve("f_mem")[1][-1], "tau_onset": copied.value}
        named.append(("tau_onset", copied))
    return found(values, [f"{name}: {x.message}" for name, x in named if x.status != "ok"])
