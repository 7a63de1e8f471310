"""How close generated samples are to held-out data: one call for every distance, and FID itself for those who can."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from rfscore._spaces import warn_of_mismatch
from rfscore.data.torch_file import verified_bytes
from rfscore.errors import InputError, bad
from rfscore.networks.extractor import check_images, features
from rfscore.networks.frechet import frechet_extrapolated, kernel_distance

Extractor = Literal["efficientnet-lite0", "pixels"]
#: What is written beside the numbers each extractor gives.
EXTRACTORS = {
    "efficientnet-lite0": "EfficientNet-Lite0 (FD-EffNetLite0, not FID)",
    "pixels": "pixels (Frechet distance of the data themselves, not FID)",
}
#: The Inception weights that define FID; pytorch-fid publishes the same file as pt_inception-2015-12-05-6726825d.pth.
FID_URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
FID_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FID_REMEDY = f"FID needs pip install 'rfscore[fid]' and this file: {FID_URL}"


@dataclass(frozen=True)
class SampleQuality:
    """Distances between generated and reference samples; 0 is perfect.

    Attributes:
        frechet: Frechet distance at the sizes given; biased upwards by about a constant / size.
        frechet_extrapolated: the same, extrapolated linearly in 1/size to infinitely many of both (see
            `rfscore.networks.frechet.frechet_extrapolated`); may come out below 0 by its noise.
        kernel: squared MMD with the cubic kernel, unbiased; may come out below 0 by its noise.
        kernel_error: standard error of `kernel`.
        extractor: what the features are. Numbers from different extractors cannot be compared, nor with FID.
        samples: number of generated samples.
        reference: number of reference samples.
    """

    frechet: float
    frechet_extrapolated: float
    kernel: float
    kernel_error: float
    extractor: str
    samples: int
    reference: int


def extract(images: Float[np.ndarray, "N ..."], extractor: Extractor = "efficientnet-lite0") -> np.ndarray:
    """Features of images, (N, 1280), or the flattened values themselves for "pixels".

    To measure many checkpoints against one reference, extract the reference once and call `feature_quality`.

    Raises:
        InputError: unknown extractor, shapes, NaN, missing weights package.
    """
    if extractor not in EXTRACTORS:
        raise bad("extractor", extractor, f"one of {sorted(EXTRACTORS)}")
    if extractor == "pixels":
        values = np.asarray(images)
        if values.ndim < 2 or values.size == 0:
            raise bad("shape of images", values.shape, "(N, d) or (N, h, w)")
        return values.reshape(len(values), -1)
    return features(images)


def feature_quality(
    samples: Float[np.ndarray, "N d"],
    reference: Float[np.ndarray, "M d"],
    extractor: Extractor = "efficientnet-lite0",
    *,
    seed: int = 0,
) -> SampleQuality:
    """The distances of `sample_quality` between features extracted before; arguments, result and errors as there."""
    if extractor not in EXTRACTORS:
        raise bad("extractor", extractor, f"one of {sorted(EXTRACTORS)}")
    kernel, error = kernel_distance(samples, reference, seed=seed)
    frechet, extrapolated = frechet_extrapolated(samples, reference, seed=seed)
    return SampleQuality(
        frechet=frechet,
        frechet_extrapolated=extrapolated,
        kernel=kernel,
        kernel_error=error,
        extractor=EXTRACTORS[extractor],
        samples=len(samples),
        reference=len(reference),
    )


def sample_quality(
    samples: Float[np.ndarray, "N ..."],
    reference: Float[np.ndarray, "M ..."],
    extractor: Extractor = "efficientnet-lite0",
    *,
    seed: int = 0,
) -> SampleQuality:
    """Frechet and kernel distance of generated samples to held-out data.

    Args:
        samples: N >= 20 generated samples: grey images (N, h, w), clipped to [0, 1]; any (N, ...) for "pixels".
        reference: M >= 20 held-out samples alike; images in [0, 1].
        extractor: "efficientnet-lite0", or "pixels" for data that are no images or too small to be.
        seed: of the random cuts into blocks.

    Returns:
        SampleQuality; a warning says when the samples lie in another data space than the reference ([-1, 1],
        0 ... 255, centred).

    Raises:
        InputError: shapes, NaN, too few, reference images outside [0, 1], missing weights package.

    Example:
        >>> import numpy as np
        >>> from rfscore.networks.quality import sample_quality
        >>> rng = np.random.default_rng(0)
        >>> q = sample_quality(rng.normal(0.5, 1.0, (20_000, 2)), rng.normal(size=(20_000, 2)), "pixels")
        >>> f"{q.frechet_extrapolated:.2f} of 0.50; {q.extractor}"
        '0.51 of 0.50; pixels (Frechet distance of the data themselves, not FID)'
    """
    if np.shape(samples)[1:] != np.shape(reference)[1:]:
        raise bad("shape of samples", np.shape(samples), f"(N, ...) with the image shape of {np.shape(reference)}")
    if extractor == "efficientnet-lite0":
        _unit_images("reference", reference)
        warn_of_mismatch(check_images("samples", samples), reference, ("samples", "reference"))
    return feature_quality(extract(samples, extractor), extract(reference, extractor), extractor, seed=seed)


def _unit_images(name: str, images: Any) -> np.ndarray:
    values = check_images(name, images)
    low, high = float(values.min()), float(values.max())
    if low < -1e-6 or high > 1 + 1e-6:
        raise bad(f"grey values of {name}", f"[{low:.4g}, {high:.4g}]", "[0, 1]", "rescale it and the samples alike")
    return values


def fid(
    samples: Float[np.ndarray, "N h w"],
    reference: Float[np.ndarray, "M h w"],
    weights: str | PathLike[str],
    sha256: str | None = None,
) -> float:
    """Frechet Inception distance (Heusel et al. 2017) by torch-fidelity, which reproduces the original numbers.

    Args:
        samples: N generated grey images; clipped to [0, 1], quantised to 8 bits, replicated to three channels.
        reference: M held-out images, in [0, 1].
        weights: weights-inception-2015-12-05-6726825d.pth, which rfscore never downloads by itself.
        sha256: checksum to hold the file against; None for the published one, which alone gives FID.

    Returns:
        FID at these sizes.

    Raises:
        InputError: the library or the file is missing, or the file is another one: the message says what to get.
    """
    warn_of_mismatch(check_images("samples", samples), _unit_images("reference", reference), ("samples", "reference"))
    verified_bytes(weights, FID_SHA256 if sha256 is None else sha256, FID_REMEDY)
    try:
        import torch
        import torch_fidelity
    except ImportError as error:
        raise InputError(f"torch-fidelity is not installed: {FID_REMEDY}") from error
    torch.load(weights, weights_only=True)  # torch-fidelity opens it without this guard against code in the file

    class Pictures(torch.utils.data.Dataset):
        def __init__(self, images: np.ndarray) -> None:
            self.bytes = torch.from_numpy(np.rint(255 * np.clip(images, 0.0, 1.0)).astype(np.uint8))

        def __len__(self) -> int:
            return len(self.bytes)

        def __getitem__(self, i: int) -> torch.Tensor:
            return self.bytes[i].expand(3, -1, -1)

    found = torch_fidelity.calculate_metrics(
        input1=Pictures(check_images("samples", samples)), input2=Pictures(_unit_images("reference", reference)),
        fid=True, cuda=torch.cuda.is_available(), feature_extractor_weights_path=str(weights), cache=False,
        verbose=False, save_cpu_ram=True,  # no worker processes, which could not unpickle a local class
    )  # fmt: skip
    return float(found["frechet_inception_distance"])
