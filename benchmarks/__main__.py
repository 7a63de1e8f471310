"""Measure, print the tables, and put them into docs/about/performance.md, the first rows also into the README."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import jax
import numpy as np
import scipy
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import finite, networks, theory
from benchmarks.clock import Row
from rfscore.output import write_bytes

HERE = Path(__file__).resolve().parent
MARKS = ("<!-- bench: written by `make bench` -->", "<!-- /bench -->")
SPEED_MARKS = ("<!-- speed: written by `make bench` -->", "<!-- /speed -->")
NETWORK_MARKS = ("<!-- bench-networks: written by `make bench ARGS=--networks` -->", "<!-- /bench-networks -->")


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.2 else f"{1e3 * seconds:.1f} ms"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else f"1/{1 / value:.0f}"


def table(rows: list[Row], sizes: list[dict[str, float]]) -> str:
    """Both tables in Markdown."""
    lines = ["| what | time | ratio | to | wanted |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.what} | {_time(row.seconds)} | {_ratio(row.ratio)} | {row.reference} ({_time(row.reference_seconds)}) "
        f"| {row.target} |"
        for row in rows
    ]
    if sizes:
        lines += ["", "| p (n = 800, d = 100) | features / eigh | flow / eigh | eigh | peak memory / p^2 doubles |",
                  "|---|---|---|---|---|"]  # fmt: skip
        lines += [
            f"| {int(s['p'])} | {s['build'] / s['eigh']:.2f} | {s['flow'] / s['eigh']:.2f} | {_time(s['eigh'])} "
            f"| {s['doubles_per_p2']:.1f} |"
            for s in sizes
        ]
    return "\n".join(lines)


def picture(sizes: list[dict[str, float]]) -> None:
    """Seconds and memory against p on log axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    p = np.array([s["p"] for s in sizes])
    for key, label, marker in (("build", "exact features", "s"), ("flow", "flow, 100 times", "o"),
                               ("eigh", "bare eigh", "^")):  # fmt: skip
        left.loglog(p, [s[key] for s in sizes], marker=marker, label=label)
    left.loglog(p, sizes[-1]["eigh"] * (p / p[-1]) ** 3, "k:", lw=1, label=r"$\propto p^3$")
    left.set(xlabel="features p", ylabel="seconds")
    left.legend(frameon=False, fontsize=8)
    right.loglog(p, [s["memory"] / 2**20 for s in sizes], "o-", label="peak memory")
    right.loglog(p, 8.0 * 8.0 * p**2 / 2**20, "k:", lw=1, label=r"$8p^2$ doubles")
    right.set(xlabel="features p", ylabel="MiB above an idle process")
    right.legend(frameon=False, fontsize=8)
    for ax in (left, right):  # a tick at every size measured: automatic ones overlap over so short a range
        ax.set_xticks(p, [f"{value:.0f}" for value in p])
        ax.minorticks_off()
    figure.savefig(HERE / "scaling.png", dpi=160)


def into(name: str, text: str, marks: tuple[str, str]) -> None:
    """Replace what stands between the marks of a file."""
    path = HERE.parent / name
    content = path.read_text(encoding="utf-8")
    before, rest = content.split(marks[0])
    after = rest.split(marks[1])[1]
    write_bytes(path, f"{before}{marks[0]}\n{text}\n{marks[1]}{after}".encode())


def main() -> None:
    """Run the benchmarks of the theory and of finite size, or those of the networks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only; nothing is written")
    parser.add_argument("--networks", action="store_true", help="the U-Net and f_mem instead of theory and finite size")
    options = parser.parse_args()
    quick = options.quick
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        task = bar.add_task("benchmarks", total=None)

        def step(text: str) -> None:
            bar.update(task, description=text)

        if options.networks:
            rows, sizes = networks.rows(step, quick), []
        else:
            rows = theory.rows(step) + finite.rows(step, 800 if quick else 3200)
            sizes = [] if quick else finite.scaling(step)
    text = table(rows, sizes)
    Console().print(text, markup=False, soft_wrap=True)
    if quick:
        return
    machine = {"machine": platform.machine(), "python": platform.python_version(), "numpy": np.__version__,
               "scipy": scipy.__version__, "jax": jax.__version__}  # fmt: skip
    record = {"rows": [vars(row) for row in rows]}
    if options.networks:
        record |= {"device": jax.devices()[0].device_kind, **machine}
        write_bytes(HERE / "networks.json", json.dumps(record, indent=1).encode())
        into("docs/about/performance.md", text, NETWORK_MARKS)
    else:
        record |= {"scaling": sizes, **machine}
        write_bytes(HERE / "results.json", json.dumps(record, indent=1).encode())
        picture(sizes)
        into("docs/about/performance.md", text, MARKS)
        into("README.md", table(rows[:5], []), SPEED_MARKS)


if __name__ == "__main__":
    main()
