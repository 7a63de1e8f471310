"""Claims on trained networks, read from the committed run summaries; every number says from which runs it is.

Runs are compared within groups of equal data, optimiser and guidance; a claim is reproduced when every group that can
tell agrees. What no group can tell is not testable here, with the reason found in the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rfscore import observables as ob
from rfscore.unet.compare import Comparison as Compared
from rfscore.unet.compare import compare
from rfscore.unet.readings import RunTimes
from rfscore.unet.summary import RunSummary
from rfscore.validation.evidence import Comparison, NotTestable, below, more, near
from rfscore.validation.lab import Lab

#: Small data sets and few runs: an exponent within this of 1 or 0 counts.
LINEAR = FLAT = 0.3
FROM_RUNS = "the larger of half the 95 % measurement interval and the scatter of the runs"


@dataclass(frozen=True)
class Group:
    """Runs that differ in n, W and seed only."""

    name: str
    images: bool
    runs: tuple[RunSummary, ...]
    guided: bool = False


def _kind(run: RunSummary) -> tuple[str, ...]:
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
            kinds.setdefault(_kind(run), []).append(run)
    found = [
        Group(f"{experiment}, {optimizer}{', guided' if guided else ''}", data != "mixture", tuple(runs), bool(guided))
        for (data, optimizer, _, guided, experiment), runs in sorted(kinds.items())
    ]
    return [g for g in found if images is None or (g.images == images and not g.guided)]


def _words(runs: Sequence[RunSummary]) -> str:
    return f"{len(runs)} runs, n = {min(r.n for r in runs)} … {max(r.n for r in runs)}"


def _compared(lab: Lab, group: Group, quality: str = "test_loss") -> Compared:
    key = ("compared", quality, *(run.name for run in group.runs))
    return lab.once(key, lambda: compare(group.runs, quality=quality, resamples=500, prediction=False, seed=lab.seed))


def _uncertainty(interval: tuple[float, float], scatter: float) -> float:
    """The larger of half the measurement interval and the scatter about the law; inf when neither is known."""
    known = [x for x in (0.5 * (interval[1] - interval[0]), scatter) if np.isfinite(x)]
    return max(known, default=np.inf)


def _of_width(group: Group) -> list[Group]:
    widths = sorted({run.width for run in group.runs})
    return [Group(f"{group.name}, W = {w}", group.images, tuple(r for r in group.runs if r.width == w)) for w in widths]


def _exponents(
    lab: Lab, chosen: list[Group], time: str, target: float, tolerance: float, quality: str = "test_loss"
) -> list[Comparison]:
    """gamma of one time over n, for every group and width with two times or more."""
    found, short = [], []
    for group in (x for g in chosen for x in _of_width(g)):
        if len({r.n for r in group.runs}) < 2 or any(quality not in r.columns for r in group.runs):
            continue
        fit = _compared(lab, group, quality).fits[time]
        if fit.used < 2 or not np.isfinite(fit.gamma):
            short.append(f"{group.name}: {fit.used} of {fit.used + fit.left_out} runs reach it")
            continue
        used = f"{fit.used} of {_words(group.runs)}"
        found.append(near(f"exponent in n, {group.name} ({used})", fit.gamma, target, tolerance,
                          _uncertainty(fit.gamma_interval, fit.gamma_error), FROM_RUNS))  # fmt: skip
    if not found:
        raise NotTestable("no two runs of one kind and width that differ in n reach this time"
                          + (f" ({'; '.join(short)})" if short else ""))  # fmt: skip
    return found


def gmm_mem_n(lab: Lab) -> list[Comparison]:
    """Figure 9 left: tau_mem proportional to n on the mixture."""
    return _exponents(lab, groups(lab, images=False), "tau_mem", 1.0, LINEAR)


def gmm_gen_n(lab: Lab) -> list[Comparison]:
    """Figure 9 left: tau_gen does not depend on n: the lowest KL divergence."""
    return _exponents(lab, groups(lab, images=False), "tau_gen", 0.0, FLAT, "kl")


def images_mem_n(lab: Lab) -> list[Comparison]:
    """Figure 2: tau_mem proportional to n for U-Nets on images."""
    return _exponents(lab, groups(lab, images=True), "tau_mem", 1.0, LINEAR)


def images_gen_n(lab: Lab) -> list[Comparison]:
    """Figure 2: tau_gen does not depend on n, at n of at least 128 as in the paper."""
    chosen = groups(lab, images=True, where=lambda run: run.n >= 128)
    return _exponents(lab, chosen, "tau_gen", 0.0, FLAT)


def images_gen_small_n(lab: Lab) -> list[Comparison]:
    """The same at n < 128, below the paper's range."""
    return _exponents(lab, groups(lab, images=True, where=lambda run: run.n <= 128), "tau_gen", 0.0, FLAT)


