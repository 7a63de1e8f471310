"""What a folder, archive or array holds is what is used, in an order its names decide; what is not used is said."""

from __future__ import annotations

import io
import itertools
import zipfile

import numpy as np
import pytest
from PIL import Image

from rfscore.data import arrays, load_images, pictures
from rfscore.errors import InputError
from rfscore.networks import config as configs
from rfscore.networks import data as points

RNG = np.random.default_rng(3)
GREY = np.array([0.2989, 0.587, 0.114])


def encoded(image, kind="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, format=kind, **options)
    return buffer.getvalue()


def flat(value: int, shape=(4, 4)) -> np.ndarray:
    return np.full(shape, value, np.uint8)


def one(tmp_path, content: bytes, name: str = "a.png") -> np.ndarray:
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / name).write_bytes(content)
    data = load_images(folder)
    return data.images.reshape(data.shape)


# --- transparent --------------------------------------------------------------------------------------------------

INK = np.zeros((4, 4), np.uint8)
INK[1, 2] = 255  # opacity: one black pixel on nothing


def palette_with_transparency() -> bytes:
    image = Image.fromarray((INK > 0).astype(np.uint8), "P")
    image.putpalette([90, 200, 10, 0, 0, 0])  # colour 0 is the transparent one, and not white
    return encoded(image, transparency=0)


TRANSPARENT = {
    "RGBA": lambda: encoded(np.dstack([0 * INK + 77 * (INK == 0)] * 3 + [INK]).astype(np.uint8)),
    "LA": lambda: encoded(Image.fromarray(np.dstack([0 * INK, INK]), "LA")),
    "palette": palette_with_transparency,
    "grey value": lambda: encoded(np.where(INK > 0, 0, 99).astype(np.uint8), transparency=99),
    "gif": lambda: encoded(Image.open(io.BytesIO(palette_with_transparency())), "GIF", transparency=0),
}


@pytest.mark.parametrize("how", TRANSPARENT)
def test_black_ink_on_nothing_is_black_on_white_whatever_colour_is_hidden(tmp_path, how):
    with pytest.warns(UserWarning, match="1 pictures have transparent parts: put on a white ground"):
        found = one(tmp_path, TRANSPARENT[how]())
    np.testing.assert_allclose(found, np.where(INK > 0, 0.0, 1.0), atol=2e-4)


def test_half_opacity_mixes_with_white(tmp_path):
    with pytest.warns(UserWarning, match="transparent"):
        found = one(tmp_path, encoded(np.dstack([flat(0)] * 3 + [flat(51)])))
    np.testing.assert_allclose(found, 0.8, atol=3e-3)


@pytest.mark.parametrize("ink", [255, 0])
def test_a_picture_that_cannot_be_seen_on_white_is_refused_by_name(tmp_path, ink):
    alpha = INK if ink else 0 * INK
    with pytest.raises(InputError, match=r"'a\.png'.*ground of your choice"):
        one(tmp_path, encoded(np.dstack([flat(ink)] * 3 + [alpha])))


def test_opacity_without_transparent_parts_changes_nothing(tmp_path, recwarn):
    assert one(tmp_path, encoded(Image.fromarray(np.dstack([flat(51), flat(255)]), "LA")))[0, 0] == 0.2
    assert not recwarn.list


