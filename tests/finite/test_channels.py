"""Any channel, target and mixture at finite size: moments by quadrature, losses by hand, parts that add up."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite
from tests.reference import finite_twins as twins

TAU = np.array([0.0, 1.0, 30.0, 1e3, np.inf])
RNG = np.random.default_rng(0)
W, X = RNG.standard_normal((14, 4)), RNG.standard_normal((9, 4))
TWO = rf.Mixture([1 / 3, 2 / 3], [0.5, 1.5])
LABELS = np.array([0, 1, 1, 0, 1, 1, 0, 1, 1])
GOOD = {"weights": W, "data": X, "covariance": TWO, "labels": LABELS, "process": rf.Channel(0.7, 0.5),
        "target": rf.Target(0.8, -0.6, 0.9)}  # fmt: skip
CASES = {
    "velocity": rf.ScoreProblem(2.0, 4.0, 0.3, rf.Atoms([0.5, 1.5]), process=rf.Linear(), target="velocity"),
    "two classes, low p": rf.ScoreProblem(3.0, 1.5, 0.1, TWO, target="data"),
    "v, m = 2": rf.ScoreProblem(2.0, 6.0, 0.2, TWO, target="v", noise_draws=2),
    "v, m = 2, low p": rf.ScoreProblem(2.0, 2.0, 0.2, TWO, target="v", noise_draws=2, ridge=0.01),
}


def matrices(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U and V of these samples at signal 0.7, noise 0.5 and the target 0.8 x - 0.6 xi, entry by entry."""
    z, w = twins.gaussian_rule()
    h, size = 0.7 * W @ data.T / 2.0, 0.5 * np.linalg.norm(W, axis=1) / 2.0
    covariance = 0.25 * W @ W.T / 4.0
    u = np.array([[np.mean([twins.pair_mean(np.tanh, h[[i, j], k], covariance[np.ix_([i, j], [i, j])])
                            for k in range(len(data))]) for j in range(3)] for i in range(3)])  # fmt: skip
    values = np.tanh(h[:, :, None] + size[:, None, None] * z)
    on_data = values @ w @ data / len(data)
    on_noise = (values @ (w * z)).mean(axis=1)[:, None] * W / np.linalg.norm(W, axis=1)[:, None]
    return u, -(0.8 * on_data - 0.6 * on_noise)


def test_moments_of_samples_equal_quadrature() -> None:
    inst = rf.finite.from_arrays(**GOOD)
    u, v = matrices(X)
    assert np.max(abs(inst.U[:3, :3] - u)) < 1e-13 and np.max(abs(inst.V - v)) < 1e-13
    assert inst.energy == pytest.approx((0.64 * np.mean(np.sum(X**2, axis=1)) + 0.36 * 4) / 4, rel=1e-14)
    for c in (0, 1):
        found = inst.of_samples(np.flatnonzero(LABELS == c))
        assert np.max(abs(found.V - matrices(X[LABELS == c])[1])) < 1e-13


