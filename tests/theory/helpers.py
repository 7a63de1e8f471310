"""Problems and shapes shared by the theory tests.

JAX compiles once per shape, which costs far more than a solution: every discrete Sigma here has one node or four, every
array of z, lam or tau has eight entries.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import rfscore as rf
from rfscore import testing
from tests.oracle.sample import PATH

EIGHT = 8
INF = float("inf")


def examples(count: int) -> settings:
    """Reproducible Hypothesis settings without deadline: the first example of a shape compiles."""
    return settings(max_examples=count, deadline=None, derandomize=True, database=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])  # fmt: skip


def four(values: Any, weights: Any = None) -> rf.Atoms:
    """The same measure with exactly four atoms: the heaviest ones are split in two."""
    lam = list(np.asarray(values, dtype=float))
    share = [1.0 / len(lam)] * len(lam) if weights is None else list(np.asarray(weights, dtype=float))
    while len(lam) < 4:
        heaviest = int(np.argmax(share))
        share[heaviest] /= 2.0
        lam.append(lam[heaviest])
        share.append(share[heaviest])
    return rf.Atoms(lam, np.array(share) / np.sum(share))


@st.composite
def covariances(draw: st.DrawFn, variance: tuple[float, float] = (0.1, 4.0)) -> rf.Covariance:
    """`rfscore.testing.covariances`, as one node or as four."""
    rho = draw(testing.covariances(variance=variance))
    return rho if isinstance(rho, rf.Isotropic) else four(rho.values, rho.weights)


def problems(**options: Any) -> st.SearchStrategy[rf.ScoreProblem]:
    """Problems over the whole domain, in the two shapes."""
    return testing.problems(population=covariances((0.1, 2.0)), **options)


def eight(values: Any) -> np.ndarray:
    """A vector padded to eight entries by repeating its first."""
    array = np.atleast_1d(np.asarray(values))
    return np.concatenate([array, np.full(-array.size % EIGHT, array[0], dtype=array.dtype)])


def q(problem: rf.ScoreProblem, z: Any) -> np.ndarray:
    """The resolvent q at any number of points, eight at a time."""
    return of("q", problem, z)


def of(name: str, problem: rf.ScoreProblem, z: Any) -> np.ndarray:
    """A field of the resolvent at any number of points, eight at a time."""
    flat = np.atleast_1d(np.asarray(z, dtype=complex))
    rows = eight(flat).reshape(-1, EIGHT)
    return np.concatenate([getattr(rf.resolvent(problem, row), name) for row in rows])[: flat.size]


def curves(problem: rf.ScoreProblem, tau: Any, **options: Any) -> rf.LossCurves:
    """Loss curves at up to eight times, filled up with times decades apart so that every call has one shape."""
    flat = np.atleast_1d(np.asarray(tau, dtype=float))
    found = rf.loss_curves(problem, np.append(flat, 10.0 ** np.arange(EIGHT - flat.size)), **options)
    fields = (getattr(found, name)[: flat.size] for name in ("tau", "train", "test", "excess", "score_error"))
    return rf.LossCurves(*fields)


def around_spectrum(problem: rf.ScoreProblem) -> np.ndarray:
    """Eight points off the real axis, from below the floor to above the top, and one negative one."""
    low, high = testing.scales(problem)
    size = np.geomspace(0.5 * low, 3.0 * high, EIGHT - 1)
    angle = np.array([0.1, 1.0, 2.0, 0.5, 2.9, 0.05, 1.5])
    return np.append(size * np.exp(1j * angle), -0.3 * high)


def stored_sample() -> list[dict[str, Any]]:
    """The oracle's numbers for problems over the whole domain (tests/oracle/sample.py writes them)."""
    return json.loads(PATH.read_text())


def stored_problem(row: dict[str, Any]) -> rf.ScoreProblem:
    """The problem of a stored row, with one node or four."""
    x = row["problem"]
    single = len(x["values"]) == 1
    rho = rf.Isotropic(x["values"][0]) if single else four(x["values"], x["weights"])
    return rf.ScoreProblem(x["psi_n"], x["psi_p"], x["t"], rho, x["activation"])


#: Named regimes: every test of an identity runs over all of them.
REGIMES = {
    "paper, p > n": rf.ScoreProblem(8.0, 64.0, 0.01),
    "small": rf.ScoreProblem(2.0, 8.0, 0.1),
    "p < n": rf.ScoreProblem(16.0, 4.0, 0.1, activation="erf"),
    "p = n": rf.ScoreProblem(6.0, 6.0, 0.3, activation="sin"),
    "p = n + 1": rf.ScoreProblem(3.0, 4.0, 0.1, activation="relu"),
    "p < d": rf.ScoreProblem(4.0, 0.3, 0.1),
    "n < d": rf.ScoreProblem(0.2, 5.0, 0.1, activation="relu"),
    "two atoms": rf.ScoreProblem(2.0, 8.0, 0.1, four([0.5, 1.5])),
    "null directions": rf.ScoreProblem(3.0, 20.0, 0.05, four([0.0, 1.0, 2.0]), "erf"),
    "condition 1e6": rf.ScoreProblem(5.0, 30.0, 0.02, four([1e-6, 1e-3, 0.1, 1.0], [0.4, 0.3, 0.2, 0.1]), "erf"),
    "six decades apart": rf.ScoreProblem(50.0, 1000.0, 1e-4, activation="erf"),
}
