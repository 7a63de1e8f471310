"""The one-point equations: identities of a resolvent, and the same numbers from four independent routes."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rfscore as rf
from rfscore import oracle, testing
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent, readings
from tests.reference import theory_twins as twin
from tests.theory.helpers import REGIMES, around_spectrum, eight, examples, of, problems, q

regimes = pytest.mark.parametrize("problem", REGIMES.values(), ids=REGIMES.keys())


@regimes
def test_damped_iteration_reaches_the_same_solution(problem: rf.ScoreProblem) -> None:
    z = around_spectrum(problem)
    twins, res = twin.fixed_point(twin.parts(problem), z), rf.resolvent(problem, z)
    for name in ("q", "r", "s"):
        assert np.allclose(getattr(res, name), twins[name], rtol=1e-11, atol=0.0), name
    assert np.allclose(res.delta, twins["delta"][:, 0], rtol=1e-11, atol=0.0)


@pytest.mark.parametrize("name", ["p < n", "n < d", "null directions", "condition 1e6", "p = n"])
def test_fifty_digits_agree_to_thirteen(name: str) -> None:
    problem = REGIMES[name]
    z = around_spectrum(problem)
    res = rf.resolvent(problem, z)
    for j in (0, 3, 7):
        exact = oracle.resolvent(problem, z[j], dps=50)
        for field in ("q", "r", "s", "delta"):
            assert abs(getattr(res, field)[j] / complex(getattr(exact, field)) - 1.0) < 2e-13, (field, z[j])


@pytest.mark.parametrize("name", ["small", "paper, p > n", "p < n", "p = n + 1", "p < d"])
def test_polynomial_root_is_the_isotropic_solution_also_on_the_real_axis(name: str) -> None:
    problem = REGIMES[name]
    u = twin.parts(problem)
    heights = twin.isotropic_edge_heights(u).reshape(-1, 2)
    inside = [u.fixed[0] + low + x * (high - low) for low, high in heights for x in (0.1, 0.5, 0.9)]
    z = eight(np.array([*inside, *around_spectrum(problem)[:2]]))[:8]
    assert np.allclose(q(problem, z), twin.isotropic_q(u, z), rtol=1e-10, atol=0.0)


@examples(12)
@given(problems(), st.data())
def test_resolvents_are_herglotz_over_the_whole_domain(problem: rf.ScoreProblem, data: st.DataObject) -> None:
    z = np.array([data.draw(testing.spectral_points(problem)) for _ in range(8)])
    for name in ("q", "s", "r"):
        testing.assert_herglotz(lambda x, name=name: of(name, problem, x), z, rtol=1e-9)
    testing.assert_herglotz(lambda x: rf.resolvent(problem, x).delta, z, rtol=1e-9)


@examples(12)
@given(problems())
def test_resolvent_falls_off_as_the_first_two_moments_say(problem: rf.ScoreProblem) -> None:
    testing.assert_tail(lambda z: q(problem, z), problem)


@examples(12)
@given(problems(), st.data())
def test_returned_residual_and_status_say_verified(problem: rf.ScoreProblem, data: st.DataObject) -> None:
    low = float(rf.coefficients(problem).s2)
    z = np.array([data.draw(testing.spectral_points(problem, both=True)) for _ in range(7)] + [-low])
    res = rf.resolvent(problem, z)
    assert np.all(res.residual < 1e-12) and np.all(res.status == 0) and res.message == "verified"
    # both equations of Theorem 3.1 again, from the returned q, r, s, delta alone
    co, (lam, rho) = rf.coefficients(problem), problem.quadrature()
    m = co.b**2 + co.alpha2 * np.asarray(lam) / (1.0 + res.delta[:, None])
    inverse = 1.0 / (1.0 + problem.psi_p * res.q[:, None] * m)
    kappa = co.s2 - z + co.v2 / (1.0 + res.delta)
    size = abs(1.0 / res.q) + abs(z) + abs(kappa)
    assert np.all(abs(1.0 / res.q - kappa - (rho * m * inverse).sum(-1)) < 1e-11 * size)
    assert np.allclose(res.s, res.q * (rho * inverse).sum(-1), rtol=1e-11, atol=0.0)
    assert np.allclose(res.r, res.q * (rho * lam * inverse).sum(-1), rtol=1e-11, atol=0.0)
    right = problem.psi_p / problem.psi_n * (co.v2 * res.q + co.alpha2 * res.r)
    assert np.all(abs(res.delta - right) < 1e-11 * problem.psi_p / problem.psi_n * (co.v2 + co.alpha2) * abs(res.q))


@regimes
def test_trace_identity_links_q_and_the_trace_of_u(problem: rf.ScoreProblem) -> None:
    """(1/p) Tr [U (U - z)^{-1}] = 1 + z q, written with q, s, delta through the parts of U."""
    z, co = around_spectrum(problem), rf.coefficients(problem)
    res = rf.resolvent(problem, z)
    parts = co.s2 * res.q + co.b**2 * res.s + problem.psi_n / problem.psi_p * res.delta / (1.0 + res.delta)
    assert np.all(abs(1.0 + z * res.q - parts) < 1e-12 * (1.0 + abs(z * res.q)))


@regimes
def test_multiplying_u_by_a_number_only_rescales_z(problem: rf.ScoreProblem) -> None:
    factor, z = 3.7, around_spectrum(problem)
    with jax.enable_x64(True):
        eq = equivalent(problem)
        scaled = eqx.tree_at(
            lambda e: (e.fixed, e.sampled, e.mean), eq, tuple(factor * part for part in (eq.fixed, eq.sampled, eq.mean))
        )
        one, two = (_solved(e, jnp.asarray(x)).q for e, x in ((eq, z), (scaled, factor * z)))
        assert np.allclose(factor * two, one, rtol=1e-12, atol=0.0)


_solved = jax.jit(lambda eq, z: rs.solve(eq, z)[0])


def test_real_point_inside_a_bulk_is_the_limit_from_above() -> None:
    problem = REGIMES["two atoms"]
    lam = 3.0
    below = q(problem, eight([lam, *(lam + 1j * 10.0 ** -np.arange(1, 7))]))
    gap = abs(below[1:7] - below[0])
    assert below[0].imag > 0.01
    assert np.allclose(gap[:-1] / gap[1:], 10.0, rtol=0.2)  # first order in the height


def test_shape_and_order_of_z_are_kept() -> None:
    problem = REGIMES["small"]
    z = around_spectrum(problem)
    square = rf.resolvent(problem, z.reshape(2, 4))
    assert square.q.shape == square.delta.shape == square.status.shape == (2, 4)
    assert np.allclose(square.q.ravel(), q(problem, z), rtol=1e-13)
    assert np.allclose(q(problem, z[::-1])[::-1], q(problem, z), rtol=1e-13)


@pytest.mark.parametrize("distance", [0.0, 1e-12, -1e-12, 1e-9, -1e-9, 1e-7])
def test_point_next_to_the_atom_is_right_or_refused_but_never_silently_wrong(distance: float) -> None:
    problem = REGIMES["small"]  # psi_p > psi_n + 1: mass 5/8 at s2, where q has a pole
    floor = float(rf.coefficients(problem).s2)
    at = floor * (1.0 + distance)
    res = rf.resolvent(problem, eight([at + 0j, -1.0]), throw=False)
    assert res.status[1] == 0
    if distance == 0.0 or res.status[0] != 0:
        assert res.status[0] != 0 and "move it" in res.message
        with pytest.raises(rf.SolveError, match=r"resolvent at z = .*(move it|imaginary part)"):
            rf.resolvent(problem, eight([at + 0j, -1.0]))
        assert abs(distance) < 1e-8
    else:  # the rest of q is of order one hundred, roundoff of z - s2 of order eps/distance
        assert abs(res.q[0] * (floor - at) / 0.625 - 1.0) < 1e-14 / abs(distance) + 1e3 * abs(distance)


def _limit(eq: Equivalent, **changes: tuple[float, float, float]) -> Equivalent:
    fixed = jnp.asarray(changes.get("fixed", eq.fixed))
    sampled = jnp.asarray([changes["sampled"]]) if "sampled" in changes else eq.sampled
    return _with(eq, fixed, sampled, eq.share, eq.ratio)


def _with(eq: Equivalent, fixed: Any, sampled: Any, share: Any, ratio: Any) -> Equivalent:
    """Other parts, with what the unknown traces are then read off."""
    chosen = (fixed, sampled, share, ratio, *readings(sampled, ratio))
    return eqx.tree_at(lambda e: (e.fixed, e.sampled, e.share, e.ratio, e.mean, e.mix), eq, chosen)


def _marchenko_pastur(z: np.ndarray, variance: float, ratio: float) -> np.ndarray:
    """q of variance Z Z^T/n, Z p x n, ratio = p/n: the root with Im q > 0, then Im(z q) > 0."""
    roots = []
    for x in z:
        both = np.roots([ratio * variance * x, x - variance * (1.0 - ratio), 1.0])
        roots.append(max(both, key=lambda w, x=x: min(w.imag / abs(w), (x * w).imag / abs(x * w))))
    return np.array(roots)


@pytest.mark.parametrize("ratio", [0.25, 4.0])
def test_without_signal_and_noise_weight_the_law_is_marchenko_pastur(ratio: float) -> None:
    """alpha2, b -> 0: U = s2 + v2 Omega Omega^T/n."""
    problem = rf.ScoreProblem(8.0 / ratio, 8.0, 0.1)
    co, z = rf.coefficients(problem), around_spectrum(problem)[:7]
    with jax.enable_x64(True):
        eq = _limit(equivalent(problem), fixed=(co.s2, 0.0, 0.0), sampled=(co.v2, 0.0, 0.0))
        found = np.asarray(_solved(eq, jnp.asarray(eight(z))).q)[:7]
    assert np.allclose(found, _marchenko_pastur(z - float(co.s2), float(co.v2), ratio), rtol=1e-11, atol=0.0)


def test_with_the_noise_weight_alone_the_law_is_the_wishart_of_w() -> None:
    """alpha2, v2 -> 0: U = s2 + b^2 W W^T/d."""
    problem = rf.ScoreProblem(2.0, 8.0, 0.1)
    co, z = rf.coefficients(problem), around_spectrum(problem)[:7]
    with jax.enable_x64(True):
        eq = _limit(equivalent(problem), sampled=(1e-13, 0.0, 1e-13))
        found = np.asarray(_solved(eq, jnp.asarray(eight(z))).q)[:7]
    assert np.allclose(found, _marchenko_pastur(z - float(co.s2), float(co.b) ** 2, 8.0), rtol=1e-10, atol=0.0)


def test_many_samples_leave_the_population_spectrum_with_a_gap_of_order_one_over_psi_n() -> None:
    z = around_spectrum(rf.ScoreProblem(2.0, 4.0, 0.1))
    co = rf.coefficients(rf.ScoreProblem(2.0, 4.0, 0.1))
    exact = _marchenko_pastur(z[:7] - float(co.v2 + co.s2), float(co.mu1**2), 4.0)  # Sigma_t = I
    gap = [np.max(abs(q(rf.ScoreProblem(n, 4.0, 0.1), z)[:7] / exact - 1.0)) for n in (1e3, 1e4)]
    assert gap[1] < 0.02 and gap[0] / gap[1] == pytest.approx(10.0, rel=0.1)


def test_root_of_the_equations_on_the_wrong_branch_is_not_called_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside the support the conjugate of the resolvent solves the same equations to roundoff."""
    problem = rf.ScoreProblem(4.0, 16.0, 0.1)
    low, high = rf.spectrum(problem).edges[-1]
    right = rs._solve
    with jax.enable_x64(True):
        eq, z = equivalent(problem), jnp.array([0.5 * (low + high) + 1e-14j])
        assert int(rs.solve(eq, z)[2][0]) == rs.OK
        monkeypatch.setattr(rs, "_solve", lambda *arguments: jax.tree.map(jnp.conj, right(*arguments)))
        _, residual, status = rs.solve(eq, z)
    assert float(residual[0]) < rs.RESIDUAL_TOLERANCE and int(status[0]) == rs.WRONG_BRANCH


def test_solver_takes_two_sampled_parts() -> None:
    """Another training protocol is another list of parts: two independent sample covariances."""
    problem = REGIMES["two atoms"]
    z = around_spectrum(problem)
    with jax.enable_x64(True):
        eq = equivalent(problem)
        both = jnp.asarray([[0.02, 0.05, 0.2], [0.03, 0.1, 0.0]])
        eq = _with(eq, eq.fixed, both, jnp.asarray([1.0, 0.5]), jnp.asarray([4.0, 2.0]))
        x, size, status = jax.jit(rs.solve)(eq, jnp.asarray(z))
        found, residual, verdict = np.asarray(x.q), np.asarray(size), np.asarray(status)
    u = twin.parts(problem)
    u = twin.Parts(u.psi_p, u.nodes, u.weights, u.fixed, ((0.02, 0.05, 0.2), (0.03, 0.1, 0.0)), (1.0, 0.5), (4.0, 2.0),
                   u.population, u.b, u.delta_t)  # fmt: skip
    assert np.all(verdict == 0) and np.all(residual < 1e-12)
    assert np.allclose(found, twin.fixed_point(u, z)["q"], rtol=1e-11, atol=0.0)
