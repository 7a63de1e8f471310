"""Images from every source: the same grey rows, whatever the container."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rfscore.data import load_images

RNG = np.random.default_rng(5)
PICTURES = RNG.integers(0, 256, size=(12, 6, 5, 3), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def expected_grey(pictures: np.ndarray) -> np.ndarray:
    red, green, blue = (pictures[..., i].astype(float) / 255 for i in range(3))
    return (0.2989 * red + 0.587 * green + 0.114 * blue).reshape(len(pictures), -1)


def as_folder(folder: Path) -> Path:
    folder.mkdir()
    for i, pixels in enumerate(PICTURES):
        (folder / f"img{i}.png").write_bytes(png(pixels))
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def as_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("img_align/", b"")
        archive.writestr("img_align/readme.txt", b"faces")
        archive.writestr("__MACOSX/img_align/img0.png", b"resource fork")
        for i in reversed(range(len(PICTURES))):
            archive.writestr(f"img_align/img{i}.png", png(PICTURES[i]))
    return path


def as_npz(path: Path) -> Path:
    np.savez(path, images=PICTURES, ids=np.arange(12))
    return path


CONTAINERS = {"folder": as_folder, "faces.zip": as_zip, "faces.npz": as_npz}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_the_same_grey_rows_in_natural_order(tmp_path, name):
    data = load_images(CONTAINERS[name](tmp_path / name))
    assert data.shape == (6, 5) and data.count == 12 and data.d == 30 and data.name == name
    assert data.images.dtype == np.float64
    np.testing.assert_allclose(data.images, expected_grey(PICTURES), rtol=0, atol=1e-15)


def test_checksum_depends_on_the_pixels_and_not_on_the_container(tmp_path):
    sums = {load_images(make(tmp_path / name)).sha256 for name, make in CONTAINERS.items()}
    other = PICTURES.copy()
    other[3, 2, 1, 0] ^= 1
    np.savez(tmp_path / "other.npz", other)
    assert len(sums) == 1
    assert load_images(tmp_path / "other.npz").sha256 not in sums


def test_limit_takes_the_first_images(tmp_path):
    for name, make in CONTAINERS.items():
        data = load_images(make(tmp_path / name), limit=3)
        np.testing.assert_allclose(data.images, expected_grey(PICTURES[:3]), rtol=0, atol=1e-15)


def test_digits_need_no_file_and_lie_in_the_unit_interval():
    digits = load_images("digits")
    assert digits.images.shape == (1797, 64) and digits.shape == (8, 8)
    assert digits.images.min() == 0.0 and digits.images.max() == 1.0


def test_resizing_keeps_a_linear_ramp_and_crops_the_centre(tmp_path):
    # On a horizontal ramp of 20 x 12 the central 12 x 12 square starts at column 4; its 4 x 4 reduction averages
    # around columns 4 + 3 (j + 1/2), and antialiasing leaves a linear ramp linear away from the border.
    ramp = np.broadcast_to(np.arange(20, dtype=np.uint8) * 10, (12, 20))
    np.savez(tmp_path / "ramp.npz", images=ramp[None])
    out = load_images(tmp_path / "ramp.npz", size=4).images.reshape(4, 4)
    centres = 4 + 3 * (np.arange(4) + 0.5) - 0.5
    np.testing.assert_allclose(out[:, 1:3], np.broadcast_to(centres[1:3] * 10 / 255, (4, 2)), rtol=0, atol=2e-7)
    np.testing.assert_allclose(out[0], out[3], rtol=0, atol=1e-7)
    assert abs(out.mean() - 9.5 * 10 / 255) < 1e-6


def test_antialiasing_removes_a_checkerboard(tmp_path):
    board = 255 * (np.indices((32, 32)).sum(axis=0) % 2).astype(np.uint8)
    np.savez(tmp_path / "board.npz", images=board[None])
    small = load_images(tmp_path / "board.npz", size=8).images
    assert np.abs(small - 0.5).max() < 0.02


@pytest.mark.parametrize("name", CONTAINERS)
def test_size_makes_mixed_sizes_equal(tmp_path, name):
    data = load_images(CONTAINERS[name](tmp_path / name), size=3)
    assert data.shape == (3, 3) and data.images.shape == (12, 9)


def test_near_duplicates_are_dropped_and_said(tmp_path):
    flags = np.zeros(12, bool)
    flags[[1, 7]] = True
    np.savez(tmp_path / "faces.npz", images=PICTURES, ids=np.arange(12), near_duplicate=flags)
    data = load_images(tmp_path / "faces.npz")
    np.testing.assert_allclose(data.images, expected_grey(PICTURES[~flags]), rtol=0, atol=1e-15)
    assert data.dropped == 2 and "2 images flagged as near-duplicates" in data.notes[0]


def test_fortran_ordered_and_compressed_arrays_are_read_right(tmp_path):
    np.savez_compressed(tmp_path / "f.npz", images=np.asfortranarray(PICTURES))
    np.testing.assert_allclose(load_images(tmp_path / "f.npz").images, expected_grey(PICTURES), rtol=0, atol=1e-15)


def test_grey_palette_alpha_and_16_bit_pictures_have_the_same_scale(tmp_path):
    grey = np.full((4, 4), 51, np.uint8)  # 51/255 = 0.2
    Image.fromarray(grey).save(tmp_path / "1.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "2.gif")
    Image.fromarray(np.stack([grey, grey, grey, grey * 0 + 255], -1)).save(tmp_path / "3.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "4.png")
    Image.fromarray(grey).save(tmp_path / "5.bmp")
    data = load_images(tmp_path)
    assert data.count == 5
    np.testing.assert_allclose(data.images, 0.2, rtol=1.1e-4)  # the grey weights sum to 0.9999


def test_one_channel_colour_axis_is_plain_grey(tmp_path):
    grey = PICTURES[..., :1]
    np.savez(tmp_path / "g.npz", images=grey)
    np.testing.assert_array_equal(load_images(tmp_path / "g.npz").images, grey.reshape(12, -1) / 255)
