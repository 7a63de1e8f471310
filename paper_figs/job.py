"""What every figure script is given and what it leaves: a picture, and beside it a .json of its inputs and numbers."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from matplotlib.figure import Figure

from rfscore._plain import to_json
from rfscore._provenance import versions
from rfscore.errors import RfscoreError
from rfscore.output import write_bytes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DPI = 200
T = TypeVar("T")


class NotRun(RfscoreError):
    """The runs a figure needs are not here; the message says which, and how to make them."""


@dataclass(frozen=True)
class Row:
    """One sentence each: what the paper shows, what is found here, where they differ."""

    paper: str
    here: str
    differs: str


@dataclass(frozen=True)
class Job:
    """How a figure is to be made.

    Attributes:
        full: the paper's sizes instead of the small ones.
        out: folder of pictures and .json files.
        say: told what is being computed.
    """

    full: bool = False
    out: Path = HERE
    say: Callable[[str], None] = lambda text: None

    def pick(self, small: T, paper: T) -> T:
        """A size: small by default, the paper's with --full."""
        return paper if self.full else small

    def leave(
        self, name: str, figure: Figure, *, title: str, row: Row, inputs: Mapping[str, Any], numbers: Mapping[str, Any]
    ) -> Path:
        """Write name.png and name.json, whole or not at all.

        Args:
            name: of both files, e.g. "fig05_losses".
            figure: the picture.
            title: what it shows, in a few words.
            row: the sentences of the README.
            inputs: everything that decides the numbers.
            numbers: what can be read off the picture, for claims and for the sentences.

        Returns:
            The picture's path.
        """
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        facts = {
            "status": "made",
            "size": self.pick("small", "paper"),
            "inputs": inputs,
            "numbers": numbers,
            "caption": str(figure.get_label()),
            "row": row,
        }
        self._record(name, title, facts | {"picture_sha256": hashlib.sha256(buffer.getvalue()).hexdigest()})
        return write_bytes(self.out / f"{name}.png", buffer.getvalue())

    def absent(self, name: str, *, title: str, paper: str, reason: str) -> None:
        """Record that a figure could not be made; an older picture of it is removed."""
        with suppress(FileNotFoundError):
            (self.out / f"{name}.png").unlink()
        row = Row(paper, f"not run here: {reason}", "–")
        self._record(name, title, {"status": "not run here", "message": reason, "row": row})

    def _record(self, name: str, title: str, facts: Mapping[str, Any]) -> None:
        head = {"made_by": "rfscore paper_figs", "id": name.split("_")[0] if name.startswith("fig") else name}
        plain = to_json({**head, "name": name, "title": title, **facts, "versions": versions()})
        write_bytes(self.out / f"{name}.json", plain.encode())


def records(folder: Path = HERE) -> dict[str, dict[str, Any]]:
    """name -> what its .json holds, of all figures in a folder."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain.get("made_by") == "rfscore paper_figs":
            found[path.stem] = plain
    return found
