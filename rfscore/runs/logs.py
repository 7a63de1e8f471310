"""Logs of other people's runs as run summaries: which columns are meant, their order, their unit, how big the run was.

Steps may be unsorted or come again after a resume; losses may be logged at different steps, or a thousand times as
often as they can be read. What is done with each is said in the notes of the summary.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from rfscore._text import read_json, read_toml
from rfscore.errors import bad
from rfscore.runs.columns import PERCENT, assigned, size_of, words
from rfscore.runs.records import EVENTS, Records, read_records
from rfscore.runs.summary import RunSummary

_CONFIGS = ("config.json", "hparams.json", "args.json", "params.json", "config.toml")
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".npz")
_MARKED = {"n": re.compile(r"(?:^|[_\-./ ])[nN](?:train)?[=_]?(\d+)(?=$|[_\-. ])"),
           "W": re.compile(r"(?:^|[_\-./ ])(?:W|width)[=_]?(\d+)(?=$|[_\-. ])"),
           "seed": re.compile(r"(?:^|[_\-./ ])(?:seed|index)[=_]?(\d+)(?=$|[_\-. ])")}  # fmt: skip
#: DATASET{size}_{n}_{W}_{optimiser}_{batch}_{rate}, whatever stands before and behind it.
_LAYOUT = re.compile(r"(?:^|_)[A-Za-z]+\d+_(?P<n>\d+)_(?P<W>\d+)_(?P<optimizer>[A-Za-z_]+)_(?P<batch>\d+)_"
                     r"(?P<learning_rate>\d*\.?\d+(?:e-?\d+)?)")  # fmt: skip
_PLAIN = re.compile(r"(?P<n>\d+)_(?P<W>\d+)$")
#: Settings that tell runs apart, by the names they have in config files.
SETTINGS = {"optimizer": "optimizer", "optim": "optimizer", "optimiser": "optimizer", "lr": "learning_rate",
            "learning_rate": "learning_rate", "batch": "batch", "batch_size": "batch", "seed": "seed",
            "parameters": "parameters", "n_params": "parameters", "t_loss": "t_loss", "samples": "samples",
            "chance_level": "chance_level"}  # fmt: skip
#: Steps that a curve keeps: with more, it is averaged in this many intervals a factor 10.
MOST, PER_DECADE = 150, 24


def find_log(where: Path) -> Path:
    """The log meant by a path: itself, the only log in a folder, or a folder of event files."""
    if not where.is_dir():
        return where
    files = sorted(file for file in where.iterdir() if file.suffix.lower() in _SUFFIXES
                   or file.name == "trainer_state.json")  # fmt: skip
    if next(where.rglob(f"*{EVENTS}*"), None) is not None:
        if len(files) > 1 or (files and files[0].name != "trainer_state.json"):
            raise bad("run", str(where), "one log", f"name it: the event files, or {files[0].name}")
        return files[0] if files else where
    if len(files) != 1:
        what = "no log" if not files else f"the logs {[file.name for file in files]}"
        raise bad("run", str(where), "one log (csv, tsv, jsonl, npz, event files), summary.json, or a folder of the "
                  f"authors' code; this folder holds {what}", "name the file")  # fmt: skip
    return files[0]


def read_logs(
    path: Path, *, columns: Mapping[str, str] | None = None, n: int | None = None, width: int | None = None,
    unit: str | None = None, facts: Mapping[str, Any] | None = None,
) -> list[RunSummary]:  # fmt: skip
    """The runs in a log: one, or one for each n, W and seed where these are columns.

    Args:
        path: file or folder, see `find_log`.
        columns: role -> column, for roles "step", "train_loss", "test_loss", "f_mem", "frechet"; others by name.
        n: training points; else from a column, a config beside the log, the name of file or folder.
        width: likewise W; 0 where nothing says it.
        unit: of f_mem: "fraction" or "percent"; else by the column's name, a % sign, or values above 1.
        facts: what else is known, e.g. "samples", "chance_level", "t_loss".

    Returns:
        The summaries; facts["notes"] says what was assumed.

    Raises:
        InputError: no known log, columns that are not clear, values that cannot be, n unknown.
    """
    file = find_log(path)
    records = read_records(file)
    what = f"log {str(file)!r}"
    roles = assigned(records.columns, columns or {}, what)
    sizes = {key: name for name in records.columns if name not in roles.values()
             for key in [size_of(name)] if key is not None}  # fmt: skip
    known, settings = _beside(file)
    runs = []
    for own, chosen in _groups(records, sizes):
        notes = list(records.notes)
        size = known | own | {key: value for key, value in (("n", n), ("W", width)) if value is not None}
        if "n" not in size:
            raise bad(f"n of {what}", None, "the number of training points", f"give it as '{path}:n=1024,W=32', in a "
                      "column n, in a config.json beside it, or in the name of its folder")  # fmt: skip
        read: dict[str, Any] = {}
        curves = _curves(records, roles, chosen, unit, what, notes, read)
        tau, found = _together(curves, notes)
        rest = settings | ({"seed": own["seed"]} if "seed" in own else {}) | dict(facts or {})
        told = {"source": "log", "read": read, "loss_error": _roughness(tau, found, notes), **rest, "notes": notes}
        runs.append(RunSummary(_name(file), size["n"], size.get("W", 0), tau, found, told))
    return runs


def _name(file: Path) -> str:
    """The folder where a log has the name that every run's log has, else its own."""
    common = {"metrics", "log", "logs", "history", "progress", "results", "losses", "trainer_state", "curves", "train"}
    folder = file.resolve().parent.name
    if file.is_dir():
        return file.resolve().name
    return folder if (file.stem.lower() in common or EVENTS in file.name) and folder else file.stem


