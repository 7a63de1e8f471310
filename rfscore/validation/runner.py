"""Run checks side by side, judge them, and compare the verdicts with those accepted before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rfscore.errors import RfscoreError
from rfscore.finite import pool
from rfscore.validation.evidence import Comparison, NotTestable, Verdict, judge
from rfscore.validation.lab import Lab
from rfscore.validation.paper import Claim, Paper

Report = Callable[["Result"], None]


@dataclass(frozen=True)
class Result:
    """A claim with its evidence and verdict.

    Attributes:
        paper: whose claim it is.
        claim: the claim.
        verdict: computed from the evidence.
        reason: why not testable, "" otherwise.
        evidence: what was measured.
        seconds: how long it took.
        broken: the check stopped with an error of the package, which is no verdict on the paper.
        no_runs: what is missing are runs of networks.
    """

    paper: Paper
    claim: Claim
    verdict: Verdict
    reason: str
    evidence: tuple[Comparison, ...]
    seconds: float
    broken: bool = False
    no_runs: bool = False

    def plain(self) -> dict[str, Any]:
        """For JSON: the paper by its name."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"paper": self.paper.name}


def check(paper: Paper, claim: Claim, lab: Lab) -> Result:
    """One claim."""
    start = time.perf_counter()

    def result(verdict: Verdict, reason: str, evidence: Sequence[Comparison] = (), **flags: bool) -> Result:
        return Result(paper, claim, verdict, reason, tuple(evidence), time.perf_counter() - start, **flags)

    try:
        evidence = tuple(paper.function(claim)(lab))
        return result(*judge(evidence), evidence)
    except NotTestable as error:
        return result(Verdict.UNTESTED, str(error), no_runs=error.runs)
    except RfscoreError as error:
        return result(Verdict.UNTESTED, f"the check stopped: {error}", broken=True)
    except ImportError as error:
        return result(Verdict.UNTESTED, f"{error.name} is not installed: pip install 'rfscore[test]'")


def validate(
    claims: Sequence[tuple[Paper, Claim]], lab: Lab | None = None, done: Report = lambda result: None
) -> list[Result]:
    """Check claims, two at a time.

    Args:
        claims: from `rfscore.validation.paper.chosen`.
        lab: what they share; a new one by default.
        done: called with every result as it comes.

    Returns:
        Results in the order of the claims.

    Example:
        >>> from rfscore.validation import validate
        >>> from rfscore.validation.paper import chosen
        >>> [result] = validate(chosen(only=["gmm-parameters"]))
        >>> print(result.verdict)
        reproduced
    """
    shared = Lab() if lab is None else lab
    # The longest first, so that the two workers end together.
    order = sorted(range(len(claims)), key=lambda i: -claims[i][1].seconds)
    found: dict[int, Result] = {}

    def one(i: int) -> None:
        found[i] = check(*claims[i], shared)

    pool.each(one, order, 1, lambda i: done(found[i]))
    return [found[i] for i in range(len(claims))]
