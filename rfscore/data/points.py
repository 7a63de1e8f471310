"""Points from files of any program in one form: images as (N, h, w, c) in [0, 1], or rows as they are.

What a file does not say is recognised and told: bytes or floats, [0, 1] or [-1, 1], channels first or last.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from rfscore._extras import need
from rfscore._spaces import scale_of
from rfscore.data.archives import folder_pictures, open_zip, passed_over_note, read_member, zip_pictures
from rfscore.data.arrays import KNOWN, MAX_ARRAY_BYTES, read_array
from rfscore.data.images import GREY
from rfscore.data.torch_file import load_tensors
from rfscore.errors import InputError, bad

#: Where 0 and 1 of every scale are.
SCALES = {"0 ... 255": (0.0, 255.0), "0 ... 65535": (0.0, 65535.0), "[0, 1]": (0.0, 1.0), "[-1, 1]": (-1.0, 1.0)}
TORCH = (".pt", ".pth", ".bin", ".ckpt")
_NAMES = ("samples", "images", "generated", "train", "data", "x", *KNOWN)


@dataclass(frozen=True)
class Points:
    """Points and how they were read.

    Attributes:
        values: (N, h, w, c) images or (N, d) rows; float32, in [0, 1] where the scale is known.
        scale: the scale they were in, "" where it is not known.
        names: of the pictures, empty for arrays.
        notes: what was recognised, to be told.
    """

    values: Float32[np.ndarray, "N ..."]
    scale: str
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def name(self, row: int | np.integer) -> str:
        """The picture's name, or its row."""
        return self.names[row] if self.names else str(row)


def load_points(
    source: str | PathLike[str], *, key: str | None = None, size: int | None = None, layout: str | None = None,
    scale: str | None = None,
) -> Points:  # fmt: skip
    """Points from .npy, .npz, .safetensors, .pt (tensors alone, nothing executed), a zip or a folder of pictures.

    Args:
        source: the file or folder.
        key: name of the array where there are several.
        size: scale pictures to size x size (short side, centre crop).
        layout: "NHWC" or "NCHW", where the shape does not tell.
        scale: "0 ... 255", "0 ... 65535", "[0, 1]" or "[-1, 1]", where the values do not.

    Returns:
        Points.

    Raises:
        InputError: unreadable or hostile files, several arrays, shapes or scales that are not clear.
    """
    path = Path(source)
    for name, given, known in (("layout", layout, ("NHWC", "NCHW")), ("scale", scale, tuple(SCALES))):
        if given is not None and given not in known:
            raise bad(name, given, f"one of {list(known)}")
    if path.is_dir() or path.suffix.lower() == ".zip":
        return _pictures(path, size, scale)
    if not path.exists():
        raise bad("points", str(path), "an npy, npz, safetensors, pt or zip file, or a folder of pictures", "check the "
                  "path")  # fmt: skip
    if size is not None:
        raise bad("size", size, "none for arrays", "only pictures are resized")
    chosen, array = _chosen(_arrays(path), key, path)
    notes = [f"array {chosen!r} of {path.name}"] if chosen else []
    return _understood(array, layout, scale, notes, path.name)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    suffix = path.suffix.lower()
    if path.stat().st_size > 4 * MAX_ARRAY_BYTES:
        raise bad(f"size of {path.name!r}", path.stat().st_size, f"at most {4 * MAX_ARRAY_BYTES} bytes")
    if suffix == ".npy":
        return {"": read_array(path.read_bytes(), path.name)}
    if suffix == ".npz":
        with open_zip(path) as archive:
            return {info.filename.removesuffix(".npy"): read_array(read_member(archive, info, MAX_ARRAY_BYTES),
                    info.filename) for info in archive.infolist() if info.filename.endswith(".npy")}  # fmt: skip
    if suffix == ".safetensors":
        need("reading safetensors", "safetensors")
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return dict(load_file(path))
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise InputError(f"{path.name!r} is no safetensors file or is damaged ({error})") from error
    if suffix in TORCH:
        return load_tensors(path)
    raise bad("points", str(path), "an npy, npz, safetensors, pt or zip file, or a folder of pictures")


