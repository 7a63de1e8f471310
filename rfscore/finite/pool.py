"""Independent finite-size tasks side by side: threads, one BLAS thread each.

LAPACK and matrix products release Python's lock, so threads keep the cores as busy as processes would, without sending
instances around; and two eigendecompositions with one BLAS thread each end sooner than one after the other with two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
#: Above this p two instances at once would need too much memory (8 p^2 doubles each): one at a time, all BLAS threads.
LARGEST_SHARED_P = 4500


def workers(p: int) -> int:
    """How many instances of p features are run at once."""
    return min(2, os.cpu_count() or 1) if p <= LARGEST_SHARED_P else 1


def _blas_threads(count: int | None) -> Any:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # comes with scikit-learn; without it only speed is lost
        return nullcontext()
    return threadpool_limits(count)


def each(function: Callable[[T], R], tasks: Iterable[T], p: int, done: Callable[[T], None]) -> list[R]:
    """`function` of every task, in order; `done(task)` is called after each."""
    count = workers(p)

    def run(task: T) -> R:
        result = function(task)
        done(task)
        return result

    with _blas_threads(1 if count > 1 else None):
        if count == 1:
            return [run(task) for task in tasks]
        pool = ThreadPoolExecutor(count)
        try:
            return list(pool.map(run, tasks))
        finally:  # after Ctrl-C or an error: what has not begun does not begin, and nobody waits for what has
            pool.shutdown(wait=False, cancel_futures=True)
