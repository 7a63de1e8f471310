"""The published U-Net in eager PyTorch, written from the paper (SM A) and its table of layers: the twin of ours.

Whole batches, `nn.MultiheadAttention` and a stored table of times, as in the released code. Attributes have the names
of the JAX network, which is all that `copy_weights` relies on. Imported only where torch is installed.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TIMES, GROUPS, HEADS = 1000, 8, 4


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.heads = nn.MultiheadAttention(width, HEADS, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x).flatten(2).swapaxes(1, 2)
        # Weights that nobody reads would cost PyTorch its fused kernel: the twin is also timed.
        found, _ = self.heads(tokens, tokens, tokens, need_weights=False)
        return x + found.swapaxes(1, 2).reshape(x.shape)


class Block(nn.Module):
    def __init__(self, enter: int, leave: int, embed: int, dropout: float, attend: bool) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(GROUPS, enter), nn.Conv2d(enter, leave, 3, padding=1)
        self.time = nn.Linear(embed, leave)
        self.norm2, self.conv2 = nn.GroupNorm(GROUPS, leave), nn.Conv2d(leave, leave, 3, padding=1)
        self.skip = nn.Conv2d(enter, leave, 1) if enter != leave else None
        self.attention = Attention(leave) if attend else None
        self.dropout = dropout

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(embedding))[:, :, None, None]
        h = self.conv2(F.dropout2d(F.silu(self.norm2(h)), self.dropout, self.training))
        h = h + (x if self.skip is None else self.skip(x))
        return h if self.attention is None else self.attention(h)


class Level(nn.Module):
    def __init__(self, blocks: list[Block], change: nn.Module | None) -> None:
        super().__init__()
        self.blocks, self.change = nn.ModuleList(blocks), change


class TorchUNet(nn.Module):
    """Noise in a batch of images (B, 1, h, w) at the schedule indices (B,); dropout while `.training`."""

    table: Tensor

    def __init__(self, width: int, dropout: float = 0.1) -> None:
        super().__init__()
        w, embed = width, 4 * width

        def blocks(leave: int, attend: bool, *enter: int) -> list[Block]:
            return [Block(i * w, leave * w, embed, dropout, attend) for i in enter]

        def conv(enter: int, leave: int, stride: int = 1) -> nn.Conv2d:
            return nn.Conv2d(enter, leave, 3, stride, padding=1)

        angle = np.arange(TIMES)[:, None] * 10.0 ** (-8.0 * np.arange(w // 2) / w)
        table = np.empty((TIMES, w))
        table[:, 0::2], table[:, 1::2] = np.cos(angle), np.sin(angle)
        self.register_buffer("table", torch.tensor(table, dtype=torch.float32))
        self.time1, self.time2 = nn.Linear(w, embed), nn.Linear(embed, embed)
        self.enter = conv(1, w)
        self.down = nn.ModuleList([
            Level(blocks(1, False, 1, 1), conv(w, w, 2)),
            Level(blocks(2, True, 1, 2), conv(2 * w, 2 * w, 2)),
            Level(blocks(4, True, 2, 4), None),
        ])  # fmt: skip
        self.middle = nn.ModuleList([*blocks(4, True, 4), *blocks(4, False, 4)])
        self.up = nn.ModuleList([
            Level(blocks(4, True, 8, 8, 6), conv(4 * w, 4 * w)),
            Level(blocks(2, True, 6, 4, 3), conv(2 * w, 2 * w)),
            Level(blocks(1, False, 3, 2, 2), None),
        ])  # fmt: skip
        self.norm, self.leave = nn.GroupNorm(GROUPS, w), conv(w, 1)

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        embedding = self.time2(F.gelu(self.time1(self.table[index])))
        skips = [h := self.enter(x)]
        for level in self.down:
            for block in level.blocks:
                skips.append(h := block(h, embedding))
            if level.change is not None:
                skips.append(h := level.change(h))
        for block in self.middle:
            h = block(h, embedding)
        for level in self.up:
            for block in level.blocks:
                h = block(torch.cat([h, skips.pop()], dim=1), embedding)
            if level.change is not None:
                h = level.change(F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.leave(F.silu(self.norm(h)))


def copy_weights(jax_unet: object, torch_unet: nn.Module) -> None:
    """Numbers of the JAX network, or of its gradient, into the parameters of the twin; parts go by their names."""

    def put(parameter: nn.Parameter, value: object) -> None:
        array, shape = np.array(value), tuple(parameter.shape)
        assert array.shape in (shape, (*shape, 1, 1)), array.shape  # Equinox gives biases of convolutions two more axes
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(array.reshape(shape)))

    if isinstance(torch_unet, nn.MultiheadAttention):  # PyTorch stacks the three projections
        three = [getattr(jax_unet, f"{name}_proj") for name in ("query", "key", "value")]
        put(torch_unet.in_proj_weight, np.concatenate([part.weight for part in three]))
        put(torch_unet.in_proj_bias, np.concatenate([part.bias for part in three]))
        copy_weights(jax_unet.output_proj, torch_unet.out_proj)  # type: ignore[attr-defined]
        return
    for name, parameter in torch_unet.named_parameters(recurse=False):
        put(parameter, getattr(jax_unet, name))
    for name, part in torch_unet.named_children():
        copy_weights(jax_unet[int(name)] if name.isdigit() else getattr(jax_unet, name), part)  # type: ignore[index]
