"""jit, vmap and grad: derivatives of the solution against differences, loops against batches, precision refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rfscore as rf

TAU = np.geomspace(1e-1, 1e6, 8)
VALUES = np.array([0.2, 0.8, 1.2, 1.8])


@pytest.fixture(autouse=True)
def _sixty_four_bits() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def final(psi_n: float, t: float, values: np.ndarray = VALUES) -> jax.Array:
    """Test loss at eight training times."""
    return rf.loss_curves(rf.ScoreProblem(psi_n, 8.0, t, rf.Atoms(values), "erf"), TAU).test


def central(function: Callable[[float], float], at: float, step: float) -> np.ndarray:
    """Fourth-order central difference."""
    f = [np.asarray(function(at + k * step)) for k in (-2, -1, 1, 2)]
    return (8.0 * (f[2] - f[1]) - (f[3] - f[0])) / (12.0 * step)


def test_gradient_of_the_test_loss_in_samples_and_time_equals_differences() -> None:
    """d L_test/d psi_n and d L_test/d t, by reverse mode, of a combination that no symmetry kills."""
    mix = np.array([3.0, -1.0, 2.0, 1.0, -2.0, 1.5, 0.5, 1.0])
    in_n, in_t = jax.jit(jax.grad(lambda n, t: mix @ final(n, t), argnums=(0, 1)))(2.0, 0.1)
    assert float(in_t) == pytest.approx(float(mix @ central(lambda t: final(2.0, t), 0.1, 1e-3)), rel=1e-7)
    assert float(in_n) == pytest.approx(float(mix @ central(lambda n: final(n, 0.1), 2.0, 5e-3)), rel=1e-7)
    assert abs(in_t) > 1.0 and abs(in_n) > 0.1


def test_compiled_batch_over_samples_and_spectra_equals_the_plain_loop() -> None:
    psi_n = np.array([0.5, 2.0, 8.0, 30.0])
    spectra = VALUES * np.array([[1.0], [0.5], [2.0], [1.0]])
    batch = jax.jit(jax.vmap(lambda n, values: final(n, 0.1, values)))(psi_n, spectra)
    assert np.allclose(batch, [final(n, 0.1, v) for n, v in zip(psi_n, spectra, strict=True)], rtol=1e-10, atol=0.0)


TIMES = ("tau_mem_edge", "tau_last_edge", "lambda_min", "lambda_lowest", "tau_mem_law", "tau_gen_scale")


def logs_of_times(psi_n: float, t: float) -> jax.Array:
    found = rf.timescales(rf.ScoreProblem(psi_n, 64.0, t, activation="erf"))
    return jnp.log(jnp.stack([jnp.asarray(getattr(found, name)) for name in TIMES]))


def test_derivatives_of_the_timescales_equal_differences() -> None:
    in_n, in_t = jax.jit(jax.jacfwd(logs_of_times, argnums=(0, 1)))(8.0, 0.01)
    assert np.all(np.asarray(in_n)[[0, 1]] > 0.05)  # d tau_mem/d psi_n
    assert np.allclose(in_n, central(lambda n: logs_of_times(n, 0.01), 8.0, 1e-2), rtol=1e-6, atol=1e-9)
    assert np.allclose(in_t, central(lambda t: logs_of_times(8.0, t), 0.01, 1e-5), rtol=1e-6, atol=1e-6)


def test_batch_of_timescales_equals_the_loop() -> None:
    psi_n = np.array([4.0, 8.0, 16.0])
    batch = jax.jit(jax.vmap(lambda n: logs_of_times(n, 0.01)))(psi_n)
    assert np.allclose(batch, [logs_of_times(n, 0.01) for n in psi_n], rtol=1e-12)
    assert np.all(np.diff(batch[:, 0]) > 0)


def test_resolvent_has_its_own_derivative_in_z_and_in_the_problem() -> None:
    z = np.array([-1.0, 0.5, 2.0, 0.05]) + 1j * np.array([0.0, 0.2, 0.5, 0.01])

    def q(psi_p: float, shift: float) -> jax.Array:
        found = rf.resolvent(rf.ScoreProblem(2.0, psi_p, 0.1, activation="erf"), z + shift).q
        return jnp.stack([found.real, found.imag])

    jacobian = jax.jit(jax.jacfwd(q, argnums=(0, 1)))(8.0, 0.0)
    for k, (at, step) in enumerate(((8.0, 1e-3), (0.0, 1e-5))):
        difference = central(lambda x, k=k: q(*((x, 0.0) if k == 0 else (8.0, x))), at, step)
        assert np.allclose(jacobian[k], difference, rtol=1e-6, atol=1e-8 * np.max(abs(difference)))


def test_coefficients_differentiate_in_time() -> None:
    def value(t: float) -> jax.Array:
        co = rf.coefficients(rf.ScoreProblem(1.0, 2.0, t, 2.0, "tanh"))
        return jnp.stack([jnp.asarray(x) for x in (co.v2, co.s2, co.mu1, co.b)])

    assert np.allclose(jax.jit(jax.jacfwd(value))(0.1), central(value, 0.1, 1e-3), rtol=1e-8)


@pytest.mark.parametrize("transformation", [jax.jit, jax.grad, jax.vmap], ids=["jit", "grad", "vmap"])
def test_thirty_two_bits_are_refused_with_the_remedy(transformation: Callable) -> None:
    argument = np.ones(3) if transformation is jax.vmap else 2.0
    with jax.enable_x64(False), pytest.raises(rf.InputError, match=r"jax_enable_x64.*True"):
        transformation(lambda n: rf.loss_curves(rf.ScoreProblem(n, 8.0, 0.1), TAU).test.sum())(argument)


def test_spectrum_says_that_it_cannot_be_transformed() -> None:
    with pytest.raises(rf.InputError, match="concrete"):
        jax.jit(lambda n: rf.spectrum(rf.ScoreProblem(n, 8.0, 0.1)).edges)(2.0)


def test_plain_calls_return_double_numpy_arrays_whatever_the_switch() -> None:
    with jax.enable_x64(False):
        cur = rf.loss_curves(rf.ScoreProblem(2.0, 8.0, 0.1, rf.Atoms(VALUES), "erf"), TAU)
        assert type(cur.train) is np.ndarray and cur.train.dtype == np.float64
        assert not jax.config.jax_enable_x64
