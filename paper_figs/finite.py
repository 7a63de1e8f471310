"""Finite networks of a figure: drawn, trained exactly, kept in the cache; one file per network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

import rfscore as rf
import rfscore.finite
from paper_figs.cache import Arrays, code_version, kept
from paper_figs.job import Job
from rfscore.finite import pool
from rfscore.plotting import Points

Array = np.ndarray
_CODE = ("rfscore/finite/*.py", "rfscore/model/*.py")


@dataclass(frozen=True)
class Case:
    """One problem: theory at infinite size, and networks of dimension d beside it."""

    problem: rf.ScoreProblem
    tau: Float[Array, " T"]
    theory: rf.LossCurves
    scales: rf.Timescales
    train: Float[Array, "seeds T"]
    test: Float[Array, "seeds T"]
    score_error: Float[Array, "seeds T"]

    @property
    def psi_n(self) -> float:
        """n/d."""
        return float(self.problem.psi_n)


def stream(problem: rf.ScoreProblem, d: int, seed: int) -> np.random.SeedSequence:
    """The random stream of one network: the same sizes and seed draw the same network in every figure."""
    return np.random.SeedSequence([seed, d, round(float(problem.psi_n) * d), round(float(problem.psi_p) * d)])


def code() -> str:
    """Version of the code behind every finite network, into the cache's key and the figure's record."""
    return code_version(*_CODE)


def losses(job: Job, problem: rf.ScoreProblem, d: int, seeds: int, tau: Float[Array, " T"]) -> list[Arrays]:
    """train, test and score_error at `tau` under exact gradient flow, of `seeds` networks."""

    def one(seed: int) -> Arrays:
        def compute() -> Arrays:
            found = rfscore.finite.draw(problem, d, stream(problem, d, seed)).gradient_flow().loss_curves(tau)
            return {name: np.asarray(getattr(found, name)) for name in ("train", "test", "score_error")}

        inputs = {"problem": problem, "d": d, "seed": seed, "tau": tau}
        return kept("losses", inputs, code(), compute)

    def done(seed: int) -> None:
        job.say(f"d = {d}, psi_n = {problem.psi_n:g}, psi_p = {problem.psi_p:g}, t = {problem.t:g}: network {seed + 1}")

    return pool.each(one, range(seeds), round(float(problem.psi_p) * d), done)


def eigenvalues(
    job: Job, problem: rf.ScoreProblem, d: int, seeds: int, kind: rfscore.finite.Features
) -> Float[Array, "seeds p"]:
    """Eigenvalues of U, ascending: of the non-linear features or of their Gaussian equivalent."""

    def one(seed: int) -> Array:
        def compute() -> Arrays:
            return {"lam": rfscore.finite.draw(problem, d, stream(problem, d, seed), kind).eigenvalues()}

        return kept("eigenvalues", {"problem": problem, "d": d, "seed": seed, "kind": kind}, code(), compute)["lam"]

    def done(seed: int) -> None:
        job.say(f"spectrum of U ({kind}), d = {d}, psi_n = {problem.psi_n:g}: matrix {seed + 1}")

    return np.array(pool.each(one, range(seeds), round(float(problem.psi_p) * d), done))


def cases(job: Job, problems: list[rf.ScoreProblem], d: int, seeds: int, points: int = 121) -> list[Case]:
    """Theory and networks of several problems, on one grid of training times (0 first, infinity last)."""
    tau = rf.training_times(problems, points)
    found = []
    for problem in problems:
        job.say(f"theory, psi_n = {problem.psi_n:g}, psi_p = {problem.psi_p:g}, t = {problem.t:g}")
        theory, scales = rf.loss_curves(problem, tau), rf.timescales(problem)
        drawn = losses(job, problem, d, seeds, tau)
        columns = (np.array([run[name] for run in drawn]) for name in ("train", "test", "score_error"))
        found.append(Case(problem, tau, theory, scales, *columns))
    return found


def spread(x: Float[Array, " T"], values: Float[Array, "seeds T"], every: int = 5, first: int = 0) -> Points:
    """Mean and standard deviation over networks, thinned so that the theory's line stays visible."""
    pick = slice(1 + first, -1, every)  # 0 and infinity have no place on a logarithmic axis
    deviation = values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
    return Points(x[pick], values.mean(0)[pick], deviation[pick])


def agreement(found: list[Case]) -> dict[str, float]:
    """Largest difference, over all times, between the mean of the networks and theory."""
    return {
        "train_absolute": max(float(np.max(abs(c.train.mean(0) - c.theory.train))) for c in found),
        "test_relative": max(float(np.max(abs(c.test.mean(0) / c.theory.test - 1.0))) for c in found),
        "score_error_relative": max(
            float(np.max(abs(c.score_error.mean(0) / c.theory.score_error - 1))) for c in found
        ),
    }
