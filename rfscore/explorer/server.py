"""The server of the page: this machine alone, a random address, and nothing loaded from elsewhere."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable

from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.server.server import Server

from rfscore.errors import bad
from rfscore.explorer import answers, worker
from rfscore.explorer.page import open_page
from rfscore.explorer.state import State, read

HOST = "127.0.0.1"


def serve(port: int = 0) -> tuple[Server, str]:
    """A server that has not started, and the address of its page.

    Only this machine can connect, and only who knows the random part of the address sees the page. No cookies are set.

    Raises:
        InputError: a port that is taken or not allowed.
    """
    token = secrets.token_urlsafe(16)
    try:
        with socket.socket() as probe:
            probe.bind((HOST, port))
            port = probe.getsockname()[1]
        server = Server({f"/{token}": Application(FunctionHandler(open_page))}, address=HOST, port=port,
                        allow_websocket_origin=[f"{HOST}:{port}"], use_index=False, num_procs=1)  # fmt: skip
    except OSError as error:
        raise bad("port", port, "a free port of this machine, or 0 for any", str(error)) from error
    return server, f"http://{HOST}:{port}/{token}"


def explore(at: str = "", *, port: int = 0, browser: bool = True, say: Callable[[str], None] = print) -> None:
    """Serve the explorer until it is interrupted.

    Args:
        at: a link of an earlier page, or what stands behind its question mark.
        port: of 127.0.0.1; 0 takes a free one.
        browser: open the page in the browser.
        say: told the address.

    Raises:
        InputError: a link with unknown names or values, a port that is taken.
    """
    state = read(at) if at else State()
    state.problem()
    server, address = serve(port)
    address += f"?{state.query()}" if state.query() else ""
    server.start()
    say(f"{address}\nopen it in a browser on this machine; Ctrl-C ends it")
    threading.Thread(target=_warm, daemon=True, name="rfscore-explorer-warm").start()
    if browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    server.io_loop.start()


def _warm() -> None:
    """Compile what most states need, before the first knob is turned."""
    for state in (State(), State(psi_n=64.0), State(ridge=0.01), State(m=4.0), State(spread=0.5)):
        for name, piece in worker.PIECES.items():
            if name != "bulks":  # compiled for every new set of bulks; the page itself asks for it
                answers.asked(piece, state)
