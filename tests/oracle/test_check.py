"""check(): right formulas pass, planted errors are found, the report is readable."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
from rfscore import oracle

PROBLEM = rf.ScoreProblem(2, 8, 0.1, activation="erf")


def right(problem: rf.ScoreProblem, points: np.ndarray) -> np.ndarray:
    return np.array([complex(oracle.resolvent(problem, z, dps=16).q) for z in points])


def test_a_correct_resolvent_passes_in_both_call_forms() -> None:
    for function in (right, lambda z: right(PROBLEM, z)):
        report = oracle.check(function, PROBLEM, "resolvent", count=6)
        assert report.passed and report.worst < 1e-14 and "passes" in report.message


@pytest.mark.parametrize("factor", [1 + 1e-6, -1, 0.5])
def test_a_planted_factor_is_caught_and_measured(factor: float) -> None:
    report = oracle.check(lambda z: factor * right(PROBLEM, z), PROBLEM, "resolvent", count=6)
    assert not report.passed
    assert report.worst == pytest.approx(abs(factor - 1), rel=1e-6)
    assert "FAILS" in report.message and "expected" in report.message


def test_an_error_confined_to_one_edge_is_caught_there() -> None:
    edge = float(oracle.edges(PROBLEM, dps=12).values[-1])

    def smeared(lam: np.ndarray) -> np.ndarray:
        exact = np.array([float(oracle.density(PROBLEM, x, dps=14)) for x in lam])
        return exact + 1e-3 * (abs(lam - edge) < 0.02 * edge)

    report = oracle.check(smeared, PROBLEM, count=24)
    assert not report.passed and abs(report.at - edge) < 0.02 * edge


def test_a_missing_edge_is_reported_as_a_wrong_count() -> None:
    values = np.array([float(x) for x in oracle.edges(PROBLEM, dps=14).values])
    assert oracle.check(lambda: values, PROBLEM, "edges").passed
    report = oracle.check(lambda: values[1:-1], PROBLEM, "edges")
    assert not report.passed and f"{values.size - 2} values, the oracle finds {values.size}" in str(report)


def test_kernel_and_losses_are_checked_too() -> None:
    def swapped(z1: np.ndarray, z2: np.ndarray) -> np.ndarray:
        return np.array([complex(oracle.kernel(PROBLEM, b, a, dps=14)) for a, b in zip(z1, z2, strict=True)])

    assert oracle.check(swapped, PROBLEM, "kernel", count=4).passed
    report = oracle.check(lambda tau: np.ones_like(tau), PROBLEM, "train", count=3, rtol=1e-6)
    assert not report.passed and report.at > 0


def test_nothing_is_raised_unless_asked_for() -> None:
    wrong = lambda lam: np.full(lam.shape, np.nan)  # noqa: E731
    assert oracle.check(wrong, PROBLEM, points=[1.0, 2.0]).worst == np.inf
    with pytest.raises(AssertionError, match="density: FAILS"):
        oracle.check(wrong, PROBLEM, points=[1.0, 2.0], throw=True)


def test_unknown_quantity_is_refused_with_the_list() -> None:
    with pytest.raises(rf.InputError, match="one of"):
        oracle.check(right, PROBLEM, "spectrum")
