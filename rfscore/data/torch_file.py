"""Tensors out of PyTorch's files, read as data by a parser that can call nothing.

`load_tensors` reads what torch.save writes today (a zip archive), `read_tensors` the older format by a pinned checksum.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rfscore.errors import InputError, bad

#: Largest member of an archive that is read.
MAX_BYTES = 8 * 2**30


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


def _parameter(data: Any, *_: Any) -> Any:
    """Stands in for torch._utils._rebuild_parameter."""
    return data


class DataUnpickler(pickle.Unpickler):
    """Unpickles plain values and descriptions of tensors; any other name in the file is refused, never imported."""

    ALLOWED = {  # noqa: RUF012  (a constant)
        ("collections", "OrderedDict"): OrderedDict,
        ("torch", "Size"): tuple,
        ("torch._utils", "_rebuild_tensor_v2"): _describe,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        **{("torch", f"{name}Storage"): kind for name, kind in {
            "Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "bf16", "Long": "<i8", "Int": "<i4",
            "Short": "<i2", "Char": "i1", "Byte": "u1", "Bool": "?"}.items()},
    }  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        """The allowed names; a pickle reaches code through this method alone."""
        if (module, name) not in self.ALLOWED:
            raise InputError(f"the file names {module}.{name}, which no tensor needs: nothing of it was run; save "
                             "tensors alone, e.g. torch.save(samples.cpu(), path)")  # fmt: skip
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
    if tensor.stride == tuple(int(np.prod(tensor.shape[i + 1 :])) for i in range(len(tensor.shape))):
        count = int(np.prod(tensor.shape))  # one piece in memory, as nearly all are
        if 0 <= tensor.offset <= storage.size - count:
            return storage[tensor.offset : tensor.offset + count].reshape(tensor.shape)
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


def load_tensors(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Every tensor in a file that torch.save wrote (PyTorch 1.6 or later), by its place in dicts and lists.

    Nothing in the file is executed: names other than those of tensors are refused. A tensor alone is called "".

    Args:
        path: the file.

    Returns:
        Arrays by name; bfloat16 as float32.

    Raises:
        InputError: unreadable, no such archive, names of anything but tensors, too large.
    """
    what = f"PyTorch file {str(path)!r}"
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            pickled = next((name for name in names if name.endswith("/data.pkl") or name == "data.pkl"), None)
            if pickled is None:
                raise bad(what, "a zip archive without data.pkl", "a file that torch.save wrote")
            top = pickled.removesuffix("data.pkl")
            if f"{top}byteorder" in names and archive.read(f"{top}byteorder") != b"little":
                raise bad(what, "big-endian numbers", "little-endian ones", "save it on another machine")
            tree = DataUnpickler(io.BytesIO(_member(archive, pickled, what))).load()
            return {name: _read(tensor, archive, top, what) for name, tensor in _tensors(tree)}
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{what} cannot be read as torch.save writes it ({error}); save it again, with PyTorch 1.6 or "
                         "later") from error  # fmt: skip
    except InputError:
        raise
    except Exception as error:  # a hostile pickle can fail in any way
        raise InputError(f"{what} is damaged ({type(error).__name__}: {error}); save it again") from error


def _member(archive: zipfile.ZipFile, name: str, what: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_BYTES:
        raise bad(f"{name!r} in {what}", archive.getinfo(name).file_size, f"at most {MAX_BYTES} bytes")
    return archive.read(name)


def _tensors(tree: Any, name: str = "") -> Iterator[tuple[str, _Tensor]]:
    """Tensors in nested dicts and lists; a `_Tensor` is itself a tuple."""
    if isinstance(tree, _Tensor):
        yield name, tree
    elif isinstance(tree, dict | list | tuple) and not isinstance(tree, _Storage):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _tensors(value, f"{name}.{key}" if name else str(key))


def _read(tensor: _Tensor, archive: zipfile.ZipFile, top: str, what: str) -> np.ndarray:
    raw = _member(archive, f"{top}data/{tensor.storage.key}", what)
    kind = tensor.storage.dtype
    flat = np.frombuffer(raw, "<u2" if kind == "bf16" else kind)
    if kind == "bf16":
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    if math.prod(tensor.shape) > flat.size:
        raise bad(f"a tensor in {what}", f"shape {tensor.shape} over {flat.size} numbers", "as many numbers as it has")
    return _gather(tensor, flat)
