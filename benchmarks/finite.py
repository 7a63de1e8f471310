"""Finite size: the exact flow beside one bare eigendecomposition, and cost against size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import linalg

import rfscore as rf
from benchmarks.clock import Row, best, numbers, once

SIZES = (400, 800, 1600, 3200, 6400)
#: One process a size, so that its peak memory is its own; the bare eigh comes last, after the peak has been read.
_RUN = """
import time
import numpy as np, rfscore as rf
from scipy import linalg
def peak():
    # VmHWM, not ru_maxrss: the latter remembers the parent process across exec.
    with open("/proc/self/status") as status:
        return 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])
idle = peak()
problem = rf.ScoreProblem(psi_n=8.0, psi_p={p} / 100, t=0.01)
start = time.perf_counter()
instance = rf.finite.draw(problem, d=100, seed=0)
built = time.perf_counter()
instance.gradient_flow().loss_curves(np.logspace(-2, 8, 100))
flown = time.perf_counter()
memory = peak() - idle
linalg.eigh(instance.U)
print(built - start, flown - built, time.perf_counter() - flown, memory)
"""


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
    flow = best(lambda: instance.gradient_flow().loss_curves(times), 2)
    step(f"Gaussian-equivalent twin at p = {p}")
    twin = rf.finite.draw(problem, d=100, seed=0, features="gaussian-equivalent")
    short = best(lambda: twin.gradient_flow().loss_curves(times), 2)
    eigh = f"one bare `scipy.linalg.eigh` of the same {p} x {p} matrix"
    return [
        Row(f"exact gradient flow, p = {p}, n = 800, d = 100, 100 times", flow, eigh, bare, "<= 1.6 x"),
        Row("the same for the Gaussian-equivalent twin", short, eigh, bare, "<= 0.1 x"),
        Row("building the exact noise-averaged features", build, eigh, bare),
    ]


def scaling(step: Callable[[str], None], sizes: tuple[int, ...] = SIZES) -> list[dict[str, float]]:
    """Seconds and memory of a draw and its flow against p, beside a bare eigh."""
    found = []
    for p in sizes:
        step(f"scaling: p = {p}")
        build, flow, bare, memory = numbers(_RUN.format(p=p))
        found.append({"p": p, "build": build, "flow": flow, "eigh": bare, "memory": memory,
                      "doubles_per_p2": memory / (8.0 * p * p)})  # fmt: skip
    return found
