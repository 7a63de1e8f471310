"""Finished runs side by side: their times, the power laws in n and W, and the random-features model beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rfscore import _plain
from rfscore.errors import RfscoreError, bad
from rfscore.observables import LocalSlopes
from rfscore.runs.load import load_runs, told_apart
from rfscore.runs.prediction import Prediction, predict
from rfscore.runs.readings import TIMES, RunTimes, read_times
from rfscore.runs.scaling import Fit, fit_scaling, horizontal_spread, slopes_by_width
from rfscore.runs.summary import RunSummary

if TYPE_CHECKING:
    from rfscore.report.page import Table


@dataclass(frozen=True)
class Comparison:
    """What several runs say together.

    Attributes:
        runs: the runs by width and n, each with its times.
        quality: curve whose lowest point is tau_opt, the same in all runs.
        threshold: height of f_mem above chance that defines tau_onset.
        fits: power law of each time of `TIMES`, and "rf_tau_half" of the random-features model.
        slopes: local exponents of tau_onset in n, by width.
        spread: name of a time axis -> factor by which the runs differ along it at equal f_mem; 1 is a collapse.
        predictions: the random-features model beside each run, None where it cannot be had.
        notes: what to know, each beginning with the run it is about.
    """

    runs: tuple[RunTimes, ...]
    quality: str
    threshold: float
    fits: dict[str, Fit]
    slopes: dict[int, LocalSlopes]
    spread: dict[str, float]
    predictions: tuple[Prediction | None, ...]
    notes: tuple[str, ...]

    def values(self, name: str) -> Float[np.ndarray, " runs"]:
        """One time of every run, NaN where censored."""
        return np.array([x.times[name].observable.value for x in self.runs])


def compare(
    runs: Sequence[RunSummary | str | PathLike[str]], *, quality: str = "test_loss", threshold: float = 0.05,
    resamples: int = 1000, seed: int = 0, prediction: bool = True, columns: Mapping[str, str] | None = None,
    unit: str | None = None, facts: Mapping[str, Any] | None = None,
) -> Comparison:  # fmt: skip
    r"""Times of every run, tau ~ n^gamma W^-beta fitted over them, and the random-features model beside them.

    Args:
        runs: paths (see `load_runs`) or summaries; one is enough for its times, exponents need more.
        quality: the curve whose lowest point is tau_opt: "test_loss", "frechet", "kernel" or "kl".
        threshold: tau_onset is where f_mem first is this much above chance.
        resamples: bootstrap draws, >= 500.
        seed: of the bootstrap.
        prediction: solve the random-features model too (a second or two for each run).
        columns: what the columns of logs mean, role -> name, as `load_runs` takes them.
        unit: of f_mem in logs, "percent" or "fraction".
        facts: known of every log that does not say it: "samples", "chance_level", "t_loss", "parameters",
            "covariance_eigenvalues".

    Returns:
        Comparison.

    Raises:
        InputError: no runs, one given twice, a run with other quality curves than this one, what `load_runs` refuses.

    Example:
        >>> import numpy as np
        >>> from rfscore.runs.compare import compare
        >>> from rfscore.runs.summary import RunSummary
        >>> tau = np.geomspace(1e2, 1e6, 33)
        >>> def run(n):
        ...     columns = {"test_loss": np.log(tau / 1e4) ** 2, "f_mem": 1 / (1 + (300 * n / tau) ** 4)}
        ...     return RunSummary(f"n{n}", n, 32, tau, columns, {"chance_level": 0.0})
        >>> found = compare([run(256), run(512), run(1024)], prediction=False)
        >>> f"tau_onset ~ n^{found.fits['tau_onset'].gamma:.2f}, tau_opt ~ n^{abs(found.fits['tau_opt'].gamma):.2f}"
        'tau_onset ~ n^1.00, tau_opt ~ n^0.00'
    """
    summaries = unique(load_runs(runs, columns=columns, unit=unit, facts=facts))
    found = tuple(
        read_times(run, quality=quality, threshold=threshold, resamples=resamples, seed=seed + i)
        for i, run in enumerate(summaries)
    )
    predictions, notes = _predictions(summaries) if prediction else ((None,) * len(summaries), [])
    n = np.array([run.n for run in summaries], dtype=np.float64)
    width = np.array([run.width for run in summaries], dtype=np.float64)
    fits = {name: _fit(found, name, n, width) for name in TIMES}
    rf_times = np.array([np.nan if x is None else x.tau_half.value for x in predictions])
    fits["rf_tau_half"] = fit_scaling(n, width, rf_times)
    tau_onset = np.array([x.times["tau_onset"].observable.value for x in found])
    own = [f"{x.run.name}: {note}" for x in found for note in x.notes]
    return Comparison(found, quality, threshold, fits, slopes_by_width(n, width, tau_onset),
                      _spread(summaries, threshold), predictions, (*own, *notes))  # fmt: skip


def unique(runs: list[RunSummary]) -> list[RunSummary]:
    """The runs by width and n, with names told apart; a run given twice would count twice in every fit."""
    if not runs:
        raise bad("runs", [], "at least one run")
    runs = sorted(runs, key=lambda run: (run.width, run.n, run.name))
    plain = [_plain.to_json(run) for run in runs]
    for i, run in enumerate(runs):
        if plain[i] in plain[:i]:
            raise bad("runs", run.name, "different runs", "this one was given twice")
    return [replace(run, name=name) for run, name in zip(runs, told_apart(runs), strict=True)]


def _predictions(runs: list[RunSummary]) -> tuple[tuple[Prediction | None, ...], list[str]]:
    """The model beside each run, and why not where there is none; runs that differ in the seed share one."""
    known: dict[str, Prediction] = {}
    predictions: list[Prediction | None] = []
    notes = []
    for run in runs:
        key = _plain.to_json([run.n, *(run.facts.get(x) for x in ("covariance_eigenvalues", "parameters", "t_loss"))])
        try:
            predictions.append(known[key] if key in known else known.setdefault(key, predict(run)))
        except RfscoreError as error:
            predictions.append(None)
            notes.append(f"{run.name}: no random-features prediction: {error}")
    return tuple(predictions), notes


def _fit(found: Sequence[RunTimes], name: str, n: np.ndarray, width: np.ndarray) -> Fit:
    readings = [x.times[name] for x in found]
    values = np.array([x.observable.value for x in readings])
    count = max(x.draws.size for x in readings)
    if count == 0:
        return fit_scaling(n, width, values)
    # A time without known errors stays where it is.
    draws = np.stack([x.draws if x.draws.size else np.full(count, x.observable.value) for x in readings], axis=1)
    return fit_scaling(n, width, values, draws)


def _spread(runs: Sequence[RunSummary], threshold: float) -> dict[str, float]:
    """Horizontal spread of f_mem - chance along tau, tau/n and, with several widths, tau W/n."""
    runs = [run for run in runs if "f_mem" in run.columns and np.sum(run.curve("f_mem")[0] > 0) > 2]
    axes: dict[str, Any] = {"tau": lambda run: 1.0, "tau/n": lambda run: 1.0 / run.n}
    if len({run.width for run in runs}) > 1 and all(run.width for run in runs):
        axes["tau W/n"] = lambda run: run.width / run.n
    spread = {}
    for name, factor in axes.items():
        curves = []
        for run in runs:
            tau, f_mem = run.curve("f_mem")
            curves.append((tau * factor(run), f_mem - float(run.facts.get("chance_level") or 0.0)))
        spread[name] = horizontal_spread(curves, threshold)
    return spread


def table(comparison: Comparison) -> Table:
    """One row per run: both times with intervals, their ratio, and the ratio of the random-features model."""
    from rfscore.report.numbers import num
    from rfscore.report.page import Table  # with the whole report behind it, matplotlib included

    rows = []
    for x, model in zip(comparison.runs, comparison.predictions, strict=True):
        times = {name: x.times[name] for name in TIMES}
        ratio = times["tau_half"].observable.value / times["tau_opt"].observable.value
        rows.append([x.run.name, str(x.run.n), str(x.run.width or "–"), *(times[name].text for name in TIMES),
                     num(ratio, 2), "–" if model is None else num(model.ratio, 2)])  # fmt: skip
    headers = ["run", "n", "W", "τ_opt", "τ_onset", "τ_half", "τ_half/τ_opt",
               "the same, RF model"]  # fmt: skip
    caption = (
        f"Training times τ in optimiser steps with 95 % bootstrap intervals; “>” and “<” are bounds (never reached, or "
        f"passed before the first step). τ_opt: lowest {comparison.quality}. τ_onset: f_mem first is "
        f"{comparison.threshold:g} above chance. τ_half: test minus training loss is half of its last value."
    )
    return Table(headers, rows, caption)


def to_plain(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data for JSON: without the draws and the runs' own curves."""
    runs = []
    for x, model in zip(comparison.runs, comparison.predictions, strict=True):
        times = {
            name: {**_plain.to_plain(reading.observable), "bootstrap_interval": reading.interval,
                   "resamples": reading.draws.size, "censored_resamples": reading.censored}
            for name, reading in x.times.items()
        }  # fmt: skip
        runs.append({"name": x.run.name, "n": x.run.n, "width": x.run.width, "times": times, "notes": x.notes,
                     "random_features": model})  # fmt: skip
    rest = {name: getattr(comparison, name) for name in ("quality", "threshold", "fits", "slopes", "spread", "notes")}
    plain = _plain.to_plain({"kind": "rfscore comparison", "definitions": TIMES, "runs": runs, **rest})
    assert isinstance(plain, dict)
    return plain
