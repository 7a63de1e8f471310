"""The report: blocks in order, and the data set that goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rfscore._provenance import versions
from rfscore.report.page import Block, Bullets, Heading, Paragraph, Picture, contents
from rfscore.reproduce import tables, words
from rfscore.reproduce.analysis import Numbers
from rfscore.reproduce.config import Plan
from rfscore.reproduce.real import RealResult
from rfscore.reproduce.runs import CurveResult, SpectrumResult

if TYPE_CHECKING:
    import xarray

TITLE = "Why diffusion models generalise before they memorise: theory and exact finite size, side by side"

_MODEL = (
    "The random-features score model s_A(x) = A σ(Wx/√d)/√p, with σ = tanh and W frozen, is trained from A = 0 by "
    "exact gradient flow at one diffusion time t; the noise is averaged exactly, also at finite size. ψ_n = n/d and "
    "ψ_p = p/d. Losses are per dimension, so the untrained model has loss 1. Theory: d → ∞, solved, not sampled. Runs: "
    "drawn W and data, one eigendecomposition each."
)
_SYMBOLS = (
    "**Symbols.** n training samples in dimension d, with covariance Σ; a network of p random features; ψ_n = n/d and "
    "ψ_p = p/d. At the diffusion time t a sample is e^-t times the data plus noise of variance Δ_t = 1 − e^-2t; Σ_t = "
    "e^-2t Σ + Δ_t. τ: training time, steps times step size over d^2. Loss: per dimension, 1 before training; the gap "
    "is test minus training loss. τ_opt: best stopping, the test loss is lowest. τ_half: half gap, the time after "
    "τ_opt at which the gap is half of its final value. γ: exponent of τ_half ~ n^γ; local exponent: the same between "
    "two neighbouring n. U: the p × p covariance matrix of the features; λ: its eigenvalues, of density ρ, in bulks "
    "(intervals) and an atom (one point, s^2); λ_min and λ_lowest: left edges of the sample and of the lowest bulk."
)
_CAPTIONS = {
    "spectrum": "Each part of the spectrum on its own scale. Line: theory. Filled: eigenvalues of drawn non-linear "
    "features. Dotted outline: the Gaussian equivalent at the same d. Vertical line: the atom.",
    "losses": "(a, c) Test (solid, filled) and training loss (dashed, open). (b) Score error E|s_A + Σ_t^-1 x|^2/d. "
    "(d) Test minus training loss over its final value: where τ_half is proportional to n the curves coincide. Lines: "
    "theory. Points: mean and standard error of the runs.",
    "times": "First panel: τ_opt and τ_half of the curves (lines: theory, points: runs) and the times the spectrum "
    "predicts (grey). Second: local exponent of τ_half by theory; the band is “proportional to n”.",
    "bulks": "Contribution of each bulk to both losses at ψ_n = {:g}. Lines: theory. Points: runs, eigenvalues "
    "assigned by the gaps of the theory's spectrum.",
    "real-losses": "Losses on real images (filled) and on Gaussian data of the same covariance (open squares), against "
    "the theory fed with the images' covariance (lines; solid: test, dashed: training).",
    "real-spectrum": "Eigenvalues of U by rank at ψ_n = {:g}: theory, a run on images, a run on Gaussian data.",
}


def blocks(
    plan: Plan, numbers: Numbers, spectra: list[SpectrumResult], real: RealResult,
    pictures: dict[str, tuple[bytes, ...]], seconds: float,
) -> list[Block]:  # fmt: skip
    """The whole page."""

    def picture(name: str, *values: float) -> Picture:
        png, *panels = pictures[name]
        return Picture(name, png, _CAPTIONS[name.split("-psi")[0]].format(*values), tuple(panels))

    split = next(x for x in numbers.times if x.psi_n == plan.curves.split)
    page: list[Block] = [Heading("What was run"), Paragraph(_MODEL)]
    page += [tables.sizes(plan, seconds), Heading("Spectrum of U")]
    for result, found in zip(spectra, numbers.atoms, strict=True):
        page.append(picture(f"spectrum-psi_n-{result.problem.psi_n:g}"))
        page.append(Paragraph(words.spectrum_sentence(result, found, plan.spectrum.d)))
    page += [
        Heading("Losses: first generalise, then memorise"),
        picture("losses"),
        Paragraph(words.agreement(plan, numbers)),
        tables.agreement(numbers),
        Heading("The two times"),
        picture("times"),
        Paragraph(words.generalisation(numbers)),
        Paragraph(words.memorisation(numbers)),
        tables.times(numbers),
        Paragraph(words.verdict(numbers), key=True),
        Bullets(words.proportionality(numbers)),
        Heading("Which eigenvalues generalise, which memorise"),
        picture("bulks", plan.curves.split),
        Bullets(words.bulk_sentences(numbers.shares)),
        Paragraph(words.small_modes(numbers.shares, split), key=True),
        tables.bulks(numbers.shares),
        Heading("Real images"),
        Paragraph(words.real_setup(plan, real)),
        picture("real-losses"),
        Bullets(words.real_verdict(numbers.distances, real.data.name)),
        tables.real(numbers.distances),
        picture("real-spectrum", float(real.curves[-1].problem.psi_n)),
    ]
    return [contents(page), Paragraph(_SYMBOLS), words.summary(plan, numbers, real), *page]


def meta(plan: Plan) -> str:
    """What the page is about, and what made it."""
    return (
        "Bonnaire, Urfin, Biroli, Mézard, [Why Diffusion Models Don't Memorize, arXiv 2505.17638]"
        f"(https://arxiv.org/abs/2505.17638), NeurIPS 2025, recomputed by rfscore {versions()['rfscore']}: preset "
        f"“{plan.name}”, seed {plan.seed}. Numbers: results.nc, numbers.json. Provenance: manifest.json."
    )


def dataset(
    plan: Plan, spectra: list[SpectrumResult], tau: np.ndarray, curves: list[CurveResult], real: RealResult,
    numbers: Numbers,
) -> xarray.Dataset:  # fmt: skip
    """All curves, eigenvalues and times as one Dataset."""
    import xarray as xr

    out: dict[str, tuple] = {}
    for name in ("train", "test", "score_error"):
        out[f"theory_{name}"] = ("psi_n", "tau"), np.array([getattr(r.theory, name) for r in curves])
        for kind, label in (("runs", "finite"), ("half", "finite_half_d")):
            values = np.array([getattr(getattr(r, kind), name) for r in curves])
            out[f"{label}_{name}"] = ("psi_n", "seed", "tau"), values
    split = next(r for r in curves if r.bulks is not None)
    assert split.bulks is not None
    out["bulk_edges"] = ("bulk", "side"), split.bulks.edges
    for name in ("train", "test"):
        out[f"theory_bulk_{name}"] = ("bulk", "tau"), getattr(split.bulks, name)
        out[f"finite_bulk_{name}"] = ("seed", "bulk", "tau"), getattr(split.runs, f"bulk_{name}")
        theory = np.array([getattr(x.theory, name) for x in real.curves])
        out[f"real_theory_{name}"] = ("real_psi_n", "real_tau"), theory
        for kind, label in (("real", "real"), ("control", "real_control")):
            values = np.array([getattr(x, f"{kind}_{name}") for x in real.curves])
            out[f"{label}_{name}"] = ("real_psi_n", "real_seed", "real_tau"), values
    for name in ("theory_opt", "theory_half"):
        out[f"tau_{name}"] = ("psi_n",), np.array([getattr(x, name) for x in numbers.times])
    for name in ("runs_opt", "runs_half", "runs_half_small"):
        out[f"tau_{name}"] = ("psi_n", "seed"), np.array([getattr(x, name) for x in numbers.times])
    for name in ("tau_gen_scale", "tau_mem_edge", "tau_last_edge", "tau_mem_law", "lambda_min"):
        out[f"spectral_{name}"] = ("psi_n",), np.array([float(getattr(x.spectral, name)) for x in numbers.times])
    out["law_tau_half"] = ("law_psi_p", "law_index"), np.array([x.tau_half for x in numbers.laws])
    out["law_psi_n"] = ("law_psi_p", "law_index"), np.array([x.psi_n for x in numbers.laws])
    out["spectrum_eigenvalues"] = ("spectrum_psi_n", "spectrum_seed", "mode"), np.array([x.exact for x in spectra])
    out["real_eigenvalues"] = ("real_mode",), real.real_eigenvalues
    out["real_control_eigenvalues"] = ("real_mode",), real.control_eigenvalues
    coords = {
        "tau": tau, "psi_n": [float(r.problem.psi_n) for r in curves], "side": ["low", "high"], "real_tau": real.tau,
        "real_psi_n": [float(x.problem.psi_n) for x in real.curves], "law_psi_p": list(plan.law_psi_p),
        "spectrum_psi_n": list(plan.spectrum.psi_n),
    }  # fmt: skip
    return xr.Dataset(out, coords=coords, attrs={"plan": plan})
