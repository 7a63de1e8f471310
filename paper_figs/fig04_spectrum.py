"""Fig 4: spectrum of U for isotropic data and for data with two variances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rfscore as rf
from paper_figs import finite, spectra
from paper_figs.job import Job, Row
from rfscore.report.numbers import listed, num, percent

NAME = "fig04_spectrum"
TITLE = "spectrum of U at ψ_p = 64, ψ_n = 8, t = 0.01, for Σ = I and for two variances"
PAPER = (
    "Theorem 3.1 on the histogram of one matrix: a bulk of large eigenvalues at about 10 to 45, a first bulk and a "
    "delta peak at s²; with two variances the first bulk stays and the second changes."
)
SIGMAS = {"isotropic": rf.Isotropic(1.0), "two_atoms": rf.Atoms([0.5, 1.5], [0.5, 0.5])}


def main(job: Job = Job()) -> Path:  # noqa: B008 (frozen)
    """Make the figure."""
    d, seeds = job.pick((64, 2), (100, 1))
    found = spectra.drawn(job, [rf.ScoreProblem(8.0, 64.0, 0.01, sigma) for sigma in SIGMAS.values()], d, seeds)
    titles = [r"(a) $\Sigma=I$", r"(b) half of the variances 0.5, half 1.5"]
    numbers = {name: spectra.numbers(one) for name, one in zip(SIGMAS, found, strict=True)}
    inputs = {"psi_n": 8.0, "psi_p": 64.0, "t": 0.01, "covariances": SIGMAS, "d": d, "seeds": seeds,
              "code": finite.code()}  # fmt: skip
    return job.leave(NAME, spectra.picture(found, titles, d), title=TITLE, inputs=inputs, numbers=numbers,
                     row=Row(PAPER, _here(numbers), _differs(numbers["isotropic"], d)))  # fmt: skip


def _here(numbers: dict[str, Any]) -> str:
    iso, two = numbers["isotropic"], numbers["two_atoms"]
    bulks = [f"[{num(low)}, {num(high)}]" for low, high in iso["edges"]]
    change = max(abs(two["sample_edges"] / iso["sample_edges"] - 1))
    pair = [f"[{num(low)}, {num(high)}]" for (low, high), name in zip(two["edges"], two["bulks"], strict=True)
            if name == "population"]  # fmt: skip
    return (
        f"Exact bulks {listed(bulks)} and an atom of mass {num(iso['atom']['mass'])} at s² = "
        f"{num(iso['atom']['location'])}; with two variances the sample bulk's edges move by {percent(change)} and the "
        f"population bulk becomes {listed(pair)}."
    )


def _differs(iso: dict[str, Any], d: int) -> str:
    below = [mass for mass, name in zip(iso["masses"], iso["bulks"], strict=True) if name == "lowest"]
    split = (
        f"below the sample bulk the exact spectrum has one more, of mass {num(sum(below))} = 1/ψ_p (d eigenvalues), "
        "that Theorem 3.2 counts with it"
        if below else "no further bulk"
    )  # fmt: skip
    return (
        f"{split[0].upper()}{split[1:]}; at d = {d} the features' sample bulk is wider than theory (distance of the "
        f"distributions {num(iso['cdf_distance_features'], 2)}, of the Gaussian equivalent "
        f"{num(iso['cdf_distance_gaussian_equivalent'], 2)})."
    )
