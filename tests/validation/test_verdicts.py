"""From numbers to verdicts: all of them follow from the evidence alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from rfscore.errors import InputError, SolveError
from rfscore.validation import Claim, Comparison, NotTestable, Paper, Verdict, expectations, judge, validate
from rfscore.validation.evidence import above, below, more, near, telling
from rfscore.validation.lab import TAU, Lab, falls, limit, one_digit, spaced
from rfscore.validation.runner import Result

HOLDS, FAILS = near("x", 1.0, 1.0, 0.1), near("x", 2.0, 1.0, 0.1)
FIXED, UNFIXED = near("x", 1.0, 1.0, 0.1, form="corrected"), near("x", 2.0, 1.0, 0.1, form="corrected")


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        ([HOLDS], Verdict.REPRODUCED),
        ([HOLDS, FAILS], Verdict.FAILED),
        ([FAILS, FIXED], Verdict.CORRECTED),
        ([FAILS, FIXED, UNFIXED], Verdict.FAILED),
        ([HOLDS, FIXED], Verdict.REPRODUCED),
        ([HOLDS, UNFIXED], Verdict.REPRODUCED),
        ([HOLDS, more("y", 7.0)], Verdict.REPRODUCED),
        ([near("x", math.nan, 1.0, 0.1)], Verdict.FAILED),
        ([near("x", 1.0, 1.0, 0.1, error=0.2, source="seeds")], Verdict.UNTESTED),
        ([near("x", 9.0, 1.0, 0.1, error=0.2, source="seeds")], Verdict.FAILED),
        ([below("x", 0.9, 1.0, error=0.2, source="seeds")], Verdict.UNTESTED),
        ([below("x", 0.9, 1.0, error=0.05, source="seeds")], Verdict.REPRODUCED),
        ([above("x", 0.9, 1.0, error=0.05, source="seeds")], Verdict.FAILED),
        ([near("x", 1.0, 1.0, 0.1, error=math.inf, source="unknown")], Verdict.UNTESTED),
    ],
)
def test_the_verdict_follows_from_the_numbers(evidence: list[Comparison], verdict: Verdict) -> None:
    found, reason = judge(evidence)
    assert found == verdict
    assert bool(reason) is (verdict == Verdict.UNTESTED)


def test_a_comparison_that_could_not_fail_is_refused() -> None:
    with pytest.raises(InputError, match="at least one finite end"):
        Comparison("x", 1.0)
    with pytest.raises(InputError, match="comparison with the printed"):
        judge([more("x", 1.0), FIXED])
    with pytest.raises(InputError, match="a number >= 0"):
        near("x", 1.0, 1.0, 0.1, error=-1.0)


def _paper(function: object) -> tuple[Paper, Claim]:
    claim = Claim("made-up", "s", "p", "A sentence.", "how", "why", "module:name")

    class Made(Paper):
        def function(self, claim: Claim) -> object:
            return function

    return Made(Path("claims/made"), "t", "r", (claim,)), claim


def test_what_a_check_lacks_is_its_reason_and_an_error_of_the_package_is_no_verdict() -> None:
    def lacking(lab: Lab) -> list[Comparison]:
        raise NotTestable("no such run", runs=True)

    def stopping(lab: Lab) -> list[Comparison]:
        raise SolveError("not verified")

    first, second, third = (validate([_paper(f)])[0] for f in (lacking, stopping, lambda lab: [HOLDS]))
    assert (first.verdict, first.reason, first.no_runs, first.broken) == (Verdict.UNTESTED, "no such run", True, False)
    assert second.verdict == Verdict.UNTESTED and second.broken and "not verified" in second.reason
    assert third.verdict == Verdict.REPRODUCED and third.evidence == (HOLDS,)


def test_results_come_in_the_order_of_the_claims_whatever_they_cost() -> None:
    pairs = [_paper(lambda lab, i=i: [near("i", i, i, 0.5)]) for i in range(8)]
    pairs = [
        (p, Claim(f"c{i}", "s", "p", "x", "h", "t", "m:f", seconds=float(i % 3))) for i, (p, _) in enumerate(pairs)
    ]
    assert [r.claim.id for r in validate(pairs)] == [f"c{i}" for i in range(8)]


def _result(verdict: Verdict, **flags: bool) -> Result:
    return Result(*_paper(None), verdict, "", (), 0.0, **flags)


@pytest.mark.parametrize(
    ("before", "now", "flags", "regression"),
    [
        (Verdict.REPRODUCED, Verdict.FAILED, {}, True),
        (Verdict.CORRECTED, Verdict.FAILED, {}, True),
        (Verdict.REPRODUCED, Verdict.UNTESTED, {}, True),
        (Verdict.REPRODUCED, Verdict.UNTESTED, {"no_runs": True}, False),
        (Verdict.FAILED, Verdict.UNTESTED, {"broken": True}, True),
        (Verdict.FAILED, Verdict.REPRODUCED, {}, False),
        (Verdict.CORRECTED, Verdict.REPRODUCED, {}, False),
        (None, Verdict.FAILED, {}, False),
    ],
)
def test_a_claim_that_held_and_does_not_is_a_regression(
    before: Verdict | None, now: Verdict, flags: dict[str, bool], regression: bool
) -> None:
    accepted = {"made": {} if before is None else {"made-up": before}}
    [change] = expectations.changes([_result(now, **flags)], accepted)
    assert (change.before, change.now, change.regression) == (before, now, regression)


def test_an_unchanged_verdict_is_no_change() -> None:
    assert expectations.changes([_result(Verdict.FAILED)], {"made": {"made-up": Verdict.FAILED}}) == []


def test_shared_work_is_done_once() -> None:
    lab, calls = Lab(), []
    assert [lab.once("key", lambda: calls.append(1) or 7) for _ in range(3)] == [7, 7, 7] and calls == [1]
    a, b = lab.rng(1, 2), lab.rng(1, 3)
    assert a.random() != b.random() and lab.rng(1, 2).random() == Lab().rng(1, 2).random()


def test_extrapolation_recovers_the_limit_within_its_uncertainty() -> None:
    rng = np.random.default_rng(5)
    rows = {d: 2.0 - 3.0 / d + 4.0 / d**2 + 0.01 * rng.standard_normal((20, 6)) for d in (20, 40, 80)}
    found = limit(rows)
    assert np.all(abs(found.value - 2.0) < found.error) and np.all(found.error < 0.05)
    assert np.all(abs(found.slope + 3.0) < 0.6)
    assert abs(limit({d: x + 1.0 for d, x in rows.items()}).value[0] - 2.0) > found.error[0]  # another limit is noticed


def test_what_cannot_tell_is_shown_and_not_judged_unless_nothing_tells() -> None:
    vague = near("vague", 1.0, 1.0, 0.1, error=0.2)
    assert [x.form for x in telling([HOLDS, vague, more("y", 1.0)])] == ["printed", "more", "more"]
    assert telling([vague]) == [vague] and judge(telling([vague]))[0] == Verdict.UNTESTED


def test_an_exponent_in_the_size_is_found_with_an_uncertainty_that_covers_it() -> None:
    rng, missed = np.random.default_rng(3), 0
    for _ in range(60):
        rows = {d: d**-0.5 * np.exp(0.1 * rng.standard_normal(k)) for d, k in {8: 6, 16: 3, 32: 2}.items()}
        value, error, _ = falls(rows)
        missed += abs(value + 0.5) > error
    assert missed <= 10


def test_one_digit_of_a_constant_is_an_exponent_and_spacing_an_uncertainty() -> None:
    assert 2.0 ** one_digit(np.array([1.0, 2.0])) == pytest.approx(1.4)
    place = lambda pick: float(np.interp(0.3, 1 - np.exp(-TAU[pick][:-1] / 50.0), np.log1p(TAU[pick][:-1])))  # noqa: E731
    value, error, _ = spaced(place)
    assert 0 < abs(value - np.log1p(-50.0 * np.log(0.7))) < 2 * error
