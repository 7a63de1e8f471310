"""Beyond the paper: what the trained score generates, and how fast finite networks approach the wide limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

import rfscore as rf
import rfscore.finite
from paper_figs import diagram, finite, look
from paper_figs.cache import code_version, kept
from paper_figs.job import Job, Row
from rfscore import generation, plotting
from rfscore.plotting import style
from rfscore.report.numbers import num

NAME = "beyond_generation"
TITLE = "what the trained score generates, ψ_n = 3: variance, KL, and four times"
PAPER = "Samples are studied with U-Nets, the solvable model through its losses alone; SM Eq 219 bounds the KL."
PSI_N, INF = 3.0, float("inf")
GRID = np.geomspace(2.5, 0.02, 31)
TAU = np.geomspace(1.0, 1e5, 81)
RUN_TAU = np.geomspace(3.0, 3e4, 9)
COLOURS = {10.0: style.TEST, 20.0: style.FAINT, 40.0: style.TRAIN}


def problem(psi_p: float, t: float = 0.1) -> rf.ScoreProblem:
    """Isotropic data, tanh."""
    return rf.ScoreProblem(PSI_N, psi_p, t)


def networks(job: Job, psi_p: float, d: int, seeds: int) -> dict[str, np.ndarray]:
    """Mean variance, KL and copies of what finite networks generate, (seeds, RUN_TAU)."""
    rows = []
    for seed in range(seeds):
        job.say(f"d = {d}, psi_p = {psi_p:g}: network {seed + 1}")

        def compute(seed: int = seed) -> dict[str, np.ndarray]:
            gen = rfscore.finite.generator(problem(psi_p), d, finite.stream(problem(psi_p), d, seed), GRID)
            found = [generation.measure(gen.samples(tau, 3000, 1), gen.data, gen.sigma, 2) for tau in RUN_TAU]
            return {
                "variance": np.array([one.mean_variance for one in found]),
                "kl": np.array([one.kl_true - one.kl_bias for one in found]),
                "f_mem": np.array([one.f_mem.value - one.chance.value for one in found]),
            }

        inputs = {"problem": problem(psi_p), "d": d, "seed": seed, "grid": GRID, "tau": RUN_TAU}
        rows.append(kept("generated", inputs, finite.code() + code_version("rfscore/generation/*.py"), compute))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    seeds, largest = job.pick(2, 6), job.pick(960, 1920)
    sizes = {p: tuple(d for d in (12, 24, 48, 96) if p * d <= largest) for p in COLOURS}
    runs = {p: {d: networks(job, p, d, seeds) for d in found} for p, found in sizes.items()}
    wide = generation.generated(problem(INF), TAU, GRID)
    bound = generation.kl_bound(problem(INF), TAU, (GRID[0], GRID[-1]))
    opt, half = _times(job)
    figure, axes = plotting.panels(1, 3, width=look.TEXT, height=2.6)
    _against_tau(axes[0, 0], wide.mean_variance, runs, "variance")
    axes[0, 0].axhline(1.0, color=style.FAINT, linewidth=0.8)
    axes[0, 0].set(ylabel="mean variance of samples", ylim=(0.0, 2.6))
    _against_tau(axes[0, 1], wide.kl_true, runs, "kl")
    axes[0, 1].plot(TAU, bound.bound, ":", color=style.INK, label="bound, SDE")
    axes[0, 1].set(ylabel=r"KL$(P\,|\,$samples$)/d$", yscale="log", ylim=(0.02, 30.0))
    for low, high, colour in ((*opt, style.TRAIN), (*half, style.TEST)):
        axes[0, 1].axvspan(low, high, color=colour, alpha=0.12, linewidth=0)
    best = float(TAU[np.argmin(wide.kl_true)])
    axes[0, 1].axvline(best, color=style.INK, linewidth=0.8)
    axes[0, 1].legend(loc="upper center")
    _approach(axes[0, 2], runs)
    for ax, letter in zip(axes[0], "abc", strict=True):
        style.tag(ax, f"({letter})")
    copies = max(float(found["f_mem"].max()) for by_d in runs.values() for found in by_d.values())
    look.note(
        figure,
        f"(a, b) Lines: infinite width, probability flow in 30 Euler steps; points: {seeds} networks of d = 24. "
        "Vertical line: least KL; bands: the best stopping times of all t below 0.5, and the times at which half of "
        f"the gap between the losses has opened. Copies above chance: at most {copies:.4f} of the samples at any time. "
        "(c) τ = 95; cross: infinite width.",
    )
    numbers = _numbers(wide, runs, opt, half, best, copies)
    inputs = {"psi_n": PSI_N, "grid": GRID, "tau": TAU, "seeds": seeds,
              "sizes": {f"{p:g}": s for p, s in sizes.items()}, "code": [finite.code(), diagram.code()]}  # fmt: skip
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _times(job: Job) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges over the diffusion times below 0.5 of best stopping and of the split of the losses."""
    job.say("times of the losses")
    found = [rf.curve_times(problem(INF, float(t))) for t in GRID[GRID < 0.5][:-1:4]]
    opt, half = ([getattr(x, name).value for x in found] for name in ("tau_opt", "tau_half"))
    return (min(opt), max(opt)), (min(half), max(half))


