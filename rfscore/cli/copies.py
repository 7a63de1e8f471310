"""`rfscore memorised`: are these samples copies of the training images?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rfscore.cli import show
from rfscore.cli.options import Json, Overwrite
from rfscore.cli.progress import bar

if TYPE_CHECKING:
    from rfscore.memorization import MemorisedFraction

#: Samples on the sheet.
SHOWN = 18


def memorised(
    samples: Annotated[
        Path, typer.Argument(help="npy, npz, safetensors, pt, zip, or a folder of pictures.", show_default=False)
    ],
    training: Annotated[Path, typer.Option("--training", help="The training images, likewise.", show_default=False)],
    held_out: Annotated[
        Path | None,
        typer.Option("--held-out", help="Real images not trained on, for the chance level [default: from --training]."),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="Array of the samples, where a file has several.")] = None,
    training_key: Annotated[str | None, typer.Option("--training-key", help="Array of the training images.")] = None,
    size: Annotated[int | None, typer.Option("--size", help="Resize pictures to SIZE x SIZE.")] = None,
    layout: Annotated[str | None, typer.Option("--layout", help="NHWC or NCHW, where shapes do not tell.")] = None,
    scale: Annotated[str | None, typer.Option("--scale", help="Of arrays of samples: '[0, 1]', '[-1, 1]', ...")] = None,
    flips: Annotated[bool, typer.Option("--flips", help="Mirrored copies count too.")] = False,
    shift: Annotated[int, typer.Option("--shift", min=0, help="Copies moved by up to so many pixels count too.")] = 0,
    memory: Annotated[int, typer.Option("--memory", min=16, help="MiB for temporary arrays.")] = 256,
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("rfscore-memorised"),
    as_json: Json = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """f_mem with interval and chance level, and a sheet of the samples that look copied beside what they copy."""
    import numpy as np

    from rfscore.data.points import Points, load_points
    from rfscore.output import RunFolder
    from rfscore.runs.memorised import find_copies

    def told(path: Path, chosen: str | None, form: str | None) -> Points:
        points = load_points(path, key=chosen, layout=layout, scale=form,
                             size=size if path.is_dir() or path.suffix.lower() == ".zip" else None)  # fmt: skip
        show.aside(f"{path}: {len(points.values)} points, {'; '.join(points.notes)}")
        return points

    made, trained = told(samples, key, scale), told(training, training_key, None)
    real = told(held_out, None, None) if held_out is not None else None
    with bar("comparing samples") as now:
        found = find_copies(made, trained, held_out=real, flips=flips, shift=shift, memory=memory * 2**20,
                            report=lambda words, i, n: now.to(i, n, words))  # fmt: skip
    notes = [*found.notes]
    if found.repeats.size:
        listed = ", ".join(trained.name(i) for i in found.repeats[:5])
        notes.append(f"{found.repeats.size} training images are equal to an earlier one ({listed}"
                     f"{', ...' if found.repeats.size > 5 else ''}); each counts once")  # fmt: skip
    near = max(x.near_pairs for x in found.fractions)
    if near > 0.05 * len(found.ratio):
        notes.append(f"{near} samples are near two training images that nearly coincide, where the ratio sees no copy")
    pairs = ["sample,nearest,second,ratio"]
    for i in found.suspicious:
        names = (made.name(i), *(trained.name(k) for k in found.index[i]))
        pairs.append(",".join([*('"' + x.replace('"', '""') + '"' for x in names), f"{found.ratio[i]:.6g}"]))
    result = {"kind": "rfscore memorised", "verdict": found.verdict, "f_mem": found.fractions, "chance": found.chance,
              "samples": len(made.values), "training": len(trained.values), "repeats": found.repeats,
              "flips": flips, "shift": shift, "notes": notes}  # fmt: skip
    with RunFolder(out, overwrite=overwrite) as folder:
        folder.json("memorised.json", result)
        folder.text("pairs.csv", "\n".join([*pairs, ""]))
        if made.values.ndim == trained.values.ndim == 4:
            from rfscore import plotting
            from rfscore.plotting.copies import sheet

            first = found.suspicious[:SHOWN]
            triples = np.stack([[made.values[i], *trained.values[found.index[i]]] for i in first]) if \
                made.values.shape[3] == trained.values.shape[3] else \
                np.stack([[x.mean(axis=-1, keepdims=True) for x in (made.values[i], *trained.values[found.index[i]])]
                          for i in first])  # fmt: skip
            titles = [(f"sample {made.name(i)}", f"nearest, ratio {found.ratio[i]:.2f}", "second") for i in first]
            with plotting.paper():
                folder.figure("sheet", sheet(triples, titles))
    if as_json:
        show.put_json((out / "memorised.json").read_text(encoding="utf-8"))
        return
    rows = [[f"1/{round(1 / pair[0].k)}", *(word for x in pair for word in _told(x))]
            for pair in zip(found.fractions, found.chance, strict=True)]  # fmt: skip
    show.table("Memorised samples", ["k", "f_mem", "95 %", "chance", "95 %"], rows)
    for note in notes:
        show.aside(note)
    print(found.verdict)
    print(show.left(out))


def _told(x: MemorisedFraction) -> tuple[str, str]:
    return f"{x.value:.4g}", f"[{x.interval[0]:.3g}, {x.interval[1]:.3g}]"
