"""Papers as data: in a folder outside the package, claims.toml and modules with one small function per claim."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfscore.errors import bad
from rfscore.validation.evidence import Comparison

if TYPE_CHECKING:
    from rfscore.validation.lab import Lab

#: The claims of this repository; relative, because an installed package has none.
FOLDER = Path("claims")
Check = Callable[["Lab"], Sequence[Comparison]]


@dataclass(frozen=True)
class Claim:
    """One claim of a paper.

    Attributes:
        id: short name, unique over all papers.
        section: heading under which the page shows it.
        place: theorem, equation or figure of the paper.
        sentence: the claim, in our words.
        how: what the check does.
        tolerance: why the ranges are what they are.
        check: "module:function" in the paper's folder.
        derivations: equations of the derivations it rests on, e.g. "D4.5".
        code: files of the package that hold the formula.
        figures: names of pictures in paper_figs, e.g. "fig05".
        beyond: where the theory says more than the paper, or "".
        seconds: what the check costs on one core, roughly: for the progress bar, and for `--quick`.
    """

    id: str
    section: str
    place: str
    sentence: str
    how: str
    tolerance: str
    check: str
    derivations: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    beyond: str = ""
    seconds: float = 1.0


@dataclass(frozen=True)
class Paper:
    """A set of claims: its name (that of the folder), title, the heading of the page, and whose claims they are."""

    name: str
    title: str
    reference: str
    claims: tuple[Claim, ...]
    whose: str = ""

    def function(self, claim: Claim) -> Check:
        """The check behind a claim."""
        module, _, name = claim.check.partition(":")
        root = str(FOLDER.resolve().parent)
        if root not in sys.path:
            sys.path.insert(0, root)
        return getattr(importlib.import_module(f"{FOLDER.name}.{self.name}.{module}"), name)

    def file(self, claim: Claim) -> str:
        """Where that function stands."""
        return f"claims/{self.name}/{claim.check.partition(':')[0]}.py"


def _claim(name: str, row: dict[str, Any]) -> Claim:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    for key in ("sentence", "how", "tolerance", "beyond"):
        fields[key] = " ".join(str(fields.get(key, "")).split())
    try:
        return Claim(**fields)
    except TypeError as error:
        raise bad(
            f"claim of {name}", row.get("id", row), "the fields of rfscore.validation.Claim", str(error)
        ) from error


@cache
def all_papers() -> tuple[Paper, ...]:
    """All papers, the one the package is about first."""
    found = []
    for path in sorted(FOLDER.glob("*/claims.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        claims = tuple(_claim(path.parent.name, row) for row in table["claim"])
        whose = table.get("whose", table["title"])
        found.append(Paper(path.parent.name, table["title"], table["reference"], claims, whose))
    names = [claim.id for paper in found for claim in paper.claims]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise bad("claims", twice, "ids that occur once")
    return tuple(found)


def chosen(only: Sequence[str] = (), paper: str | None = None, quick: bool = False) -> list[tuple[Paper, Claim]]:
    """The claims asked for, in order.

    Args:
        only: ids; none means all.
        paper: name of one paper.
        quick: leave out what takes more than `QUICK` seconds.

    Raises:
        InputError: an id or a paper that does not exist, with those that do.
    """
    known = {claim.id for p in all_papers() for claim in p.claims}
    names = [p.name for p in all_papers()]
    if paper is not None and paper not in names:
        raise bad("paper", paper, f"one of {names}")
    for name in only:
        if name not in known:
            raise bad("claim", name, "the id of a claim", f"the nearest: {_nearest(name, known)}")
    return [
        (p, claim)
        for p in all_papers()
        for claim in p.claims
        if (paper in (None, p.name)) and (not only or claim.id in only) and not (quick and claim.seconds > QUICK)
    ]


#: Seconds a claim may cost in a quick run.
QUICK = 2.0


def _nearest(name: str, known: set[str]) -> str:
    from difflib import get_close_matches

    return ", ".join(get_close_matches(name, sorted(known), n=4, cutoff=0.3)) or ", ".join(sorted(known)[:4])
