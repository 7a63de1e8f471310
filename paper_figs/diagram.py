"""Maps over (psi_p, psi_n) of the infinite-size theory, every point solved and verified on its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

import rfscore as rf
from paper_figs.cache import code_version, kept
from paper_figs.job import Job

_CODE = ("rfscore/theory/*.py", "rfscore/model/*.py", "paper_figs/diagram.py")


def axis(low: float, high: float, count: int) -> Float[np.ndarray, " k"]:
    """Logarithmic axis, rounded to twelve digits so that powers of two are exact."""
    return np.array([float(f"{value:.12g}") for value in np.geomspace(low, high, count)])


def code() -> str:
    """Version of the code behind every map."""
    return code_version(*_CODE)


def gaps(
    job: Job, psi_n: Float[np.ndarray, " N"], psi_p: Float[np.ndarray, " P"], t: float, tau: Sequence[float]
) -> Float[np.ndarray, "T N P"]:
    """L_gen at fixed training times."""

    def compute() -> dict[str, np.ndarray]:
        found = np.empty((len(tau), len(psi_n), len(psi_p)))
        for i, n in enumerate(psi_n):
            job.say(f"map of L_gen: row {i + 1} of {len(psi_n)}")
            for k, p in enumerate(psi_p):
                found[:, i, k] = rf.loss_curves(rf.ScoreProblem(n, p, t), tau).gap
        return {"gap": found}

    return kept("gap", {"psi_n": psi_n, "psi_p": psi_p, "t": t, "tau": tau}, code(), compute)["gap"]
