"""Committed runs of networks, put together where they can be compared: what the claims on them share.

Runs are compared within groups of equal data, optimiser and guidance; a claim is reproduced when every group that can
tell agrees. What no group can tell is not testable here, with the reason found in the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rfscore.runs.compare import Comparison as Compared
from rfscore.runs.compare import compare
from rfscore.runs.readings import RunTimes
from rfscore.runs.scaling import horizontal_spread
from rfscore.runs.summary import RunSummary
from rfscore.validation.evidence import Comparison, NotTestable, below, more, near, telling
from rfscore.validation.lab import COINCIDE, Lab, one_digit

#: An exponent that is less certain than this cannot tell n from the square root of n.
TELLS = 0.25
#: A U-Net this narrow has one channel in each group of its last norm, which takes the mean out of every channel: it
#: cannot predict the mean of the noise and makes no images. The paper's own statements on W are for wider ones.
NO_MEAN = 8
FROM_RUNS = "the larger of half the 95 % measurement interval and the scatter of the runs"


@dataclass(frozen=True)
class Group:
    """Runs that differ in n, W and seed only."""

    name: str
    images: bool
    runs: tuple[RunSummary, ...]
    guided: bool = False


def kind(run: RunSummary) -> tuple[str, ...]:
    """Data, optimiser, dimension, guidance, experiment: what runs of a group have in common."""
    facts = run.facts
    words = (facts.get("data", "?"), facts.get("optimizer", "?"), facts.get("d", "?"), facts.get("guidance") or "",
             facts.get("experiment", ""))  # fmt: skip
    return (str(words[0]).split(",")[0], *map(str, words[1:]))


def groups(
    lab: Lab, *, images: bool | None = None, where: Callable[[RunSummary], bool] = lambda run: True
) -> list[Group]:
    """Groups of the committed runs; asked for images or for the mixture, without the guided ones."""
    kinds: dict[tuple[str, ...], list[RunSummary]] = {}
    for run in lab.runs():
        if where(run):
            kinds.setdefault(kind(run), []).append(run)
    found = [
        Group(f"{experiment}, {optimizer}{', guided' if guided else ''}", data != "mixture", tuple(runs), bool(guided))
        for (data, optimizer, _, guided, experiment), runs in sorted(kinds.items())
    ]
    return [g for g in found if images is None or (g.images == images and not g.guided)]


def of_width(group: Group) -> list[Group]:
    """The group's runs of each width."""
    widths = sorted({run.width for run in group.runs})
    return [Group(f"{group.name}, W = {w}", group.images, tuple(r for r in group.runs if r.width == w)) for w in widths]


def words(runs: Sequence[RunSummary]) -> str:
    """How many runs, and which n."""
    return f"{len(runs)} runs, n = {min(r.n for r in runs)} … {max(r.n for r in runs)}"


def compared(lab: Lab, group: Group, quality: str = "test_loss") -> Compared:
    """Times, fits and spread of a group, once."""
    key = ("compared", quality, *(run.name for run in group.runs))
    return lab.once(key, lambda: compare(group.runs, quality=quality, resamples=500, prediction=False, seed=lab.seed))


def times(lab: Lab, runs: Sequence[RunSummary]) -> list[RunTimes]:
    """The times of runs, each read beside those of its group."""
    return [x for g in groups(lab, where=lambda r: r in runs) for x in compared(lab, g).runs]


def _uncertainty(interval: tuple[float, float], scatter: float) -> float:
    """The larger of half the measurement interval and the scatter about the law; inf when neither is known."""
    known = [x for x in (0.5 * (interval[1] - interval[0]), scatter) if np.isfinite(x)]
    return max(known, default=np.inf)


def _exponent(what: str, value: float, target: float, sizes: Any, error: float) -> Comparison:
    """An exponent to one digit of the constant over these sizes, at most `TELLS`."""
    return near(what, value, target, min(TELLS, one_digit(sizes)), error, FROM_RUNS)


