r"""Property tests for spectral formulas and loss curves: Hypothesis strategies and ready assertions.

Hand your own function to a strategy of problems over the whole domain and to the identities that every correct formula
satisfies; `assert_matches_oracle` compares it with verified numbers of any precision. Needs the extras `test` and, for
the oracle, `oracle`.

Example:
    A formula that swaps psi_n and psi_p passes every test at psi_n = psi_p, and no other:

    >>> from hypothesis import Phase, given, settings
    >>> import numpy as np
    >>> import rfscore as rf
    >>> from rfscore import oracle, testing
    >>> def swapped(problem, z):                                # the planted error
    ...     wrong = rf.ScoreProblem(problem.psi_p, problem.psi_n, problem.t, problem.population, problem.activation)
    ...     return np.array([complex(oracle.resolvent(wrong, x, dps=12).q) for x in z])
    >>> @settings(max_examples=5, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    ... @given(testing.problems(psi=(0.5, 20.0), activation=testing.activations(["erf"])))
    ... def test_resolvent(problem):
    ...     testing.assert_matches_oracle(swapped, problem, "resolvent", count=4, rtol=1e-6)
    >>> try:
    ...     test_resolvent()
    ... except AssertionError as error:
    ...     print(str(error)[:16])
    resolvent: FAILS
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from rfscore._extras import need

need("rfscore.testing", "hypothesis")
from hypothesis import strategies as st

import rfscore as rf
from rfscore.model.problem import PSI_RANGE, T_RANGE

Function = Callable[[np.ndarray], np.ndarray]
Draw = Callable[..., Any]  # Hypothesis' DrawFn, a protocol that cannot be checked while running


# Strategies ----------------------------------------------------------------------------------------------------------


def log_uniform(low: float, high: float) -> st.SearchStrategy[float]:
    """Floats whose logarithm is spread over [log low, log high]; shrinks towards `low`."""
    return st.floats(0.0, 1.0).map(lambda u: min(max(low * (high / low) ** u, low), high))


def activations(names: Sequence[str] = ("tanh", "erf", "sin", "relu")) -> st.SearchStrategy[str]:
    """Names of built-in activations."""
    return st.sampled_from(list(names))


@st.composite
def covariances(
    draw: Draw, *, max_atoms: int = 4, max_condition: float = 1e6, variance: tuple[float, float] = (0.1, 4.0)
) -> rf.Covariance:
    """Isotropic covariances and atoms with condition up to `max_condition`; one atom may be exactly 0.

    Args:
        draw: given by Hypothesis.
        max_atoms: largest number of distinct eigenvalues.
        max_condition: largest ratio of two non-zero eigenvalues.
        variance: range of Tr Sigma/d.
    """
    scale = draw(log_uniform(*variance))
    count = draw(st.integers(1, max_atoms))
    if count == 1:
        return rf.Isotropic(scale)
    values = np.array([1.0, *(draw(log_uniform(1.0, max_condition)) for _ in range(count - 1))])
    if count > 2 and draw(st.booleans()):
        values[0] = 0.0
    weights = np.array([draw(st.floats(0.05, 1.0)) for _ in range(count)])
    weights /= weights.sum()
    return rf.Atoms(values * scale / (values * weights).sum(), weights)


@st.composite
def problems(
    draw: Draw,
    *,
    psi: tuple[float, float] = PSI_RANGE,
    t: tuple[float, float] = T_RANGE,
    population: st.SearchStrategy[rf.Covariance] | None = None,
    activation: st.SearchStrategy[str] | None = None,
) -> rf.ScoreProblem:
    """Problems over the whole domain, with its corners: psi_p = psi_n, psi_p = psi_n + 1, psi_p < 1.

    Args:
        draw: given by Hypothesis.
        psi: range of psi_n and psi_p, log-uniform.
        t: range of the diffusion time, log-uniform.
        population: strategy of populations, default `covariances()`.
        activation: strategy of activation names, default `activations()`.
    """
    psi_n = draw(log_uniform(*psi))
    kind = draw(st.sampled_from(["free", "free", "free", "equal", "plus one", "below one"]))
    psi_p = {"equal": psi_n, "plus one": min(psi_n + 1, psi[1])}.get(kind)
    if kind == "below one" and psi[0] < 1:
        psi_p = draw(log_uniform(psi[0], min(1.0, psi[1])))
    if psi_p is None:
        psi_p = draw(log_uniform(*psi))
    sigma = draw(activation if activation is not None else activations())
    # sin is periodic: on a scale of several periods it has no linear part left.
    default = covariances(variance=(0.1, 2.0) if sigma == "sin" else (0.1, 4.0))
    rho = draw(population if population is not None else default)
    return rf.ScoreProblem(psi_n, psi_p, draw(log_uniform(*t)), rho, sigma)


def scales(problem: rf.ScoreProblem) -> tuple[float, float]:
    """(s2, an upper bound of the order of the largest eigenvalue of U)."""
    co, top = rf.coefficients(problem), float(np.max(problem.population.classes().nodes))
    alpha2, aspect = co.a**2 * problem.signal**2, (1 + np.sqrt(1 / problem.psi_n)) ** 2
    signal = (co.b**2 + alpha2 * top * aspect) * (1 + np.sqrt(problem.psi_p)) ** 2
    return float(co.s2), float(co.s2 + co.v2 * (1 + np.sqrt(problem.psi_p / problem.psi_n)) ** 2 + signal)


@st.composite
def spectral_points(draw: Draw, problem: rf.ScoreProblem, *, both: bool = False) -> complex:
    """Complex points from a tenth of the smallest scale of the spectrum of U to ten times its largest.

    Args:
        draw: given by Hypothesis.
        problem: sets the scales.
        both: also the lower half-plane.
    """
    low, high = scales(problem)
    modulus = draw(log_uniform(0.1 * low, 10.0 * high))
    angle = draw(st.one_of(st.floats(1e-3, np.pi - 1e-3), log_uniform(1e-6, 1e-2)))
    z = modulus * complex(np.cos(angle), np.sin(angle))
    return z.conjugate() if both and draw(st.booleans()) else z


# Assertions ----------------------------------------------------------------------------------------------------------


def _require(name: str, error: Any, tolerance: float, at: Any) -> None:
    """Fail with the worst point; NaN counts as infinitely wrong."""
    error = np.atleast_1d(np.asarray(error, dtype=float))
    error = np.where(np.isfinite(error), error, np.inf)
    worst = int(np.argmax(error))
    if error[worst] > tolerance:
        where = np.atleast_1d(np.asarray(at))
        point = where[worst] if len(where) == len(error) else at
        raise AssertionError(f"{name}: off by {error[worst]:.3e} at {point}; allowed {tolerance:.1e}")


def assert_matches_oracle(
    function: Callable, problem: rf.ScoreProblem, quantity: str = "density", **options: Any
) -> None:
    """`rfscore.oracle.check`, raising AssertionError with its message when it fails."""
    from rfscore import oracle

    oracle.check(function, problem, quantity, throw=True, **options)


def assert_mass_and_moment(
    density: Function, edges: Iterable[float], problem: rf.ScoreProblem, *, rtol: float = 1e-6, count: int = 400
) -> None:
    """Bulks plus atom have mass 1 and first moment E sigma(Gamma_t z)^2.

    Args:
        density: lam -> rho(lam) of the continuous part, vectorised.
        edges: all its edges, ascending.
        problem: the model; the atom at s2 has mass 1 - (1 + psi_n)/psi_p where that is positive.
        rtol: tolerance on both numbers.
        count: quadrature nodes per bulk; square-root and inverse-square-root edges are integrated exactly.
    """
    ends = np.asarray(list(edges), dtype=float)
    co = rf.coefficients(problem)
    mass = max(0.0, 1.0 - (1.0 + problem.psi_n) / problem.psi_p)
    moment = mass * co.s2
    theta = (np.arange(count) + 0.5) * np.pi / count
    for low, high in zip(ends[::2], ends[1::2], strict=True):
        middle, half = 0.5 * np.log(low * high), 0.5 * np.log(high / low)
        lam = np.exp(middle - half * np.cos(theta))
        weight = np.asarray(density(lam)) * lam * half * np.sin(theta) * np.pi / count
        mass, moment = mass + weight.sum(), moment + (weight * lam).sum()
    _require("total mass of the spectrum", abs(mass - 1.0), rtol, float(mass))
    expected = co.mu1**2 * _trace_ratio(problem) + co.v2 + co.s2
    _require("first moment of the spectrum", abs(moment / expected - 1.0), rtol, float(moment))


def _trace_ratio(problem: rf.ScoreProblem) -> float:
    """Tr Sigma_t/(d Gamma_t^2) = 1, from the quadrature nodes, so that their rounding is not charged to the formula."""
    nodes, weights = problem.quadrature()
    return float((weights * (problem.signal**2 * nodes + problem.delta)).sum() / problem.gamma2)


def assert_herglotz(function: Function, points: Any, *, rtol: float = 1e-10) -> None:
    """Im f > 0 and Im(z f) >= 0 for Im z > 0, and f(conj z) = conj f(z): a Stieltjes transform on [0, inf)."""
    z = np.atleast_1d(np.asarray(points, dtype=complex))
    z = np.where(z.imag < 0, z.conj(), z)
    value = np.asarray(function(z))
    size = np.abs(value)
    _require("sign of Im f(z) for Im z > 0", -value.imag / size, 0.0, z)
    _require("sign of Im(z f(z)) for Im z > 0", -(z * value).imag / (np.abs(z) * size), rtol, z)
    _require("f(conj z) = conj f(z)", np.abs(np.asarray(function(z.conj())) - value.conj()) / size, rtol, z)


def assert_tail(resolvent: Function, problem: rf.ScoreProblem, *, rtol: float = 1e-3) -> None:
    """q(z) = -1/z - m_1/z^2 + O(1/z^3), m_1 = E sigma(Gamma_t z)^2, far from the spectrum."""
    co, top = rf.coefficients(problem), scales(problem)[1]
    far = 1e4 * top
    z = far * np.array([-1.0, 1j, -1j, 1.0 + 1.0j])
    moment = -z * (1.0 + z * np.asarray(resolvent(z)))
    # Rounding in q is multiplied by z^2/m_1, the next moment contributes at most top/|z|.
    allowed = 2.0 * (top / far + 1e-15 * far / co.norm2)
    _require("1/z^2 coefficient of q", np.abs(moment / co.norm2 - 1.0), max(rtol, allowed), z)


def assert_kernel_symmetry(kernel: Callable, points: Any, *, rtol: float = 1e-10) -> None:
    """T(z1, z2) = T(z2, z1) and T(conj z1, conj z2) = conj T(z1, z2) on all pairs of `points`."""
    z1, z2 = (x.ravel() for x in np.meshgrid(*2 * [np.asarray(points, dtype=complex)]))
    value = np.asarray(kernel(z1, z2))
    size = np.abs(value)
    _require("T(z1, z2) = T(z2, z1)", np.abs(np.asarray(kernel(z2, z1)) - value) / size, rtol, z1)
    turned = np.asarray(kernel(z1.conj(), z2.conj()))
    _require("T(conj z1, conj z2) = conj T", np.abs(turned - value.conj()) / size, rtol, z1)


def assert_resolvent_identity(kernel: Callable, trace: Function, points: Any, *, rtol: float = 1e-8) -> None:
    """The kernel of the identity coupling is (S(z1) - S(z2))/(z1 - z2), S = (1/d^2) Tr W^T (U - z)^{-1} W = psi_p s.

    Args:
        kernel: (z1, z2) -> (1/d^2) Tr W^T (U - z1)^{-1} (U - z2)^{-1} W, vectorised.
        trace: z -> S(z).
        points: spectral points; every pair of different ones is tried.
        rtol: tolerance, relative to the larger of the two traces over the distance (what rounding allows).
    """
    z = np.asarray(points, dtype=complex)
    first, second = np.triu_indices(len(z), 1)
    z1, z2 = z[first], z[second]
    s1, s2 = np.asarray(trace(z1)), np.asarray(trace(z2))
    error = np.abs(np.asarray(kernel(z1, z2)) * (z1 - z2) - (s1 - s2)) / np.maximum(np.abs(s1), np.abs(s2))
    _require("T_I(z1, z2) (z1 - z2) = S(z1) - S(z2)", error, rtol, z1)


def assert_starts_at_one(*curves: Function, atol: float = 1e-12) -> None:
    """L(0) = 1 for every curve: the untrained network predicts 0."""
    for curve in curves:
        _require("L(0) = 1", np.abs(np.asarray(curve(np.zeros(1))) - 1.0), atol, 0.0)


def assert_train_decreases(train: Function, tau: Any, *, atol: float = 1e-10) -> None:
    """The training loss never rises under gradient flow, and stays in [0, 1]."""
    tau = np.sort(np.asarray(tau, dtype=float))
    value = np.asarray(train(tau))
    _require("L_train does not rise", np.diff(value), atol, tau[1:])
    _require("L_train <= 1", value - 1.0, atol, tau)
    _require("L_train >= 0", -value, atol, tau)


def assert_denoising_identity(
    test: Function, score_error: Function, problem: rf.ScoreProblem, tau: Any, *, rtol: float = 1e-8
) -> None:
    """Delta_t E_score = L_test - 1 + Delta_t (1/d) Tr Sigma_t^{-1} for Gaussian data, and E_score >= 0, at every time.

    Give a score error that was computed another way than by this identity: bias^2 + variance, or an average over data.
    """
    nodes, weights = problem.quadrature()
    inverse = float((weights / (problem.signal**2 * nodes + problem.delta)).sum())
    tau = np.asarray(tau, dtype=float)
    loss, error = np.asarray(test(tau)), np.asarray(score_error(tau))
    scale = np.maximum(np.abs(loss), 1.0)
    _require("score error >= 0", -problem.delta * error / scale, rtol, tau)
    gap = np.abs(problem.delta * error - (loss - 1.0 + problem.delta * inverse))
    _require("denoising identity", gap / scale, rtol, tau)