def _groups(records: Records, sizes: Mapping[str, str]) -> Iterator[tuple[dict[str, int], Bool[np.ndarray, " rows"]]]:
    """Rows of each n, W and seed; a size that is logged once holds for all."""
    rows = len(next(iter(records.columns.values())))
    if not sizes:
        yield {}, np.ones(rows, dtype=bool)
        return
    table = np.stack([records.columns[name] for name in sizes.values()], axis=1)
    for i in range(table.shape[1]):
        values = np.unique(table[np.isfinite(table[:, i]), i])
        table[np.isnan(table[:, i]), i] = values[0] if values.size == 1 else np.nan
    table = np.where(np.isnan(table), -1, table)
    for values in np.unique(table, axis=0):
        if (values >= 0).all():
            yield dict(zip(sizes, map(int, values), strict=True)), (table == values).all(axis=1)


def _beside(file: Path) -> tuple[dict[str, int], dict[str, Any]]:
    """Sizes and settings from a config beside the log or one folder up, then from the names of file and folders."""
    folder = file if file.is_dir() else file.parent
    sizes, settings = from_name(file.resolve().stem if not file.is_dir() else "")
    for above in (folder.resolve(), folder.resolve().parent):
        size, setting = from_name(above.name)
        sizes, settings = size | sizes, setting | settings
    for config in (place / name for name in _CONFIGS for place in (folder.parent, folder)):
        if config.is_file():
            plain = read_toml(config, "config") if config.suffix == ".toml" else read_json(config, "config")
            for path, value in _leaves(plain):
                key, name = size_of(path), SETTINGS.get("_".join(words(path.split("/")[-1])))
                if key in ("n", "W") and isinstance(value, int) and value > 0:
                    sizes[key] = value
                elif name is not None and isinstance(value, int | float | str):
                    settings[name] = value
    return sizes, settings


def _leaves(entry: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in entry.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}/")
        else:
            yield (above.rstrip("/") if key == "value" and above else f"{above}{key}"), value  # wandb: {"value": ...}


