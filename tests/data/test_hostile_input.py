"""Broken and hostile input: one line of error with a remedy, and nothing written."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rfscore.data import archives, arrays, images, load_images
from rfscore.errors import InputError


def png(shape=(4, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full(shape, 100, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A valid PNG header of any size in front of next to no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def npy_claiming(shape: str, descr: str = "'|u1'", body: bytes = b"") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, allow_pickle=True, **arrays)
    return path


def truncated(path: Path, keep: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    return path


def corrupted(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    return path


def folder(path: Path, **files: bytes) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name.replace("_", ".")).write_bytes(content)
    return path


def encrypted(path: Path) -> Path:
    content = bytearray(zipped(path, {"a.png": png()}).read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


class Payload:
    """Would create a file when unpickled."""

    def __reduce__(self):
        return (open, ("pickle-was-run", "w"))


GOOD = np.zeros((3, 4, 4), np.uint8)
# name: (how to make it below a folder, keyword arguments, what the message must say)
CASES = {
    "missing file": (lambda p: p / "nothing.npz", {}, "check the path"),
    "unknown kind": (lambda p: zipped(p / "a.tar", {}), {}, "'digits', a .npz file, a .zip file"),
    "single picture": (lambda p: folder(p / "f", a_png=png()) / "a.png", {}, "folder of their own"),
    "empty folder": (lambda p: folder(p / "f"), {}, "at least one picture"),
    "folder without pictures": (lambda p: folder(p / "f", a_txt=b"x"), {}, "at least one picture"),
    "text named png": (lambda p: folder(p / "f", a_png=b"hello"), {}, "'a.png' is no picture"),
    "truncated picture": (lambda p: folder(p / "f", a_png=png((64, 64))[:-40]), {}, "save it again"),
    "picture bomb": (lambda p: folder(p / "f", a_png=png_claiming(40_000, 40_000)), {}, "too large"),
    "picture above the limit": (lambda p: folder(p / "f", a_png=png_claiming(9000, 9000)), {}, "at most 67108864"),
    "postscript named png": (lambda p: folder(p / "f", a_png=b"%!PS-Adobe-3.0 EPSF-3.0\n"), {}, "is no picture"),
    "mixed sizes": (lambda p: folder(p / "f", a_png=png(), b_png=png((4, 5))), {}, "give size= to resize"),
    "text named npz": (lambda p: folder(p / "f", a_npz=b"hello") / "a.npz", {}, "no zip archive"),
    "empty npz": (lambda p: folder(p / "f", a_npz=b"") / "a.npz", {}, "no zip archive"),
    "truncated npz": (lambda p: truncated(npz(p / "a.npz", images=GOOD), 0.7), {}, "cut short"),
    "corrupted npz": (lambda p: corrupted(npz(p / "a.npz", images=GOOD)), {}, "again"),
    "npz without arrays": (lambda p: zipped(p / "a.npz", {}), {}, "one named 'images'"),
    "npz with two arrays": (lambda p: npz(p / "a.npz", x=GOOD, y=GOOD), {}, "one named 'images'"),
    "npz of floats": (lambda p: npz(p / "a.npz", images=GOOD / 255), {}, "uint8 of shape"),
    "npz of flat images": (lambda p: npz(p / "a.npz", images=GOOD.reshape(3, 16)), {}, "uint8 of shape"),
    "npz with four channels": (lambda p: npz(p / "a.npz", images=np.zeros((3, 4, 4, 4), np.uint8)), {}, "(N, h, w, 3)"),
    "npz without images": (lambda p: npz(p / "a.npz", images=GOOD[:0]), {}, "at least one image"),
    "pickled npz": (lambda p: npz(p / "a.npz", images=np.array([Payload()], dtype=object)), {}, "never loaded"),
    "wrong flags": (
        lambda p: npz(p / "a.npz", images=GOOD, near_duplicate=np.zeros(2, bool)),
        {},
        "bool of shape (3,)",
    ),
    "all flagged": (lambda p: npz(p / "a.npz", images=GOOD, near_duplicate=np.ones(3, bool)), {}, "at least one image"),
    "header claims too much": (
        lambda p: zipped(p / "a.npz", {"images.npy": npy_claiming("(99999999, 99999, 99999)", body=bytes(64))}),
        {},
        "64 bytes follow",
    ),
    "header claims negative": (
        lambda p: zipped(p / "a.npz", {"images.npy": npy_claiming("(-8, -8)", body=bytes(64))}),
        {},
        "write the archive again",
    ),
    "header with code": (
        lambda p: zipped(p / "a.npz", {"images.npy": npy_claiming("__import__('os').getcwd()")}),
        {},
        "damaged",
    ),
    "not npy inside": (lambda p: zipped(p / "a.npz", {"images.npy": b"GIF89a"}), {}, "damaged"),
    "zip without pictures": (lambda p: zipped(p / "a.zip", {"a.txt": b"x"}), {}, "at least one picture"),
    "zip that climbs out": (lambda p: zipped(p / "a.zip", {"../../a.png": png()}), {}, "do not trust it"),
    "zip with absolute name": (lambda p: zipped(p / "a.zip", {"/etc/a.png": png()}), {}, "do not trust it"),
    "zip with drive name": (lambda p: zipped(p / "a.zip", {"C:\\a.png": png()}), {}, "do not trust it"),
    "npz that climbs out": (lambda p: zipped(p / "a.npz", {"../images.npy": b""}), {}, "do not trust it"),
    "truncated zip": (lambda p: truncated(zipped(p / "a.zip", {"a.png": png()}), 0.8), {}, "cut short"),
    "encrypted zip": (lambda p: encrypted(p / "a.zip"), {}, "without a password"),
    "zip bomb": (lambda p: zipped(p / "a.zip", {"a.png": bytes(archives.MAX_FILE_BYTES + 1)}), {}, "at most 67108864"),
    "size too small": (lambda p: "digits", {"size": 1}, "[2, 1024]"),
    "size not whole": (lambda p: "digits", {"size": 8.0}, "whole number"),
    "limit zero": (lambda p: "digits", {"limit": 0}, "whole number"),
    "no path": (lambda p: None, {}, "'digits', or the path"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("unchecked")
def test_bad_source_is_refused_with_a_remedy_and_leaves_no_trace(tmp_path, monkeypatch, recwarn, case):
    make, options, says = CASES[case]
    source = make(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        load_images(source, **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value) and " at 0x" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert not recwarn.list


def test_an_array_larger_than_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = npz(tmp_path / "a.npz", images=GOOD)
    monkeypatch.setattr(arrays, "MAX_ARRAY_BYTES", 100)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("the member was read"))
    with pytest.raises(InputError, match="at most 100 bytes"):
        load_images(path)


def test_a_result_larger_than_the_limit_is_refused_and_a_smaller_size_is_the_remedy(tmp_path, monkeypatch):
    path = npz(tmp_path / "a.npz", images=GOOD)
    monkeypatch.setattr(images, "MAX_RESULT_BYTES", 3 * 16 * 8 - 1)
    with pytest.raises(InputError, match="size= or limit="):
        load_images(path)
    assert load_images(path, size=2).images.shape == (3, 4)
    assert load_images(path, limit=2).images.shape == (2, 16)


def test_very_long_numbers_in_names_are_sorted_and_not_parsed(tmp_path):
    long, longer = "9" * 5000, "1" + "0" * 5000
    path = zipped(tmp_path / "a.zip", {f"{longer}.png": png((2, 3)), f"{long}.png": png((3, 2))})
    assert load_images(path, limit=1).shape == (3, 2)
