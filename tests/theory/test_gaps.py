"""The walk along the real curve: every gap and no other, for one problem or many at a time."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import rfscore as rf
from rfscore._precision import float64
from rfscore.theory.equivalent import equivalent
from rfscore.theory.gaps import gaps

TWO = rf.Atoms([1.5, 2.0], [0.5, 0.5])

#: psi_n, psi_p, t, m, Sigma; eigenvalues per dimension in each bulk, ascending.
BULKS = [
    # Few samples: the real curve runs through G = 0, where both roots of its quadratic are the same number.
    (0.068, 41.5, 0.0041, 2, rf.Isotropic(), [0.068, 0.068]),
    (0.204, 0.3135, 0.0318, 3, rf.Isotropic(), [0.3135]),
    (0.058, 53.8, 0.061, 3, rf.Isotropic(), [0.116, 0.058]),
    (0.0686, 443.7, 0.695, 3, rf.Isotropic(), [3 * 0.0686]),
    (0.0501, 47.5, 0.916, 2, TWO, [2 * 0.0501]),
    # One noise per sample, many samples: a bulk where w is infinite, too narrow for an even walk.
    (273.0, 2.87, 0.49, 1, rf.Isotropic(), [1.87, 1.0]),
    (58.3, 4.13, 0.081, 1, rf.Isotropic(), [3.13, 1.0]),
]


@pytest.mark.parametrize("i", range(len(BULKS)))
def test_bulks_of_frozen_noises_hold_what_they_must(i: int) -> None:
    psi_n, psi_p, t, draws, sigma, expected = BULKS[i]
    spec = rf.spectrum(rf.ScoreProblem(psi_n, psi_p, t, sigma, noise_draws=draws))
    np.testing.assert_allclose(spec.masses * psi_p, expected, rtol=1e-9)
    assert spec.edges[0, 0] > 0


def test_eigenvalues_of_one_draw_lie_in_the_bulks() -> None:
    problem = rf.ScoreProblem(0.2, 3.0, 0.06, noise_draws=3)
    spec = rf.spectrum(problem)
    values = rf.finite.draw(problem, d=200, seed=0).modes().eigenvalues
    seen = values[values > 1e-9]
    assert seen.size == 120
    inside = (seen[:, None] > 0.93 * spec.edges[:, 0]) & (seen[:, None] < 1.07 * spec.edges[:, 1])
    assert inside.any(axis=1).all()
    np.testing.assert_allclose(inside.sum(axis=0) / 200, spec.masses * problem.psi_p, atol=0.011)


def test_many_problems_at_once_have_the_gaps_of_each() -> None:
    problems = [rf.ScoreProblem(n, 3.0 * n, 0.05, sigma, noise_draws=m)
                for n in (0.3, 4.0) for sigma in (rf.Isotropic(), TWO) for m in (1, 2, np.inf)]  # fmt: skip
    eqs = float64(lambda: [equivalent(problem) for problem in problems])()
    for eq, together in zip(eqs, gaps(eqs), strict=True):
        assert together == gaps([eq])[0]


def test_times_of_many_problems_under_vmap_are_those_of_each() -> None:
    psi_n = np.array([0.4, 4.0, 30.0])
    with jax.enable_x64(True):
        many = jax.jit(jax.vmap(lambda n: rf.timescales(rf.ScoreProblem(n, 20.0, 0.01))))(psi_n)
    for i, n in enumerate(psi_n):
        alone = rf.timescales(rf.ScoreProblem(n, 20.0, 0.01))
        for name in ("tau_mem_edge", "tau_last_edge"):
            assert float(getattr(many, name)[i]) == pytest.approx(float(getattr(alone, name)), rel=1e-12)
