"""From a config to an untrained network: which, and how its weights start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rfscore.errors import bad
from rfscore.networks import named
from rfscore.networks.config import RunConfig
from rfscore.networks.data import Dataset
from rfscore.networks.mlp import ResidualMLP
from rfscore.networks.unet import ClassEmbedding, UNet

#: A UNet, a ResidualMLP, or any function of (x, index, label, key) that answers with the noise in one point.
Network = Callable[..., Array]


def new_network(config: RunConfig, data: Dataset) -> Any:
    """The untrained network of a run, float32.

    Raises:
        InputError: a user's function that does not give a network for points of this shape.
    """
    net, classes = config.network, data.classes if config.network.conditional else 0
    if ":" in net.kind:
        return _own(config, data.train.shape[1:], classes)

    def make(key: Array) -> UNet | ResidualMLP:
        if net.kind == "mlp":
            return ResidualMLP(data.d, net.width, classes=classes, key=key)
        return UNet(net.width, dropout=net.dropout, classes=classes, key=key)

    return _initialised(eqx.filter_eval_shape(make, jax.random.key(0)), np.random.default_rng(config.seed))


def _own(config: RunConfig, shape: tuple[int, ...], classes: int) -> Any:
    """A user's network, with the weights that it starts from, which answers with something of the shape of a point."""
    kind, width = config.network.kind, config.network.width
    wanted = f"a network with weights that answers network(x, index, label, key) with an array of shape {shape}"
    point, index = jax.ShapeDtypeStruct(shape, jnp.float32), jax.ShapeDtypeStruct((), jnp.int32)
    try:
        network = named.function(kind)(shape, width=width, classes=classes, key=jax.random.key(config.seed))
        network = jax.tree.map(lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, network)
        found = eqx.filter_eval_shape(network, point, index, index if classes else None, None)
    except Exception as error:  # a user's code may fail in any way
        raise bad("network.kind", kind, wanted, f"{type(error).__name__}: {error}") from error
    if not parameter_count(network) or getattr(found, "shape", None) != shape:
        raise bad("network.kind", kind, wanted, f"{parameter_count(network)} weights; it answers with {found}")
    return network


def predict_noise(
    network: Network, x: Float[Array, "B ..."], index: Int[Array, " B"], label: Int[Array, " B"] | None = None,
    key: Array | None = None,
) -> Float[Array, "B ..."]:  # fmt: skip
    """The noise in every point: by the network's own `batch` where it has one, else point by point under `jax.vmap`."""
    found: Float[Array, "B ..."] = getattr(network, "batch", jax.vmap(network))(x, index, label, key)
    return found


def _initialised(shapes: Any, rng: np.random.Generator) -> Any:
    """A network from its shapes, with the usual start: uniform in +-1/sqrt(fan-in), norms at the identity.

    Drawn by NumPy: compiling 320 small draws would take longer than the first thousand steps of a small run.
    """
    layers = (eqx.nn.Linear, eqx.nn.Conv2d, eqx.nn.GroupNorm, eqx.nn.LayerNorm, ClassEmbedding)

    def fill(layer: Any) -> Any:
        if isinstance(layer, eqx.nn.Linear | eqx.nn.Conv2d):
            bound = 1.0 / np.sqrt(np.prod(layer.weight.shape[1:]))
            return jax.tree.map(lambda leaf: rng.uniform(-bound, bound, leaf.shape), layer)
        if isinstance(layer, ClassEmbedding):
            return jax.tree.map(lambda leaf: 0.02 * rng.standard_normal(leaf.shape), layer)
        if isinstance(layer, eqx.nn.GroupNorm | eqx.nn.LayerNorm):
            one = jax.tree.map(lambda leaf: np.ones(leaf.shape), layer)
            return eqx.tree_at(lambda x: x.bias, one, replace_fn=np.zeros_like)
        return layer  # a number such as the dropout rate of the attention

    filled = jax.tree.map(fill, shapes, is_leaf=lambda leaf: isinstance(leaf, layers))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32) if isinstance(leaf, np.ndarray) else leaf, filled)


def parameter_count(network: Any) -> int:
    """Number of trainable parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array)))
