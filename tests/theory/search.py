"""A search over the whole stated domain, corners first, for spectra and times that are wrong without a word.

    python -m tests.theory.search 10000 [SEED]

Every problem is either refused with a SolveError or satisfies facts that need no solver: mass one, the first moment
E sigma(Gamma_t z)^2, ordered edges not below the floor, the same lowest edges by `spectrum` and `timescales`, positive
times; every fiftieth also that the bulks' losses add up. Prints what fails, and the counts.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

import rfscore as rf
from rfscore.model.problem import PSI_RANGE, RIDGE_RANGE, T_RANGE
from tests.theory.helpers import four

_M = (np.inf, np.inf, np.inf, 1, 2, 3, 17, 1e6)


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.clip(low * (high / low) ** rng.uniform(), low, high))


def _sigma(rng: np.random.Generator, variance: float) -> rf.Covariance:
    """One or four eigenvalues, with zeros and conditions up to 1e6; a continuous one now and then."""
    kind = rng.choice(["one", "four", "zeros", "uniform"], p=[0.5, 0.3, 0.18, 0.02])
    if kind == "one":
        return rf.Isotropic(variance)
    if kind == "uniform":
        return rf.Uniform(0.1 * variance, 1.9 * variance)
    values = 10.0 ** rng.uniform(-rng.uniform(0, 6), 0, 4)
    values[: (1 + rng.integers(2)) * (kind == "zeros")] = 0.0
    weights = rng.uniform(0.05, 1.0, 4)
    weights /= weights.sum()
    return four(values * variance / (values * weights).sum(), weights)


def draw(rng: np.random.Generator) -> rf.ScoreProblem:
    """One problem: half of them at or beside a corner."""
    m = float(rng.choice(_M))
    psi_n, psi_p = _log(rng, *PSI_RANGE), _log(rng, *PSI_RANGE)
    corner = rng.choice(["none", "rank", "beside", "n", "few features", "large"], p=[0.45, 0.15, 0.15, 0.1, 0.1, 0.05])
    rank = psi_n + 1.0 if m == np.inf else psi_n * m
    if corner in ("rank", "beside") and rank < PSI_RANGE[1]:
        psi_p = rank * (1.0 + (corner == "beside") * float(rng.choice([-1, 1])) * 10.0 ** rng.uniform(-15, -1))
    elif corner == "n":
        psi_p = psi_n
    elif corner == "few features":
        psi_p = _log(rng, PSI_RANGE[0], 1.0)
    elif corner == "large":
        psi_n, psi_p = psi_n * 100.0, psi_p * 100.0
    t = float(rng.choice([*T_RANGE, _log(rng, *T_RANGE)], p=[0.15, 0.15, 0.7]))
    activation = str(rng.choice(["tanh", "erf", "sin", "relu"]))
    # Nearly linear where the variance is small, nearly a step where it is large; sin has no linear part left there.
    variance = _log(rng, 1e-3, 2.0 if activation == "sin" else 20.0)
    ridge = float(rng.choice([0.0, *RIDGE_RANGE, _log(rng, *RIDGE_RANGE)], p=[0.7, 0.1, 0.1, 0.1]))
    psi_n, psi_p = (float(np.clip(value, *PSI_RANGE)) for value in (psi_n, psi_p))
    problem = rf.ScoreProblem(psi_n, psi_p, t, _sigma(rng, variance), activation, noise_draws=m, ridge=ridge)
    try:
        rf.coefficients(problem)
    except rf.InputError:  # an activation that is not resolved on this scale
        return draw(rng)
    return problem


def wrong(problem: rf.ScoreProblem, *, split: bool = False) -> list[str]:
    """The facts that spectrum and times of a problem violate; raises SolveError where they are refused."""
    spec, times, co = rf.spectrum(problem), rf.timescales(problem), rf.coefficients(problem)
    ends, rule = spec.edges.ravel(), spec.rule()
    energy = float(co.norm2) + problem.ridge
    rank = problem.psi_n + 1.0 if problem.noise_draws == np.inf else problem.psi_n * problem.noise_draws
    unit = problem.psi_p / problem.delta
    facts = {
        "edges are ordered": bool(np.all(np.diff(ends) >= 0.0)),
        "no edge below the floor": ends[0] >= spec.floor and spec._heights[0, 0] >= 0.0,
        "mass": abs(rule.weights.sum() + sum(mass for _, mass in spec.atoms) - 1.0) < 1e-7,
        "masses are positive": bool(np.all(spec.masses > 0.0)),
        "atom": abs(sum(mass for _, mass in spec.atoms) - max(0.0, 1.0 - rank / problem.psi_p)) < 1e-12,
        "first moment": abs(spec.moment(1) / energy - 1.0) < 1e-7,
        "the same lowest edge": np.isclose(float(times.lambda_lowest), ends[0], rtol=1e-12, atol=0.0),
        "an edge of the spectrum": np.isclose(float(times.lambda_min), ends[::2], rtol=1e-12, atol=0.0).any(),
        "lowest at the floor exactly at the rank": spec._heights[0, 0] > 0.0 or np.isclose(rank, problem.psi_p, 1e-15),
        "times are positive": 0.0 < float(times.tau_mem_edge) <= float(times.tau_last_edge),
        "times are those of the edges": float(times.lambda_lowest) == 0.0
        or np.isclose(float(times.tau_last_edge), unit / float(times.lambda_lowest), rtol=1e-12),
    }  # fmt: skip
    if split:
        _bulks_add_up(problem, float(unit / energy))
    return [name for name, holds in facts.items() if not holds]


def _bulks_add_up(problem: rf.ScoreProblem, unit: float) -> None:
    """`bulk_curves` checks its own sum and raises."""
    rf.bulk_curves(problem, unit * 10.0 ** np.array([-1.0, 0.0, 2.0, 4.0]))


def search(count: int, seed: int, *, every: int = 50, verbose: bool = False) -> tuple[int, Counter, list[str]]:
    """(problems that hold, refusals by their first words, descriptions of what is wrong)."""
    rng, held, refused, failures = np.random.default_rng(seed), 0, Counter(), []
    for i in range(count):
        problem = draw(rng)
        try:
            names = wrong(problem, split=every > 0 and i % every == 0)
        except rf.SolveError as error:
            refused[str(error)[:60]] += 1
            names = []
            if verbose:
                print("refused", i, error, describe(problem), flush=True)
        else:
            held += not names
        if names:
            failures.append(f"{i}: {names}: {describe(problem)}")
            if verbose:
                print("WRONG", failures[-1], flush=True)
    return held, refused, failures


def describe(problem: rf.ScoreProblem) -> str:
    """The call that makes the problem."""
    return (f"rf.ScoreProblem({problem.psi_n!r}, {problem.psi_p!r}, {problem.t!r}, rf.{problem.population!r}, "
            f"{problem.activation.name!r}, noise_draws={problem.noise_draws!r}, ridge={problem.ridge!r})")  # fmt: skip


def main() -> None:
    """Run the search and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    options = parser.parse_args()
    held, refused, failures = search(options.count, options.seed, verbose=True)
    print(
        f"{held} of {options.count} hold, {len(failures)} are wrong, {sum(refused.values())} refused: {dict(refused)}"
    )


if __name__ == "__main__":
    main()
