"""All runs of the experiments in the order of what they are worth: `python -m experiments queue --out DIR`.

A run is trained in stages, and the stages of different runs alternate, so that every family has something early. A
stage that was reached is skipped, so is a run whose memorised fraction has passed `ENOUGH`; what was interrupted goes
on to the bit. Weights stay in DIR; stop the queue at any moment and start it again.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rfscore.networks import config as configs
from rfscore.networks import measure, run
from rfscore.networks.config import RunConfig

HERE = Path(__file__).resolve().parent
#: A run is long enough when this share of its samples are copies.
ENOUGH = 0.2
#: The optimiser of the paper.
SGD = ("training.optimizer=sgd", "training.learning_rate=0.01", "training.batch=512")
#: How runs are measured while they go on: enough to read times off, at a small part of the cost of training.
QUICK = {
    "mixture_sgd": ("measurement.samples=2500",),
    "faces": ("measurement.samples=256", "measurement.noises=2", "measurement.quality=false"),
    "digits": ("measurement.samples=256", "measurement.noises=2", "measurement.quality=false"),
}


@dataclass(frozen=True)
class Stage:
    """One run up to one step: `experiment` names the folder of its config, which n, W and `changes` complete.

    A run that goes on is measured with fewer samples; `full` measures it as its config says.
    """

    experiment: str
    n: int
    width: int
    until: int
    changes: tuple[str, ...] = ()
    full: bool = False

    @property
    def name(self) -> str:
        """Of the run: equal for all of its stages."""
        words = (word.split(".")[-1].replace("=", "") for word in self.changes)
        return "-".join([self.experiment, f"W{self.width}", f"n{self.n}", *words])

    def config(self, source: str | None) -> RunConfig:
        """The run, on the images at `source` where its own are not shipped."""
        words = [f'name="{self.name}"', f"data.n={self.n}", f"network.width={self.width}", *self.changes]
        words += () if self.full else QUICK.get(self.experiment, ())
        found = configs.read(HERE / self.experiment / "config.toml", words)
        if source and not found.data.source.isalpha():
            found = configs.read(HERE / self.experiment / "config.toml", [*words, f'data.source="{source}"'])
        return found


def plan() -> list[Stage]:
    """The stages in order: first something of every family, then the larger n, W and other optimisers."""
    first = [("mixture_sgd", 128, 128, 64_000), ("mixture_sgd", 256, 128, 90_000), ("faces", 16, 16, 3_000),
             ("digits", 16, 16, 4_000), ("mixture_sgd", 512, 128, 180_000), ("faces", 32, 16, 6_000),
             ("digits", 32, 16, 8_000), ("mixture_sgd", 1024, 128, 360_000), ("faces", 64, 16, 12_000),
             ("digits", 64, 16, 16_000), ("mixture_sgd", 512, 64, 360_000), ("faces", 128, 16, 24_000),
             ("digits", 128, 16, 32_000), ("mixture_sgd", 512, 256, 180_000), ("faces", 256, 16, 48_000)]  # fmt: skip
    later = [("mixture_sgd", 2048, 128, 720_000), ("faces", 64, 24, 12_000), ("faces", 64, 32, 12_000),
             ("digits", 256, 16, 64_000), ("faces", 512, 16, 96_000), ("faces", 128, 24, 24_000),
             ("faces", 128, 32, 24_000), ("digits", 512, 16, 128_000)]  # fmt: skip
    stages = [Stage(*words) for words in first]
    stages += [Stage(x, n, w, 2 * until) for x, n, w, until in first]  # those that have not copied enough go on
    stages += [Stage("faces", 64, 16, 24_000, ("training.batch=0",))]
    stages += [Stage("faces", n, 16, 4_000 * n, SGD) for n in (16, 32, 64)]
    stages += [Stage(x, n, w, k * until) for k in (1, 2) for x, n, w, until in later]
    stages += [Stage(x, n, w, 8 * until) for x, n, w, until in first + later if x == "mixture_sgd"]
    return stages + [replace(stage, full=True) for stage in {stage.name: stage for stage in stages}.values()]


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
    done = finished(folder, stage)
    if done and not stage.full and (folder / "summary.json").exists():
        return
    if not done:
        resume = (folder / "config.toml").exists()
        run.train(stage.config(source), folder, lambda *_: None, resume=resume, until=stage.until)
        print(f"{stage.name}: step {stage.until} after {time.monotonic() - began:.0f} s", flush=True)
    _, points, _ = run.opened(folder)
    measure.measure_run(stage.config(source), points, folder, lambda *_: None)
    print(f"{stage.name}: measured after {time.monotonic() - began:.0f} s", flush=True)


def collect(out: Path, target: Path = HERE) -> list[str]:
    """Copy summaries and manifests of what was measured in `out` to experiments/NAME/summaries; the runs' names."""
    found = {stage.name: stage for stage in plan() if (out / stage.name / "summary.json").exists()}
    for name, stage in found.items():
        folder = target / stage.experiment / "summaries"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(out / name / "summary.json", folder / f"{name}.json")
        shutil.copy(out / name / "manifest.json", folder / f"{name}.manifest.json")
    return sorted(found)


def main(out: Path, source: str | None) -> None:
    """Work off the plan."""
    for stage in plan():
        if stage.config(source).data.source == "img_align_celeba.zip":
            print(f"{stage.name}: left out, needs --data", flush=True)
            continue
        work(stage, out, source)
