"""Edges of the oracle: exact discriminants, exact masses, extreme corners."""

from __future__ import annotations

import functools
import itertools

import pytest
import sympy
from mpmath import mp

import rfscore as rf
from rfscore import oracle
from rfscore.oracle.equivalence import Model
from rfscore.oracle.onepoint import solve
from rfscore.oracle.spectrum import stationary

HARD = [
    (8, 64, 0.01, 1.0),
    (32, 64, 0.01, 1.0),
    (8, 9, 0.1, 1.0),
    (8, 8, 0.1, 1.0),
    (2, 0.5, 0.1, 1.0),
    (0.02, 0.02, 5.0, 1.0),
    (1e4, 1e4, 1e-4, 1.0),
    (2, 8, 0.1, rf.Atoms([0.5, 1.5])),
    (8, 64, 0.01, rf.Atoms([0.5, 1.5])),
    (3, 1e4, 1e-4, rf.Atoms([1e-3, 1e3])),
    (1000, 100, 0.1, rf.Atoms([0.1, 1.0, 10.0])),
    (5, 20, 0.3, rf.Atoms([0.0, 1.0], [0.25, 0.75])),
]


@functools.cache
def discriminant() -> tuple:
    """Discriminant in z of the polynomial of w for Sigma = I, by elimination of h with sympy."""
    w, h, z, n, p, al, b2, v2, s2 = sympy.symbols("w h z n p al b2 v2 s2")
    # (w/h - 1) n = w (v2 + al/(1 + b2 w + al h)) and w (s2 - z) + v2 h + 1 - 1/(1 + b2 w + al h) = p
    bulk = 1 + b2 * w + al * h
    one = sympy.expand(n * (w - h) * bulk - w * h * (v2 * bulk + al))
    two = sympy.expand((w * (s2 - z) + v2 * h + 1 - p) * bulk - 1)
    return one, two, (w, h, z, n, p, al, b2, v2, s2)


@pytest.mark.parametrize(("psi_n", "psi_p", "alpha2", "b2", "v2", "s2"), [
    (2, 8, "1/3", "1/10", "1/50", "1/60"), (4, 3, "1/3", "1/100", "1/30", "1/400"), (1, 3, "2/5", "1/5", "1/7", "1/9"),
])  # fmt: skip
def test_stationary_points_are_the_real_zeros_of_the_discriminant(
    psi_n: int, psi_p: int, alpha2: str, b2: str, v2: str, s2: str
) -> None:
    one, two, (w, h, z, n, p, al, bb, vv, ss) = discriminant()
    values = dict(zip((n, p, al, bb, vv, ss), map(sympy.Rational, (psi_n, psi_p, alpha2, b2, v2, s2)), strict=True))
    eliminated = sympy.factor_list(sympy.resultant(one.subs(values), two.subs(values), h))[1]
    polynomial = max((f for f, _ in eliminated), key=lambda f: sympy.degree(f, w))
    roots = [r for f, _ in sympy.factor_list(sympy.discriminant(polynomial, w))[1] if f.has(z)
             for r in sympy.Poly(f, z).nroots(n=40, maxsteps=200) if r.is_real]  # fmt: skip
    with mp.workdps(40):
        numbers = [mp.mpf(sympy.Rational(x).p) / sympy.Rational(x).q for x in (alpha2, b2, v2, s2)]
        m = Model(mp.mpf(psi_n), mp.mpf(psi_p), *numbers, mp.mpf(1) / 2, mp.mpf(1) / 2, (mp.mpf(1),), (mp.mpf(1),))
        exact = _edges_among(m, sorted(mp.mpf(str(r)) for r in roots if r > 0))
        found = _edges_among(m, [x for x in stationary(m) if x > m.s2])
        assert len(exact) == len(found) >= 2
        assert all(abs(x - y) < mp.mpf(10) ** -25 * x for x, y in zip(exact, found, strict=True))


def _edges_among(m: Model, candidates: list) -> list:
    """Those candidates across which the density starts or stops being positive."""
    points = [(m.s2 + candidates[0]) / 2, *((a + b) / 2 for a, b in itertools.pairwise(candidates)), 2 * candidates[-1]]
    inside = [solve(m, x)[2] == "bulk" for x in points]
    return [c for c, (before, after) in zip(candidates, itertools.pairwise(inside), strict=True) if before != after]


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=str(c), marks=() if j < 4 else pytest.mark.slow) for j, c in enumerate(HARD)]
)
def test_masses_of_bulks_and_atom_sum_to_one_so_no_bulk_was_missed(case: tuple) -> None:
    psi_n, psi_p, t, covariance = case
    problem = rf.ScoreProblem(psi_n, psi_p, t, covariance, activation="erf")
    found = oracle.edges(problem, dps=12)
    values = [float(x) for x in found.values]
    assert all(error < 1e-12 * value for value, error in zip(values, found.errors, strict=True))
    masses = [float(oracle.bulk_mass(problem, found, j, dps=7)) for j in range(len(found.bulks))]
    assert abs(sum(masses) + (float(found.atom[1]) if found.atom else 0) - 1) < 1e-6
    if case == HARD[0]:
        assert [round(64 * x, 5) for x in masses] == [1.0, 7.0, 1.0]


def test_atom_appears_exactly_above_psi_n_plus_one() -> None:
    for psi_p, mass in ((3.0, None), (2.5, None), (4.0, 0.25)):
        found = oracle.edges(rf.ScoreProblem(2, psi_p, 0.1, activation="erf"), dps=8)
        assert (found.atom is None) if mass is None else abs(found.atom[1] - mass) < 1e-20


def test_hard_edge_sits_at_s2_when_psi_p_equals_psi_n_plus_one() -> None:
    problem = rf.ScoreProblem(2, 3, 0.1, activation="erf")
    left = oracle.edges(problem, dps=15).values[0]
    assert abs(left - oracle.coefficients(problem, dps=15).s2) < mp.mpf(10) ** -20


def test_density_changes_sign_of_being_zero_across_every_edge() -> None:
    problem = rf.ScoreProblem(8, 64, 0.01, rf.Atoms([0.5, 1.5]), activation="erf")
    for j, edge in enumerate(oracle.edges(problem, dps=15).values):
        inner, outer = (edge * (1 + side * mp.mpf(10) ** -9) for side in ((1, -1) if j % 2 == 0 else (-1, 1)))
        assert oracle.density(problem, inner, dps=20).value > 0
        assert oracle.density(problem, outer, dps=20).value == 0
