"""The published residual network of the mixture in eager PyTorch (paper, Fig 8): the twin of ours, for its speed."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TIMES = 1000


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(width, width), nn.Linear(width, width), nn.LayerNorm(width)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.norm(x + self.second(F.gelu(self.first(x + embedding))))


class TorchMLP(nn.Module):
    """Noise in points (B, d) at the schedule indices (B,)."""

    table: Tensor

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        angle = np.arange(TIMES)[:, None] * 10.0 ** (-8.0 * np.arange(width // 2) / width)
        table = np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(TIMES, width)
        self.register_buffer("table", torch.tensor(table, dtype=torch.float32))
        self.enter, self.leave = nn.Linear(d, width), nn.Linear(width, d)
        self.blocks = nn.ModuleList([Block(width) for _ in range(3)])

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        embedding, h = self.table[index], self.enter(x)
        for block in self.blocks:
            h = block(h, embedding)
        return self.leave(h)
