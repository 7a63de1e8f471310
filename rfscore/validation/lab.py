"""What checks share within one run: drawn networks, extrapolation to infinite size, and the runs of real networks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

import rfscore as rf
import rfscore.finite
from rfscore._text import read_toml
from rfscore.runs.summary import RunSummary
from rfscore.validation.evidence import Comparison, Form, NotTestable, near

T = TypeVar("T")
Array = np.ndarray
Features = Literal["exact", "gaussian-equivalent"]
#: Training times at which every curve is evaluated: one grid, so that the solver is compiled once.
TAU: Float[Array, " T"] = np.concatenate([[0.0], np.geomspace(0.1, 1e10, 133), [np.inf]])


class Draw(NamedTuple):
    """What is kept of one drawn network: its eigenvalues, ascending, and its losses at TAU."""

    eigenvalues: Float[Array, " p"]
    train: Float[Array, " T"]
    test: Float[Array, " T"]
    score_error: Float[Array, " T"]


class Limit(NamedTuple):
    """Extrapolation to d = infinity: value, its uncertainty (2 standard errors and the next order), slope in 1/d."""

    value: Array
    error: Array
    slope: Array


class Lab:
    """Shared work of one validation; each piece is done once, whoever asks first.

    Args:
        seed: of everything random.
        experiments: folder of network runs; by default the one in the folder one works in.
    """

    def __init__(self, seed: int = 0, experiments: Path = Path("experiments")) -> None:
        self.seed = seed
        self.experiments = experiments
        self._done: dict[Hashable, Any] = {}
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def once(self, key: Hashable, work: Callable[[], T]) -> T:
        """The result of `work`, computed by the first to ask for `key`; others wait for it."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._done:
                self._done[key] = work()
            return self._done[key]

    def rng(self, *key: int) -> np.random.Generator:
        """An independent generator for each key."""
        return np.random.default_rng([self.seed, *key])

    def draw(self, problem: rf.ScoreProblem, d: int, index: int, features: Features = "exact") -> Draw:
        """Network number `index` of a problem at dimension d."""

        def work() -> Draw:
            flow = rfscore.finite.draw(problem, d, self.rng(d, index), features).gradient_flow()
            curves = flow.loss_curves(TAU)
            return Draw(np.sort(flow.eigenvalues), curves.train, curves.test, curves.score_error)

        return self.once(("draw", repr(problem), d, index, features), work)

    def draws(
        self, problem: rf.ScoreProblem, sizes: Mapping[int, int], features: Features = "exact"
    ) -> dict[int, list[Draw]]:
        """Networks of several dimensions: {d: number of them}."""
        return {d: [self.draw(problem, d, i, features) for i in range(count)] for d, count in sizes.items()}

    def runs(self) -> list[RunSummary]:
        """All committed summaries of network runs, their facts completed by the experiment's name and guidance."""

        def work() -> list[RunSummary]:
            files = sorted(self.experiments.glob("*/summaries/*.json"))
            return [_of_experiment(path) for path in files if not path.name.endswith(".manifest.json")]

        found = self.once("runs", work)
        if not found:
            raise NotTestable(
                "no run summaries found: they are in the repository, not in the installed package", runs=True
            )
        return found


def _of_experiment(path: Path) -> RunSummary:
    """A summary with what only its experiment's config.toml says."""
    run, folder = RunSummary.load(path), path.parents[1]
    config = folder / "config.toml"
    table = read_toml(config, "config") if config.is_file() else {}
    guidance = table.get("measurement", {}).get("guidance", 0.0)
    return replace(run, facts={"guidance": guidance, **run.facts, "experiment": folder.name})


def limit(rows: Mapping[int, Float[Array, "seeds k"]], power: float = 1.0) -> Limit:
    """x_d = x + c/d^power fitted to the means over seeds at three sizes or more, weighted by their standard errors.

    The uncertainty is two standard errors of x plus 3 |c|/d_min^(2 power) for the next order.
    """
    sizes = np.array(list(rows), dtype=float)
    mean = np.array([np.mean(rows[d], axis=0) for d in rows])
    error = np.array([np.std(rows[d], axis=0, ddof=1) / np.sqrt(len(rows[d])) for d in rows])
    error = np.maximum(error, 1e-14 + 1e-3 * error.max(axis=0, keepdims=True))
    design = np.stack([np.ones(sizes.size), sizes**-power], axis=1)
    found = []
    for y, e in zip(mean.T, error.T, strict=True):
        covariance = np.linalg.inv((design / e[:, None] ** 2).T @ design)
        x, c = covariance @ (design / e[:, None] ** 2).T @ y
        found.append((x, 2.0 * np.sqrt(covariance[0, 0]) + 3.0 * abs(c) / sizes.min() ** (2 * power), c))
    return Limit(*(np.array(column) for column in zip(*found, strict=True)))


def slope(x: Array, y: Array) -> float:
    """Exponent of y ~ x^slope by least squares in logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


#: A constant of proportionality printed with one digit, as τ/n = 300 is, is known within this factor: 2.5 to 3.5.
ONE_DIGIT = 1.4


def one_digit(x: Array | Sequence[float]) -> float:
    """How far an exponent in x may be off when the constant of its law keeps its one printed digit over these x.

    Example:
        >>> from rfscore.validation.lab import one_digit
        >>> print(f"{one_digit([4.0, 32.0]):.3f}")
        0.162
    """
    return float(np.log(ONE_DIGIT) / np.log(np.max(x) / np.min(x)))


#: The spread (see `horizontal_spread`) of curves whose times at equal height agree within `ONE_DIGIT`.
COINCIDE = float(np.sqrt(ONE_DIGIT))
#: What the uncertainty of a number read off theory's curves is: its change when every second τ is left out.
SPACING = "every second τ left out"


def spaced(number: Callable[[slice], float]) -> tuple[float, float, str]:
    """A number read off curves on `TAU`, its uncertainty, and what that is; `number` is given the points to use."""
    value = number(slice(None))
    return value, abs(value - number(slice(None, None, 2))), SPACING


def falls(rows: Mapping[int, Float[Array, " seeds"]]) -> tuple[float, float, str]:
    """Exponent in d of the mean over seeds, two standard errors of it, and what they are.

    The scatter of the logarithm is taken to be the same at every d, so that sizes with few seeds share it.
    """
    x = np.log(np.array(list(rows), dtype=float))
    weight = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    logs = [np.log(row) for row in rows.values()]
    spare = sum(row.size - 1 for row in logs)
    variance = sum(float(np.sum((row - row.mean()) ** 2)) for row in logs) / spare
    error = 2 * float(np.sqrt(variance * np.sum(weight**2 / np.array([row.size for row in logs]))))
    means = np.log([np.mean(row) for row in rows.values()])
    return float(weight @ means), error, "2 standard errors over seeds"


#: What the uncertainty of an extrapolated number is.
EXTRAPOLATED = "2 standard errors over seeds, and the next order in 1/d"


def vanishing(
    what: str, rows: Mapping[int, Float[Array, "seeds k"]], tolerance: float, form: Form = "printed"
) -> Comparison:
    """Differences between draws and theory whose limit d -> infinity must be 0: the largest, and the largest error."""
    found = limit(rows)
    worst = int(np.argmax(np.abs(found.value)))
    return near(what, found.value[worst], 0.0, tolerance, found.error.max(), EXTRAPOLATED, form)