def _collapse(lab: Lab, chosen: list[Group]) -> list[Comparison]:
    found = []
    for group in (x for g in chosen for x in _of_width(g)):
        spread = _compared(lab, group).spread if len(group.runs) > 1 else {}
        plain, scaled = (np.log(spread.get(k, np.nan)) for k in ("tau", "tau/n"))
        if np.isfinite(plain) and np.isfinite(scaled):
            what = f"spread of f_mem left along τ/n, as a fraction of that along τ (logarithms), {group.name}"
            found.append(below(what, scaled / plain, 0.5, 0.05, "samples of f_mem"))
            found.append(more(f"spread along τ/n, {group.name} ({_words(group.runs)})", float(np.exp(scaled))))
    if not found:
        raise NotTestable("no two runs of one kind and width reach f_mem = 5 % above chance")
    return found


def images_collapse(lab: Lab) -> list[Comparison]:
    """Figure 2 left, inset."""
    return _collapse(lab, groups(lab, images=True))


def gmm_collapse(lab: Lab) -> list[Comparison]:
    """Figure 9 left, inset."""
    return _collapse(lab, groups(lab, images=False))


def _width_scaling(lab: Lab, chosen: list[Group], time: str, target: float) -> list[Comparison]:
    found = []
    for group in chosen:
        widths = {r.width for r in group.runs}
        if len(widths) < 2:
            continue
        fit = _compared(lab, group).fits[time]
        if np.isfinite(fit.beta):
            words = f"W = {', '.join(map(str, sorted(widths)))}, {fit.used} of {_words(group.runs)}"
            found.append(near(f"exponent in 1/W, {group.name} ({words})", fit.beta, target, LINEAR,
                              _uncertainty(fit.beta_interval, fit.beta_error), FROM_RUNS))  # fmt: skip
    if not found:
        names = "; ".join(f"{g.name}: W = {', '.join(map(str, sorted({r.width for r in g.runs})))}" for g in chosen)
        raise NotTestable(f"the committed runs have no two widths that reach this time ({names or 'no such runs'})")
    return found


def gmm_mem_width(lab: Lab) -> list[Comparison]:
    """Figure 9 right."""
    return _width_scaling(lab, groups(lab, images=False), "tau_mem", 1.0)


def images_mem_width(lab: Lab) -> list[Comparison]:
    """Figure 3C and D."""
    return _width_scaling(lab, groups(lab, images=True), "tau_mem", 1.0)


def images_gen_width(lab: Lab) -> list[Comparison]:
    """Figure 3A and B."""
    return _width_scaling(lab, groups(lab, images=True), "tau_gen", 1.0)


def _times(lab: Lab, runs: Sequence[RunSummary]) -> list[RunTimes]:
    return [x for g in groups(lab, where=lambda r: r in runs) for x in _compared(lab, g).runs]


def split_before_copies(lab: Lab) -> list[Comparison]:
    """Figure 2 middle: the losses part before copies appear, in every run in which they do."""
    found = []
    for x in _times(lab, [r for r in lab.runs() if {"f_mem", "train_loss", "test_loss"} <= set(r.columns)]):
        mem, run = x.times["tau_mem"], x.run
        if mem.observable.status != "ok":
            continue
        tau, train = run.curve("train_loss")
        gap = (run.curve("test_loss")[1] - train) / train
        split = ob.onset(tau, gap, 0.1)
        if split.status == "ok":
            error = 0.5 * (mem.interval[1] - mem.interval[0]) / mem.observable.value
            found.append(below(f"time at which the test loss is 10 % above the training loss, over τ_mem, {run.name}",
                               split.value / mem.observable.value, 1.0, error * split.value / mem.observable.value,
                               "95 % interval/2 of τ_mem"))  # fmt: skip
    if not found:
        raise NotTestable("no run reaches f_mem = 5 % above chance with its losses measured")
    return found


