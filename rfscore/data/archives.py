"""The pictures of folders and zip archives that may be broken or hostile, in an order that their names alone decide.

Nothing is ever unpacked to disk, and no size is believed before it is compared with a limit.
"""

from __future__ import annotations

import os
import re
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rfscore.data.pictures import HEAD, SUFFIXES, Picture, is_picture
from rfscore.errors import InputError, bad

#: Largest single picture file that is read.
MAX_FILE_BYTES = 64 * 2**20
#: Names of passed-over files in a note.
_NAMED = 5
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


class Found(NamedTuple):
    """Pictures in the order of their names, and files that were taken for none."""

    pictures: list[Picture]
    passed_over: list[str]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key: `img2` before `img10`; numbers by length first, because int() refuses very long ones."""
    words = re.split(r"([0-9]+)", unicodedata.normalize("NFC", name))  # odd places are numbers
    words[1::2] = [number.lstrip("0") for number in words[1::2]]
    return [(i % 2, len(word) * (i % 2), word.lower()) for i, word in enumerate(words)]


def in_order(names: Iterable[str]) -> list[str]:
    """Paths by folder in natural order; where that does not decide, by the letters as they are."""
    return sorted(names, key=lambda name: ([_natural(part) for part in name.split("/")], name))


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1:] in (
        ("Thumbs.db",), ("desktop.ini",),
    )  # fmt: skip


def passed_over_note(names: list[str]) -> str:
    """In words which files were not used."""
    listed = ", ".join(map(repr, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return f"{len(names)} file{'s' * (len(names) > 1)} passed over, no pictures that can be read: {listed}"


def _none(what: str, where: str, passed_over: list[str]) -> InputError:
    archives = [name for name in passed_over if re.search(r"\.(zip|tar|t?gz|7z|rar|npz)$", name.lower())]
    remedy = f"it holds another archive, {archives[0]!r}: unpack it and name that" if archives else \
        passed_over_note(passed_over) if passed_over else "name the folder that holds them"  # fmt: skip
    return bad(what, where, f"at least one picture ({', '.join(sorted(SUFFIXES))})", remedy)


def folder_files(folder: Path) -> list[str]:
    """Files below a folder, as paths from it, in order; hidden ones and links to other folders are left out.

    Raises:
        InputError: a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"data folder {error.filename!r} cannot be listed: {error.strerror}; check its permissions")

    found = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        inner = Path(place).relative_to(folder)
        names = [*files, *(name for name in folders if os.path.islink(os.path.join(place, name)))]
        found += [(inner / name).as_posix() for name in names]
    return in_order(name for name in found if not _is_hidden(name))


def _read_file(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise bad(f"picture {path.name!r}", f"{size} bytes", f"at most {MAX_FILE_BYTES} bytes", "remove it")
    return path.read_bytes()


def _file_head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def folder_pictures(folder: Path) -> Found:
    """The pictures of a folder and of the folders in it (of one class each, say), and the files that are none."""
    names = folder_files(folder)
    taken = [
        name for name in names if (folder / name).is_file() and is_picture(name, partial(_file_head, folder / name))
    ]
    passed_over = in_order(set(names) - set(taken))
    if not taken:
        raise _none("data folder", str(folder), passed_over)
    return Found([Picture(name, partial(_read_file, folder / name)) for name in taken], passed_over)


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


def refuse_unsafe_names(archive: zipfile.ZipFile) -> None:
    """Refuse an archive whose members would leave its folder."""
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")
        if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
            raise bad("archive member", info.filename, "a relative name without '..'",
                      "the archive tries to reach outside its folder: do not trust it")  # fmt: skip


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The content of a member that is not encrypted, damaged or larger than `limit` bytes."""
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


def _member_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as member:
            return member.read(HEAD)
    except _BROKEN:  # named when it is decoded, if it is a picture by its suffix
        return b""


def zip_pictures(archive: zipfile.ZipFile) -> Found:
    """The pictures of an open zip archive; each is read into memory only when it is decoded."""
    refuse_unsafe_names(archive)
    named = [(info.filename.replace("\\", "/"), info) for info in archive.infolist()]  # Windows writes those
    named = [(name, info) for name, info in named if not name.endswith("/") and not _is_hidden(name)]
    twice = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
    if twice:
        raise bad("archive member", twice[0], "each name once", "which of them is meant? write the archive again")
    members = dict(named)
    order = in_order(members)
    taken = [name for name in order if is_picture(name, partial(_member_head, archive, members[name]))]
    passed_over = in_order(set(order) - set(taken))
    if not taken:
        raise _none("data archive", str(archive.filename), passed_over)
    found = [Picture(name, partial(read_member, archive, members[name], MAX_FILE_BYTES)) for name in taken]
    return Found(found, passed_over)
