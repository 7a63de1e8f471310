"""Public values: pickled, copied, sent to another process, and drawn at a finite size, they stay what they are."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import rfscore as rf
from rfscore import oracle
from rfscore._plain import to_plain

OWN = "tests.user_activations:soft"
CENTRED = rf.ScoreProblem(2.0, 4.0, 0.1, activation="relu")
PROBLEM = rf.ScoreProblem(2.0, 4.0, 0.1, rf.Atoms([0.5, 1.5], [0.25, 0.75]), OWN, noise_draws=3, ridge=0.1)
PLAIN = rf.ScoreProblem(2.0, 4.0, 0.1)
VALUES: dict[str, Callable[[], Any]] = {
    **{name: lambda name=name: rf.ScoreProblem(2.0, 4.0, 0.1, activation=name)
       for name in ("tanh", "erf", "sin", "relu", OWN, "tests.user_activations:HARD")},
    "problem": lambda: PROBLEM, "atoms": lambda: PROBLEM.population, "empirical": lambda: rf.Empirical([1.0, 2.0]),
    "power law": lambda: rf.PowerLaw(1.5, 256), "uniform": lambda: rf.Uniform(0.5, 1.5),
    "flow training": lambda: rf.Flow(), "adam": lambda: rf.Adam(0.1),
    "descent": lambda: rf.Descent(0.1, 0.5, batch=0.5),
    "coefficients": lambda: rf.coefficients(PLAIN), "curves": lambda: rf.loss_curves(PLAIN, [1.0, np.inf]),
    "timescales": lambda: rf.timescales(PLAIN), "resolvent": lambda: rf.resolvent(PLAIN, [-1.0]),
    "law": lambda: rf.large_psi_law(PLAIN), "decomposition": lambda: rf.decomposition(PLAIN, [1.0]),
    "spectrum": lambda: rf.spectrum(PLAIN), "bulk curves": lambda: rf.bulk_curves(PLAIN, [1.0]),
    "instance": lambda: rf.finite.draw(CENTRED, d=6), "own instance": lambda: rf.finite.draw(PROBLEM, d=6),
    "equivalent instance": lambda: rf.finite.draw(PLAIN, d=6, features="gaussian-equivalent"),
    "flow": lambda: rf.finite.draw(CENTRED, d=6).gradient_flow(),
}  # fmt: skip


def numbers(value: Any) -> Any:
    """What can be compared: a flow by its losses, an instance by its matrices, anything else as plain data."""
    if isinstance(value, rf.finite.GradientFlow):
        return to_plain(value.loss_curves([1.0, np.inf]))
    return to_plain([value.U, value.V, value.U_test]) if hasattr(value, "U_test") else to_plain(value)


@pytest.mark.parametrize("name", VALUES)
def test_pickle_and_deepcopy_return_the_value(name: str) -> None:
    value = VALUES[name]()
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert type(again) is type(value)
        assert numbers(again) == numbers(value)


def test_problems_cross_to_a_spawned_process_and_results_come_back() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(rf.coefficients, [CENTRED, PROBLEM])
    for problem, there in zip((CENTRED, PROBLEM), found, strict=True):
        assert numbers(there) == numbers(rf.coefficients(problem))


def test_oracle_knows_a_built_in_activation_that_was_pickled() -> None:
    problem = pickle.loads(pickle.dumps(rf.ScoreProblem(2.0, 8.0, 0.1, activation="erf")))
    found = oracle.coefficients(problem, dps=40)
    assert abs(found.mu1 - oracle.coefficients(rf.ScoreProblem(2.0, 8.0, 0.1, activation="erf"), dps=40).mu1) < 1e-35


def test_texts_and_plain_data_name_no_local_function_and_no_address() -> None:
    for text in (repr(PROBLEM), repr(CENTRED), str(to_plain(PROBLEM)), str(to_plain(CENTRED))):
        assert "<locals>" not in text and "0x" not in text and "<function" not in text
    assert to_plain(PROBLEM)["activation"]["function"] == OWN


def test_an_activation_of_jax_gives_the_same_exact_instance() -> None:
    plain, jaxed = (rf.ScoreProblem(2.0, 4.0, 0.1, activation=f) for f in ("tanh", rf.Activation("own", jnp.tanh)))
    for features in ("exact", "gaussian-equivalent"):
        here, there = (rf.finite.draw(q, d=10, features=features) for q in (plain, jaxed))
        assert np.allclose(here.U, there.U, atol=1e-13) and np.allclose(here.V_test, there.V_test, atol=1e-13)
    kinked = [rf.Activation("relu", f, (0.0,), centre=True) for f in (lambda x: np.maximum(x, 0.0),
                                                                      lambda x: jnp.maximum(x, 0.0))]  # fmt: skip
    here, there = (rf.finite.draw(rf.ScoreProblem(2.0, 4.0, 0.1, activation=f), d=10) for f in kinked)
    assert np.allclose(here.U, there.U, atol=1e-13)


@pytest.mark.parametrize("t", [1e-4, 0.01, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("sigma2", [0.2, 4.0])
def test_two_kinks_are_resolved(t: float, sigma2: float) -> None:
    assert rf.coefficients(rf.ScoreProblem(2.0, 4.0, t, sigma2, "tests.user_activations:HARD")).error < 1e-12


def test_two_kinks_give_the_closed_hermite_series() -> None:
    # sigma' is 1 on (-1, 1): h_k = -Gamma [he_{k-2} phi]_{-1/Gamma}^{1/Gamma}/sqrt(k (k - 1)), he_k orthonormal.
    problem = rf.ScoreProblem(2.0, 4.0, 0.1, 1.7, "tests.user_activations:HARD")
    found, gamma = rf.coefficients(problem), np.sqrt(problem.gamma2)
    edge, rho = 1.0 / gamma, np.exp(-0.2) * 1.7 / problem.gamma2
    he = [1.0, edge]
    for k in range(2, 400):
        he.append((edge * he[-1] - np.sqrt(k - 1.0) * he[-2]) / np.sqrt(k))
    odd = np.arange(3, 401, 2)
    h = -2.0 * gamma * np.array(he)[odd - 2] * stats.norm.pdf(edge) / np.sqrt(odd * (odd - 1.0))
    inside = 1.0 - 2.0 * stats.norm.sf(edge)
    second = problem.gamma2 * (inside - 2.0 * edge * stats.norm.pdf(edge)) + 2.0 * stats.norm.sf(edge)
    v2 = float(np.sum(h**2 * rho**odd))
    expected = {"mu1": gamma * inside, "v2": v2, "s2": second - (gamma * inside) ** 2 - v2}
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-11), name


SPECTRA = {
    "isotropic": rf.Isotropic(2.3), "power law": rf.PowerLaw(1.5, 256), "uniform": rf.Uniform(0.5, 1.5),
    "atoms": rf.Atoms([0.5, 1.5, 0.0], [0.3, 0.3, 0.4]), "empirical": rf.Empirical(np.arange(1.0, 51.0) ** 2),
}  # fmt: skip


@pytest.mark.parametrize("d", [1, 7, 20, 100, 256, 300])
@pytest.mark.parametrize("name", SPECTRA)
def test_drawn_spectra_keep_the_trace(name: str, d: int) -> None:
    found = SPECTRA[name].eigenvalues(d)
    assert found.shape == (d,) and np.all(np.diff(found) >= -1e-12 * found.max())
    assert found.mean() == pytest.approx(float(SPECTRA[name].variance), rel=1e-12)


def test_a_spectrum_of_as_many_atoms_is_itself() -> None:
    assert np.array_equal(SPECTRA["power law"].eigenvalues(256), SPECTRA["power law"].quadrature()[0])
    assert np.array_equal(SPECTRA["empirical"].eigenvalues(50), np.arange(1.0, 51.0) ** 2)
    assert SPECTRA["atoms"].eigenvalues(10).tolist() == [0.0] * 4 + [0.5] * 3 + [1.5] * 3


def test_draws_below_the_size_of_the_spectrum_follow_the_theory() -> None:
    problem = rf.ScoreProblem(2.0, 4.0, 0.1, rf.PowerLaw(1.0, 24))
    losses = [rf.finite.draw(problem, d=12, seed=seed).gradient_flow().loss_curves([10.0]).test[0] for seed in range(6)]
    assert np.mean(losses) == pytest.approx(rf.loss_curves(problem, [10.0]).test[0], abs=0.03)


def test_roundoff_of_null_eigenvalues_is_zero() -> None:
    rng = np.random.default_rng(0)
    values = np.linalg.eigvalsh(np.cov((rng.standard_normal((100, 30)) @ rng.standard_normal((30, 64))).T))
    assert values.min() < 0.0 < np.sort(values)[33]
    for covariance in (rf.Empirical(values), rf.Atoms(values)):
        assert np.sum(np.asarray(covariance.values) == 0.0) == 34
        rf.ScoreProblem(2.0, 4.0, 0.1, covariance)


def test_a_problem_with_another_value_is_otherwise_the_same() -> None:
    other = PROBLEM.replace(t=0.5, ridge=0.25)
    assert (other.t, other.ridge, other.psi_n) == (0.5, 0.25, PROBLEM.psi_n)
    assert other.population is PROBLEM.population and other.replace(t=PROBLEM.t, ridge=PROBLEM.ridge) == PROBLEM
    with pytest.raises(rf.InputError, match="noise"):
        PROBLEM.replace(noise=3)
    with pytest.raises(rf.InputError, match="t = 9"):
        PROBLEM.replace(t=9.0)
