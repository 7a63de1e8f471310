"""What a worker does: a task is a few points of one model; it returns their outcomes, failed ones among them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rfscore._machine import keep_compiled
from rfscore.errors import SolveError
from rfscore.sweeps.keys import key
from rfscore.sweeps.outcome import Outcome, failed
from rfscore.sweeps.spec import Model, Point, Sweep, problem

#: Points of a theory task: a second or less of work, so that little is lost with it.
THEORY_POINTS = 64


@dataclass(frozen=True)
class Task:
    """Points of one sweep that are evaluated together, with the keys of their records."""

    model: Model
    points: tuple[Point, ...]
    keys: tuple[str, ...]
    tau: tuple[float, ...]
    config: Mapping[str, Any]
    runs: str

    def split(self) -> list[Task]:
        """One task a point."""
        return [Task(self.model, (point,), (name,), self.tau, self.config, self.runs)
                for point, name in zip(self.points, self.keys, strict=True)]  # fmt: skip


Results = list[tuple[str, Outcome, float]]


def tasks(sweep: Sweep, keys: list[str], wanted: set[str], runs: Path) -> list[Task]:
    """The tasks that evaluate the wanted points: blocks of the grid for theory, single points otherwise."""
    size = THEORY_POINTS if sweep.model == "theory" else 1
    todo = [(point, name) for point, name in zip(sweep.points(), keys, strict=True) if name in wanted]
    todo = list({name: (point, name) for point, name in todo}.values())  # equal points are evaluated once
    found = []
    for start in range(0, len(todo), size):
        points, names = zip(*todo[start : start + size], strict=True)
        found.append(Task(sweep.model, points, names, tuple(sweep.tau), sweep.config, str(runs)))
    return found


def one_thread() -> dict[str, str]:
    """The environment of a worker that computes on one thread; JAX and the allocator read their parts at its start."""
    blas = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    # Freed memory stays with the worker: given back and fetched again page by page it costs as much as the work.
    memory = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_ARENA_MAX": "2"}
    jax = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {name: "1" for name in blas} | memory | jax


def work(task: Task) -> Results:
    """Evaluate a task.

    Raises:
        SolveError: this worker runs other code than the driver, whose results would be filed wrongly.
    """
    if tuple(key(task.model, point, task.tau, task.config) for point in task.points) != task.keys:
        raise SolveError("this worker has other versions of rfscore, its libraries, your activation or a file of "
                         "eigenvalues than the driver: install the same everywhere, restart workers and driver, and "
                         "repeat with --resume")  # fmt: skip
    start = time.perf_counter()
    with _one_blas_thread():
        if task.model == "theory":
            outcomes = _theory(task)
        else:
            outcomes = [_alone(task, point, name) for point, name in zip(task.points, task.keys, strict=True)]
    seconds = (time.perf_counter() - start) / len(task.points)
    return [(name, outcome, seconds) for name, outcome in zip(task.keys, outcomes, strict=True)]


def _theory(task: Task) -> list[Outcome]:
    from rfscore.sweeps import theory

    keep_compiled()
    problems = [problem(point) for point in task.points]
    try:
        return theory.evaluate(problems, task.tau)
    except Exception:  # one bad point must not take its block along
        return [_guarded(lambda q=q: theory.evaluate([q], task.tau)[0]) for q in problems]


def _alone(task: Task, point: Point, name: str) -> Outcome:
    if task.model == "finite":
        from rfscore.sweeps import finite

        return _guarded(lambda: finite.evaluate(point, task.tau))
    from rfscore.sweeps import networks

    keep_compiled()
    return _guarded(lambda: networks.evaluate(point, task.config, Path(task.runs) / name))


def _guarded(evaluate: Any) -> Outcome:
    try:
        outcome: Outcome = evaluate()
    except Exception as error:  # kept with the point, whatever it is: other points go on
        return failed(error)
    return outcome


def _one_blas_thread() -> Any:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # the environment has said so already to workers that were started here
        return contextlib.nullcontext()
    return threadpool_limits(1)
