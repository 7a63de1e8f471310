"""How long things take: minima over repeats, and whole processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table: seconds, and the ratio to a named reference measured beside it."""

    what: str
    seconds: float
    reference: str
    reference_seconds: float
    target: str = ""

    @property
    def ratio(self) -> float:
        """seconds/reference_seconds."""
        return self.seconds / self.reference_seconds


def best(function: Callable[[], object], repeats: int = 5) -> float:
    """Smallest wall time of several runs, after one that is not counted (compilation, caches)."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def once(function: Callable[[], object]) -> float:
    """Wall time of a single run, for things too long to repeat."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def process(code: str, repeats: int = 3) -> float:
    """Smallest wall time of a fresh Python process running `code`."""
    return min(once(lambda: subprocess.run([sys.executable, "-c", code], check=True)) for _ in range(repeats))


def numbers(code: str) -> list[float]:
    """The numbers that a fresh Python process running `code` prints last."""
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [float(word) for word in run.stdout.splitlines()[-1].split()]
