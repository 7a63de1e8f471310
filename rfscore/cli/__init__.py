"""The `rfscore` command. Thin: options in the paper's words, errors in one line, everything else in the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from rfscore.cli import show, sweeps
from rfscore.cli.claims import validate
from rfscore.cli.commands import app

app.command()(validate)

app.add_typer(sweeps.app, name="sweep")
app.command()(sweeps.plot)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input or a failed solution is one line on stderr and exit code 2."""
    import typer

    from rfscore.errors import RfscoreError

    sys.path.append(str(Path.cwd()))  # where "module:function" is looked for last
    show.legible_streams()
    os.environ["MPLBACKEND"] = "agg"  # files alone are drawn; a notebook's backend need not exist here

    # Typer brings its own copy of click, or depends on click, by version; this is its base of usage errors in both.
    usage_error: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

    try:
        # No command at all is a question, not a mistake.
        with show.notes():
            code = app(args=(sys.argv[1:] if arguments is None else arguments) or ["--help"], prog_name="rfscore",
                       standalone_mode=False)  # fmt: skip
        sys.stdout.flush()
    except usage_error as error:
        sys.exit(_fail(error.format_message()))
    except BrokenPipeError:  # the reader has left, as `| head` does: nothing to say, and nothing more to write
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (RfscoreError, OSError) as error:
        sys.exit(_fail(str(error)))
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(_fail("interrupted", code=130))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int = 2) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return code
