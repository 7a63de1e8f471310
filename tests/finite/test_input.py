"""Bad input: one table, each row an InputError that names the argument; float32 is promoted and said once."""

from __future__ import annotations

import warnings

import jax
import numpy as np
import pytest

import rfscore as rf
import rfscore.finite

PROBLEM = rf.ScoreProblem(2.0, 3.0, 0.1)
W, X = np.random.default_rng(0).standard_normal((12, 4)), np.random.default_rng(1).standard_normal((8, 4))
GOOD = {"weights": W, "data": X, "t": 0.1, "covariance": np.ones(4)}
holed = np.where(np.arange(4) == 2, np.nan, X)
indefinite = np.diag([1.0, 1.0, 1.0, -0.5])
lopsided = np.eye(4) + np.triu(np.ones((4, 4)), 1)

ARRAYS = {
    "weights one-dimensional": ({"weights": W[0]}, "weights"),
    "weights empty": ({"weights": W[:0]}, "weights"),
    "data of another dimension": ({"data": X[:, :3]}, "data"),
    "data empty": ({"data": X[:0]}, "data"),
    "data with NaN": ({"data": holed}, "data"),
    "weights infinite": ({"weights": np.full((12, 4), np.inf)}, "weights"),
    "data complex": ({"data": X + 1j}, "data"),
    "data bytes": ({"data": np.arange(32, dtype=np.uint8).reshape(8, 4)}, "bytes are grey values"),
    "held-out bytes": ({"covariance": None, "test_data": np.eye(4, dtype=np.uint8)}, "bytes are grey values"),
    "t text of a number": ({"t": "0.1"}, "t = '0.1'"),
    "ridge text of a number": ({"ridge": "0.1"}, "ridge = '0.1'"),
    "data text": ({"data": [["a"] * 4]}, "data"),
    "covariance of wrong shape": ({"covariance": np.eye(3)}, "covariance"),
    "covariance indefinite": ({"covariance": indefinite}, "covariance"),
    "covariance with a negative diagonal": ({"covariance": np.array([1.0, 1.0, -1.0, 1.0])}, "covariance"),
    "covariance zero": ({"covariance": np.zeros(4)}, "covariance"),
    "covariance not symmetric": ({"covariance": lopsided}, "covariance"),
    "neither population": ({"covariance": None}, "test_data"),
    "both populations": ({"test_data": X}, "test_data"),
    "held-out data of another dimension": ({"covariance": None, "test_data": X[:, :2]}, "test_data"),
    "t zero": ({"t": 0.0}, "t = "),
    "t NaN": ({"t": np.nan}, "t = "),
    "activation unknown": ({"activation": "tahn"}, "activation"),
    "activation not centred": ({"activation": rf.Activation("exp", np.exp)}, "centred"),
    "activation returning NaN": ({"activation": rf.Activation("log", lambda x: np.log(x * 0 - 1.0))}, "log"),
    "activation of wrong shape": ({"activation": rf.Activation("sum", lambda x: x.sum())}, "sum"),
}


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("case", ARRAYS)
@pytest.mark.usefixtures("unchecked")
def test_bad_arrays_are_refused(case: str) -> None:
    change, word = ARRAYS[case]
    with pytest.raises(rf.InputError, match=word):
        rf.finite.from_arrays(**{**GOOD, **change})


DRAWS = {
    "p rounds to 0": (rf.ScoreProblem(2.0, 0.02, 0.1), {"d": 10}, "psi_p"),
    "n rounds to 0": (rf.ScoreProblem(0.02, 2.0, 0.1), {"d": 10}, "psi_n"),
    "d zero": (PROBLEM, {"d": 0}, "d = 0"),
    "d fractional": (PROBLEM, {"d": 10.5}, "d = 10.5"),
    "unknown features": (PROBLEM, {"d": 10, "features": "gaussian"}, "features"),
}


@pytest.mark.parametrize("case", DRAWS)
@pytest.mark.usefixtures("unchecked")
def test_bad_draws_are_refused(case: str) -> None:
    problem, options, word = DRAWS[case]
    with pytest.raises(rf.InputError, match=word):
        rf.finite.draw(problem, **options)


def test_a_draw_inside_a_transformation_is_refused() -> None:
    with jax.enable_x64(True), pytest.raises(rf.InputError, match="outside jit"):
        jax.jit(lambda t: rf.finite.draw(rf.ScoreProblem(2.0, 3.0, t), d=5).t)(0.1)


