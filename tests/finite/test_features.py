"""U, V and their population versions against independent quadrature, and the identities they obey."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import rfscore as rf
import rfscore.finite
from tests.reference import finite_twins as twins


def arrays(d: int, p: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((p, d)), rng.standard_normal((n, d)), np.linspace(0.5, 1.5, d)


@pytest.mark.parametrize("d", [1, 2, 3, 8])
@pytest.mark.parametrize("t", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_smooth_features_equal_tensor_quadrature_within_the_reported_bound(d: int, t: float, name: str) -> None:
    sigma = {"tanh": np.tanh, "erf": special.erf, "sin": np.sin}[name]
    W, X, S = arrays(d, 4, 2, seed=d)
    inst = rf.finite.from_arrays(weights=W, data=X, t=t, activation=name, covariance=S)
    u, v = twins.feature_matrices(sigma, W, X, t)
    u_test, v_test = twins.population_matrices(sigma, W, np.diag(S), t)
    assert inst.error_bound < 1e-11
    for ours, theirs in ((inst.U, u), (inst.V, v), (inst.U_test, u_test), (inst.V_test, v_test)):
        assert np.max(np.abs(ours - theirs)) < inst.error_bound + 1e-14  # the twin rounds, too


@pytest.mark.parametrize("d", [1, 2, 3, 8])
def test_a_fallback_to_two_dimensions_changes_nothing(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    W, X, S = arrays(d, 6, 3, seed=d)
    series = rf.finite.from_arrays(weights=W, data=X, t=0.3, covariance=S)
    monkeypatch.setattr("rfscore.finite.hermite._choose_order", lambda *_: 2)
    direct = rf.finite.from_arrays(weights=W, data=X, t=0.3, covariance=S)
    assert direct.error_bound < 1e-12
    assert np.max(np.abs(series.U - direct.U)) < 3e-13
    assert np.max(np.abs(series.U_test - direct.U_test)) < 3e-13


@pytest.mark.parametrize(("d", "t"), [(2, 0.1), (3, 1.0), (30, 0.05)])
def test_relu_features_equal_adaptive_quadrature(d: int, t: float) -> None:
    W, X, S = arrays(d, 3, 2, seed=4)
    inst = rf.finite.from_arrays(weights=W, data=X, t=t, activation="relu", covariance=S)
    delta = 1 - np.exp(-2 * t)
    mean = np.sqrt((np.exp(-2 * t) * S.mean() + delta) / (2 * np.pi))  # E max(Gamma z, 0)

    def sigma(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0.0) - mean

    def pair(function, h, covariance):
        if np.ptp(covariance) == 0:  # the diagonal: one dimension, in closed form
            s = np.sqrt(covariance[0, 0])
            below, density = special.ndtr(h[0] / s), np.exp(-0.5 * (h[0] / s) ** 2) / np.sqrt(2 * np.pi)
            first, second = h[0] * below + s * density, (h[0] ** 2 + s * s) * below + h[0] * s * density
            return second - 2 * mean * first + mean**2
        return twins.kinked_pair_mean(function, h, covariance, 0.0)

    u, _ = twins.feature_matrices(sigma, W, X, t, pair)
    assert inst.error_bound < 1e-11
    assert np.max(np.abs(inst.U - u)) < inst.error_bound + 1e-9  # dblquad's own tolerance
    # E[max(h + s z, 0) z] = s Phi(h/s)
    h = np.exp(-t) * W @ X.T / np.sqrt(d)
    s = np.sqrt(delta / d) * np.linalg.norm(W, axis=1)
    slope = special.ndtr(h / s[:, None]).mean(axis=1)
    assert np.allclose(inst.V, np.sqrt(delta / d) * slope[:, None] * W, rtol=0, atol=1e-13)


def test_relu_population_is_the_arc_cosine_kernel() -> None:
    W, X, _ = arrays(6, 12, 4)
    inst = rf.finite.from_arrays(weights=W, data=X, t=0.2, activation="relu", covariance=np.eye(6))
    covariance = W @ W.T / 6  # Sigma_t = I
    s = np.sqrt(np.diagonal(covariance))
    c = np.clip(covariance / np.outer(s, s), -1, 1)
    kernel = np.outer(s, s) / (2 * np.pi) * (np.sqrt(1 - c**2) + c * (np.pi - np.arccos(c)))
    mean = s / np.sqrt(2 * np.pi)
    centre = 1 / np.sqrt(2 * np.pi)
    expected = kernel - centre * (mean[:, None] + mean[None, :]) + centre**2
    assert np.max(np.abs(inst.U_test - expected)) < inst.error_bound + 1e-13


def test_erf_population_is_the_arcsine_kernel() -> None:
    W, X, _ = arrays(10, 40, 5)
    inst = rf.finite.from_arrays(weights=W, data=X, t=0.2, activation="erf", covariance=np.eye(10))
    k = W @ W.T / 10
    root = np.sqrt(1 + 2 * np.diagonal(k))
    assert np.max(np.abs(inst.U_test - 2 / np.pi * np.arcsin(2 * k / np.outer(root, root)))) < 1e-13


def test_held_out_averages_equal_brute_force_over_the_held_out_points() -> None:
    W, X, _ = arrays(3, 4, 2)
    held_out = np.random.default_rng(5).standard_normal((3, 3)) * 0.8
    inst = rf.finite.from_arrays(weights=W, data=X, t=0.2, test_data=held_out)
    u, v = twins.feature_matrices(np.tanh, W, held_out, 0.2)
    assert np.max(np.abs(inst.U_test - u)) < 1e-13
    assert np.max(np.abs(inst.V_test - v)) < 1e-13
    assert np.all(np.isnan(inst.gradient_flow().loss_curves([0.0, 1.0]).score_error))


@pytest.mark.parametrize("activation", ["tanh", "relu", "erf"])
def test_u_is_symmetric_positive_definite(activation: str) -> None:
    inst = rf.finite.draw(rf.ScoreProblem(2.0, 4.0, 0.1, activation=activation), d=30, seed=3)
    for matrix in (inst.U, inst.U_test):
        assert np.array_equal(matrix, matrix.T)
        assert np.linalg.eigvalsh(matrix)[0] > 0


def test_v_obeys_steins_relation_with_the_derivative_of_sigma() -> None:
    W, X, S = arrays(7, 9, 4)
    t, delta = 0.2, 1 - np.exp(-0.4)
    inst = rf.finite.from_arrays(weights=W, data=X, t=t, covariance=S)
    z, w = twins.gaussian_rule()
    h = np.exp(-t) * W @ X.T / np.sqrt(7)
    s = np.sqrt(delta / 7) * np.linalg.norm(W, axis=1)
    slope = (np.cosh(h[:, :, None] + s[:, None, None] * z) ** -2 @ w).mean(axis=1)
    assert np.max(np.abs(inst.V - np.sqrt(delta / 7) * slope[:, None] * W)) < 1e-13


def test_blocks_of_samples_and_chunks_of_features_do_not_change_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    W, X, S = arrays(40, 300, 700)
    whole = rf.finite.from_arrays(weights=W, data=X, t=0.1, covariance=S)
    split = [rf.finite.from_arrays(weights=W, data=part, t=0.1, covariance=S) for part in (X[:123], X[123:])]
    weights = np.array([123, 577]) / 700
    assert np.max(np.abs(whole.U - sum(f * part.U for f, part in zip(weights, split, strict=True)))) < 1e-13
    monkeypatch.setattr("rfscore.finite.features._CHUNK", 700)
    chunked = rf.finite.from_arrays(weights=W, data=X[:30], t=0.1, covariance=S)
    monkeypatch.undo()
    direct = rf.finite.from_arrays(weights=W, data=X[:30], t=0.1, covariance=S)
    assert np.max(np.abs(chunked.U - direct.U)) < 1e-14


def test_a_zero_weight_row_is_a_constant_feature() -> None:
    W, X, S = arrays(5, 4, 3)
    W[2] = 0.0
    inst = rf.finite.from_arrays(weights=W, data=X, t=0.1, covariance=S)
    assert np.all(inst.U[2] == 0) and np.all(inst.V[2] == 0) and np.all(inst.V_test[2] == 0)


def test_two_kinks_in_one_panel_are_both_honoured() -> None:
    clip = rf.Activation("hard tanh", lambda x: np.clip(x, -0.3, 0.3), kinks=(-0.3, 0.3))
    W, X, S = arrays(50, 3, 2)
    inst = rf.finite.from_arrays(weights=W, data=X, t=0.5, activation=clip, covariance=S)
    h = np.exp(-0.5) * W @ X.T / np.sqrt(50)
    s = np.sqrt((1 - np.exp(-1.0)) / 50) * np.linalg.norm(W, axis=1)[:, None]
    # E[clip(h + s z) z] = s P(|h + s z| < 0.3)
    slope = (special.ndtr((0.3 - h) / s) - special.ndtr((-0.3 - h) / s)).mean(axis=1)
    expected = np.sqrt((1 - np.exp(-1.0)) / 50) * slope[:, None] * W
    assert np.max(np.abs(inst.V - expected)) < 1e-13


def test_an_undeclared_kink_is_seen_in_the_error_bound() -> None:
    hidden = rf.Activation("clip", lambda x: np.clip(x, -0.5, 0.5))
    W, X, S = arrays(20, 30, 10)
    declared = rf.Activation("clip", lambda x: np.clip(x, -0.5, 0.5), kinks=(-0.5, 0.5))
    given = {"weights": W, "data": X, "t": 0.1, "covariance": S}
    loose, exact = (rf.finite.from_arrays(**given, activation=a) for a in (hidden, declared))
    error = np.max(np.abs(loose.U - exact.U))
    assert exact.error_bound < 1e-12
    assert 1e-12 < error < loose.error_bound
