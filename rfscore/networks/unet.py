"""The U-Net of the paper: three resolutions, widths W, 2W, 4W, attention at the two coarsest (paper, SM A).

The same function as the published architecture, with 3910 W^2 + 606 W + 1 trainable parameters. Deviations: the
sinusoidal table is computed, not stored; attention weights start uniform within 1/sqrt(width) like every other layer
(PyTorch: Xavier); classes, when asked for, add an embedding to that of the time.
"""

from __future__ import annotations

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rfscore.errors import bad
from rfscore.networks.attention import attention
from rfscore.networks.layers import Images, convolve, dense, normalise

GROUPS = 8
HEADS = 4


def sinusoid(index: Int[Array, ""] | Float[Array, ""], width: int) -> Float[Array, " W"]:
    """cos and sin of index 10^(-8 i/W), i = 0 ... W/2 - 1, interleaved: one row of the frozen table."""
    frequency = jnp.asarray(10.0 ** (-8.0 * np.arange(width // 2) / width), dtype=jnp.float32)
    angle = jnp.asarray(index, dtype=jnp.float32) * frequency
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1).ravel()


class ClassEmbedding(eqx.Module):
    """A learned vector per class, and one more for "no class" (label -1), added to the time embedding."""

    table: Float[Array, "rows w"]

    def __init__(self, classes: int, width: int, key: PRNGKeyArray) -> None:
        self.table = 0.02 * jax.random.normal(key, (classes + 1, width), dtype=jnp.float32)

    def __call__(self, label: Int[Array, "*B"]) -> Float[Array, "*B w"]:
        """Label -1 takes the last row."""
        return self.table[label]


class _Attention(eqx.Module):
    """x + attention of all pixels to all pixels of the normalised x."""

    norm: eqx.nn.GroupNorm
    heads: eqx.nn.MultiheadAttention

    def __init__(self, width: int, key: PRNGKeyArray) -> None:
        self.norm = eqx.nn.GroupNorm(GROUPS, width)
        self.heads = eqx.nn.MultiheadAttention(
            HEADS, width, use_query_bias=True, use_key_bias=True, use_value_bias=True, use_output_bias=True, key=key
        )

    def __call__(self, x: Images) -> Images:
        tokens, heads = normalise(self.norm, x).reshape(len(x), -1, x.shape[-1]), self.heads
        q, k, v = (
            dense(project, tokens).reshape(*tokens.shape[:2], HEADS, -1)
            for project in (heads.query_proj, heads.key_proj, heads.value_proj)
        )
        mixed = jax.vmap(attention)(q, k, v).reshape(tokens.shape)
        return x + dense(heads.output_proj, mixed).reshape(x.shape)


class _Block(eqx.Module):
    """Residual block: twice (norm, SiLU, convolution), the time embedding added in between, dropout of channels."""

    norm1: eqx.nn.GroupNorm
    conv1: eqx.nn.Conv2d
    time: eqx.nn.Linear
    norm2: eqx.nn.GroupNorm
    conv2: eqx.nn.Conv2d
    skip: eqx.nn.Conv2d | None
    attention: _Attention | None

    def __init__(self, enter: int, leave: int, embed: int, attend: bool, key: PRNGKeyArray) -> None:
        k1, k2, k3, k4, k5 = jax.random.split(key, 5)
        self.norm1 = eqx.nn.GroupNorm(GROUPS, enter)
        self.conv1 = eqx.nn.Conv2d(enter, leave, 3, padding=1, key=k1)
        self.time = eqx.nn.Linear(embed, leave, key=k2)
        self.norm2 = eqx.nn.GroupNorm(GROUPS, leave)
        self.conv2 = eqx.nn.Conv2d(leave, leave, 3, padding=1, key=k3)
        self.skip = eqx.nn.Conv2d(enter, leave, 1, key=k4) if enter != leave else None
        self.attention = _Attention(leave, k5) if attend else None

    def __call__(
        self, x: Float[Array, "B h w i"], embedding: Float[Array, "B e"], keep: Float[Array, "B o"] | None
    ) -> Float[Array, "B h w o"]:
        h = convolve(self.conv1, jax.nn.silu(normalise(self.norm1, x)))
        h = h + dense(self.time, jax.nn.silu(embedding))[:, None, None]
        h = jax.nn.silu(normalise(self.norm2, h))
        if keep is not None:  # whole channels are dropped, and only while training
            h = h * keep[:, None, None]
        h = convolve(self.conv2, h) + (x if self.skip is None else convolve(self.skip, x))
        return h if self.attention is None else self.attention(h)


class _Level(eqx.Module):
    """The blocks at one resolution, and the convolution that leads to the next (none at the end)."""

    blocks: tuple[_Block, ...]
    change: eqx.nn.Conv2d | None


class UNet(eqx.Module):
    """Denoiser of one image (1, h, w), h and w multiples of 4; many at once by `batch`.

    Args:
        width: W, a multiple of 8.
        dropout: probability with which a channel is dropped while training (0.1 in the released code).
        classes: number of classes of a conditional network, 0 for an unconditional one.
        key: of the initial weights.

    Raises:
        InputError: width that is no multiple of 8.

    Example:
        >>> import jax
        >>> from rfscore.networks import UNet, parameter_count
        >>> parameter_count(UNet(16, key=jax.random.key(0))) == 3910 * 16**2 + 606 * 16 + 1
        True
    """

    width: int = eqx.field(static=True)
    dropout: float = eqx.field(static=True)
    time1: eqx.nn.Linear
    time2: eqx.nn.Linear
    label: ClassEmbedding | None
    enter: eqx.nn.Conv2d
    down: tuple[_Level, ...]
    middle: tuple[_Block, ...]
    up: tuple[_Level, ...]
    norm: eqx.nn.GroupNorm
    leave: eqx.nn.Conv2d

    def __init__(self, width: int, *, dropout: float = 0.1, classes: int = 0, key: PRNGKeyArray) -> None:
        if width < GROUPS or width % GROUPS:
            raise bad("width", width, f"a positive multiple of {GROUPS}", "the group norms have 8 groups")
        keys = iter(jax.random.split(key, 32))
        w, embed = width, 4 * width

        def block(enter: int, leave: int, attend: bool) -> _Block:
            return _Block(enter, leave, embed, attend, next(keys))

        def conv(enter: int, leave: int, stride: int = 1) -> eqx.nn.Conv2d:
            return eqx.nn.Conv2d(enter, leave, 3, stride, padding=1, key=next(keys))

        self.width, self.dropout = width, dropout
        self.time1 = eqx.nn.Linear(w, embed, key=next(keys))
        self.time2 = eqx.nn.Linear(embed, embed, key=next(keys))
        self.label = ClassEmbedding(classes, embed, next(keys)) if classes else None
        self.enter = conv(1, w)
        self.down = (
            _Level((block(w, w, False), block(w, w, False)), conv(w, w, 2)),
            _Level((block(w, 2 * w, True), block(2 * w, 2 * w, True)), conv(2 * w, 2 * w, 2)),
            _Level((block(2 * w, 4 * w, True), block(4 * w, 4 * w, True)), None),
        )
        self.middle = (block(4 * w, 4 * w, True), block(4 * w, 4 * w, False))
        self.up = (
            _Level(tuple(block(i * w, 4 * w, True) for i in (8, 8, 6)), conv(4 * w, 4 * w)),
            _Level(tuple(block(i * w, 2 * w, True) for i in (6, 4, 3)), conv(2 * w, 2 * w)),
            _Level(tuple(block(i * w, w, False) for i in (3, 2, 2)), None),
        )
        self.norm = eqx.nn.GroupNorm(GROUPS, w)
        self.leave = conv(w, 1)

    def __call__(
        self,
        x: Float[Array, "1 h w"],
        index: Int[Array, ""],
        label: Int[Array, ""] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "1 h w"]:
        """The noise in x at schedule index `index`; a `key` switches dropout on."""
        one = [None if value is None else jnp.asarray(value)[None] for value in (label, key)]
        return self.batch(x[None], jnp.asarray(index)[None], *one)[0]

    def batch(
        self,
        x: Float[Array, "B 1 h w"],
        index: Int[Array, " B"],
        label: Int[Array, " B"] | None = None,
        key: Array | None = None,
    ) -> Float[Array, "B 1 h w"]:
        """The same for a batch, with an index, label and key for every image: faster than `jax.vmap` of one image."""
        keep = self._kept_channels(key)
        table = jax.vmap(lambda i: sinusoid(i, self.width))(index).astype(x.dtype)
        embedding = dense(self.time2, jax.nn.gelu(dense(self.time1, table), approximate=False))
        if self.label is not None:
            embedding = embedding + self.label(jnp.full(len(x), -1) if label is None else label)
        h = convolve(self.enter, x.transpose(0, 2, 3, 1))
        skips = [h]
        for level in self.down:
            for block in level.blocks:
                h = block(h, embedding, next(keep))
                skips.append(h)
            if level.change is not None:
                h = convolve(level.change, h)
                skips.append(h)
        for block in self.middle:
            h = block(h, embedding, next(keep))
        for level in self.up:
            for block in level.blocks:
                h = block(jnp.concatenate([h, skips.pop()], axis=-1), embedding, next(keep))
            if level.change is not None:
                h = convolve(level.change, jnp.repeat(jnp.repeat(h, 2, axis=1), 2, axis=2))  # nearest neighbour
        return convolve(self.leave, jax.nn.silu(normalise(self.norm, h))).transpose(0, 3, 1, 2)

    def _kept_channels(self, keys: Array | None) -> Iterator[Float[Array, "B o"] | None]:
        """What each block in turn multiplies its channels with: 0 or 1/(1 - dropout); None when not training."""
        blocks = [block for level in self.down for block in level.blocks]
        blocks += [*self.middle, *(block for level in self.up for block in level.blocks)]
        if keys is None or self.dropout == 0:
            return iter([None] * len(blocks))
        ends = np.cumsum([block.conv2.out_channels for block in blocks])
        # One draw for the whole network: a draw per block would take the compiler longer than the network itself.
        draw = jax.vmap(lambda key: jax.random.bernoulli(key, 1.0 - self.dropout, (int(ends[-1]),)))
        keep = draw(keys) / (1.0 - self.dropout)
        return iter(jnp.split(keep.astype(self.leave.weight.dtype), ends[:-1], axis=1))
