"""What one point of a sweep gave: numbers, and a status that says why one is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Status = Literal["ok", "partial", "failed"]
#: Integer status in datasets; 0 is a point that nobody has evaluated yet.
CODES = {"pending": 0, "ok": 1, "partial": 2, "failed": 3}
_UNTIMED = "NaN in {}: not defined for this point"

Number = float | tuple[float, ...]


@dataclass(frozen=True)
class Variable:
    """Unit and meaning of one result; losses along training have the dimension tau."""

    unit: str
    meaning: str
    along_tau: bool = False


#: Every number a sweep can give. tau counts steps of gradient flow at unit learning rate; losses are per dimension.
VARIABLES = {
    "train": Variable("1", "training loss at tau", True),
    "test": Variable("1", "test loss at tau", True),
    "gap": Variable("1", "L_gen = test - training loss at tau", True),
    "score_error": Variable("1", "(1/d) E|s_A + Sigma_t^-1 x|^2 at tau", True),
    "train_inf": Variable("1", "training loss at tau = infinity"),
    "test_inf": Variable("1", "test loss at tau = infinity"),
    "tau_opt": Variable("training time", "time of the lowest test loss; inf if it falls to the end"),
    "test_opt": Variable("1", "lowest test loss"),
    "train_opt": Variable("1", "training loss at tau_opt"),
    "overtraining": Variable("1", "test_inf - test_opt: what training to the end costs"),
    "tau_half": Variable("training time", "after tau_opt, test - training loss reaches half of its final value"),
    "window_half": Variable("1", "tau_half/tau_opt"),
    "tau_gen_scale": Variable("training time", "1/Delta_t"),
    "tau_mem_edge": Variable("training time", "psi_p/(Delta_t lambda_min)"),
    "window_edge": Variable("1", "tau_mem_edge/tau_gen_scale"),
    "tau_last_edge": Variable("training time", "psi_p/(Delta_t lambda_lowest)"),
    "tau_mem_law": Variable("training time", "tau_mem_edge with the large-psi edge of Theorem 3.2"),
    "lambda_min": Variable("1", "left edge of the sample bulk"),
    "lambda_lowest": Variable("1", "left edge of the lowest bulk; at finite size the smallest non-zero eigenvalue"),
    "tau_onset": Variable("training time", "networks: memorised fraction first 0.05 above its chance level"),
    "f_mem": Variable("1", "networks: memorised fraction at the last step"),
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Numbers of one point by name; `message` says why one of them is NaN, or what failed and what to do."""

    status: Status
    message: str = ""
    values: dict[str, Number] = field(default_factory=dict)


def found(values: Mapping[str, Any], remarks: Sequence[str] = ()) -> Outcome:
    """An outcome with numbers: "partial" when one of them is NaN, which is then never without a message."""
    plain = {name: tuple(np.ravel(v).tolist()) if np.ndim(v) else float(v) for name, v in values.items()}
    missing = [name for name, v in plain.items() if any(math.isnan(x) for x in (v if isinstance(v, tuple) else (v,)))]
    message = "; ".join(remarks) or (_UNTIMED.format(", ".join(missing)) if missing else "")
    return Outcome("partial" if missing else "ok", message, plain)


def failed(error: BaseException) -> Outcome:
    """An outcome without numbers: the error's own words, which say what to do."""
    words = " ".join(str(error).split())
    return Outcome("failed", f"{type(error).__name__}: {words}" if words else type(error).__name__)
