"""Finite size: the exact flow beside one bare eigendecomposition, and cost against size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import linalg

import rfscore as rf
from benchmarks.clock import Row, best, once, peak_memory

SIZES = (400, 800, 1600, 3200, 6400)
_MEMORY = """
import numpy as np, rfscore as rf
problem = rf.ScoreProblem(psi_n=8.0, psi_p={p} / 100, t=0.01)
rf.finite.draw(problem, d=100, seed=0).gradient_flow().losses(np.logspace(-2, 8, 100))
"""
_NOTHING = "import numpy as np, rfscore as rf"


def rows(step: Callable[[str], None], p: int = 3200) -> list[Row]:
    """The exact flow and the Gaussian-equivalent twin at p, n = 800, d = 100, 100 times."""
    problem = rf.ScoreProblem(psi_n=8.0, psi_p=p / 100, t=0.01)
    times = np.logspace(-2, 8, 100)
    step(f"exact features at p = {p}")
    instances: list = []
    build = once(lambda: instances.append(rf.finite.draw(problem, d=100, seed=0)))
    instance = instances[0]
    step(f"exact flow against eigh at p = {p}")
    bare = best(lambda: linalg.eigh(instance.U), 2)
    flow = best(lambda: instance.gradient_flow().losses(times), 2)
    step(f"Gaussian-equivalent twin at p = {p}")
    twin = rf.finite.draw(problem, d=100, seed=0, features="gaussian-equivalent")
    short = best(lambda: twin.gradient_flow().losses(times), 2)
    eigh = f"one bare `scipy.linalg.eigh` of the same {p} x {p} matrix"
    return [
        Row(f"exact gradient flow, p = {p}, n = 800, d = 100, 100 times", flow, eigh, bare, "<= 1.6 x"),
        Row("the same for the Gaussian-equivalent twin", short, eigh, bare, "<= 0.1 x"),
        Row("building the exact noise-averaged features", build, eigh, bare),
    ]


def scaling(step: Callable[[str], None], sizes: tuple[int, ...] = SIZES) -> list[dict[str, float]]:
    """Seconds and memory of a draw and its flow against p, beside a bare eigh."""
    base = peak_memory(_NOTHING)
    found = []
    for p in sizes:
        step(f"scaling: p = {p}")
        problem = rf.ScoreProblem(psi_n=8.0, psi_p=p / 100, t=0.01)
        instances: list = []
        build = once(lambda problem=problem, to=instances: to.append(rf.finite.draw(problem, d=100, seed=0)))
        flow = once(lambda to=instances: to[0].gradient_flow().losses(np.logspace(-2, 8, 100)))
        bare = once(lambda to=instances: linalg.eigh(to[0].U))
        memory = peak_memory(_MEMORY.format(p=p)) - base
        found.append({"p": p, "build": build, "flow": flow, "eigh": bare, "memory": memory,
                      "doubles_per_p2": memory / (8.0 * p * p)})  # fmt: skip
    return found
