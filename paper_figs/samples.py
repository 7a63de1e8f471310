"""Generated images of two snapshots, kept for figs 2 and 6.

`python -m paper_figs.samples RUN --early STEP --late STEP` makes them from a run with its weights. Of digits (which
scikit-learn ships) all is kept: samples of both steps, their nearest training images, some training images. Of people
only samples of the early step are kept, and of those only the ones far from being copies; no training image, and no
late sample, for even those the test calls new can be blends of two training images.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from paper_figs.job import HERE, NotRun
from rfscore.errors import bad
from rfscore.output import write_bytes
from rfscore.plotting import style

FOLDER = HERE / "samples"
#: A sample counts as memorised below this ratio of the distances to its two nearest training images (paper, Eq 6).
GAP = 1 / 3
#: Ratio above which a sample of people may be kept: twice the paper's threshold.
NEW = 2 / 3


@dataclass(frozen=True)
class Sheet:
    """Samples of one run at an early and a late step; grey values in [0, 1].

    Of people `samples` are N new ones of the early step alone, and `nearest` and `train` are empty.
    """

    name: str
    n: int
    steps: Int[np.ndarray, " 2"]
    samples: Float[np.ndarray, "s N h w"]
    nearest: Float[np.ndarray, "s N h w"]
    ratio: Float[np.ndarray, "2 M"]
    train: Float[np.ndarray, "k h w"]
    sampler: str = "DDIM"


def sheet(experiment: str = "digits") -> Sheet:
    """The kept samples of an experiment.

    Raises:
        NotRun: none are kept.
    """
    found = sorted(FOLDER.glob(f"{experiment}-*.npz"))
    if not found:
        raise NotRun(f"no samples of {experiment} are kept: python -m paper_figs.samples RUN --early STEP --late STEP")
    with np.load(found[0], allow_pickle=False) as file:
        size = file["samples"].shape[-2:]
        images = {key: file[key] / 255.0 if key in file.files else np.empty((0, *shape, *size))
                  for key, shape in (("samples", ()), ("nearest", (0,)), ("train", ()))}  # fmt: skip
        return Sheet(found[0].stem, int(file["n"]), file["steps"], images["samples"], images["nearest"], file["ratio"],
                     images["train"], str(file["sampler"]) if "sampler" in file.files else "DDIM")  # fmt: skip


def show(axes: Axes, images: Float[np.ndarray, "N h w"], memorised: np.ndarray | None = None) -> None:
    """A row of images in one panel; memorised ones have a frame."""
    count, height, width = images.shape
    for i, image in enumerate(images):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, extent=(1.12 * i, 1.12 * i + 1, 0, height / width))
        if memorised is not None and memorised[i]:
            axes.add_patch(Rectangle((1.12 * i, 0), 1, height / width, fill=False, edgecolor=style.TEST, linewidth=1.4))
    axes.set(xlim=(-0.06, 1.12 * count - 0.06), ylim=(-0.06, height / width + 0.06), aspect="equal")
    axes.set_axis_off()


def make(folder: Path, steps: tuple[int, int], count: int, seed: int = 0) -> Path:
    """Sample two snapshots of a run on images, and keep what may be kept as bytes."""
    import jax

    from rfscore.memorization import nearest
    from rfscore.networks import checkpoint
    from rfscore.networks.measure import generate
    from rfscore.networks.network import new_network
    from rfscore.networks.run import opened
    from rfscore.networks.train import snapshot_path

    config, data, folder = opened(folder)
    if data.train.ndim != 4:
        raise bad("run", config.name, "a run on images")
    rows: dict[str, list[np.ndarray]] = {"samples": [], "nearest": [], "ratio": []}
    for step in steps:
        like = new_network(config, data)
        network, _ = checkpoint.load(snapshot_path(folder, step), like, fingerprint=config.fingerprint)
        made = generate(network, data, config, count, jax.random.key(seed))
        found = nearest(*(np.asarray(x, dtype=np.float64).reshape(len(x), -1) for x in (made, data.train)))
        rows["samples"].append(data.images(made))
        rows["nearest"].append(data.images(data.train[found.index[:, 0]]))
        rows["ratio"].append(found.ratio)
    images = {"samples": np.stack(rows["samples"]), "nearest": np.stack(rows["nearest"]),
              "train": data.images(data.train[:count])}  # fmt: skip
    if config.data.source != "digits":
        images = {"samples": images["samples"][:1, rows["ratio"][0] > NEW]}
    grey: dict[str, Any] = {key: np.rint(255 * x).astype(np.uint8) for key, x in images.items()}
    buffer = io.BytesIO()
    sampler = {"ddim": "DDIM", "sde": "the reverse SDE"}.get(config.measurement.sampler, config.measurement.sampler)
    np.savez_compressed(buffer, **grey, ratio=np.stack(rows["ratio"]), steps=np.array(steps), n=config.data.n,
                        sampler=np.array(f"{sampler}, {config.measurement.sampler_steps} steps"))  # fmt: skip
    FOLDER.mkdir(exist_ok=True)
    return write_bytes(FOLDER / f"{config.name}.npz", buffer.getvalue())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m paper_figs.samples", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--early", type=int, required=True)
    parser.add_argument("--late", type=int, required=True)
    parser.add_argument("--count", type=int, default=32)
    given = parser.parse_args()
    print(f"written: {make(given.run, (given.early, given.late), given.count)}")
