"""Sentences of the report. Every number in them is computed, and so is every verdict."""

from __future__ import annotations

import math

import numpy as np

from rfscore.observables import local_slopes
from rfscore.report.numbers import listed, num, percent, span
from rfscore.report.page import Bullets
from rfscore.reproduce.analysis import Atom, BulkShare, Distance, Numbers, Times
from rfscore.reproduce.config import Plan
from rfscore.reproduce.laws import NEAR_ONE
from rfscore.reproduce.real import RealResult
from rfscore.reproduce.runs import SpectrumResult


def agreement(plan: Plan, numbers: Numbers) -> str:
    """Theory against runs, and how the difference depends on d."""
    found, d = numbers.agreement, plan.curves.d
    full, half = (float(np.mean([getattr(x, name) for x in found])) for name in ("test_relative", "half_test_relative"))
    return (
        f"Over all training times and all ψ_n, the mean of {plan.curves.seeds} runs at d = {d} differs from the "
        f"infinite-size theory by at most {num(max(x.train for x in found))} in the training loss and by at most "
        f"{percent(max(x.test_relative for x in found))} in the test loss. The largest relative difference of the test "
        f"loss, averaged over ψ_n, is {percent(full)} at d = {d} and {percent(half)} at d = {d // 2}, a factor "
        f"{num(half / full, 2)}; a correction of order 1/d would give {num(d / (d // 2), 2)}."
    )


def generalisation(numbers: Numbers) -> str:
    """Where the test loss is lowest."""
    found = numbers.times
    return (
        f"The test loss is lowest at τ_opt = {span([x.theory_opt for x in found])} (theory), against 1/Δ_t = "
        f"{num(float(found[0].spectral.tau_gen_scale))}: while ψ_n grows {num(found[-1].psi_n / found[0].psi_n, 2)} "
        f"times, τ_opt changes by a factor {num(found[-1].theory_opt / found[0].theory_opt, 2)} (exponent "
        f"{num(numbers.exponents.opt, 2)})."
    )


def memorisation(numbers: Numbers) -> str:
    """The exponent of tau_half, measured and predicted."""
    e, found = numbers.exponents, numbers.times
    local = local_slopes(np.array([x.psi_n for x in found]), np.array([x.runs_half for x in found])).slope
    low, high = e.runs.interval
    interval = (
        f"{100 * e.runs.level:.0f} % bootstrap interval {num(low)} to {num(high)}" if low < high else e.runs.message
    )
    ratios = [x.theory_half / float(x.spectral.tau_mem_edge) for x in found]
    return (
        f"Fitted over ψ_n = {found[0].psi_n:g} … {found[-1].psi_n:g}, τ_half ~ n^γ with γ = {num(e.runs.value)} "
        f"({interval}) in the runs and {num(e.theory)} in the theory's curves. The spectral prediction ψ_p/(Δ_t "
        f"λ_min), λ_min being the exact left edge of the sample bulk, has γ = {num(e.spectral)}, with the large-ψ edge "
        f"{num(e.law)}, and the lowest bulk's time {num(e.last)}. τ_half over the first prediction is {span(ratios)} "
        f"by theory. Between neighbouring ψ_n the runs' exponent goes from {num(local[0], 2)} to {num(local[-1], 2)}"
        + ("." if abs(local[0] - local[-1]) < NEAR_ONE else ": one power law does not describe these sizes.")
    )


def proportionality(numbers: Numbers) -> list[str]:
    """Where tau_half is proportional to n, and where not, for each psi_p."""
    sentences = []
    for law in numbers.laws:
        found = law.proportional()
        peak = int(np.argmax(law.tau_half))
        if found is None:
            ends = f"{num(law.slope[0])} to {num(law.slope[-1])}"
            text = f"ψ_p = {law.psi_p:g}: nowhere; the local exponent goes from {ends}"
        else:
            text = (
                f"ψ_p = {law.psi_p:g}: proportional to n (local exponent within {NEAR_ONE:g} of 1) for ψ_n from "
                f"{num(found[0], 2)} to {num(found[1], 2)}, that is up to ψ_n/ψ_p = {num(found[1] / law.psi_p, 2)}"
            )
        if peak < len(law.psi_n) - 1:
            text += f"; τ_half stops growing at ψ_n = {num(law.psi_n[peak], 2)}"
        else:
            text += f"; at ψ_n = ψ_p the exponent is {num(law.slope[-1], 2)}"
        sentences.append(text + ".")
    return sentences


