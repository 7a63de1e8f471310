"""The two-point kernel: symmetry, resolvent identities, and the same numbers by lifting and by differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rfscore as rf
from rfscore import oracle, testing
from tests.reference import theory_twins as twin
from tests.theory.helpers import REGIMES, around_spectrum, eight, examples, of, problems

COUPLINGS = {"I": (1.0, 0.0, 0.0), "W W^T/d": (0.0, 1.0, 0.0), "W Sigma W^T/d": (0.0, 0.0, 1.0)}
regimes = pytest.mark.parametrize("problem", REGIMES.values(), ids=REGIMES.keys())


def pairwise(problem: rf.ScoreProblem, coupling: tuple | None = None) -> testing.Function:
    """T elementwise on two lists, through the function that returns all pairs of eight points."""

    def kernel(z1: np.ndarray, z2: np.ndarray) -> np.ndarray:
        nodes = np.unique(np.concatenate([z1, z2]))
        values = {}
        for first in np.split(eight(nodes), eight(nodes).size // 8):
            for second in np.split(eight(nodes), eight(nodes).size // 8):
                table = rf.two_point(problem, first, second, coupling).values
                values |= {(a, b): table[i, j] for i, a in enumerate(first) for j, b in enumerate(second)}
        return np.array([values[pair] for pair in zip(z1, z2, strict=True)])

    return kernel


@examples(10)
@given(problems(), st.data())
def test_kernel_is_symmetric_and_conjugation_symmetric(problem: rf.ScoreProblem, data: st.DataObject) -> None:
    z = np.array([data.draw(testing.spectral_points(problem)) for _ in range(4)])
    testing.assert_kernel_symmetry(pairwise(problem), z, rtol=1e-9)


@examples(10)
@given(problems(), st.data())
def test_identity_coupling_is_the_resolvent_identity(problem: rf.ScoreProblem, data: st.DataObject) -> None:
    z = np.array([data.draw(testing.spectral_points(problem, both=True)) for _ in range(4)])
    testing.assert_resolvent_identity(
        pairwise(problem, COUPLINGS["I"]), lambda x: problem.psi_p * of("s", problem, x), z, rtol=1e-9
    )


@regimes
def test_all_couplings_equal_the_two_by_two_lift(problem: rf.ScoreProblem) -> None:
    z, u = around_spectrum(problem), twin.parts(problem)
    z[::2] = z[::2].conj()
    for coupling in (*COUPLINGS.values(), u.population):
        lifted = twin.lifted_kernel(u, z[:, None], z[None, :], coupling)
        assert np.allclose(rf.two_point(problem, z, z, coupling).values, lifted, rtol=1e-9, atol=0.0)


@pytest.mark.parametrize("coupling", COUPLINGS.values(), ids=COUPLINGS.keys())
def test_diagonal_is_the_derivative_of_the_trace_when_u_is_shifted(coupling: tuple[float, float, float]) -> None:
    problem = REGIMES["two atoms"]
    u, z = twin.parts(problem), around_spectrum(problem)
    step = 2e-4 * abs(z) / (1.0 if coupling[0] else 10.0)  # W W^T/d is about psi_p times larger than I
    exact = np.diag(rf.two_point(problem, z, z, coupling).values)
    by_differences = [twin.kernel_by_differences(u, z[j : j + 1], coupling, step[j])[0] for j in range(8)]
    assert np.allclose(exact, by_differences, rtol=2e-7, atol=0.0)


@pytest.mark.parametrize("name", ["six decades apart", "p < n", "null directions", "condition 1e6"])
def test_fifty_digits_agree_to_twelve(name: str) -> None:
    problem = REGIMES[name]
    z = around_spectrum(problem)
    found = rf.two_point(problem, z, z).values
    for i, j in ((0, 0), (1, 6), (3, 7)):
        assert abs(found[i, j] / complex(oracle.kernel(problem, z[i], z[j], dps=50)) - 1.0) < 1e-12


def test_default_coupling_is_the_population_matrix_and_the_kernel_is_linear_in_it() -> None:
    problem = REGIMES["two atoms"]
    z, co = around_spectrum(problem), rf.coefficients(problem)
    basis = [rf.two_point(problem, z, z, c).values for c in COUPLINGS.values()]
    weighted = (co.v2 + co.s2) * basis[0] + co.b**2 * basis[1] + co.alpha2 * basis[2]
    assert np.allclose(rf.two_point(problem, z, z).values, weighted, rtol=1e-12, atol=0.0)


def test_with_many_samples_the_population_kernel_is_the_resolvent_identity_of_u_itself() -> None:
    """psi_n -> infinity: U-tilde = U, so T = (z1 S(z1) - z2 S(z2))/(z1 - z2), up to 1/psi_n."""
    z = around_spectrum(rf.ScoreProblem(2.0, 4.0, 0.1))
    first, second = np.triu_indices(8, 1)
    gap = []
    for psi_n in (1e2, 1e3, 1e4):
        problem = rf.ScoreProblem(psi_n, 4.0, 0.1)
        trace = problem.psi_p * of("s", problem, z)
        identity = (z * trace)[first] - (z * trace)[second]
        found = rf.two_point(problem, z, z).values[first, second] * (z[first] - z[second])
        gap.append(np.max(abs(found - identity) / abs(identity)))
    assert gap[2] < 0.02
    assert gap[0] / gap[1] == pytest.approx(10.0, rel=0.3) and gap[1] / gap[2] == pytest.approx(10.0, rel=0.1)


def test_kernel_tail_is_the_second_moment_of_the_weights() -> None:
    """z1 z2 T -> (1/d^2) Tr W^T U-tilde W far away."""
    problem = REGIMES["two atoms"]
    co, lam = rf.coefficients(problem), np.array([0.5, 1.5])
    far = -1e7
    psi = problem.psi_p
    inside = (co.v2 + co.s2) * psi + co.b**2 * psi * (1.0 + psi) + co.alpha2 * psi * (lam.mean() + psi * lam.mean())
    z = eight([far + 0j])
    assert far**2 * rf.two_point(problem, z, z).values[0, 0].real == pytest.approx(inside, rel=1e-5)


@examples(10)
@given(problems())
def test_kernel_is_positive_below_the_spectrum(problem: rf.ScoreProblem) -> None:
    """For real z below the floor T(z, z) = |Ut^{1/2} (U - z)^{-1} W|^2/d^2 and Cauchy-Schwarz holds."""
    low, high = testing.scales(problem)
    z = -np.geomspace(low, high, 8).astype(complex)
    table = rf.two_point(problem, z, z).values
    assert np.max(abs(table.imag)) == 0.0 and np.all(table.real > 0)
    diagonal = np.sqrt(np.diag(table.real))
    assert np.all(table.real <= np.outer(diagonal, diagonal) * (1 + 1e-12))
