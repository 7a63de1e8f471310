"""Papers as data: in a folder outside the package, claims.toml and modules with one small function per claim."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rfscore._text import read_toml
from rfscore.errors import bad
from rfscore.validation.evidence import Comparison

if TYPE_CHECKING:
    from rfscore.validation.lab import Lab

#: Where claims are looked for: in the folder one works in, because an installed package has none.
FOLDER = Path("claims")
Kind = Literal["claim", "misprint", "extension"]
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
        kind: a claim of the paper; a misprint, a formula that is wrong as printed; or an extension, ours, of a claim to
            where the paper does not make it. Counted apart.
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
    kind: Kind = "claim"


@dataclass(frozen=True)
class Paper:
    """A set of claims.

    Attributes:
        folder: with claims.toml and the modules of checks; its name is that of the set.
        title: of the paper.
        reference: the heading of the page.
        claims: in the order of the table.
        whose: how a sentence calls them, "the paper".
        links: words of the reference, and the address they lead to.
    """

    folder: Path
    title: str
    reference: str
    claims: tuple[Claim, ...]
    whose: str = ""
    links: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def root(self) -> Path:
        """The place of the folder of claims: derivations, pictures and network runs stand beside it."""
        return self.folder.parents[1]

    def function(self, claim: Claim) -> Check:
        """The check behind a claim: code of whoever wrote the claims, imported as package FOLDER.PAPER.MODULE."""
        module, _, name = claim.check.partition(":")
        return getattr(importlib.import_module(f"{self.folder.parent.name}.{self.name}.{module}"), name)

    def file(self, claim: Claim) -> str:
        """Where that function stands, from the folder of claims."""
        return f"{self.name}/{claim.check.partition(':')[0]}.py"


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


def all_papers(folder: Path = FOLDER) -> tuple[Paper, ...]:
    """All papers of a folder of claims, by name.

    Raises:
        InputError: no claims there, a table that is not one, or an id that occurs twice.
    """
    return _papers(folder.resolve())


@cache
def _papers(folder: Path) -> tuple[Paper, ...]:
    found = []
    for path in sorted(folder.glob("*/claims.toml")):
        try:
            table = read_toml(path, "claims")
            claims = tuple(_claim(path.parent.name, row) for row in table["claim"])
            whose = table.get("whose", table["title"])
            found.append(
                Paper(
                    path.parent,
                    table["title"],
                    table["reference"],
                    claims,
                    whose,
                    tuple(table.get("links", {}).items()),
                )
            )
        except KeyError as error:
            raise bad("claims", str(path), "TOML with title, reference and [[claim]] tables", str(error)) from error
    if not found:
        raise bad("folder of claims", str(folder), "a folder with PAPER/claims.toml in it",
                  "work in a checkout of rfscore, or give --papers")  # fmt: skip
    _make_importable(folder)
    names = [claim.id for paper in found for claim in paper.claims]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise bad("claims", twice, "ids that occur once")
    return tuple(found)


def _make_importable(folder: Path) -> None:
    """Checks are imported as FOLDER.PAPER.MODULE."""
    if str(folder.parent) not in sys.path:
        sys.path.insert(0, str(folder.parent))
    found = importlib.util.find_spec(folder.name)
    if found is None or str(folder) not in (found.submodule_search_locations or ()):
        raise bad("folder of claims", str(folder), "a name that no installed package has", "rename it")


def chosen(
    only: Sequence[str] = (), paper: str | None = None, quick: bool = False, folder: Path = FOLDER
) -> list[tuple[Paper, Claim]]:
    """The claims asked for, in order.

    Args:
        only: ids; none means all.
        paper: name of one paper.
        quick: leave out what takes more than `QUICK` seconds.
        folder: of the claims.

    Raises:
        InputError: an id or a paper that does not exist, with those that do.
    """
    papers = all_papers(folder)
    known = {claim.id for p in papers for claim in p.claims}
    names = [p.name for p in papers]
    if paper is not None and paper not in names:
        raise bad("paper", paper, f"one of {names}")
    for name in only:
        if name not in known:
            raise bad("claim", name, "the id of a claim", f"the nearest: {_nearest(name, known)}")
    return [
        (p, claim)
        for p in papers
        for claim in p.claims
        if (paper in (None, p.name)) and (not only or claim.id in only) and not (quick and claim.seconds > QUICK)
    ]


#: Seconds a claim may cost in a quick run.
QUICK = 2.0


def _nearest(name: str, known: set[str]) -> str:
    from difflib import get_close_matches

    return ", ".join(get_close_matches(name, sorted(known), n=4, cutoff=0.3)) or ", ".join(sorted(known)[:4])
