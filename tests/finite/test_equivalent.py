"""The Gaussian-equivalent twin: the small-Gram shortcut, its definition, and its closeness to the exact features."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite

TAU = np.concatenate([[0.0], np.geomspace(1e-3, 1e9, 40), [np.inf]])


@pytest.mark.parametrize("t", [1e-3, 0.1, 2.0])
def test_shortcut_equals_the_dense_route(t: float) -> None:
    problem = rf.ScoreProblem(2.0, 6.0, t, rf.Atoms([0.5, 1.5]))
    inst = rf.finite.draw(problem, d=30, seed=1, features="gaussian-equivalent")
    assert inst.factor is not None and inst.factor.shape == (180, 90)
    dense = dataclasses.replace(inst, factor=None, dense=inst.U)
    matrices = (inst.U, inst.V, inst.U_test, inst.V_test)
    plain = rf.finite.ExactInstance(inst.weights, inst.n, inst.setting, 0.0, *matrices, targets=inst.targets,
                                      tested=inst.tested, labels=inst.labels)  # fmt: skip
    flows = [x.gradient_flow() for x in (inst, dense, plain)]
    curves = [flow.loss_curves(TAU) for flow in flows]
    scale = np.max(np.abs(curves[0].test))
    for other, flow in zip(curves[1:], flows[1:], strict=True):
        assert np.max(np.abs(flows[0].eigenvalues - flow.eigenvalues)) < 1e-12
        assert np.max(np.abs(curves[0].train - other.train)) < 1e-10
        assert np.max(np.abs(curves[0].test - other.test)) < 1e-10 * scale
        assert np.max(np.abs(flows[0].weights(7.0) - flow.weights(7.0))) < 1e-10
        groups = (flow.eigenvalues > 0.1).astype(int)
        parts = [f.mode_contributions(TAU, groups) for f in (flows[0], flow)]
        assert np.max(np.abs(parts[0].test - parts[1].test)) < 1e-10 * scale


@pytest.mark.parametrize(("psi_n", "psi_p"), [(2.0, 6.0), (4.0, 3.0)])
def test_u_has_the_moments_of_its_definition(psi_n: float, psi_p: float) -> None:
    problem = rf.ScoreProblem(psi_n, psi_p, 0.3)
    co = rf.coefficients(problem)
    traces, tests = [], []
    for seed in range(40):
        inst = rf.finite.draw(problem, d=20, seed=seed, features="gaussian-equivalent")
        traces.append(np.trace(inst.U) / inst.p)
        tests.append(np.trace(inst.U_test) / inst.p)
    for values in (traces, tests):
        assert abs(np.mean(values) - float(co.norm2)) < 4 * np.std(values) / np.sqrt(40)
    w = inst.weights
    expected = (co.alpha2 + co.b**2) * w @ w.T / 20 + (co.v2 + co.s2) * np.eye(inst.p)
    assert np.max(np.abs(inst.U_test - expected)) < 1e-14


def test_atom_at_s2_has_its_exact_multiplicity() -> None:
    problem = rf.ScoreProblem(2.0, 6.0, 0.1)
    flow = rf.finite.draw(problem, d=30, seed=1, features="gaussian-equivalent").gradient_flow()
    s2 = float(rf.coefficients(problem).s2)
    assert np.sum(flow.eigenvalues == s2) == 180 - 90
    assert np.sum(flow.eigenvalues > s2 + 1e-6) == 90


def test_at_p_equal_to_n_plus_d_the_dense_matrix_is_kept_and_starts_at_s2() -> None:
    problem = rf.ScoreProblem(2.0, 3.0, 0.1)
    inst = rf.finite.draw(problem, d=30, seed=1, features="gaussian-equivalent")
    assert inst.dense is not None and inst.factor is None
    smallest = inst.gradient_flow().eigenvalues[0]
    assert smallest >= float(rf.coefficients(problem).s2) * (1 - 1e-10)


def test_the_distance_to_the_exact_features_falls_like_one_over_d() -> None:
    problem = rf.ScoreProblem(2.0, 4.0, 0.1)
    gaps, errors = [], []
    for d, seeds in ((15, 100), (60, 30)):
        values = []
        for seed in range(seeds):
            pair = [rf.finite.draw(problem, d=d, seed=seed, features=f).gradient_flow().loss_curves(np.inf).test
                    for f in ("exact", "gaussian-equivalent")]  # fmt: skip
            values.append(pair[1] - pair[0])
        gaps.append(np.mean(values))
        errors.append(np.std(values) / np.sqrt(seeds))
    assert gaps[0] > 5 * errors[0]  # the equivalent overestimates the memorising test loss
    assert abs(gaps[1] - gaps[0] / 4) < 4 * np.hypot(errors[1], errors[0] / 4) + abs(gaps[0]) / 16
