"""The `rfscore` command. Thin: options in the paper's words, errors in one line, everything else in the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input or a failed solution is one line on stderr and exit code 2."""
    from rfscore._extras import explained

    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = _run(words, watched=arguments is None)
    except ImportError as error:
        sys.exit(_fail(explained(error)))
    sys.exit(code if isinstance(code, int) else 0)


def _run(words: list[str], watched: bool) -> Any:
    """The exit code; a process of its own (`watched`) also ends soon after Ctrl-C."""
    from rfscore._extras import need

    need("the rfscore command", "typer", "rich")
    import typer

    from rfscore._machine import compile_quickly, keep_compiled
    from rfscore.cli import interrupt, show
    from rfscore.cli.app import app, as_typed
    from rfscore.errors import RfscoreError

    sys.path.append(str(Path.cwd()))  # where "module:function" is looked for last
    show.legible_streams()
    keep_compiled()
    os.environ["MPLBACKEND"] = "agg"  # files alone are drawn; a notebook's backend need not exist here

    # Typer brings its own copy of click, or depends on click, by version; this is its base of usage errors in both.
    usage_error: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
    if watched:
        interrupt.watch(words)
        if words[:1] and words[0] in ("spectrum", "curves", "timescales", "finite") and "--help" not in words:
            compile_quickly()
    try:
        # No command at all is a question, not a mistake.
        with show.notes():
            code = app(args=words or ["--help"], prog_name="rfscore", standalone_mode=False)
        sys.stdout.flush()
        if code != 130:
            return code
        raise KeyboardInterrupt  # which typer, by version, turns into this code or into Abort
    except usage_error as error:
        return _fail(error.format_message())
    except BrokenPipeError:  # the reader has left, as `| head` does: nothing to say, and nothing more to write
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ImportError:
        raise
    except (RfscoreError, OSError) as error:
        return _fail(as_typed(str(error)))
    except (typer.Abort, KeyboardInterrupt):
        if watched:
            interrupt.leave(words)
        return _fail(interrupt.said(words), code=130)


def _fail(message: str, code: int = 2) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return code
