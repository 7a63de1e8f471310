"""Beyond the paper: how fast the large-psi laws become exact, and the next order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import rfscore as rf
from paper_figs import diagram, look
from paper_figs.job import Job, Row
from rfscore import observables as ob
from rfscore import plotting
from rfscore.plotting import style
from rfscore.report.numbers import num

NAME = "beyond_next_order"
TITLE = "the large-ψ laws: error and next order, ψ_p = 8 ψ_n, t = 0.01"
PAPER = "Theorem 3.2 holds for ψ_p, ψ_n ≫ 1; no size of the correction is given."
RATIO, T = 8.0, 0.01
#: Name in the record -> (label, colour, marker).
LAWS = {
    "sample_low": (r"$\lambda_{\rm min}$ of the sample bulk", style.SAMPLE, "o"),
    "sample_high": ("upper edge of the sample bulk", style.SAMPLE, "s"),
    "population_low": ("lower edge of the population bulk", style.POPULATION, "D"),
    "population_high": ("upper edge of the population bulk", style.POPULATION, "^"),
    "train_inf": (r"$L_{\rm train}(\infty)$ (Kim and Lee)", style.TRAIN, "v"),
}


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    psi_n = 2.0 ** np.arange(1, job.pick(10, 11))
    found = []
    for v in psi_n:
        job.say(f"psi_n = {v:g}")
        found.append(_errors(rf.ScoreProblem(float(v), float(RATIO * v), T)))
    errors = {name: np.array([x[name] for x in found]) for name in LAWS}
    numbers: dict[str, Any] = {"psi_n": psi_n, "relative_error": errors, "order": {}, "coefficient": {}}
    for name, values in errors.items():
        numbers["order"][name] = float(np.polyfit(np.log(psi_n[-4:]), np.log(abs(values[-4:])), 1)[0])
        numbers["coefficient"][name] = float((values * psi_n)[-1])
    figure, axes = plotting.panels(1, 2, width=look.TEXT, height=2.9)
    for name, (label, colour, marker) in LAWS.items():
        face = "white" if name.endswith("high") else colour
        options = {"color": colour, "marker": marker, "markerfacecolor": face, "label": label}
        axes[0, 0].plot(psi_n, abs(errors[name]), **options)
        local = ob.local_slopes(psi_n, abs(errors[name]))
        axes[0, 1].plot(local.n, local.slope, **options)
    guide = 0.6 * abs(errors["sample_low"][0]) * psi_n[0] / psi_n
    axes[0, 0].plot(psi_n, guide, ":", color=style.FAINT, label=r"$\propto 1/\psi_n$")
    for order in (-0.5, -1.0):
        axes[0, 1].axhline(order, color=style.FAINT, linewidth=0.7)
    for ax in axes[0]:
        style.binary_axis(ax, psi_n)
        ax.set_xlabel(r"$\psi_n$, at $\psi_p=8\,\psi_n$")
    axes[0, 0].set(yscale="log", ylim=(1e-6, 6), ylabel="relative error of the law")
    axes[0, 1].set(ylabel=r"local exponent of the error in $\psi_n$", ylim=(-1.4, 0))
    axes[0, 0].legend(loc="lower left", fontsize=6)
    style.tag(axes[0, 0], "(a) error of the large-ψ laws")
    style.tag(axes[0, 1], "(b) its order")
    look.note(figure, "Exact edges and training loss of the infinite-size theory against the laws of Theorem 3.2 and "
                      "of Kim and "
              "Lee; isotropic data, tanh, t = 0.01. No networks.")  # fmt: skip
    inputs = {"ratio": RATIO, "t": T, "psi_n": psi_n, "code": diagram.code()}
    return job.leave(NAME, figure, title=TITLE, inputs=inputs, numbers=numbers, row=Row(PAPER, *_sentences(numbers)))


def _errors(problem: rf.ScoreProblem) -> dict[str, float]:
    """law/exact - 1 of every law at one problem."""
    edges, law = rf.spectrum(problem).edges, rf.large_psi_law(problem)
    sample = int(np.argmin(abs(edges[:, 0] - float(rf.timescales(problem).lambda_min))))
    exact = {"sample_low": edges[sample, 0], "sample_high": edges[sample, 1], "population_low": edges[-1, 0],
             "population_high": edges[-1, 1],
             "train_inf": float(rf.loss_curves(problem, [np.inf]).train[0])}  # fmt: skip
    laws = {"sample_low": law.sample_edges[0], "sample_high": law.sample_edges[1],
            "population_low": law.population_edges[0], "population_high": law.population_edges[1],
            "train_inf": float(rf.large_psi_train_loss(problem))}  # fmt: skip
    return {name: float(laws[name]) / float(exact[name]) - 1.0 for name in exact}


def _sentences(x: dict[str, Any]) -> tuple[str, str]:
    order, at = x["order"], {name: 100 * abs(values[2]) for name, values in x["relative_error"].items()}
    here = (
        f"At ψ_n = {x['psi_n'][2]:g} the law's λ_min is off by {num(at['sample_low'], 2)} %, its population edges by "
        f"{num(at['population_low'], 2)} and {num(at['population_high'], 2)} %, the training loss by "
        f"{num(at['train_inf'], 2)} %."
    )
    words = {"sample_low": "left edge of the sample bulk", "sample_high": "its right edge", "train_inf": "L_train(∞)",
             "population_low": "lower edge of the population bulk", "population_high": "its upper edge"}  # fmt: skip
    powers = ", ".join(f"{word} {num(order[name], 2)}" for name, word in words.items())
    slow = [name for name, value in order.items() if value > -0.75]
    population = bool(slow) and all(name.startswith("population") for name in slow)
    return here, (
        f"The error falls with these powers of ψ_n: {powers}."
        + (" So “ρ_2 does not depend on ψ_n” is the slow part: its edges move like ψ_n^-1/2." if population else "")
    )
