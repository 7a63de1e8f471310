"""Advice held against what was found: every kept run predicted from smaller ones, `python -m experiments.advise`.

Writes the table in docs/advise.md between its two marks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rfscore.runs.advice import MEANING, law_of
from rfscore.runs.law import Carried, Law
from rfscore.runs.summary import RunSummary

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "advise.md"
MARKS = ("<!-- written by experiments/advise.py -->", "<!-- end -->")


def kept() -> dict[str, list[RunSummary]]:
    """The runs of every experiment by width, with two n or more."""
    groups: dict[str, list[RunSummary]] = {}
    for file in sorted(HERE.glob("*/summaries/*.json")):
        if "manifest" not in file.name:
            run = RunSummary.load(file)
            groups.setdefault(f"{file.parts[-3].replace('_', ' ')}, W = {run.width}", []).append(run)
    return {name: sorted(runs, key=lambda run: run.n) for name, runs in groups.items() if len({r.n for r in runs}) > 1}


def published() -> dict[str, dict[int, tuple[float, float]]]:
    """Brackets of tau_onset that others published, by n."""
    found = json.loads((HERE / "published" / "readings.json").read_text(encoding="utf-8"))["networks"]
    return {"sprites, U-Net (published by others)": {int(n): tuple(x) for group in found
            for n, x in group.get("tau_mem_by_n", {}).items()}}  # fmt: skip


def predictions() -> Iterator[tuple[str, list[int], int, str, Carried, tuple[float, float]]]:
    """Group, n of the smaller runs, n left out, time, prediction, bounds of what was found."""
    for group, runs in kept().items():
        for k in range(1, len(runs)):
            sizes = [run.n for run in runs[:k]]
            for name in MEANING:
                law, _ = law_of(runs[:k], name, assume=k == 1)
                if law.n.size < min(k, 2) or runs[k].n in sizes:
                    continue
                truth, _ = law_of([runs[k]], name)
                last = float(runs[k].tau[-1])
                bounds = (float(truth.tau[0]),) * 2 if truth.tau.size else (last, math.inf)
                yield group, law.n.astype(int).tolist(), runs[k].n, name, law.at(runs[k].n, runs[k].width), bounds
    for group, known in published().items():
        n = sorted(known)
        middle = {size: math.sqrt(known[size][0] * known[size][1]) for size in n}
        error = {size: math.log(known[size][1] / known[size][0]) / 4 for size in n}
        for k in range(1, len(n)):
            columns = [np.array([of(size) for size in n[:k]], dtype=np.float64)
                       for of in (float, lambda _: 32.0, middle.get, error.get)]  # fmt: skip
            law = Law("tau_onset", *columns, assume=k == 1)
            yield group, n[:k], n[k], "tau_onset", law.at(n[k], 32), known[n[k]]


def short(value: float) -> str:
    """Three digits, without a padded exponent."""
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e")


def table() -> str:
    """Rows of all predictions, and how often the interval held what was found."""
    lines = ["| runs | from n = | to n = | time | predicted [90 %] | found | |", "|---|---|---|---|---|---|---|"]
    held = known = 0
    for group, sizes, n, name, carried, (low, high) in predictions():
        inside = low <= carried.interval[1] and high >= carried.interval[0]
        if math.isfinite(high):
            known, held = known + 1, held + inside
        both = short(low) if low == high else f"{short(low)} – {short(high)}"
        found = f"> {short(low)}" if math.isinf(high) else both
        word = "held" if inside else "missed"
        lines.append(f"| {group} | {', '.join(map(str, sizes))} | {n} | {name} | {short(carried.value)} "
                     f"[{short(carried.interval[0])}, {short(carried.interval[1])}] | {found} | {word} |")  # fmt: skip
    return "\n".join([*lines, "", f"{held} of {known} times that were found lie in their interval of 90 %."])


def main() -> None:
    """Put the table into the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{table()}\n\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
