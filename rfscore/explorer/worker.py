"""Computing beside the page: one thread a page, the newest wish first, older ones dropped between two pieces."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rfscore.explorer import answers
from rfscore.explorer.answers import Piece
from rfscore.explorer.state import State

#: What is shown, in the order in which it is computed: quick pieces first.
PIECES: dict[str, Callable[[State], Piece]] = {
    "losses": answers.losses, "spectrum": answers.spectrum, "times": answers.times, "bulks": answers.bulks,
}  # fmt: skip
#: Seconds of rest before the slow piece: while a knob moves it would only be dropped.
REST = 0.35


class Worker:
    """Answers states, one at a time.

    Args:
        show: told (state, name, piece) from the worker's thread, for every piece that is ready.
    """

    def __init__(self, show: Callable[[State, str, Piece], None]) -> None:
        self._show = show
        self._news = threading.Condition()
        self._wanted: State | None = None
        self._network: tuple[int, int] | None = None
        self._closed = False
        self.thread = threading.Thread(target=self._work, daemon=True, name="rfscore-explorer")
        self.thread.start()

    def ask(self, state: State) -> None:
        """From now on answer this state; an unfinished older one is dropped."""
        with self._news:
            self._wanted, self._network = state, None
            self._news.notify()

    def draw(self, d: int, seed: int) -> None:
        """Also draw a network of the state that is shown."""
        with self._news:
            self._network = (d, seed)
            self._news.notify()

    def close(self) -> None:
        """No more answers."""
        with self._news:
            self._closed = True
            self._news.notify()

    def _work(self) -> None:
        state: State | None = None
        waiting: list[str] = []
        while True:
            with self._news:
                if not waiting and self._wanted is state and self._network is None:
                    self._news.wait()
                elif waiting == ["bulks"] and self._network is None:
                    self._news.wait(REST)
                if self._closed:
                    return
                if self._wanted is not state:
                    state, waiting = self._wanted, list(PIECES)
                network, self._network = self._network, None
            if state is None:
                continue
            if network is not None:
                self._show(state, "network", answers.asked(answers.network, state, *network))
            elif waiting:
                name = waiting.pop(0)
                self._show(state, name, answers.asked(PIECES[name], state))