def _against_tau(ax: Axes, theory: Any, runs: dict, name: str) -> None:
    ax.plot(TAU, theory, color=style.INK, label=r"$\psi_p=\infty$")
    for psi_p, by_d in runs.items():
        found = by_d[24][name]
        ax.errorbar(RUN_TAU, found.mean(0), found.std(0, ddof=1), fmt="o", color=COLOURS[psi_p], markersize=3,
                    label=rf"$\psi_p$ = {psi_p:g}")  # fmt: skip
    ax.set(xscale="log", xlabel=r"training time $\tau$")


def _approach(ax: Axes, runs: dict) -> None:
    at = int(np.argmin(abs(np.log(RUN_TAU / 95.0))))
    for psi_p, by_d in runs.items():
        sizes = np.array(list(by_d))
        values = np.array([found["variance"][:, at] for found in by_d.values()])
        ax.errorbar(1.0 / sizes, values.mean(1), values.std(1, ddof=1), fmt="o-", color=COLOURS[psi_p], markersize=3)
    limit = generation.generated(problem(INF), [RUN_TAU[at]], GRID).mean_variance[0]
    ax.plot([0.0], [limit], "x", color=style.INK)
    ax.set(xlabel=r"$1/d$", ylabel="mean variance of samples", xlim=(-0.004, 0.09))


def _numbers(wide: generation.Generated, runs: dict, opt: Any, half: Any, best: float, copies: float) -> dict[str, Any]:
    means = {
        f"psi_p_{p:g}": {
            f"d_{d}": {name: values.mean(0) for name, values in found.items()} for d, found in by_d.items()
        }
        for p, by_d in runs.items()
    }
    return {
        "tau_opt": opt, "tau_half": half, "tau_least_kl": best, "least_kl": float(wide.kl_true.min()),
        "copies_above_chance": copies, "networks": means,
        "network_least_kl": {p: float(RUN_TAU[np.argmin(by_d["d_24"]["kl"])]) for p, by_d in means.items()},
        "wide_variance": {"tau": RUN_TAU, "value": np.interp(np.log(RUN_TAU), np.log(TAU), wide.mean_variance)},
    }  # fmt: skip


def _sentences(numbers: dict[str, Any]) -> tuple[str, str]:
    here = (
        f"At infinite width the KL is least at τ = {num(numbers['tau_least_kl'], 2)}, beside the best stopping times "
        f"of t < 0.5, {num(numbers['tau_opt'][0], 2)} to {num(numbers['tau_opt'][1], 2)}; training longer "
        "shrinks the samples, and copies nothing."
    )
    least = numbers["network_least_kl"]
    return here, (
        f"Overfitting of the loss is not copying: at most {num(numbers['copies_above_chance'], 2)} of the samples are "
        f"copies above chance. Networks scatter more, and their KL is least later (τ = {num(least['psi_p_10'], 2)} at "
        "ψ_p = 10, d = 24)."
    )
