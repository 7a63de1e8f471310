"""Samples and data in two spaces are said to be, whatever the two; samples that are merely bad are not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rfscore._spaces import mismatch
from rfscore.data import load_images
from rfscore.memorization import chance_level, memorised_fraction
from rfscore.networks.frechet import frechet_distance, kernel_distance
from rfscore.networks.quality import sample_quality

DIGITS = load_images("digits").images
TRAIN = DIGITS[:800]
RNG = np.random.default_rng(0)
SAMPLES = np.concatenate([TRAIN[:60] + 0.01 * RNG.normal(size=(60, 64)), DIGITS[900:1040]])  # 30 % copies
SPACES = {
    "[0, 1]": lambda x: x,
    "[-1, 1]": lambda x: 2 * x - 1,
    "0 ... 255": lambda x: 255 * x,
    "bytes": lambda x: np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8),
    "float32": lambda x: x.astype(np.float32),
    "0 ... 65535": lambda x: 65535 * x,
    "centred": lambda x: x - TRAIN.mean(),
    "centred by the mean image": lambda x: x - TRAIN.mean(axis=0),
    "standardised": lambda x: (x - TRAIN.mean()) / TRAIN.std(),
}
EQUAL = [{"0 ... 255", "bytes"}, {"[0, 1]", "float32"}]
#: Without the images as they were nothing tells these from what a bad generator makes.
CENTRED = {"centred", "centred by the mean image", "standardised"}


@pytest.mark.parametrize(("one", "other"), list(itertools.product(SPACES, SPACES)))
def test_two_spaces_are_told_apart_and_one_is_not_called_two(one, other):
    found = mismatch(SPACES[one](SAMPLES), SPACES[other](TRAIN))
    if one == other or {one, other} in EQUAL:
        assert found == ""
    elif not {one, other} <= CENTRED:
        assert "samples" in found and "train" in found and ("bring both" in found or "undo it" in found)


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.3, 0.6, 3.0, 30.0])
@pytest.mark.parametrize("middle", [0.0, 0.5])
def test_bad_samples_are_no_other_space(spread, middle):
    noise = middle + spread * RNG.normal(size=(300, 64))
    assert mismatch(noise, SPACES["centred"](TRAIN)) == "" and mismatch(noise, TRAIN) == ""
    assert mismatch(np.full((20, 64), middle), TRAIN) == ""


@pytest.mark.parametrize("space", ["[-1, 1]", "0 ... 255", "centred", "standardised"])
def test_every_comparison_warns_with_the_remedy(space):
    other = SPACES[space](SAMPLES)
    for call in (
        lambda: memorised_fraction(other, TRAIN), lambda: chance_level(other, TRAIN),
        lambda: memorised_fraction(SAMPLES, SPACES[space](TRAIN)),
        lambda: frechet_distance(other, TRAIN), lambda: kernel_distance(other, TRAIN),
        lambda: sample_quality(other, TRAIN, "pixels"),
    ):  # fmt: skip
        with pytest.warns(UserWarning, match="two data spaces in one comparison"):
            call()


def test_pictures_in_another_space_are_said_before_features_are_taken():
    images = SAMPLES[:40].reshape(-1, 8, 8)
    with pytest.warns(UserWarning, match=r"samples lie in \[-1, 1\], reference in \[0, 1\]"):
        sample_quality(2 * images - 1, DIGITS[1100:1140].reshape(-1, 8, 8))


def test_samples_in_the_right_space_raise_no_warning(recwarn):
    assert memorised_fraction(SAMPLES, TRAIN).value == pytest.approx(0.3, abs=0.02)
    frechet_distance(SAMPLES, TRAIN)
    assert not recwarn.list


def test_one_sample_has_no_spread_about_its_mean_and_is_compared_all_the_same() -> None:
    rng = np.random.default_rng(0)
    one, many = rng.uniform(-1.0, 1.0, size=(1, 64)), rng.standard_normal((200, 64))
    assert "train are standardised, samples lie in [-1, 1]" in mismatch(one, many)
