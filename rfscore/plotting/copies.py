"""Samples beside the training images they may be copies of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure


def sheet(
    triples: Float[np.ndarray, "m 3 h w c"], titles: Sequence[tuple[str, str, str]], *, columns: int = 3
) -> Figure:
    """Rows of sample, nearest and second nearest training image, several to a line.

    Args:
        triples: the three images of each sample, in [0, 1].
        titles: what stands above each of the three.
        columns: samples in a line.
    """
    count = len(triples)
    rows = -(-count // columns)
    figure = Figure(figsize=(3.3 * columns, 1.35 * rows + 0.2))
    axes = figure.subplots(rows, 3 * columns, squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    for i, (images, words) in enumerate(zip(triples, titles, strict=True)):
        for k in range(3):
            ax = axes[i // columns, 3 * (i % columns) + k]
            ax.imshow(np.clip(np.squeeze(images[k]), 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_title(words[k], fontsize=6, pad=2)
    return figure