def novel_at_gen(lab: Lab) -> list[Comparison]:
    """At the lowest test loss nothing is memorised yet, in every run."""
    found = []
    for x in _times(lab, [r for r in lab.runs() if {"f_mem", "test_loss"} <= set(r.columns)]):
        if x.times["tau_gen"].observable.status == "ok":
            tau, f = x.run.curve("f_mem")
            samples = float(x.run.facts.get("samples") or np.nan)
            value = float(np.interp(np.log(x.times["tau_gen"].observable.value), np.log(np.maximum(tau, 1e-3)), f))
            value -= float(x.run.facts.get("chance_level") or 0.0)
            found.append(below(f"f_mem − chance at τ_gen, {x.run.name}", value, 0.02, 1.0 / samples, "one sample"))
    if not found:
        raise NotTestable("no run has both curves and a lowest test loss before its end")
    return found


def two_phases_adam(lab: Lab) -> list[Comparison]:
    """Figure 7 right: with Adam, tau_gen before tau_mem, in every U-Net run."""
    chosen = [r for r in lab.runs() if r.facts.get("optimizer") == "adam" and _kind(r)[0] != "mixture"]
    found = []
    for x in _times(lab, chosen):
        gen, mem = x.times["tau_gen"].observable, x.times["tau_mem"].observable
        later = mem.value if mem.status == "ok" else mem.interval[0]
        if gen.status == "ok" and np.isfinite(later):
            bound = "" if mem.status == "ok" else " (bound: not reached)"
            low, high = x.times["tau_gen"].interval
            found.append(below(f"τ_gen over τ_mem, {x.run.name}{bound}", gen.value / later, 1.0,
                               0.5 * (high - low) / later, "95 % interval/2 of τ_gen"))  # fmt: skip
    if not found:
        raise NotTestable("no U-Net runs with Adam among the summaries")
    return found


def full_batch(lab: Lab) -> list[Comparison]:
    """Figure 7 left: runs whose batch is the whole training set."""
    chosen = groups(lab, where=lambda run: run.facts.get("batch") == run.n)
    return _exponents(lab, chosen, "tau_mem", 1.0, LINEAR)


def guided(lab: Lab) -> list[Comparison]:
    """Figure 10: classifier-free guidance."""
    chosen = [g for g in groups(lab) if g.guided]
    if not chosen:
        raise NotTestable("no run with guidance among the summaries")
    return [*_collapse(lab, chosen), *_exponents(lab, chosen, "tau_mem", 1.0, LINEAR)]


def kl_to_zero(lab: Lab) -> list[Comparison]:
    """Figure 9: the lowest KL divergence of each run on the mixture is about 0."""
    found = [
        below(f"lowest KL divergence, {run.name}", float(run.curve("kl")[1].min()), 0.3, 0.1, "sampling")
        for group in groups(lab, images=False) for run in group.runs if "kl" in run.columns
    ]  # fmt: skip
    if not found:
        raise NotTestable("no run on the mixture measured the KL divergence")
    return found


def from_population_to_empirical(lab: Lab) -> list[Comparison]:
    """Figure 1: the learned score is first nearest the population's, and ends nearer the empirical one than then."""
    found = []
    for group in groups(lab, images=False):
        for run in group.runs:
            if {"score_population", "score_empirical"} <= set(run.columns):
                _, far = run.curve("score_population")
                _, near_ = run.curve("score_empirical")
                i = int(np.argmin(far))
                found.append(below(f"lowest over last distance to the population score, {run.name}", far[i] / far[-1],
                                   0.9, 0.05, "sampling"))  # fmt: skip
                found.append(below(f"last distance to the empirical score over that at this time, {run.name}",
                                   near_[-1] / near_[i], 1.0, 0.05, "sampling"))  # fmt: skip
    if not found:
        raise NotTestable("no run measured its distances to both scores")
    return found


def _faces(lab: Lab, **wanted: object) -> list[RunSummary]:
    """Runs at the paper's protocol: CelebA at 32 x 32, SGD; with what else is asked for."""
    found = []
    for run in lab.runs():
        facts = {**run.facts, "n": run.n, "width": run.width}
        faces = "celeba" in str(facts.get("data", "")).lower() and facts.get("d") == 1024
        if faces and facts.get("optimizer") == "sgd" and all(facts.get(k) == v for k, v in wanted.items()):
            found.append(run)
    if not found:
        words = ", ".join(f"{'W' if k == 'width' else k} = {v}" for k, v in wanted.items())
        kinds = sorted({f"{_kind(r)[0]} ({_kind(r)[1]}, d = {r.facts.get('d')})" for r in lab.runs()})
        raise NotTestable(f"needs runs on 32 × 32 faces with SGD{', ' + words if words else ''}, about two days of two "
                          f"GPUs each; committed are {', '.join(kinds)}")  # fmt: skip
    return found