def test_moments_of_the_population_equal_quadrature_in_every_class() -> None:
    inst = rf.finite.from_arrays(**GOOD)
    z, w = twins.gaussian_rule()
    for c, variance in enumerate((0.5, 1.5)):
        found = inst.tested.moments(c)
        total = (0.49 * variance + 0.25) * W @ W.T / 4.0
        size = np.sqrt(np.diagonal(total))
        slope = np.tanh(size[:, None] * z) @ (w * z) / size
        assert np.max(abs(found.V + slope[:, None] * W * (0.8 * 0.7 * variance - 0.6 * 0.5) / 2.0)) < 1e-13
        pair = [
            [twins.pair_mean(np.tanh, np.zeros(2), total[np.ix_([i, j], [i, j])]) for j in range(3)] for i in range(3)
        ]
        assert np.max(abs(found.U[:3, :3] - pair)) < 1e-13
        assert np.allclose(found.target, (0.64 * variance + 0.36) * np.eye(4))
    parts = [inst.tested.moments(c) for c in (0, 1)]
    assert np.allclose(inst.U_test, parts[0].U / 3 + 2 * parts[1].U / 3, atol=1e-14)
    assert np.allclose(inst.V_test, parts[0].V / 3 + 2 * parts[1].V / 3, atol=1e-14)


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("wide", [True, False])
def test_frozen_noises_give_the_loss_on_the_very_targets_of_every_class(m: int, wide: bool) -> None:
    given = {**GOOD, "weights": np.concatenate([W, -0.7 * W]) if wide else W[:6]}
    inst = rf.finite.from_arrays(**given, noise_draws=m, seed=5)
    noise, clean = np.random.default_rng(5).standard_normal((9 * m, 4)), np.repeat(X, m, axis=0)
    flow, labels = inst.gradient_flow(), np.repeat(LABELS, m)
    for tau in (0.0, 5.0, 1e3):
        output = np.tanh((0.7 * clean + 0.5 * noise) @ inst.weights.T / 2.0) @ flow.weights(tau).T / np.sqrt(inst.p)
        error = np.mean((0.9 * output - (0.8 * clean - 0.6 * noise)) ** 2, axis=1)
        assert flow.loss_curves(tau).train == pytest.approx(error.mean(), abs=1e-11)
        expected = [error[labels == c].mean() for c in (0, 1)]
        np.testing.assert_allclose(flow.class_curves(tau).train, expected, atol=1e-11)


def test_test_loss_is_the_loss_on_fresh_samples() -> None:
    inst = rf.finite.from_arrays(**GOOD)
    flow, rng = inst.gradient_flow(), np.random.default_rng(1)
    a, found = flow.weights(20.0), flow.class_curves(20.0)
    for c, variance in enumerate((0.5, 1.5)):
        x, noise = np.sqrt(variance) * rng.standard_normal((40_000, 4)), rng.standard_normal((40_000, 4))
        output = np.tanh((0.7 * x + 0.5 * noise) @ W.T / 2.0) @ a.T / np.sqrt(inst.p)
        error = np.mean((0.9 * output - (0.8 * x - 0.6 * noise)) ** 2, axis=1)
        assert abs(error.mean() - found.test[c]) < 5 * error.std() / 200


@pytest.mark.parametrize("features", rf.finite.FEATURES)
@pytest.mark.parametrize("name", CASES)
def test_classes_and_directions_add_up_to_the_losses(name: str, features: str) -> None:
    flow = rf.finite.draw(CASES[name], d=12, seed=1, features=features).gradient_flow()
    whole, classes, directions = flow.loss_curves(TAU), flow.class_curves(TAU), flow.direction_curves(TAU)
    shares = np.bincount(flow.instance.labels) / flow.instance.n
    np.testing.assert_allclose(classes.train @ shares, whole.train, atol=1e-9)
    np.testing.assert_allclose(directions.train @ directions.weights, whole.train, atol=1e-9)
    for part, weights in ((classes, classes.fractions), (directions, directions.weights)):
        np.testing.assert_allclose(part.test @ weights, whole.test, rtol=1e-9)
        np.testing.assert_allclose(part.excess @ weights, whole.excess, rtol=1e-9)
    assert np.all(np.isnan(whole.score_error)) and np.all(whole.excess > 0)
    parts = flow.mode_contributions(TAU)
    np.testing.assert_allclose(parts.test.sum(0) + flow.instance.energy_test, whole.test, rtol=1e-9)


