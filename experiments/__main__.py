"""Train, measure and compare all runs of an experiment: `python -m experiments mixture`. Interrupted, it goes on.

`python -m experiments queue --out DIR` works off the long runs (see queue.py), `python -m experiments celeba_gpu
--minutes 9` what fits on a lent GPU (see gpu.py). Of the others, runs (weights included) go to experiments/NAME/runs,
their summaries and manifests to experiments/NAME/summaries, and the comparison to experiments/NAME/comparison.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from experiments import gpu, queue
from rfscore.cli import main as rfscore

HERE = Path(__file__).resolve().parent
#: The runs of every experiment: what differs from its config.toml.
RUNS: dict[str, list[dict[str, object]]] = {
    "mixture": [{"data.n": n, "training.steps": steps}
                for n, steps in ((256, 20_000), (512, 40_000), (1024, 160_000), (2048, 320_000))]
               + [{"network.width": 64, "data.n": 512, "training.steps": 80_000}],
    "mixture_classes": [{"data.n": n, "training.steps": steps}
                        for n, steps in ((256, 30_000), (512, 60_000), (1024, 100_000))],
    "digits": [{"data.n": n, "training.steps": 200 * n, "training.snapshots": 16} for n in (16, 32, 64)],
    "celeba": [{"network.width": width, "data.n": n, "training.steps": steps}
               for width, n, steps in ((16, 16, 2_500), (16, 32, 5_000), (8, 16, 3_000))],
}  # fmt: skip


def command(*words: object) -> None:
    """One rfscore command; stops everything when it fails."""
    try:
        rfscore([str(word) for word in words])
    except SystemExit as end:
        if end.code:
            raise


def name_of(experiment: str, changes: dict[str, object]) -> str:
    """Short name of a run: the experiment, W where it varies, and n."""
    width = f"-W{changes['network.width']}" if "network.width" in changes else ""
    return f"{experiment}{width}-n{changes['data.n']}"


def main() -> None:
    """Run one experiment."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("experiment", choices=sorted([*RUNS, "queue", "celeba_gpu"]))
    parser.add_argument(
        "--data", help="CelebA: img_align_celeba.zip, a folder of its images, or an npz of uint8 images"
    )
    parser.add_argument("--out", type=Path, help="queue: folder of its runs")
    parser.add_argument("--collect", action="store_true", help="queue: only copy what was measured in --out to here")
    parser.add_argument("--minutes", type=float, default=9.0, help="celeba_gpu: time there is")
    options = parser.parse_args()
    if options.experiment == "queue":
        if options.out is None:
            parser.error("queue needs --out")
        if options.collect:
            print("\n".join(queue.collect(options.out)))
        else:
            queue.main(options.out, options.data)
        return
    if options.experiment == "celeba_gpu":
        gpu.main(options.minutes, options.data, options.out or HERE / "celeba_gpu")
        return
    folder = HERE / options.experiment
    summaries = folder / "summaries"
    summaries.mkdir(exist_ok=True)
    for changes in RUNS[options.experiment]:
        name = name_of(options.experiment, changes)
        settings = changes | {"name": name} | ({"data.source": options.data} if options.data else {})
        run = folder / "runs" / name
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        resume = ["--resume"] if (run / "config.toml").exists() else []
        command("networks", "train", folder / "config.toml", "--out", run, *words, *resume)
        command("networks", "measure", run)
        shutil.copy(run / "summary.json", summaries / f"{name}.json")
        shutil.copy(run / "manifest.json", summaries / f"{name}.manifest.json")
    kept = [summaries / f"{name_of(options.experiment, changes)}.json" for changes in RUNS[options.experiment]]
    command("runs", "compare", *kept, "--out", folder / "comparison")


if __name__ == "__main__":
    main()
