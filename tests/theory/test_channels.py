"""Any channel, target and mixture: numbers checked on draws, an independent twin, invariances, and the values."""

from __future__ import annotations

import pickle

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import rfscore as rf
from rfscore import oracle
from tests.reference.channel_twins import Twin

C = np.array([1.0, 30.0, 1000.0])
#: Losses at c = 1, 30, 1000, to nine decimals, from another program; draws of the Gaussian model at d = 150-200 agree.
#: One number there, the third training loss of "two spectra", reads .639388669: here and the twin give .639388467.
TABLE = {
    "velocity": (
        rf.ScoreProblem(2.0, 4.0, 0.3, rf.Atoms([0.5, 1.5]), process=rf.Linear(), target="velocity"),
        [1.552209730, 1.355677349, 1.172338598], [[1.809491764], [2.136418732], [3.205529714]],
    ),
    "denoiser, two classes": (
        rf.ScoreProblem(3.0, 4.0, 0.1, rf.Mixture([0.3, 0.7], [0.25, 2.0]), target="data"),
        [0.341002369, 0.200739674, 0.188879107],
        [[0.219050231, 0.711989796], [0.245702716, 0.522330953], [0.221641019, 0.701178775]],
    ),
    "noise, two spectra": (
        rf.ScoreProblem(3.0, 2.0, 0.1, rf.Mixture([0.3, 0.7], [rf.Atoms([0.25, 0.5]), rf.Atoms([2.0, 0.0])]),
                        target="noise"),
        [0.846442547, 0.647692206, 0.639388467],
        [[0.823015392, 0.863741229], [0.886791073, 0.699716206], [0.916214832, 0.740636641]],
    ),
    "v, m = 2, two classes": (
        rf.ScoreProblem(2.0, 3.0, population=rf.Mixture([0.4, 0.6], [0.5, 1.5]), process=rf.Channel(0.8, 0.6),
                        target="v", noise_draws=2),
        [0.770992704, 0.415463743, 0.216257121],
        [[0.915421848, 1.317973566], [1.214944040, 1.923358973], [2.465464784, 4.541489988]],
    ),
}  # fmt: skip


def tau(problem: rf.ScoreProblem, c: np.ndarray = C) -> np.ndarray:
    """Training times of these exponents."""
    return c / float(problem.rate)


