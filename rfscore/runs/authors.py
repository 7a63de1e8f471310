"""Results of the paper's released code (text files of f_mem and FID) read as run summaries.

The layout assumed is the one their `compute_fmem.py` and `compute_FID.py` write, in a folder per model called
DATASET{size}_{n}_{W}_{optimiser}_{batch}_{rate}_index{i}:

* `Memorization/fraction_memorized.txt`: training step, f_mem **in percent**, its standard error, and the 2.5 and 97.5
  percentiles; tab-separated, no header;
* `FID/FID_k.txt`, k = 1 ... 5, one file per set of test images: training step and FID, -1 where it failed.

Other separators and decimal commas (see `rfscore.data.tables`), comments after '#', a header that begins with the step,
missing last columns, unsorted rows, and files lying directly in the folder are accepted as well.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rfscore.data.tables import read_table
from rfscore.errors import bad
from rfscore.runs.columns import role_of
from rfscore.runs.logs import from_name, settled
from rfscore.runs.summary import RunSummary

F_MEM = "fraction_memorized.txt"
#: f_mem above which a row of exactly 0 means missing samples, not forgetting.
_CLEARLY = 0.05


def is_authors_folder(path: str | PathLike[str]) -> bool:
    """Whether a folder holds a `fraction_memorized.txt` where the authors' code puts it."""
    return _f_mem_file(Path(path)) is not None


def read_authors(
    path: str | PathLike[str], *, n: int | None = None, width: int | None = None, unit: str = "percent"
) -> RunSummary:
    r"""One model folder of the authors' code as a run summary with curves "f_mem" and, if there are any, "frechet".

    FID is the mean over the files that have a value at a step, its interval +- 2 standard deviations over them.
    The authors' code counts samples that do not exist as not memorised. A row f_mem = 0 is therefore left out where
    every FID file says "failed" (and not all steps do), or after f_mem has been above 5 %.

    Args:
        path: the model folder.
        n: training points; read from the folder's name when not given.
        width: W; read from the folder's name when not given.
        unit: "percent", as the released code writes, or "fraction".

    Returns:
        RunSummary; facts["notes"] says what was assumed and left out.

    Raises:
        InputError: no such files, damaged tables, n or W not known, values outside the unit's range.
    """
    folder = Path(path)
    file = _f_mem_file(folder)
    if file is None:
        raise bad("folder", str(folder), f"one with {F_MEM} or Memorization/{F_MEM}", "run compute_fmem.py first")
    if unit not in ("percent", "fraction"):
        raise bad("unit", unit, "'percent' or 'fraction'")
    n, width = _sizes(folder.resolve().name, n, width)
    notes: list[str] = []
    table = _table(file, 5, notes)
    values, read = _as_fraction(table[:, 1:], unit, file)
    notes += read
    columns = _f_mem_columns(values, file)
    f_mem = {name: dict(zip(table[:, 0], column, strict=True)) for name, column in columns.items()}
    fid = _fid(folder, notes)
    _drop_missing_samples(f_mem, fid.get("frechet", {}), notes)
    tau = np.array(sorted(set(table[:, 0]).union(*fid.values())))
    curves = {name: np.array([curve.get(step, np.nan) for step in tau]) for name, curve in (f_mem | fid).items()}
    facts = {
        "source": "the paper's released code",
        **from_name(folder.resolve().name)[1],
        "frechet": "FID (Inception features)",
        "notes": notes,
    }
    return RunSummary(folder.resolve().name, n, width, tau, curves, facts)


def _f_mem_file(folder: Path) -> Path | None:
    return next((file for file in (folder / F_MEM, folder / "Memorization" / F_MEM) if file.is_file()), None)


def _sizes(name: str, n: int | None, width: int | None) -> tuple[int, int]:
    """n and W as given, else from the folder's name."""
    sizes, _ = from_name(name)
    n, width = sizes.get("n") if n is None else n, sizes.get("W") if width is None else width
    if n is None or width is None:
        unknown = " and ".join(key for key, value in (("n", n), ("W", width)) if value is None)
        raise bad("folder name", name, "DATASET32_{n}_{W}_{optimiser}_{batch}_{rate}_index{i}",
                  f"{unknown} unknown; give them as 'folder:n=1024,W=32'")  # fmt: skip
    if n < 1 or width < 1:
        raise bad("n and W", [n, width], "whole numbers >= 1")
    return n, width


