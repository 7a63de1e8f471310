"""Scalars out of TensorBoard's event files, by their wire format: records with checksums, protocol buffers inside.

No light library reads them: tensorboard brings twenty packages, tbparse brings tensorboard and pandas. The two formats
are frozen and small, and a reader of ours can call nothing, whatever the file holds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from rfscore.errors import InputError

#: Longest record that is read (a scalar has less than a hundred bytes, an image some megabytes).
MAX_RECORD = 2**28
_FLOAT, _DOUBLE = 1, 2


class Scalar(NamedTuple):
    """One logged number."""

    step: int
    tag: str
    value: float


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
        found.append(crc)
    return tuple(found)


_CRC = _table()


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated and shifted as the record format stores it.

    Example:
        >>> from rfscore.runs.events import masked_crc
        >>> hex(masked_crc(b"123456789"))  # CRC-32C 0xe3069283
        '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _records(data: bytes, what: str) -> Iterator[bytes]:
    """The records of a file; a last one cut short, as a killed run leaves it, is left out."""
    at, count = 0, 0
    while at + 12 <= len(data):
        count += 1
        length, check = struct.unpack_from("<QI", data, at)
        if masked_crc(data[at : at + 8]) != check or length > MAX_RECORD:
            raise InputError(f"{what} is damaged at record {count} (its length fails the checksum); copy it again")
        if at + 16 + length > len(data):
            return
        record = data[at + 12 : at + 12 + length]
        if length < 2**16 and masked_crc(record) != struct.unpack_from("<I", data, at + 12 + length)[0]:
            raise InputError(f"{what} is damaged at record {count} (checksum); copy it again")
        yield record
        at += 16 + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than ten bytes")


def _parts(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and content: a number, or bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        size, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        if at + size > len(data):
            raise ValueError("a field longer than its message")
        yield key >> 3, data[at : at + size]
        at += size


def _tensor(data: bytes) -> float | None:
    """The number in a tensor without dimensions, as TensorFlow 2 logs scalars."""
    fields: dict[int, int | bytes] = dict(_parts(data))
    if any(number == 2 for number, _ in _parts(bytes(fields.get(2, b"")))):  # type: ignore[arg-type]
        return None
    packed = fields.get(4) or fields.get(5) or fields.get(6)
    form, size = {_FLOAT: ("<f", 4), _DOUBLE: ("<d", 8)}.get(fields.get(1, 0), ("", 0))  # type: ignore[arg-type]
    return float(struct.unpack(form, packed)[0]) if isinstance(packed, bytes) and len(packed) == size > 0 else None


def _scalars(record: bytes) -> Iterator[Scalar]:
    event = list(_parts(record))
    step = next((value for number, value in event if number == 2), 0)
    step = step - 2**64 if isinstance(step, int) and step >= 2**63 else step
    for number, summary in event:
        if number != 5 or not isinstance(summary, bytes):
            continue
        for one, value in _parts(summary):
            if one != 1 or not isinstance(value, bytes):
                continue
            fields = dict(_parts(value))
            tag, simple, tensor = fields.get(1), fields.get(2), fields.get(8)
            found = struct.unpack("<f", simple)[0] if isinstance(simple, bytes) and len(simple) == 4 else \
                _tensor(tensor) if isinstance(tensor, bytes) else None  # fmt: skip
            if isinstance(tag, bytes) and found is not None and isinstance(step, int):
                yield Scalar(step, tag.decode("utf-8", "replace"), found)


def read_events(path: str | PathLike[str]) -> list[Scalar]:
    """Every scalar of an event file in the order of logging; images, texts and histograms are passed over.

    Raises:
        InputError: unreadable, or damaged before its last record.
    """
    what = f"event file {str(path)!r}"
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{what} cannot be read: {error.strerror}; check the path") from error
    found: list[Scalar] = []
    for record in _records(data, what):
        try:
            found += _scalars(record)
        except (ValueError, IndexError, KeyError, struct.error) as error:
            raise InputError(f"{what} holds a record that is no event ({error}); copy it again") from error
    return found
