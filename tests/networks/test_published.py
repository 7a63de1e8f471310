"""The recipe of other people's data, and what is read off their networks."""

import json

import numpy as np
import pytest

from experiments.published import __main__ as published

READINGS = json.loads((published.HERE / "readings.json").read_text(encoding="utf-8"))
RUNS = READINGS["rfnn"]["runs"]


def test_centroids_are_orthogonal_while_there_is_room_and_have_the_given_norm():
    few, many = (published.centroids(RUNS[i], np.random.default_rng(0)) for i in (8, 4))  # 20 and 5 directions
    np.testing.assert_allclose(few @ few.T, 9 * np.eye(10), atol=1e-12)
    np.testing.assert_allclose(many[:5] @ many[:5].T, 9 * np.eye(5), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 3)


def test_points_have_the_second_moments_that_the_theory_is_told():
    run, rng = RUNS[4], np.random.default_rng(1)
    x = np.concatenate([published.points(run, published.centroids(run, rng), 4000, rng) for _ in range(40)])
    square = (x**2).mean(axis=0)
    assert square[:5].mean() == pytest.approx(1 + 9 / 5, rel=0.01)
    assert square[5:].mean() == pytest.approx(0.25, rel=0.01)


def test_centroids_that_leave_directions_free_are_told_to_the_theory_as_a_third_variance():
    """d = 20, all inside, ten centroids: with one variance for all directions the test loss is off by 0.001."""
    run = RUNS[8] | {"tau": [50.0, 500.0]}
    drawn, limit = published.ours(run)[:, 1].mean(axis=0), published.theory(run)[1]
    assert np.abs(drawn - limit).max() < 7e-4


def test_theory_and_a_drawn_instance_agree_on_the_training_loss_of_a_published_run():
    run = RUNS[1] | {"tau": RUNS[1]["tau"][:6]}  # d = 8
    drawn, limit = published.ours(run)[:, 0], published.theory(run)[0]
    assert np.abs(drawn.mean(axis=0) - limit).max() < 0.01 and np.all(np.diff(limit) < 0)


def test_exponents_of_brackets_enclose_the_law_they_were_made_from():
    brackets = {str(n): [300 * n / 1.2, 300 * n * 1.2] for n in (512, 1024, 4096)}
    middle, low, high = published.exponent(brackets, of_width=False)
    assert middle == pytest.approx(1.0) and low < 0.9 and high > 1.1
    assert published.exponent({"16": 4e4, "64": 2.5e3}, of_width=True) == pytest.approx((2.0, 2.0, 2.0))


def test_every_reading_has_its_source():
    assert READINGS["rfnn"]["source"] and all(reading["source"] for reading in READINGS["networks"])
    assert len(published.network_lines(READINGS["networks"])) == 3
