"""The gap ratio against brute force, its law on smooth densities, its interval and its refusals."""

import numpy as np
import pytest

import rfscore.memorization as module
from rfscore.errors import InputError
from rfscore.memorization import CANDIDATES, block_rows, chance_level, memorised_fraction, nearest, wilson


def brute(samples, train):
    """Every distance by difference in float64, sorted."""
    squared = ((samples[:, None, :].astype(np.float64) - train[None].astype(np.float64)) ** 2).sum(axis=2)
    index = np.argsort(squared, axis=1, kind="stable")[:, :2]
    return np.sqrt(np.take_along_axis(squared, index, 1)), index


@pytest.mark.parametrize("d", [1, 2, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_nearest_is_brute_force(d, dtype, shift):
    rng = np.random.default_rng(d)
    train = (rng.normal(size=(300, d)) + shift).astype(dtype)
    near = train[:20] + 1e-6 * rng.normal(size=(20, d))
    samples = np.concatenate([rng.normal(size=(50, d)) + shift, train[:20], near, 1e3 * rng.normal(size=(5, d))])
    samples = samples.astype(dtype)
    distances, index = brute(samples, train)
    for memory in (1, 2**18, 2**28):  # one row at a time, several blocks, one block
        found = nearest(samples, train, memory=memory)
        np.testing.assert_array_equal(found.index, index)
        np.testing.assert_allclose(found.distances, distances, rtol=1e-13, atol=0)
        np.testing.assert_allclose(found.ratio, distances[:, 0] / distances[:, 1], rtol=1e-13)


def test_a_cloud_of_near_copies_is_resolved_beyond_float32():
    """A hundred training points within 1e-7 of each other: float32 products cannot rank them, the proof fails."""
    rng = np.random.default_rng(1)
    train = np.concatenate([rng.normal(size=(200, 30)), np.ones((100, 30)) + 1e-7 * rng.normal(size=(100, 30))])
    samples = np.ones((5, 30)) + 1e-7 * rng.normal(size=(5, 30))
    found, (distances, index) = nearest(samples, train), brute(samples, train)
    np.testing.assert_array_equal(found.index, index)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-13)


def test_ordinary_data_need_no_second_look(monkeypatch):
    monkeypatch.setattr(module, "_exact_row", lambda *_: pytest.fail("the float32 bound should prove these"))
    rng = np.random.default_rng(2)
    assert np.all(nearest(rng.normal(size=(200, 100)), rng.normal(size=(2000, 100))).ratio > 0.5)


def test_copies_of_a_duplicated_training_point_have_ratio_zero():
    train = np.array([[0.0, 0.0], [0.0, -0.0], [5.0, 5.0]])
    found = nearest([[0.0, 0.0], [5.0, 5.0], [1.0, 1.0]], train)
    np.testing.assert_allclose(found.ratio, [0.0, 0.0, 0.25])
    assert found.index.tolist() == [[0, 2], [2, 0], [0, 2]] and found.repeats.tolist() == [1]
    assert np.all(np.isinf(found.third))
    with pytest.raises(InputError, match="two different training points"):
        nearest([[0.0, 0.0]], train[:2])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("doubled", [20, 200])
def test_doubled_training_points_change_nothing_and_are_counted_and_named(dtype, doubled):
    rng = np.random.default_rng(4)
    train = rng.integers(0, 256, (200, 30)).astype(dtype)
    samples = np.concatenate([train[:30].astype(float), rng.integers(0, 256, (70, 30))])
    twice = np.concatenate([train[:doubled], train])
    with pytest.warns(UserWarning, match=rf"{doubled} of {200 + doubled} training points .*rows {doubled}, "):
        found = memorised_fraction(samples, twice)
    assert (found.value, found.repeats) == (0.3, doubled)
    assert memorised_fraction(samples, train).repeats == 0


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-25, 1e9, 1e20, 1e154, 1e300])
def test_the_ratio_does_not_depend_on_the_unit(scale):
    rng = np.random.default_rng(8)
    train = rng.normal(size=(200, 30))
    samples = np.concatenate([train[:30] + 0.01 * rng.normal(size=(30, 30)), rng.normal(size=(70, 30))])
    one, other = nearest(samples, train), nearest(scale * samples, scale * train)
    np.testing.assert_allclose(other.ratio, one.ratio, rtol=1e-12)
    np.testing.assert_allclose(other.distances, scale * one.distances, rtol=1e-12)


def test_near_duplicates_hide_copies_and_are_said():
    rng = np.random.default_rng(5)
    train = rng.normal(size=(200, 30))
    twins = np.concatenate([train, train + 0.01 * rng.normal(size=train.shape)])
    samples = np.concatenate([train[:30] + 0.01 * rng.normal(size=(30, 30)), rng.normal(size=(70, 30))])
    with pytest.warns(UserWarning, match="samples are near two training points that nearly coincide"):
        found = memorised_fraction(samples, twins)
    assert found.value < 0.05 and found.near_pairs >= 25


