"""What a command leaves: a table on screen or JSON on stdout, and a folder with numbers and picture."""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from rfscore.output import RunFolder

DEFAULT_OUT = "rfscore-output"


#: How characters are spelled where the output has none of them; Greek letters by their names, the rest without accents.
_SPELLED = {"–": "-", "—": "-", "−": "-", "“": '"', "”": '"', "’": "'", "≥": ">=", "≤": "<=", "∞": "inf", "±": "+-",
            "→": "->", "×": "x", "…": "..."}  # fmt: skip
#: Wider than any table: off a terminal nothing is cut or wrapped.
_WIDE = 100_000


def _spell(letter: str) -> str:
    if letter in _SPELLED:
        return _SPELLED[letter]
    words = unicodedata.name(letter, "").split()
    if words[:1] == ["GREEK"]:
        return words[3].lower() if len(words) > 3 else words[-1].lower()
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


def _replacement(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_spell, error.object[error.start : error.end])), error.end


codecs.register_error("rfscore", _replacement)


def legible_streams() -> None:
    """Let stdout and stderr spell what their encoding does not have, instead of ending in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="rfscore")


@contextlib.contextmanager
def notes() -> Iterator[None]:
    """Warnings of rfscore as lines on stderr, once each, without the place in the source."""
    said: set[str] = set()

    def note(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
        if not issubclass(category, UserWarning):
            before(message, category, *place, **more)
        elif str(message) not in said:
            said.add(str(message))
            print("note:", message, file=sys.stderr)

    with warnings.catch_warnings():
        before, warnings.showwarning = warnings.showwarning, note
        yield


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def aside(words: str) -> None:
    """A note on stderr, where it is in nobody's way."""
    print("note:", words, file=sys.stderr)


def put_json(text: str) -> None:
    """JSON on stdout: the same data whatever the encoding of the output, by escapes where it lacks a character."""
    try:
        text.encode(_encoding())
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2) + "\n"
    sys.stdout.write(text)


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on screen; nothing of a cell is ever cut, and off a terminal no line is wrapped."""
    from rich.console import Console
    from rich.table import Table

    def legible(text: str) -> str:
        return text.encode(_encoding(), "rfscore").decode(_encoding())

    view = Table(header_style="bold")
    for i, header in enumerate(headers):
        view.add_column(legible(header), justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        view.add_row(*map(legible, row))
    # Names are no markup: "[1, 2]" and ":x:" stay as they are.
    console = Console(width=None if sys.stdout.isatty() else _WIDE, markup=False, emoji=False, highlight=False)
    console.print(legible(title), style="bold")
    console.print(view)


def written(run: RunFolder) -> str:
    """Every file by name, and whether earlier results went."""
    return _named(run.path, run.files) + (" (earlier results there were replaced)" if run.replaces else "")


def left(folder: Path) -> str:
    """Every file of a finished folder by name, as its manifest lists them."""
    from rfscore.output import MANIFEST

    facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return _named(folder, [*facts["files"], MANIFEST])


def _named(folder: Path, names: Iterable[str]) -> str:
    """Files of the folder itself first."""
    return f"written to {folder}: {', '.join(sorted(names, key=lambda name: ('/' in name, name)))}"


def leave(
    command: str, *, as_json: bool, plot: bool, pdf: bool, out: Path | None, result: Mapping[str, Any], problem: Any,
    dataset: Callable[[], xarray.Dataset], picture: Callable[[], Figure], screen: Callable[[], None],
    seeds: Any = None, overwrite: bool = False,
) -> None:  # fmt: skip
    """Print, and write into `out`; without --out nothing is written when no picture is wanted."""
    from rfscore._extras import need
    from rfscore._plain import to_json
    from rfscore.output import RunFolder

    draw = plot and not as_json
    folder = out if out is not None else Path(DEFAULT_OUT, command) if draw else None
    if folder is not None:
        need(f"writing {folder}", "xarray", "h5netcdf", *["matplotlib"] * draw)  # before the folder is made
        with RunFolder(folder, problem=problem, seeds=seeds, overwrite=overwrite) as run:
            run.netcdf(f"{command}.nc", dataset())
            run.json(f"{command}.json", result)
            if draw:
                from rfscore import plotting

                with plotting.paper():
                    run.figure(command, picture(), pdf=pdf)
    if as_json:
        put_json(to_json(result))
        return
    screen()
    if folder is not None:
        print(written(run))
