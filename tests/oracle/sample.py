"""The stored sample: problems over the whole domain and the oracle's numbers for them.

`python -m tests.oracle.sample` rewrites tests/data/oracle_sample.json (about an hour on one core); the stored values
are what the fast code is tested against, so that the tests themselves need no high precision.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mp

import rfscore as rf
from rfscore import oracle
from rfscore.oracle.checking import plane_grid, spectral_grid, time_grid
from rfscore.oracle.equivalence import Model, model
from rfscore.oracle.onepoint import derivative, solve
from rfscore.oracle.spectrum import rough_edges

PATH = Path(__file__).parents[1] / "data" / "oracle_sample.json"
SEED, COUNT = 20250523, 300
CORNERS = [
    (0.02, 0.02, 1e-4), (0.02, 1e4, 1e-4), (1e4, 0.02, 1e-4), (1e4, 1e4, 1e-4), (0.02, 0.02, 5.0), (0.02, 1e4, 5.0),
    (1e4, 0.02, 5.0), (1e4, 1e4, 5.0), (1.0, 1.0, 0.1), (30.0, 30.0, 0.01), (2.0, 3.0, 0.1), (50.0, 51.0, 0.01),
    (3.0, 0.4, 0.3), (0.3, 1.3, 1.0), (0.5, 0.9, 0.05), (8.0, 64.0, 0.01), (2.0, 8.0, 0.1), (999.0, 1000.0, 1e-3),
]  # fmt: skip


def covariance(rng: np.random.Generator, activation: str) -> rf.Covariance:
    """Isotropic, or two to four atoms of condition up to 1e6, one of them sometimes exactly zero."""
    variance = float(10.0 ** rng.uniform(-1, 0.3 if activation == "sin" else 0.7))
    count = int(rng.choice([1, 2, 2, 3, 4]))
    if count == 1:
        return rf.Isotropic(variance)
    values = 10.0 ** rng.uniform(0, rng.choice([0.5, 2.0, 6.0]), count)
    if rng.random() < 0.15:
        values[0] = 0.0
    weights = rng.uniform(0.05, 1.0, count)
    weights /= weights.sum()
    return rf.Atoms(values * variance / (values * weights).sum(), weights)


def problems() -> list[rf.ScoreProblem]:
    """300 problems: the corners first, then log-uniform over the domain; psi_p = psi_n and psi_n + 1 every tenth."""
    rng, result = np.random.default_rng(SEED), []
    for j in range(COUNT):
        activation = str(rng.choice(["erf", "sin", "relu", "tanh"], p=[0.4, 0.25, 0.2, 0.15]))
        psi_n, psi_p = 10.0 ** rng.uniform(np.log10(0.02), 4, 2)
        t = 10.0 ** rng.uniform(-4, np.log10(5))
        if j < len(CORNERS):
            psi_n, psi_p, t = CORNERS[j]
        elif j % 10 == 0:
            psi_p = psi_n
        elif j % 10 == 5:
            psi_p = min(psi_n + 1, 1e4)
        result.append(rf.ScoreProblem(psi_n, psi_p, t, covariance(rng, activation), activation))
    return result


def describe(problem: rf.ScoreProblem) -> dict[str, Any]:
    """The problem as JSON numbers, exact."""
    nodes, weights = problem.population.quadrature()
    return {"psi_n": problem.psi_n, "psi_p": problem.psi_p, "t": problem.t, "activation": problem.activation.name,
            "values": list(map(float, nodes)), "weights": list(map(float, weights))}  # fmt: skip


def _pair(value: Any) -> list[float]:
    return [float(value.real), float(value.imag)]


def _slope(m: Model, z: Any) -> float:
    """|dq/dz|: what one unit of rounding in z or s2 does to q."""
    w, delta, _ = solve(m, z)
    return float(abs(derivative(m, z, w, delta)[0] / m.psi_p))


def evaluate(problem: rf.ScoreProblem, seed: int) -> dict[str, Any]:
    """Everything the fast code is asked for, at seeded points; every stored number is good to 12 digits or more."""
    rng, ends = np.random.default_rng(seed), rough_edges(problem)
    co = oracle.coefficients(problem, dps=14)
    planes, reals = plane_grid(ends, 4, rng), spectral_grid(ends, 8, rng)
    points = [oracle.resolvent(problem, z, dps=14) for z in (*planes, -float(co.s2))]
    with mp.workdps(40):
        m = model(problem, 40)
        slopes = [_slope(m, mp.mpmathify(z)) for z in (*planes, -float(co.s2), *reals)]
    densities = [oracle.density(problem, x, dps=14) for x in reals]
    times = [*time_grid(problem, ends, 4, rng)[1:-1], np.inf]
    curves = [oracle.losses(problem, tau, dps=11) for tau in times]
    found = oracle.edges(problem, dps=13)
    twins = oracle.kernel(problem, planes[0], planes[1], dps=14), oracle.kernel(problem, planes[2], planes[2], dps=14)
    return {
        "coefficients": {k: float(getattr(co, k)) for k in ("mu1", "a", "b", "v2", "s2", "norm2")},
        "edges": list(map(float, found.values)),
        "edge_error": max(float(e / x) for e, x in zip(found.errors, found.values, strict=True)),
        "atom": None if found.atom is None else float(found.atom[1]),
        "z": [_pair(complex(x.z)) for x in points],
        "q": [_pair(complex(x.q)) for x in points],
        "dq": slopes[: len(points)],
        "s": [_pair(complex(x.s)) for x in points],
        "r": [_pair(complex(x.r)) for x in points],
        "lam": list(map(float, reals)),
        "density_dq": slopes[len(points) :],
        "density": list(map(float, densities)),
        "kernel": [_pair(complex(x)) for x in twins],
        "tau": [str(float(tau)) for tau in times],
        "train": [float(x.train) for x in curves],
        "test": [float(x.test) for x in curves],
        "loss_error": max(float(x.error) for x in curves),
    }


def main() -> None:
    """Evaluate all problems; progress goes to stderr, one line each."""
    rows = []
    for seed, problem in enumerate(problems()):
        try:
            rows.append({"problem": describe(problem), "oracle": evaluate(problem, seed)})
            print(seed, "ok", file=sys.stderr, flush=True)
        except rf.SolveError as error:
            print(seed, problem, error, file=sys.stderr, flush=True)
            raise
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(rows, indent=None, separators=(",", ":")).replace('{"problem"', '\n{"problem"') + "\n")


if __name__ == "__main__":
    main()
