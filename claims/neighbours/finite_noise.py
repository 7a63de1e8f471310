"""Urfin et al. 2026a at a finite number m of noise draws per sample."""

from __future__ import annotations

import numpy as np

import rfscore as rf
import rfscore.finite
from rfscore.validation.evidence import Comparison, above, below, more
from rfscore.validation.lab import TAU, Lab

PSI_N, T, RIDGE = 8.0, 0.1, 1e-3


def _problem(psi_p: float, m: int) -> rf.ScoreProblem:
    """The problem at m draws, a small ridge as in the paper."""
    return rf.ScoreProblem(PSI_N, psi_p, T, noise_draws=m, ridge=RIDGE)


def _final(psi_p: float, m: int) -> float:
    return float(rf.loss_curves(_problem(psi_p, m), TAU[-1:]).test[0])


def _drawn(lab: Lab, psi_p: float, m: int) -> np.ndarray:
    """Final test loss of three drawn networks, d = 16."""
    flows = (rfscore.finite.draw(_problem(psi_p, m), 16, lab.rng(16, 711, i), "gaussian-equivalent").gradient_flow()
             for i in range(3))  # fmt: skip
    return np.array([flow.loss_curves([np.inf]).test[0] for flow in flows])


def peak(lab: Lab) -> list[Comparison]:
    """p of the largest final test loss over n m, m = 1, 2, 4, 8; and the order of three sizes in draws at m = 2."""
    psi_p = PSI_N * np.geomspace(0.125, 50.0, 49)
    found = []
    for m in (1, 2, 4, 8):
        place = psi_p[int(np.argmax([_final(float(p), m) for p in psi_p]))] / (PSI_N * m)
        found.append(Comparison(f"p of the largest final test loss over nm, m = {m}", place, 0.75, 1.33,
                                place * (float(psi_p[1] / psi_p[0]) - 1), "spacing of p"))  # fmt: skip
    before, at, after = (_drawn(lab, p, 2) for p in (8.0, 16.0, 32.0))
    ratio = at / np.maximum(before, after)
    found.append(above("final test loss at p = 2n over the larger of that at n and 4n, draws, m = 2", ratio.mean(), 1.0,
                       2 * float(ratio.std(ddof=1)) / np.sqrt(3), "2 standard errors over 3 seeds"))  # fmt: skip
    return found


def benign(lab: Lab) -> list[Comparison]:
    """Final test loss far beyond the peak, psi_p = 10^4, against 1 for the untrained network."""
    one, two, four = (_final(1e4, m) for m in (1, 2, 4))
    drawn = _drawn(lab, 128.0, 1), _drawn(lab, 128.0, 4)
    error = 2 * max(float(x.std(ddof=1)) for x in drawn) / np.sqrt(3)
    return [
        below("final test loss at ψ_p = 10^4, m = 1", one, 1.0, 1e-9, "solver"),
        above("the same, m = 4", four, 1.0, 1e-9, "solver"),
        above("excess of m = 4 over m = 1 at ψ_p = 128, draws (d = 16)", float(np.mean(drawn[1]) - np.mean(drawn[0])),
              0.1, error, "2 standard errors over 3 seeds"),
        more("final test loss at ψ_p = 10^4, m = 2", two, 1e-9, "solver"),
    ]  # fmt: skip
