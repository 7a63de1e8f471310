r"""Results that survive: a folder of records that are whole or absent, and the zarr folder assembled from them.

    STORE/sweep.json              what was asked
    STORE/records/*.jsonl         one line a point: its checksum, then its result; a file for every driver
    STORE/results.zarr/           the xarray Dataset of the sweep, in chunks with checksums: `xarray.open_zarr` reads it
    STORE/runs/KEY/               folders of trained networks

The records are the truth. A line is written in one piece and flushed to disk before it counts; what a kill or a full
disk cut off is no line, and a damaged one is recognised by its checksum, named, and evaluated again. A record is
filed under a checksum of problem, seed and code (`rfscore.sweeps.keys`), so that it serves any sweep that needs it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfscore._plain import to_json
from rfscore._provenance import git_state, machine, versions
from rfscore.errors import InputError, RfscoreError, bad
from rfscore.output import _explain, write_bytes
from rfscore.sweeps import spec
from rfscore.sweeps.keys import code_version, key
from rfscore.sweeps.outcome import Outcome
from rfscore.sweeps.spec import Sweep

if TYPE_CHECKING:
    import xarray

ASKED, RECORDS, RESULTS, RUNS = "sweep.json", "records", "results.zarr", "runs"
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
            self.damages.append(Damage(f"{RECORDS}/{path.name} line {number}", named[1].decode() if named else None))
            return
        name, outcome = record["key"], _outcome(record)
        earlier = self.outcomes.get(name)
        if earlier is None or earlier.status == "failed":  # numbers once found stay
            self.outcomes[name], self.seconds[name] = outcome, float(record["seconds"])


def _line(name: str, outcome: Outcome, seconds: float) -> bytes:
    values = {k: [repr(x) for x in v] if isinstance(v, tuple) else repr(v) for k, v in outcome.values.items()}
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
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX)
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
        with contextlib.suppress(OSError):
            if self._size == 0:
                self.path.unlink()
        os.close(self._file)


class Store:
    """The folder of one sweep.

    Args:
        path: the folder.

    Example:
        >>> import tempfile
        >>> from rfscore.sweeps.store import Store
        >>> from rfscore.sweeps import Sweep, run
        >>> sweep = Sweep({"psi_n": [2, 4]}, fixed={"psi_p": 4, "t": 0.1, "d": 8}, model="finite", tau=[10.0])
        >>> with tempfile.TemporaryDirectory() as scratch:
        ...     data = run(sweep, scratch, workers=0)
        ...     again = Store(scratch).dataset()
        >>> again.gap.dims, bool(again.equals(data)), int(data.status.min())
        (('psi_n', 'tau'), True, 1)
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)

    def claim(self, sweep: Sweep, *, resume: bool) -> None:
        """Take the folder for a sweep: new, empty, or one that holds a sweep when `resume` is set.

        Raises:
            InputError: the folder holds something else, or a sweep without `resume`, or cannot be written.
        """
        asked = self.path / ASKED
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            present = any(self.path.iterdir())
            if present and not asked.exists() and not (self.path / RECORDS).is_dir():
                raise bad("store", str(self.path), "a new or empty folder, or a sweep's", "choose another")
            if asked.exists() and not resume:
                raise bad("store", str(self.path), "a new folder",
                          "it holds a sweep: go on with --resume, or name another")  # fmt: skip
            (self.path / RECORDS).mkdir(exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise bad("store", str(self.path), "a folder", "a file has this name, or a parent's") from error
        except OSError as error:
            raise _explain(self.path, error) from error
        facts = {"made_by": "rfscore sweep", "sweep": sweep.plain(), "code": code_version(sweep.model),
                 "versions": versions(), "git": git_state(), "machine": machine(),
                 "written": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
        write_bytes(asked, to_json(facts).encode())

    def sweep(self) -> Sweep:
        """What was asked.

        Raises:
            InputError: not a store, or its sweep.json is damaged.
        """
        path = self.path / ASKED
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            if plain["made_by"] != "rfscore sweep":
                raise KeyError("made_by")
            return spec.from_plain(plain["sweep"])
        except FileNotFoundError as error:
            raise bad("store", str(self.path), f"a folder with {ASKED}", "make one with rfscore sweep --out") from error
        except OSError as error:
            raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{str(path)!r} is damaged ({error}): repeat the sweep's command with --resume; "
                             "all results are kept") from error  # fmt: skip

    def index(self) -> Index:
        """All records that can be read."""
        return Index(self.path / RECORDS).update()

    @contextlib.contextmanager
    def journal(self) -> Iterator[Journal]:
        """A record file for this process."""
        journal = Journal(self.path / RECORDS)
        try:
            yield journal
        finally:
            journal.close()

    def others_at_work(self) -> int:
        """How many drivers hold a record file of this store now."""
        count = 0
        for path in (self.path / RECORDS).glob("*.jsonl"):
            with contextlib.suppress(OSError), open(path, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    count += 1
        return count

    def keys(self, sweep: Sweep) -> list[str]:
        """The name of every point's record, in the order of `Sweep.points`."""
        return [key(sweep.model, point, sweep.tau, sweep.config) for point in sweep.points()]

    def damages(self, index: Index | None = None) -> list[Damage]:
        """Everything in the store that was damaged and is not made good by another record."""
        from rfscore.sweeps.dataset import damaged_chunks

        index = index or self.index()
        lost = [d for d in index.damages if d.key is None or d.key not in index.outcomes]
        return lost + [Damage(f"{RESULTS} chunk {name}") for name in damaged_chunks(self.path / RESULTS)]

    def dataset(self, sweep: Sweep | None = None) -> xarray.Dataset:
        """The sweep as an xarray Dataset, from the records: named coordinates, units, status and message per point."""
        from rfscore.sweeps.dataset import assemble

        sweep = sweep or self.sweep()
        return assemble(sweep, self.keys(sweep), self.index())

    def export(self, dataset: xarray.Dataset) -> Path:
        """Write results.zarr, whole or not at all."""
        from rfscore.sweeps.dataset import write_zarr

        return write_zarr(dataset, self.path / RESULTS)


def statuses(index: Index, names: Sequence[str]) -> dict[str, int]:
    """How many of these points are ok, partial, failed and pending."""
    counts = {"ok": 0, "partial": 0, "failed": 0, "pending": 0}
    for name in names:
        outcome = index.outcomes.get(name)
        counts["pending" if outcome is None else outcome.status] += 1
    return counts
