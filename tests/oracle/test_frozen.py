"""The fast code against the oracle with m frozen noises and a ridge: a stored sample of resolvents, kernels, losses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mpmath import mp

import rfscore as rf
from rfscore import oracle
from tests.oracle.frozen_sample import COUNT, PATH, build, describe, problems

SAMPLE = json.loads(PATH.read_text(encoding="utf-8"))


def complexes(pairs: list[list[float]]) -> np.ndarray:
    return np.array(pairs) @ np.array([1.0, 1j])


def test_sample_is_the_one_described_and_covers_what_it_should() -> None:
    for row, problem in zip(SAMPLE, problems(), strict=True):
        there, here = row["problem"], json.loads(json.dumps(describe(problem)))
        assert there.keys() == here.keys()
        for name, value in there.items():  # powers of ten differ in the last bit from processor to processor
            assert here[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-12)), name
    described = [row["problem"] for row in SAMPLE]
    assert len(SAMPLE) == COUNT and sum(p["draws"] == 2 for p in described) >= 4
    assert min(sum(p["ridge"] > 0 for p in described), sum(p["ridge"] == 0 for p in described)) >= 2
    ratio = np.array([p["psi_p"] / (p["draws"] * p["psi_n"]) for p in described])
    assert min(np.sum(ratio > 1), np.sum(ratio < 1)) >= 3
    assert max(row["oracle"]["loss_error"] / max(1.0, *row["oracle"]["test"]) for row in SAMPLE) < 1e-9


@pytest.mark.parametrize("j", range(COUNT))
def test_resolvent_and_kernel_agree_with_the_oracle(j: int) -> None:
    problem, want = build(SAMPLE[j]["problem"]), SAMPLE[j]["oracle"]
    z = complexes(want["z"])
    found = rf.resolvent(problem, z)
    for name in ("q", "s", "r", "delta"):
        expected = complexes(want[name])
        assert np.max(abs(getattr(found, name) / expected - 1.0)) < 1e-9, name
    kernel = rf.two_point(problem, z[1:2], z[2:3]).values[0, 0]
    assert abs(kernel / complexes([want["kernel"]])[0] - 1.0) < 1e-9


@pytest.mark.parametrize("j", range(COUNT))
def test_losses_agree_with_the_oracle(j: int) -> None:
    problem, want = build(SAMPLE[j]["problem"]), SAMPLE[j]["oracle"]
    found = rf.loss_curves(problem, np.array([float(x) for x in want["tau"]]))
    scale = np.maximum(1.0, want["test"])
    for name, size in (("train", scale), ("test", scale), ("score_error", scale / problem.delta)):
        assert np.max(abs(getattr(found, name) - want[name]) / size) < 1e-9, name


def test_stored_numbers_are_what_the_oracle_says_today() -> None:
    problem, want = build(SAMPLE[4]["problem"]), SAMPLE[4]["oracle"]
    assert problem.noise_draws == 2 and problem.ridge > 0
    point = oracle.resolvent(problem, complex(*want["z"][2]), dps=13)
    assert abs(complex(point.q) / complex(*want["q"][2]) - 1.0) < 1e-12
    end = oracle.losses(problem, mp.inf, dps=11)
    assert float(end.train) == pytest.approx(want["train"][-1], abs=1e-11)
    assert float(end.test) == pytest.approx(want["test"][-1], rel=1e-11)
