"""Weights of the released PyTorch U-Net into ours and back: tensors go by their order, and every shape is checked.

A state_dict lists parameters in the order in which layers were made, which is that of the published architecture; names
do not matter, `module.` before them (DataParallel) included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rfscore.data.torch_file import load_tensors
from rfscore.errors import bad
from rfscore.networks.schedule import STEPS
from rfscore.networks.unet import UNet, sinusoid

#: Largest difference of two tables of times that are the same.
_TABLE = 1e-3


def _layers(net: UNet) -> Iterator[tuple[str, Any]]:
    """Layers in the order of the published code, with the names they have there."""
    yield "time_embeddings.time_blocks.1", net.time1
    yield "time_embeddings.time_blocks.3", net.time2
    yield "first", net.enter
    for name, levels, change in (("encoder_blocks", net.down, "downsample"), ("decoder_blocks", net.up, "upsample.1")):
        if name == "decoder_blocks":
            for i, block in enumerate(net.middle):
                yield from _block(f"bottleneck_blocks.{i}", block)
        i = 0
        for level in levels:
            for block in level.blocks:
                yield from _block(f"{name}.{i}", block)
                i += 1
            if level.change is not None:
                yield f"{name}.{i}.{change}", level.change
                i += 1
    yield "final.0", net.norm
    yield "final.2", net.leave


def _block(name: str, block: Any) -> Iterator[tuple[str, Any]]:
    yield f"{name}.normlize_1", block.norm1
    yield f"{name}.conv_1", block.conv1
    yield f"{name}.dense_1", block.time
    yield f"{name}.normlize_2", block.norm2
    yield f"{name}.conv_2", block.conv2
    if block.skip is not None:
        yield f"{name}.match_input", block.skip
    if block.attention is not None:
        yield f"{name}.attention.group_norm", block.attention.norm
        yield f"{name}.attention.mhsa", block.attention.heads


def _slots(net: UNet) -> Iterator[tuple[str, list[Any]]]:
    """Every tensor of PyTorch and the arrays of ours that it holds, stacked along its first axis."""
    for name, layer in _layers(net):
        if isinstance(layer, eqx.nn.MultiheadAttention):
            three = (layer.query_proj, layer.key_proj, layer.value_proj)
            yield f"{name}.in_proj_weight", [part.weight for part in three]
            yield f"{name}.in_proj_bias", [part.bias for part in three]
            yield f"{name}.out_proj.weight", [layer.output_proj.weight]
            yield f"{name}.out_proj.bias", [layer.output_proj.bias]
        else:
            yield f"{name}.weight", [layer.weight]
            yield f"{name}.bias", [layer.bias]


def _shape(leaves: list[Any]) -> tuple[int, ...]:
    """PyTorch's shape; Equinox gives biases of convolutions two more axes."""
    first = leaves[0].shape
    tail = first[1:] if len(first) in (2, 4) else ()
    return (len(leaves) * first[0], *tail)


def _table(width: int) -> np.ndarray:
    return np.asarray(jax.vmap(lambda i: sinusoid(i, width))(jnp.arange(STEPS)))


def from_torch(tensors: Mapping[str, np.ndarray] | str | PathLike[str], *, dropout: float = 0.1) -> UNet:
    """Our U-Net with the weights of a PyTorch checkpoint of the published architecture.

    Args:
        tensors: arrays by name in the order of the state_dict, or a file that torch.save wrote of it (read as data:
            nothing in it is executed).
        dropout: of the network, which weights do not say.

    Returns:
        UNet: the same function.

    Raises:
        InputError: another number of tensors, other shapes, another table of times.
    """
    found = dict(tensors) if isinstance(tensors, Mapping) else load_tensors(tensors)
    given = [(name, np.asarray(array)) for name, array in found.items()]
    if not given or given[0][1].ndim != 2 or given[0][1].shape[0] != STEPS:
        shape = given[0][1].shape if given else ()
        raise bad("first tensor", shape, f"the table of times, ({STEPS}, W)", "give the state_dict of the U-Net, whole")
    width = given[0][1].shape[1]
    shapes = eqx.filter_eval_shape(lambda key: UNet(width, dropout=dropout, key=key), jax.random.key(0))
    order, slots = _columns(given[0][1]), list(_slots(shapes))
    if len(slots) != len(given) - 1:
        raise bad(
            "tensors of the checkpoint", len(given), f"{len(slots) + 1}, as the published U-Net of width {width} has"
        )
    pieces: list[Any] = []
    for (ours, leaves), (name, array) in zip(slots, given[1:], strict=True):
        if array.shape != _shape(leaves):
            raise bad(f"shape of {name!r}", array.shape, f"{_shape(leaves)}, that of {ours}",
                      "the published U-Net for one channel, its tensors in their order")  # fmt: skip
        if not np.isfinite(array).all():
            raise bad(f"tensor {name!r}", "NaN or infinity", "finite numbers", "training had diverged")
        array = array[:, order] if ours == "time_embeddings.time_blocks.1.weight" else array
        pieces += [jnp.asarray(piece.reshape(leaf.shape), jnp.float32)
                   for piece, leaf in zip(np.split(array, len(leaves)), leaves, strict=True)]  # fmt: skip
    net: UNet = eqx.tree_at(lambda net: [leaf for _, leaves in _slots(net) for leaf in leaves], shapes, pieces)
    return net


def _columns(table: np.ndarray) -> np.ndarray:
    """Which column of a checkpoint's table of times is each of ours."""
    ours = _table(table.shape[1])
    apart = np.abs(ours[:, :, None] - table[:, None, :]).max(axis=0)
    order = apart.argmin(axis=1)
    if apart.min(axis=1).max() > _TABLE or np.unique(order).size < order.size:
        raise bad("table of times in the checkpoint", f"columns that differ by {apart.min(axis=1).max():.3g}",
                  "cos and sin of index 10^(-8 i/W), in any order", "another embedding is another network")  # fmt: skip
    return order


def to_torch(network: UNet) -> dict[str, np.ndarray]:
    """The weights as a state_dict of the published code, the table of times first; names as it has them.

    Example:
        >>> import jax
        >>> from rfscore.networks import UNet
        >>> from rfscore.networks.released import from_torch, to_torch
        >>> net = UNet(8, key=jax.random.key(0))
        >>> weights = to_torch(net)  # model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        >>> bool((from_torch(weights).enter.weight == net.enter.weight).all())
        True
    """
    found = {"time_embeddings.time_blocks.0.weight": _table(network.width)}
    for name, leaves in _slots(network):
        found[name] = np.concatenate([np.asarray(leaf) for leaf in leaves]).reshape(_shape(leaves))
    return found
