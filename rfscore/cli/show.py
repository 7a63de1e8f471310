"""What a command leaves: a table on screen or JSON on stdout, and a folder with numbers and picture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

DEFAULT_OUT = "rfscore-output"


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on screen."""
    from rich.console import Console
    from rich.table import Table

    view = Table(header_style="bold")
    for i, header in enumerate(headers):
        view.add_column(header, justify="left" if i == 0 else "right")
    for row in rows:
        view.add_row(*row)
    console = Console()
    console.print(title, style="bold", highlight=False)
    console.print(view)


def leave(
    command: str, *, as_json: bool, plot: bool, out: Path | None, result: Mapping[str, Any], problem: Any,
    dataset: Callable[[], xarray.Dataset], picture: Callable[[], Figure], screen: Callable[[], None],
    seeds: Any = None, overwrite: bool = False,
) -> None:  # fmt: skip
    """Print, and write into `out`; without --out nothing is written when no picture is wanted."""
    from rfscore._plain import to_json
    from rfscore.output import RunFolder

    draw = plot and not as_json
    folder = out if out is not None else Path(DEFAULT_OUT, command) if draw else None
    if folder is not None:
        with RunFolder(folder, problem=problem, seeds=seeds, overwrite=overwrite) as run:
            run.netcdf(f"{command}.nc", dataset())
            run.json(f"{command}.json", result)
            if draw:
                from rfscore import plotting

                with plotting.paper():
                    run.figure(command, picture())
    if as_json:
        sys.stdout.write(to_json(result))
        return
    screen()
    if folder is not None:
        what = f"{command}.png, {command}.pdf, {command}.nc" if draw else f"{command}.nc"
        print(f"written to {folder}: {what}")