CALLS = {
    "tau negative": (lambda f: f.loss_curves([1.0, -1.0]), "tau = -1"),
    "tau NaN": (lambda f: f.loss_curves(np.nan), "tau = nan"),
    "tau text": (lambda f: f.loss_curves("soon"), "tau"),
    "weights at two times": (lambda f: f.weights([1.0, 2.0]), "times"),
    "tau text of a number": (lambda f: f.loss_curves("1"), "tau = '1'"),
    "step size text": (lambda f: rf.Descent("0.1"), "step_size = '0.1'"),
    "momentum text": (lambda f: rf.Descent(0.1, "0.5"), "momentum = '0.5'"),
    "batch text": (lambda f: rf.Descent(0.1, batch="1"), "batch = '1'"),
    "Adam step text": (lambda f: rf.Adam("0.1"), "step_size = '0.1'"),
    "contributions at negative tau": (lambda f: f.mode_contributions(-1.0), "tau"),
    "groups of wrong length": (lambda f: f.mode_contributions(1.0, [0, 1]), "groups"),
    "groups fractional": (lambda f: f.mode_contributions(1.0, np.full(12, 0.5)), "groups"),
    "steps negative": (lambda f: f.loss_curves(-1, training=rf.Descent(0.1)), "steps"),
    "steps fractional": (lambda f: f.loss_curves(1.5, training=rf.Descent(0.1)), "steps"),
    "step size zero": (lambda f: rf.Descent(0.0), "step_size"),
    "step size NaN": (lambda f: rf.Descent(np.nan), "step_size"),
    "momentum one": (lambda f: rf.Descent(1.0, 1.0), "momentum"),
    "Adam steps half": (lambda f: f.instance.loss_curves(0.5, training=rf.Adam(0.1)), "steps"),
    "Adam step negative": (lambda f: rf.Adam(-0.1), "step_size"),
    "Adam beta one": (lambda f: rf.Adam(0.1, (0.9, 1.0)), "betas"),
    "one beta": (lambda f: rf.Adam(0.1, 0.9), "betas"),
    "Adam by modes": (lambda f: f.loss_curves(1, training=rf.Adam(0.1)), "ask the instance"),
}


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.usefixtures("unchecked")
def test_bad_calls_are_refused(case: str) -> None:
    call, word = CALLS[case]
    flow = rf.finite.from_arrays(**GOOD).gradient_flow()
    with pytest.raises(rf.InputError, match=word):
        call(flow)


def test_float32_is_promoted_and_said_once_per_call() -> None:
    halves = {"weights": W.astype(np.float32), "data": X.astype(np.float32)}
    with pytest.warns(UserWarning, match="promoted") as caught:
        inst = rf.finite.from_arrays(**{**GOOD, **halves})
    assert len(caught) == 1 and "weights, data" in str(caught[0].message)
    assert inst.U.dtype == np.float64
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rf.finite.from_arrays(**GOOD)
        rf.finite.from_arrays(**{**GOOD, "data": np.sign(X).astype(int)})


def test_seeds_generators_and_seed_sequences_agree() -> None:
    draws = [rf.finite.draw(PROBLEM, d=6, seed=s) for s in
             (3, np.random.SeedSequence(3), np.random.default_rng(3), np.int64(3))]  # fmt: skip
    for other in draws[1:]:
        assert np.array_equal(draws[0].U, other.U)
    assert not np.array_equal(draws[0].weights, rf.finite.draw(PROBLEM, d=6, seed=4).weights)


def test_shapes_are_rounded_from_psi() -> None:
    inst = rf.finite.draw(rf.ScoreProblem(1.26, 2.04, 0.1), d=10, seed=0)
    assert (inst.n, inst.p, inst.d) == (13, 20, 10)
    assert (inst.psi_n, inst.psi_p, inst.t) == (1.3, 2.0, 0.1)
    assert repr(inst) == "ExactInstance(p=20, n=13, d=10, t=0.1)"


IMAGES = np.random.default_rng(0).uniform(size=(300, 16)) ** 2
MEAN, STD = IMAGES.mean(axis=0), IMAGES.std()
SPACES = {
    "not centred": (IMAGES[:200], {"covariance": np.cov(IMAGES.T)}, "data are not centred"),
    "held-out data not centred": (IMAGES[:200] - MEAN, {"test_data": IMAGES[200:]}, "test_data are not centred"),
    "standardised and raw": ((IMAGES[:200] - MEAN) / STD, {"test_data": IMAGES[200:]}, "two data spaces"),
    "standardised and centred": ((IMAGES[:200] - MEAN) / STD, {"test_data": IMAGES[200:] - MEAN}, "two data spaces"),
    "standardised, raw Sigma": ((IMAGES[:200] - MEAN) / STD, {"covariance": np.cov(IMAGES.T)}, "two data spaces"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPACES)
def test_two_data_spaces_are_said(case: str) -> None:
    data, population, words = SPACES[case]
    weights = np.random.default_rng(1).standard_normal((20, 16))
    with pytest.warns(UserWarning, match=words) as caught:
        rf.finite.from_arrays(weights=weights, data=data, t=0.1, **population)
    assert len(caught) == 1


@pytest.mark.parametrize("n", [1, 2, 8, 200])
def test_one_data_space_is_silent(n: int) -> None:
    images, weights = (IMAGES - MEAN) / STD, np.random.default_rng(1).standard_normal((20, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for population in ({"test_data": images[200:]}, {"covariance": np.cov(images.T)}):
            for seed in range(10):
                chosen = np.random.default_rng(seed).choice(200, n, replace=False)
                rf.finite.from_arrays(weights=weights, data=images[chosen], t=0.1, **population)
