"""Nothing silently wrong inside the domain: the oracle's numbers for problems drawn over all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import rfscore as rf
from rfscore import testing
from tests.oracle.sample import PATH
from tests.theory.helpers import curves, eight, examples, problems, stored_problem, stored_sample

EPS = np.finfo(float).eps
ROWS = stored_sample() if PATH.exists() else []


def sample(every: int) -> pytest.MarkDecorator:
    """The corners and one in `every` of the other rows; the rest is slow."""
    fast = [j < 18 or j % every == 0 for j in range(len(ROWS))]
    marks = [() if quick else pytest.mark.slow for quick in fast]
    return pytest.mark.parametrize("row", [pytest.param(r, id=str(j), marks=marks[j]) for j, r in enumerate(ROWS)])


def pairs(values: Any) -> np.ndarray:
    return np.array([complex(*value) for value in values])


def test_stored_sample_is_there() -> None:
    assert len(ROWS) >= 250, "python -m tests.oracle.sample writes it"


@sample(1)
def test_coefficients(row: dict[str, Any]) -> None:
    co = rf.coefficients(stored_problem(row))
    for name, exact in row["oracle"]["coefficients"].items():
        assert float(getattr(co, name)) == pytest.approx(exact, rel=1e-12, abs=0.0), name


@sample(6)
def test_resolvent_and_kernel(row: dict[str, Any]) -> None:
    """q, s, r to what one unit in the last place of z and s2 allows; a point that cannot be had is refused."""
    problem, exact = stored_problem(row), row["oracle"]
    z = pairs(exact["z"])
    res = rf.resolvent(problem, eight(z), throw=False)
    size = abs(z) + exact["coefficients"]["s2"]
    # relative: rounding of z and s2 (known to about 1e-14) through dq/dz, on top of 1e-11
    allowed = 1e-11 + 200.0 * EPS * size * np.array(exact["dq"]) / abs(pairs(exact["q"]))
    reachable = allowed < 1e-7
    assert np.all(res.status[: z.size][reachable] == 0)
    for name in ("q", "s", "r"):
        error = abs(getattr(res, name)[: z.size] / pairs(exact[name]) - 1.0)
        assert np.all((error < 30.0 * allowed) | (res.status[: z.size] != 0)), name
    if np.all(reachable[:3]):
        first, second = eight([z[0], z[2]]), eight([z[1], z[2]])
        found = np.diag(rf.two_point(problem, first, second).values)[:2]
        assert np.all(abs(found / pairs(exact["kernel"]) - 1.0) < 300.0 * allowed[:3].max())


@sample(6)
def test_losses(row: dict[str, Any]) -> None:
    problem, exact = stored_problem(row), row["oracle"]
    cur = curves(problem, [float(tau) for tau in exact["tau"]])
    slack = exact["loss_error"]
    assert np.all(abs(cur.train - exact["train"]) < 1e-9 + slack)
    assert np.all(abs(cur.test - exact["test"]) < 1e-9 * np.maximum(1.0, exact["test"]) + slack)


@sample(30)
def test_spectrum(row: dict[str, Any]) -> None:
    problem, exact = stored_problem(row), row["oracle"]
    spec = rf.spectrum(problem)
    assert spec.edges.size == len(exact["edges"])
    assert np.allclose(spec.edges.ravel(), exact["edges"], rtol=1e-11, atol=0.0)
    assert sum(mass for _, mass in spec.atoms) == pytest.approx(exact["atom"] or 0.0, abs=1e-14)
    lam, rho = np.array(exact["lam"]), np.array(exact["density"])
    error = abs(spec.density(lam) - rho)
    allowed = 1e-9 * np.maximum(rho, 0.1 * np.median(rho[rho > 0])) if np.any(rho > 0) else np.full(lam.size, 1e-300)
    assert np.all(error <= allowed + 200.0 * EPS * lam * np.array(exact["density_dq"]))


@examples(3)
@given(problems(activation=testing.activations(["erf", "sin", "relu"])))
def test_fresh_problems_also_match_the_oracle(problem: rf.ScoreProblem) -> None:
    def q(z: np.ndarray) -> np.ndarray:
        return rf.resolvent(problem, eight(z)).q[: z.size]

    low, high = testing.scales(problem)
    z = np.geomspace(low, high, 4) * np.exp(1j * np.array([0.3, 1.0, 2.0, 0.1]))
    testing.assert_matches_oracle(q, problem, "resolvent", points=z, rtol=1e-9)
    unit = problem.psi_p / problem.delta
    tau = np.array([0.3 * unit / high, 3.0 * unit / low])
    testing.assert_matches_oracle(lambda x: curves(problem, x).test, problem, "test", points=tau, rtol=1e-9)