@pytest.mark.parametrize("name", ["velocity", "two classes, low p"])
def test_samples_of_the_twin_are_those_of_the_instance(name: str) -> None:
    inst = rf.finite.draw(CASES[name], d=12, seed=2, features="gaussian-equivalent")
    found = inst.samples.averaged(np.arange(inst.n))
    for ours, theirs in zip(found, (inst.U, inst.V, inst.targets[0]), strict=True):
        assert np.max(abs(ours - theirs)) < 1e-13
    copies = [inst.samples.noised(np.arange(inst.n), RNG) for _ in range(300)]
    pulls = np.mean([phi @ r.T for phi, r in copies], 0) / inst.n
    assert np.max(abs(pulls - inst.V)) < 6.0 * np.sqrt(2.0 / (300 * inst.n))


def test_shortcut_of_the_twin_equals_the_dense_route() -> None:
    inst = rf.finite.draw(CASES["velocity"], d=12, seed=2, features="gaussian-equivalent")
    assert inst.factor is not None
    dense = dataclasses.replace(inst, factor=None, pull=None, dense=inst.U)
    one, two = (x.gradient_flow().loss_curves(TAU) for x in (inst, dense))
    np.testing.assert_allclose(one.train, two.train, atol=1e-10)
    np.testing.assert_allclose(one.test, two.test, rtol=1e-9)


@pytest.mark.parametrize("features", rf.finite.FEATURES)
def test_noise_and_score_are_one_curve_in_the_clock(features: str) -> None:
    problem = rf.ScoreProblem(2.0, 3.0, 0.1)
    score, noise = (rf.finite.draw(problem.replace(target=t), d=10, seed=0, features=features).gradient_flow()
                    for t in ("score", "noise"))  # fmt: skip
    one, two = score.loss_curves(TAU / float(problem.delta)), noise.loss_curves(TAU)
    np.testing.assert_allclose(one.train, two.train, atol=1e-12)
    np.testing.assert_allclose(one.test, two.test, rtol=1e-12)
    flipped = problem.replace(target=rf.Target(0.0, -1.0))
    again = rf.finite.draw(flipped, d=10, seed=0, features=features).gradient_flow().loss_curves(TAU)
    np.testing.assert_allclose(again.test, two.test, rtol=1e-13)


def test_signal_and_data_are_one_scale() -> None:
    given = {"weights": W, "data": X, "covariance": np.full(4, 1.2), "target": rf.Target(0.5, 1.0)}
    one = rf.finite.from_arrays(**given, process=rf.Channel(0.8, 0.6)).gradient_flow().loss_curves(TAU)
    scaled = {**given, "data": 2.0 * X, "covariance": np.full(4, 4.8), "target": rf.Target(0.25, 1.0)}
    two = rf.finite.from_arrays(**scaled, process=rf.Channel(0.4, 0.6)).gradient_flow().loss_curves(TAU)
    np.testing.assert_allclose(one.train, two.train, atol=1e-11)
    np.testing.assert_allclose(one.excess, two.excess, rtol=1e-9)


def test_a_rotated_covariance_has_the_same_directions() -> None:
    basis, _ = np.linalg.qr(RNG.standard_normal((4, 4)))
    lam = np.array([0.3, 0.8, 1.1, 2.0])
    given = {"t": 0.2, "process": rf.Linear(), "target": "velocity"}
    one = rf.finite.from_arrays(weights=W, data=X, covariance=lam, **given)
    two = rf.finite.from_arrays(weights=W @ basis.T, data=X @ basis.T, covariance=(basis * lam) @ basis.T, **given)
    first, second = (x.gradient_flow().direction_curves(TAU) for x in (one, two))
    np.testing.assert_allclose(second.variance, lam, rtol=1e-12)
    np.testing.assert_allclose(first.test, second.test, rtol=1e-8)
    np.testing.assert_allclose(first.train, second.train, atol=1e-9)


def test_held_out_classes_are_their_own_averages() -> None:
    held, kinds = RNG.standard_normal((7, 4)), np.array([0, 1, 1, 1, 0, 1, 1])
    given = {**GOOD, "covariance": None, "test_data": held, "test_labels": kinds}
    found = rf.finite.from_arrays(**given).gradient_flow().class_curves(TAU)
    for c in (0, 1):
        alone = rf.finite.from_arrays(**{**given, "labels": None, "test_data": held[kinds == c], "test_labels": None})
        np.testing.assert_allclose(alone.gradient_flow().loss_curves(TAU).test, found.test[:, c], rtol=1e-11)
    assert np.all(np.isnan(found.excess))


