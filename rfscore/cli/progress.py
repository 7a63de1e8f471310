"""Progress on stderr: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Seconds between two lines.
EVERY = 10.0


class Bar:
    """How far a task is; `view` is rich's bar, or None off a terminal."""

    def __init__(self, words: str, total: float | None, view: Any = None, every: float | None = None) -> None:
        self._words, self._total, self._done = words, total, 0.0
        self._view, self._every = view, EVERY if every is None else every
        self._start = self._last = time.monotonic()
        self._task = view.add_task(words, total=total) if view is not None else None

    def to(self, done: float, total: float | None = None, words: str | None = None) -> None:
        """Done so far, of how much, and what is being done."""
        self._done, self._total, self._words = done, total or self._total, words or self._words
        if self._view is not None:
            self._view.update(self._task, completed=done, total=self._total, description=self._words)
        elif time.monotonic() - self._last >= self._every:
            self.say(self._line())

    def more(self, done: float, words: str | None = None) -> None:
        """So much more is done."""
        self.to(self._done + done, words=words)

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        if self._view is not None:
            self._view.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)
            self._last = time.monotonic()

    def _line(self) -> str:
        share = f"{100 * self._done / self._total:3.0f} %" if self._total else f"{self._done:g} done"
        return f"{share}  {self._words}  ({time.monotonic() - self._start:.0f} s)"


@contextmanager
def bar(words: str, total: float | None = None) -> Iterator[Bar]:
    """A bar while the block runs."""
    if not sys.stderr.isatty():
        yield Bar(words, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<30}", markup=False), BarColumn(),
               TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), TextColumn("left"),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as view:
        yield Bar(words, total, view)
