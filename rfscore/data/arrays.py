"""Arrays of images out of npy and npz files that may be broken or hostile: nothing is unpickled, no header believed."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from rfscore.data.archives import read_member, refuse_unsafe_names
from rfscore.errors import InputError, bad

#: Largest array that is read (202 599 CelebA faces of 64 x 64 are 0.8 GB).
MAX_ARRAY_BYTES = 2 * 2**30
#: Names that data sets give to their training images, in the order in which they are looked for.
KNOWN = ("train_images", "x_train", "arr_0")
_SHAPES = "uint8 of shape (N, h, w), (N, h, w, 3) or (N, 3, h, w)"
_HEADER_BYTES = 2**14


def _header(raw: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type that a file claims; a hostile header can fail in any way."""
    version = np.lib.format.read_magic(raw)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = read(raw)
    return shape, fortran, dtype


def read_array(data: bytes, name: str) -> np.ndarray:
    """The array of a .npy file; its header is held against the bytes that are there."""
    damaged = f"array {name!r} is damaged or cut short"
    raw = io.BytesIO(data)
    try:
        shape, fortran, dtype = _header(raw)
    except Exception as error:
        raise InputError(f"{damaged}: no array header; write it again with numpy.save or savez") from error
    if dtype.hasobject:
        raise InputError(f"array {name!r} holds pickled Python objects, which are never loaded; save a uint8 array")
    count = 1
    for length in shape:
        count *= int(length)  # Python integers: no overflow
    held = len(data) - raw.tell()
    if min(shape, default=0) < 0 or count * dtype.itemsize != held:
        raise InputError(f"{damaged}: its header says {shape} of {dtype}, {held} bytes follow; write the archive again")
    flat = np.frombuffer(data, dtype=dtype, offset=raw.tell())
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _has_images(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    channels = len(shape) == 4 and (shape[-1] in (1, 3) or shape[1] in (1, 3))
    one_picture = len(shape) == 3 and shape[-1] in (3, 4) and shape[1] > 4
    return dtype == np.uint8 and (channels or (len(shape) == 3 and not one_picture))


def _images(array: np.ndarray, name: str) -> np.ndarray:
    """(N, h, w) or (N, h, w, 3), uint8, or an error that says how to get there."""
    if not _has_images(array.shape, array.dtype):
        remedies = {
            "f": "numpy.rint(255 * array).astype('uint8') of values in [0, 1]",
            "b": "255 * array.astype('uint8')",
        }
        remedy = f"write {remedies.get(array.dtype.kind, 'values as 0 ... 255')}"
        if array.dtype == np.uint8:
            remedy = "one picture alone is array[None]; flat ones array.reshape(N, h, w); leave opacity out"
        raise bad(f"array {name!r}", f"{array.dtype} of shape {array.shape}", _SHAPES, remedy)
    if array.size == 0:
        raise bad(f"array {name!r}", f"shape {array.shape}", "at least one image with at least one pixel")
    if array.max() == 1:
        raise bad(f"array {name!r}", "values 0 and 1 alone", "grey values 0 ... 255", "write 255 * array")
    if array.ndim == 4 and array.shape[-1] not in (1, 3):
        array = np.moveaxis(array, 1, -1)
    return array


def npy_images(path: Path) -> np.ndarray:
    """The images of a .npy file."""
    try:
        size = path.stat().st_size
        if size > MAX_ARRAY_BYTES:
            raise bad(f"array {path.name!r}", f"{size} bytes", f"at most {MAX_ARRAY_BYTES} bytes", "make it smaller")
        return _images(read_array(path.read_bytes(), path.name), path.name)
    except OSError as error:
        raise InputError(f"data {str(path)!r} cannot be read: {error.strerror}; check the path") from error


def _claims_images(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(info) as member:
            shape, _, dtype = _header(io.BytesIO(member.read(_HEADER_BYTES)))
    except Exception:  # named when it is read, if it is the one
        return False
    return _has_images(shape, dtype)


def _chosen(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], key: str | None) -> tuple[str, list[str]]:
    """The name of the array to take, and of the others that could have been."""
    if key is not None:
        if key not in members:
            raise bad("key", key, f"one of {sorted(members)}")
        return key, []
    others = sorted(name for name in members if name != "near_duplicate")
    images = [name for name in others if _claims_images(archive, members[name])]
    known = [name for wanted in KNOWN for name in images if name.lower() == wanted]
    name = "images" if "images" in members else images[0] if len(images) == 1 else known[0] if known else \
        others[0] if len(others) == 1 else None  # fmt: skip
    if name is None:
        raise bad("arrays in the npz archive", sorted(members), "one named 'images', or only one of images",
                  "name it by key=, or save with numpy.savez(path, images=array)")  # fmt: skip
    return name, [other for other in images if other != name]


def npz_images(archive: zipfile.ZipFile, key: str | None = None) -> tuple[np.ndarray, int, list[str]]:
    """Images of an open npz archive, how many near-duplicates were dropped, and what a report should say."""
    refuse_unsafe_names(archive)
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if not info.is_dir()}
    name, others = _chosen(archive, members, key)
    notes = [f"array {name!r} was used, not {', '.join(map(repr, others))}: key= names another"] if others else []
    images = _images(read_array(read_member(archive, members[name], MAX_ARRAY_BYTES), name), name)
    if "near_duplicate" not in members:
        return images, 0, notes
    flags = read_array(read_member(archive, members["near_duplicate"], MAX_ARRAY_BYTES), "near_duplicate")
    if flags.dtype != np.bool_ or flags.shape != images.shape[:1]:
        raise bad("array 'near_duplicate'", f"{flags.dtype} of shape {flags.shape}",
                  f"bool of shape {images.shape[:1]}", "one flag per image, or leave it out")  # fmt: skip
    return images[~flags], int(flags.sum()), notes
