"""Records as an xarray Dataset with named coordinates, units and a status per point; and that as a zarr folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscore._machine import lock
from rfscore._provenance import versions
from rfscore.errors import InputError
from rfscore.output import _explain, write_bytes
from rfscore.sweeps.keys import code_version
from rfscore.sweeps.outcome import CODES, VARIABLES
from rfscore.sweeps.spec import Sweep

if TYPE_CHECKING:
    import xarray

    from rfscore.sweeps.records import Index

#: Points of one axis in one chunk.
CHUNK = 256
_SUMS = "SHA256SUMS"
_COORDINATES = {
    "psi_n": ("n/d", "training samples per dimension"),
    "psi_p": ("p/d", "random features per dimension"),
    "t": ("diffusion time", "Delta_t = 1 - exp(-2t)"),
    "sigma_x": ("1", "standard deviation of the data, Sigma = sigma_x^2 I"),
    "fraction": ("1", "fraction of the first of two isotropic classes"),
    "variance_1": ("1", "variance of the first class"),
    "variance_2": ("1", "variance of the second class"),
    "d": ("1", "data dimension"),
    "tau": ("training time", "gradient flow at unit learning rate"),
}


def assemble(sweep: Sweep, keys: list[str], index: Index) -> xarray.Dataset:
    """The Dataset of a sweep; points without numbers hold NaN, a status and a message.

    `status` is 0 pending, 1 ok, 2 partial (a number is not defined, the message says which and why), 3 failed.
    """
    import xarray as xr

    dims = ("point",) if sweep.paired else tuple(sweep.axes)
    found = [index.outcomes.get(name) for name in keys]
    present = [name for name in VARIABLES if any(o is not None and name in o.values for o in found)]
    data: dict[str, Any] = {}
    for name in present:
        about = VARIABLES[name]
        empty = np.full(len(sweep.tau), np.nan) if about.along_tau else np.nan
        values = np.array([empty if o is None else o.values.get(name, empty) for o in found])
        shape = (*sweep.shape, len(sweep.tau)) if about.along_tau else sweep.shape
        data[name] = ((*dims, "tau") if about.along_tau else dims, values.reshape(shape),
                      {"units": about.unit, "long_name": about.meaning})  # fmt: skip
    codes = np.array([CODES["pending"] if o is None else CODES[o.status] for o in found], dtype=np.int8)
    words = np.array(["" if o is None else o.message for o in found], dtype=object)
    flags = {"flag_values": list(CODES.values()), "flag_meanings": " ".join(CODES)}
    data["status"] = (dims, codes.reshape(sweep.shape), flags)
    data["message"] = (dims, words.reshape(sweep.shape), {"long_name": "why a number is missing"})
    coordinates: dict[str, Any] = {
        name: ("point" if sweep.paired else name, _column(values), _about(name)) for name, values in sweep.axes.items()
    }
    coordinates |= {name: ((), value, _about(name)) for name, value in sweep.fixed.items()}
    if sweep.tau:
        coordinates["tau"] = ("tau", np.array(sweep.tau), _about("tau"))
    attributes = {"model": sweep.model, "made_by": "rfscore sweep", "code": code_version(sweep.model),
                  "rfscore": versions()["rfscore"] or ""}  # fmt: skip
    return xr.Dataset(data, coordinates, attributes)


def _column(values: tuple[Any, ...]) -> np.ndarray:
    """Words as objects: zarr keeps text of any length."""
    return np.array(values, dtype=object if isinstance(values[0], str) else None)


def _about(name: str) -> dict[str, str]:
    unit, meaning = _COORDINATES.get(name, ("1", name))
    return {"units": unit, "long_name": meaning}


def write_zarr(dataset: xarray.Dataset, path: Path) -> Path:
    """A zarr folder whose chunks carry checksums, with a list SHA256SUMS; made beside its place and renamed.

    A reader sees the old folder or the new one; a kill between the renames leaves neither: the records make it anew.
    """
    try:
        from zarr.codecs import Crc32cCodec, ZstdCodec
    except ImportError as error:
        raise InputError("writing a sweep needs zarr: pip install 'rfscore[sweeps]'") from error
    temporary, former = (path.with_name(f".{path.name}.{secrets.token_hex(6)}.{end}") for end in ("tmp", "old"))
    encoding = {
        str(name): {"chunks": tuple(min(n, CHUNK) for n in v.shape), "compressors": (ZstdCodec(), Crc32cCodec())}
        for name, v in dataset.variables.items() if v.ndim
    }  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*[Cc]onsolidated metadata.*")
            dataset.to_zarr(temporary, encoding=encoding, zarr_format=3, consolidated=True)
        lines = [f"{_sha256(file)}  {file.relative_to(temporary).as_posix()}\n" for file in _files(temporary)]
        write_bytes(temporary / _SUMS, "".join(lines).encode())
        with open(path.with_name(f".{path.name}.lock"), "w") as file:
            lock(file, str(path), wait=True, warn=False)  # another driver may be here as well; its journal has warned
            with contextlib.suppress(FileNotFoundError):
                os.rename(path, former)
            os.rename(temporary, path)
    except OSError as error:
        raise _explain(path, error) from error
    finally:
        for folder in (temporary, former):
            shutil.rmtree(folder, ignore_errors=True)
    return path


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.name != _SUMS)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def damaged_chunks(path: Path) -> list[str]:
    """Files of a zarr folder that are not as they were written, or missing."""
    if not path.exists():
        return []
    try:
        listed = dict(line.split("  ", 1)[::-1] for line in (path / _SUMS).read_text().splitlines())
    except (OSError, ValueError):
        return [_SUMS]
    return [name for name, mark in listed.items() if not (path / name).is_file() or _sha256(path / name) != mark]
