"""Times read off the curves of one finished run, each with a bootstrap interval from its measurement errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from rfscore import observables
from rfscore.errors import InputError, bad
from rfscore.observables import Observable
from rfscore.runs.summary import RunSummary

#: Curves whose lowest point may define tau_opt.
QUALITIES = ("test_loss", "frechet", "kernel", "kl")
#: The three times of a run, and what they are.
TIMES = {
    "tau_opt": "lowest point of the quality curve",
    "tau_onset": "f_mem first reaches its chance level plus the threshold",
    "tau_half": "L_test - L_train first reaches half of its value at the last step, after the lowest test loss",
}
_NORMAL_95 = 1.959963984540054  # half-width of a 95 % interval in standard deviations


def _short(value: float) -> str:
    """1.29e5 rather than 1.29e+05."""
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e")


@dataclass(frozen=True)
class Reading:
    """One time of one run.

    Attributes:
        observable: value and status, read off the measured curve.
        draws: (R,) the same read off each resampled curve, inf where it is never reached and 0 where it is passed
            before the first step; empty when the errors of the curve are unknown.
        level: coverage the interval aims at.
    """

    observable: Observable
    draws: Float[np.ndarray, " R"]
    level: float = 0.95

    @property
    def interval(self) -> tuple[float, float]:
        """Percentile interval of the draws, censored ones counted as 0 or inf; (nan, nan) without draws."""
        if self.draws.size == 0:
            return math.nan, math.nan
        tail = 50 * (1 - self.level)
        # No interpolation between draws: next to a censored one it would give inf - inf.
        low, high = np.percentile(self.draws, [tail, 100 - tail], method="inverted_cdf")
        return float(low), float(high)

    @property
    def censored(self) -> float:
        """Fraction of the resampled curves without a time."""
        return float(np.mean((self.draws == 0) | np.isinf(self.draws))) if self.draws.size else math.nan

    @property
    def text(self) -> str:
        """The time with its interval, or what is known of it: '> 2e6'."""
        found = self.observable
        if found.status == "ok":
            low, high = self.interval
            return _short(found.value) + ("" if math.isnan(low) else f" [{_short(low)}, {_short(high)}]")
        if found.status == "undefined":
            return "undefined"
        low, high = found.interval
        return f"> {_short(low)}" if math.isinf(high) else f"< {_short(high)}"


@dataclass(frozen=True)
class RunTimes:
    """A run and the times read off it.

    Attributes:
        run: the curves.
        times: "tau_opt", "tau_onset", "tau_half" (see `TIMES`).
        gap_grows: whether test - train loss still grows at the last step, so that its half comes too early.
        notes: what to know before using them.
    """

    run: RunSummary
    times: dict[str, Reading]
    gap_grows: bool = False
    notes: tuple[str, ...] = ()


def read_times(
    run: RunSummary, *, quality: str = "test_loss", threshold: float = 0.05, resamples: int = 1000, seed: int = 0
) -> RunTimes:
    """tau_opt and tau_onset of one run by the definitions of `TIMES`, with bootstrap intervals.

    f_mem is resampled binomially when the number of generated samples is known (facts["samples"]), otherwise as a
    normal variable with the width of its interval; losses as normal variables with facts["loss_error"] (one
    number, or numbers or vectors by the name of the curve). Steps are resampled independently.

    Args:
        run: the curves.
        quality: curve whose lowest point is tau_opt, one of `QUALITIES`.
        threshold: height above the chance level (facts["chance_level"], 0 when absent) at which f_mem counts.
        resamples: bootstrap draws, >= 500.
        seed: of the bootstrap.

    Returns:
        RunTimes; a time of a curve that was not measured is "undefined", tau_opt of a run without any quality included.

    Raises:
        InputError: the run has other quality curves but not this one, a threshold outside (0, 1), too few resamples.
    """
    if quality not in QUALITIES:
        raise bad("quality", quality, f"one of {list(QUALITIES)}")
    if not 0 < threshold < 1:
        raise bad("threshold", threshold, "a fraction in (0, 1)")
    if resamples < 500:
        raise bad("resamples", resamples, "at least 500")
    others = [name for name in QUALITIES if name in run.columns]
    if others and quality not in others:
        raise bad("quality", quality, f"one of {others}",
                  f"run {run.name!r} did not measure it; tau_opt needs one definition for all runs")  # fmt: skip
    level = float(run.facts.get("chance_level") or 0.0) + threshold
    wanted: dict[str, tuple[tuple[str, ...], Callable[..., Observable]]] = {
        "tau_opt": ((quality,), observables.tau_opt),
        "tau_onset": (("f_mem",), lambda tau, f: observables.onset(tau, f, level)),
        "tau_half": (("train_loss", "test_loss"), observables.tau_half),
    }
    rng = np.random.default_rng(seed)
    times = {key: reading(run, columns, read, resamples, rng) for key, (columns, read) in wanted.items()}
    grows = _gap_grows(run)
    return RunTimes(run, times, grows, _notes(run, times, grows))


def reading(
    run: RunSummary, columns: tuple[str, ...], read: Callable[..., Observable], resamples: int = 500,
    rng: np.random.Generator | None = None,
) -> Reading:  # fmt: skip
    """One time of some curves of a run, and the same of resampled curves."""
    rng = np.random.default_rng(0) if rng is None else rng
    nothing = np.empty(0)
    missing = [name for name in columns if name not in run.columns]
    if missing:
        return Reading(_undefined(f"{', '.join(missing)} not measured"), nothing)
    known = np.all([np.isfinite(run.columns[name]) for name in columns], axis=0)
    tau = run.tau[known].astype(np.float64)
    try:
        found = read(tau, *(run.columns[name][known] for name in columns))
    except InputError as error:  # fewer than three measured steps: nothing to read in this run, the others count
        return Reading(_undefined(str(error)), nothing)
    resampled = [_resample(run, name, resamples, rng) for name in columns]
    if any(curves is None for curves in resampled):
        return Reading(found, nothing)
    curves = np.stack([c for c in resampled if c is not None], axis=1)[:, :, known]
    return Reading(found, np.array([_number(read(tau, *rows)) for rows in curves]))


def _undefined(message: str) -> Observable:
    return Observable(math.nan, (math.nan, math.nan), "undefined", message)


def _number(found: Observable) -> float:
    """The time, 0 when it is before the first step, inf when it is after the last or does not exist."""
    if found.status == "ok":
        return found.value
    return 0.0 if found.status == "censored" and found.interval[0] == 0 else math.inf


def _resample(
    run: RunSummary, name: str, resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, "R K"] | None:  # fmt: skip
    """Curves as they could have been measured; None when the errors are unknown."""
    values = run.columns[name]
    shape = (resamples, values.size)
    samples = run.facts.get("samples")
    if name == "f_mem" and samples:
        return rng.binomial(int(samples), np.clip(np.nan_to_num(values), 0.0, 1.0), size=shape) / int(samples)
    error = _error(run, name)
    if not np.any(error > 0):
        return None
    curves = values + error * rng.standard_normal(shape)
    return np.clip(curves, 0.0, 1.0) if name == "f_mem" else curves


def _error(run: RunSummary, name: str) -> Float[np.ndarray, " K"]:
    """Standard error of a curve at each step, 0 where it is unknown."""
    low, high = (run.columns.get(f"{name}_{side}") for side in ("low", "high"))
    error: Any = run.facts.get("loss_error")
    if low is not None and high is not None:
        error = (high - low) / (2 * _NORMAL_95)
    elif isinstance(error, Mapping):
        error = error.get(name)
    elif not name.endswith("loss"):
        error = None
    # A list of numbers may hold None where a summary had NaN.
    vector = np.array(np.nan if error is None else error, dtype=np.float64)
    if vector.shape not in ((), run.tau.shape):
        raise bad(f"error of {name!r} in run {run.name!r}", f"shape {vector.shape}", f"one number or {run.tau.shape}")
    return np.broadcast_to(np.maximum(np.nan_to_num(vector), 0.0), run.tau.shape)


def _gap_grows(run: RunSummary) -> bool:
    """Whether the gap of the losses gains more than a tenth over the last factor 2 of training."""
    if not {"train_loss", "test_loss"} <= set(run.columns):
        return False
    gap = run.columns["test_loss"] - run.columns["train_loss"]
    known = np.isfinite(gap) & (run.tau > 0)
    tau, gap = run.tau[known], gap[known]
    if tau.size < 2 or tau[0] > tau[-1] / 2:
        return False
    before = float(np.interp(math.log(tau[-1] / 2), np.log(tau), gap))
    return bool(gap[-1] > 1.1 * max(before, 0.0))


def _notes(run: RunSummary, times: dict[str, Reading], grows: bool) -> tuple[str, ...]:
    """Remarks of the run itself, a missing chance level, a gap without final value, times that noise could remove."""
    notes = [str(note) for note in run.facts.get("notes", [])]
    if "f_mem" in run.columns and run.facts.get("chance_level") is None:
        notes.append("chance level of f_mem unknown, taken as 0")
    if grows:
        notes.append("test - train loss still grows at the last step: τ_half comes too early")
    for name, reading in times.items():
        if reading.observable.status == "ok" and reading.censored > (1 - reading.level) / 2:
            notes.append(f"{name}: {100 * reading.censored:.0f} % of the resampled curves have no such time")
    return tuple(notes)
