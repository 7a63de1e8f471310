"""Samplers: exact on Gaussians, of the order they claim, and one signature for all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rfscore as rf
from rfscore.sampling import sample

VARIANCE = 4.0


def gaussian_score(x, t):
    """N(1, 4) in every direction, noised."""
    return -(x - jnp.exp(-t)) / (VARIANCE * jnp.exp(-2 * t) - jnp.expm1(-2 * t))


@pytest.mark.parametrize("method", ["ddim", "sde", "ode"])
def test_samples_of_a_gaussian_have_its_mean_and_variance(method):
    x = np.asarray(sample(gaussian_score, (20_000, 2), np.geomspace(6.0, 1e-3, 400), jax.random.key(0), method=method))
    error = 2.0 / np.sqrt(x.size)
    assert abs(x.mean() - 1.0) < 5 * error + 0.02
    assert abs(x.var() - VARIANCE) < 5 * VARIANCE * np.sqrt(2 / x.size) + 0.1


@pytest.mark.parametrize(("method", "order"), [("ddim", 1.0), ("ode", 2.0)])
def test_deterministic_samplers_have_their_order(method, order):
    """From the same noise, the distance to a fine solution shrinks like steps^-order."""
    grid = [np.geomspace(4.0, 0.2, k + 1) for k in (8, 16, 32, 64, 1024)]
    # All grids end at 0.2 and take the same last step to 0, which therefore does not enter the differences' order.
    ends = [np.asarray(sample(gaussian_score, (64, 1), times, jax.random.key(1), method=method)) for times in grid]
    errors = [np.abs(end - ends[-1]).max() for end in ends[:-1]]
    slope = np.polyfit(np.log([8, 16, 32, 64]), np.log(errors), 1)[0]
    assert slope == pytest.approx(-order, abs=0.35)


@pytest.mark.parametrize("method", ["ddim", "sde", "ode"])
def test_one_step_at_a_time_and_one_program_give_the_same_points(method):
    def points(key):
        return sample(gaussian_score, (5, 3), np.geomspace(4.0, 0.1, 9), key, method=method)

    np.testing.assert_allclose(points(jax.random.key(3)), jax.jit(points)(jax.random.key(3)), rtol=1e-5)


@pytest.mark.parametrize(
    "times", [[], [0.1, 0.2], [1.0, 0.0], [1.0, np.nan], [np.inf, 1.0], ["2", "1"], 1.0, [True], [[1.0]]]
)
@pytest.mark.usefixtures("unchecked")
def test_times_that_do_not_descend_to_positive_values_are_refused(times):
    with pytest.raises(rf.InputError, match="times"):
        sample(gaussian_score, (1, 1), np.array(times), jax.random.key(0))


@pytest.mark.usefixtures("unchecked")
def test_unknown_method_is_refused():
    with pytest.raises(rf.InputError, match="method = 'euler'"):
        sample(gaussian_score, (1, 1), np.array([1.0]), jax.random.key(0), method="euler")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (lambda x, t: -np.asarray(x), r"score: .*jax.numpy"), (lambda x, t: -x if t > 1 else x, r"score: .*jax.numpy"),
        (lambda x, t: -x[:, :1], r"score\(x, t\) = .*\(5, 3\)"), (lambda x, t: 0.0, r"score\(x, t\) = "),
        (lambda x, t: 1j * x, r"score\(x, t\) = .*real"), (lambda x, t: (x, x), r"score\(x, t\) = "),
    ],
)  # fmt: skip
def test_scores_that_are_none_are_refused(score, words):
    with pytest.raises(rf.InputError, match=words):
        sample(score, (5, 3), np.array([1.0]), jax.random.key(0))


@pytest.mark.parametrize("key", [0, None, "0", 1.5, np.zeros(3)])
@pytest.mark.usefixtures("unchecked")
def test_what_is_no_key_is_refused_with_the_remedy(key):
    with pytest.raises(rf.InputError, match=r"key = .*jax.random.key\(0\)"):
        sample(gaussian_score, (5, 3), np.array([1.0]), key)


@pytest.mark.parametrize("shape", [0, (), (0, 2), (-1, 2), (1.5, 2), "12", (True, 2)])
@pytest.mark.usefixtures("unchecked")
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(rf.InputError, match="shape = "):
        sample(gaussian_score, shape, np.array([1.0]), jax.random.key(0))
