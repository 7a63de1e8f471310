"""Faces at the paper's own size on a machine that is lent for minutes: what fits is found out first, then run.

A run is started only when its steps and its measurement, timed on the spot, end before the time does. Weights stay on
that machine; summaries and manifests come back.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from experiments.queue import Stage, work
from rfscore.networks import data as points
from rfscore.networks.measure import BLOCK, generate
from rfscore.networks.network import new_network
from rfscore.networks.train import Trainer, snapshot_steps

#: Seconds kept back for what is not timed: reading the data, compiling the measurement, writing.
RESERVE_S, TRIAL_STEPS = 40.0, 10
SGD = ("training.optimizer=sgd", "training.learning_rate=0.01", "training.momentum=0.95")
#: In the order of their worth; with Adam copies appear near 10 n steps (batch 512), with SGD near 300 n.
STAGES = [Stage("celeba_gpu", n, w, 60 * n, full=True) for w, n in ((32, 128), (32, 256), (16, 128), (32, 512))]
STAGES += [Stage("celeba_gpu", 128, 32, 100_000, SGD, full=True)]
STAGES += [Stage("celeba_gpu", n, w, 60 * n, full=True) for w, n in ((16, 256), (16, 512), (32, 1024), (16, 1024))]
STAGES += [Stage("celeba_gpu", n, 32, 800 * n, SGD, full=True) for n in (256, 512, 1024)]


def cost(stage: Stage, source: str | None) -> float:
    """Seconds that a stage will take: of its steps and of its samples, a few of each timed after compiling."""
    config = stage.config(source)
    found = points.load(config.data)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, found, Path(folder))
        step = _timed(lambda: trainer.advance(trainer.step + TRIAL_STEPS)) / TRIAL_STEPS
    network, wanted = new_network(config, found), config.measurement
    block = _timed(lambda: generate(network, found, config, min(BLOCK, wanted.samples), jax.random.key(0)))
    steps = snapshot_steps(config)
    sampled = int(np.count_nonzero((steps <= stage.until) & (steps >= wanted.sample_from)))
    return stage.until * step + sampled * -(-wanted.samples // BLOCK) * block


def _timed(work: Callable[[], object]) -> float:
    """Seconds of the second call."""
    work()
    began = time.monotonic()
    work()
    return time.monotonic() - began


def main(minutes: float, source: str | None, folder: Path, stages: Sequence[Stage] = STAGES) -> list[str]:
    """Run what fits into the time, in order; the names of the runs."""
    end, done = time.monotonic() + 60.0 * minutes - RESERVE_S, []
    summaries = folder / "summaries"
    for stage in stages:
        if time.monotonic() > end:
            break
        needed, left = cost(stage, source), end - time.monotonic()
        print(f"{stage.name}: {needed:.0f} s needed, {left:.0f} s left", flush=True)
        if needed > left:
            continue
        work(stage, folder / "runs", source)
        summaries.mkdir(parents=True, exist_ok=True)
        for kind in ("summary", "manifest"):
            name = stage.name if kind == "summary" else f"{stage.name}.manifest"
            shutil.copy(folder / "runs" / stage.name / f"{kind}.json", summaries / f"{name}.json")
        done.append(stage.name)
    return done
