"""What a sweep will cost: seconds and memory from a model measured by `python -m benchmarks.sweeps`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from rfscore._machine import core_count, free_memory
from rfscore.errors import InputError, bad
from rfscore.sweeps.spec import Point, Sweep


@dataclass(frozen=True)
class Estimate:
    """Seconds of work on one core, of waiting with some workers, and bytes of the largest point."""

    points: int
    core_seconds: float
    seconds: float
    bytes_per_worker: float
    known: bool = True


@cache
def _measured() -> dict[str, float]:
    """The coefficients, as the benchmark left them."""
    return dict(json.loads(resources.files("rfscore.sweeps").joinpath("cost.json").read_text(encoding="utf-8")))


def _features(point: Point) -> tuple[int, int]:
    d = int(point["d"])
    return round(float(point["psi_p"]) * d), round(float(point["psi_n"]) * d)


def seconds(model: str, point: Point) -> float:
    """Seconds of one point on one core.

    Theory: a constant, Sigma of one eigenvalue. Finite: a p^3 + b p^2 n + c p^2 + e, the eigendecomposition, the
    features' products, their series, and the losses.
    """
    fit = _measured()
    if model == "theory":
        return fit["theory"]
    p, n = _features(point)
    return fit["p3"] * p**3 + fit["p2n"] * p * p * n + fit["p2"] * p * p + fit["finite"]


def memory(model: str, point: Point) -> float:
    """Bytes of a worker while it evaluates a point."""
    fit = _measured()
    if model != "finite":
        return fit["theory_bytes"]
    p, n = _features(point)
    return fit["idle_bytes"] + 8.0 * (fit["doubles_per_p2"] * p * p + 4.0 * p * n)


def estimate(sweep: Sweep, points: Iterable[Point], workers: int) -> Estimate:
    """Time and memory of these points of a sweep; networks are not estimated, they depend on the machine too much."""
    todo = list(points)
    if sweep.model == "network":
        return Estimate(len(todo), 0.0, 0.0, 0.0, known=False)
    total = sum(seconds(sweep.model, point) for point in todo)
    largest = max((memory(sweep.model, point) for point in todo), default=0.0)
    start = _measured()["start_theory" if sweep.model == "theory" else "start"] if todo else 0.0
    return Estimate(len(todo), total, start + total / max(1, workers), largest)


def workers_that_fit(sweep: Sweep, wanted: int | None) -> int:
    """As many workers as asked for (all cores by default), unless the largest points would not fit in memory together.

    Raises:
        InputError: a negative number, or one point alone does not fit.
    """
    if wanted is not None and not 0 <= wanted <= 4096:
        raise bad("workers", wanted, "a whole number in [0, 4096]")
    count = core_count() if wanted is None else wanted
    if sweep.model == "network":
        return count
    needed, free = max(memory(sweep.model, point) for point in sweep.points()), free_memory()
    if needed > free:
        raise InputError(f"the largest point needs {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free: "
                         "lower d or psi_p, or run it elsewhere with --scheduler")  # fmt: skip
    return min(count, max(1, int(free / needed))) if count else 0