def verdict(numbers: Numbers) -> str:
    """The trend over psi_p in one sentence."""
    first, last = numbers.laws[0], numbers.laws[-1]
    ranges = [law.proportional() for law in (first, last)]
    octaves = [0.0 if r is None else math.log2(r[1] / r[0]) for r in ranges]
    grows = octaves[1] > octaves[0]
    slopes = [float(np.interp(math.log(0.5 * x.psi_p), np.log(x.middle), x.slope)) for x in (first, last)]
    fails = max(slopes) < 1.0 - NEAR_ONE
    return (
        f"“Proportional to n” {'holds' if grows else 'does not become better'} for ψ_p ≫ ψ_n: the range of ψ_n where "
        f"it holds {'grows' if grows else 'goes'} from {num(octaves[0], 2)} octaves at ψ_p = {first.psi_p:g} to "
        f"{num(octaves[1], 2)} at ψ_p = {last.psi_p:g}. It {'fails' if fails else 'also holds'} when ψ_n approaches "
        f"ψ_p: at ψ_n = ψ_p/2 the local exponent is {num(slopes[0], 2)} for ψ_p = {first.psi_p:g} and "
        f"{num(slopes[1], 2)} for ψ_p = {last.psi_p:g}."
    )


def bulk_sentences(found: list[BulkShare]) -> list[str]:
    """What each bulk does to both losses, and when."""
    sentences = []
    for x in reversed(found):
        text = (
            f"{x.name[0].upper()}{x.name[1:]} (λ = {num(x.edges[0])} … {num(x.edges[1])}, {num(x.mass)} of all modes): "
            f"lowers the training loss by {num(-x.train)}, half of it by τ = {num(x.train_half)}"
        )
        dips = x.test_lowest < -1e-3
        lowest = f" takes the test loss down by up to {num(-x.test_lowest)} first, then" if dips else ""
        if x.test > 0:
            text += f";{lowest} raises the test loss by {num(x.test)} in the end, half of it by τ = {num(x.test_half)}"
        else:
            text += f"; lowers the test loss by {num(-x.test)} in the end"
        sentences.append(text + ".")
    return sentences


def small_modes(found: list[BulkShare], time: Times) -> str:
    """The share of the small eigenvalues in memorisation."""
    small, top = found[:-1], found[-1]
    if not small:
        return "There is one bulk only at these sizes; nothing is to be split."
    train_share, test_share = (sum(getattr(x, name) for x in small) / sum(getattr(x, name) for x in found)
                               for name in ("train", "test"))  # fmt: skip
    late = min(x.test_half for x in small if np.isfinite(x.test_half))
    text = (
        f"The eigenvalues below the population bulk make {percent(train_share)} of the final fall of the training loss "
        f"and {percent(test_share)} of the final rise of the test loss, half of it at τ = {num(late)} or later; the "
        f"population bulk has done half of its part in the training loss by τ = {num(top.train_half)}. "
    )
    decides = test_share > 0.5 and late > 10 * top.train_half
    text += f"Small eigenvalues {'set' if decides else 'do not set'} τ_half = {num(time.theory_half)}."
    lowest = [x for x in small if x.name.startswith("lowest")]
    return text + (_lowest_part(lowest, small, time) if lowest else "")


def _lowest_part(lowest: list[BulkShare], small: list[BulkShare], time: Times) -> str:
    """Where memorisation falls between the paper's time and that of the lowest edge."""
    part = sum(x.test for x in lowest) / sum(x.test for x in small)
    paper, last = float(time.spectral.tau_mem_edge), float(time.spectral.tau_last_edge)
    marks = [("τ_half", time.theory_half), ("ψ_p/(Δ_t λ_min)", paper), ("ψ_p/(Δ_t λ_lowest)", last)]
    order = sorted(marks, key=lambda mark: mark[1])
    return (
        f" Of their rise, {percent(part)} belongs to the lowest bulk, d eigenvalues that the large-ψ law counts with "
        f"the sample bulk. In order of time: {listed([f'{name} = {num(value)}' for name, value in order])}."
    )


def spectrum_sentence(result: SpectrumResult, found: Atom | None, d: int) -> str:
    """Masses and atom, theory against drawn matrices."""
    spec = result.theory
    text = (
        f"At ψ_p = {result.problem.psi_p:g}, ψ_n = {result.problem.psi_n:g}, t = {result.problem.t:g} the theory has "
        f"{len(spec.edges)} bulk{'s' * (len(spec.edges) > 1)}: "
        + listed([f"[{num(a)}, {num(b)}] of mass {num(spec.mass(k))}" for k, (a, b) in enumerate(spec.edges)])
    )
    if found is None:
        return text + "; there is no atom."
    text += (
        f", and an atom of mass {num(found.mass, 4)} at s^2 = {num(found.location)}. In the drawn matrices (d = {d}) "
        f"{num(found.counted, 4)} of the eigenvalues lie below the lowest bulk's edge; the lowest "
        f"{percent(found.mass)} of them have mean {num(found.mean)} and standard deviation {num(found.spread)}: at "
        "finite d the atom is a peak, because rows of W differ in length. "
    )
    if len(spec.edges) > 1:
        upper = zip(found.bulk_fractions[1:], spec.masses[1:], strict=True)
        text += (
            f"Atom and lowest bulk together hold {num(found.below_first_gap, 4)} of the eigenvalues (exact: "
            f"{num(found.below_first_gap_exact, 4)}), the bulks above "
            f"{listed([f'{num(a)} (exact {num(b)})' for a, b in upper])}. "
        )
    means = [f"{x.name} {num(x.theory)}, {num(x.equivalent)}, {num(x.exact)}" for x in found.means]
    return f"{text}Mean eigenvalue by theory, in the Gaussian equivalent and in the features: {'; '.join(means)}."


