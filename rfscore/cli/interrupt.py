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


def watch(arguments: Sequence[str]) -> None:
    """From now on SIGINT ends this process after `GRACE` seconds at the latest.

    Python tells the main thread only when that is back from compiled code, a minute later perhaps; a second thread
    hears of the signal at once through a socket.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    heard, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)

    def wait() -> None:
        with wake:  # kept open with the thread
            while signal.SIGINT not in heard.recv(64):
                pass
        time.sleep(GRACE)
        leave(arguments)

    threading.Thread(target=wait, daemon=True, name="rfscore-interrupt").start()


def leave(arguments: Sequence[str]) -> NoReturn:
    """One line, and the end: without waiting for threads in compiled code or for libraries to close."""
    from rfscore.output import close_all

    close_all("interrupted")
    print(f"error: {said(arguments)}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(130)


def said(arguments: Sequence[str]) -> str:
    """What is left, and how to go on."""
    first = [word for word in arguments if not word.startswith("-")][:2]
    if first[:1] == ["sweep"] or first == ["networks", "train"]:
        return "interrupted; what is done is kept: continue with --resume"
    if first == ["networks", "measure"]:
        return "interrupted; what is measured is kept: repeat the command"
    return "interrupted"