def exponents(lab: Lab, chosen: list[Group], time: str, target: float, quality: str = "test_loss") -> list[Comparison]:
    """gamma of one time over n, for every group and width with two times or more."""
    found, short = [], []
    for group in (x for g in chosen for x in of_width(g)):
        if len({r.n for r in group.runs}) < 2 or any(quality not in r.columns for r in group.runs):
            continue
        here = compared(lab, group, quality)
        fit = here.fits[time]
        if fit.used < 2 or not np.isfinite(fit.gamma):
            short.append(f"{group.name}: {fit.used} of {fit.used + fit.left_out} runs reach it")
            continue
        sizes = [x.run.n for x, value in zip(here.runs, here.values(time), strict=True) if np.isfinite(value)]
        found.append(_exponent(f"exponent in n, {group.name} ({fit.used} of {words(group.runs)})", fit.gamma, target,
                               sizes, _uncertainty(fit.gamma_interval, fit.gamma_error)))  # fmt: skip
    if not found:
        raise NotTestable("no two runs of one kind and width that differ in n reach this time"
                          + (f" ({'; '.join(short)})" if short else ""))  # fmt: skip
    return telling(found)


def width_exponents(lab: Lab, chosen: list[Group], time: str, target: float) -> list[Comparison]:
    """beta of one time over 1/W, for every group with two widths that reach it."""
    found, chosen = [], [replace(g, runs=tuple(r for r in g.runs if not g.images or r.width > NO_MEAN)) for g in chosen]
    for group in (g for g in chosen if len({r.width for r in g.runs}) > 1):
        here = compared(lab, group)
        fit, widths = here.fits[time], sorted({r.width for r in group.runs})
        if np.isfinite(fit.beta):
            name = f"W = {', '.join(map(str, widths))}, {fit.used} of {words(group.runs)}"
            found.append(_exponent(f"exponent in 1/W, {group.name} ({name})", fit.beta, target, widths,
                                   _uncertainty(fit.beta_interval, fit.beta_error)))  # fmt: skip
    if not found:
        names = "; ".join(f"{g.name}: W = {', '.join(map(str, sorted({r.width for r in g.runs})))}" for g in chosen)
        raise NotTestable(f"the committed runs have no two widths that reach this time ({names or 'no such runs'})")
    return telling(found)


def collapse(lab: Lab, chosen: list[Group]) -> list[Comparison]:
    """Horizontal spread of f_mem along tau/n, with its uncertainty by resampling the generated samples."""
    found = []
    for group in (x for g in chosen for x in of_width(g) if len(x.runs) > 1):
        spread = compared(lab, group).spread
        if np.isfinite(spread.get("tau", np.nan)) and np.isfinite(spread.get("tau/n", np.nan)):
            what = f"spread of f_mem along τ/n, {group.name} ({words(group.runs)})"
            found.append(below(what, spread["tau/n"], COINCIDE, _spread_error(lab, group), "95 % interval/2, samples"))
            found.append(more(f"spread along τ, {group.name}", spread["tau"]))
    if not found:
        raise NotTestable("no two runs of one kind and width reach f_mem = 5 % above chance")
    return telling(found)


def _spread_error(lab: Lab, group: Group, resamples: int = 200) -> float:
    """Half of the 95 % interval of the spread along tau/n over resampled memorised fractions."""
    rng, values = lab.rng(840), []
    for _ in range(resamples):
        lines = []
        for run in group.runs:
            tau, f = run.curve("f_mem")
            count = int(run.facts["samples"])  # type: ignore[call-overload]
            chance = float(run.facts.get("chance_level") or 0.0)  # type: ignore[arg-type]
            lines.append((tau / run.n, rng.binomial(count, f) / count - chance))
        values.append(horizontal_spread(lines, 0.05))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return 0.5 * float(high - low)