def _table(file: Path, most: int, notes: list[str]) -> Float[np.ndarray, "rows columns"]:
    """A numeric table with training steps in its first column, ascending, each once."""
    table = read_table(file)
    if not 2 <= table.values.shape[1] <= most:
        raise bad(f"table {str(file)!r}", f"{table.values.shape[1]} columns",
                  f"2 to {most} columns, the first the training step")  # fmt: skip
    if table.names and role_of(table.names[0]) != "step":
        raise bad(f"table {str(file)!r}", f"a header {' '.join(table.names)!r}", "the step in the first column",
                  "call it step")  # fmt: skip
    steps, lines = table.values[:, 0], np.array(table.lines)
    if not np.isfinite(steps).all():
        raise bad(f"training step in line {lines[~np.isfinite(steps)][0]} of {str(file)!r}", "no number", "a step")
    order = settled(steps, table.values[:, 1], lines, f"line {{line}} of {str(file)!r}", "value", notes)
    return table.values[order]


def _as_fraction(values: np.ndarray, unit: str, file: Path) -> tuple[np.ndarray, list[str]]:
    """Values between 0 and 1, and in words how they were read."""
    top, least = float(np.nanmax(values[:, 0], initial=0.0)), float(np.nanmin(values[:, 0], initial=0.0))
    most = 100.0 if unit == "percent" else 1.0
    if top > most or least < 0:
        raise bad(f"f_mem in {str(file)!r}", top if top > most else least, f"values from 0 to {most:g}",
                  "give the other unit=percent|fraction")  # fmt: skip
    sure = "values above 1 confirm it" if top > 1 else "no value is above 1; if these are fractions, give unit=fraction"
    notes = [f"f_mem read as percent, which the released code writes; {sure}"] if unit == "percent" else []
    return values / most, notes


def _f_mem_columns(values: Float[np.ndarray, "rows columns"], file: Path) -> dict[str, np.ndarray]:
    """f_mem and its interval: the percentiles if there are any, else 1.96 standard errors to each side, in [0, 1]."""
    mean = values[:, 0]
    error = values[:, 1] if values.shape[1] > 1 else np.zeros_like(mean)
    # A share cannot scatter more than yes and no do: sqrt(f (1 - f)) for each sample.
    possible = (error >= 0) & (error <= np.sqrt(mean * (1 - mean)) + 0.005) | np.isnan(error + mean)
    if not possible.all():
        raise bad(f"standard errors in {str(file)!r}", float(error[np.argmin(possible)]),
                  "at most sqrt(f (1 - f)) of a share f", "it is something else, or halves of decimals")  # fmt: skip
    if values.shape[1] == 4:
        return {"f_mem": mean, "f_mem_low": values[:, 2], "f_mem_high": values[:, 3]}
    if values.shape[1] == 1:
        return {"f_mem": mean}
    half = 1.96 * values[:, 1]
    return {"f_mem": mean, "f_mem_low": np.maximum(mean - half, 0.0), "f_mem_high": np.minimum(mean + half, 1.0)}


def _fid(folder: Path, notes: list[str]) -> dict[str, dict[float, float]]:
    """FID curves by training step: mean over the files, and +- 2 standard deviations where two or more have a value."""
    files = sorted([*folder.glob("FID_[1-5].txt"), *folder.glob("FID/FID_[1-5].txt")])
    tables = [dict(_table(file, 2, notes)) for file in files]
    curves: dict[str, dict[float, float]] = {"frechet": {}, "frechet_low": {}, "frechet_high": {}} if tables else {}
    for step in sorted(set().union(*tables)):
        values = np.array([table[step] for table in tables if table.get(step, -1.0) >= 0])
        spread = 2 * values.std(ddof=1) if values.size > 1 else np.nan
        mean = values.mean() if values.size else np.nan
        for name, value in (("frechet", mean), ("frechet_low", mean - spread), ("frechet_high", mean + spread)):
            curves[name][float(step)] = float(value)
    return curves


def _drop_missing_samples(f_mem: dict[str, dict[float, float]], fid: dict[float, float], notes: list[str]) -> None:
    """Leave out rows of f_mem that are 0 because there were no samples."""
    highest, gone = 0.0, []
    if not np.isfinite(list(fid.values())).any():
        fid = {}  # FID never worked, which says nothing about the samples
    for step, value in f_mem["f_mem"].items():
        if value == 0 and (highest > _CLEARLY or np.isnan(fid.get(step, 0.0))):
            gone.append(step)
        highest = max(highest, value)
    for curve in f_mem.values():
        for step in gone:
            curve[step] = np.nan
    if gone:
        notes.append(f"f_mem = 0 at {len(gone)} steps from {gone[0]:.4g} left out: no samples there")
