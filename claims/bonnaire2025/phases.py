"""Claims on what trained networks do first and what later: split, copies, scores, the boundary of memorisation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from claims.bonnaire2025.groups import TELLS, Group, groups, kind, of_width, times, words
from rfscore import observables as ob
from rfscore.runs.compare import compare
from rfscore.runs.scaling import Fit
from rfscore.runs.summary import RunSummary
from rfscore.validation.evidence import Comparison, NotTestable, below, more, near, telling
from rfscore.validation.lab import Lab


def split_before_copies(lab: Lab) -> list[Comparison]:
    """Figure 2 middle: the losses part before copies appear, in every run in which they do."""
    found = []
    for x in times(lab, [r for r in lab.runs() if {"f_mem", "train_loss", "test_loss"} <= set(r.columns)]):
        mem, run = x.times["tau_onset"], x.run
        if mem.observable.status != "ok":
            continue
        tau, train = run.curve("train_loss")
        gap = (run.curve("test_loss")[1] - train) / train
        split = ob.onset(tau, gap, 0.1)
        if split.status == "ok":
            # From below a time that is not reached in some resampled curves still has a bound: its lower end.
            error = split.value / mem.interval[0] - split.value / mem.observable.value
            found.append(below(f"time at which the test loss is 10 % above the training loss, over τ_mem, {run.name}",
                               split.value / mem.observable.value, 1.0, max(error, 0.0),
                               "95 % interval of τ_mem, lower end"))  # fmt: skip
    if not found:
        raise NotTestable("no run reaches f_mem = 5 % above chance with its losses measured")
    return telling(found)


def novel_at_gen(lab: Lab) -> list[Comparison]:
    """At the lowest test loss nothing is memorised yet: 0 %, to a whole per cent, in every run that can tell."""
    found = []
    for x in times(lab, [r for r in lab.runs() if {"f_mem", "test_loss"} <= set(r.columns)]):
        gen = x.times["tau_opt"].observable
        if gen.status == "ok":
            value = _at(x.run, "f_mem", gen.value) - _chance(x.run)
            found.append(below(f"f_mem − chance at τ_gen, {x.run.name}", value, 0.005, _one_sample(x.run),
                               "one sample"))  # fmt: skip
    if not found:
        raise NotTestable("no run has both curves and a lowest test loss before its end")
    return telling(found)


def two_phases_adam(lab: Lab) -> list[Comparison]:
    """Figure 7 right: with Adam, tau_gen before tau_mem, in every U-Net run."""
    chosen = [r for r in lab.runs() if r.facts.get("optimizer") == "adam" and kind(r)[0] != "mixture"]
    found = []
    for x in times(lab, chosen):
        gen, mem = x.times["tau_opt"].observable, x.times["tau_onset"].observable
        later = mem.value if mem.status == "ok" else mem.interval[0]
        if gen.status == "ok" and np.isfinite(later):
            bound = "" if mem.status == "ok" else " (bound: not reached)"
            low, high = x.times["tau_opt"].interval
            found.append(below(f"τ_gen over τ_mem, {x.run.name}{bound}", gen.value / later, 1.0,
                               0.5 * (high - low) / later, "95 % interval/2 of τ_gen"))  # fmt: skip
    if not found:
        raise NotTestable("no U-Net runs with Adam among the summaries")
    return telling(found)


#: The neighbour estimate of exact samples, d = 8: what it adds to a divergence of 0.
NEIGHBOUR_BIAS = 0.06


def kl_to_zero(lab: Lab) -> list[Comparison]:
    """Figure 9: the lowest KL divergence of each run on the mixture is 0 within its statistical error."""
    found = []
    for group in groups(lab, images=False):
        for run in group.runs:
            if "kl" in run.columns:
                error = math.sqrt(float(run.facts["d"]) / float(run.facts["samples"]))  # type: ignore[arg-type]
                found.append(below(f"lowest KL divergence, {run.name}", float(run.curve("kl")[1].min()), 2 * error,
                                   error, "√(d/samples)"))  # fmt: skip
            if "kl_neighbours" in run.columns:
                lowest = float(run.curve("kl_neighbours")[1].min())
                found.append(below(f"the same, entropy by nearest neighbours, {run.name}", lowest,
                                   2 * error + NEIGHBOUR_BIAS, error, "√(d/samples)"))  # fmt: skip
    if not found:
        raise NotTestable("no run on the mixture measured the KL divergence")
    return telling(found)


def from_population_to_empirical(lab: Lab) -> list[Comparison]:
    """Figure 1: the learned score is first nearest the population's, and ends nearer the empirical one than then."""
    found = []
    for group in groups(lab, images=False):
        for run in group.runs:
            if {"score_population", "score_empirical"} <= set(run.columns):
                _, far = run.curve("score_population")
                _, near_ = run.curve("score_empirical")
                i, points = int(np.argmin(far)), min(2048, run.n)
                # A mean of d times `points` squares, over another: two standard errors.
                error = 2 * math.sqrt(4 / (float(run.facts["d"]) * points))  # type: ignore[arg-type]
                for what, value in (("lowest over last distance to the population score", far[i] / far[-1]),
                                    ("last distance to the empirical score over that at this time",
                                     near_[-1] / near_[i])):  # fmt: skip
                    found.append(below(f"{what}, {run.name}", value, 1.0, error * value, "2 standard errors"))
    if not found:
        raise NotTestable("no run measured its distances to both scores")
    return found


#: Multiples of tau_gen at which the paper draws its boundary.
MULTIPLES = (1.0, 3.0, 8.0)


