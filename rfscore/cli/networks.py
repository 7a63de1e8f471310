"""`rfscore networks`: train, measure, sample and compare the networks of the paper."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rfscore.cli.options import Seed
from rfscore.cli.progress import bar

app = typer.Typer(
    help="The companion module: train the paper's U-Nets (or its MLP on a Gaussian mixture), measure losses, samples "
    "and memorised fraction along training. `rfscore runs compare` holds runs against each other and the theory.",
    rich_markup_mode=None, pretty_exceptions_enable=False,
)  # fmt: skip

Config = Annotated[Path, typer.Argument(help="TOML: data, network, training, measurement.", show_default=False)]
Run = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]


@app.command()
def train(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.", show_default=False)],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value over the file, e.g. data.n=256; repeatable.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run in its folder.")] = False,
) -> None:
    """Train a denoiser by DDPM noise prediction; kill it at any moment and --resume gives the same bits."""
    from rfscore.networks import config as configs
    from rfscore.networks import run

    chosen = configs.read(config, changes or [])
    with bar("compiling", chosen.training.steps) as now:

        def report(step: int, steps: int, loss: float, pace: float) -> None:
            now.to(step, words=f"loss {loss:.4f}, {pace:.3g} steps/s")

        run.train(chosen, out, report, resume=resume)
    print(f"trained: {out}; next: rfscore networks measure {out}")


@app.command()
def measure(runs: Annotated[list[Path], typer.Argument(help="Folders of runs.", show_default=False)]) -> None:
    """Measure every snapshot: losses at fixed t, samples, memorised fraction, quality; what is measured is kept."""
    from rfscore.networks.measure import LEFT_OUT, measure_run
    from rfscore.networks.run import opened

    failed = False
    for folder in runs:
        config, data, path = opened(folder)
        with bar(f"measuring {config.name}") as now:
            notes = measure_run(config, data, path, now.to).facts["notes"]
        print(f"measured: {path / 'summary.json'}")
        for note in notes:
            print(f"note: {path}: {note}", file=sys.stderr)
        failed = failed or any(LEFT_OUT in note for note in notes)
    if failed:
        raise typer.Exit(1)


@app.command()
def sample(
    run: Run,
    count: Annotated[int, typer.Option("--count", min=1, help="How many points.")] = 16,
    step: Annotated[int | None, typer.Option("--step", help="Snapshot to sample [default: the last].")] = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="PNG (images) or .npy file [default: in RUN].")] = None,
) -> None:
    """Generate points from a snapshot; for images a picture, each above its nearest training image."""
    from rfscore.networks.samples import sample_run

    print(f"written: {sample_run(run, count, step, seed, out)}")
