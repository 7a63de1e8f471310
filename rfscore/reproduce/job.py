"""All stages in order, into one folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from os import PathLike

from rfscore import plotting
from rfscore.output import RunFolder
from rfscore.report import page
from rfscore.reproduce import analysis, figures, laws, real, report, runs
from rfscore.reproduce.config import Plan

#: (stage, units done, units in total); units are seconds of one core, roughly.
Report = Callable[[str, float, float], None]
_STARTING = 20.0  # compiling the theory, drawing the figures


def _total(plan: Plan, d: int, chosen: real._Sizes) -> float:
    s, c = plan.spectrum, plan.curves
    spectra = sum(s.seeds * runs.cost(round(s.psi_p * s.d), round(v * s.d), vectors=False) for v in s.psi_n)
    losses = sum(c.seeds * runs.cost(round(c.psi_p * e), round(v * e)) for v in c.psi_n for e in (c.d, c.d // 2))
    return spectra + losses + real.expected_cost(plan, d, chosen) + len(plan.law_psi_p) + _STARTING


def reproduce(
    plan: Plan, out: str | PathLike[str], *, overwrite: bool = False, progress: Report = lambda stage, done, total: None
) -> RunFolder:
    """Run a plan and write figures, results.nc, manifest.json, report.html and report.md into a folder.

    Args:
        plan: sizes and seed, e.g. PRESETS["default"].
        out: the folder; new, empty, or one that rfscore made.
        overwrite: take any folder; its other files stay.
        progress: called with the stage, units done and units in total.

    Returns:
        The folder, with the names of its files.

    Raises:
        InputError: images that cannot be read, or a folder that cannot be written.
        SolveError: a solution of the theory that could not be verified.
    """
    seeds = {"seed": plan.seed, "streams": "SeedSequence([seed, stage, psi_n index, (d,) run])"}
    start = time.perf_counter()
    data, chosen = real.load(plan)  # before the folder: images that cannot be read leave none
    with RunFolder(out, overwrite=overwrite, problem=plan, seeds=seeds) as folder, plotting.paper():
        folder.record(data={"name": data.name, "sha256": data.sha256, "images": data.count, "shape": data.shape})
        total, done, lock = _total(plan, data.d, chosen), 0.0, threading.Lock()

        def advance(stage: str, units: float) -> None:
            nonlocal done
            with lock:  # tasks end in threads
                done += units
                progress(stage, done, total)

        advance("spectra", 0.0)
        spectra = runs.spectra(plan, advance)
        advance("exact training", 0.0)
        tau, curves = runs.curves(plan, advance)
        advance("real images", 0.0)
        images = real.compare(plan, data, chosen, advance)
        exponents = laws.laws(plan, advance)
        numbers = analysis.analyse(plan, spectra, tau, curves, images, exponents)
        advance("report", 0.5 * _STARTING)
        pictures = {}
        for name, figure in figures.all_figures(spectra, tau, curves, images, numbers, plan.curves.d):
            png = folder.figure(f"figures/{name}", figure)
            pictures[name] = (png.read_bytes(), *plotting.cut(figure))
        folder.netcdf("results.nc", report.dataset(plan, spectra, tau, curves, images, numbers))
        folder.json("numbers.json", numbers)
        seconds = time.perf_counter() - start
        blocks = report.blocks(plan, numbers, spectra, images, pictures, seconds)
        meta = report.meta(plan)
        folder.text("report.md", page.to_markdown(report.TITLE, meta, blocks))
        folder.text("report.html", page.to_html(report.TITLE, meta, blocks))
        advance("done", total - done)
    return folder