@pytest.mark.parametrize("name", TABLE)
def test_losses_are_those_of_the_table(name: str) -> None:
    problem, train, test = TABLE[name]
    found = rf.loss_curves(problem, tau(problem))
    fractions = problem.classes().fractions
    np.testing.assert_allclose(found.train, train, rtol=0.0, atol=1e-9)  # a unit of the last digit
    np.testing.assert_allclose(found.test, np.array(test) @ fractions, rtol=0.0, atol=1e-9)
    classes = rf.class_curves(problem, tau(problem))
    np.testing.assert_allclose(classes.test, test, rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(classes.train @ fractions, found.train, rtol=1e-9)
    np.testing.assert_allclose(classes.excess @ fractions, found.excess, rtol=1e-9)
    directions = rf.direction_curves(problem, tau(problem))
    for part in ("train", "test", "excess"):
        np.testing.assert_allclose(getattr(directions, part) @ directions.weights, getattr(found, part), rtol=1e-9)


def twin_of(problem: rf.ScoreProblem) -> Twin:
    """The twin of a problem, from its numbers."""
    classes, aim = problem.classes(), problem.regression
    return Twin(problem.psi_n, problem.psi_p, float(problem.signal), float(problem.noise), aim.on_data, aim.on_noise,
                np.asarray(classes.fractions), np.asarray(classes.nodes), np.asarray(classes.weights),
                problem.noise_draws)  # fmt: skip


TWINS = {
    "manifold, one noise": rf.ScoreProblem(1.5, 2.0, 0.2, rf.Atoms([0.0, 2.0]), target="v", noise_draws=1),
    "three classes": rf.ScoreProblem(
        0.7, 3.0, 0.4, rf.Mixture([0.2, 0.3, 0.5], [rf.Atoms([0.1, 1.0]), 0.6, rf.Atoms([1.5, 0.5])]),
        process=rf.Linear(), target=rf.Target(0.4, -1.3),
    ),
    "three noises": TABLE["v, m = 2, two classes"][0].replace(noise_draws=3, psi_p=0.8),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("c", [0.7, 60.0])
def test_losses_of_classes_and_directions_equal_the_twins(name: str, c: float) -> None:
    problem = TWINS[name]
    train, test = twin_of(problem).losses(c)
    weights = problem.classes().weights
    when = tau(problem, np.array([c]))
    classes, directions = rf.class_curves(problem, when), rf.direction_curves(problem, when)
    np.testing.assert_allclose(classes.test[0], test @ weights, rtol=2e-9)
    np.testing.assert_allclose(directions.test[0], problem.classes().fractions @ test, rtol=2e-9)
    np.testing.assert_allclose(directions.train[0], train, rtol=2e-9)


def same(one: rf.LossCurves, two: rf.LossCurves, factor: float = 1.0) -> None:
    for name in ("train", "test", "excess"):
        np.testing.assert_allclose(getattr(two, name), factor * getattr(one, name), rtol=1e-9)


def test_signal_and_data_are_one_scale() -> None:
    one = rf.ScoreProblem(2.0, 3.0, population=rf.Mixture([0.4, 0.6], [0.5, 1.5]), process=rf.Channel(0.8, 0.6),
                          target=rf.Target(0.5, 1.0))  # fmt: skip
    two = one.replace(population=rf.Mixture([0.4, 0.6], [2.0, 6.0]), process=rf.Channel(0.4, 0.6),
                      target=rf.Target(0.25, 1.0))  # fmt: skip
    same(rf.loss_curves(one, C), rf.loss_curves(two, C))


def test_sign_and_size_of_the_target_and_the_gain() -> None:
    one = TABLE["velocity"][0]
    start = rf.loss_curves(one, C)
    same(start, rf.loss_curves(one.replace(target=rf.Target(1.0, -1.0)), C))
    same(start, rf.loss_curves(one.replace(target=rf.Target(-3.0, 3.0)), C), 9.0)
    same(start, rf.loss_curves(one.replace(target=rf.Target(-1.0, 1.0, 2.0)), C / 4.0))


def test_score_is_noise_in_its_own_clock() -> None:
    score = rf.ScoreProblem(2.0, 3.0, 0.1)
    one, two = rf.loss_curves(score, C), rf.loss_curves(score.replace(target="noise"), float(score.delta) * C)
    same(one, two)
    np.testing.assert_allclose(one.score_error, one.excess / float(score.delta), rtol=1e-14)
    assert np.all(np.isnan(two.score_error))


def test_a_mixture_of_equal_classes_is_one_class() -> None:
    one = rf.ScoreProblem(2.0, 3.0, 0.1, 0.8, target="data")
    two = one.replace(population=rf.Mixture([0.3, 0.7], [0.8, 0.8]))
    same(rf.loss_curves(one, C), rf.loss_curves(two, C))


def test_a_channel_with_the_numbers_of_a_process_is_that_process() -> None:
    one = rf.ScoreProblem(2.0, 3.0, 0.4, process=rf.Linear(), target="velocity")
    other = rf.Interpolant(lambda t: 1.0 - t, lambda t: t, (0.1, 0.9))
    start = rf.loss_curves(one, C)
    same(start, rf.loss_curves(rf.ScoreProblem(2.0, 3.0, process=rf.Channel(0.6, 0.4), target="velocity"), C))
    same(start, rf.loss_curves(one.replace(process=other), C))


def test_heavy_tails_of_many_degrees_are_gaussian() -> None:
    one = rf.ScoreProblem(2.0, 3.0, 0.1, target="data")
    error = [np.max(abs(rf.loss_curves(one.replace(population=rf.HeavyTailed(df)), C).test
                        - rf.loss_curves(one, C).test)) for df in (250.0, 1000.0)]  # fmt: skip
    assert error[1] < 0.01 and error[0] / error[1] == pytest.approx(4.0, rel=0.1)  # first order in 1/df


def test_velocity_is_the_derivative_of_the_process() -> None:
    circle = rf.Interpolant(lambda t: jnp.cos(t), lambda t: jnp.sin(t), (0.01, 1.5))
    np.testing.assert_allclose(circle.velocity(0.4), (-np.sin(0.4), np.cos(0.4)), rtol=1e-14)
    np.testing.assert_allclose(rf.OU().velocity(0.4), (-np.exp(-0.4), np.exp(-0.8) / np.sqrt(1 - np.exp(-0.8))),
                               rtol=1e-13)  # fmt: skip
    assert rf.Linear().velocity(0.4) == (-1.0, 1.0)


VALUES = [problem for problem, *_ in TABLE.values()] + [
    rf.ScoreProblem(2.0, 3.0, 0.1, rf.HeavyTailed(5.0, rf.PowerLaw(1.0, 8)), target=rf.Target(0.5, -1.0, 2.0)),
]


@pytest.mark.parametrize("problem", VALUES, ids=range(len(VALUES)))
def test_values_are_pickled_as_they_are(problem: rf.ScoreProblem) -> None:
    for value in (problem, problem.process, problem.target, problem.population):
        again = pickle.loads(pickle.dumps(value))
        assert eqx.tree_equal(again, value) and type(again) is type(value)
    again = pickle.loads(pickle.dumps(problem))
    assert np.array_equal(again.classes().nodes, problem.classes().nodes)
    assert eqx.tree_equal(again.replace(), problem)


PLAIN = {"psi_n": 2.0, "psi_p": 3.0, "t": 0.1}
BAD = {
    "fractions that do not sum to 1": (lambda: rf.Mixture([0.3, 0.6], [1.0, 2.0]), "fractions = 'sum 0.9"),
    "a fraction of 0": (lambda: rf.Mixture([0.0, 1.0], [1.0, 2.0]), "drop the empty classes"),
    "fractions of another number": (lambda: rf.Mixture([0.5, 0.5], [1.0]), "one for each of the 1 covariances"),
    "one covariance": (lambda: rf.Mixture([1.0], rf.Atoms([1.0, 2.0])), "a list with a number or a covariance"),
    "spectra of other lengths": (lambda: rf.Mixture([0.5, 0.5], [rf.Atoms([1.0, 2.0]), rf.Atoms([1.0, 2.0, 3.0])]),
                                 "covariance of class 1.*share one eigenbasis"),
    "spectra of other weights": (lambda: rf.Mixture([0.5, 0.5], [rf.Atoms([1.0, 2.0]),
                                                                 rf.Atoms([1.0, 2.0], [0.3, 0.7])]),
                                 "weights of class 1.*its weight is one"),
    "a continuous spectrum": (lambda: rf.Mixture([0.5, 0.5], [rf.Uniform(), 1.0]), "cannot be paired"),
    "df too small": (lambda: rf.HeavyTailed(2.0), r"df = 2.*\[2.1, 1000\]"),
    "accuracy of heavy tails": (lambda: rf.HeavyTailed(5.0, accuracy=1e-12), "accuracy"),
    "t of a straight line": (lambda: rf.ScoreProblem(**{**PLAIN, "t": 1.0}, process=rf.Linear()), r"\[0.01, 0.99\]"),
    "t of an interpolant": (lambda: rf.ScoreProblem(**PLAIN, process=rf.Interpolant(np.cos, np.sin, (0.2, 1.0))),
                            r"\[0.2, 1\]"),
    "signal 0": (lambda: rf.ScoreProblem(2.0, 3.0, process=rf.Channel(0.0, 0.5)), "signal of Channel"),
    "noise 0": (lambda: rf.ScoreProblem(2.0, 3.0, process=rf.Channel(0.5, 0.0)), "noise of Channel"),
    "signal no function": (lambda: rf.Interpolant(0.5, np.sin, (0.0, 1.0)), "for one fixed pair of numbers take"),
    "t_range descending": (lambda: rf.Interpolant(np.cos, np.sin, (1.0, 0.0)), "two numbers, ascending"),
    "no process": (lambda: rf.ScoreProblem(**PLAIN, process="linear"), "process = 'linear'"),
    "unknown target": (lambda: rf.ScoreProblem(**PLAIN, target="speed"), "one of .*'velocity'"),
    "target no value": (lambda: rf.ScoreProblem(**PLAIN, target=1.0), "target = 1.0"),
    "target of nothing": (lambda: rf.Target(0.0, 0.0), "nothing to learn"),
    "gain 0": (lambda: rf.Target(1.0, 0.0, 0.0), "gain = 0"),
    "gain negative": (lambda: rf.Target(1.0, 0.0, -1.0), "a negative sign belongs into"),
    "target infinite": (lambda: rf.Target(np.inf, 0.0), "on_data = inf"),
    "not centred in every class": (
        lambda: rf.coefficients(rf.ScoreProblem(**PLAIN, population=rf.Mixture([0.5, 0.5], [0.5, 2.0]),
                                                activation="relu")), "in class 0 = .*every class"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.usefixtures("unchecked")
def test_bad_values_are_refused(case: str) -> None:
    make, words = BAD[case]
    with pytest.raises(rf.InputError, match=words):
        make()


LINEAR = rf.ScoreProblem(2.0, 3.0, 0.4, process=rf.Linear())
TWO = rf.ScoreProblem(2.0, 3.0, 0.1, rf.Mixture([0.4, 0.6], [0.5, 1.5]))
FOR_LESS = {
    "oracle, another process": lambda: oracle.coefficients(LINEAR),
    "oracle, another target": lambda: oracle.losses(TABLE["velocity"][0].replace(process=rf.OU()), 1.0),
    "oracle, classes": lambda: oracle.coefficients(TWO),
    "large-psi law, classes": lambda: rf.large_psi_law(TWO),
    "large-psi loss, data": lambda: rf.large_psi_train_loss(rf.ScoreProblem(2.0, 3.0, 0.1, target="data")),
}


@pytest.mark.parametrize("what", FOR_LESS)
def test_what_is_derived_for_less_is_refused(what: str) -> None:
    with pytest.raises(rf.InputError, match="expected"):
        FOR_LESS[what]()


def test_large_psi_laws_follow_the_process() -> None:
    """The law of a channel is that of the OU process with the same signal and noise, after rescaling the data."""
    t, channel = 0.3, rf.Channel(0.5, float(rf.OU().noise(0.3)))
    one = rf.ScoreProblem(8.0, 64.0, t)
    two = rf.ScoreProblem(8.0, 64.0, population=float(np.exp(-2 * t)) / 0.25, process=channel)
    for law in (rf.large_psi_train_loss, lambda problem: rf.large_psi_law(problem).population_edges):
        np.testing.assert_allclose(law(two), law(one), rtol=1e-12)


def test_classes_have_no_large_psi_time_and_numbered_bulks() -> None:
    assert np.isnan(rf.timescales(TWO).tau_mem_law)
    names = rf.spectrum(TWO).names
    assert names == [f"bulk {i + 1} of {len(names)}" for i in range(len(names))]


ATOMS = rf.Atoms([0.5, 1.5])


@pytest.mark.parametrize(("psi_n", "psi_p", "rho"), [(8.0, 64.0, 1.0), (4.0, 4.0, ATOMS), (20.0, 5.0, ATOMS)])
def test_two_equal_classes_have_the_edges_of_one(psi_n: float, psi_p: float, rho: rf.Covariance | float) -> None:
    """The scan for several classes against the curve of real solutions of one; one covariance may be given twice."""
    one = rf.ScoreProblem(psi_n, psi_p, 0.1, rho)
    two = one.replace(population=rf.Mixture([0.3, 0.7], [rho, rho]))
    np.testing.assert_allclose(two.classes().nodes, np.tile(one.quadrature()[0], (2, 1)), rtol=0.0)
    np.testing.assert_allclose(rf.spectrum(two).edges, rf.spectrum(one).edges, rtol=1e-12)
