"""Tensors out of a PyTorch weights file, read as data: a pinned checksum, and a parser that can call nothing."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
from collections import OrderedDict
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rfscore.errors import InputError, bad


class _Storage(NamedTuple):
    key: str
    dtype: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def _describe(storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> _Tensor:
    """Stands in for torch._utils._rebuild_tensor_v2."""
    return _Tensor(storage, offset, shape, stride)


class DataUnpickler(pickle.Unpickler):
    """Unpickles plain values and descriptions of tensors; any other name in the file is refused, never imported."""

    ALLOWED = {  # noqa: RUF012  (a constant)
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _describe,
        ("torch", "FloatStorage"): "<f4",
        ("torch", "LongStorage"): "<i8",
    }

    def find_class(self, module: str, name: str) -> Any:
        """The allowed names; a pickle reaches code through this method alone."""
        if (module, name) not in self.ALLOWED:
            raise InputError(f"the weights file names {module}.{name}, which no tensor needs; do not open it otherwise")
        return self.ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage: kind, element type, key (device and length follow)."""
        return _Storage(str(pid[2]), pid[1])


def verified_bytes(path: str | PathLike[str], sha256: str, remedy: str) -> bytes:
    """The content of a file whose checksum is the known one.

    Raises:
        InputError: missing, unreadable, or another checksum.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the weights file {str(path)!r}: {error.strerror}; {remedy}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256.lower():
        raise bad(f"sha256 of {path.name}", digest, sha256, f"the file is damaged or another one; {remedy}")
    return content


def _gather(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    position = np.array(tensor.offset)
    for size, step in zip(tensor.shape, tensor.stride, strict=True):
        position = np.add.outer(position, step * np.arange(size))
    return np.asarray(storage[position])  # by index, which NumPy bounds, and not by raw strides


def read_tensors(path: str | PathLike[str], sha256: str, remedy: str) -> dict[str, np.ndarray]:
    """Tensors by name from a weights file in PyTorch's old (not zip) format.

    The format is five pickles (magic number, version, machine, described tensors, keys of the storages), then count and
    raw numbers of each storage in the order of the keys. The bytes parsed are those whose checksum was verified.

    Args:
        path: the file.
        sha256: its known checksum.
        remedy: what the message of a refusal advises.

    Returns:
        Arrays by name, float32 or int64.

    Raises:
        InputError: missing, another checksum, or names anything but tensors.
    """
    stream = io.BytesIO(verified_bytes(path, sha256, remedy))
    _magic, _version, _machine, tensors, keys = (DataUnpickler(stream).load() for _ in range(5))
    dtypes = {tensor.storage.key: np.dtype(tensor.storage.dtype) for tensor in tensors.values()}
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        storages[key] = np.frombuffer(stream.read(count * dtypes[key].itemsize), dtypes[key], count)
    return {name: _gather(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}
