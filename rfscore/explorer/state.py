"""What the knobs of the page say: a problem, the lines of Python that make it, and a link that keeps it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import rfscore as rf
from rfscore.errors import InputError, bad

ACTIVATIONS = ("tanh", "erf", "sin", "relu")


@dataclass(frozen=True)
class State:
    """Values of all knobs.

    Attributes:
        psi_n: samples per dimension.
        psi_p: features per dimension.
        t: diffusion time.
        m: frozen noises per sample; inf: averaged.
        ridge: weight decay.
        activation: its name.
        spread: the covariance has two halves of variance 1 - spread and 1 + spread; 0 is the identity.
    """

    psi_n: float = 8.0
    psi_p: float = 64.0
    t: float = 0.01
    m: float = math.inf
    ridge: float = 0.0
    activation: str = "tanh"
    spread: float = 0.0

    def problem(self) -> rf.ScoreProblem:
        """The problem, validated.

        Raises:
            InputError: a value out of range.
        """
        low, high = 1 - self.spread, 1 + self.spread
        covariance = rf.Atoms([low, high]) if self.spread else rf.Isotropic(1.0)
        return rf.ScoreProblem(self.psi_n, self.psi_p, self.t, covariance, self.activation,
                               noise_draws=self.m, ridge=self.ridge)  # fmt: skip

    def python(self) -> str:
        """Lines that make the same pictures.

        Example:
            >>> from rfscore.explorer.state import State
            >>> print(State(ridge=0.1).python().splitlines()[2])
            problem = rf.ScoreProblem(psi_n=8, psi_p=64, t=0.01, ridge=0.1)
        """
        words = [f"psi_n={self.psi_n:.6g}", f"psi_p={self.psi_p:.6g}", f"t={self.t:.6g}"]
        if self.spread:
            words.append(f"population=rf.Atoms([{1 - self.spread:.6g}, {1 + self.spread:.6g}])")
        words += [f'activation="{self.activation}"'] * (self.activation != "tanh")
        words += [f"noise_draws={self.m:g}"] * math.isfinite(self.m) + [f"ridge={self.ridge:.6g}"] * (self.ridge > 0)
        return (
            f"import rfscore as rf\n\nproblem = rf.ScoreProblem({', '.join(words)})\n"
            "tau = rf.training_times(problem, 141)\n"
            "rf.plot.spectrum(rf.spectrum(problem))\n"
            "rf.plot.losses(rf.loss_curves(problem, tau))\n"
            "rf.plot.contributions(rf.bulk_curves(problem, tau[1:-1]))\n"
            "print(rf.curve_times(problem), rf.timescales(problem))\n"
        )

    def query(self) -> str:
        """What a link keeps: every value that is not the usual one.

        Example:
            >>> from rfscore.explorer.state import State, read
            >>> State(psi_n=3.0, m=2).query(), read("psi_n=3&m=2") == State(psi_n=3.0, m=2)
            ('psi_n=3&m=2', True)
        """
        usual = State()
        changed = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        changed = {name: value for name, value in changed.items() if value != getattr(usual, name)}
        return urlencode({k: v if isinstance(v, str) else f"{v:.6g}" for k, v in changed.items()})


def read(words: str | Mapping[str, str]) -> State:
    """The state in a link, or in the part of it behind the question mark.

    Raises:
        InputError: a name or a value that is none.
    """
    if isinstance(words, str):
        query = urlsplit(words).query or words.rpartition("?")[2]
        words = {} if "://" in query else {name: values[-1] for name, values in parse_qs(query).items()}
    known = {f.name: f.default for f in dataclasses.fields(State)}
    found: dict[str, float | str] = {}
    for name, value in words.items():
        if name not in known:
            raise bad("the link", name, f"names of {sorted(known)}")
        try:
            found[name] = value if isinstance(known[name], str) else float(value)
        except ValueError:
            raise bad(name, value, "a number") from None
    if found.get("activation", "tanh") not in ACTIVATIONS:
        raise bad("activation", found["activation"], f"one of {list(ACTIVATIONS)}")
    if not 0 <= float(found.get("spread", 0.0)) < 1:
        raise InputError(f"spread = {found['spread']}: expected a number in [0, 1)")
    return State(**found)  # type: ignore[arg-type]
