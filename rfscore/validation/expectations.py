"""The verdicts last accepted: what a later run is held against, and what the docs count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rfscore._plain import to_json
from rfscore.errors import InputError
from rfscore.output import write_bytes
from rfscore.validation.evidence import Verdict
from rfscore.validation.paper import FOLDER, Kind, all_papers
from rfscore.validation.runner import Result

_NAME = "expectations.json"
Accepted = Mapping[str, Mapping[str, Verdict]]


def load(folder: Path = FOLDER) -> dict[str, dict[str, Verdict]]:
    """paper -> id -> verdict last accepted, of a folder of claims; none where none was accepted yet.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / _NAME
    if not path.exists():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return {paper: {name: Verdict(v) for name, v in rows.items()} for paper, rows in table.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"expectations {str(path)!r} cannot be read ({error}); write them with --accept") from error


def accept(results: Iterable[Result], folder: Path = FOLDER) -> None:
    """Take these verdicts for granted from now on; claims that were not run keep theirs, those that are gone go."""
    table = load(folder)
    new = {(r.paper.name, r.claim.id): r.verdict for r in results}
    merged = {
        p.name: {c.id: v for c in p.claims if (v := new.get((p.name, c.id), table.get(p.name, {}).get(c.id)))}
        for p in all_papers(folder)
    }
    text = to_json({paper: {k: str(v) for k, v in rows.items()} for paper, rows in merged.items()})
    write_bytes(folder / _NAME, text.encode())


@dataclass(frozen=True)
class Change:
    """A verdict that differs from the accepted one; `before` is None for a claim that is new."""

    id: str
    before: Verdict | None
    now: Verdict
    regression: bool


def changes(results: Sequence[Result], accepted: Accepted) -> list[Change]:
    """Every difference; a regression is a claim that held and does not, or a check that stopped with an error.

    A claim on networks that cannot be tested because there are no run summaries at all is no regression: an installed
    package has none.
    """
    found = []
    for r in results:
        before = accepted.get(r.paper.name, {}).get(r.claim.id)
        lost = before is not None and before.held and not r.verdict.held and not r.no_runs
        if r.broken or before != r.verdict:
            found.append(Change(r.claim.id, before, r.verdict, r.broken or lost))
    return found


def counts(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    """How many of each verdict, in their order."""
    counted = Counter(verdicts)
    return {v: counted[v] for v in Verdict}


def besides(found: Iterable[tuple[Kind, Verdict]]) -> str:
    """What is counted apart from the claims: misprints, and extensions of claims.

    Example:
        >>> from rfscore.validation.expectations import Verdict, besides
        >>> besides([("claim", Verdict.REPRODUCED), ("misprint", Verdict.CORRECTED), ("extension", Verdict.FAILED)])
        'Apart from them: 1 misprint, 1 with the correction confirmed; 1 extension of a claim (0 held).'
    """
    pairs = list(found)
    misprints, extensions = ([v for k, v in pairs if k == kind] for kind in ("misprint", "extension"))
    parts = []
    if misprints:
        confirmed = sum(v is Verdict.CORRECTED for v in misprints)
        parts.append(
            f"{len(misprints)} misprint{'s' * (len(misprints) > 1)}, {confirmed} with the correction confirmed"
        )
    if extensions:
        held = sum(v.held for v in extensions)
        parts.append(f"{len(extensions)} extension{'s' * (len(extensions) > 1)} of a claim ({held} held)")
    return f"Apart from them: {'; '.join(parts)}." if parts else ""


def sentence(accepted: Accepted, folder: Path = FOLDER) -> str:
    """The counts as docs/about/results.md has them.

    Example:
        >>> from rfscore.validation import Verdict, expectations
        >>> expectations.sentence({"bonnaire2025": {"a": Verdict.REPRODUCED, "b": Verdict.CORRECTED}})
        'Of 2 claims of the paper, 1 is reproduced, 1 with a correction, 0 are not, and 0 cannot be tested here.'
    """

    def part(name: str, rows: Mapping[str, Verdict]) -> str:
        paper = next(p for p in all_papers(folder) if p.name == name)
        kind = {claim.id: claim.kind for claim in paper.claims}
        kinds = [(kind.get(i, "claim"), v) for i, v in rows.items()]
        n = list(counts(v for k, v in kinds if k == "claim").values())
        be = ["is" if x == 1 else "are" for x in n]
        return (
            f"Of {sum(n)} claims of {paper.whose}, {n[0]} {be[0]} reproduced, {n[1]} with a correction, "
            f"{n[2]} {be[2]} not, and {n[3]} cannot be tested here."
            + (f" {apart}" if (apart := besides(kinds)) else "")
        )

    return " ".join(part(name, rows) for name, rows in accepted.items())
