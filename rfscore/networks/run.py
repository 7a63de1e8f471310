"""A run's folder: config.toml, manifest.json, snapshots/, state.safetensors, measurements/, summary.json."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

from rfscore._machine import lock
from rfscore._plain import to_json
from rfscore._provenance import git_state, machine, versions
from rfscore._text import read_json
from rfscore.errors import InputError, SolveError, bad
from rfscore.networks import config as configs
from rfscore.networks import data as points
from rfscore.networks.config import RunConfig
from rfscore.networks.data import Dataset
from rfscore.networks.network import parameter_count
from rfscore.networks.train import Report, Trainer
from rfscore.output import write_bytes

CONFIG, LOCK = "config.toml", ".lock"


def train(
    config: RunConfig, folder: str | PathLike[str], report: Report, *, resume: bool = False, until: int | None = None
) -> Path:
    """Train a run in its folder, from the start or from where an interrupted one stands.

    Args:
        config: the run.
        folder: new or empty, or the folder of the same run when `resume` is set.
        report: called every two seconds with (step, steps, mean loss, steps per second).
        resume: continue the run in the folder; with more steps in the config it is prolonged, to the same bits as
            one that was meant to be that long.
        until: stop after this step, with the state saved; None trains to the last step.

    Returns:
        The folder.

    Raises:
        InputError: a folder in use, another run's folder, bad data, a damaged state, too little memory.
        SolveError: training diverged; the snapshots and the state from before it are kept.
    """
    folder = Path(folder)
    started = (folder / CONFIG).exists()
    if started and not resume:
        raise bad("run folder", str(folder), "a new folder", "continue the run in it with --resume, or name another")
    if started and configs.read(folder / CONFIG).fingerprint != config.fingerprint:
        hint = "resume with the same config; only training.steps, snapshots and first_snapshot may differ"
        raise bad("config", config.name, f"that of the run in {str(folder)!r}", hint)
    if not started and folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
        raise bad("run folder", str(folder), "a new or empty folder", "it holds files of something else")
    data = points.load(config.data)  # first: what cannot be trained on leaves nothing behind
    with _locked(folder):
        trainer = Trainer(config, data, folder)
        if trainer.step > config.training.steps:
            raise bad("training.steps", config.training.steps, f"at least the {trainer.step} steps already trained")
        write_bytes(folder / CONFIG, configs.to_toml(config).encode())
        _describe(config, data, trainer, folder, "running")
        try:
            trainer.run(report, until)
        except SolveError:
            _describe(config, data, trainer, folder, "diverged")
            raise
        _describe(config, data, trainer, folder, "complete" if trainer.step == config.training.steps else "stopped")
    return folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One trainer a folder: the lock goes with the process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / LOCK, "w")
    except OSError as error:
        raise InputError(f"run folder {str(folder)!r} cannot be written: {error.strerror}; choose another") from error
    with file:
        if not lock(file, str(folder)):
            raise bad("run folder", str(folder), "a folder nobody trains in", "another process does")
        yield


def _describe(config: RunConfig, data: Dataset, trainer: Trainer, folder: Path, status: str) -> None:
    """The manifest: what was run, on what, with what, and how far it came."""
    path = folder / "manifest.json"
    try:
        started = read_json(path, "manifest").get("started")
    except InputError:  # none yet, or damaged: it is written anew
        started = None
    facts = {
        "made_by": "rfscore", "status": status, "name": config.name, "fingerprint": config.fingerprint,
        "step": trainer.step, "parameters": parameter_count(trainer.state.network),
        "data": {"name": data.name, "sha256": data.sha256, "n": len(data.train), "held_out": len(data.test)},
        "versions": versions(), "git": git_state(), "machine": machine(),
        "started": started or datetime.now(UTC).isoformat(timespec="seconds"),
        "last_written": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    write_bytes(path, to_json(facts).encode())


def opened(folder: str | PathLike[str]) -> tuple[RunConfig, Dataset, Path]:
    """Config and data of a run that was trained, at least in part.

    Raises:
        InputError: no run in this folder, or the data are not those it was trained on.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise bad("run folder", str(folder), f"a folder with {CONFIG}", "train a run first: rfscore networks train")
    config = configs.read(folder / CONFIG)
    data = points.load(config.data)
    try:
        trained_on = read_json(folder / "manifest.json", "manifest")["data"]["sha256"]
    except (InputError, KeyError, TypeError) as error:
        raise InputError(f"{str(folder / 'manifest.json')!r} is missing or damaged: networks train --resume "
                         "writes it anew") from error  # fmt: skip
    if trained_on != data.sha256:
        raise bad("data", data.name, "the images the run was trained on", "their checksum differs from the manifest's")
    return config, data, folder
