"""Images as row vectors of grey values, from any of the sources rfscore knows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rfscore.data.archives import Picture, folder_pictures, npz_images, open_zip, zip_pictures
from rfscore.errors import InputError, bad

#: Luma weights of ITU-R BT.601, the ones the CelebA experiments of the paper use.
GREY = np.array([0.2989, 0.587, 0.114])
#: Largest array of float64 grey values that is built (every CelebA face at 64 x 64 is 6.6 GB).
MAX_RESULT_BYTES = 8 * 2**30


@dataclass(frozen=True)
class ImageData:
    """Grey images as rows.

    Attributes:
        images: (N, d) float64 grey values in [0, 1], d = h w, row-major.
        shape: (h, w), to show a row as a picture again.
        name: short name of the source, without its folder.
        sha256: checksum of shape and grey values, so of exactly what is used, whatever container it came in.
        dropped: images left out because the archive flags them as near-duplicates.
        notes: sentences a report should repeat.
    """

    images: Float[np.ndarray, "N d"]
    shape: tuple[int, int]
    name: str
    sha256: str
    dropped: int = 0
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """N, the number of images."""
        return self.images.shape[0]

    @property
    def d(self) -> int:
        """h w, the dimension of the data."""
        return self.images.shape[1]

    def __repr__(self) -> str:
        return f"ImageData({self.name!r}, count={self.count}, shape={self.shape}, sha256={self.sha256[:12]!r}...)"


def _grey(pixels: np.ndarray) -> np.ndarray:
    """(h, w) float64 in [0, 1] from uint8 or uint16, grey or colour."""
    values = pixels.astype(np.float64) / np.iinfo(pixels.dtype).max
    if values.ndim == 3:
        values = values[..., 0] if values.shape[-1] == 1 else values @ GREY
    return values


def _resize(grey: np.ndarray, size: int) -> np.ndarray:
    """Short side to `size`, centre cropped: one bilinear, antialiased resampling of the central square."""
    if grey.shape == (size, size):
        return grey
    from PIL import Image

    h, w = grey.shape
    side = min(h, w)
    box = ((w - side) / 2, (h - side) / 2, (w + side) / 2, (h + side) / 2)
    image = Image.fromarray(np.ascontiguousarray(grey, dtype=np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box), dtype=np.float64)


def _decoded(pictures: Iterable[Picture]) -> Iterator[tuple[str, np.ndarray]]:
    for picture in pictures:
        yield picture.name, _grey(picture.pixels())


def _stack(named: Iterable[tuple[str, np.ndarray]], count: int, size: int | None) -> tuple[np.ndarray, tuple[int, int]]:
    """Rows of all images, resized if wanted; refuses mixed sizes and results beyond MAX_RESULT_BYTES."""
    rows, shape, first = np.empty((0, 0)), (0, 0), ""
    for i, (name, grey) in enumerate(named):
        image = grey if size is None else _resize(grey, size)
        if i == 0:
            shape, first = (image.shape[0], image.shape[1]), name
            if 8 * count * image.size > MAX_RESULT_BYTES:
                raise bad("data", f"{count} images of {shape[0]} x {shape[1]}", f"at most {MAX_RESULT_BYTES >> 30} GiB "
                          "as float64", "give a smaller size= or limit=")  # fmt: skip
            rows = np.empty((count, image.size))
        if image.shape != shape:
            raise bad(
                f"size of image {name!r}", image.shape, f"{shape} like {first!r}", "give size= to resize them all"
            )
        rows[i] = image.ravel()
    return rows, shape


def _digits() -> np.ndarray:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("data = 'digits' needs scikit-learn: pip install 'rfscore[data]'") from error
    return load_digits().images / 16.0


def _check_count(name: str, value: int | None, low: int, high: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise bad(name, value, f"a whole number in [{low}, {high}], or None")


def _source(path: Path, limit: int | None, stack: ExitStack) -> tuple[Iterable[tuple[str, np.ndarray]], int, int]:
    """(named grey images, their count, near-duplicates dropped) of a file or folder."""
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as error:
        raise InputError(f"data {str(path)!r} cannot be reached: {error.strerror}; check its permissions") from error
    if is_folder:
        pictures = folder_pictures(path)[:limit]
        return _decoded(pictures), len(pictures), 0
    if not exists:
        raise bad("data", str(path), "'digits', or an existing npz, zip or folder of pictures", "check the path")
    if path.suffix.lower() not in (".npz", ".zip"):
        raise bad("data", str(path), "'digits', a .npz file, a .zip file or a folder of pictures",
                  "put single pictures into a folder of their own")  # fmt: skip
    archive = stack.enter_context(open_zip(path))
    if path.suffix.lower() == ".zip":
        pictures = zip_pictures(archive)[:limit]
        return _decoded(pictures), len(pictures), 0
    array, dropped = npz_images(archive)
    array = array[:limit]
    return ((f"image {i}", _grey(image)) for i, image in enumerate(array)), len(array), dropped


def load_images(source: str | PathLike[str], size: int | None = None, limit: int | None = None) -> ImageData:
    """Load images as rows of grey values in [0, 1].

    Grey is 0.2989 R + 0.587 G + 0.114 B. Nothing is written to disk; archives are read member by member.

    Args:
        source: "digits" (the 8x8 handwritten digits scikit-learn ships); a .npz file with uint8 images under the key
            `images` (or as its only array), where a bool array `near_duplicate` marks rows to leave out; a .zip file
            of pictures such as CelebA's img_align_celeba.zip; or a folder of pictures.
        size: scale the short side to `size` (bilinear, antialiased) and crop the centre to size x size, in [2, 1024];
            None keeps the images as they are, which must then all have one size.
        limit: at most this many images, the first in natural order of their names.

    Returns:
        ImageData with images (N, d), shape (h, w), name and checksum.

    Raises:
        InputError: missing, unreadable, truncated, encrypted or hostile input, mixed sizes, no images.

    Example:
        >>> from rfscore.data import load_images
        >>> digits = load_images("digits")
        >>> digits.images.shape, digits.shape, float(digits.images.max())
        ((1797, 64), (8, 8), 1.0)
        >>> load_images("digits", size=4, limit=100).images.shape
        (100, 16)
    """
    if not isinstance(source, str | PathLike):
        raise bad("data", source, "'digits', or the path of an npz, zip or folder of pictures")
    _check_count("size", size, 2, 1024)
    _check_count("limit", limit, 1, 10**9)
    with ExitStack() as stack:
        if str(source) == "digits":
            name, dropped = "digits", 0
            array = _digits()[:limit]
            named: Iterable[tuple[str, np.ndarray]] = ((f"digit {i}", image) for i, image in enumerate(array))
            count = len(array)
        else:
            path = Path(source)
            name = path.resolve().name
            try:
                import PIL  # noqa: F401  (the sources below need it, and a plain message)
            except ImportError as error:
                raise InputError("reading pictures needs Pillow: pip install 'rfscore[data]'") from error
            named, count, dropped = _source(path, limit, stack)
        if count == 0:
            raise bad("data", str(source), "at least one image", "all are flagged as near-duplicates")
        images, shape = _stack(islice(named, count), count, size)
    digest = hashlib.sha256(repr(shape).encode())
    digest.update(np.ascontiguousarray(images).data)
    notes = (f"{dropped} images flagged as near-duplicates were left out",) if dropped else ()
    return ImageData(images, shape, name, digest.hexdigest(), dropped, notes)