def phase_boundary(lab: Lab) -> list[Comparison]:
    """Figure 3 right: n(p), the smallest n with f_mem = 0 at tau_gen, 3 tau_gen and 8 tau_gen, each W its own tau_gen.

    f_mem counts as 0 up to half a sample above chance. A size whose run ends earlier than asked has no say; a boundary
    is known when a size without copies is.
    """
    found, short = [], []
    for group in groups(lab, images=True):
        parts = [part for part in of_width(group) if len({r.n for r in part.runs if "f_mem" in r.columns}) > 1]
        if len(parts) < 2:
            short.append(f"{group.name}: {', '.join(f'W = {p.runs[0].width}' for p in parts) or 'none'}")
            continue
        found += _growth(group.name, {part.runs[0].width: _boundary(lab, part) for part in parts})
    if not any(x.form != "more" for x in found):
        raise NotTestable("needs two widths with several n each on one set of images, with copies at some n and none "
                          f"at others from τ_gen to 8 τ_gen; several n have {'; '.join(short) or 'none'}")  # fmt: skip
    return telling(found)


def _growth(name: str, lines: dict[int, list[float]]) -> list[Comparison]:
    """n(p) with training time at each width, and with the width at each time; equal sizes of the grid do not tell."""
    small, large = min(lines), max(lines)
    pairs = [(f"n(p) at τ_gen over n(p) at 8 τ_gen, {name}, W = {w}", line[0], line[-1]) for w, line in lines.items()]
    pairs += [(f"n(p) at W = {small} over n(p) at W = {large}, {m:g} τ_gen, {name}", a, b)
              for m, a, b in zip(MULTIPLES, lines[small], lines[large], strict=True)]  # fmt: skip
    found = [below(what, a / b, 1.0, 0.0 if a != b else 1.0, "the sizes that were run")
             for what, a, b in pairs if np.isfinite(a / b)]  # fmt: skip
    return found + [more(f"n(p) at {m:g} τ_gen, {name}, W = {w}", n) for w, line in lines.items()
                    for m, n in zip(MULTIPLES, line, strict=True) if np.isfinite(n)]  # fmt: skip


def _boundary(lab: Lab, part: Group) -> list[float]:
    """n(p) at the multiples of tau_gen, NaN where it is not between two sizes."""
    gens = [x.times["tau_opt"].observable.value for x in times(lab, list(part.runs))]
    gen = float(np.exp(np.nanmean(np.log(gens))))
    line = []
    for m in MULTIPLES:
        known = [r for r in part.runs if "f_mem" in r.columns and r.tau[-1] >= m * gen]
        copies = {r.n for r in known if _at(r, "f_mem", m * gen) - _chance(r) > 0.5 * _one_sample(r)}
        new = [r.n for r in known if r.n not in copies and r.n > max(copies, default=0)]
        line.append(float(min(new, default=np.nan)))
    return line


#: Ends of the names of f_mem and its chance level at the thresholds beside k = 1/3.
OTHER_K = {"1/4": "_quarter", "1/2": "_half"}


def same_for_other_k(lab: Lab) -> list[Comparison]:
    """k = 1/2 and 1/4 give the same exponent of tau_mem in n as k = 1/3, in every group that has all three."""
    found = []
    for group in (x for g in groups(lab) for x in of_width(g)):
        runs = [r for r in group.runs if all(f"f_mem{end}" in r.columns for end in OTHER_K.values())]
        if len({r.n for r in runs}) < 2:
            continue
        fits = {k: _mem_fit(lab, [_at_threshold(r, end) for r in runs])
                for k, end in {"1/3": "", **OTHER_K}.items()}  # fmt: skip
        if all(np.isfinite(fit.gamma) for fit in fits.values()):
            for k in OTHER_K:
                low, high = fits[k].gamma_interval
                found.append(near(f"exponent in n at k = {k} less that at 1/3, {group.name} ({words(runs)})",
                                  fits[k].gamma - fits["1/3"].gamma, 0.0, TELLS, 0.5 * (high - low),
                                  "95 % interval/2"))  # fmt: skip
    if not found:
        raise NotTestable("no two runs that differ in n only reach 5 % above chance at k = 1/4, 1/3 and 1/2")
    return telling(found)


def _at_threshold(run: RunSummary, end: str) -> RunSummary:
    """The run with f_mem and its chance level at another threshold under the names of k = 1/3."""
    columns = {"f_mem": run.columns[f"f_mem{end}"], "test_loss": run.columns["test_loss"]}
    return replace(run, columns=columns, facts={**run.facts, "chance_level": run.facts[f"chance_level{end}"]})


def _mem_fit(lab: Lab, runs: list[RunSummary]) -> Fit:
    return compare(runs, resamples=500, prediction=False, seed=lab.seed).fits["tau_onset"]


def _at(run: RunSummary, column: str, tau: float) -> float:
    """A curve between its steps, linear in log(tau)."""
    steps, y = run.curve(column)
    return float(np.interp(np.log(tau), np.log(np.maximum(steps, 1e-3)), y))


def _chance(run: RunSummary) -> float:
    return float(run.facts.get("chance_level") or 0.0)  # type: ignore[arg-type]


def _one_sample(run: RunSummary) -> float:
    """What one sample changes f_mem by; inf when the number of samples is unknown, so that the run cannot tell."""
    return 1.0 / float(run.facts.get("samples") or 0.0) if run.facts.get("samples") else math.inf  # type: ignore[arg-type]
