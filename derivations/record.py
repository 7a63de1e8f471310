"""What a derivation leaves behind: text, numbered equations and the checks that were passed, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mpmath import mp


@dataclass(frozen=True)
class Text:
    """A paragraph; $...$ is inline mathematics."""

    body: str


@dataclass(frozen=True)
class Equation:
    """A numbered equation.

    Attributes:
        number: e.g. "D4.5"; docstrings cite it as (D4.5).
        latex: the formula, without delimiters.
        paper: the equation of Bonnaire et al. 2025 it corresponds to, or "" if the paper has none.
        code: where the package uses it.
    """

    number: str
    latex: str
    paper: str
    code: str


@dataclass(frozen=True)
class Check:
    """A claim that was tested and held."""

    claim: str
    evidence: str


@dataclass
class Derivation:
    """One script's record; `check` and `close` raise AssertionError when the claim fails."""

    number: int
    title: str
    assumptions: tuple[str, ...]
    blocks: list[Text | Equation | Check] = field(default_factory=list)

    def text(self, body: str) -> None:
        """Add a paragraph."""
        self.blocks.append(Text(" ".join(body.split())))

    def equation(self, label: int, latex: str, *, paper: str = "", code: str = "") -> None:
        """Add equation (D<number>.<label>); labels are used once, in ascending order."""
        labels = [int(e.number.split(".")[1]) for e in self.equations]
        assert label == len(labels) + 1, f"equation D{self.number}.{label} follows D{self.number}.{len(labels)}"
        self.blocks.append(Equation(f"D{self.number}.{label}", " ".join(latex.split()), paper, code))

    def check(self, claim: str, holds: Any, evidence: str = "sympy, exact") -> None:
        """Assert and record."""
        assert bool(holds), f"D{self.number}: {claim}: does not hold ({evidence})"
        self.blocks.append(Check(claim, evidence))

    def zero(self, claim: str, expression: Any) -> None:
        """Assert that a sympy expression vanishes identically."""
        import sympy

        reduced = sympy.simplify(sympy.together(expression))
        self.check(claim, reduced == 0 or sympy.expand(reduced) == 0)

    def close(self, claim: str, x: Any, y: Any, digits: float) -> None:
        """Assert that two numbers agree to `digits` significant digits, and record how many do."""
        error = abs(mp.mpmathify(x) - mp.mpmathify(y)) / max(abs(mp.mpmathify(y)), mp.mpf(10) ** -mp.dps)
        good = float(-mp.log10(error)) if error else float(mp.dps)
        self.check(claim, good >= digits, f"{good:.1f} digits agree, {digits:g} required")

    @property
    def equations(self) -> list[Equation]:
        """All equations, in order."""
        return [b for b in self.blocks if isinstance(b, Equation)]

    @property
    def checks(self) -> list[Check]:
        """All checks passed."""
        return [b for b in self.blocks if isinstance(b, Check)]
