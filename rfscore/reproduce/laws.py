"""Where tau_half is proportional to n: local exponents by theory, over psi_n, at several psi_p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

import rfscore as rf
from rfscore import observables as ob
from rfscore.reproduce.config import Plan
from rfscore.reproduce.runs import Progress

#: Local exponents within this much of one count as "proportional to n".
NEAR_ONE = 0.15


@dataclass(frozen=True)
class Law:
    """tau_half against psi_n at one psi_p, and its local exponents between neighbouring psi_n."""

    psi_p: float
    psi_n: Float[np.ndarray, " k"]
    tau_half: Float[np.ndarray, " k"]
    middle: Float[np.ndarray, " pairs"]
    slope: Float[np.ndarray, " pairs"]

    def proportional(self) -> tuple[float, float] | None:
        """The longest stretch of psi_n whose local exponents are within NEAR_ONE of one."""
        best, start = (0, 0), None
        for i, near in enumerate([*(abs(self.slope - 1.0) <= NEAR_ONE), False]):
            if near and start is None:
                start = i
            if not near and start is not None:
                best = max(best, (start, i), key=lambda ends: ends[1] - ends[0])
                start = None
        return (float(self.psi_n[best[0]]), float(self.psi_n[best[1]])) if best[1] > best[0] else None


def laws(plan: Plan, progress: Progress) -> list[Law]:
    """Local exponents of tau_half over psi_n = 1 ... psi_p at several psi_p, solved by theory."""
    results = []
    for psi_p in plan.law_psi_p:
        psi_n = np.geomspace(1.0, psi_p, plan.law_points)
        problems = [rf.ScoreProblem(float(v), psi_p, plan.curves.t) for v in psi_n]
        half = np.array([rf.curve_times(problem).tau_half.value for problem in problems])
        local = ob.local_slopes(psi_n, half)
        results.append(Law(psi_p, psi_n, half, local.n, local.slope))
        progress("where proportional to n", 1.0)
    return results
