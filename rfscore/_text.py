"""Text from outside, decoded by what it is and never by the machine's locale; TOML and JSON read and written."""

from __future__ import annotations

import codecs
import json
import tomllib
from os import PathLike
from pathlib import Path
from typing import Any

from rfscore.errors import InputError, bad

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip


def decode(content: bytes, what: str, *, western: bool = False) -> str:
    """Text from bytes: by its byte order mark, else UTF-16 where half of the bytes are 0, else UTF-8.

    Args:
        content: the whole file.
        what: names it in messages.
        western: read what is not UTF-8 as Windows-1252, a superset of the letters of Latin-1: right for tables, whose
            numbers are the same in all three.

    Raises:
        InputError: no text, or not UTF-8; the message names the line.
    """
    coding = next((name for mark, name in _MARKS if content.startswith(mark)), None) or _unmarked(content)
    try:
        text = content.decode(coding)
    except UnicodeDecodeError as error:
        line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        if coding != "utf-8":
            raise InputError(f"{what} is damaged or cut short (its {coding} ends at line {line}); write it again") \
                from error  # fmt: skip
        if not western:
            raise InputError(f"{what} is not UTF-8 (byte 0x{byte:02x} in line {line}): save it as UTF-8") from error
        text = content.decode("cp1252", errors="replace")
    if "\0" in text:
        raise bad(what, "a binary file (it holds zero bytes)", "text", "name the text file, or write it again")
    return text


def _unmarked(content: bytes) -> str:
    """UTF-16 of mostly Latin letters and digits has a zero in every pair of bytes, and no other text has one."""
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if content and content[start::2].count(0) > len(content) // 4:
            return name
    return "utf-8"


def read_text(path: str | PathLike[str], what: str, *, western: bool = False) -> str:
    """The text of a file, decoded as `decode` does.

    Raises:
        InputError: cannot be read, or what `decode` refuses.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{what} {str(path)!r} cannot be read: {error.strerror}; check the path") from error
    return decode(content, f"{what} {str(path)!r}", western=western)


def read_toml(path: str | PathLike[str], what: str) -> dict[str, Any]:
    """A TOML file as plain data.

    Raises:
        InputError: cannot be read, not UTF-8 (or UTF-16 with its mark), no TOML.
    """
    text = read_text(path, what)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{what} {str(path)!r} is no TOML: {error}") from error


def read_json(path: str | PathLike[str], what: str) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        InputError: cannot be read, no JSON, or JSON of something else.
    """
    text = read_text(path, what)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        why = "is empty" if not text.strip() else f"is no JSON or is damaged ({error})"
        raise InputError(f"{what} {str(path)!r} {why}; write it again") from error
    if not isinstance(found, dict):
        raise bad(f"{what} {str(path)!r}", type(found).__name__, "a JSON object", "it is another file, or damaged")
    return found


def toml_value(value: str | bool | int | float) -> str:
    """A value as TOML writes it.

    Raises:
        InputError: text with half of a character, as a path that is not UTF-8 has; TOML cannot hold it.

    Example:
        >>> from rfscore._text import toml_value
        >>> toml_value("τ 🙂"), toml_value(1e-5), toml_value(True)
        ('"τ 🙂"', '1e-05', 'true')
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise bad("text", value, "characters that UTF-8 can hold", "rename the file or folder") from error
    # JSON's strings are TOML's, but for the one control character JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
