"""Logs of any program as named columns of numbers: csv, tsv, JSON, JSON lines, npz, TensorBoard's event files."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from rfscore._text import read_text
from rfscore.data.tables import number, read_fields, refuse_doubtful
from rfscore.errors import InputError, bad
from rfscore.runs.columns import TEST, TRAIN
from rfscore.runs.events import read_events

#: How loggers write that there is no number.
_NOTHING = {"", "none", "null", "na", "n/a", "-", "--", "nil"}
EVENTS = "events.out.tfevents"
#: Largest npz member that is read.
_MAX_BYTES = 2**28


@dataclass(frozen=True)
class Records:
    """Columns of equal length, NaN where nothing was logged.

    Attributes:
        columns: numbers by name.
        lines: where each row stands: line, entry or event, from 1.
        unit: what `lines` counts.
        percent: columns written with a per cent sign.
        notes: what to know.
    """

    columns: dict[str, Float[np.ndarray, " rows"]]
    lines: Sequence[int]
    unit: str = "line"
    percent: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def read_records(path: Path) -> Records:
    """The columns of one log, by its suffix; a folder of event files is one log.

    Raises:
        InputError: unreadable, damaged, no known kind of log.
    """
    if path.is_dir():
        return _events(sorted(path.rglob(f"*{EVENTS}*")), path)
    suffix = path.suffix.lower()
    if EVENTS in path.name:
        return _events([path], path.parent)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _json(path)
    if suffix == ".npz":
        return _npz(path)
    if suffix in (".csv", ".tsv", ".txt", ".dat", ".log", ""):
        return _text(path)
    raise bad("log", str(path), "csv, tsv, txt, json, jsonl, npz or TensorBoard's event files", "save it as csv")


def _text(path: Path) -> Records:
    what, found = f"log {str(path)!r}", read_fields(path)
    names = found.names or found.above
    if not names:
        raise bad(what, f"no header, but {found.rows[0][:6]}", "names of the columns in the first line", "add them: "
                  "step,train_loss,test_loss,f_mem")  # fmt: skip
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise bad(f"header of {what}", f"{twice!r} twice", "different names of columns")
    columns: dict[str, Sequence[Any]] = {}
    percent, numeric = set(), []
    for i, name in enumerate(names):
        fields = [row[i] for row in found.rows]
        known = [field for field in fields if field.lower() not in _NOTHING]
        if not any(re.match(r"[-+]?[.,]?\d|[-+]?(nan|inf)", field, re.IGNORECASE) for field in known) or any(
            re.match(r"\d{4}-\d\d-\d\d|\d+:\d\d", field) for field in known
        ):
            columns[name] = fields  # words, or dates
            continue
        if known and all(field.endswith("%") for field in known):
            percent.add(name)
            fields = [field.rstrip("% \t") for field in fields]
        numeric.append(fields)
        columns[name] = [math.nan if field.lower() in _NOTHING else number(field, line, f"{what}, column {name!r}")
                         for field, line in zip(fields, found.lines, strict=True)]  # fmt: skip
    refuse_doubtful([list(fields) for fields in zip(*numeric, strict=True)], found.separator, True, what)
    return _by_phase(columns, found.lines, "line", percent, ())


def _json(path: Path) -> Records:
    """One object a line, or one document: a list of objects, lists by name, or Hugging Face's trainer state."""
    what, notes = f"log {str(path)!r}", []
    text = read_text(path, "log")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if found is None or (isinstance(found, dict) and path.suffix.lower() != ".json" and "log_history" not in found):
        lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        rows = []
        for i, line in lines:
            try:
                rows.append((i, json.loads(line)))
            except ValueError as error:
                if i != lines[-1][0] or not rows:
                    raise InputError(f"line {i} of {what} is no JSON ({error}); mend or remove it") from error
                notes.append(f"line {i} is cut short and was left out")
        return _objects(rows, "line", notes, what)
    if isinstance(found, dict) and isinstance(found.get("log_history"), list):
        found = found["log_history"]
    if isinstance(found, dict):
        lists = {key: value for key, value in _flat(found).items() if isinstance(value, list) and value}
        if not lists:
            raise bad(what, "no lists of numbers", "a list of entries, or lists by name")
        return _columns(lists, _flat(found), what)
    if isinstance(found, list) and found and all(isinstance(row, list) and len(row) == 3 for row in found):
        found = [{"wall_time": row[0], "step": row[1], "value": row[2]} for row in found]  # TensorBoard's download
    if not isinstance(found, list):
        raise bad(what, type(found).__name__, "a list of entries, or lists by name")
    return _objects(list(enumerate(found, 1)), "entry", notes, what)