def from_name(name: str) -> tuple[dict[str, int], dict[str, Any]]:
    """n, W and settings that the name of a file or folder says.

    Example:
        >>> from rfscore.runs.logs import from_name
        >>> from_name("unet_Sprites16_1024_32_Adam_512_0.0001_seed1")[0], from_name("mine_n256_W16")[0]
        ({'n': 1024, 'W': 32}, {'n': 256, 'W': 16})
    """
    sizes: dict[str, int] = {}
    settings: dict[str, Any] = {}
    layout = _LAYOUT.search(name) or _PLAIN.match(name)
    if layout:
        sizes = {key: int(layout[key]) for key in ("n", "W")}
        rest = {key: value for key, value in layout.groupdict().items() if key not in sizes}
        settings = {key: value if key == "optimizer" else float(value) if key == "learning_rate" else int(value)
                    for key, value in rest.items()}  # fmt: skip
    for key, pattern in _MARKED.items():
        marked = pattern.search(name)
        if marked and key == "seed":
            settings["seed"] = int(marked[1])
        elif marked:
            sizes.setdefault(key, int(marked[1]))
    return sizes, settings


def _curves(
    records: Records,
    roles: Mapping[str, str],
    chosen: np.ndarray,
    unit: str | None,
    what: str,
    notes: list[str],
    told: dict[str, Any],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(steps, values) of every curve, ascending, each step once."""
    steps = records.columns[roles["step"]]
    if any(word.startswith("epoch") for word in words(roles["step"])):
        notes.append(f"training times are those of column {roles['step']!r}, in epochs, not steps")
    curves = {}
    for role, name in roles.items():
        if role == "step":
            continue
        known = np.flatnonzero(chosen & np.isfinite(records.columns[name]) & np.isfinite(steps))
        lines = np.asarray(records.lines)[known]
        values = records.columns[name][known]
        order = settled(steps[known], values, lines, f"{records.unit} {{line}} of {what}", name, notes)
        values = values[order]
        if role.startswith("f_mem"):
            values, read = _fraction(values, name, unit, name in records.percent, what, notes)
            told[role] = {"column": name, "unit": read}
        if values.size:
            curves[role] = (steps[known][order], values)
    if not curves:
        raise bad(what, f"no numbers in {sorted(set(roles.values()))}", "curves with numbers")
    return curves


def settled(
    steps: np.ndarray, values: np.ndarray, lines: np.ndarray, where: str, name: str, notes: list[str]
) -> np.ndarray:
    """Rows by ascending step. Of a step that comes again after steps went back, as after a resume, the last counts.

    Raises:
        InputError: a step below 0, or one with two different values although the steps never went back.
    """
    if np.any(steps < 0):
        i = int(np.argmax(steps < 0))
        raise bad(f"training step in {where.format(line=lines[i])}", float(steps[i]), "steps from 0 or more")
    back = bool(np.any(np.diff(steps) < 0))
    order = np.argsort(steps, kind="stable")
    again = np.flatnonzero(np.diff(steps[order]) == 0)
    differ = again[values[order][again] != values[order][again + 1]]
    if differ.size and not back:
        i, k = order[differ[0]], order[differ[0] + 1]
        raise bad(f"training step in {where.format(line=lines[k])}", float(steps[k]), "each step once",
                  f"line or entry {lines[i]} has it too, with another value of {name!r}, and no resume is in between: "
                  "keep one of each, or name another column by --step")  # fmt: skip
    if back:
        note = "steps were sorted" + (f"; {again.size} came again, as after a resume: the last of each counts"
                                      if again.size else "")  # fmt: skip
        if note not in notes:
            notes.append(note)
    return np.delete(order, again)


def _fraction(
    values: np.ndarray, name: str, unit: str | None, signed: bool, what: str, notes: list[str]
) -> tuple[np.ndarray, str]:
    told = signed or bool(set(words(name)) & PERCENT)
    percent = unit == "percent" or (unit is None and (told or (values.size > 0 and values.max() > 1)))
    most = 100.0 if percent else 1.0
    if values.size and (values.min() < 0 or values.max() > most):
        raise bad(f"{name!r} of {what}", float(values.max() if values.max() > most else values.min()),
                  f"values from 0 to {most:g}", "give the other --unit, percent or fraction")  # fmt: skip
    if percent and unit is None:
        why = "by its name or sign" if told else "values are above 1"
        notes.append(f"{name!r} read as per cent ({why})")
    return values / most, "percent" if percent else "fraction"


def _together(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], notes: list[str]
) -> tuple[Float[np.ndarray, " K"], dict[str, Float[np.ndarray, " K"]]]:
    """All curves over one vector of steps. Losses are brought to common steps; long ones are averaged in intervals."""
    losses = {role: curve for role, curve in curves.items() if role in ("train_loss", "test_loss")}
    grid = _grid(losses)
    found: dict[str, dict[float, float]] = {}
    for role, (steps, values) in curves.items():
        if role in losses and grid is not None and (steps.size >= 3 * grid.size or not np.isin(grid, steps).all()):
            means, errors = _averaged(steps, values, grid)
            found[role] = dict(zip(grid, means, strict=True))
            for end, sign in (("low", -1.0), ("high", 1.0)):
                if np.isfinite(errors).any():
                    found[f"{role}_{end}"] = dict(zip(grid, means + sign * 1.96 * errors, strict=True))
            notes.append(f"{role}: {steps.size} logged values averaged around {grid.size} steps")
        elif role in losses and grid is not None:
            keep = np.isin(steps, grid)
            found[role] = dict(zip(steps[keep], values[keep], strict=True))
        else:
            found[role] = dict(zip(steps, values, strict=True))
    tau = np.array(sorted(set().union(*found.values())), dtype=np.float64)
    return tau, {role: np.array([curve.get(step, np.nan) for step in tau]) for role, curve in found.items()}


def _grid(losses: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray | None:
    """The steps at which losses are compared: those of the test loss, or intervals where there are many."""
    if not losses:
        return None
    steps = losses.get("test_loss", next(iter(losses.values())))[0]
    if steps.size <= MOST:
        return steps
    first = steps[steps > 0][0]
    count = max(2, math.ceil(PER_DECADE * math.log10(steps[-1] / first)))
    edges = np.geomspace(first, steps[-1], count)
    near = np.unique(np.searchsorted(steps, edges).clip(0, steps.size - 1))
    return np.append(steps[:1][steps[:1] == 0], steps[near])


def _averaged(steps: np.ndarray, values: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of a curve around each step of a grid, between the middles to its neighbours."""
    middle = np.sqrt(np.maximum(grid[1:], 1e-9) * np.maximum(grid[:-1], 1e-9))
    place = np.searchsorted(middle, steps, side="right")
    means, errors = np.full(grid.size, np.nan), np.full(grid.size, np.nan)
    for i in range(grid.size):
        own = values[place == i]
        if own.size:
            means[i] = own.mean()
            errors[i] = own.std(ddof=1) / math.sqrt(own.size) if own.size > 2 else np.nan
    return means, errors


def _roughness(tau: np.ndarray, columns: Mapping[str, np.ndarray], notes: list[str]) -> dict[str, float]:
    """Standard error of a loss from its distance to the line through its neighbours, which its curvature adds to."""
    found = {}
    for name in ("train_loss", "test_loss"):
        if name in columns and f"{name}_low" not in columns:
            known = np.isfinite(columns[name]) & (tau > 0)
            x, y = np.log(tau[known]), columns[name][known]
            if x.size >= 8:
                part = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
                off = y[1:-1] - (1 - part) * y[:-2] - part * y[2:]
                found[name] = float(1.4826 * np.median(np.abs(off) / np.sqrt(1 + part**2 + (1 - part) ** 2)))
    if found:
        notes.append("errors of the losses are estimated from how rough the curves are")
    return found


def check_unit(unit: str | None) -> None:
    """Refuse what is no unit of f_mem."""
    if unit not in (None, "percent", "fraction"):
        raise bad("unit", unit, "'percent' or 'fraction'")