def real_setup(plan: Plan, result: RealResult) -> str:
    """What data, and how they were prepared."""
    data, first = result.data, result.curves[0].problem
    largest = round(float(result.curves[-1].problem.psi_n) * data.d)
    return (
        f"Data: {data.name}, {data.count} images of {data.shape[0]} × {data.shape[1]} grey values (d = {data.d}). All "
        "images were centred by their mean and scaled by one number to unit mean variance. Each run draws n training "
        f"images (at most {largest}) and {result.test_images} others to test on, and new weights W; {plan.real.seeds} "
        f"runs each. The theory (ψ_p = {first.psi_p:g}, t = {first.t:g}) gets the eigenvalues of the covariance of all "
        f"{data.count} images"
        + (f"; {result.covariance.message}." if result.covariance.message else ".")
        + "".join(f" {note}." for note in data.notes)
        + " The control runs have Gaussian data of exactly this covariance, at the same n, p and d."
    )


def _ratio(values: np.ndarray, theory: float) -> float:
    return float(np.nanmean(values) / theory) if np.any(np.isfinite(values)) else math.nan


def real_verdict(found: list[Distance], name: str) -> list[str]:
    """How far the Gaussian theory is from real images, finite size set apart."""
    worst = max(found, key=lambda x: x.real_test)
    sentences = [
        f"Largest difference from theory over all training times: for {name} {num(max(x.real_train for x in found))} "
        f"in the training and {num(worst.real_test)} in the test loss (ψ_n = {worst.psi_n:g}); for Gaussian data of "
        f"the same covariance and size {num(max(x.control_train for x in found))} and "
        f"{num(max(x.control_test for x in found))}. The second is what finite size does."
    ]
    times = listed([f"{num(_ratio(x.real_half, x.theory_half), 2)} (ψ_n = {x.psi_n:g})" for x in found])
    control = listed([num(_ratio(x.control_half, x.theory_half), 2) for x in found])
    sentences.append(f"τ_half over the theory's: {times} for {name}; {control} for Gaussian data.")
    gens = listed([num(_ratio(x.real_opt, x.theory_opt), 2) for x in found])
    control_gens = listed([num(_ratio(x.control_opt, x.theory_opt), 2) for x in found])
    sentences.append(f"τ_opt over the theory's, same order: {gens} for {name}; {control_gens} for Gaussian data.")
    direct, size = (max(getattr(x, f"{kind}_test") for x in found) for kind in ("direct", "control"))
    sentences.append(
        "Images against Gaussian data of the same covariance and size, directly: up to "
        f"{num(max(x.direct_train for x in found))} in the training and {num(direct)} in the test loss. This is what "
        f"is not Gaussian about {name}; it is {num(direct / size, 2)} times what finite size does to the test loss."
    )
    return sentences


def summary(plan: Plan, numbers: Numbers, real: RealResult) -> Bullets:
    """The results in one line each, for a reader who stops here."""
    e, d, times = numbers.exponents, plan.curves.d, numbers.times
    worst, worst_half = (max(getattr(x, f"{which}test_relative") for x in numbers.agreement) for which in ("", "half_"))
    small, whole = (sum(x.test for x in found) for found in (numbers.shares[:-1], numbers.shares))
    far = max(numbers.distances, key=lambda x: x.real_test)
    train = max(x.train for x in numbers.agreement)
    found = {
        "Theory and runs": (
            f"the test loss agrees within {percent(worst)} at d = {d} and {percent(worst_half)} at d = {d // 2}, at "
            f"every τ and ψ_n; the training loss within {num(train)} at d = {d}."
        ),
        "Generalising": (
            f"the test loss is lowest at τ_opt = {span([x.theory_opt for x in times])}, growing like n^{num(e.opt, 2)}."
        ),
        "Memorising": (
            f"τ_half = {span([x.theory_half for x in times])} by theory; τ_half ~ n^γ with γ = {num(e.runs.value)} in "
            f"the runs, {num(e.theory)} in theory, against {num(e.spectral)} for the edge of the sample bulk."
        ),
        "Proportional to n": verdict(numbers),
        "Small eigenvalues": (
            f"those below the population bulk make {percent(small / whole)} of the final rise of the test loss (ψ_n = "
            f"{plan.curves.split:g})."
        ),
        "Real images": (
            f"{real.data.name} differ from the Gaussian theory by up to {num(far.real_test)} in the test loss, "
            f"Gaussian data of the same covariance and size by {num(far.control_test)}; images and Gaussian data from "
            f"each other by {num(far.direct_test)} (ψ_n = {far.psi_n:g})."
        ),
    }
    return Bullets([f"**{label}:** {text}" for label, text in found.items()])
