"""Gaussian mixture: its scores are gradients of its log densities, and the KL estimator is right where KL is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rfscore as rf
from rfscore.networks import mixture
from rfscore.networks.divergence import mixture_kl, neighbour_kl
from rfscore.networks.schedule import TIMES, sampling_indices
from rfscore.sampling import sample


def draws(n, d, seed):
    return mixture.draw(n, d, np.random.default_rng(seed))[0]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.floats(1e-4, 4.0), st.integers(0, 1000))
def test_population_score_is_the_gradient_of_the_log_density(d, t, seed):
    x = 2.0 * np.random.default_rng(seed).standard_normal((1, d))
    h = 1e-5 * np.eye(d)
    slope = (mixture.log_density(x + h, t) - mixture.log_density(x - h, t)) / 2e-5
    assert np.allclose(mixture.population_score(x, t)[0], slope, rtol=1e-6, atol=1e-6)


def test_density_is_normalised_and_noised_as_the_mixture_says():
    x = np.linspace(-12, 12, 4001)[:, None]
    for t in (0.0, 0.3, 3.0):
        assert np.trapezoid(np.exp(mixture.log_density(x, t)), x[:, 0]) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("t", [1e-4, 0.01, 1.0])
def test_empirical_score_is_the_gradient_of_the_empirical_density(t):
    """Against the plain sum of Gaussians in 50 digits, also where every weight but one is below 1e-300."""
    import mpmath as mp

    train, x = draws(7, 3, 0), draws(4, 3, 1)
    found = mixture.empirical_score(x, t, train, block=3)
    with mp.workdps(50):
        shrink, delta = mp.exp(-t), -mp.expm1(-2 * mp.mpf(t))
        for row, point in zip(found, x, strict=True):
            gaps = [[shrink * mp.mpf(a) - mp.mpf(b) for a, b in zip(nu, point, strict=True)] for nu in train]
            weights = [mp.exp(-sum(g * g for g in gap) / (2 * delta)) for gap in gaps]
            for i in range(3):
                exact = sum(w * g[i] for w, g in zip(weights, gaps, strict=True)) / sum(weights) / delta
                assert float(abs(row[i] - exact)) < 1e-9 * float(abs(exact)) + 1e-9


def test_half_of_the_points_belong_to_each_component():
    x, label = mixture.draw(1001, 8, np.random.default_rng(0))
    assert np.bincount(label).tolist() == [501, 500]
    assert np.allclose([x[label == 0].mean(), x[label == 1].mean()], [1, -1], atol=0.08)


def exact_score(x, t):
    shrink = jnp.exp(-t)
    return shrink * jnp.tanh(shrink * x.sum(axis=1, keepdims=True)) - x


def test_kl_of_exact_samples_with_the_exact_score_is_zero_within_its_error():
    n = 4000
    found = np.array([mixture_kl(exact_score, draws(n, 8, seed), jax.random.key(seed)) for seed in range(6)])
    error = np.std(found[:, 0], ddof=1) / np.sqrt(6)
    assert error < 0.02 and abs(np.mean(found[:, 0])) < 4 * error + 0.01
    # the standard error that comes with each is the scatter of the six, as well as six can tell
    assert 0.4 < np.std(found[:, 0], ddof=1) / found[:, 1].mean() < 2.0


def test_kl_of_samples_by_the_paper_s_sampler_with_the_exact_score_is_zero_within_its_error():
    """Euler-Maruyama with 1000 steps, from white noise at the largest time: neither adds to the divergence."""
    times = tuple(TIMES[sampling_indices(1000)].tolist())
    draw = jax.jit(lambda key: sample(exact_score, (2500, 8), times, key, method="sde"))
    made = np.concatenate([np.asarray(draw(jax.random.key(i)), dtype=np.float64) for i in range(4)])
    value, error = mixture_kl(exact_score, made, jax.random.key(9))
    assert error < 0.03 and abs(value) < 2 * error
    # Neighbours have a bias of their own, the same for exact samples.
    value, error = neighbour_kl(made)
    assert error < 0.01 and abs(value - neighbour_kl(draws(10_000, 8, 5))[0]) < 3 * error


def test_kl_by_neighbours_needs_no_score():
    """Where the score formula is told a wrong score it is wrong; distances between the points are not."""
    wide = 1.5 * np.random.default_rng(3).standard_normal((10_000, 4))
    expected = 4 * (-0.5 * np.log(2 * np.pi * np.e) - np.log(1.5)) - np.mean(mixture.log_density(wide))
    assert neighbour_kl(wide)[0] == pytest.approx(expected, abs=0.06)
    assert abs(mixture_kl(exact_score, wide, jax.random.key(0))[0] - expected) > 0.3


def test_kl_of_a_shifted_gaussian_is_its_closed_form():
    """P_theta = N(c m, I) against the mixture: with the exact score of P_theta the estimator is unbiased."""
    shift, d = 2.0, 4
    x = np.random.default_rng(0).standard_normal((20_000, d)) + shift
    found, _ = mixture_kl(lambda y, t: shift * jnp.exp(-t) - y, x, jax.random.key(0))
    entropy = -0.5 * d * np.log(2 * np.pi * np.e)
    fresh = np.random.default_rng(1).standard_normal((200_000, d)) + shift
    expected = entropy - np.mean(mixture.log_density(fresh))
    assert found == pytest.approx(expected, abs=0.1)


def test_bad_input_is_refused():
    with pytest.raises(rf.InputError, match="whole numbers"):
        mixture.draw(0, 3, np.random.default_rng(0))
    with pytest.raises(rf.InputError, match="diffusion time"):
        mixture.empirical_score(np.zeros((1, 2)), 0.0, np.ones((3, 2)))
