"""When to stop a run that was not made yet: short runs at small n, carried to yours, with what the answer rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from rfscore import observables
from rfscore.errors import InputError, bad
from rfscore.runs.compare import unique
from rfscore.runs.law import REACH, Carried, Law
from rfscore.runs.load import load_runs
from rfscore.runs.readings import read_times, reading
from rfscore.runs.summary import RunSummary

#: What the times are.
MEANING = {
    "tau_opt": "the test loss is lowest",
    "tau_rise": "the test loss is 10 % above its lowest",
    "tau_onset": "f_mem is 0.05 above chance: copies begin",
}
#: Settings that must be the same in all runs.
SAME = ("optimizer", "learning_rate", "batch", "momentum", "data")


@dataclass(frozen=True)
class Advice:
    """What short runs say of another size.

    Attributes:
        n: training points of the run that was asked about.
        width: its W.
        times: "tau_opt", "tau_rise", "tau_onset", those that could be carried.
        safe: step until which neither the test loss has risen nor copies have begun, in 95 % of runs.
        images: training points with which `budget` steps are safe by median, and in 95 % of runs; None without a
            budget, NaN beyond what the runs say.
        budget: steps that were asked for.
        notes: what was left out or refused, and why.
    """

    n: int
    width: int
    times: dict[str, Carried]
    safe: float
    images: tuple[float, float] | None = None
    budget: float | None = None
    notes: tuple[str, ...] = ()


def law_of(runs: Sequence[RunSummary], name: str, *, assume: bool = False) -> tuple[Law, list[str]]:
    """The law of one time from the runs that have it, and the runs that have not."""
    known, notes = [], []
    for run in runs:
        if name == "tau_rise":
            got = reading(run, ("test_loss",), observables.tau_rise)
        else:
            got = read_times(run, resamples=500).times[name]
        if got.observable.status == "ok":
            low, high = got.interval
            error = math.log(high / low) / (2 * 1.96) if 0 < low < high < math.inf else 0.0
            known.append((run.n, run.width, got.observable.value, error))
        else:
            notes.append(f"{run.name} has no {name}: {got.observable.message}")
    table = np.array(known, dtype=np.float64).reshape(-1, 4)
    return Law(name, table[:, 0], table[:, 1], table[:, 2], table[:, 3], assume), notes


def advise(
    runs: Sequence[RunSummary | str | PathLike[str]], n: int, width: int = 0, *, budget: float | None = None,
    law: bool = False, **options: Any,
) -> Advice:  # fmt: skip
    """Until which step a run at n and W is safe, when its test loss is lowest, and how many images a budget needs.

    Args:
        runs: short runs with the same optimiser, at two or more n (or one, with `law`); paths or summaries.
        n: training points of the run in question.
        width: its W; 0: that of the runs.
        budget: steps that you want to train.
        law: put what is known of such laws beside the runs: tau ~ n^(1 +- 0.25) W^-(1 +- 0.25).
        **options: columns, unit and facts of logs, as for `load_runs`.

    Returns:
        Advice; times with 90 % intervals.

    Raises:
        InputError: runs that differ in optimiser, learning rate, batch or data; one n and no law; curves that have
            not split; a size too far from the runs.

    Accuracy:
        docs/advise.md holds predicted against found on every kept run.
    """
    found = unique(load_runs(runs, **options))
    _check(found, n, width, budget)
    width = width or max(run.width for run in found)
    times: dict[str, Carried] = {}
    laws: dict[str, Law] = {}
    notes: list[str] = []
    refused: list[InputError] = []
    for name in MEANING:
        curve = "f_mem" if name == "tau_onset" else "test_loss"
        if not any(curve in run.columns for run in found):
            continue
        laws[name], missing = law_of(found, name, assume=law)
        try:
            times[name] = laws[name].at(n, width)
            notes += missing
        except InputError as error:
            refused.append(error)
            notes += [*missing, f"no {name}: {error}"]
    ends = [name for name in ("tau_rise", "tau_onset") if name in times]
    if not ends:
        raise refused[-1] if refused else bad("runs", "no test loss and no f_mem", "one of both")
    for name, other in laws.items():
        notes += _contradictions(found, name, other)
    safe = min(times[name].interval[0] for name in ends)
    images = None if budget is None else _images([laws[name] for name in ends], width, budget)
    return Advice(n, width, times, safe, images, budget, tuple(dict.fromkeys(notes)))


def _check(runs: Sequence[RunSummary], n: int, width: int, budget: float | None) -> None:
    for name, value, least in (("n", n, 1), ("W", width, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise bad(name, value, f"a whole number >= {least}")
    if budget is not None and not 0 < budget < math.inf:
        raise bad("budget", budget, "a number of steps > 0")
    for key in SAME:
        values = {str(run.facts[key]) for run in runs if run.facts.get(key) is not None}
        if len(values) > 1 and not (key == "batch" and _full_batch(runs)):
            raise bad(f"{key} of the runs", sorted(values), "one for all", "times of different training protocols do "
                      "not follow one law: leave some runs out")  # fmt: skip


def _full_batch(runs: Sequence[RunSummary]) -> bool:
    """Batches that are the whole training set, or were cut to it, are one protocol."""
    largest = max(int(run.facts.get("batch") or 0) for run in runs)
    return all(int(run.facts.get("batch") or run.n) == min(largest, run.n) for run in runs)


def _contradictions(runs: Sequence[RunSummary], name: str, law: Law) -> list[str]:
    """Runs that should have had the time by the law, and have not."""
    notes = []
    for run in runs:
        if not law.n.size or run.n in law.n or not run.tau.size:
            continue
        try:
            expected = law.at(run.n, run.width)
        except InputError:
            continue
        if run.tau[-1] > expected.interval[1]:
            notes.append(f"{run.name} should have had {name} by step {expected.interval[1]:.3g} and has not by "
                         f"{run.tau[-1]:.3g}: the law is too early")  # fmt: skip
    return notes


def _images(laws: Sequence[Law], width: int, budget: float) -> tuple[float, float]:
    """n at which the median, and the lower end, of the earliest time is the budget; NaN beyond the runs' reach."""
    grid = np.geomspace(max(x.n.min() / REACH for x in laws) * 1.001, min(x.n.max() * REACH for x in laws) * 0.999, 400)
    found = []
    for pick in (lambda c: c.value, lambda c: c.interval[0]):
        values = np.array([min(pick(law.at(float(n), width)) for law in laws) for n in grid])
        enough = np.flatnonzero(values >= budget)
        found.append(float(grid[enough[0]]) if enough.size else math.nan)
    return found[0], found[1]
