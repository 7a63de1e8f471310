"""Tables of the report, with their units in the captions."""

from __future__ import annotations

from rfscore.report.numbers import num, percent, spread
from rfscore.report.page import Table
from rfscore.reproduce.analysis import BulkShare, Distance, Numbers
from rfscore.reproduce.config import CurveCase, Plan, SpectrumCase


def sizes(plan: Plan, seconds: float) -> Table:
    """What was run on Gaussian data."""
    s, c = plan.spectrum, plan.curves

    def row(name: str, case: SpectrumCase | CurveCase, d: str) -> list[str]:
        psi_n = ", ".join(f"{v:g}" for v in case.psi_n)
        return [name, psi_n, f"{case.psi_p:g}", f"{case.t:g}", d, f"{case.psi_p * case.d:.0f}", str(case.seeds)]

    rows = [row("spectra", s, str(s.d)), row("losses", c, f"{c.d} and {c.d // 2}")]
    caption = f"Gaussian data, Σ = I. Preset “{plan.name}”, seed {plan.seed}; computed in {seconds:.0f} s."
    return Table(["", "ψ_n", "ψ_p", "t", "d", "largest p = ψ_p d", "runs each"], rows, caption)


def times(numbers: Numbers) -> Table:
    """tau_opt and tau_half, measured and predicted."""
    rows = []
    for x in numbers.times:
        read = [
            num(x.theory_opt),
            spread(x.runs_opt),
            num(x.theory_half),
            spread(x.runs_half),
            spread(x.runs_half_small),
        ]
        spectral = [num(float(v)) for v in (x.spectral.tau_mem_edge, x.spectral.tau_mem_law, x.spectral.tau_last_edge)]
        rows.append([f"ψ_n = {x.psi_n:g}", *read, *spectral])
    headers = ["", "τ_opt theory", "τ_opt runs", "τ_half theory", "τ_half runs", "τ_half runs, d/2",
               "ψ_p/(Δ_t λ_min)", "the same, large-ψ edge", "ψ_p/(Δ_t λ_lowest)"]  # fmt: skip
    return Table(
        headers,
        rows,
        "Training times τ (gradient steps times step size over d^2). τ_opt: lowest test loss. τ_half: the gap between "
        "test and training loss is half of its final value. Runs: mean ± standard error.",
    )


def agreement(numbers: Numbers) -> Table:
    """Differences between theory and runs."""
    rows = [
        [f"ψ_n = {x.psi_n:g}", num(a.train), num(a.test), percent(a.test_relative), percent(a.half_test_relative)]
        for x, a in zip(numbers.times, numbers.agreement, strict=True)
    ]
    return Table(
        ["", "training loss", "test loss", "test loss, relative", "relative, at d/2"],
        rows,
        "Largest difference over all τ, 0 and ∞ included, between the mean of the runs and theory (losses per "
        "dimension).",
    )


def bulks(found: list[BulkShare]) -> Table:
    """What each bulk contributes, by theory and in the runs."""
    rows = []
    for x in reversed(found):
        train = [num(x.train), num(x.runs_train), num(x.train_half)]
        test = [num(x.test), num(x.runs_test), num(x.test_half)]
        rows.append([x.name, f"{num(x.edges[0])} … {num(x.edges[1])}", num(x.mass), *train, *test])
    return Table(
        ["", "λ", "mass", "training: theory", "runs", "half by τ", "test: theory", "runs", "half by τ"],
        rows,
        "Final contribution (τ = ∞) of each bulk to the loss per dimension, and the time by which half of it is "
        "reached. Terms between two bulks are shared equally; in the runs the atom's modes are counted with the lowest "
        "bulk.",
    )


def real(found: list[Distance]) -> Table:
    """Real data next to Gaussian data."""
    rows = []
    for x in found:
        away = [num(v) for v in (x.real_train, x.control_train, x.real_test, x.control_test, x.direct_test)]
        best = [num(x.theory_best), num(x.real_best)]
        half = [num(x.theory_half), spread(x.real_half), spread(x.control_half)]
        rows.append([f"ψ_n = {x.psi_n:g}", *away, *best, *half])
    headers = ["", "Δ training: images", "Gaussian", "Δ test: images", "Gaussian",
               "images − Gaussian", "lowest test loss: theory",
               "images", "τ_half: theory", "images", "Gaussian"]  # fmt: skip
    return Table(
        headers,
        rows,
        "Δ: largest difference over all τ between the mean of the runs and theory, or between both kinds of runs "
        "(losses per dimension).",
    )
