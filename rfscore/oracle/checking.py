r"""Hold somebody's formula against the oracle: `check(my_density, problem)`.

The function is evaluated at seeded points of the problem, half of them close to the edges and tips of the bulks, and
compared with the verified values. The report says how bad the worst point is and where it lies.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp

from rfscore.errors import SolveError, bad
from rfscore.model.problem import ScoreProblem
from rfscore.oracle.curves import losses
from rfscore.oracle.onepoint import density, resolvent
from rfscore.oracle.spectrum import edges, rough_edges
from rfscore.oracle.two_point import kernel

QUANTITIES = ("density", "resolvent", "s", "edges", "kernel", "train", "test", "score_error")


@dataclass(frozen=True)
class Report:
    """Comparison of a user's function with the oracle.

    Attributes:
        quantity: what was compared.
        passed: worst <= rtol, and the oracle's own error is below rtol/10.
        worst: largest relative error; relative to the local value, or to a tenth of the typical one where it is small.
        at: the point of the worst error.
        rtol: tolerance asked for.
        points: where the function was evaluated (for edges: their index).
        got: its values.
        expected: the oracle's.
        oracle_error: the largest error estimate of the oracle, on the same scale.
    """

    quantity: str
    passed: bool
    worst: float
    at: Any
    rtol: float
    points: np.ndarray
    got: np.ndarray
    expected: np.ndarray
    oracle_error: float

    @property
    def message(self) -> str:
        """One line for a log, a table or an assertion."""
        verdict = "passes" if self.passed else "FAILS"
        if self.got.shape != self.expected.shape:
            return f"{self.quantity}: {verdict}: {self.got.size} values, the oracle finds {self.expected.size}"
        index = int(np.argmax([_same(p, self.at) for p in self.points]))
        return (
            f"{self.quantity}: {verdict} at rtol {self.rtol:.1e}; worst relative error {self.worst:.2e} at "
            f"{self.at}: got {self.got[index]:.12g}, expected {self.expected[index]:.12g} "
            f"({len(self.points)} points, oracle good to {self.oracle_error:.0e})"
        )

    def __str__(self) -> str:
        return self.message


def _same(point: Any, other: Any) -> bool:
    return bool(np.all(point == other))


def spectral_grid(values: list[float], count: int, rng: np.random.Generator) -> np.ndarray:
    """Real points: uniform inside the bulks, close to their edges on both sides, and in the gaps."""
    bulks = list(zip(values[::2], values[1::2], strict=True))
    points = []
    for j in range(count):
        left, right = bulks[j % len(bulks)]
        kind = (j // len(bulks)) % 4
        near = 10.0 ** rng.uniform(-5, -2) * (right - left)
        if kind in (0, 3):
            points.append(left + (right - left) * rng.uniform(0.02, 0.98))
        elif kind == 1:
            points.append(left + near if rng.random() < 0.5 else right - near)
        else:
            points.append(right + near)
    points = [x for x in points if not any(abs(x - e) < 1e-9 * e for pair in bulks for e in pair)]
    return np.array(sorted(points))


def plane_grid(values: list[float], count: int, rng: np.random.Generator) -> np.ndarray:
    """Complex points over the support, its neighbourhood and far away, in both half-planes."""
    bulks = list(zip(values[::2], values[1::2], strict=True))
    points = []
    for j in range(count):
        left, right = bulks[j % len(bulks)]
        height = (right - left) * 10.0 ** rng.uniform(-4, 1.5) * (1 if j % 3 else -1)
        points.append(complex(left + (right - left) * rng.uniform(-0.3, 1.3), height))
    return np.array(points)


def time_grid(problem: ScoreProblem, ends: list[float], count: int, rng: np.random.Generator) -> np.ndarray:
    """Training times: 0, infinity, and log-uniform from before the first mode to after the last one."""
    first, last = (problem.psi_p / (problem.delta * x) for x in (ends[-1], ends[0]))
    inner = 10.0 ** rng.uniform(np.log10(first) - 1.5, np.log10(last) + 1.0, max(count - 2, 1))
    return np.array([0.0, *sorted(inner), np.inf])


def _oracle_values(problem: ScoreProblem, quantity: str, points: np.ndarray, dps: int, activation: Any) -> list:
    """(value, absolute error) per point."""
    if quantity == "density":
        return [(x.value, x.error) for x in (density(problem, lam, dps, activation=activation) for lam in points)]
    if quantity in ("resolvent", "s"):
        name = "q" if quantity == "resolvent" else "s"
        solved = [resolvent(problem, z, dps, activation=activation) for z in points]
        return [(getattr(x, name), abs(getattr(x, name)) * x.error) for x in solved]
    if quantity == "kernel":
        twins = [kernel(problem, z1, z2, dps, activation=activation) for z1, z2 in points]
        return [(x.value, x.error) for x in twins]
    curves = [losses(problem, tau, dps, activation=activation) for tau in points]
    return [(getattr(x, quantity), x.error) for x in curves]


def default_points(
    problem: ScoreProblem, quantity: str, count: int, seed: int, activation: Callable | None = None
) -> np.ndarray:
    """The seeded points at which `check` compares this quantity."""
    rng, values = np.random.default_rng(seed), rough_edges(problem, activation=activation)
    if quantity == "density":
        return spectral_grid(values, count, rng)
    if quantity in ("resolvent", "s"):
        return plane_grid(values, count, rng)
    if quantity == "kernel":
        return np.stack([plane_grid(values, count, rng), rng.permutation(plane_grid(values, count, rng))], axis=1)
    return time_grid(problem, values, min(count, 8), rng)


def _call(function: Callable, problem: ScoreProblem, quantity: str, points: np.ndarray) -> np.ndarray:
    """function(points), or function(problem, points) when it takes one argument more."""
    arguments: list[Any] = (
        [] if quantity == "edges" else [points[:, 0], points[:, 1]] if quantity == "kernel" else [points]
    )
    try:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        given = inspect.signature(function).parameters.values()
        required = sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in given)
    except (TypeError, ValueError):
        required = len(arguments)
    if required > len(arguments):
        arguments = [problem, *arguments]
    return np.atleast_1d(np.asarray(function(*arguments)))


def check(
    function: Callable,
    problem: ScoreProblem,
    quantity: str = "density",
    *,
    points: Any = None,
    count: int = 24,
    seed: int = 0,
    rtol: float = 1e-8,
    dps: int | None = None,
    activation: Callable | None = None,
    throw: bool = False,
) -> Report:
    r"""Compare your function with the oracle on one problem.

    Args:
        function: vectorised `f(points)` or `f(problem, points)`: lam -> rho for "density", z -> q for "resolvent",
            z -> s for "s", (z1, z2) -> T for "kernel", tau -> loss for "train", "test", "score_error"; for "edges"
            `f()` or `f(problem)` that returns all edges ascending.
        problem: the model.
        quantity: one of density, resolvent, s, edges, kernel, train, test, score_error.
        points: your own points; default seeded ones, many of them close to the edges.
        count: how many of the default points (loss curves: at most 8).
        seed: of the default points.
        rtol: tolerance on the relative error.
        dps: digits of the oracle, default six more than rtol needs.
        activation: sigma on mpmath numbers, for a user's activation.
        throw: raise AssertionError with the message when the check fails.

    Returns:
        Report; print it, or read `.passed`, `.worst`, `.at`.

    Raises:
        InputError: an unknown quantity.
        AssertionError: only with `throw`.

    Example:
        A semicircle where a Marchenko-Pastur law is needed does not survive:

        >>> import numpy as np
        >>> import rfscore as rf
        >>> from rfscore import oracle
        >>> problem = rf.ScoreProblem(2.0, 0.5, 1.0, activation="erf")
        >>> low, high = (float(x) for x in oracle.edges(problem, dps=12).values)
        >>> def semicircle(lam):
        ...     radius = (high - low) / 2
        ...     inside = np.maximum(radius**2 - (lam - low - radius) ** 2, 0)
        ...     return 2 / (np.pi * radius**2) * np.sqrt(inside)
        >>> report = oracle.check(semicircle, problem, count=8)
        >>> report.passed, report.worst > 0.1
        (False, True)
    """
    if quantity not in QUANTITIES:
        raise bad("quantity", quantity, f"one of {QUANTITIES}")
    digits = dps or int(np.ceil(-np.log10(rtol))) + 6
    if quantity == "edges":
        found = edges(problem, digits, activation=activation)
        points = np.arange(len(found.values))
        pairs = list(zip(found.values, found.errors, strict=True))
    else:
        points = default_points(problem, quantity, count, seed, activation) if points is None else np.asarray(points)
        pairs = _oracle_values(problem, quantity, points, digits, activation)
    report = _compare(quantity, points, _call(function, problem, quantity, points), pairs, rtol)
    if throw and not report.passed:
        raise AssertionError(report.message)
    return report


def _compare(quantity: str, points: np.ndarray, got: np.ndarray, pairs: list, rtol: float) -> Report:
    kind = complex if quantity in ("resolvent", "s", "kernel") else float
    expected = np.array([kind(value) for value, _ in pairs])
    if got.shape != expected.shape:
        return Report(quantity, False, float("inf"), None, rtol, points, got, expected, 0.0)
    scale = np.abs(expected)
    floor = 0.1 * float(np.median(scale[scale > 0])) if quantity == "density" and np.any(scale > 0) else 0.0
    scale = np.maximum(scale, floor if floor else np.finfo(float).tiny)
    relative = np.abs(got - expected) / scale
    relative = np.where(np.isfinite(relative), relative, np.inf)
    own = max(float(mp.mpf(error) / float(size)) for (_, error), size in zip(pairs, scale, strict=True))
    if own > rtol / 10:
        raise SolveError(f"the oracle is good to {own:.1e} only at these points: raise dps or move them off the edges")
    worst = int(np.argmax(relative))
    passed = bool(relative[worst] <= rtol)
    return Report(quantity, passed, float(relative[worst]), points[worst], rtol, points, got, expected, own)
