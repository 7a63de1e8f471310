"""rfscore.testing: correct formulas pass every assertion, planted errors do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rfscore as rf
from rfscore import oracle, testing
from rfscore.model.problem import PSI_RANGE, T_RANGE

PROBLEM = rf.ScoreProblem(2, 8, 0.1, rf.Atoms([0.5, 1.5]), activation="erf")
POINTS = np.array([-0.3 + 0j, 0.2 + 0.1j, 3 + 2j, 0.02 + 0.001j])
TAU = np.array([0.0, 1.0, 50.0, 2e3, np.inf])
few = settings(max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


def q(z: np.ndarray) -> np.ndarray:
    return np.array([complex(oracle.resolvent(PROBLEM, x, dps=25).q) for x in z])


def trace(z: np.ndarray) -> np.ndarray:
    return np.array([PROBLEM.psi_p * complex(oracle.resolvent(PROBLEM, x, dps=14).s) for x in z])


def kernel(z1: np.ndarray, z2: np.ndarray, coupling: tuple | None = None) -> np.ndarray:
    pairs = zip(z1, z2, strict=True)
    return np.array([complex(oracle.kernel(PROBLEM, a, b, dps=14, coupling=coupling)) for a, b in pairs])


def curve(name: str) -> testing.Function:
    return lambda tau: np.array([float(getattr(oracle.losses(PROBLEM, x, dps=8), name)) for x in tau])


@few
@given(testing.problems())
def test_strategies_stay_inside_the_domain(problem: rf.ScoreProblem) -> None:
    assert PSI_RANGE[0] <= problem.psi_n <= PSI_RANGE[1] and PSI_RANGE[0] <= problem.psi_p <= PSI_RANGE[1]
    assert T_RANGE[0] <= problem.t <= T_RANGE[1]
    assert 1 <= problem.population.condition <= 1.001e6


def test_strategies_reach_every_corner_and_most_of_the_range() -> None:
    seen: list[rf.ScoreProblem] = []

    @settings(max_examples=400, deadline=None, database=None, derandomize=True)
    @given(testing.problems())
    def collect(problem: rf.ScoreProblem) -> None:
        seen.append(problem)

    collect()
    assert any(x.psi_n == x.psi_p for x in seen) and any(x.psi_p == x.psi_n + 1 for x in seen)
    assert any(x.psi_p < 1 for x in seen) and {x.activation.name for x in seen} == {"tanh", "erf", "sin", "relu"}
    assert max(x.psi_n for x in seen) > 1e3 and min(x.psi_n for x in seen) < 0.1
    assert max(x.population.condition for x in seen) > 1e5
    assert any(0.0 in np.asarray(x.population.quadrature()[0]) for x in seen)


@few
@given(st.data())
def test_spectral_points_lie_in_the_half_plane_asked_for(data: st.DataObject) -> None:
    low, high = testing.scales(PROBLEM)
    z = data.draw(testing.spectral_points(PROBLEM))
    assert z.imag > 0 and 0.09 * low <= abs(z) <= 10.1 * high


@pytest.mark.parametrize("problem", [PROBLEM, rf.ScoreProblem(0.1, 300, 1e-3, 2.0, "erf")])
def test_scales_bracket_the_spectrum(problem: rf.ScoreProblem) -> None:
    low, high = testing.scales(problem)
    edges = [float(x) for x in oracle.edges(problem, dps=8).values]
    assert low <= edges[0] * (1 + 1e-9) and edges[-1] <= high


def test_correct_formulas_pass_every_assertion() -> None:
    edges = [float(x) for x in oracle.edges(PROBLEM, dps=12).values]
    density = lambda lam: np.array([float(oracle.density(PROBLEM, x, dps=10)) for x in lam])  # noqa: E731
    testing.assert_mass_and_moment(density, edges, PROBLEM, count=40)
    testing.assert_herglotz(q, POINTS[1:])
    testing.assert_tail(q, PROBLEM)
    testing.assert_kernel_symmetry(kernel, POINTS[:3])
    testing.assert_resolvent_identity(lambda a, b: kernel(a, b, (1, 0, 0)), trace, POINTS)
    testing.assert_starts_at_one(curve("train"), curve("test"))
    testing.assert_train_decreases(curve("train"), TAU)
    testing.assert_denoising_identity(curve("test"), curve("score_error"), PROBLEM, TAU)
    testing.assert_matches_oracle(q, PROBLEM, "resolvent", points=POINTS)


_INVERSE = float(np.mean(1.0 / (np.exp(-0.2) * np.array([0.5, 1.5]) + PROBLEM.delta)))  # Tr Sigma_t^{-1}/d
PLANTED = {
    "mass": lambda: testing.assert_mass_and_moment(
        lambda lam: 1.01 * np.array([float(oracle.density(PROBLEM, x, dps=8)) for x in lam]),
        [float(x) for x in oracle.edges(PROBLEM, dps=10).values], PROBLEM, count=40,
    ),
    "sign of Im f": lambda: testing.assert_herglotz(lambda z: q(z).conj(), POINTS[1:]),
    "sign of Im\\(z f": lambda: testing.assert_herglotz(lambda z: -1 / (z + 1), POINTS[1:]),
    "f\\(conj z\\)": lambda: testing.assert_herglotz(lambda z: np.where(z.imag > 0, q(z), q(z).conj()), POINTS[1:]),
    "1/z\\^2": lambda: testing.assert_tail(lambda z: q(z) * (1 + 0.1 / z), PROBLEM),
    "T\\(z1, z2\\) = T\\(z2": lambda: testing.assert_kernel_symmetry(lambda a, b: kernel(a, b) + 1e-6 * a, POINTS[:3]),
    "T\\(conj": lambda: testing.assert_kernel_symmetry(lambda a, b: kernel(a, b) + 1e-3j, POINTS[:3]),
    "T_I": lambda: testing.assert_resolvent_identity(lambda a, b: kernel(a, b, (1, 1e-5, 0)), trace, POINTS),
    "L\\(0\\)": lambda: testing.assert_starts_at_one(lambda tau: 1 - 0.01 * np.exp(-tau)),
    "does not rise": lambda: testing.assert_train_decreases(curve("test"), TAU),
    "L_train >= 0": lambda: testing.assert_train_decreases(lambda tau: np.where(tau > 1, -0.1, 0.9), TAU),
    "denoising": lambda: testing.assert_denoising_identity(curve("test"), curve("test"), PROBLEM, TAU),
    "score error >= 0": lambda: testing.assert_denoising_identity(
        lambda tau: np.full(tau.shape, -9.0), lambda tau: np.full(tau.shape, -10.0 / PROBLEM.delta + _INVERSE),
        PROBLEM, TAU,
    ),
    "resolvent: FAILS": lambda: testing.assert_matches_oracle(lambda z: -q(z), PROBLEM, "resolvent", points=POINTS),
}  # fmt: skip


@pytest.mark.parametrize("message", PLANTED)
def test_planted_error_is_caught_by_the_assertion_made_for_it(message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        PLANTED[message]()


def test_nan_never_passes() -> None:
    with pytest.raises(AssertionError, match="off by inf"):
        testing.assert_starts_at_one(lambda tau: tau * np.nan)
