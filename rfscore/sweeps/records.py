"""Record files: one line a point, whole or absent, and what is damaged told from what was never written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rfscore._machine import lock
from rfscore.errors import RfscoreError
from rfscore.output import _explain
from rfscore.sweeps.outcome import Outcome

_KEY = re.compile(rb'"key": "([0-9a-f]{32})"')
_MARK = 32  # hexadecimal digits of a line's checksum


@dataclass(frozen=True)
class Damage:
    """Something that was written and can no longer be read."""

    place: str
    key: str | None = None

    def __str__(self) -> str:
        return self.place


@dataclass
class Index:
    """All records of a store by key; `update` reads what was added since, by this process or by others."""

    folder: Path
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    added: list[str] = field(default_factory=list)  # keys in the order in which they were read
    _read: dict[Path, tuple[int, int]] = field(default_factory=dict)  # bytes and lines read so far

    def update(self) -> Index:
        """Read the whole lines that were added to any record file."""
        for path in sorted(self.folder.glob("*.jsonl")):
            start, number = self._read.get(path, (0, 0))
            if path.stat().st_size <= start:
                continue
            with open(path, "rb") as file:
                file.seek(start)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]  # what follows is being written, or was cut off: no record
            for i, line in enumerate(whole.splitlines(), number + 1):
                self._take(path, i, line)
            self._read[path] = (start + len(whole), number + whole.count(b"\n"))
        return self

    def _take(self, path: Path, number: int, line: bytes) -> None:
        record = _checked(line)
        if record is None:
            named = _KEY.search(line)
            self.damages.append(
                Damage(f"{path.parent.name}/{path.name} line {number}", named[1].decode() if named else None)
            )
            return
        name, outcome = record["key"], _outcome(record)
        earlier = self.outcomes.get(name)
        if earlier is None or earlier.status == "failed":  # numbers once found stay
            self.outcomes[name], self.seconds[name] = outcome, float(record["seconds"])
            self.added.append(name)


def _text(value: float) -> str:
    return repr(float(value))


def _line(name: str, outcome: Outcome, seconds: float) -> bytes:
    values = {k: list(map(_text, v)) if isinstance(v, tuple) else _text(v) for k, v in outcome.values.items()}
    record = {"key": name, "status": outcome.status, "message": outcome.message, "seconds": round(seconds, 4),
              "values": values}  # fmt: skip
    text = json.dumps(record).encode()
    return hashlib.sha256(text).hexdigest()[:_MARK].encode() + b" " + text + b"\n"


def _checked(line: bytes) -> dict[str, Any] | None:
    mark, text = line[:_MARK], line[_MARK + 1 :]
    if hashlib.sha256(text).hexdigest()[:_MARK].encode() != mark:
        return None
    record: dict[str, Any] = json.loads(text)
    return record


def _outcome(record: dict[str, Any]) -> Outcome:
    # Texts of floats, because JSON has neither NaN nor infinity; repr and float are exact inverses.
    values = {k: tuple(map(float, v)) if isinstance(v, list) else float(v) for k, v in record["values"].items()}
    return Outcome(record["status"], record["message"], values)


class Journal:
    """The record file of one driver; locked while it lives, so that others see it at work."""

    def __init__(self, folder: Path) -> None:
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}-{secrets.token_hex(3)}.jsonl"
        self.path = folder / name
        try:
            binary: int = getattr(os, "O_BINARY", 0)  # Windows would write other line ends
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | binary, 0o644)
            lock(self._file, str(self.path))
        except OSError as error:
            raise _explain(self.path, error) from error
        self._size = 0

    def append(self, records: Iterable[tuple[str, Outcome, float]]) -> None:
        """Write (key, outcome, seconds) of some points; when this returns they are on the disk.

        Raises:
            RfscoreError: the disk is full, or the folder no longer writable; earlier records stay as they are.
        """
        text = b"".join(_line(*record) for record in records)
        try:
            written = 0
            while written < len(text):
                written += os.write(self._file, text[written:])
            os.fsync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise RfscoreError(f"{_explain(self.path, error)}; {self._size} bytes of results before it are safe: "
                               "make room, then repeat the command with --resume") from error  # fmt: skip
        self._size += len(text)

    def close(self) -> None:
        """Release the file; one without records is removed."""
        os.close(self._file)
        with contextlib.suppress(OSError):
            if self._size == 0:
                self.path.unlink()
