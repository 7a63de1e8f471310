"""Finite networks that generate: against a network trained and stepped by hand, kept folders, refused input."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import rfscore as rf
import rfscore.finite

PROBLEM = rf.ScoreProblem(2.0, 5.0, 0.1, rf.Atoms([0.4, 1.6]), ridge=1e-3)
TIMES = np.geomspace(2.5, 0.02, 6)


def _by_hand(tau: float, count: int, seed: int, process: str) -> np.ndarray:
    """Every network drawn alone, its weights from its own gradient flow; one point after the other."""
    rng = np.random.default_rng(seed).spawn(1)[0]
    points = rng.standard_normal((count, 8))
    for now, then in itertools.pairwise(TIMES):
        inst = rf.finite.draw(PROBLEM.replace(t=float(now)), d=8, seed=3)
        a, w, h = inst.gradient_flow().weights(tau), inst.weights, now - then
        noise = rng.standard_normal(points.shape) if process == "sde" else None
        for i, x in enumerate(points):
            score = a / np.sqrt(inst.p) @ np.tanh(w @ x / np.sqrt(8))
            points[i] = x + h * (x + score) if noise is None else x + h * (x + 2 * score) + np.sqrt(2 * h) * noise[i]
    return points


@pytest.mark.parametrize("process", ["flow", "sde"])
@pytest.mark.parametrize("tau", [30.0, np.inf])
def test_samples_are_those_of_networks_drawn_one_by_one(process: rf.finite.generators.Process, tau: float) -> None:
    gen = rf.finite.generator(PROBLEM, d=8, seed=3, times=TIMES)
    np.testing.assert_allclose(gen.samples(tau, 5, 7, process=process), _by_hand(tau, 5, 7, process), rtol=1e-9)
    inst = rf.finite.draw(PROBLEM, d=8, seed=3)
    np.testing.assert_array_equal(gen.weights, inst.weights)


def test_starting_points_are_not_features() -> None:
    gen = rf.finite.generator(PROBLEM, d=8, seed=3, times=TIMES)
    start = gen.samples(0.0, 20, seed=3) / np.prod(1 - np.diff(TIMES))
    assert np.abs(start[:, None] - gen.weights[None]).sum(-1).min() > 0.1


def test_a_schedule_gives_each_network_its_own_time() -> None:
    gen = rf.finite.generator(PROBLEM, d=8, seed=3, times=TIMES)
    np.testing.assert_array_equal(gen.samples(lambda t: 5.0, 4), gen.samples(5.0, 4))
    assert not np.allclose(gen.samples(lambda t: 5.0 / t, 4), gen.samples(5.0, 4))


def test_networks_are_kept_and_made_again_only_where_damaged(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    first = rf.finite.generator(PROBLEM, 8, 3, TIMES, folder=tmp_path, done=lambda i, n: told.append((i, n)))
    assert told == [(i, 5) for i in range(1, 6)]
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    stamps = [f.stat().st_mtime_ns for f in files]
    expected = first.samples(100.0, 6)
    files[2].write_bytes(files[2].read_bytes()[:1000])
    again = rf.finite.generator(PROBLEM, 8, 3, TIMES, folder=tmp_path)
    np.testing.assert_allclose(again.samples(100.0, 6), expected, rtol=1e-10)
    assert sorted(tmp_path.iterdir()) == files
    assert [f.stat().st_mtime_ns == old for f, old in zip(files, stamps, strict=True)].count(False) == 1
    np.testing.assert_array_equal(rf.finite.generator(PROBLEM, 8, 3, TIMES).samples(100.0, 6), expected)
    rf.finite.generator(PROBLEM.replace(ridge=0.0), 8, 3, TIMES, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 10


def test_a_centred_activation_is_centred_at_every_time() -> None:
    relu = rf.Activation("relu", lambda x: np.maximum(x, 0.0), kinks=(0.0,), centre=True)
    problem = rf.ScoreProblem(2.0, 5.0, 0.1, 2.0, relu)
    gen = rf.finite.generator(problem, 6, 0, TIMES)
    inst = rf.finite.draw(problem.replace(t=float(TIMES[3])), 6, 0)
    expected = inst.gradient_flow().weights(20.0) / np.sqrt(inst.p)
    np.testing.assert_allclose(gen.readout(3, 20.0), expected, rtol=1e-9, atol=1e-13)


def test_bad_input_is_refused() -> None:
    gen = rf.finite.generator(PROBLEM, 8, 3, TIMES)
    for call in (
        lambda: rf.finite.generator(PROBLEM, 8, 3, TIMES[::-1]),
        lambda: rf.finite.generator(PROBLEM, 8, 3, [0.1]),
        lambda: rf.finite.generator(PROBLEM.replace(noise_draws=2), 8, 3, TIMES),
        lambda: rf.finite.generator(PROBLEM.replace(psi_p=float("inf")), 8, 3, TIMES),
        lambda: rf.finite.generator(rf.ScoreProblem(1.0, 1e4, 0.1), 10, 3, TIMES),
        lambda: gen.samples(-1.0, 3),
        lambda: gen.samples(1.0, 0),
    ):
        with pytest.raises(rf.InputError, match="expected"):
            call()
