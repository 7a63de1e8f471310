"""Beyond the paper: early stopping against a ridge, and where they are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

import rfscore as rf
from paper_figs import diagram, finite, look, noises, optima
from paper_figs.cache import Arrays, kept
from paper_figs.job import Job, Row
from rfscore import plotting
from rfscore.plotting import Points, style
from rfscore.report.numbers import num, percent

NAME = "beyond_stopping_ridge"
TITLE = "early stopping against a ridge, ψ_p = 32"
PAPER = "Early stopping only. The 2026 papers regularise by a ridge at τ = ∞ and compare the two in words."
PSI_N, PSI_P, T = 8.0, 32.0, 0.1
SHOWN, DRAWS = (1, np.inf), (1, 2, 4, np.inf)
TIMES = np.geomspace(0.02, 1.0, 9)
SAMPLES = diagram.axis(1.0, 64.0, 9)
RUNS_T, RUNS_N = (0.05, 0.4), (2.0, 16.0)
STRENGTH = np.geomspace(1e-3, 3e3, 40)


def problem(m: float, t: float = T, psi_n: float = PSI_N) -> rf.ScoreProblem:
    """The problem at m noises."""
    return rf.ScoreProblem(psi_n, PSI_P, t, noise_draws=m)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((24, 3), (64, 3))
    theory = {m: _theory(job, problem(m)) for m in SHOWN}
    runs = {m: [_run(job, problem(m), d, k) for k in range(seeds)] for m in SHOWN}
    over_t = {m: optima.line(job, [problem(m, t) for t in TIMES], f"t, m = {m}") for m in DRAWS}
    over_n = {m: optima.line(job, [problem(m, psi_n=n) for n in SAMPLES], f"psi_n, m = {m}") for m in DRAWS}
    figure, axes = plotting.panels(2, 2, width=look.TEXT, height=2.3)
    (stopped, ridged), (times, samples) = axes
    for ax, name in ((stopped, "stopped"), (ridged, "ridged")):
        _one_way(ax, name, theory, runs)
    stopped.legend(handles=noises.key(SHOWN), loc="lower left")
    nets_t = {(m, t): optima.networks(job, problem(m, t), d, seeds) for m in SHOWN for t in RUNS_T}
    nets_n = {(m, n): optima.networks(job, problem(m, psi_n=n), d, seeds) for m in SHOWN for n in RUNS_N}
    _ratio(times, TIMES, over_t, nets_t, [problem(1, t) for t in TIMES])
    _ratio(samples, SAMPLES, over_n, nets_n, [problem(1)] * SAMPLES.size)
    times.set(xscale="log", xlabel="diffusion time $t$", ylabel="best ridge's excess / best stop's")
    style.binary_axis(samples, SAMPLES)
    samples.set(xlabel=r"$\psi_n=n/d$")
    times.legend(handles=noises.key(DRAWS, markers=False), loc="upper right")
    at = rf"$\psi_n$ = {PSI_N:g}, $t$ = {T:g}"
    style.tag(stopped, f"(a) stopping, {at}")
    style.tag(ridged, f"(b) ridge, {at}")
    style.tag(times, rf"(c) over $t$, $\psi_n$ = {PSI_N:g}")
    style.tag(samples, f"(d) over $n$, $t$ = {T:g}")
    text = (
        "Excess: test loss above that of the exact score. Lines: theory. (c), (d): above 1 early stopping is better. "
        f"Points: {seeds} networks, d = {d}, mean and standard deviation."
    )
    look.note(figure, text)
    numbers = _numbers(theory, over_t, over_n, nets_t | nets_n)
    inputs = {"psi_n": PSI_N, "psi_p": PSI_P, "t": T, "m": DRAWS, "times": TIMES, "samples": SAMPLES, "d": d,
              "seeds": seeds, "code": [finite.code(), diagram.code()]}  # fmt: skip
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _time(one: rf.ScoreProblem, strength: np.ndarray) -> np.ndarray:
    """tau at which c = 1/strength."""
    return float(one.psi_p) / (2 * float(one.delta) * strength)


def _theory(job: Job, one: rf.ScoreProblem) -> Arrays:
    """Test loss over 1/c by stopping, and over the ridge at infinite time."""

    def compute() -> Arrays:
        job.say(f"stopping and ridge, m = {one.noise_draws:g}")
        ridged = [float(rf.loss_curves(one.replace(ridge=x), [np.inf]).test[0]) for x in STRENGTH]
        return {"stopped": np.asarray(rf.loss_curves(one, _time(one, STRENGTH)).test), "ridged": np.array(ridged)}

    return kept("strength", {"problem": one, "strength": STRENGTH}, diagram.code(), compute)


def _run(job: Job, one: rf.ScoreProblem, d: int, seed: int) -> Arrays:
    """The same of one network."""

    def compute() -> Arrays:
        job.say(f"stopping and ridge, network {seed + 1}")
        flow = rf.finite.draw(one, d, finite.stream(one, d, seed)).gradient_flow()
        ridged = [float(flow.with_ridge(x).loss_curves([np.inf]).test[0]) for x in STRENGTH]
        return {"stopped": np.asarray(flow.loss_curves(_time(one, STRENGTH)).test), "ridged": np.array(ridged)}

    return kept("strength-run", {"problem": one, "d": d, "seed": seed, "strength": STRENGTH}, finite.code(), compute)


def _one_way(ax: Axes, name: str, theory: dict[float, Arrays], runs: dict[float, list[Arrays]]) -> None:
    """Excess of the test loss against the time of stopping, or against the ridge at infinite time."""
    low = float(optima.floor(problem(1)))
    x = _time(problem(1), STRENGTH) if name == "stopped" else STRENGTH
    for i, m in enumerate(SHOWN):
        ax.plot(x, theory[m][name] - low, color=noises.colour(m))
        found = np.array([run[name] for run in runs[m]]) - low
        pick = slice(2 + 3 * i, None, 6)
        style.dots(ax, Points(x[pick], found.mean(0)[pick], found.std(0, ddof=1)[pick]), noises.colour(m),
                   noises.marker(m))  # fmt: skip
    ax.set(xscale="log", yscale="log", ylim=(5e-3, 9), ylabel=r"$L_{\rm test}-L_{\rm exact}$")
    ax.set_xlabel(r"time of stopping $\tau$, no ridge" if name == "stopped" else r"ridge $\ell$, trained to the end")


def _excess(found: optima.Optima, problems: list[rf.ScoreProblem]) -> np.ndarray:
    low = np.array([float(optima.floor(x)) for x in problems])
    return (found.ridged - low) / (found.stopped - low)


def _ratio(ax: Axes, x: np.ndarray, theory: dict, nets: dict, problems: list[rf.ScoreProblem]) -> None:
    for m in DRAWS:
        ax.plot(x, _excess(theory[m], problems), color=noises.colour(m))
    for (m, place), found in nets.items():
        t = place if x is TIMES else T
        ratio = _excess(found, [problem(1, t)] * found.tau.size)
        points = Points(np.array([place]), ratio.mean(keepdims=True), ratio.std(ddof=1, keepdims=True))
        style.dots(ax, points, noises.colour(m), noises.marker(m))
    ax.axhline(1.0, color=style.FAINT, linewidth=0.7)
    ax.set_ylim(0.9, 1.6)


def _numbers(theory: dict, over_t: dict, over_n: dict, nets: dict) -> dict[str, Any]:
    ratio = {m: np.concatenate([_excess(over_t[m], [problem(m, t) for t in TIMES]),
                                _excess(over_n[m], [problem(m)] * SAMPLES.size)]) for m in DRAWS}  # fmt: skip
    strong = {m: int(np.argmax((abs(x["stopped"] - x["ridged"]) / (1 - np.minimum(x["stopped"], x["ridged"])) < 0.02)
                               & (STRENGTH > 30))) for m, x in theory.items()}  # fmt: skip
    place = {m: float(found.ridge[4] * 2 * float(problem(m, TIMES[4]).delta) * found.tau[4] / PSI_P)
             for m, found in over_t.items()}  # fmt: skip
    return {
        "m": DRAWS, "ratio_lowest": [ratio[m].min() for m in DRAWS], "ratio_highest": [ratio[m].max() for m in DRAWS],
        "ratio_over_t": [_excess(over_t[m], [problem(m, t) for t in TIMES]) for m in DRAWS],
        "ratio_over_n": [_excess(over_n[m], [problem(m)] * SAMPLES.size) for m in DRAWS],
        "same_within_2_percent_from": [STRENGTH[strong[m]] for m in SHOWN], "best_ridge_times_c": place,
        "t_there": TIMES[4], "networks": {f"m = {m:g}, at {x:g}": float(np.mean(found.ridged / found.stopped))
                                          for (m, x), found in nets.items()},
    }  # fmt: skip


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    low, high = x["ratio_lowest"], x["ratio_highest"]
    few = [i for i, m in enumerate(x["m"]) if m <= 2]
    worst = max(max(abs(low[i] - 1), abs(high[i] - 1)) for i in few)
    here = (
        f"With one or two noises per sample the best ridge and the best stopping time leave the same excess within "
        f"{percent(worst)}; where the noise is averaged early stopping is better by {percent(low[-1] - 1)} to "
        f"{percent(high[-1] - 1)}."
    )
    start = max(x["same_within_2_percent_from"])
    return here, (
        f"A ridge ℓ is a stop at c = 1/ℓ to leading order: what is learned differs by less than 2 % from ℓ = "
        f"{num(start, 2)} on. But the best ridge is smaller than the best 1/c, by a factor "
        f"{num(1 / x['best_ridge_times_c'][1], 2)} at m = 1 and {num(1 / x['best_ridge_times_c'][np.inf], 2)} at m = ∞ "
        f"(t = {num(x['t_there'], 2)})."
    )
