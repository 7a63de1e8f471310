"""Numbers of the paper's own runs, 32 x 32 faces by SGD: what a run at its protocol would have to show."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from claims.bonnaire2025.groups import kind, times
from rfscore.runs.summary import RunSummary
from rfscore.validation.evidence import Comparison, NotTestable, below, near
from rfscore.validation.lab import Lab

Unit = Callable[[RunSummary], float]


def _faces(lab: Lab, **wanted: object) -> list[RunSummary]:
    """Runs at the paper's protocol: CelebA at 32 x 32, SGD; with what else is asked for."""
    found = []
    for run in lab.runs():
        facts = {**run.facts, "n": run.n, "width": run.width}
        faces = "celeba" in str(facts.get("data", "")).lower() and facts.get("d") == 1024
        if faces and facts.get("optimizer") == "sgd" and all(facts.get(k) == v for k, v in wanted.items()):
            found.append(run)
    if not found:
        words = ", ".join(f"{'W' if k == 'width' else k} = {v}" for k, v in wanted.items())
        kinds = sorted({f"{kind(r)[0]} ({kind(r)[1]}, d = {r.facts.get('d')})" for r in lab.runs()})
        raise NotTestable(f"needs runs on 32 × 32 faces with SGD{', ' + words if words else ''}, about two days of two "
                          f"GPUs each; committed are {', '.join(kinds)}")  # fmt: skip
    return found


def copies_at_the_end(lab: Lab) -> list[Comparison]:
    """f_mem = 47.2 % at tau = 1.62 million, 0 at 190 000, n = 1024, W = 32."""
    [run, *_] = _faces(lab, n=1024, width=32)
    tau, f = run.curve("f_mem")
    if tau[-1] < 1.62e6:
        raise NotTestable(f"{run.name} ends at τ = {tau[-1]:.3g}, before 1.62 million")
    at = [float(np.interp(x, tau, f)) for x in (1.62e6, 1.9e5)]
    samples = float(run.facts.get("samples") or math.nan)  # type: ignore[arg-type]
    error = 2 * math.sqrt(0.472 * 0.528 / samples)
    return [near(f"f_mem at 1.62 million, {run.name}", at[0], 0.472, 0.05, error, "2 standard errors of the samples"),
            below(f"f_mem at 190 000, {run.name}", at[1], 0.005, 1 / samples, "one sample")]  # fmt: skip


def _constants(
    lab: Lab, runs: list[RunSummary], time: str, what: str, unit: Unit, tolerance: float
) -> list[Comparison]:
    """One time of every run over the printed one, with half of its interval."""
    found = []
    for x in times(lab, runs):
        reading, scale = x.times[time], unit(x.run)
        error = 0.5 * (reading.interval[1] - reading.interval[0]) / scale
        found.append(near(f"{what}, {x.run.name}", reading.observable.value / scale, 1.0, tolerance, error,
                          "95 % interval/2"))  # fmt: skip
    return found


def gen_100k(lab: Lab) -> list[Comparison]:
    """tau_gen of about 100 000 steps at W = 32: one digit, 50 000 to 150 000."""
    return _constants(lab, _faces(lab, width=32), "tau_opt", "τ_gen/100 000", lambda run: 1e5, 0.5)


def mem_300_n(lab: Lab) -> list[Comparison]:
    """tau_mem/n of about 300 steps at W = 32: one digit, 250 to 350."""
    return _constants(lab, _faces(lab, width=32), "tau_onset", "τ_mem/(300 n)", lambda run: 300.0 * run.n, 1 / 6)


def width_times_gen(lab: Lab) -> list[Comparison]:
    """W tau_gen of about 3 million: one digit."""
    return _constants(lab, _faces(lab), "tau_opt", "W τ_gen/(3·10^6)", lambda run: 3e6 / run.width, 1 / 6)


def largest_n(lab: Lab) -> list[Comparison]:
    """n = 32 768, W = 32: test and training loss coincide up to 11 million steps."""
    [run, *_] = _faces(lab, n=32_768, width=32)
    tau, train = run.curve("train_loss")
    if tau[-1] < 1.1e7:
        raise NotTestable(f"{run.name} ends at τ = {tau[-1]:.3g}, before 11 million")
    return [near("test over training loss at the end", run.curve("test_loss")[1][-1] / train[-1], 1.0, 0.05, 0.01,
                 "noise draws")]  # fmt: skip


def fid_35(lab: Lab) -> list[Comparison]:
    """FID 35.1 at tau = 190 000: needs the Inception network of FID."""
    [run, *_] = _faces(lab, n=1024, width=32)
    if "fid" not in run.columns:
        raise NotTestable(f"{run.name} has no FID: its Inception weights are not part of the package")
    tau, fid = run.curve("fid")
    return [near(f"FID at 190 000, {run.name}", float(np.interp(1.9e5, tau, fid)), 35.1, 2.0, 0.5, "5 test sets")]
