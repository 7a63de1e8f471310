"""The residual network of the Gaussian-mixture experiments (paper, Fig 8): W(2d + 13) + d + 6 W^2 parameters."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rfscore.errors import bad
from rfscore.networks.unet import ClassEmbedding, sinusoid


class _Block(eqx.Module):
    """LayerNorm(x + lin2(GELU(lin1(x + embedding))))."""

    first: eqx.nn.Linear
    second: eqx.nn.Linear
    norm: eqx.nn.LayerNorm

    def __init__(self, width: int, key: PRNGKeyArray) -> None:
        k1, k2 = jax.random.split(key)
        self.first = eqx.nn.Linear(width, width, key=k1)
        self.second = eqx.nn.Linear(width, width, key=k2)
        self.norm = eqx.nn.LayerNorm(width)

    def __call__(self, x: Float[Array, " w"], embedding: Float[Array, " w"]) -> Float[Array, " w"]:
        return self.norm(x + self.second(jax.nn.gelu(self.first(x + embedding), approximate=False)))


class ResidualMLP(eqx.Module):
    """Denoiser of one vector of length d; batches by `jax.vmap`.

    Args:
        d: dimension of the data.
        width: W, even.
        classes: number of classes of a conditional network, 0 for an unconditional one.
        key: of the initial weights.

    Raises:
        InputError: d or width out of range.

    Example:
        >>> import jax
        >>> from rfscore.networks import ResidualMLP, parameter_count
        >>> parameter_count(ResidualMLP(8, 128, key=jax.random.key(0)))
        102024
    """

    width: int = eqx.field(static=True)
    enter: eqx.nn.Linear
    blocks: tuple[_Block, ...]
    leave: eqx.nn.Linear
    label: ClassEmbedding | None

    def __init__(self, d: int, width: int, *, classes: int = 0, key: PRNGKeyArray) -> None:
        if width < 2 or width % 2:
            raise bad("width", width, "an even number >= 2", "the time embedding has pairs of cos and sin")
        k1, k2, k3, k4 = jax.random.split(key, 4)
        self.width = width
        self.enter = eqx.nn.Linear(d, width, key=k1)
        self.blocks = tuple(_Block(width, own) for own in jax.random.split(k2, 3))
        self.leave = eqx.nn.Linear(width, d, key=k3)
        self.label = ClassEmbedding(classes, width, k4) if classes else None

    def __call__(
        self,
        x: Float[Array, " d"],
        index: Int[Array, ""],
        label: Int[Array, ""] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, " d"]:
        """The noise in x at schedule index `index`; there is no dropout, so `key` has no effect."""
        embedding = sinusoid(index, self.width).astype(x.dtype)
        if self.label is not None:
            embedding = embedding + self.label(jnp.asarray(-1 if label is None else label))
        h = self.enter(x)
        for block in self.blocks:
            h = block(h, embedding)
        return self.leave(h)