def test_adam_and_descent_see_the_target() -> None:
    inst = rf.finite.draw(CASES["velocity"], d=5, seed=0)
    flow = inst.gradient_flow()
    late = inst.loss_curves([4000], training=rf.Adam(3e-3 / inst.d**2))
    assert late.train[0] < flow.loss_curves(30.0).train
    run = inst.loss_curves([0, 40], training=rf.Descent(0.02, fresh_noise=True), seed=1)
    assert run.train[0] == pytest.approx(flow.loss_curves(0.0).train, rel=1e-14)
    assert abs(run.train[1] - flow.loss_curves(0.8).train) < 0.02 * run.train[0]


BAD = {
    "labels of another number": ({"labels": LABELS[:5]}, r"labels = .*shape \(5,\)"),
    "labels fractional": ({"labels": LABELS + 0.5}, r"labels = .*integers"),
    "labels missing": ({"labels": None}, r"labels = None.*one label in 0 ... 1"),
    "a label too many": ({"labels": LABELS + 1}, r"labels = 2.*classes 0 ... 1"),
    "a label below": ({"labels": LABELS - 1}, r"labels = -1"),
    "a class without samples": ({"labels": np.ones(9, dtype=int)}, "samples of class 0 = 0"),
    "labels without classes": ({"covariance": np.ones(4)}, r"labels = 1.*classes 0 ... 0"),
    "test labels without test data": ({"test_labels": LABELS}, "test_labels.*covariance knows"),
    "test labels of another number": ({"covariance": None, "test_data": X, "test_labels": LABELS[:3]}, "test_labels"),
    "t of a channel out of range": ({"process": rf.Linear(), "t": 1.0}, "t = 1"),
    "no t": ({"process": rf.OU(), "t": None}, "t = None"),
    "no process": ({"process": "linear"}, "process = 'linear'"),
    "unknown target": ({"target": "speed"}, "target = 'speed'.*velocity"),
    "not centred in one class": ({"activation": rf.Activation("exp", np.exp, centre=True)},
                                 "in class 1 = .*every class"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.usefixtures("unchecked")
def test_bad_arrays_are_refused(case: str) -> None:
    change, words = BAD[case]
    with pytest.raises(rf.InputError, match=words):
        rf.finite.from_arrays(**{**GOOD, **change})


def test_what_a_draw_cannot_serve_is_refused_by_name() -> None:
    rare = rf.ScoreProblem(1.0, 2.0, 0.1, rf.Mixture([0.001, 0.999], [0.5, 1.5]))
    with pytest.raises(rf.InputError, match=r"samples of class 0 = 0.*raise d"):
        rf.finite.draw(rare, d=8)
    heavy = rf.finite.draw(rf.ScoreProblem(1.0, 2.0, 0.1, rf.HeavyTailed(5.0)), d=6).gradient_flow()
    assert np.isfinite(heavy.loss_curves(3.0).excess)
    with pytest.raises(rf.InputError, match="of heavy-tailed data ask for loss_curves"):
        heavy.class_curves(3.0)
    held = rf.finite.from_arrays(weights=W, data=X, t=0.1, test_data=X).gradient_flow()
    with pytest.raises(rf.InputError, match="held-out data"):
        held.direction_curves(1.0)
    with pytest.raises(rf.InputError, match="generate"):
        rf.finite.generator(CASES["velocity"], 6, 0, [1.0, 0.5])


def test_a_channel_has_no_time_to_show() -> None:
    assert repr(rf.finite.from_arrays(**GOOD)) == "ExactInstance(p=14, n=9, d=4)"
