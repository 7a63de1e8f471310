"""All runs of the experiments in the order of what they are worth: `python -m experiments.queue DIR [FACES]`.

A run is trained in stages, and the stages of different runs alternate, so that every family has something early. A
stage that was reached is skipped, so is a run whose memorised fraction has passed `ENOUGH`; what was interrupted goes
on to the bit. Weights stay in DIR; stop the queue at any moment and start it again.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from rfscore.networks import config as configs
from rfscore.networks import measure, run
from rfscore.networks.config import RunConfig

HERE = Path(__file__).resolve().parent
#: A run is long enough when this share of its samples are copies.
ENOUGH = 0.2


@dataclass(frozen=True)
class Stage:
    """One run up to one step: `experiment` names the folder of its config, which n, W and `changes` complete."""

    experiment: str
    n: int
    width: int
    until: int
    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the run: equal for all of its stages."""
        words = (word.split(".")[-1].replace("=", "") for word in self.changes)
        return "-".join([self.experiment, f"W{self.width}", f"n{self.n}", *words])

    def config(self, source: str | None) -> RunConfig:
        """The run, on the images at `source` where its own are not shipped."""
        words = [f'name="{self.name}"', f"data.n={self.n}", f"network.width={self.width}", *self.changes]
        found = configs.read(HERE / self.experiment / "config.toml", words)
        if source and not found.data.source.isalpha():
            found = configs.read(HERE / self.experiment / "config.toml", [*words, f'data.source="{source}"'])
        return found


def plan() -> list[Stage]:
    """The stages in order."""
    mixture = [(n, 128, k * n) for n, k in ((128, 500), (256, 500), (512, 500), (128, 2000), (256, 1000), (512, 1000))]
    mixture += [(64, 128, 40_000), (1024, 128, 500_000), (512, 64, 500_000), (512, 256, 250_000), (256, 128, 2_000_000)]
    mixture += [(512, 128, 2_000_000), (1024, 128, 2_000_000), (512, 64, 4_000_000), (512, 256, 2_000_000)]
    mixture += [(1024, 128, 4_000_000), (2048, 128, 4_000_000)]
    return [Stage("mixture_sgd", n, width, until) for n, width, until in mixture]


def _said(path: Path, key: str, default: object) -> object:
    """One entry of a JSON file that may not be there yet."""
    return json.loads(path.read_text(encoding="utf-8")).get(key, default) if path.exists() else default


def finished(folder: Path, stage: Stage) -> bool:
    """Whether the run has come to the end of this stage, or to enough copies."""
    columns = _said(folder / "summary.json", "columns", {})
    copies = [x for x in columns.get("f_mem", ()) if x is not None]  # type: ignore[attr-defined]
    return max(copies, default=0.0) > ENOUGH or int(_said(folder / "manifest.json", "step", 0)) >= stage.until  # type: ignore[call-overload]


def work(stage: Stage, out: Path, source: str | None) -> None:
    """Train one stage and measure its snapshots."""
    folder, began = out / stage.name, time.monotonic()
    if not finished(folder, stage):
        resume = (folder / "config.toml").exists()
        run.train(stage.config(source), folder, lambda *_: None, resume=resume, until=stage.until)
        print(f"{stage.name}: step {stage.until} after {time.monotonic() - began:.0f} s", flush=True)
    measure.measure_run(*run.opened(folder), lambda *_: None)
    print(f"{stage.name}: measured after {time.monotonic() - began:.0f} s", flush=True)


def main(out: Path, source: str | None) -> None:
    """Work off the plan."""
    for stage in plan():
        if stage.config(source).data.source == "img_align_celeba.zip":
            print(f"{stage.name}: left out, needs --data", flush=True)
            continue
        work(stage, out, source)


if __name__ == "__main__":
    import sys

    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
