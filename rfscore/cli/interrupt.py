"""Ctrl-C: exit code 130 within three seconds, also while LAPACK or a compiler does not listen."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import NoReturn

#: Seconds that the work is given to end by itself after SIGINT.
GRACE = 1.5
_spoken: list[int] = []  # stderr as it was
_lock = threading.Lock()


def watch(arguments: Sequence[str]) -> None:
    """From now on SIGINT ends this process after `GRACE` seconds at the latest.

    Python tells the main thread only when that is back from compiled code, a minute later perhaps; a second thread
    hears of the signal at once through a socket.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    # The process that tidies up after multiprocessing outlives this one, and need not complain of it.
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker"]))
    heard, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)

    def wait() -> None:
        with wake:  # kept open with the thread
            while signal.SIGINT not in heard.recv(64):
                pass
        _hush()
        time.sleep(GRACE)
        leave(arguments)

    threading.Thread(target=wait, daemon=True, name="rfscore-interrupt").start()


def leave(arguments: Sequence[str]) -> NoReturn:
    """One line, and the end: without waiting for threads in compiled code or for libraries to close."""
    from rfscore.output import close_all

    close_all("interrupted")
    sys.stdout.flush()
    _hush()
    shown = "\x1b[?25h" * os.isatty(_spoken[0])  # the cursor, which a bar hides
    os.write(_spoken[0], f"{shown}error: {said(arguments)}\n".encode())
    os._exit(130)


def _hush() -> None:
    """From now on only `leave` writes to stderr: what libraries say of being interrupted is no news."""
    with _lock:
        if not _spoken:
            sys.stderr.flush()
            _spoken.append(os.dup(2))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def said(arguments: Sequence[str]) -> str:
    """What is left, and how to go on."""
    first = [word for word in arguments if not word.startswith("-")][:2]
    if first[:1] == ["sweep"] or first == ["networks", "train"]:
        return "interrupted; what is done is kept: continue with --resume"
    if first == ["networks", "measure"]:
        return "interrupted; what is measured is kept: repeat the command"
    return "interrupted"
