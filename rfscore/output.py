"""Results on disk: every file is whole or absent, and one folder holds one run with its manifest."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import sys
import time
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rfscore._plain import to_json, to_plain
from rfscore._provenance import git_state, machine, versions
from rfscore._text import read_json
from rfscore.errors import InputError, RfscoreError, bad

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

MANIFEST = "manifest.json"
_open: list[RunFolder] = []


def close_all(message: str) -> None:
    """Write into the manifest of every folder at work that its run ended early: before a process is left at once."""
    for folder in list(_open):
        with contextlib.suppress(RfscoreError):
            folder._write_manifest("failed", message)


def _explain(path: Path, error: OSError) -> RfscoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RfscoreError(
            f"disk full while writing {str(path)!r}; no partial file was left: free some space or write elsewhere"
        )
    return InputError(f"cannot write {str(path)!r} ({error.strerror or error}): choose a folder you may write to")


def write_bytes(path: str | PathLike[str], content: bytes | memoryview) -> Path:
    """Write a file atomically: a reader sees the old content or all of the new, never a part.

    The content goes to a temporary file in the same folder, is flushed to disk, and then takes the name.

    Args:
        path: the file; its folder must exist.
        content: all of it.

    Returns:
        The path.

    Raises:
        InputError: the folder is missing or not writable.
        RfscoreError: the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise _explain(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()  # gone already when all went well
    return path


def netcdf_bytes(dataset: xarray.Dataset) -> bytes:
    """A Dataset as the bytes of a netCDF-4 file; attributes netCDF cannot hold are written as JSON text.

    Raises:
        InputError: xarray's netCDF writer is not installed, or a variable is complex, which netCDF cannot hold.
    """
    complex_names = [str(name) for name, variable in dataset.variables.items() if variable.dtype.kind == "c"]
    if complex_names:
        raise bad("dataset", f"complex variables {complex_names}", "real variables", "store real and imaginary parts")
    plain = dataset.copy()
    plain.attrs = {k: v if isinstance(v, str | int | float) and not isinstance(v, bool) else
                   json.dumps(to_plain(v), allow_nan=False) for k, v in dataset.attrs.items()}  # fmt: skip
    try:
        return bytes(plain.to_netcdf(engine="h5netcdf"))
    except ImportError as error:
        raise InputError("writing netCDF needs h5netcdf and h5py: pip install 'rfscore[data]'") from error


class RunFolder:
    """The output folder of one run, as a context manager: files are written whole, the manifest last.

    A new or empty folder is taken, and one whose manifest says rfscore made it: its files are replaced one by one,
    and those the new run no longer makes are removed when it has succeeded. Any other folder is refused.

    Args:
        path: the folder; created with its parents.
        overwrite: take a non-empty folder rfscore did not make; its other files stay.
        problem: what was solved, into the manifest.
        seeds: every seed used, into the manifest.

    Raises:
        InputError: not a folder, not writable, or not empty and made by something else.
        RfscoreError: the disk is full.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import rfscore as rf
        >>> from rfscore.output import RunFolder
        >>> with tempfile.TemporaryDirectory() as scratch:
        ...     with RunFolder(Path(scratch, "run"), problem=rf.ScoreProblem(8.0, 64.0, 0.01), seeds=[0, 1]) as run:
        ...         _ = run.text("report.md", "# tau_mem")
        ...     sorted(p.name for p in Path(scratch, "run").iterdir())
        ['manifest.json', 'report.md']
    """

    def __init__(
        self, path: str | PathLike[str], *, overwrite: bool = False, problem: Any = None, seeds: Any = None
    ) -> None:
        self.path = Path(path)
        self._overwrite = overwrite
        self._facts: dict[str, Any] = {"problem": to_plain(problem), "seeds": to_plain(seeds)}
        self._files: dict[str, dict[str, Any]] = {}
        self._previous: list[str] = []
        self.replaces = False  # whether an earlier run's results are in the folder

    @property
    def files(self) -> list[str]:
        """Names of all files written so far, and of the manifest."""
        return [*self._files, MANIFEST]

    def __enter__(self) -> RunFolder:
        self._claim()
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._clock = time.perf_counter()
        _open.append(self)
        self._write_manifest("running")  # also finds out now, not after the work, whether the folder can be written
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _open.remove(self)
        if error is None:
            self._remove_previous()
            self._write_manifest("complete")
            return
        try:
            self._write_manifest("failed", f"{type(error).__name__}: {error}")
        except RfscoreError:
            pass  # the error under way is the one to report; the manifest still says "running"

    def _claim(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            present = any(self.path.iterdir())
        except (FileExistsError, NotADirectoryError) as error:
            raise bad("output folder", str(self.path), "a folder", "a file has this name, or a parent's") from error
        except OSError as error:
            raise _explain(self.path, error) from error
        if not present:
            return
        earlier = self._earlier_manifest()
        if earlier is None and not self._overwrite:
            raise bad("output folder", str(self.path), "a new or empty folder, or one that rfscore made",
                      "choose another, or allow overwriting")  # fmt: skip
        self.replaces = earlier is not None
        listed = [name for key in ("files", "left_from_before") for name in _names((earlier or {}).get(key))]
        self._previous = sorted({str(name) for name in listed if _is_safe(name)})

    def _remove_previous(self) -> None:
        for name in set(self._previous) - set(self._files):
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                raise _explain(self.path / name, error) from error
        self._previous = []

    def _earlier_manifest(self) -> dict[str, Any] | None:
        try:
            manifest = read_json(self.path / MANIFEST, "manifest")
        except InputError:
            return None
        return manifest if manifest.get("made_by") == "rfscore" else None

    def _write_manifest(self, status: str, message: str = "") -> None:
        manifest = {
            "made_by": "rfscore",
            "status": status,
            "message": message,
            "command": ["rfscore", *sys.argv[1:]],
            **self._facts,
            "versions": versions(),
            "git": git_state(),
            "machine": machine(),
            "started": self._started,
            "wall_time_s": round(time.perf_counter() - self._clock, 3),
            "files": self._files,
            "left_from_before": sorted(set(self._previous) - set(self._files)),
        }
        write_bytes(self.path / MANIFEST, to_json(manifest).encode())

    def record(self, **facts: Any) -> None:
        """Add facts to the manifest: `run.record(preset="quick", data=digits.sha256)`."""
        self._facts.update({name: to_plain(value) for name, value in facts.items()})

    def write(self, name: str, content: bytes | memoryview) -> Path:
        """Write one file of the run; `name` may hold sub-folders, e.g. "figures/spectrum.png"."""
        if not _is_safe(name):
            raise bad("file name", name, f"a relative name without '..', not {MANIFEST}")
        name = str(PurePosixPath(name))
        target = self.path / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _explain(target.parent, error) from error
        write_bytes(target, content)
        self._files[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        return target

    def text(self, name: str, content: str) -> Path:
        """Write a text, Markdown or HTML file in UTF-8."""
        return self.write(name, content.encode(errors="backslashreplace"))  # of names that are not UTF-8

    def json(self, name: str, value: Any) -> Path:
        """Write a result, dict or array as strict JSON."""
        return self.write(name, to_json(value).encode())

    def netcdf(self, name: str, dataset: xarray.Dataset) -> Path:
        """Write an xarray Dataset as netCDF-4."""
        return self.write(name, netcdf_bytes(dataset))

    def figure(self, name: str, figure: Figure, *, dpi: int = 150, pdf: bool = True) -> Path:
        """Write a matplotlib figure as `name`.png and `name`.pdf, without dates, so equal figures are equal files."""
        wanted: list[tuple[str, dict[str, Any]]] = [("png", {"Software": None})]
        wanted += [("pdf", {"CreationDate": None})] * pdf
        for suffix, metadata in wanted:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=dpi, metadata=metadata)
            self.write(f"{name}.{suffix}", buffer.getvalue())
        return self.path / f"{name}.png"


def _names(listed: object) -> list[object]:
    """What a manifest lists, if it is a list or dict at all."""
    return list(listed) if isinstance(listed, dict | list) else []


def _is_safe(name: object) -> bool:
    """A plain relative name: what a manifest from elsewhere lists must not reach outside the folder."""
    if not isinstance(name, str) or "\\" in name or "\0" in name:
        return False
    path = PurePosixPath(name)
    return bool(path.name) and not path.is_absolute() and ".." not in path.parts and str(path) != MANIFEST
