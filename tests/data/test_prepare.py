"""Standardising, splitting and the covariance spectrum of image rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfscore.data import covariance_eigenvalues, load_images, split, standardise
from rfscore.data.prepare import CONDITION
from rfscore.errors import InputError
from rfscore.model.population import MAX_CONDITION, Empirical

RNG = np.random.default_rng(11)
ROWS = 3.0 + RNG.standard_normal((40, 6)) * np.array([1.0, 2.0, 0.5, 3.0, 1.0, 0.1])


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
@settings(max_examples=30, deadline=None)
def test_standardised_rows_have_mean_zero_and_mean_variance_one(seed, scale, shift):
    rows = shift + scale * np.random.default_rng(seed).standard_normal((30, 5))
    out = standardise(rows)
    rounding = 1e-14 * (1 + abs(shift) / scale)
    assert np.abs(out.images.mean(axis=0)).max() < 10 * rounding
    assert abs(out.images.var(axis=0).mean() - 1) < 1e-12 + 100 * rounding
    np.testing.assert_allclose(out.images, (rows - out.mean) * out.scale, rtol=0, atol=0)


def test_one_scale_keeps_the_ratios_of_variances():
    out = standardise(ROWS).images
    np.testing.assert_allclose(out.var(axis=0) / out.var(axis=0)[0], ROWS.var(axis=0) / ROWS.var(axis=0)[0], rtol=1e-12)


@pytest.mark.parametrize("subset", [np.arange(10), np.arange(40) < 10, slice(0, 10)])
def test_constants_come_from_the_subset_and_apply_to_all_rows(subset):
    rows = np.arange(40)[subset] if isinstance(subset, slice) else subset
    out = standardise(ROWS, rows)
    np.testing.assert_array_equal(out.mean, ROWS[:10].mean(axis=0))
    assert abs(out.images[:10].var(axis=0).mean() - 1) < 1e-12
    assert abs(out.images[10:].var(axis=0).mean() - 1) > 1e-3


def test_split_is_disjoint_reproducible_and_changes_with_the_seed():
    first, again, other = split(ROWS, 15, 20, 3), split(ROWS, 15, 20, 3), split(ROWS, 15, 20, 4)
    assert not set(first.train_index) & set(first.test_index)
    assert len(set(first.train_index)) == 15 and len(set(first.test_index)) == 20
    np.testing.assert_array_equal(first.train, ROWS[first.train_index])
    np.testing.assert_array_equal(first.test, ROWS[first.test_index])
    np.testing.assert_array_equal(first.train, again.train)
    assert not np.array_equal(first.train_index, other.train_index)


def test_split_draws_every_row_equally_often():
    draws, n = 4000, 10
    counts = np.zeros(40)
    for seed in range(draws):
        counts[split(ROWS, n, 1, seed).train_index] += 1
    error = np.sqrt(draws * (n / 40) * (1 - n / 40))
    assert np.abs(counts - draws * n / 40).max() < 4.5 * error  # the largest of 40 exceeds 4.5 errors once in 4000


def test_eigenvalues_are_those_of_the_sample_covariance():
    expected = np.linalg.eigvalsh(np.cov(ROWS.T, bias=True))
    spectrum = covariance_eigenvalues(ROWS)
    np.testing.assert_allclose(spectrum.eigenvalues, expected, rtol=1e-10)
    assert spectrum.zeroed == 0 and spectrum.message == ""


def test_directions_without_variance_are_exactly_zero_and_said():
    flat = np.hstack([ROWS, np.full((40, 2), 0.7), 1e-5 * RNG.standard_normal((40, 1))])
    spectrum = covariance_eigenvalues(flat)
    assert spectrum.zeroed == 3 and np.all(spectrum.eigenvalues[:3] == 0.0)
    assert spectrum.eigenvalues[3] > 0 and "3 of 9 directions" in spectrum.message
    assert spectrum.zeroed_variance < 1e-9


def test_fewer_rows_than_pixels_leave_as_many_zeros_as_missing_directions():
    spectrum = covariance_eigenvalues(RNG.standard_normal((5, 12)))
    assert np.sum(spectrum.eigenvalues > 0) == 4 and spectrum.zeroed == 8


def test_spectrum_of_real_images_is_admissible_for_the_theory():
    digits = standardise(load_images("digits"))
    population = Empirical(covariance_eigenvalues(digits.images).eigenvalues)
    assert population.condition <= MAX_CONDITION
    assert CONDITION == MAX_CONDITION
    assert abs(population.variance - 1) < 1e-12


def test_float32_images_are_promoted_and_it_is_said():
    with pytest.warns(UserWarning, match="promoted to float64"):
        out = standardise(ROWS.astype(np.float32))
    assert out.images.dtype == np.float64


NAN = np.where(np.arange(6) == 2, np.nan, ROWS)
BAD = {
    "a vector": (lambda: standardise(ROWS[0]), "flatten each image"),
    "no rows": (lambda: standardise(ROWS[:0]), "matrix (N, d)"),
    "text": (lambda: standardise(np.array([["a", "b"]])), "real numbers"),
    "complex": (lambda: standardise(ROWS + 1j), "real numbers"),
    "NaN": (lambda: covariance_eigenvalues(NAN), "40 entries"),
    "subset outside": (lambda: standardise(ROWS, [0, 99]), "below 40"),
    "mask too short": (lambda: standardise(ROWS, np.ones(3, bool)), "mask of that length"),
    "empty subset": (lambda: standardise(ROWS, np.zeros(40, bool)), "at least one row"),
    "single row number": (lambda: standardise(ROWS, 3), "vector of row numbers"),
    "constant images": (lambda: standardise(np.full((5, 4), 0.1)), "two different ones"),
    "constant covariance": (lambda: covariance_eigenvalues(np.full((5, 4), 0.1)), "two different ones"),
    "one row": (lambda: covariance_eigenvalues(ROWS[:1]), "at least two rows"),
    "n zero": (lambda: split(ROWS, 0, 5, 0), "n = 0"),
    "n_test fractional": (lambda: split(ROWS, 5, 2.5, 0), "n_test = 2.5"),
    "too many": (lambda: split(ROWS, 30, 11, 0), "at most the 40 images"),
    "negative seed": (lambda: split(ROWS, 3, 3, -1), "seed = -1"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.usefixtures("unchecked")
def test_bad_rows_are_refused_with_a_remedy(case):
    call, says = BAD[case]
    with pytest.raises(InputError) as caught:
        call()
    assert says in str(caught.value)