def _chosen(arrays: dict[str, np.ndarray], key: str | None, path: Path) -> tuple[str, np.ndarray]:
    if key is not None:
        if key not in arrays:
            raise bad("key", key, f"one of {sorted(arrays)}")
        return key, arrays[key]
    if len(arrays) == 1:
        return next(iter(arrays.items()))
    points = {name: array for name, array in arrays.items() if array.ndim >= 2 and array.dtype.kind in "fiuV"}
    named = [name for wanted in _NAMES for name in points if name.lower() == wanted]
    name = next(iter(points)) if len(points) == 1 else named[0] if named else None
    if name is None:
        raise bad(f"arrays in {path.name!r}", sorted(arrays), "one of points, (N, ...)", "name it by key")
    return name, points[name]


def _understood(array: np.ndarray, layout: str | None, scale: str | None, notes: list[str], what: str) -> Points:
    """Channels last, in [0, 1]; both as recognised, or as given."""
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise bad(f"shape of {what!r}", array.shape, "(N, d), (N, h, w), (N, h, w, c) or (N, c, h, w)",
                  "one picture alone is array[None]")  # fmt: skip
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise bad(f"type of {what!r}", str(array.dtype), "real numbers")
    if array.ndim == 4:
        first, last = array.shape[1] in (1, 3), array.shape[3] in (1, 3)
        if layout is None and first == last:
            raise bad(f"shape of {what!r}", array.shape, "1 or 3 channels, first or last",
                      "give layout NHWC or NCHW" if first else "only grey and colour are known")  # fmt: skip
        taken = layout or ("NCHW" if first else "NHWC")
        array = np.moveaxis(array, 1, -1) if taken == "NCHW" else array
        notes.append(f"{taken}, {array.shape[1]} x {array.shape[2]} pixels, "
                     f"{'colour' if array.shape[3] == 3 else 'grey'}")  # fmt: skip
    elif array.ndim == 3:
        array = array[..., None]
        notes.append(f"grey, {array.shape[1]} x {array.shape[2]} pixels")
    kind = array.dtype
    values = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(values.sum(dtype=np.float64)) and not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values).reshape(len(values), -1).all(axis=1)))
        raise bad(f"values of {what!r}", f"NaN or infinity in row {row}", "finite numbers",
                  "drop samples of a diverged sampler, and report how many")  # fmt: skip
    found = scale or {"uint8": "0 ... 255", "uint16": "0 ... 65535"}.get(kind.name) or scale_of(values)
    if found:
        low, high = SCALES[found]
        if (low, high) != (0.0, 1.0):
            values = (values - np.float32(low)) / np.float32(high - low)
    notes.append(f"{kind.name}, {found or 'of no known scale: taken as they are'}")
    return Points(values, found, (), tuple(notes))


def _pictures(path: Path, size: int | None, scale: str | None) -> Points:
    """Pictures of one size, in colour if any is."""
    need("reading pictures", "PIL")
    if scale is not None:
        raise bad("scale", scale, "none for pictures", "their files say it")
    archive = None if path.is_dir() else open_zip(path)
    found = folder_pictures(path) if archive is None else zip_pictures(archive)
    values: list[np.ndarray] = []
    for picture in found.pictures:
        pixels, _ = picture.pixels()
        one = (pixels / np.float32(np.iinfo(pixels.dtype).max)).astype(np.float32)
        one = one[..., None] if one.ndim == 2 else one
        values.append(one if size is None else _resized(one, size))
        if values[-1].shape[:2] != values[0].shape[:2]:
            raise bad(f"size of {picture.name!r}", values[-1].shape[:2], f"{values[0].shape[:2]} like the first",
                      "give --size to resize them all")  # fmt: skip
    if archive is not None:
        archive.close()
    colour = any(one.shape[-1] == 3 for one in values)
    stack = np.stack([np.broadcast_to(one, (*one.shape[:2], 3)) if colour else one for one in values])
    notes = [f"{len(values)} pictures, {stack.shape[1]} x {stack.shape[2]}, {'colour' if colour else 'grey'}"]
    notes += [passed_over_note(found.passed_over)] if found.passed_over else []
    return Points(stack, "[0, 1]", tuple(picture.name for picture in found.pictures), tuple(notes))


def _resized(one: np.ndarray, size: int) -> np.ndarray:
    from rfscore.data.images import resize

    return np.stack([resize(one[..., c], size) for c in range(one.shape[-1])], axis=-1).astype(np.float32)


def in_grey(values: Float32[np.ndarray, "N h w 3"]) -> Float32[np.ndarray, "N h w 1"]:
    """Luma of colour images, one channel."""
    return (values @ GREY.astype(np.float32))[..., None]