def _flat(entry: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in entry.items():
        found |= _flat(value, f"{above}{key}/") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _objects(rows: Sequence[tuple[int, Any]], unit: str, notes: Sequence[str], what: str) -> Records:
    wrong = next((i for i, row in rows if not isinstance(row, Mapping)), None)
    if wrong is not None or not rows:
        raise bad(f"{unit} {wrong or 1} of {what}", "no object", "an object with names and numbers")
    flat = [_flat(row) for _, row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    columns: dict[str, Sequence[Any]] = {}
    for name in names:
        values = [row.get(name) for row in flat]
        words = [value for value in values if isinstance(value, str) and not _numeral(value)]
        columns[name] = [value if isinstance(value, str) else "" for value in values] if words else \
            [_plain(value) for value in values]  # fmt: skip
    return _by_phase(columns, [i for i, _ in rows], unit, set(), tuple(notes))


def _numeral(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.lower() in _NOTHING
    return True


def _plain(value: Any) -> float:
    if isinstance(value, bool) or value is None or isinstance(value, list):
        return math.nan
    return math.nan if isinstance(value, str) and value.lower() in _NOTHING else float(value)


def _by_phase(
    columns: Mapping[str, Sequence[Any]], lines: Sequence[int], unit: str, percent: set[str], notes: tuple[str, ...]
) -> Records:
    """Numbers alone; a column of the words train and test divides the others into those of each."""
    told = {name: [str(x).lower() for x in values] for name, values in columns.items() if isinstance(values[0], str)}
    numbers = {name: np.array(values, dtype=np.float64) for name, values in columns.items() if name not in told}
    phases = [values for values in told.values() if set(values) <= TEST | TRAIN and set(values) & TEST]
    if not phases:
        return Records(numbers, lines, unit, frozenset(percent), notes)
    split: dict[str, np.ndarray] = {}
    for name, values in numbers.items():
        parts = {word: np.where(np.array(phases[0]) == word, values, np.nan) for word in sorted(set(phases[0]))}
        # What is the same for all, as the step, stays one column.
        split |= {f"{word}/{name}": part for word, part in parts.items()} if "loss" in name.lower() else {name: values}
    return Records(split, lines, unit, frozenset(percent), notes)


def _columns(lists: Mapping[str, Any], everything: Mapping[str, Any], what: str) -> Records:
    """Vectors of one length, and single numbers as columns that do not change."""
    vectors = {}
    for name, values in lists.items():
        array = np.asarray(values)
        if array.dtype.kind in "fiu" and array.ndim == 1 and array.size > 1:
            vectors[name] = array.astype(np.float64)
        elif array.dtype == object and array.ndim == 1:
            vectors[name] = np.array([_plain(value) for value in values])
    sizes = {array.size for array in vectors.values()}
    if len(sizes) != 1:
        listed = {name: array.size for name, array in vectors.items()}
        raise bad(f"lengths of the arrays in {what}", listed, "vectors of one length, one of them the training step",
                  "save each curve with NaN where it was not measured")  # fmt: skip
    rows = sizes.pop()
    single = {key: np.full(rows, float(np.asarray(value).item())) for key, value in everything.items()
              if key not in vectors and np.size(value) == 1 and np.asarray(value).dtype.kind in "fiu"}  # fmt: skip
    return Records(vectors | single, range(1, rows + 1), "entry")


def _npz(path: Path) -> Records:
    what = f"log {str(path)!r}"
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.file_size <= _MAX_BYTES:
                    raw = io.BytesIO(archive.read(info))
                    arrays[info.filename.removesuffix(".npy")] = np.lib.format.read_array(raw, allow_pickle=False)
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, MemoryError) as error:
        raise InputError(f"{what} cannot be read ({error}); write it again with numpy.savez, numbers alone") from error
    # A vector for every curve; tables and weights in the same file are no curves.
    arrays = {name: np.squeeze(array) if array.size > 1 else array for name, array in arrays.items()}
    return _columns({name: array for name, array in arrays.items() if array.ndim == 1}, arrays, what)


def _events(files: Sequence[Path], folder: Path) -> Records:
    """Every tag a column; a file in a folder of its own (add_scalars, Keras) has that folder before its tag."""
    rows: list[tuple[int, str, float]] = []
    for file in files:
        inside = "/".join(file.parent.relative_to(folder).parts)
        rows += [(x.step, f"{inside}/{x.tag}" if inside else x.tag, x.value) for x in read_events(file)]
    if not rows:
        raise bad("event files", str(folder), "at least one scalar", "log losses with add_scalar")
    tags = list(dict.fromkeys(tag for _, tag, _ in rows))
    columns = {tag: np.full(len(rows), np.nan) for tag in tags}
    for i, (_, tag, value) in enumerate(rows):
        columns[tag][i] = value
    # A scalar may be called "step" itself; the step of the event is the one that counts.
    columns = {"step": np.array([float(step) for step, _, _ in rows])} | {k: v for k, v in columns.items()
                                                                         if k != "step"}  # fmt: skip
    return Records(columns, range(1, len(rows) + 1), "event")
