"""The stored sample for finite m and a ridge: problems over the domain, and the oracle's numbers for them.

`python -m tests.oracle.frozen_sample` rewrites tests/data/frozen_sample.json (about ten minutes on one core); the fast
code is tested against the stored values, and these against the oracle at one problem each time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import rfscore as rf
from rfscore import oracle

PATH = Path(__file__).parents[1] / "data" / "frozen_sample.json"
SEED, COUNT = 20260107, 10
#: psi_n, psi_p, t, m, ridge: both sides of psi_p = m psi_n, m = 1, huge m, tiny and huge ridge.
CORNERS = [
    (2.0, 3.0, 0.1, 2, 0.0), (1.0, 6.0, 0.1, 2, 1e-3), (3.0, 2.0, 0.01, 1, 0.0), (0.5, 4.0, 0.05, 3, 1e-10),
    (4.0, 8.0, 0.3, 2, 1e-2), (0.1, 100.0, 0.01, 5, 1.0), (50.0, 10.0, 0.01, 2, 1e-6), (2.0, 5.0, 1.0, 100, 1e-4),
]  # fmt: skip


def problems() -> list[rf.ScoreProblem]:
    """The corners first, then log-uniform; psi_p stays off m psi_n, where the loss diverges."""
    rng, result = np.random.default_rng(SEED), []
    for j in range(COUNT):
        psi_n, psi_p, t = 10.0 ** rng.uniform([-0.7, -0.7, -3.0], [1.7, 1.7, 0.5])
        draws, ridge = int(rng.choice([2, 2, 3, 4, 10, 1000])), float(rng.choice([0.0, 10.0 ** rng.uniform(-8, 0)]))
        if j < len(CORNERS):
            psi_n, psi_p, t, draws, ridge = CORNERS[j]
        elif 0.8 < psi_p / (draws * psi_n) < 1.25:
            psi_p *= 2.0
        rho = rf.Isotropic(1.0) if j % 2 == 0 else rf.Atoms([0.4, 1.8], rng.dirichlet(np.full(2, 3.0)))
        activation = str(rng.choice(["erf", "tanh"]))
        result.append(rf.ScoreProblem(psi_n, psi_p, t, rho, activation, noise_draws=draws, ridge=ridge))
    return result


def describe(problem: rf.ScoreProblem) -> dict[str, Any]:
    """The problem as JSON numbers, exact."""
    nodes, weights = problem.population.quadrature()
    return {"psi_n": problem.psi_n, "psi_p": problem.psi_p, "t": problem.t, "activation": problem.activation.name,
            "values": list(map(float, nodes)), "weights": list(map(float, weights)),
            "draws": int(problem.noise_draws), "ridge": problem.ridge}  # fmt: skip


def build(stored: dict[str, Any]) -> rf.ScoreProblem:
    """A problem of the sample."""
    values = stored["values"]
    rho = rf.Isotropic(values[0]) if len(values) == 1 else rf.Atoms(values, stored["weights"])
    return rf.ScoreProblem(stored["psi_n"], stored["psi_p"], stored["t"], rho, stored["activation"],
                           noise_draws=stored["draws"], ridge=stored["ridge"])  # fmt: skip


def spectral_points(problem: rf.ScoreProblem, seed: int) -> np.ndarray:
    """Two points left of the spectrum, six off the axis: over the support, near it and far away."""
    rng, top = np.random.default_rng(seed), float(rf.spectrum(problem).edges[-1, 1])
    real = top * rng.uniform(-0.2, 1.3, 6)
    height = top * 10.0 ** rng.uniform(-3, 1, 6) * np.array([1, 1, -1, 1, -1, 1])
    return np.array([-0.5 * top, -1e-3 * top, *(real + 1j * height)])


def times(problem: rf.ScoreProblem, seed: int) -> np.ndarray:
    """From before the first mode to long after the last one, and infinity."""
    rng, edges = np.random.default_rng(seed), rf.spectrum(problem).edges
    first, last = (problem.psi_p / (float(problem.delta) * x) for x in (edges[-1, 1], edges[0, 0]))
    return np.array([*np.sort(10.0 ** rng.uniform(np.log10(first) - 1.0, np.log10(last) + 0.5, 2)), np.inf])


def evaluate(problem: rf.ScoreProblem, seed: int) -> dict[str, Any]:
    """Everything the fast code is asked for; every stored number is good to 9 digits or more."""
    z = spectral_points(problem, seed)
    points = [oracle.resolvent(problem, x, dps=14) for x in z]
    tau = times(problem, seed)
    curves = [oracle.losses(problem, x, dps=6 if np.isfinite(x) else 11) for x in tau]  # errors are far below 1e-6
    kernel = oracle.kernel(problem, z[1], z[2], dps=13)
    found = {name: [[float(complex(getattr(x, name)).real), complex(getattr(x, name)).imag] for x in points]
             for name in ("z", "q", "s", "r", "delta")}  # fmt: skip
    losses = {name: [float(getattr(x, name)) for x in curves] for name in ("train", "test", "score_error")}
    return found | losses | {
        "kernel": [complex(kernel).real, complex(kernel).imag], "tau": [str(float(x)) for x in tau],
        "loss_error": max(float(x.error) for x in curves),
    }  # fmt: skip


def main() -> None:
    """Evaluate all problems; progress goes to stderr, one line each."""
    rows = []
    for seed, problem in enumerate(problems()):
        rows.append({"problem": describe(problem), "oracle": evaluate(problem, seed)})
        print(seed, "ok", file=sys.stderr, flush=True)
    text = json.dumps(rows, separators=(",", ":")).replace('{"problem"', '\n{"problem"')
    PATH.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
