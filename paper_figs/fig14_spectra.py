"""Fig 14: spectrum of U for two numbers of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rfscore as rf
from paper_figs import finite, spectra
from paper_figs.job import Job, Row
from rfscore.report.numbers import listed, num, percent

NAME = "fig14_spectra"
TITLE = "spectrum of U at ψ_p = 64, t = 0.01, for ψ_n = 8 and 32"
PAPER = "Theorem 3.1 lies on the histogram of one matrix, for both ψ_n."
PSI_N = (8.0, 32.0)


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((64, 2), (100, 1))
    found = spectra.drawn(job, [rf.ScoreProblem(v, 64.0, 0.01) for v in PSI_N], d, seeds)
    titles = [rf"({letter}) $\psi_n$ = {psi_n:g}" for letter, psi_n in zip("ab", PSI_N, strict=True)]
    numbers = {f"psi_n_{psi_n:g}": spectra.numbers(one) for psi_n, one in zip(PSI_N, found, strict=True)}
    inputs = {"psi_n": PSI_N, "psi_p": 64.0, "t": 0.01, "d": d, "seeds": seeds, "code": finite.code()}
    return job.leave(NAME, spectra.picture(found, titles, d), title=TITLE, inputs=inputs, numbers=numbers,
                     row=Row(PAPER, *_sentences(list(numbers.values()), d)))  # fmt: skip


def _sentences(found: list[dict[str, Any]], d: int) -> tuple[str, str]:
    bulks = [f"[{num(x['population_edges'][0])}, {num(x['population_edges'][1])}]" for x in found]
    features, twin = (listed([num(x[f"cdf_distance_{kind}"], 2) for x in found])
                      for kind in ("features", "gaussian_equivalent"))  # fmt: skip
    here = (
        f"The population bulk goes from {' to '.join(bulks)}; at d = {d} the largest distance of the distributions "
        f"above the lowest bulk is {features} for the features, {twin} for their Gaussian equivalent."
    )
    law = listed([percent(abs(x["law_sample_edges"][0] / x["sample_edges"][0] - 1)) for x in found])
    lowest = sum("lowest" in x["bulks"] for x in found)
    return here, (
        f"The left edge of the large-ψ sample bulk (which sets τ_mem) is off by {law}; {lowest} of {len(found)} "
        "spectra have a lowest bulk of d eigenvalues that Theorem 3.2 does not separate."
    )
