"""Sweeps: points per second against grid size and workers, the cost model of `--dry-run`, and what a cluster would do.

`python -m benchmarks.sweeps` measures, prints, and writes docs/sweeps-scale.md and rfscore/sweeps/cost.json. A store of
its own for every row, so that nothing is found already done; the compiled programs of the theory are kept between rows,
as they are between sweeps.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize

from benchmarks.clock import numbers
from rfscore.output import write_bytes
from rfscore.sweeps import Progress, Sweep, run

ROOT = Path(__file__).resolve().parents[1]
#: One drawn network in a fresh process: seconds by its own clock of work done, peak bytes, bytes before.
_FINITE = """
import time
import rfscore as rf, rfscore.finite, numpy as np
from rfscore.sweeps import finite
def peak():
    with open("/proc/self/status") as status:
        return 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])
def point(psi_n, psi_p, d):
    return dict(psi_n=psi_n, psi_p=psi_p, t=0.1, d=d, seed=0, features="exact", population="isotropic:1",
                process="ou", target="score",
                activation="tanh")
finite.evaluate(point(1.0, 1.0, 8), (1e3,))
idle, start = peak(), time.process_time()
finite.evaluate(point({n} / {d}, {p} / {d}, {d}), (1e3, 1e4))
print(time.process_time() - start, peak(), idle)
"""
_SHAPES = ((200, 200, 25), (400, 400, 25), (400, 1600, 50), (800, 400, 50), (1200, 2400, 50), (1600, 800, 50))


def theory_grid(side: int) -> Sweep:
    """side x side problems over psi_n and psi_p at t = 0.01, as in the phase diagram."""
    axis = f"1:64:{side}:log"
    return Sweep({"psi_n": axis, "psi_p": axis}, {"t": 0.01})


def finite_grid(count: int) -> Sweep:
    """`count` drawn networks of p = 600 features, n = 300 samples."""
    return Sweep({"seed": list(range(count))}, {"psi_n": 10.0, "psi_p": 20.0, "t": 0.1, "d": 30}, "finite")


def row(name: str, sweep: Sweep, workers: int) -> dict[str, Any]:
    """Seconds of a whole sweep, and points per second once the first task is back (start and compilation behind)."""
    marks: list[tuple[float, int]] = []

    def report(now: Progress) -> None:
        marks.append((time.perf_counter(), now.done))

    with tempfile.TemporaryDirectory() as store:
        start, spent = time.perf_counter(), os.times()
        run(sweep, store, workers=workers, report=report)
        seconds, ended = time.perf_counter() - start, os.times()
    first = next(mark for mark in marks if mark[1] > 0)
    last = marks[-1]
    pace = (last[1] - first[1]) / (last[0] - first[0]) if last[1] > first[1] else sweep.size / seconds
    busy = ended.user + ended.children_user - spent.user - spent.children_user
    return {"what": name, "points": sweep.size, "workers": workers, "seconds": seconds, "pace": pace,
            "core_ms": 1e3 * busy / sweep.size, "start": first[0] - start}  # fmt: skip


def cost_model(rows: list[dict[str, Any]], step: Callable[[str], None]) -> dict[str, float]:
    """Coefficients of `rfscore.sweeps.cost`: theory from the rows, finite size fitted to six shapes."""
    measured = []
    for p, n, d in _SHAPES:
        step(f"finite size: p = {p}, n = {n}")
        measured.append(numbers(_FINITE.format(p=p, n=n, d=d)))
    seconds, peaks, idle = np.array(measured).T
    p, n = (np.array([shape[i] for shape in _SHAPES], dtype=float) for i in (0, 1))
    terms = np.stack([p**3, p**2 * n, p**2, np.ones_like(p)], axis=1)
    fit, _ = optimize.nnls(terms / seconds[:, None], np.ones_like(seconds))  # relative errors count alike
    doubles = max((peaks - idle - 32.0 * p * n) / (8.0 * p * p))
    theory = [r for r in rows if r["what"] == "theory"]
    one = max((r for r in theory if r["workers"] == 1), key=lambda r: r["points"])
    return {"theory": 1.0 / one["pace"], "start": 4.0, "start_theory": max(r["start"] for r in theory),
            "p3": fit[0], "p2n": fit[1], "p2": fit[2], "finite": fit[3] + 0.01, "theory_bytes": 1.2e9,
            "idle_bytes": float(max(idle)), "doubles_per_p2": float(max(doubles, 4.0))}  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The scaling table in Markdown, with the ratio to one worker, and the estimate for a cluster."""
    lines = [
        "| evaluated by | points | workers | seconds | until the first result | points/s after it | to 1 worker "
        "| ms of a core per point, start included |", "|---|---|---|---|---|---|---|---|"
    ]  # fmt: skip
    for r in rows:
        alone = next(x for x in rows if (x["what"], x["points"], x["workers"]) == (r["what"], r["points"], 1))
        lines.append(f"| {r['what']} | {r['points']} | {r['workers']} | {r['seconds']:.1f} | {r['start']:.1f} "
                     f"| {r['pace']:.3g} | {r['pace'] / alone['pace']:.2f} | {r['core_ms']:.1f} |")  # fmt: skip
    best = max((r for r in rows if r["what"] == "theory" and r["workers"] == 1), key=lambda r: r["points"])
    for cores in (32, 256):
        hours = 1e6 / (cores * best["pace"]) / 3600.0
        lines += ["", f"A diagram of 1e6 points by theory on {cores} cores: 1e6/({cores} x {best['pace']:.3g}) = "
                  f"{60 * hours:.0f} minutes of work, and {best['start']:.0f} s to start each worker; about 1 GB "
                  "of records."]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small grids only; nothing is written")
    quick = parser.parse_args().quick
    rows: list[dict[str, Any]] = []
    for side in (8, 16) if quick else (16, 32, 64):
        for workers in (1, 2):
            print(f"theory, {side} x {side}, {workers} workers", flush=True)
            rows.append(row("theory", theory_grid(side), workers))
    for workers in (1, 2):
        print(f"finite networks, {workers} workers", flush=True)
        rows.append(row("finite networks, p = 600, n = 300", finite_grid(16 if quick else 60), workers))
    text = table(rows)
    print(text)
    if not quick:
        write_bytes(ROOT / "docs" / "sweeps-scale.md", f"# Scale of sweeps\n\n{text}".encode())
        fitted = {name: float(f"{value:.3g}") for name, value in cost_model(rows, print).items()}
        write_bytes(ROOT / "rfscore" / "sweeps" / "cost.json", (json.dumps(fitted, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
