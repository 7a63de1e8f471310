"""Beyond the paper: the best stopping time and the best ridge over features, samples, noises and diffusion time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.interpolate import PchipInterpolator

import rfscore as rf
from paper_figs import diagram, finite, look, noises, optima
from paper_figs.beyond_stopping_ridge import DRAWS, PSI_N, PSI_P, RUNS_N, RUNS_T, SAMPLES, SHOWN, TIMES, T, problem
from paper_figs.job import Job, Row
from rfscore import plotting
from rfscore.plotting import Points, style
from rfscore.report.numbers import listed, num
from rfscore.validation.lab import slope

NAME = "beyond_optima"
TITLE = "best stopping time and best ridge over ψ_p, ψ_n, t and m"
PAPER = "τ_gen ~ 1/Δ_t, whatever n; no ridge. The 2026 papers give exponents of the best ridge in ψ_n and t."
FEATURES = diagram.axis(1.0, 256.0, 9)
RUNS_P = (4.0, 16.0)


def _wide(m: float, psi_p: float) -> rf.ScoreProblem:
    return rf.ScoreProblem(PSI_N, psi_p, T, noise_draws=m)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((24, 3), (64, 3))
    axes_of = {
        "p": (FEATURES, {m: [_wide(m, p) for p in FEATURES] for m in DRAWS}, RUNS_P, _wide),
        "n": (SAMPLES, {m: [problem(m, psi_n=n) for n in SAMPLES] for m in DRAWS}, RUNS_N,
              lambda m, n: problem(m, psi_n=n)),
        "t": (TIMES, {m: [problem(m, t) for t in TIMES] for m in DRAWS}, RUNS_T, problem),
    }  # fmt: skip
    figure, axes = plotting.panels(2, 3, width=look.TEXT, height=2.2)
    numbers: dict[str, Any] = {"m": DRAWS}
    for column, (name, (x, problems, places, make)) in enumerate(axes_of.items()):
        found = {m: optima.line(job, problems[m], f"{name}, m = {m}") for m in DRAWS}
        nets = {(m, v): optima.networks(job, make(m, v), d, seeds) for m in SHOWN for v in places}
        _panel(axes[0, column], x, found, nets, problems, "tau")
        _panel(axes[1, column], x, found, nets, problems, "ridge")
        numbers[name] = _numbers(x, found, problems)
    _dress(axes)
    text = (
        f"Where not varied: psi_n = {PSI_N:g}, psi_p = {PSI_P:g}, t = {T:g}. Lines: theory at {FEATURES.size} "
        f"to {max(SAMPLES.size, TIMES.size)} places, smooth between them. Points: {seeds} networks, "
        f"d = {d}, mean and standard deviation. The ridge in units of psi_p, as the largest eigenvalues of U."
    )
    look.note(figure, text)
    inputs = {"psi_n": PSI_N, "psi_p": PSI_P, "t": T, "m": DRAWS, "features": FEATURES, "samples": SAMPLES,
              "times": TIMES, "d": d, "seeds": seeds, "code": [finite.code(), diagram.code()]}  # fmt: skip
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _scale(one: rf.ScoreProblem, name: str) -> float:
    """Delta_t for times, 1/psi_p for ridges: the units that take out the trivial dependence."""
    return float(one.delta) if name == "tau" else 1.0 / float(one.psi_p)


def _scaled(found: optima.Optima, problems: list[rf.ScoreProblem], name: str) -> np.ndarray:
    return np.asarray(getattr(found, name) * [_scale(one, name) for one in problems])


def _panel(ax: Axes, x: np.ndarray, found: dict, nets: dict, problems: dict, name: str) -> None:
    for m in DRAWS:
        y = PchipInterpolator(np.log(x), np.log(_scaled(found[m], problems[m], name)))
        fine = np.geomspace(x[0], x[-1], 200)
        ax.plot(fine, np.exp(y(np.log(fine))), color=noises.colour(m))
    for (m, place), net in nets.items():
        nearest = problems[m][int(np.argmin(abs(np.log(x / place))))]
        at = rf.ScoreProblem(nearest.psi_n, place if x is FEATURES else nearest.psi_p, place if x is TIMES else T)
        values = getattr(net, name) * _scale(at, name)
        points = Points(np.array([place]), values.mean(keepdims=True), values.std(ddof=1, keepdims=True))
        style.dots(ax, points, noises.colour(m), noises.marker(m))
    ax.set(xscale="log", yscale="log")
    if x is not TIMES:
        style.binary_axis(ax, x)


def _dress(axes: np.ndarray) -> None:
    axes[0, 0].set_ylabel(r"best time, $\Delta_t\,\tau_{\rm opt}$")
    axes[1, 0].set_ylabel(r"best ridge, $\ell_{\rm opt}/\psi_p$")
    for ax in axes[0]:
        ax.set_ylim(0.1, 20)
    for ax in axes[1]:
        ax.set_ylim(3e-3, 3)
    for ax, label in zip(axes[1], (r"$\psi_p=p/d$", r"$\psi_n=n/d$", "diffusion time $t$"), strict=True):
        ax.set_xlabel(label)
    for ax, text in zip(axes[0], ("(a) over features", "(b) over samples", "(c) over diffusion times"), strict=True):
        style.tag(ax, text)
    axes[0, 0].legend(handles=noises.key(DRAWS, markers=False), loc="lower left", ncols=2)


def _numbers(x: np.ndarray, found: dict, problems: dict) -> dict[str, Any]:
    return {
        "x": x, "time": [_scaled(found[m], problems[m], "tau") for m in DRAWS],
        "ridge": [_scaled(found[m], problems[m], "ridge") for m in DRAWS],
        "time_exponent": [slope(x[-4:], found[m].tau[-4:]) for m in DRAWS],
        "ridge_exponent": [slope(x[-4:], found[m].ridge[-4:]) for m in DRAWS],
    }  # fmt: skip


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    over_p = max(float(np.max(v[3:]) / np.min(v[3:])) for v in x["p"]["time"])
    first, last = x["n"]["time"][0], x["n"]["time"][-1]
    here = (
        f"The best Δ_t τ hardly depends on p (a factor {num(over_p, 2)} from ψ_p = {num(x['p']['x'][3], 2)} on); "
        f"from ψ_n = {num(x['n']['x'][0], 2)} to {num(x['n']['x'][-1], 2)} it grows from {num(first[0], 2)} to "
        f"{num(first[-1], 2)} for m = 1 and from {num(last[0], 2)} to {num(last[-1], 2)} for m = ∞."
    )
    exponents = listed([num(v, 2) for v in x["n"]["ridge_exponent"]])
    grown = [float(v[4] / v[0]) for v in x["t"]["time"]]
    return here, (
        f"τ_gen ~ 1/Δ_t at small t is a law of averaged noise: from t = {num(x['t']['x'][0], 1)} to "
        f"{num(x['t']['x'][4], 2)} the best Δ_t τ grows by factors {listed([num(v, 2) for v in grown])} for m = 1, 2, "
        f"4 and ∞. The best ridge is proportional to p and falls "
        f"with n, with exponents {exponents} at the largest n."
    )
