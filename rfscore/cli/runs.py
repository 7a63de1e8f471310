"""`rfscore runs`: anybody's training runs, compared and held against the theory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rfscore.cli import show
from rfscore.cli.options import Json, Overwrite

app = typer.Typer(
    help="Training runs of any program: read their logs, date when they generalise and when they memorise, compare.",
    rich_markup_mode=None, pretty_exceptions_enable=False,
)  # fmt: skip

Logs = Annotated[
    list[str],
    typer.Argument(
        help="Logs (csv, tsv, json, jsonl, npz, TensorBoard's event files), folders of runs, or of the authors' code; "
        "each may end in ':n=1024,W=32' for what it does not say."
    ),
]
Step = Annotated[str | None, typer.Option("--step", help="Column of the training step, where its name does not say.")]
Train = Annotated[str | None, typer.Option("--train", help="Column of the training loss.")]
Test = Annotated[str | None, typer.Option("--test", help="Column of the test loss.")]
Fmem = Annotated[str | None, typer.Option("--fmem", help="Column of the memorised fraction.")]
Fid = Annotated[str | None, typer.Option("--fid", help="Column of the Frechet distance.")]
Unit = Annotated[str | None, typer.Option("--unit", help="Of f_mem: percent or fraction [default: by its values].")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Samples behind each f_mem, for its interval.")]
Chance = Annotated[float | None, typer.Option("--chance", help="f_mem of a generator that copies nothing.")]
Quality = Annotated[str, typer.Option("--quality", help="tau_opt: lowest test_loss, frechet, kernel or kl.")]
Threshold = Annotated[float, typer.Option("--threshold", help="tau_onset: f_mem this much above chance.")]


def columns(
    step: str | None, train: str | None, test: str | None, fmem: str | None, fid: str | None = None
) -> dict[str, str]:
    """Role -> column, for those that were named."""
    given = {"step": step, "train_loss": train, "test_loss": test, "f_mem": fmem, "frechet": fid}
    return {role: name for role, name in given.items() if name is not None}


def _facts(
    samples: int | None, chance: float | None, images: Path | None, size: int | None, t: float | None,
    parameters: float | None,
) -> dict[str, Any]:  # fmt: skip
    """What the options say of all runs; the covariance from images."""
    given = {"samples": samples, "chance_level": chance, "t_loss": t, "parameters": parameters}
    facts: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if images is not None:
        import numpy as np

        from rfscore.data import load_images

        rows = load_images(images, size).images
        values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2 / len(rows)
        facts["covariance_eigenvalues"] = np.pad(values, (0, rows.shape[1] - values.size)).tolist()
    return facts


@app.command()
def compare(
    logs: Logs,
    out: Annotated[Path, typer.Option("--out", help="Folder of the comparison.")] = Path("rfscore-compare"),
    step: Step = None, train: Train = None, test: Test = None, fmem: Fmem = None, fid: Fid = None, unit: Unit = None,
    quality: Quality = "test_loss", threshold: Threshold = 0.05, samples: Samples = None, chance: Chance = None,
    prediction: Annotated[bool, typer.Option("--theory/--no-theory", help="Random-features theory beside it.")] = True,
    images: Annotated[
        Path | None, typer.Option("--images", help="The data, for the theory beside logs (as `reproduce --data`).")
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Resize these images to SIZE x SIZE.")] = None,
    t: Annotated[float | None, typer.Option("--t", help="Diffusion time of the losses, for the theory.")] = None,
    parameters: Annotated[
        float | None, typer.Option("--parameters", help="Trained parameters of the network, for the theory.")
    ] = None,
    as_json: Json = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """tau_opt, tau_onset, tau_half, their scaling with n and W, collapse in tau/n, and the theory beside it."""
    from rfscore.runs import compare as comparing
    from rfscore.runs.report import compare_runs

    found = compare_runs(
        logs, out, quality=quality, threshold=threshold, prediction=prediction, overwrite=overwrite,
        columns=columns(step, train, test, fmem, fid), unit=unit,
        facts=_facts(samples, chance, images, size, t, parameters),
    )  # fmt: skip
    if as_json:
        show.put_json((out / "comparison.json").read_text(encoding="utf-8"))
        return
    table = comparing.table(found)
    show.table("Runs compared", table.headers, table.rows)
    print(show.left(out))


@app.command()
def advise(
    logs: Logs,
    n: Annotated[int, typer.Option("--n", min=1, help="Training images of the run in question.", show_default=False)],
    width: Annotated[int, typer.Option("--W", min=0, help="Its width W [default: the runs'].", show_default=False)] = 0,
    budget: Annotated[float | None, typer.Option("--budget", help="Steps you want to train: how many images?")] = None,
    law: Annotated[
        bool, typer.Option("--law", help="Put tau ~ n^(1 +- 0.25) W^-(1 +- 0.25) beside the runs; one run is enough.")
    ] = False,
    step: Step = None, train: Train = None, test: Test = None, fmem: Fmem = None, unit: Unit = None,
    samples: Samples = None, chance: Chance = None, as_json: Json = False,
) -> None:  # fmt: skip
    """From short runs at small n: until which step a run at --n is safe, and how many images push that out."""
    from rfscore._plain import to_json
    from rfscore.runs.advice import MEANING, advise

    found = advise(logs, n, width, budget=budget, law=law, columns=columns(step, train, test, fmem), unit=unit,
                   facts=_facts(samples, chance, None, None, None, None))  # fmt: skip
    if as_json:
        show.put_json(to_json(found))
        return
    rows = [[name, f"{x.value:.3g}", f"[{x.interval[0]:.3g}, {x.interval[1]:.3g}]", MEANING[name], x.rests_on]
            for name, x in found.times.items()]  # fmt: skip
    show.table(f"n = {found.n}" + (f", W = {found.width}" if found.width else ""),
               ["time", "step", "90 %", "when", "rests on"], rows)  # fmt: skip
    print(f"safe until step {found.safe:.3g} (in 95 % of runs)")
    if found.images is not None:
        words = ["beyond what these runs say" if x != x else f"{x:.3g} images" for x in found.images]
        print(f"for {budget:g} steps: {words[0]} by median, {words[1]} in 95 % of runs")
    for note in found.notes:
        show.aside(note)
