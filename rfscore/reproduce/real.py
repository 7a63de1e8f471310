"""Random features trained on real images, next to the theory and to Gaussian data of the same covariance and size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

import rfscore as rf
import rfscore.finite
from rfscore.data import CovarianceSpectrum, ImageData, covariance_eigenvalues, load_images, split, standardise
from rfscore.errors import bad
from rfscore.finite import GradientFlow, pool
from rfscore.reproduce.config import Plan
from rfscore.reproduce.runs import Progress, cost, opt_and_half, seed_of

Array = np.ndarray


@dataclass(frozen=True)
class RealCurves:
    """One psi_n: theory of the data, and runs on images and on Gaussian data with their (tau_opt, tau_half)."""

    problem: rf.ScoreProblem
    theory: rf.LossCurves
    real_train: Float[Array, "seeds T"]
    real_test: Float[Array, "seeds T"]
    control_train: Float[Array, "seeds T"]
    control_test: Float[Array, "seeds T"]
    real_times: Float[Array, "seeds 2"]
    control_times: Float[Array, "seeds 2"]


@dataclass(frozen=True)
class RealResult:
    """All of the real-data stage; the eigenvalues belong to the largest psi_n and the first seed."""

    data: ImageData
    covariance: CovarianceSpectrum
    tau: Float[Array, " T"]
    test_images: int
    curves: list[RealCurves]
    spectrum: rf.Spectrum
    real_eigenvalues: Float[Array, " p"]
    control_eigenvalues: Float[Array, " p"]


@dataclass(frozen=True)
class _Sizes:
    psi_p: float
    psi_n: tuple[float, ...]
    test: int


def sizes(plan: Plan, d: int, count: int) -> _Sizes:
    """psi_p, psi_n and the number of held-out images that fit the data set and the memory."""
    case = plan.real
    psi_p = float(min(case.psi_p, max(2, case.max_p // d)))
    psi_n = tuple(psi_p / divisor for divisor in (8, 4, 2))
    largest = round(psi_n[-1] * d)
    test = min(case.test, count - largest)
    if test < max(50, d // 2):
        raise bad("data", f"{count} images of {d} pixels", f"at least {largest + max(50, d // 2)} images",
                  "shrink them (--size), or add images")  # fmt: skip
    return _Sizes(psi_p, psi_n, test)


def load(plan: Plan) -> tuple[ImageData, _Sizes]:
    """Read the images and choose the sizes, before anything is computed."""
    data = load_images(plan.real.source, size=plan.real.size)
    if data.d > 1500:
        raise bad("image size", f"{data.shape[0]} x {data.shape[1]}", "at most about 38 x 38 pixels", "give --size 16")
    return data, sizes(plan, data.d, data.count)


def expected_cost(plan: Plan, d: int, chosen: _Sizes) -> float:
    """Progress units of this stage."""
    p = round(chosen.psi_p * d)
    return sum(plan.real.seeds * _pair_cost(p, round(v * d), chosen.test) for v in chosen.psi_n)


def _pair_cost(p: int, n: int, test: int) -> float:
    return 2 * cost(p, n) + cost(p, test) - cost(p, 0)


def compare(plan: Plan, data: ImageData, chosen: _Sizes, progress: Progress) -> RealResult:
    """Stage 3: theory, images and Gaussian data of the images' covariance, at the same p, n and d."""
    case, d = plan.real, data.d
    rows = standardise(data).images
    covariance = covariance_eigenvalues(rows)
    problems = [
        rf.ScoreProblem(psi_n, chosen.psi_p, case.t, rf.Empirical(covariance.eigenvalues)) for psi_n in chosen.psi_n
    ]
    tau = rf.training_times(problems, plan.points)
    p = round(chosen.psi_p * d)

    def on_images(i: int, k: int) -> GradientFlow:
        weights_seed, split_seed = seed_of(plan.seed, 3, i, k).spawn(2)
        parts = split(rows, round(chosen.psi_n[i] * d), chosen.test, int(split_seed.generate_state(1)[0]))
        weights = np.random.default_rng(weights_seed).standard_normal((p, d))
        return rfscore.finite.from_arrays(
            weights=weights, data=parts.train, t=case.t, test_data=parts.test
        ).gradient_flow()

    def one(key: tuple[int, int]) -> tuple[Any, ...]:
        i, k = key
        images = on_images(i, k)
        gaussian = rfscore.finite.draw(problems[i], d, seed_of(plan.seed, 4, i, k)).gradient_flow()
        pair = [flow.loss_curves(tau) for flow in (images, gaussian)]
        times = [opt_and_half(rfscore.finite.curve_times(flow)) for flow in (images, gaussian)]
        lam = (images.eigenvalues, gaussian.eigenvalues) if k == 0 else (np.empty(0), np.empty(0))
        return *(y for c in pair for y in (c.train, c.test)), *times, *lam

    keys = [(i, k) for i in range(len(problems)) for k in range(case.seeds)]
    spent = {i: _pair_cost(p, round(v * d), chosen.test) for i, v in enumerate(chosen.psi_n)}
    found = dict(zip(keys, pool.each(one, keys, p, lambda key: progress("real images", spent[key[0]])), strict=True))
    results = []
    for i, problem in enumerate(problems):
        columns = [np.array(c) for c in zip(*(found[i, k][:6] for k in range(case.seeds)), strict=True)]
        results.append(RealCurves(problem, rf.loss_curves(problem, tau), *columns))
    last = found[len(problems) - 1, 0]
    return RealResult(data, covariance, tau, chosen.test, results, rf.spectrum(problems[-1]), last[6], last[7])
