r"""Layers on whole batches of images with the channels last, the order in which convolutions are fastest.

The weights are kept as Equinox keeps them, (out, in, 3, 3). Measured on one core at W = 16: a training step takes 0.82
of what it took image by image with the channels first. The gradient of a kernel as nine matrix products, one for
each of its pixels, took 1.6 times as long as the convolution that XLA makes of it.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "B h w c"]


def convolve(layer: eqx.nn.Conv2d, x: Float[Array, "B h w i"]) -> Float[Array, "B H W o"]:
    """What the layer does to every image."""
    found: Float[Array, "B H W o"] = jax.lax.conv_general_dilated(
        x, layer.weight.transpose(2, 3, 1, 0), layer.stride, layer.padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return found if layer.bias is None else found + layer.bias.ravel()


def normalise(layer: eqx.nn.GroupNorm, x: Images) -> Images:
    """Group norm; sums run over the pixels first, so that neighbours in memory are treated alike."""
    groups, exact = layer.groups, x.astype(jnp.float32)
    count = x.shape[1] * x.shape[2] * (x.shape[3] // groups)

    def of_groups(values: Images) -> Float[Array, "B 1 1 c"]:
        sums = values.sum((1, 2)).reshape(len(x), groups, -1)
        return jnp.broadcast_to(sums.sum(-1, keepdims=True) / count, sums.shape).reshape(len(x), 1, 1, -1)

    centred = exact - of_groups(exact)
    scale = jax.lax.rsqrt(of_groups(centred**2) + layer.eps)
    weight, bias = jnp.asarray(layer.weight), jnp.asarray(layer.bias)
    return (centred * (scale * weight) + bias).astype(x.dtype)


def dense(layer: eqx.nn.Linear, x: Float[Array, "... i"]) -> Float[Array, "... o"]:
    """What the layer does to every vector."""
    found: Float[Array, "... o"] = x @ layer.weight.T + jnp.asarray(layer.bias)
    return found
