"""`rfscore explore`: the page with the knobs."""

from __future__ import annotations

from typing import Annotated

import typer


def explore(
    at: Annotated[str, typer.Option("--at", help="A link copied from the page, or what stands behind its ?.")] = "",
    port: Annotated[int, typer.Option("--port", help="Of 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
) -> None:
    """Turn psi_n, psi_p, t, m and the ridge in the browser; on this machine alone, nothing is loaded from elsewhere."""
    from rfscore.explorer import explore as run

    run(at, port=port, browser=not no_browser, say=lambda text: print(text, flush=True))
