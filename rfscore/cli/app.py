"""All commands under one name, and errors about options spelled as they were typed."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any

import typer

from rfscore.cli import runs, sweeps
from rfscore.cli.claims import validate
from rfscore.cli.commands import app
from rfscore.cli.copies import memorised
from rfscore.cli.explore import explore

app.command()(validate)
app.add_typer(runs.app, name="runs")
app.command()(memorised)
app.add_typer(sweeps.app, name="sweep")
app.command()(sweeps.plot)
app.command()(explore)


def _version(asked: bool) -> bool:
    if asked:
        import rfscore as rf

        print(f"rfscore {rf.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    del version


def as_typed(message: str) -> str:
    """`psi_n = 0.01: expected ...` as `--psi-n = 0.01: expected ...`.

    Example:
        >>> from rfscore.cli.app import as_typed
        >>> as_typed("psi_n = 0.01: expected a number"), as_typed("condition number of Sigma = 1e9")
        ('--psi-n = 0.01: expected a number', 'condition number of Sigma = 1e9')
    """
    found = re.match(r"(\w+) = ", message)
    option = f"--{found[1].replace('_', '-')}" if found else ""
    return option + message[len(found[1]) :] if found and option in _options() else message


@cache
def _options() -> frozenset[str]:
    def of(command: Any) -> set[str]:
        below = getattr(command, "commands", {}).values()
        return {name for p in command.params for name in p.opts}.union(*map(of, below))

    return frozenset(of(typer.main.get_command(app)))