def copies_at_the_end(lab: Lab) -> list[Comparison]:
    """f_mem = 47.2 % at tau = 1.62 million, 0 at 190 000, n = 1024, W = 32."""
    [run, *_] = _faces(lab, n=1024, width=32)
    tau, f = run.curve("f_mem")
    if tau[-1] < 1.62e6:
        raise NotTestable(f"{run.name} ends at τ = {tau[-1]:.3g}, before 1.62 million")
    at = [float(np.interp(x, tau, f)) for x in (1.62e6, 1.9e5)]
    return [near(f"f_mem at 1.62 million, {run.name}", at[0], 0.472, 0.05, 0.01, "samples"),
            below(f"f_mem at 190 000, {run.name}", at[1], 0.01, 0.002, "samples")]  # fmt: skip


def gen_100k(lab: Lab) -> list[Comparison]:
    """tau_gen of about 100 000 steps at W = 32."""
    times = _times(lab, _faces(lab, width=32))
    return [near(f"τ_gen/100 000, {x.run.name}", x.times["tau_gen"].observable.value / 1e5, 1.0, 0.5, 0.1, "interval")
            for x in times]  # fmt: skip


def mem_300_n(lab: Lab) -> list[Comparison]:
    """tau_mem/n of about 300 steps at W = 32."""
    times = _times(lab, _faces(lab, width=32))
    return [near(f"τ_mem/(300 n), {x.run.name}", x.times["tau_mem"].observable.value / (300 * x.run.n), 1.0, 0.5, 0.1,
                 "interval") for x in times]  # fmt: skip


def width_times_gen(lab: Lab) -> list[Comparison]:
    """W tau_gen of about 3 million."""
    times = _times(lab, _faces(lab))
    return [near(f"W τ_gen/(3·10^6), {x.run.name}", x.times["tau_gen"].observable.value * x.run.width / 3e6, 1.0, 0.5,
                 0.1, "interval") for x in times]  # fmt: skip


def largest_n(lab: Lab) -> list[Comparison]:
    """n = 32 768, W = 32: test and training loss coincide up to 11 million steps."""
    [run, *_] = _faces(lab, n=32_768, width=32)
    tau, train = run.curve("train_loss")
    if tau[-1] < 1.1e7:
        raise NotTestable(f"{run.name} ends at τ = {tau[-1]:.3g}, before 11 million")
    return [near("test over training loss at the end", run.curve("test_loss")[1][-1] / train[-1], 1.0, 0.05, 0.01,
                 "noise draws")]  # fmt: skip


def fid_35(lab: Lab) -> list[Comparison]:
    """FID 35.1 at tau = 190 000: needs the Inception network of FID."""
    [run, *_] = _faces(lab, n=1024, width=32)
    if "fid" not in run.columns:
        raise NotTestable(f"{run.name} has no FID: its Inception weights are not part of the package")
    tau, fid = run.curve("fid")
    return [near(f"FID at 190 000, {run.name}", float(np.interp(1.9e5, tau, fid)), 35.1, 2.0, 0.5, "5 test sets")]


def phase_boundary(lab: Lab) -> list[Comparison]:
    """Figure 3 right: n(p), the smallest n without copies, grows with training time and saturates at n*(p)."""
    sizes = {(r.width, r.n) for g in groups(lab, images=True) for r in g.runs if "f_mem" in r.columns}
    widths = sorted({w for w, _ in sizes})
    if len(widths) < 3:
        raise NotTestable(f"needs three widths with several n each on one set of images; the runs have W = {widths}")
    found = []
    for group in groups(lab, images=True):
        for part in _of_width(group):
            smallest = [min((r.n for r in part.runs if np.interp(s, *r.curve("f_mem")) < 0.01), default=np.nan)
                        for s in (1.0, 3.0, 8.0)]  # fmt: skip
            found.append(
                below(f"n(p) early over late, {part.name}", smallest[0] / smallest[-1], 1.0, 0.1, "spacing of n")
            )
    return found


def same_for_other_k(lab: Lab) -> list[Comparison]:
    """k = 1/2 and 1/4 give the same scaling: needs f_mem at several k."""
    found = [r for r in lab.runs() if any(name.startswith("f_mem_k") for name in r.columns)]
    if not found:
        raise NotTestable("the summaries hold f_mem at k = 1/3 only; the criterion itself is checked on made samples")
    raise NotTestable(f"{found[0].name} has several k, but no exponent over n")
