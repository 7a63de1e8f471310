"""Images as row vectors of grey values, from any of the sources rfscore knows."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rfscore.data.archives import Found, folder_pictures, open_zip, passed_over_note, zip_pictures
from rfscore.data.arrays import npy_images, npz_images
from rfscore.data.pictures import Picture
from rfscore.errors import InputError, bad

#: Luma weights of ITU-R BT.601, the ones the CelebA experiments of the paper use.
GREY = np.array([0.2989, 0.587, 0.114])
#: Largest array of float64 grey values that is built (every CelebA face at 64 x 64 is 6.6 GB).
MAX_RESULT_BYTES = 8 * 2**30
#: Names of pictures at fault in a message.
NAMED = 20

#: Decodes one image: grey values (h, w), and what a report should say of it.
_Load = Callable[[], tuple[np.ndarray, tuple[str, ...]]]


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


def resize(grey: np.ndarray, size: int) -> np.ndarray:
    """Short side to `size`, centre cropped: one bilinear, antialiased resampling of the central square."""
    if grey.shape == (size, size):
        return grey
    from PIL import Image

    h, w = grey.shape
    side = min(h, w)
    box = ((w - side) / 2, (h - side) / 2, (w + side) / 2, (h + side) / 2)
    image = Image.fromarray(np.ascontiguousarray(grey, dtype=np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box), dtype=np.float64)


def _loaded(picture: Picture) -> tuple[np.ndarray, tuple[str, ...]]:
    pixels, remarks = picture.pixels()
    return _grey(pixels), remarks


def _stack(source: _Source, size: int | None) -> tuple[np.ndarray, tuple[int, int], Counter[str]]:
    """Rows of all images, resized if wanted, and how many there were of every remark.

    Raises:
        InputError: pictures that cannot be read or have another size, all of them named; a result that is too large.
    """
    rows, shape, first, remarks = np.empty((0, 0)), (0, 0), "", Counter[str]()
    faults: dict[str, InputError] = {}
    for i, (name, load) in enumerate(source.named):
        try:
            grey, said = load()
            image = grey if size is None else resize(grey, size)
            if not first:
                shape, first = (image.shape[0], image.shape[1]), name
                rows = _room(source.total, shape)
            if image.shape != shape:
                raise bad(f"size of image {name!r}", image.shape, f"{shape} like {first!r}",
                          "give size= to resize them all")  # fmt: skip
        except _TooLarge:
            raise
        except InputError as error:
            faults[name] = error
            continue
        rows[i] = image.ravel()
        remarks.update(said)
    if faults:
        raise _all(faults, source.total)
    return rows, shape, remarks


class _TooLarge(InputError):
    """Nothing of this can be read, whatever picture is removed."""


def _room(count: int, shape: tuple[int, int]) -> np.ndarray:
    if 8 * count * shape[0] * shape[1] > MAX_RESULT_BYTES:
        raise _TooLarge(str(bad("data", f"{count} images of {shape[0]} x {shape[1]}",
                                f"at most {MAX_RESULT_BYTES >> 30} GiB as float64",
                                "give a smaller size= or limit=")))  # fmt: skip
    return np.empty((count, shape[0] * shape[1]))


def _all(faults: dict[str, InputError], count: int) -> InputError:
    """One error for all pictures that cannot be used: their names, and why of the first."""
    names, reason = list(faults), next(iter(faults.values()))
    if len(names) == 1:
        return reason
    listed = ", ".join(map(repr, names[:NAMED])) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return InputError(f"{len(names)} of {count} pictures cannot be used: {listed}; the first: {reason}")


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


class _Source(NamedTuple):
    """Images not yet decoded: name and how to get it with remarks; how many; dropped ones; what to say of them."""

    named: Iterable[tuple[str, _Load]]
    total: int
    dropped: int = 0
    notes: tuple[str, ...] = ()


def _of_pictures(found: Found, limit: int | None) -> _Source:
    chosen = found.pictures[:limit]
    notes = (passed_over_note(found.passed_over),) if found.passed_over else ()
    return _Source(((one.name, partial(_loaded, one)) for one in chosen), len(chosen), 0, notes)


def _of_array(array: np.ndarray, limit: int | None, dropped: int = 0, notes: Iterable[str] = ()) -> _Source:
    chosen = array[:limit]
    named = ((f"image {i}", lambda image=image: (_grey(image), ())) for i, image in enumerate(chosen))  # type: ignore[misc]
    return _Source(named, len(chosen), dropped, tuple(notes))


def _source(path: Path, limit: int | None, key: str | None, stack: ExitStack) -> _Source:
    """The images of a file or folder."""
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as error:
        raise InputError(f"data {str(path)!r} cannot be reached: {error.strerror}; check its permissions") from error
    suffix = "" if is_folder else path.suffix.lower()
    if key is not None and exists and suffix != ".npz":
        raise bad("key", key, "none for this source", "only an npz archive has arrays to choose from")
    if is_folder:
        return _of_pictures(folder_pictures(path), limit)
    if not exists:
        raise bad("data", str(path), "'digits', or an existing npz, npy, zip or folder of pictures", "check the path")
    if suffix == ".npy":
        return _of_array(npy_images(path), limit)
    if suffix not in (".npz", ".zip"):
        raise bad("data", str(path), "'digits', a .npz file, a .zip file, a .npy file or a folder of pictures",
                  "put single pictures into a folder of their own")  # fmt: skip
    archive = stack.enter_context(open_zip(path))
    if suffix == ".zip":
        return _of_pictures(zip_pictures(archive), limit)
    array, dropped, notes = npz_images(archive, key)
    return _of_array(array, limit, dropped, notes)


def load_images(
    source: str | PathLike[str], size: int | None = None, limit: int | None = None, *, key: str | None = None
) -> ImageData:
    """Load images as rows of grey values in [0, 1].

    Grey is 0.2989 R + 0.587 G + 0.114 B. Nothing is written to disk; archives are read member by member.

    Args:
        source: "digits" (the 8x8 handwritten digits scikit-learn ships); a .npz file with uint8 images (N, h, w),
            (N, h, w, 3) or (N, 3, h, w), named `images`, the only ones, or by `key`, where a bool array
            `near_duplicate` marks rows to leave out; a .npy file of them; a .zip file of pictures such as CelebA's
            img_align_celeba.zip; or a folder of pictures, with the folders in it (class folders).
        size: scale the short side to `size` (bilinear, antialiased) and crop the centre to size x size, in [2, 1024];
            None keeps the images as they are, which must then all have one size.
        limit: at most this many images, the first in natural order of their names.
        key: name of the array in a .npz file.

    Returns:
        ImageData with images (N, d), shape (h, w), name and checksum. Pictures are turned upright (EXIF), transparent
        parts are white, of several frames the first counts; what was passed over, and such pictures, are in its notes
        and said in a warning.

    Raises:
        InputError: missing, unreadable, truncated, encrypted or hostile input, mixed sizes, no images. All pictures
            at fault are named at once.

    Example:
        >>> from rfscore.data import load_images
        >>> digits = load_images("digits")
        >>> digits.images.shape, digits.shape, float(digits.images.max())
        ((1797, 64), (8, 8), 1.0)
        >>> load_images("digits", size=4, limit=100).images.shape
        (100, 16)
    """
    if not isinstance(source, str | PathLike):
        raise bad("data", source, "'digits', or the path of an npz, npy, zip or folder of pictures")
    _check_count("size", size, 2, 1024)
    _check_count("limit", limit, 1, 10**9)
    with ExitStack() as stack:
        if str(source) == "digits":
            name, array = "digits", _digits()[:limit]
            found = _Source(((f"digit {i}", lambda x=x: (x, ())) for i, x in enumerate(array)), len(array))  # type: ignore[misc]
        else:
            name = Path(source).resolve().name
            try:
                import PIL  # noqa: F401  (the sources below need it, and a plain message)
            except ImportError as error:
                raise InputError("reading pictures needs Pillow: pip install 'rfscore[data]'") from error
            found = _source(Path(source), limit, key, stack)
        if found.total == 0:
            raise bad("data", str(source), "at least one image", "all are flagged as near-duplicates")
        images, shape, remarks = _stack(found, size)
    said = (*found.notes, *(f"{count} pictures have {remark}" for remark, count in sorted(remarks.items())))
    for note in said:
        warnings.warn(f"{name}: {note}", UserWarning, stacklevel=2)
    digest = hashlib.sha256(repr(shape).encode())
    digest.update(np.ascontiguousarray(images).data)
    flagged = (f"{found.dropped} images flagged as near-duplicates were left out",) if found.dropped else ()
    return ImageData(images, shape, name, digest.hexdigest(), found.dropped, (*flagged, *said))
