"""The comparison of runs as files: table and sentences, one figure, and everything as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from rfscore.output import RunFolder
from rfscore.report.numbers import num
from rfscore.report.page import Block, Bullets, Heading, Paragraph, Picture, to_markdown
from rfscore.runs.compare import Comparison, compare, table, to_plain
from rfscore.runs.dataset import to_xarray
from rfscore.runs.prediction import PSI_P
from rfscore.runs.scaling import Fit
from rfscore.runs.summary import RunSummary

_SYMBOLS = {
    "tau_opt": "τ_opt", "tau_onset": "τ_onset (f_mem)", "tau_half": "τ_half (gap)",
    "rf_tau_half": "Random-features τ_half",
}  # fmt: skip
_MODEL = (
    "The random-features model beside each run has the run's n, the covariance of its data (scaled to mean variance "
    "1), the diffusion time t of its losses, and as many trained parameters, p d, as the network: ψ_p = "
    "parameters/d^2, kept between {:g} and {:g}. That choice of ψ_p is a convention. The model is trained by gradient "
    "flow at this one t on Gaussian data, the network by its optimiser at all t, so the units of τ differ: compare the "
    "exponents, the ratio τ_half/τ_opt, and the curves after dividing τ by each one's own τ_opt (the model's are in "
    "comparison.json). The model's gap is relative to τ = ∞, that of a run to its last step."
)
_CAPTION = (
    "(a) Test (filled) and training loss (open). (b) Memorised fraction with 95 % intervals; grey: chance level. "
    "(c) The same against the rescaled time: where τ_onset is proportional to n the curves coincide. (d) τ_opt, "
    "τ_onset and τ_half; arrows: not reached. Lines are scaled to the first point. (e) Test − training loss over its "
    "last value and (f) test loss over its lowest, against τ in units of each one's τ_opt: runs (markers) and, pale "
    "and thick in the same colour, the random-features theory beside each."
)


def compare_runs(
    paths: Sequence[RunSummary | str | PathLike[str]], out: str | PathLike[str], *, quality: str = "test_loss",
    threshold: float = 0.05, resamples: int = 1000, seed: int = 0, prediction: bool = True, overwrite: bool = False,
    columns: Mapping[str, str] | None = None, unit: str | None = None, facts: Mapping[str, Any] | None = None,
) -> Comparison:  # fmt: skip
    """Compare runs and write comparison.md, comparison.json, comparison.nc and the figure into a folder.

    Args:
        paths: runs, as `compare` takes them.
        out: the folder, new or made by rfscore before.
        quality: the curve whose lowest point is tau_opt.
        threshold: tau_onset is where f_mem first is this much above chance.
        resamples: bootstrap draws.
        seed: of the bootstrap.
        prediction: solve the random-features model too.
        overwrite: take a non-empty folder rfscore did not make.
        columns: as for `compare`.
        unit: as for `compare`.
        facts: as for `compare`.

    Returns:
        Comparison.

    Raises:
        InputError: what `compare` or the folder refuses.
        RfscoreError: the disk is full.
    """
    from rfscore import plotting
    from rfscore.runs.figures import figure

    found = compare(paths, quality=quality, threshold=threshold, resamples=resamples, seed=seed, prediction=prediction,
                    columns=columns, unit=unit, facts=facts)  # fmt: skip
    with RunFolder(out, seeds=[seed], overwrite=overwrite) as folder:
        folder.json("comparison.json", to_plain(found))
        folder.netcdf("comparison.nc", to_xarray(found))
        with plotting.paper():
            picture = figure(found)
            folder.figure("figures/comparison", picture, dpi=200)
        folder.text("comparison.md", to_markdown("Trained networks compared", _meta(found), blocks(found)))
    return found


def _meta(found: Comparison) -> str:
    return f"{len(found.runs)} runs. Times are optimiser steps; intervals cover 95 % of the measurement error."


def blocks(found: Comparison) -> list[Block]:
    """The page: table, figure, sentences."""
    page: list[Block] = [table(found), Picture("comparison", b"", _CAPTION), Heading("Power laws")]
    fits = {name: fit for name, fit in found.fits.items() if any(found.predictions) or name != "rf_tau_half"}
    laws = {name: fit_sentence(_SYMBOLS[name], fit) for name, fit in fits.items()}
    laws["tau_half"] += gap_sentence(found)
    page += [Bullets(list(laws.values())), Paragraph(spread_sentence(found))]
    slopes = [
        f"W = {width or '?'}: local exponents of τ_onset in n: {', '.join(num(x, 2) for x in local.slope)}."
        for width, local in found.slopes.items()
    ]
    page += [Bullets(slopes)] if slopes else []
    page.append(Heading("Beside the random-features (RF) model"))
    if any(found.predictions):
        page += [Paragraph(_MODEL.format(*PSI_P)), Bullets(model_sentences(found))]
        if found.quality != "test_loss":
            page.append(
                Paragraph(f"The model's τ_opt is its lowest test loss, that of the runs the lowest {found.quality}.")
            )
    else:
        page.append(Paragraph("No random-features model was solved: not asked for, or the notes say why it cannot be."))
    return [*page, Heading("Notes"), Bullets(list(found.notes))] if found.notes else page


def gap_sentence(found: Comparison) -> str:
    """A gap that still grows biases tau_half; nothing to say otherwise."""
    grows, fit = sum(x.gap_grows for x in found.runs), found.fits["tau_half"]
    if not grows or (math.isnan(fit.gamma) and math.isnan(fit.beta)):
        return ""
    return f" In {grows} of {len(found.runs)} runs the gap still grows at the last step: this exponent is too low."


def fit_sentence(name: str, fit: Fit) -> str:
    """One power law in words, with both uncertainties."""
    parts = []
    for symbol, key in (("n^γ, γ", "gamma"), ("W^-β, β", "beta")):
        value, error = getattr(fit, key), getattr(fit, f"{key}_error")
        low, high = getattr(fit, f"{key}_interval")
        if math.isnan(value):
            continue
        text = f"{symbol} = {num(round(value, 6))}"
        text += "" if math.isnan(low) else f" (measurement: {num(low)} to {num(high)})"
        text += "" if math.isnan(error) else f" (scatter of the runs: ± {num(error, 2)})"
        parts.append(text)
    law = f"{name} ~ {'; '.join(parts)}; {fit.used} runs" if parts else f"{name}: no exponent"
    return f"{law}. {fit.message[:1].upper()}{fit.message[1:]}".strip().rstrip(".") + "."


def spread_sentence(found: Comparison) -> str:
    """Whether f_mem collapses."""
    known = {name: value for name, value in found.spread.items() if np.isfinite(value)}
    if not known:
        return "f_mem against τ/n: fewer than two runs memorise, nothing to lay on top of each other."
    words = ", ".join(f"{num(value)} along {name.replace('tau', 'τ')}" for name, value in known.items())
    return f"At equal f_mem the runs lie apart by a factor of {words} (one standard deviation; 1: they coincide)."


def model_sentences(found: Comparison) -> list[str]:
    """tau_half/tau_opt of each run and of its model."""
    sentences = []
    for x, model in zip(found.runs, found.predictions, strict=True):
        if model is None:
            continue
        clipped = ", at the end of its range" if model.clipped else ""
        setting = f"ψ_n = {num(model.psi_n)}, ψ_p = {num(model.psi_p)}{clipped}, t = {num(model.t)}"
        ratio = x.times["tau_half"].observable.value / x.times["tau_opt"].observable.value
        measured = f"{num(ratio)} in the run" if math.isfinite(ratio) else "not known in the run"
        sentences.append(f"{x.run.name} ({setting}): τ_half/τ_opt = {num(model.ratio)} in the model, {measured}.")
    return sentences
