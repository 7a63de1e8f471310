"""One table of bad input to the problem and the theory: every message names the value, the range and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rfscore as rf

NAN, INF = float("nan"), float("inf")
OK = {"psi_n": 2.0, "psi_p": 8.0, "t": 0.1}
PROBLEM = rf.ScoreProblem(**OK)


def problem(**changes: Any) -> rf.ScoreProblem:
    return rf.ScoreProblem(**{**OK, **changes})


def coefficients(activation: Any, **changes: Any) -> rf.GaussianCoefficients:
    return rf.coefficients(problem(activation=activation, **changes))


# call, fragments its message must hold: the value, what is admissible, and a remedy where one exists
CASES: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "psi_n negative": (lambda: problem(psi_n=-1.0), ("psi_n = -1.0", "[0.02, 10000]", "nothing is tested")),
    "psi_n zero": (lambda: problem(psi_n=0.0), ("psi_n = 0.0", "[0.02, 10000]")),
    "psi_n NaN": (lambda: problem(psi_n=NAN), ("psi_n = nan", "[0.02, 10000]")),
    "psi_n too large": (lambda: problem(psi_n=1.1e4), ("psi_n = 11000.0", "[0.02, 10000]")),
    "psi_n infinite": (lambda: problem(psi_n=INF), ("psi_n = inf", "[0.02, 10000]")),
    "psi_n text": (lambda: problem(psi_n="many"), ("psi_n = 'many'", "a number in")),
    "psi_n text of a number": (lambda: problem(psi_n="8"), ("psi_n = '8'", "a number in")),
    "psi_n bytes": (lambda: problem(psi_n=b"8"), ("psi_n = b'8'", "a number in")),
    "psi_n NumPy text": (lambda: problem(psi_n=np.str_("8")), ("psi_n = ", "a number in")),
    "psi_n array of text": (lambda: problem(psi_n=np.array("8")), ("psi_n = ", "a number in")),
    "psi_n truth value": (lambda: problem(psi_n=True), ("psi_n = True", "a number in")),
    "psi_n NumPy truth value": (lambda: problem(psi_n=np.True_), ("psi_n = ", "a number in")),
    "psi_p text of a number": (lambda: problem(psi_p="8"), ("psi_p = '8'", "a number in")),
    "t text of a number": (lambda: problem(t="0.1"), ("t = '0.1'", "a number in")),
    "ridge text of a number": (lambda: problem(ridge="0"), ("ridge = '0'", "0, or a number in")),
    "ridge truth value": (lambda: problem(ridge=False), ("ridge = False", "0, or a number in")),
    "noise_draws text of a number": (lambda: problem(noise_draws="2"), ("noise_draws = '2'", "a whole number")),
    "noise_draws truth value": (lambda: problem(noise_draws=True), ("noise_draws = True", "a whole number")),
    "variance text of a number": (lambda: rf.Isotropic("1"), ("variance = '1'", "a number > 0")),
    "atoms text of numbers": (lambda: rf.Atoms(["1", "2"]), ("values", "real numbers")),
    "atoms truth values": (lambda: rf.Atoms([True, False]), ("values", "real numbers")),
    "uniform text of a number": (lambda: rf.Uniform("0.5", 2.0), ("low = '0.5'", "a number > 0")),
    "power law truth value": (lambda: rf.PowerLaw(size=True), ("size = True", "integer >= 1")),
    "tau text of numbers": (lambda: rf.loss_curves(PROBLEM, ["1", "2"]), ("tau", "training times >= 0")),
    "tau truth values": (lambda: rf.loss_curves(PROBLEM, [True]), ("tau", "training times >= 0")),
    "z text of a number": (lambda: rf.resolvent(PROBLEM, "1j"), ("z = '1j'", "complex")),
    "lam text of a number": (lambda: rf.spectrum(PROBLEM).density("1"), ("lam = '1'", "real numbers")),
    "psi_n array": (lambda: problem(psi_n=np.array([1.0, 2.0])), ("psi_n = array", "a number in")),
    "psi_n none": (lambda: problem(psi_n=None), ("psi_n = None", "a number in")),
    "psi_p negative": (lambda: problem(psi_p=-3.0), ("psi_p = -3.0", "[0.02, 10000]")),
    "psi_p NaN": (lambda: problem(psi_p=NAN), ("psi_p = nan", "[0.02, 10000]")),
    "psi_p below range": (lambda: problem(psi_p=0.01), ("psi_p = 0.01", "[0.02, 10000]")),
    "t zero": (lambda: problem(t=0.0), ("t = 0.0", "[0.0001, 5]")),
    "t negative": (lambda: problem(t=-0.1), ("t = -0.1", "[0.0001, 5]")),
    "t NaN": (lambda: problem(t=NAN), ("t = nan", "[0.0001, 5]")),
    "t too large": (lambda: problem(t=6.0), ("t = 6.0", "[0.0001, 5]")),
    "t complex": (lambda: problem(t=1j), ("t = 1j", "a number in")),
    "variance zero": (lambda: problem(population=0.0), ("variance = 0.0", "> 0")),
    "variance negative": (lambda: problem(population=-1.0), ("variance = -1.0", "> 0")),
    "variance NaN": (lambda: rf.Isotropic(NAN), ("variance = nan", "> 0")),
    "variance infinite": (lambda: rf.Isotropic(INF), ("variance = inf", "finite")),
    "variance text": (lambda: rf.Isotropic("one"), ("variance = 'one'", "a number > 0")),
    "atoms empty": (lambda: rf.Atoms([]), ("values", "(0,)", "non-empty")),
    "atoms negative": (lambda: rf.Atoms([1.0, -0.5]), ("values = -0.5", ">= 0")),
    "atoms NaN": (lambda: rf.Atoms([1.0, NAN]), ("values = nan", "finite")),
    "atoms infinite": (lambda: rf.Atoms([1.0, INF]), ("values = inf", "finite")),
    "atoms matrix": (lambda: rf.Atoms(np.eye(2)), ("values", "(2, 2)", "vector")),
    "atoms text": (lambda: rf.Atoms(["a", "b"]), ("values", "real numbers")),
    "atoms all zero": (lambda: rf.Atoms([0.0, 0.0]), ("Sigma = 0", "at least one eigenvalue > 0")),
    "weights do not sum": (
        lambda: rf.Atoms([1.0, 2.0], [0.5, 0.6]), ("sum 1.1", "sum to 1", "divide them by their sum")),
    "weights negative": (lambda: rf.Atoms([1.0, 2.0], [1.5, -0.5]), ("weights = -0.5", ">= 0")),
    "weights zero": (lambda: rf.Atoms([1.0, 2.0], [1.0, 0.0]), ("weights = 0.0", "> 0", "drop the empty atoms")),
    "weights too few": (lambda: rf.Atoms([1.0, 2.0], [1.0]), ("weights", "(1,)", "(2,)")),
    "weights NaN": (lambda: rf.Atoms([1.0, 2.0], [NAN, 1.0]), ("weights = nan", "finite")),
    "empirical empty": (lambda: rf.Empirical([]), ("eigenvalues", "(0,)", "non-empty")),
    "empirical negative": (
        lambda: rf.Empirical([1.0, -1e-3]), ("eigenvalues = -0.001", ">= 0", "is the matrix symmetric")),
    "empirical NaN": (lambda: rf.Empirical([1.0, NAN]), ("eigenvalues = nan", "finite")),
    "empirical zero": (lambda: rf.Empirical(np.zeros(3)), ("Sigma = 0", "at least one eigenvalue > 0")),
    "power law size": (lambda: rf.PowerLaw(size=0), ("size = 0", "integer >= 1")),
    "power law size not whole": (lambda: rf.PowerLaw(size=2.5), ("size = 2.5", "integer >= 1")),
    "power law exponent": (lambda: rf.PowerLaw(exponent=-1.0), ("exponent = -1.0", "> 0")),
    "power law variance": (lambda: rf.PowerLaw(sigma2=0.0), ("sigma2 = 0.0", "> 0")),
    "uniform reversed": (lambda: rf.Uniform(2.0, 1.0), ("high = 1.0", "> low = 2")),
    "uniform from zero": (lambda: rf.Uniform(0.0, 1.0), ("low = 0.0", "> 0")),
    "uniform NaN": (lambda: rf.Uniform(0.5, NAN), ("high = nan", "> 0")),
    "condition too large": (
        lambda: problem(population=rf.Atoms([1e-7, 1.0])), ("1e+07", "at most 1e+06", "set them to exactly 0")),
    "activation unknown": (
        lambda: problem(activation="swish"), ("'swish'", "['erf', 'relu', 'sin', 'tanh'", "Activation")),
    "activation number": (lambda: problem(activation=3), ("activation = 3", "a name, a callable")),
    "activation of the script": (lambda: problem(activation="__main__:soft"), ("a module of its own", "file.py")),
    "activation of no module": (
        lambda: problem(activation="no_such_module:f"), ("'no_such_module:f'", "can be imported", "PYTHONPATH")),
    "activation not in its module": (lambda: problem(activation="numpy:no_such"), ("'numpy:no_such'", "no attribute")),
    "activation no function": (lambda: problem(activation="numpy:pi"), ("'numpy:pi'", "a callable", "float")),
    "kinks text": (lambda: rf.Activation("f", np.tanh, kinks="0"), ("kinks = '0'", "finite numbers")),
    "kinks NaN": (lambda: rf.Activation("f", np.tanh, kinks=(NAN,)), ("kinks", "nan", "finite numbers")),
    "activation not centred": (
        lambda: coefficients(lambda x: np.tanh(x) + 0.5), ("= 0.5", "centred", "centre=True")),
    "activation NaN": (lambda: coefficients(lambda x: np.sqrt(x)), ("finite real values", "NaN")),
    "activation infinite": (lambda: coefficients(lambda x: np.sinh(100.0 * x)), ("finite real values", "infinities")),
    "activation shape": (lambda: coefficients(lambda x: x[:3]), ("(3,)", "input's shape", "elementwise")),
    "activation scalar": (lambda: coefficients(lambda x: 1.0), ("()", "input's shape", "elementwise")),
    "activation complex": (lambda: coefficients(lambda x: np.tanh(x) * 1j), ("complex128", "finite real values")),
    "activation integer": (lambda: coefficients(lambda x: np.sign(x).astype(int)), ("int64", "finite real values")),
    "activation even": (lambda: coefficients(np.abs), ("mu_1 of 'absolute'", "even activation has no linear part")),
    "activation even, centred, with its kink": (
        lambda: coefficients(rf.Activation("abs", np.abs, (0.0,), centre=True)), ("mu_1 of 'abs'", "no linear part")),
    "activation with kinks not declared": (
        lambda: coefficients(lambda x: np.clip(x, -1, 1)), ("relative error", "declare its kinks", "kinks=(-1.0,")),
    "activation linear": (lambda: coefficients(lambda x: 2.0 * x), ("linear", "v2 = s2 = 0", "non-linear activation")),
    "activation hidden step": (lambda: coefficients(np.sign), ("relative error", "at most 1e-08", "declare its kinks")),
    "activation at a wrong scale": (
        lambda: coefficients("tanh", population=1e8), ("relative error", "at most 1e-08", "rescale the data")),
    "tau negative": (lambda: rf.loss_curves(PROBLEM, [1.0, -2.0]), ("tau = -2.0", ">= 0", "inf are allowed")),
    "tau NaN": (lambda: rf.loss_curves(PROBLEM, [1.0, NAN]), ("tau = nan", ">= 0")),
    "tau text": (lambda: rf.loss_curves(PROBLEM, "late"), ("tau = 'late'", "training times >= 0")),
    "tau complex": (lambda: rf.loss_curves(PROBLEM, [1j]), ("tau", "training times >= 0")),
    "tau negative per bulk": (lambda: rf.bulk_curves(PROBLEM, [-1.0]), ("tau = -1.0", ">= 0")),
    "rtol too small": (lambda: rf.loss_curves(PROBLEM, [1.0], rtol=1e-20), ("rtol = 1e-20", "[1e-13, 1e-2]")),
    "rtol text": (lambda: rf.loss_curves(PROBLEM, [1.0], rtol="1e-9"), ("rtol = '1e-9'", "[1e-13, 1e-2]")),
    "seed text": (lambda: rf.finite.draw(PROBLEM, 10, "0"), ("seed = '0'", "a whole number >= 0")),
    "seed negative": (lambda: rf.finite.draw(PROBLEM, 10, -1), ("seed = -1", "a whole number >= 0")),
    "seed truth value": (lambda: rf.finite.draw(PROBLEM, 10, True), ("seed = True", "a whole number >= 0")),
    "seed none": (lambda: rf.finite.draw(PROBLEM, 10, None), ("seed = None", "a whole number >= 0")),
    "rtol NaN": (lambda: rf.loss_curves(PROBLEM, [1.0], rtol=NAN), ("rtol = nan", "[1e-13, 1e-2]")),
    "z NaN": (lambda: rf.resolvent(PROBLEM, [NAN]), ("z = ", "finite complex numbers")),
    "z infinite": (lambda: rf.resolvent(PROBLEM, [complex(INF, 0.0)]), ("z = ", "finite complex numbers")),
    "z text": (lambda: rf.resolvent(PROBLEM, "below"), ("z = 'below'", "complex")),
    "kernel z NaN": (lambda: rf.two_point(PROBLEM, [NAN], [1j]), ("z1 = ", "finite complex numbers")),
    "coupling shape": (
        lambda: rf.two_point(PROBLEM, [-1.0], [-1.0], (1.0, 2.0)), ("coupling", "(2,)", "(k0, kWW, kWSW)")),
    "coupling NaN": (
        lambda: rf.two_point(PROBLEM, [-1.0], [-1.0], (1.0, NAN, 0.0)), ("coupling", "nan", "finite")),
    "lam NaN": (lambda: rf.spectrum(PROBLEM).density([1.0, NAN]), ("lam", "NaN", "real numbers")),
    "lam text": (lambda: rf.spectrum(PROBLEM).cdf("edge"), ("lam = 'edge'", "real numbers")),
    "moment order": (lambda: rf.spectrum(PROBLEM).moment(-1), ("order = -1", "integer >= 0")),
    "moment order not whole": (lambda: rf.spectrum(PROBLEM).moment(0.5), ("order = 0.5", "integer >= 0")),
    "quantile outside": (lambda: rf.spectrum(PROBLEM).quantile(1.0), ("fraction = 1.0", "(0, 1)")),
    "quantile names the bad one": (lambda: rf.spectrum(PROBLEM).quantile([0.5, 1.5]), ("fraction = 1.5", "(0, 1)")),
    "law without sample bulk": (lambda: rf.large_psi_law(problem(psi_p=0.5)), ("psi_p = 0.5", "> 1")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # from the activations that misbehave on purpose
@pytest.mark.usefixtures("unchecked")
def test_refused_with_value_range_and_remedy(name: str) -> None:
    call, fragments = CASES[name]
    with pytest.raises(rf.InputError) as refused:
        call()
    message = str(refused.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message, message
    assert re.search(r"expected|needs|use ", message), message
    assert isinstance(refused.value, ValueError)


def test_refused_problem_leaves_no_half_built_object() -> None:
    before = rf.ScoreProblem(**OK)
    with pytest.raises(rf.InputError):
        rf.ScoreProblem(psi_n=2.0, psi_p=8.0, t=-1.0)
    assert rf.ScoreProblem(**OK) == before


def test_problem_cannot_be_changed_into_a_bad_one() -> None:
    with pytest.raises(AttributeError):
        PROBLEM.t = -1.0


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.float16])
def test_shorter_numbers_are_promoted_to_double(kind: type) -> None:
    short = rf.ScoreProblem(psi_n=kind(2), psi_p=kind(8), t=kind(1), population=rf.Atoms(np.array([1, 3], dtype=kind)))
    exact = rf.ScoreProblem(psi_n=2.0, psi_p=8.0, t=1.0, population=rf.Atoms([1.0, 3.0]))
    assert type(short.psi_n) is float and short.population.values.dtype == np.float64
    assert float(rf.coefficients(short).s2) == float(rf.coefficients(exact).s2)


def test_weights_that_sum_to_one_up_to_rounding_are_accepted() -> None:
    weights = np.full(7, 1.0 / 7.0)
    assert abs(rf.Atoms(np.arange(1.0, 8.0), weights).variance - 4.0) < 1e-14


@pytest.mark.parametrize(("name", "low", "high"), [("psi_n", 0.02, 1e4), ("psi_p", 0.02, 1e4), ("t", 1e-4, 5.0)])
def test_ends_of_every_range_are_inside(name: str, low: float, high: float) -> None:
    for end in (low, high):
        assert getattr(problem(**{name: end}), name) == end


def test_point_on_the_atom_is_refused_and_says_where() -> None:
    floor = float(rf.coefficients(PROBLEM).s2)
    with pytest.raises(rf.SolveError, match=r"resolvent at z = 0\.0135739.*move it"):
        rf.resolvent(PROBLEM, floor)


def test_list_of_names_is_what_the_message_offers() -> None:
    from rfscore.model.activations import names

    with pytest.raises(rf.InputError) as refused:
        problem(activation="swish")
    assert all(repr(name) in str(refused.value) for name in names())