def test_a_chance_level_from_training_points_is_said():
    rng = np.random.default_rng(6)
    train = rng.normal(size=(200, 30))
    with pytest.warns(UserWarning, match=r"1 of 51 held-out points are training points, e\.g\. row 50"):
        chance_level(np.concatenate([rng.normal(size=(50, 30)), train[7:8]]), train)


@pytest.mark.parametrize(("interval", "count"), [((0.2, 0.3), 1), ((0.0, 1.2), 1), ((0.0, 0.05), 1), ((0.0, 0.2), 11)])
def test_a_fraction_outside_its_interval_is_refused(interval, count):
    with pytest.raises(InputError, match="low <= value <= high"):
        module.MemorisedFraction(0.1, interval, count, 10, 1 / 3, 0.95)


def test_blocks_stay_within_the_memory():
    n, d, memory = 32_768, 1024, 2**28
    rows = block_rows(n, d, memory)
    products, indices, differences = 4 * rows * n, 8 * rows * n, 8 * rows * CANDIDATES * d
    assert products + indices + differences <= memory
    assert rows > 100  # and are still wide enough for a matrix product
    copies = 4 * n * d + (4 + 8) * 10_000 * d  # float32 training set, one block's samples at most
    assert memory + copies + 8 * (n + 10_000) * d < 2e9  # with both sets as float64
    assert block_rows(n, d, 1) == 1


def test_memory_used_is_the_memory_promised():
    import tracemalloc

    rng = np.random.default_rng(0)
    train, samples = rng.normal(size=(4000, 50)), rng.normal(size=(1000, 50))
    tracemalloc.start()
    nearest(samples, train, memory=2**22)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22 + 4 * train.size + 2**20  # blocks, float32 copy, results


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("k", [1 / 3, 0.5])
def test_chance_level_is_k_to_the_dimension(d, k):
    rng = np.random.default_rng(d)
    found = chance_level(rng.uniform(0.1, 0.9, (5000, d)), rng.uniform(size=(20_000, d)), k)
    error = np.sqrt(k**d * (1 - k**d) / 5000)
    assert abs(found.value - k**d) < 4 * error
    assert found.interval[0] < found.value < found.interval[1]


def test_fraction_counts_copies():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(100, 30))
    copies = train[:30] + 0.01 * rng.normal(size=(30, 30))
    found = memorised_fraction(np.concatenate([copies, rng.normal(size=(70, 30))]), train)
    assert (found.count, found.samples, found.value, found.k, found.level) == (30, 100, 0.3, 1 / 3, 0.95)


def test_wilson_interval():
    assert wilson(0, 100, 0.95) == pytest.approx((0.0, 0.036993), abs=1e-6)  # 3.8415 / 103.8415
    assert wilson(10, 100, 0.95) == pytest.approx((0.055229, 0.174366), abs=1e-6)
    assert wilson(100, 100, 0.95)[1] == 1.0
    rng = np.random.default_rng(0)
    resampled = rng.binomial(2000, 0.2, 1000) / 2000  # the paper's 1000 bootstraps of 400 in 2000
    assert wilson(400, 2000, 0.95) == pytest.approx(tuple(np.quantile(resampled, [0.025, 0.975])), abs=0.003)


SQUARE = np.eye(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nearest(SQUARE, SQUARE[:1]), "at least 2.*second nearest"),
        (lambda: nearest(SQUARE[:0], SQUARE), "rows of samples = 0"),
        (lambda: nearest(SQUARE, SQUARE[:, :2]), "dimension of samples = 3: expected 2"),
        (lambda: nearest([[np.nan, 0, 0]], SQUARE), "NaN or infinity in row 0"),
        (lambda: nearest(SQUARE, [[0, 0, 0], [np.inf, 0, 0]]), "train = 'NaN or infinity in row 1"),
        (lambda: nearest(np.zeros((4, 2, 2)), SQUARE), "flatten images"),
        (lambda: nearest([["a", "b", "c"]], SQUARE), "an array of numbers"),
        (lambda: nearest(SQUARE, SQUARE, memory=0), "memory = 0"),
        (lambda: memorised_fraction(SQUARE, SQUARE, k=1.0), "k = 1.0: expected a number in"),
        (lambda: memorised_fraction(SQUARE, SQUARE, k=0), "k = 0"),
        (lambda: memorised_fraction(SQUARE, SQUARE, level=float("nan")), "level = nan"),
        (lambda: chance_level(SQUARE, SQUARE, "third"), "k = 'third'"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("samples", [[["1", "2"]], [[True, False]], np.array([[b"1", b"2"]])])
@pytest.mark.usefixtures("unchecked")
def test_text_and_truth_values_are_no_points(samples) -> None:
    with pytest.raises(InputError, match="array of numbers"):
        memorised_fraction(samples, np.eye(2))
