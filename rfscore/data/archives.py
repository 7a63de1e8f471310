"""Reading images out of files that may be broken or hostile: npz archives, zip archives, folders.

Nothing is ever unpacked to disk, nothing is unpickled, and no size is believed before it is compared with a limit.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from rfscore.errors import InputError, bad

#: Largest single picture file, and largest decoded picture, that is read.
MAX_FILE_BYTES = 64 * 2**20
MAX_PICTURE_PIXELS = 2**26
#: Largest npz member that is read (202 599 CelebA faces of 64 x 64 are 0.8 GB).
MAX_ARRAY_BYTES = 2 * 2**30

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
# Only decoders that run inside Pillow: its EPS reader, for one, would start another program.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Picture:
    """A picture not yet decoded: its name for messages, and how to get its bytes."""

    name: str
    read: Callable[[], bytes]

    def pixels(self) -> np.ndarray:
        """Decode to uint8 (h, w) grey or (h, w, 3) colour; 16-bit grey comes back as uint16."""
        from PIL import Image, UnidentifiedImageError

        try:
            with warnings.catch_warnings():
                # Pillow's guard is a warning at a global limit; ours is an error, below, before anything is decoded.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(io.BytesIO(self.read()), formats=_FORMATS)
            with image:
                if image.width * image.height > MAX_PICTURE_PIXELS:
                    raise bad(f"picture {self.name!r}", f"{image.width} x {image.height} pixels",
                              f"at most {MAX_PICTURE_PIXELS} pixels", "reduce or remove it")  # fmt: skip
                if image.mode in ("I", "F"):
                    raise bad(f"picture {self.name!r}", f"32-bit pixels (mode {image.mode})", "8 or 16 bits a pixel",
                              "save it as 8-bit PNG")  # fmt: skip
                if image.mode.startswith("I;16"):
                    return np.asarray(image)
                return np.asarray(image if image.mode == "L" else image.convert("RGB"))
        except InputError:
            raise
        except UnidentifiedImageError as error:
            raise InputError(f"picture {self.name!r} is no picture in a known format; remove it") from error
        except Image.DecompressionBombError as error:
            raise InputError(f"picture {self.name!r} is far too large: {error}; remove it") from error
        except Exception as error:  # decoders raise almost anything on corrupt bytes
            raise InputError(
                f"picture {self.name!r} cannot be read ({type(error).__name__}: {error}); remove it or save it again"
            ) from error


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key: `img2` before `img10`; numbers by length first, because int() refuses very long ones."""
    words = re.split(r"([0-9]+)", name)  # odd places are numbers
    words[1::2] = [number.lstrip("0") for number in words[1::2]]
    return [(i % 2, len(word) * (i % 2), word.lower()) for i, word in enumerate(words)]


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and "__MACOSX" not in path.parts


def _read_file(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise bad(f"picture {path.name!r}", f"{size} bytes", f"at most {MAX_FILE_BYTES} bytes", "remove it")
    return path.read_bytes()


def folder_pictures(folder: Path) -> list[Picture]:
    """The picture files of one folder (its subfolders are not entered), in natural order of their names."""
    try:
        names = sorted((p.name for p in folder.iterdir() if p.is_file() and _is_picture(p.name)), key=_natural)
    except OSError as error:
        raise InputError(f"data folder {str(folder)!r} cannot be listed: {error.strerror}; check its permissions") \
            from error  # fmt: skip
    if not names:
        raise bad("data folder", str(folder), f"at least one picture ({', '.join(sorted(_SUFFIXES))}) directly in it",
                  "name the folder that holds the files themselves")  # fmt: skip
    return [Picture(name, lambda path=folder / name: _read_file(path)) for name in names]  # type: ignore[misc]


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip or npz archive, with an InputError when it is none, is cut short or cannot be read."""
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(
            f"data archive {str(path)!r} is no zip archive or is cut short ({error}); download or write it again"
        ) from error
    except OSError as error:
        raise InputError(f"data archive {str(path)!r} cannot be opened: {error.strerror}; check the path") from error


def _refuse_unsafe_names(archive: zipfile.ZipFile) -> None:
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")
        if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
            raise bad("archive member", info.filename, "a relative name without '..'",
                      "the archive tries to reach outside its folder: do not trust it")  # fmt: skip


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.flag_bits & 0x1:
        raise InputError(f"archive member {info.filename!r} is encrypted; write the archive without a password")
    if info.file_size > limit:
        raise bad(f"archive member {info.filename!r}", f"{info.file_size} bytes", f"at most {limit} bytes",
                  "make it smaller or remove it")  # fmt: skip
    try:
        return archive.read(info)
    except _BROKEN as error:
        raise InputError(
            f"archive member {info.filename!r} is damaged or cut short ({error}); download or write the archive again"
        ) from error


def zip_pictures(archive: zipfile.ZipFile) -> list[Picture]:
    """The pictures of an open zip archive, in natural order; each is read into memory only when it is decoded."""
    _refuse_unsafe_names(archive)
    infos = [i for i in archive.infolist() if not i.is_dir() and _is_picture(i.filename)]
    if not infos:
        raise bad("data archive", str(archive.filename), f"at least one picture ({', '.join(sorted(_SUFFIXES))})")
    infos.sort(key=lambda info: _natural(info.filename))
    return [
        Picture(info.filename, lambda info=info: _read_member(archive, info, MAX_FILE_BYTES))  # type: ignore[misc]
        for info in infos
    ]


def _npy(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One member of an npz archive; its header is held against the limits before any data is read."""
    name = info.filename.removesuffix(".npy")
    damaged = f"array {name!r} is damaged or cut short"
    data = _read_member(archive, info, MAX_ARRAY_BYTES)
    raw = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(raw)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = header(raw)
    except Exception as error:  # a hostile header can fail in any way
        raise InputError(f"{damaged}: no array header; write the archive again with numpy.savez") from error
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


def npz_images(archive: zipfile.ZipFile) -> tuple[np.ndarray, int]:
    """The uint8 images (N, h, w) or (N, h, w, 3) of an open npz archive, and how many near-duplicates were dropped."""
    _refuse_unsafe_names(archive)
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if not info.is_dir()}
    others = [name for name in members if name != "near_duplicate"]
    key = "images" if "images" in members else others[0] if len(others) == 1 else None
    if key is None:
        raise bad("arrays in the npz archive", sorted(members), "one named 'images', or only one",
                  "save with numpy.savez(path, images=array)")  # fmt: skip
    images = _npy(archive, members[key])
    grey_or_colour = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3))
    if images.dtype != np.uint8 or not grey_or_colour:
        raise bad(f"array {key!r}", f"{images.dtype} of shape {images.shape}",
                  "uint8 of shape (N, h, w) or (N, h, w, 3)", "write grey values as 0 ... 255")  # fmt: skip
    if images.size == 0:
        raise bad(f"array {key!r}", f"shape {images.shape}", "at least one image with at least one pixel")
    if "near_duplicate" not in members:
        return images, 0
    flags = _npy(archive, members["near_duplicate"])
    if flags.dtype != np.bool_ or flags.shape != images.shape[:1]:
        raise bad("array 'near_duplicate'", f"{flags.dtype} of shape {flags.shape}",
                  f"bool of shape {images.shape[:1]}", "one flag per image, or leave it out")  # fmt: skip
    return images[~flags], int(flags.sum())
