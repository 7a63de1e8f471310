"""One picture file to grey or colour values: by its content, upright, on a white ground, at its own depth of bits."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from rfscore.errors import InputError, bad

#: Version of what files are decoded to. Raise it with every change of pixels: prepared copies are then made anew.
DECODER = 2
#: Largest decoded picture that is read.
MAX_PICTURE_PIXELS = 2**26

SUFFIXES = {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp",
            ".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".j2k", ".avif", ".tga"}  # fmt: skip
#: How such files begin, for those without one of these suffixes; TGA has no mark of its own.
_MARKS = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|BM....\0\0\0\0|GIF8[79]a|II\*\0|MM\0\*|RIFF....WEBP|P[1-6][ \t\r\n][\d#]"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|....ftypavi[fs]", re.DOTALL,
)  # fmt: skip
#: Bytes of the beginning that these marks need.
HEAD = 16
# Only decoders that run inside Pillow: its EPS reader, for one, would start another program.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
#: Formats whose 32-bit integers are 16-bit numbers, scaled to 0 ... 65535 by Pillow.
_SIXTEEN = ("PPM", "PNG")
_BITS_PER_SAMPLE = 258  # TIFF tag

FRAMES = "several frames: the first was used"
TRANSPARENT = "transparent parts: put on a white ground"


def is_picture(name: str, head: Callable[[], bytes]) -> bool:
    """Whether a file is taken for a picture: by its suffix, else by its first bytes."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES or bool(_MARKS.match(head()))


@dataclass(frozen=True)
class Picture:
    """A picture not yet decoded: its name for messages, and how to get its bytes."""

    name: str
    read: Callable[[], bytes]

    def pixels(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Values (h, w) or (h, w, 3), uint8 or uint16, and what a report should say of this picture.

        It is turned as its EXIF orientation says. Transparent parts show a white ground.
        """
        from PIL import Image, UnidentifiedImageError

        try:
            with warnings.catch_warnings():
                # Pillow's guard is a warning at a global limit; ours is an error, below, before anything is decoded.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(io.BytesIO(self.read()), formats=_formats(self.name))
            with image:
                return self._decoded(image)
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

    def _decoded(self, image: Any) -> tuple[np.ndarray, tuple[str, ...]]:
        from PIL import ImageOps

        if image.width * image.height > MAX_PICTURE_PIXELS:
            raise bad(f"picture {self.name!r}", f"{image.width} x {image.height} pixels",
                      f"at most {MAX_PICTURE_PIXELS} pixels", "reduce or remove it")  # fmt: skip
        remarks = (FRAMES,) if getattr(image, "is_animated", False) else ()
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I") or upright.mode == "F":
            return self._deep(image, upright), remarks
        if not upright.has_transparency_data:
            return np.asarray(upright.convert(_opaque(upright.mode))), remarks
        pixels, alpha = self._on_white(upright)
        return pixels, (*remarks, TRANSPARENT) if alpha.min() < 255 else remarks

    def _deep(self, image: Any, upright: Any) -> np.ndarray:
        """16-bit grey; 12 bits in 16 are scaled to all of them."""
        if "transparency" in image.info:
            raise bad(f"picture {self.name!r}", "16-bit grey with a transparent value", "no transparency",
                      "save it without")  # fmt: skip
        values = np.asarray(upright)
        if upright.mode == "I" and image.format in _SIXTEEN:
            values = values.astype(np.uint16)
        elif not upright.mode.startswith("I;16"):
            raise bad(f"picture {self.name!r}", f"32-bit pixels (mode {upright.mode})", "8 or 16 bits a pixel",
                      "save it as 8-bit PNG")  # fmt: skip
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]
        return values if bits == 16 else np.rint(values * (65535 / (2**bits - 1))).astype(np.uint16)

    def _on_white(self, image: Any) -> tuple[np.ndarray, np.ndarray]:
        """Values on a white ground, and the opacity; refused where nothing of the picture can be seen on it."""
        from PIL import Image

        seen = image.convert("RGBA")
        alpha = np.asarray(seen)[..., 3]
        if alpha.min() == 255:
            return np.asarray(image.convert(_opaque(image.mode))), alpha
        ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        pixels = np.asarray(Image.alpha_composite(ground, seen).convert(_opaque(image.mode)))
        if pixels.min() == 255:
            raise bad(f"picture {self.name!r}", "white or nothing on a transparent ground", "something seen on white",
                      "put it on a ground of your choice and save it without transparency, or remove it")  # fmt: skip
        return pixels, alpha


def _opaque(mode: str) -> str:
    return "L" if mode in ("1", "L", "LA", "La") else "RGB"


def _formats(name: str) -> list[str]:
    """What this Pillow can decode; TGA by its suffix alone, because other content passes for it."""
    from PIL import Image

    Image.init()
    wanted = (*_FORMATS, "TGA") if name.lower().endswith(".tga") else _FORMATS
    return [one for one in wanted if one in Image.OPEN]