# --- orientation, depth, frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_pictures_are_turned_as_their_exif_says(tmp_path, kind, orientation):
    upright = np.kron(RNG.integers(0, 2, (4, 3)), np.ones((16, 16), int)).astype(np.uint8) * 200
    back = {1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud, 5: np.transpose,
              6: lambda x: np.rot90(x, 1), 7: lambda x: np.rot90(x, 2).T, 8: lambda x: np.rot90(x, -1)}  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(back[orientation](upright)))
    if kind == "WEBP":
        image = image.convert("RGB")
    content = encoded(image, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    found = one(tmp_path, content, f"a.{kind.lower()}")
    assert found.shape == upright.shape and np.abs(found - upright / 255).mean() < 0.02


@pytest.mark.parametrize("most", [15, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("raw", [True, False])
def test_pgm_of_any_depth_has_one_scale(tmp_path, most, raw):
    values = np.array([[0, most // 5], [most, most // 3]])
    if raw:
        body = values.astype(">u2" if most > 255 else np.uint8).tobytes()
    else:
        body = " ".join(map(str, values.ravel())).encode()
    found = one(tmp_path, f"P{5 if raw else 2}\n2 2\n{most}\n".encode() + body, "a.pgm")
    np.testing.assert_allclose(found, values / most, atol=2e-3 if most < 256 else 2e-5)


def test_twelve_bits_of_tiff_are_scaled_to_one(tmp_path):
    bits = "".join(f"{v:012b}" for v in (0, 4095, 1024, 2048))
    strip = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    tags = {256: 2, 257: 2, 258: 12, 259: 1, 262: 1, 277: 1, 278: 2, 279: len(strip)}
    entries = [(tag, 3, value) for tag, value in tags.items()] + [(273, 4, 8)]
    directory = len(entries).to_bytes(2, "little") + b"".join(
        tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, kind, value in sorted(entries)
    )
    content = b"II*\0" + (8 + len(strip)).to_bytes(4, "little") + strip + directory + bytes(4)
    np.testing.assert_allclose(one(tmp_path, content, "a.tif"), [[0, 1], [1024 / 4095, 2048 / 4095]], atol=2e-5)


def test_the_first_of_several_frames_is_used_and_said(tmp_path):
    frames = [Image.fromarray(flat(value)) for value in (51, 102)]
    with pytest.warns(UserWarning, match="several frames: the first was used"):
        found = one(tmp_path, encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]), "a.tif")
    np.testing.assert_array_equal(found, 0.2)


# --- what is taken, and in which order ----------------------------------------------------------------------------


def test_pictures_are_known_by_their_content_and_the_rest_is_named(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    for name, kind in {"a.jfif": "JPEG", "b.jpe": "JPEG", "c.jp2": "JPEG2000", "d.tga": "TGA", "e.pbm": "PPM",
                       "f": "PNG", "g.dat": "WEBP", "h.PNG": "PNG"}.items():  # fmt: skip
        (folder / name).write_bytes(encoded(flat(51, (16, 16)), kind))
    for name in ("notes.txt", "BMW.txt", "raw.heic"):
        (folder / name).write_bytes(name.encode() + b" is no picture")
    (folder / ".DS_Store").write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"3 files passed over.*'BMW.txt', 'notes.txt', 'raw.heic'"):
        data = load_images(folder)
    assert data.count == 8 and "3 files passed over" in data.notes[0]
    np.testing.assert_allclose(data.images, 0.2, atol=0.02)


NAMES = ["img1.png", "img01.png", "img001.png", "IMG1.png", "Img1.PNG", "a.png", "A.png", "img10.png", "img2.png"]


def test_the_order_is_that_of_the_names_whatever_the_file_system_or_the_archive_gives(tmp_path, monkeypatch):
    sums, content = set(), {name: encoded(flat(10 * i)) for i, name in enumerate(NAMES)}
    for k, order in enumerate([NAMES, NAMES[::-1], sorted(NAMES), NAMES[4:] + NAMES[:4]]):
        folder, archive = tmp_path / f"f{k}", tmp_path / f"{k}.zip"
        folder.mkdir()
        with zipfile.ZipFile(archive, "w") as file:
            for name in order:
                (folder / name).write_bytes(content[name])
                file.writestr(name, content[name])
        with monkeypatch.context() as patch:
            real = __import__("os").walk

            def shuffled(*args, order=order, real=real, **options):
                for place, folders, files in real(*args, **options):
                    yield place, folders, sorted(files, key=order.index)

            patch.setattr("rfscore.data.archives.os.walk", shuffled)
            sums |= {load_images(folder).sha256, load_images(archive).sha256}
    assert len(sums) == 1
    values = np.round(load_images(tmp_path / "f0").images[:, 0] * 25.5).astype(int)
    assert [NAMES[v] for v in values][-2:] == ["img2.png", "img10.png"]


def test_class_folders_are_entered_and_make_the_same_data_as_an_archive_of_them(tmp_path):
    folder, archive = tmp_path / "f", tmp_path / "f.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for i, (place, name) in enumerate(itertools.product(["cat", "dog/old", "10", "9"], ["2.png", "10.png"])):
            (folder / place).mkdir(parents=True, exist_ok=True)
            (folder / place / name).write_bytes(encoded(flat(20 * i)))
            file.writestr(f"{place}/{name}".replace("/", "\\"), encoded(flat(20 * i)))  # as Windows writes them
    data = load_images(folder)
    assert data.sha256 == load_images(archive).sha256
    assert np.round(data.images[:, 0] * 255 / 20).astype(int).tolist() == [6, 7, 4, 5, 0, 1, 2, 3]


def test_hidden_members_with_backslashes_are_no_pictures(tmp_path, recwarn):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("__MACOSX\\._a.png", b"fork")
        file.writestr("faces\\a.png", encoded(flat(51)))
    assert load_images(tmp_path / "a.zip").count == 1 and not recwarn.list


def test_archives_in_archives_and_names_that_are_there_twice_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("faces/inner.zip", b"PK")
    with pytest.raises(InputError, match=r"another archive, 'faces/inner\.zip': unpack it"):
        load_images(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr("a/x.png", encoded(flat(1)))
        file.writestr("a\\x.png", encoded(flat(2)))
    with pytest.raises(InputError, match=r"'a/x\.png'.*each name once"):
        load_images(tmp_path / "b.zip")


def test_all_pictures_at_fault_are_named_at_once(tmp_path):
    good = encoded(RNG.integers(0, 256, (32, 32), dtype=np.uint8), "JPEG")
    for i in range(6):
        (tmp_path / f"{i}.jpg").write_bytes(good if i % 2 else good[:-80])
    (tmp_path / "5.jpg").write_bytes(encoded(flat(0, (3, 3))))
    with pytest.raises(
        InputError, match=r"4 of 6 pictures.*'0\.jpg', '2\.jpg', '4\.jpg', '5\.jpg'; the first:.*save it"
    ):
        load_images(tmp_path)


# --- arrays -------------------------------------------------------------------------------------------------------

IMAGES = RNG.integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
LABELS = np.arange(5, dtype=np.uint8)


def grey(images: np.ndarray) -> np.ndarray:
    return (images / 255 @ GREY).reshape(len(images), -1)


@pytest.mark.parametrize("held", [
    {"arr_0": IMAGES, "arr_1": LABELS}, {"arr_0": IMAGES, "arr_1": IMAGES[:2]}, {"x_train": IMAGES, "y_train": LABELS},
    {"train_images": IMAGES, "train_labels": LABELS[:, None], "val_images": IMAGES[:1], "test_images": IMAGES[:2]},
    {"pictures": IMAGES, "labels": LABELS}, {"images": np.moveaxis(IMAGES, -1, 1)},
    {"images": IMAGES, "x_train": IMAGES[:1]},
])  # fmt: skip
def test_the_images_of_an_archive_are_found_by_name_and_shape(tmp_path, held, recwarn):
    np.savez(tmp_path / "a.npz", **held)
    data = load_images(tmp_path / "a.npz")
    np.testing.assert_allclose(data.images, grey(IMAGES), atol=1e-15)
    others = [name for name, array in held.items() if array.ndim == 4]
    assert bool(recwarn.list) == (len(others) > 1) == bool(data.notes)


def test_a_key_names_the_array_and_networks_take_it(tmp_path):
    many = RNG.integers(0, 256, (40, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=many, y=many[::-1])
    with pytest.raises(InputError, match="key="):
        load_images(tmp_path / "a.npz")
    np.testing.assert_allclose(load_images(tmp_path / "a.npz", key="y").images, many[::-1].reshape(40, -1) / 255)
    with pytest.raises(InputError, match=r"key = 'z'.*\['x', 'y'\]"):
        load_images(tmp_path / "a.npz", key="z")
    with pytest.raises(InputError, match="only an npz archive"):
        load_images(tmp_path, key="y")
    config = configs.from_plain({"data": {"source": str(tmp_path / "a.npz"), "n": 8, "test": 8, "key": "y"}})
    assert points.load(config.data).test.shape == (8, 1, 8, 8)
    other = configs.from_plain({"data": {"source": str(tmp_path / "a.npz"), "n": 8, "test": 8, "key": "x"}})
    assert config.fingerprint != other.fingerprint and points.load(other.data).sha256 != points.load(config.data).sha256


def test_npy_files_are_arrays_of_images(tmp_path):
    for name, array in {"a": IMAGES, "b": np.moveaxis(IMAGES, -1, 1), "c": np.asfortranarray(IMAGES)}.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_allclose(load_images(tmp_path / f"{name}.npy").images, grey(IMAGES), atol=1e-15)
    np.save(tmp_path / "g.npy", IMAGES[:, None, :, :, 0])
    np.testing.assert_array_equal(load_images(tmp_path / "g.npy").images, IMAGES[..., 0].reshape(5, -1) / 255)


@pytest.mark.parametrize(("array", "message"), [
    (IMAGES / 255, "rint"), (IMAGES > 9, "255 \\* array.astype"), (IMAGES[0], "array\\[None\\]"),
    (IMAGES.reshape(5, -1), "reshape\\(N, h, w\\)"), ((IMAGES > 9).astype(np.uint8), "255 \\* array"),
    (IMAGES.astype(np.int64), "0 ... 255"), (np.array([{}]), "never loaded"),
])  # fmt: skip
def test_arrays_that_are_no_images_are_refused_with_the_remedy_that_fits(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        load_images(tmp_path / "a.npy")


def test_a_npy_file_larger_than_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", IMAGES)
    monkeypatch.setattr(arrays, "MAX_ARRAY_BYTES", 100)
    with pytest.raises(InputError, match="at most 100 bytes"):
        load_images(tmp_path / "a.npy")


def test_prepared_images_are_made_anew_by_another_decoder_and_say_again_what_was_passed_over(tmp_path, monkeypatch):
    folder = tmp_path / "faces"
    (folder / "x").mkdir(parents=True)
    for i in range(20):
        (folder / "x" / f"{i}.png").write_bytes(encoded(RNG.integers(0, 256, (8, 8), dtype=np.uint8)))
    (folder / "notes.txt").write_text("none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wanted = configs.from_plain({"data": {"source": str(folder), "n": 8, "test": 8}}).data
    calls = []
    monkeypatch.setattr(points, "load_images", lambda *a, **o: calls.append(a) or load_images(*a, **o))
    for _ in range(2):
        with pytest.warns(UserWarning, match="1 file passed over"):
            points.load(wanted)
    assert len(calls) == 1
    (folder / "x" / "3.png").write_bytes(encoded(flat(7, (8, 8))))  # in a folder below
    with pytest.warns(UserWarning):
        points.load(wanted)
    monkeypatch.setattr(points, "DECODER", pictures.DECODER + 1)
    with pytest.warns(UserWarning):
        points.load(wanted)
    assert len(calls) == 3
