"""Theory: curves, density, cold start, against a general-purpose root finder and against a bare JAX process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize

import rfscore as rf
from benchmarks.clock import Row, best, once, process

PROBLEM = rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01)
TIMES = np.logspace(-2, 8, 200)
COLD = (
    "import numpy as np, rfscore as rf;"
    "rf.loss_curves(rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01), np.logspace(-2, 8, 200))"
)
BARE = "import jax, numpy as np; jax.jit(lambda x: x + 1)(np.ones(3))"


def density_by_root_finder(lam: np.ndarray) -> np.ndarray:
    """Im q/pi from one `scipy.optimize.root` a point, started from its neighbour: what one would write first."""
    co = rf.coefficients(PROBLEM)
    ratio = PROBLEM.psi_p / PROBLEM.psi_n

    def equations(x: np.ndarray, z: complex) -> np.ndarray:
        q, delta = x[0] + 1j * x[1], x[2] + 1j * x[3]
        m = co.b**2 + co.alpha2 / (1 + delta)
        r = q / (1 + PROBLEM.psi_p * q * m)
        first = 1 / q - (co.s2 - z + co.v2 / (1 + delta)) - m / (1 + PROBLEM.psi_p * q * m)
        second = delta - ratio * (co.v2 * q + co.alpha2 * r)
        return np.array([first.real, first.imag, second.real, second.imag])

    x, values = np.array([0.0, 0.1, 0.0, 1.0]), np.empty(lam.size)
    for i, point in enumerate(lam):
        for height in (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-6):
            x = optimize.root(equations, x, args=(point + 1j * height,), method="lm").x
        values[i] = x[1] / np.pi
    return values


def rows(step: Callable[[str], None]) -> list[Row]:
    """All theory rows."""
    step("200 training times, warm")
    yardstick = best(lambda: np.linalg.eigh(_symmetric(800)), 3)
    curves = best(lambda: rf.loss_curves(PROBLEM, TIMES), 20)
    step("cold process")
    cold, bare = process(COLD), process(BARE)
    step("density at 400 points, and by a root finder")
    spec = rf.spectrum(PROBLEM)
    lam = np.concatenate([np.linspace(*edges, 402 // 3) for edges in spec.edges])[:400]
    density = best(lambda: spec.density(lam), 20)
    slow = once(lambda: density_by_root_finder(lam))
    whole = best(lambda: rf.spectrum(PROBLEM), 5)
    eigh = "`numpy.linalg.eigh`, 800 x 800"
    return [
        Row("200 training times over 10 decades, three curves, warm", curves, eigh, yardstick, "< 50 ms"),
        Row("the same from a cold process", cold, "cold process that only imports JAX and jits `x + 1`", bare, "< 6 s"),
        Row("density at 400 points, warm", density, "one `scipy.optimize.root` path a point", slow, "< 30 ms"),
        Row("all edges, masses and the verified density, warm", whole, eigh, yardstick),
    ]


def _symmetric(size: int) -> np.ndarray:
    matrix = np.random.default_rng(0).standard_normal((size, size))
    return matrix + matrix.T
