"""What is kept of a run: its curves against training time, with the facts that make them comparable. No weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from rfscore._plain import to_json
from rfscore._text import read_json
from rfscore.errors import InputError, bad
from rfscore.output import write_bytes

#: Columns a summary may have; `_low` and `_high` beside a name are the ends of its 95 % interval.
COLUMNS = {
    "train_loss": "denoising loss at fixed t on the training points, per dimension",
    "test_loss": "the same on held-out points",
    "train_loss_later": "train_loss at a second, later diffusion time",
    "test_loss_later": "test_loss at a second, later diffusion time",
    "f_mem": "memorised fraction of the generated samples (gap ratio below k = 1/3)",
    "f_mem_quarter": "the same with k = 1/4",
    "f_mem_half": "the same with k = 1/2",
    "frechet": "Frechet distance of generated samples to held-out data",
    "kernel": "kernel distance (squared MMD) of generated samples to held-out data",
    "kl": "KL divergence of the generated from the true distribution, entropy from the score (mixture only)",
    "kl_neighbours": "the same, entropy from distances to nearest neighbours",
    "score_population": "(1/d) E|s_theta - s_population|^2 at fixed t (mixture only)",
    "score_empirical": "(1/d) E|s_theta - s_empirical|^2 at fixed t",
}


def _range(name: str) -> tuple[float, float]:
    """What values of a curve must lie between: fractions with their intervals, squares without."""
    if name.startswith("f_mem"):
        return 0.0, 1.0
    squares = ("train_loss", "test_loss", "score_population", "score_empirical")
    return (0.0 if name.startswith(squares) and not name.endswith(("_low", "_high")) else -math.inf), math.inf


@dataclass(frozen=True)
class RunSummary:
    """Curves of one network along training.

    Attributes:
        name: short name of the run.
        n: training points.
        width: W, the base width of the network; 0 when unknown.
        tau: (K,) optimiser steps at which the network was measured, ascending.
        columns: curves by name (see `COLUMNS`), each (K,), NaN where not measured.
        facts: everything else: data, optimiser, seed, chance level of f_mem ("chance_level"), eigenvalues of the data's
            covariance ("covariance_eigenvalues"), fixed diffusion time of the losses ("t_loss") ...
    """

    name: str
    n: int
    width: int
    tau: Float[np.ndarray, " K"]
    columns: dict[str, Float[np.ndarray, " K"]]
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """`tau` ascends, every curve is as long, in its range, and within its interval."""
        if self.n < 1 or self.width < 0:
            raise bad(f"n and W of run {self.name!r}", [self.n, self.width], "n >= 1 and W >= 0")
        if self.tau.ndim != 1 or not np.all(np.isfinite(self.tau)) or np.any(np.diff(self.tau, prepend=-1.0) <= 0):
            raise bad(f"tau of run {self.name!r}", "not ascending", "strictly ascending training steps from 0 or more")
        for key, values in self.columns.items():
            if values.shape != self.tau.shape:
                raise bad(f"curve {key!r} of run {self.name!r}", f"shape {values.shape}", f"shape {self.tau.shape}")
            low, high = _range(key)
            self._check(key, values, f"values in [{low:g}, {high:g}]", (values < low) | (values > high))
            for end, sign in (("low", 1.0), ("high", -1.0)):
                ends = self.columns.get(f"{key}_{end}", np.full_like(values, np.nan))
                outside = sign * (ends - values) > 1e-9 * np.abs(values)
                self._check(f"{key}_{end}", ends, f"{key} within its interval", outside)
        level = self.facts.get("chance_level")
        if level is not None and not (isinstance(level, int | float) and 0 <= level <= 1):
            raise bad(f"chance_level of run {self.name!r}", level, "a number in [0, 1]")

    def _check(self, name: str, values: np.ndarray, admissible: str, wrong: np.ndarray) -> None:
        if np.any(wrong):
            first = int(np.argmax(wrong))
            raise bad(f"{name} of run {self.name!r} at step {self.tau[first]:g}", float(values[first]), admissible,
                      "a fraction, not per cent" if name.startswith("f_mem") else "measure it again")  # fmt: skip

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(tau, values) of one curve where it was measured."""
        if name not in self.columns:
            raise bad("curve", name, f"one of {sorted(self.columns)}", f"run {self.name!r} did not measure it")
        known = np.isfinite(self.columns[name])
        return self.tau[known], self.columns[name][known]

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the summary as JSON, whole or not at all."""
        plain = {
            "kind": "rfscore run summary", "name": self.name, "n": self.n, "width": self.width,
            "tau": self.tau.tolist(), "facts": self.facts,
            "columns": {k: [None if math.isnan(x) else x for x in v.tolist()] for k, v in self.columns.items()},
        }  # fmt: skip
        return write_bytes(path, to_json(plain).encode())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> RunSummary:
        """Read what `save` wrote.

        Raises:
            InputError: not a summary, or damaged.
        """
        try:
            plain = read_json(path, "run summary")
            if plain["kind"] != "rfscore run summary":
                raise KeyError("kind")
            if not all(type(plain[name]) is int for name in ("n", "width")):
                raise TypeError("n and width are whole numbers")
            columns = {
                str(key): np.array([math.nan if x is None else float(x) for x in values])
                for key, values in plain["columns"].items()
            }
            return cls(str(plain["name"]), plain["n"], plain["width"],
                       np.array(plain["tau"], dtype=np.float64), columns, dict(plain["facts"]))  # fmt: skip
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{str(path)!r} is no run summary or is damaged ({error!r}); measure the run again"
            ) from error
