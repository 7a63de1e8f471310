"""Claims on frozen noises: the printed formulas, the twins in numpy, and checks that would see a wrong theory."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

import rfscore as rf
from claims.frozen_noise import gram, losses, peaks, printed
from rfscore.errors import SolveError
from rfscore.validation import Verdict, all_papers, judge
from rfscore.validation.lab import Lab


def test_there_are_ten_claims_or_more_and_most_look_at_networks_or_matrices() -> None:
    [paper] = [p for p in all_papers() if p.name == "frozen_noise"]
    assert len(paper.claims) >= 10
    words = ("network", "regression", "least squares", "kernel of infinitely", "one matrix")
    assert sum(any(word in claim.how for word in words) for claim in paper.claims) >= 10


@pytest.mark.parametrize("m", [3, np.inf])
def test_printed_formulas_equal_the_package_and_know_the_number_of_noises(m: float) -> None:
    problem = rf.ScoreProblem(3.0, 7.0, 0.2, noise_draws=m, ridge=1e-3)
    found, parts = printed.final(3.0, 7.0, 0.2, m, 1e-3), rf.decomposition(problem, [np.inf])
    cur = rf.loss_curves(problem, [np.inf])
    assert found.objective == pytest.approx(cur.train[0] + 1e-3 * parts.penalty[0], rel=1e-9)
    assert found.test == pytest.approx(cur.test[0], rel=1e-9)
    assert (found.bias2, found.variance) == pytest.approx((parts.bias2[0], parts.variance[0]), rel=1e-8)
    assert found.q == pytest.approx(float(np.real(rf.resolvent(problem, [0.0]).q[0])), rel=1e-9)
    assert printed.final(3.0, 7.0, 0.2, 2, 1e-3).test != pytest.approx(found.test, rel=1e-2)


def test_an_unsolved_equation_is_an_error_and_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed.System, "jacobian", lambda self, x, z: 1e9 * np.eye(2))  # Newton that does not move
    with pytest.raises(SolveError, match="residual"):
        printed.final(2.0, 4.0, 0.1, 2, 1e-2)


def test_one_regression_by_numpy_is_near_the_theory_and_its_losses_are_in_order() -> None:
    value, test, bias, variance, empirical, train = losses._fitted(Lab(), 40, 0)
    exact = printed.final(losses.PSI_N, losses.PSI_P, losses.T, losses.M, losses.RIDGE)
    assert value == pytest.approx(exact.objective, rel=0.1) and test == pytest.approx(exact.test, rel=0.1)
    assert train < value and train < empirical < test
    delta = -math.expm1(-2 * losses.T)
    assert test == pytest.approx(1 - delta + delta * (bias**2 + variance), rel=0.03)  # one set of fresh points


def test_a_wrong_test_loss_of_the_package_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = rf.loss_curves

    def wrong(problem: rf.ScoreProblem, tau: object, **options: object) -> SimpleNamespace:
        found = exact(problem, tau, **options)
        return SimpleNamespace(train=found.train, test=found.test * (1 + 1e-6), gap=found.gap)

    lab = Lab()
    lab.once("frozen-fits", lambda: SimpleNamespace(value=np.ones(6), error=np.full(6, 1e-3)))
    lab.once("frozen-printed", lambda: printed.Final(1.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    assert judge(losses.test_loss(lab))[0] == Verdict.REPRODUCED
    monkeypatch.setattr(rf, "loss_curves", wrong)
    assert judge(losses.test_loss(lab))[0] == Verdict.FAILED


def test_constants_of_erf_in_closed_form_are_those_of_the_package() -> None:
    mu2, v2, s2 = gram._constants()
    co = rf.coefficients(rf.ScoreProblem(1.0, 1.0, gram.T, activation="erf"))
    assert (mu2, v2, s2) == pytest.approx((float(co.mu1) ** 2, float(co.v2), float(co.s2)), rel=1e-10)


def test_eigenvalues_of_the_gram_matrix_fall_into_groups_of_the_right_sizes() -> None:
    groups = gram._groups(np.arange(3.0 * 16), 16, 2)
    assert [x.size for x in groups] == [30, 2, 14, 2] and judge(gram.linear_kernel(Lab()))[0] == Verdict.REPRODUCED


def test_drawn_networks_are_shared_between_claims() -> None:
    lab, problem = Lab(), rf.ScoreProblem(2.0, 3.0, 0.1, noise_draws=1)
    first = peaks.drawn(lab, problem, 8, 3)
    assert peaks.drawn(lab, problem, 8, 3) == first and first[1] > 0
    assert peaks.drawn(Lab(seed=1), problem, 8, 3) != first
