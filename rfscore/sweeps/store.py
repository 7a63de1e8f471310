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
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from rfscore._machine import lock
from rfscore._plain import to_json
from rfscore._provenance import git_state, machine, versions
from rfscore._text import read_json
from rfscore.errors import InputError, bad
from rfscore.output import _explain, write_bytes
from rfscore.sweeps import spec
from rfscore.sweeps.keys import code_version, key
from rfscore.sweeps.records import Damage, Index, Journal
from rfscore.sweeps.spec import Sweep

if TYPE_CHECKING:
    import xarray

ASKED, RECORDS, RESULTS, RUNS = "sweep.json", "records", "results.zarr", "runs"


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
        if not path.exists():
            raise bad("store", str(self.path), f"a folder with {ASKED}", "make one with rfscore sweep --out")
        try:
            plain = read_json(path, "sweep")
            if plain["made_by"] != "rfscore sweep":
                raise KeyError("made_by")
            return spec.from_plain(plain["sweep"])
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
                count += not lock(file, path.name, shared=True, warn=False)
        return count

    def keys(self, sweep: Sweep) -> list[str]:
        """The name of every point's record, in the order of `Sweep.points`."""
        return [key(sweep.model, point, sweep.tau, sweep.config) for point in sweep.points()]

    def damages(self, index: Index | None = None) -> list[Damage]:
        """Everything in the store that was damaged and is not made good by another record."""
        from rfscore.sweeps.dataset import damaged_chunks

        index = index or self.index()
        lost = [d for d in index.damages if d.key is None or d.key not in index.outcomes]
        if lost and all(name in index.outcomes for name in self.keys(self.sweep())):
            lost = []  # every point has a whole record: a damaged one, whatever its name was, is made good
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
