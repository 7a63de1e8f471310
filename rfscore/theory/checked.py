"""What every loss must satisfy, whatever the problem: looked at before a number leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

from rfscore._precision import is_traced
from rfscore.errors import SolveError

#: Accuracies asked for that a loss may be off before it is refused: none should be off by one.
_SLACK = 100.0
_REMEDY = "the contours do not resolve this problem: move psi_n, psi_p or t by a relative 1e-6, or take another rtol"


def _require(holds: Any, name: str, text: str, value: Any, tau: Any) -> None:
    """Refuse the first number that does not hold; NaN never does."""
    holds, value, tau = (np.ravel(x) for x in np.broadcast_arrays(holds, value, tau))
    if not holds.all():
        i = int(np.argmin(holds))
        raise SolveError(f"{name}: {text} {value[i]:.6g} at tau = {tau[i]:.6g}; {_REMEDY}")


def losses(
    name: str, tau: Any, train: Any, test: Any, floor: Any, start: Any, rtol: float, *, flow: bool = True
) -> None:
    """L_train >= 0 and L_test >= that of the exact score; under the flow L_train starts at `start` and never rises.

    Raises:
        SolveError: a loss is off by more than 100 rtol max(1, L_test), or is no number.
    """
    if is_traced(train, test, floor, start):
        return
    slack = _SLACK * rtol * np.fmax(1.0, test)
    _require(train >= -slack, name, "the training loss cannot be below 0, found", train, tau)
    _require(test >= floor - slack, name, f"the test loss cannot be below {float(floor):.6g}, found", test, tau)
    if flow:
        _require(
            train <= start + slack, name, f"the training loss cannot be above {float(start):.6g}, found", train, tau
        )
        order = np.argsort(np.ravel(tau), kind="stable")
        step, at = np.diff(np.ravel(train)[order]), np.ravel(tau)[order][1:]
        _require(step <= np.ravel(slack)[order][1:], name, "the training loss cannot rise, but does by", step, at)


def parts(name: str, tau: Any, bias2: Any, variance: Any, score_error: Any, rtol: Any) -> None:
    """bias^2 + variance is the score error, which another sum gives; none is negative.

    Raises:
        SolveError: they differ by more than 100 rtol, in units of max(1, L_test)/Delta_t = `rtol` as passed.
    """
    if is_traced(bias2, variance, score_error):
        return
    slack = _SLACK * rtol
    _require(abs(bias2 + variance - score_error) <= slack, name,
             "bias2 + variance and the score error differ by", bias2 + variance - score_error, tau)  # fmt: skip
    for text, value in (("squared bias", bias2), ("variance", variance)):
        _require(value >= -slack, name, f"the {text} cannot be below 0, found", value, tau)
