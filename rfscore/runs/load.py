"""A run from wherever it is: this package's folders, the released code's, or a log of any program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from rfscore.errors import bad
from rfscore.runs.authors import is_authors_folder, read_authors
from rfscore.runs.logs import check_unit, find_log, read_logs
from rfscore.runs.summary import RunSummary

_OPTIONS = re.compile(r"(?P<path>.+):(?P<options>(?:n|W|unit)=[^=,/\\]+(?:,(?:n|W|unit)=[^=,/\\]+)*)")


def load_runs(
    paths: Sequence[RunSummary | str | PathLike[str]], *, columns: Mapping[str, str] | None = None,
    unit: str | None = None, facts: Mapping[str, Any] | None = None,
) -> list[RunSummary]:  # fmt: skip
    """Runs from their folders and logs, see `load_run`; a log may hold several.

    Args:
        paths: where they are; summaries pass through.
        columns: role -> column of logs: "step", "train_loss", "test_loss", "f_mem", "frechet".
        unit: of f_mem in logs, "percent" or "fraction"; a column that is in per cent in one log is so in all.
        facts: known of every run whose summary does not say it.

    Returns:
        Summaries in the order of the paths.

    Raises:
        InputError: nothing of the kind there, or damaged, or not clear.
    """
    check_unit(unit)
    found = [[path] if isinstance(path, RunSummary) else _load(path, columns, unit) for path in paths]
    percent = {told["column"] for runs in found for run in runs for told in _read(run) if told["unit"] == "percent"}
    for i, (path, runs) in enumerate(zip(paths, found, strict=True)):
        if any(told["unit"] == "fraction" and told["column"] in percent for run in runs for told in _read(run)):
            assert not isinstance(path, RunSummary)
            found[i] = _load(path, columns, unit or "percent")
            for run in found[i]:
                run.facts["notes"].append("f_mem read as per cent, as in the other logs; give unit= if it is not")
    known = dict(facts or {})
    every = [run if run.facts.keys() >= known.keys() else replace(run, facts=known | run.facts)
             for runs in found for run in runs]  # fmt: skip
    return _placed(every, [str(p) for p, runs in zip(paths, found, strict=True) for _ in runs])


def _read(run: RunSummary) -> list[dict[str, str]]:
    """How each curve of f_mem was read from a log."""
    return list(run.facts.get("read", {}).values())


def load_run(path: str | PathLike[str], **options: Any) -> RunSummary:
    """A run from a folder (this package's, the authors', one with a log), a summary file or a log.

    Args:
        path: where it is; may be followed by ':n=1024,W=32,unit=fraction' for what it does not say.
        **options: as for `load_runs`.

    Returns:
        RunSummary.

    Raises:
        InputError: nothing of the kind there, or damaged; several runs in one log.
    """
    runs = load_runs([path], **options)
    if len(runs) > 1:
        raise bad("run", str(path), "one run", f"this log holds {len(runs)}: take load_runs")
    return runs[0]


def _load(path: str | PathLike[str], columns: Mapping[str, str] | None, unit: str | None) -> list[RunSummary]:
    match = _OPTIONS.fullmatch(str(path))
    # A folder may have such a name itself.
    options = dict(x.split("=") for x in match["options"].split(",")) if match and not Path(path).exists() else {}
    where = Path(match["path"]) if match and options else Path(path)
    for key in ("n", "W"):
        if key in options and not (options[key].isdecimal() and int(options[key]) > 0):
            raise bad(f"{key} in {str(path)!r}", options[key], "a whole number >= 1")
    n, width = (int(options[key]) if key in options else None for key in ("n", "W"))
    unit = options.get("unit", unit)
    if is_authors_folder(where):
        return [read_authors(where, n=n, width=width, unit=unit or "percent")]
    if not where.exists():
        raise bad("run", str(path), "a folder with summary.json, a summary file, a log (csv, tsv, json, jsonl, npz, "
                  "event files), or a folder of the authors' code", "check the path, or measure it first")  # fmt: skip
    check_unit(unit)
    own = where / "summary.json" if where.is_dir() else where
    if own.is_file() and own.suffix == ".json" and _is_summary(own):
        return [RunSummary.load(own)]
    return read_logs(find_log(where), columns=columns, n=n, width=width, unit=unit)


def _is_summary(file: Path) -> bool:
    """A file called summary.json is one, damaged or not; another is if it says so."""
    return file.name == "summary.json" or b"rfscore run summary" in file.read_bytes()[:200]


def _placed(runs: list[RunSummary], paths: list[str]) -> list[RunSummary]:
    """Logs of one name and size, told apart by the folders in which their paths differ."""
    parts = [Path(path).parts for path in paths]
    named = []
    for run, own in zip(runs, parts, strict=True):
        same = [other for other, place in zip(parts, runs, strict=True)
                if (place.name, place.n, place.width, place.facts.get("seed"))
                == (run.name, run.n, run.width, run.facts.get("seed")) and other != own]  # fmt: skip
        apart = next((part for i, part in enumerate(own[:-1]) if any(part not in other[i : i + 1] for other in same)),
                     None)  # fmt: skip
        fresh = same and apart is not None and apart != run.name and "source" in run.facts
        named.append(replace(run, name=f"{apart}/{run.name}") if fresh else run)
    return named


def told_apart(runs: Sequence[RunSummary]) -> list[str]:
    """Names of runs; where several have one, what distinguishes them is added, and a number where nothing does."""
    names = []
    for i, run in enumerate(runs):
        same = [other for other in runs if other.name == run.name]
        if len(same) == 1:
            names.append(run.name)
            continue
        told: dict[str, Any] = {"n": [x.n for x in same], "W": [x.width for x in same]}
        for key in ("seed", "optimizer", "learning_rate", "batch", "data"):
            told[key] = [x.facts.get(key) for x in same]
        own = {"n": run.n, "W": run.width, **run.facts}
        words = [f"{key} {own.get(key)}" for key, values in told.items()
                 if any(value != values[0] for value in values)]  # fmt: skip
        label = ", ".join([run.name, *words])
        twice = sum(1 for other in names if other == label or other.startswith(f"{label} ("))
        names.append(f"{label} ({twice + 1})" if twice or (not words and i >= 0) else label)
    return names
