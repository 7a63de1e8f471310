"""`python -m paper_figs [fig05 ...] [--full]`: build figures of the paper, their .json files and the README's table."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import paper_figs
from paper_figs import look, readme
from paper_figs.job import Job, NotRun
from rfscore.cli import show


def names() -> list[str]:
    """All figure scripts: those of the paper in order, then what goes beyond it."""
    found = [module.name for module in pkgutil.iter_modules(paper_figs.__path__)]
    return sorted(name for name in found if re.match(r"fig\d\d_", name)) + sorted(
        name for name in found if name.startswith("beyond_")
    )


def build(name: str, job: Job) -> str | None:
    """Make one figure; the reason when its runs are not here."""
    script = importlib.import_module(f"paper_figs.{name}")
    try:
        with look.print_style():
            script.main(job)
    except NotRun as reason:
        job.absent(name, title=script.TITLE, paper=script.PAPER, reason=str(reason))
        return str(reason)
    return None


def main(arguments: list[str] | None = None) -> int:
    """Build the figures asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m paper_figs", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="fig05", help="which (default: all): " + ", ".join(names()))
    parser.add_argument("--full", action="store_true", help="the paper's sizes: hours instead of minutes")
    options = parser.parse_args(arguments)
    unknown = [x for x in options.figures if not any(name.startswith(x) for name in names())]
    if unknown:
        parser.error(f"no figure {', '.join(unknown)}; there are {', '.join(names())}")
    chosen = [n for n in names() if not options.figures or any(n.startswith(x) for x in options.figures)]
    show.legible_streams()
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("figures", total=len(chosen))
        for name in chosen:
            start = time.perf_counter()

            def say(text: str, name: str = name) -> None:
                bar.update(task, description=f"{name}: {text}")

            job = Job(options.full, say=say)
            bar.update(task, description=name)
            missing = build(name, job)
            seconds = time.perf_counter() - start
            console.print(f"{name}: " + (f"skipped, not run here: {missing}" if missing else f"{seconds:.0f} s"),
                          highlight=False)  # fmt: skip
            bar.advance(task)
    readme.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
