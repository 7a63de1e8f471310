"""Fig 15: random-features networks trained by Adam."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import rfscore as rf
import rfscore.finite
from paper_figs import finite, look
from paper_figs.cache import Arrays, kept
from paper_figs.job import Job, Row
from rfscore import observables as ob
from rfscore import plotting
from rfscore.finite import pool
from rfscore.plotting import style
from rfscore.report.numbers import listed, num

NAME = "fig15_adam"
TITLE = "losses of random-features networks trained by Adam, t = 0.01"
PAPER = "With Adam the losses split later with n, too, and collapse against τ/n: τ_mem ∝ n (learning rate not given)."
T, RATE = 0.01, 0.1
#: Values of L_gen whose times are compared; the lower one is near the small gap that the population bulk leaves.
LEVELS = (0.1, 1.0)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    psi_p, psi_n, d, seeds, steps = job.pick((32.0, (2.0, 4.0, 8.0, 16.0), 20, 2, 8000),
                                             (64.0, (4.0, 8.0, 16.0, 32.0), 100, 1, 40000))  # fmt: skip
    problems = [rf.ScoreProblem(v, psi_p, T) for v in psi_n]
    runs = {v: _runs(job, x, d, seeds, steps) for v, x in zip(psi_n, problems, strict=True)}
    final = {v: _final(job, x, d, seeds) for v, x in zip(psi_n, problems, strict=True)}
    figure, axes = plotting.panels(1, 2, width=look.TEXT, height=2.8)
    a, b = axes[0]
    for v, found in runs.items():
        step, train, test = found
        colour, marker = style.psi_n_colour(v), style.psi_n_marker(v)
        for y, dash, face in ((train, "--", "white"), (test, "-", colour)):
            a.fill_between(step, y.min(0), y.max(0), color=colour, alpha=0.2, linewidth=0)
            a.plot(step, y.mean(0), linestyle=dash, color=colour, marker=marker, markevery=4, markerfacecolor=face)
        b.plot(step / (v * d), (test - train).mean(0), color=colour, marker=marker, markevery=4)
    a.set(xscale="log", yscale="log", xlabel=r"Adam step $\tau$", ylabel="loss per dimension", ylim=(0.1, 60))
    a.legend(handles=look.psi_n_key(psi_n, [look.dash("test", "-"), look.dash("training", "--")]), loc="upper left")
    for level in LEVELS:
        b.axhline(level, color=style.FAINT, linewidth=0.7)
        b.text(0.011, 1.1 * level, rf"$L_{{\rm gen}}$ = {level:g}", color=style.FAINT, fontsize=6.5, va="bottom")
    b.set(xscale="log", yscale="log", xlabel=r"$\tau/n$", ylabel=r"$L_{\rm gen}$", ylim=(1e-3, 60), xlim=(1e-2, 300))
    style.tag(a, "(a) test and training loss")
    style.tag(b, r"(b) gap against $\tau/n$")
    look.note(figure, f"Networks only (no theory of Adam): {seeds} per psi_n, d = {d}, psi_p = {psi_p:g} (paper: d = "
                      "100, "
              f"psi_p = 64), exact gradients, learning rate {RATE:g}; bands: range over networks. "
              f"Grey: L_gen = {LEVELS[0]:g} and {LEVELS[1]:g}.")  # fmt: skip
    numbers = _numbers(runs, final, d)
    inputs = {"psi_n": psi_n, "psi_p": psi_p, "t": T, "d": d, "seeds": seeds, "steps": steps, "learning_rate": RATE,
              "code": finite.code()}  # fmt: skip
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _runs(job: Job, problem: rf.ScoreProblem, d: int, seeds: int, steps: int) -> tuple[np.ndarray, ...]:
    """(steps, train, test) of every network, the losses (seeds, steps)."""
    record = np.unique(np.geomspace(1, steps, 50).astype(int))

    def one(seed: int) -> Arrays:
        def compute() -> Arrays:
            network = rfscore.finite.draw(problem, d, finite.stream(problem, d, seed))
            found = network.loss_curves(record, training=rf.Adam(RATE / d**2))
            return {"train": np.asarray(found.train), "test": np.asarray(found.test)}

        inputs = {"problem": problem, "d": d, "seed": seed, "steps": steps, "rate": RATE, "record": record}
        return kept("adam", inputs, finite.code(), compute)

    def done(seed: int) -> None:
        job.say(f"Adam, psi_n = {problem.psi_n:g}: network {seed + 1}")

    found = pool.each(one, range(seeds), round(float(problem.psi_p) * d), done)
    return record.astype(float), *(np.array([x[name] for x in found]) for name in ("train", "test"))


def _final(job: Job, problem: rf.ScoreProblem, d: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Both losses at the minimum of the training loss, which every convergent optimiser reaches."""
    found = finite.losses(job, problem, d, seeds, np.array([np.inf]))
    train, test = (np.array([x[name][0] for x in found]) for name in ("train", "test"))
    return train, test


def _numbers(runs: dict[float, Any], final: dict[float, Any], d: int) -> dict[str, Any]:
    """Times at which the gap reaches each of LEVELS, and half of its value at the minimum of the training loss."""
    psi_n = np.array(list(runs))
    times: dict[str, list[list[float]]] = {name: [] for name in (*(f"gap_{level:g}" for level in LEVELS), "half_gap")}
    for v, (step, train, test) in runs.items():
        gaps, halves = test - train, 0.5 * (final[v][1] - final[v][0])
        for level in LEVELS:
            times[f"gap_{level:g}"].append([ob.crossing(step, gap, level).value for gap in gaps])
        times["half_gap"].append([ob.crossing(step, gap, h).value for gap, h in zip(gaps, halves, strict=True)])
    found: dict[str, Any] = {
        "psi_n": psi_n, "n": psi_n * d, "levels": LEVELS,
        "tau_gen": [[ob.tau_opt(step, y).value for y in test] for step, _, test in runs.values()],
    }  # fmt: skip
    for name, rows in times.items():
        mem = np.array(rows)
        found[name] = {"tau_mem": mem, "exponent": ob.fit_exponent(psi_n, mem),
                       "local_exponents": ob.local_slopes(psi_n, mem).slope}  # fmt: skip
    return found


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    low, high, half = (x[name]["exponent"] for name in (*(f"gap_{level:g}" for level in LEVELS), "half_gap"))
    times = x[f"gap_{LEVELS[1]:g}"]["tau_mem"].mean(1)
    here = (
        f"L_gen reaches {LEVELS[1]:g} after {listed([num(v) for v in times])} steps for n = "
        f"{listed([f'{v:g}' for v in x['n']])}: exponent {num(high.value)} (95 % interval {num(high.interval[0])} to "
        f"{num(high.interval[1])})."
    )
    near = abs(high.value - 1.0) < 0.15
    return here, (
        f"The rise is {'' if near else 'not '}proportional to n; but L_gen = {LEVELS[0]:g} has exponent "
        f"{num(low.value, 2)} and half of the final gap {num(half.value, 2)}, final gaps being smaller for larger n. "
        "Adam's step size, which the paper does not give, sets the unit."
    )
