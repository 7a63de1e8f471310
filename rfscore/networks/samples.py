"""Generated points of one snapshot, written where the user wants them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rfscore.errors import SolveError, bad
from rfscore.memorization import nearest
from rfscore.networks import checkpoint
from rfscore.networks.data import Dataset
from rfscore.networks.measure import generate
from rfscore.networks.network import new_network
from rfscore.networks.run import opened
from rfscore.networks.train import snapshot_path
from rfscore.output import write_bytes


def sample_run(folder: Path, count: int, step: int | None, seed: int, out: Path | None) -> Path:
    """Generate `count` points from a snapshot of a run.

    Args:
        folder: the run.
        count: how many points.
        step: which snapshot; None takes the last.
        seed: of the samples.
        out: a .npy file for the numbers, or for images a .png in which every sample stands above its nearest
            training image; None chooses a name in the run's folder.

    Returns:
        The file.

    Raises:
        InputError: no such run or snapshot, or a file name with another ending.
    """
    config, data, folder = opened(folder)
    steps = sorted(int(path.stem.split("-")[1]) for path in (folder / "snapshots").glob("step-*.safetensors"))
    if not steps or (step is not None and step not in steps):
        raise bad("step", step, f"one of the snapshots {steps}")
    chosen = steps[-1] if step is None else step
    images = data.train.ndim == 4
    target = out or folder / f"samples-{chosen}.{'png' if images else 'npy'}"
    if target.suffix not in ((".npy", ".png") if images else (".npy",)):
        raise bad("--out", str(target), "a .npy file, or a .png file for images")
    like = new_network(config, data)
    network, _ = checkpoint.load(snapshot_path(folder, chosen), like, fingerprint=config.fingerprint)
    made = generate(network, data, config, count, jax.random.key(seed))
    if not np.isfinite(made).all():
        raise SolveError(
            f"the samples of step {chosen} are not finite: training had diverged; choose an earlier --step"
        )
    buffer = io.BytesIO()
    if target.suffix == ".png":
        from rfscore import plotting

        with plotting.paper():
            _picture(made, data).savefig(buffer, format="png", dpi=200)
    else:
        np.save(buffer, data.images(made) if images else made)
    return write_bytes(target, buffer.getvalue())


def _picture(made: np.ndarray, data: Dataset) -> Any:
    """Rows of at most 16 samples, each above the training image nearest to it; memorised ones have a frame."""
    from rfscore import plotting
    from rfscore.plotting import style

    flat = [np.asarray(x, dtype=np.float64).reshape(len(x), -1) for x in (made, data.train)]
    found = nearest(*flat)
    columns = min(16, len(made))
    rows = 2 * -(-len(made) // columns)
    figure, axes = plotting.panels(rows, columns, width=0.55 * columns, height=0.55)
    for ax in axes.ravel():
        ax.set_axis_off()
    for row, ax in enumerate(axes[:, 0]):
        word = ("sample", "nearest")[row % 2]
        ax.text(-0.1, 0.5, word, transform=ax.transAxes, ha="right", va="center", fontsize=7)
    figure.suptitle("framed: memorised", fontsize=8)
    pairs = zip(data.images(made), data.images(data.train[found.index[:, 0]]), found.ratio, strict=True)
    for i, (image, original, ratio) in enumerate(pairs):
        upper, lower = (axes[2 * (i // columns) + k, i % columns] for k in (0, 1))
        for ax, shown in ((upper, image), (lower, original)):
            ax.imshow(shown, cmap="gray", vmin=0, vmax=1)
        if ratio < 1 / 3:
            upper.set_axis_on()
            upper.set(xticks=[], yticks=[])
            upper.spines[:].set(visible=True, color=style.TEST, linewidth=1.5)
    return figure
