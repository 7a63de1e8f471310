"""Training and held-out points of a run: deterministic, disjoint, centred by the mean of the training points."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from rfscore._machine import cache_folder
from rfscore.data import load_images
from rfscore.data.archives import folder_files
from rfscore.data.pictures import DECODER
from rfscore.errors import InputError, RfscoreError, bad
from rfscore.networks import mixture
from rfscore.networks.config import DataConfig
from rfscore.output import write_bytes


@dataclass(frozen=True)
class Dataset:
    """What a network sees.

    Attributes:
        train: (n, 1, h, w) centred grey images, or (n, d) vectors.
        test: held-out points, disjoint from `train`, centred by the same mean.
        train_labels: class of each training point, -1 where there are none.
        classes: number of classes, 0 where there are none.
        mean: the one number subtracted from every pixel: the mean of the training images; 0 for the mixture.
        eigenvalues: spectrum of the covariance of all points of the source, over its mean: Sigma for the theory.
        name: short name of the source.
        sha256: checksum of all points before the split.
    """

    train: Float[np.ndarray, "n ..."]
    test: Float[np.ndarray, "m ..."]
    train_labels: Int[np.ndarray, " n"]
    classes: int
    mean: float
    eigenvalues: Float[np.ndarray, " d"]
    name: str
    sha256: str

    @property
    def d(self) -> int:
        """Dimension of one point."""
        return int(np.prod(self.train.shape[1:]))

    def images(self, points: Float[np.ndarray, "N 1 h w"]) -> Float[np.ndarray, "N h w"]:
        """Grey values in [0, 1] again: the mean put back, clipped."""
        return np.clip(np.asarray(points)[:, 0] + self.mean, 0.0, 1.0)


def load(config: DataConfig) -> Dataset:
    """The points of a run.

    Images keep their order: block `subset` of n for training, the last `test` of them held out. The mean of all
    training pixels is subtracted, nothing is divided (the protocol of the paper). CelebA and other archives are
    prepared once and kept under the user's cache folder with their checksum.

    Raises:
        InputError: unreadable or hostile archives, images too small for three resolutions, or too few of them.
    """
    if config.source == "mixture":
        return _mixture(config)
    rows, shape, name, digest, labels = _rows(config)
    h, w = shape
    if h % 4 or w % 4 or min(h, w) < 8:
        raise bad("image size", f"{h} x {w}", "multiples of 4, at least 8", "the U-Net halves them twice: give size")
    n, last = config.n, len(rows) - config.test
    if (config.subset + 1) * n > last:
        raise bad("data.n", n, f"(subset + 1) n <= {last}, the {len(rows)} images less {config.test} held out",
                  "lower n, subset or test")  # fmt: skip
    chosen = slice(config.subset * n, (config.subset + 1) * n)
    mean = float(rows[chosen].mean())
    points = (rows - mean).astype(np.float32).reshape(-1, 1, h, w)
    return Dataset(
        points[chosen], points[last:], labels[chosen], int(labels.max()) + 1, mean, _spectrum(rows), name, digest
    )


def _mixture(config: DataConfig) -> Dataset:
    # One stream per block of n and one for the held-out points: disjoint whatever n is.
    train, labels = mixture.draw(config.n, config.dimension, np.random.default_rng([0, config.subset]))
    test, _ = mixture.draw(config.test, config.dimension, np.random.default_rng([1]))
    values = np.ones(config.dimension)
    values[-1] += config.dimension
    digest = hashlib.sha256(train.tobytes() + test.tobytes()).hexdigest()
    return Dataset(train.astype(np.float32), test.astype(np.float32), labels, 2, 0.0, values / values.mean(),
                   f"mixture, d = {config.dimension}", digest)  # fmt: skip


def _spectrum(rows: np.ndarray) -> np.ndarray:
    values = np.linalg.eigvalsh(np.cov(rows[:20000], rowvar=False, bias=True))
    if not values.mean() > 0:
        raise InputError("the images are all the same: there is nothing to learn; check the archive")
    return np.clip(values, 0.0, None) / values.mean()


def _rows(config: DataConfig) -> tuple[np.ndarray, tuple[int, int], str, str, np.ndarray]:
    """Grey rows in [0, 1] as float32, image shape, name, checksum and labels."""
    if config.source == "digits":
        from sklearn.datasets import load_digits

        found = load_images("digits", config.size or None)
        return found.images, found.shape, found.name, found.sha256, load_digits().target
    rows, shape, digest = _prepared(Path(config.source), config.size, config.key)
    return rows, shape, Path(config.source).resolve().name, digest, np.full(len(rows), -1)


def _prepared(path: Path, size: int, key: str) -> tuple[np.ndarray, tuple[int, int], str]:
    """The images of an archive or folder, read once; the copy in the cache is used only while its checksum holds."""
    try:
        files = [path / name for name in folder_files(path)] if path.is_dir() else [path]
        facts = [[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in files]
    except OSError as error:
        raise InputError(f"data {str(path)!r} cannot be read: {error.strerror}; check the path") from error
    mark = hashlib.sha256(json.dumps([DECODER, str(path.resolve()), size, key, facts]).encode()).hexdigest()[:32]
    folder = cache_folder()
    kept = None if folder is None else folder / f"{mark}.npz"
    before = None if kept is None else _kept(kept)
    if before is not None:
        for note in before[1]:
            warnings.warn(note, UserWarning, stacklevel=2)
        return before[0]
    found = load_images(path, size or None, key=key or None)
    rows = found.images.astype(np.float32)
    digest = hashlib.sha256(rows.tobytes()).hexdigest()
    if kept is not None:
        buffer = io.BytesIO()
        np.savez(buffer, rows=rows, shape=np.array(found.shape), sha256=np.array(digest),
                 notes=np.array(found.notes, dtype=str))  # fmt: skip
        with contextlib.suppress(RfscoreError):  # a cache that cannot be written costs time, nothing else
            write_bytes(kept, buffer.getvalue())
    return rows, found.shape, digest


def _kept(path: Path) -> tuple[tuple[np.ndarray, tuple[int, int], str], list[str]] | None:
    """What was prepared before, and what was said of it; None when it is absent or damaged in whatever way."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            rows, shape, digest = archive["rows"], archive["shape"], str(archive["sha256"])
            notes = archive["notes"].tolist()
    except Exception:
        return None
    sound = hashlib.sha256(rows.tobytes()).hexdigest() == digest
    return ((rows, (int(shape[0]), int(shape[1])), digest), notes) if sound else None
