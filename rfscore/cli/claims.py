"""`rfscore validate`: check the claims of the paper, one line each, and leave a page to hand to a referee."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rfscore.cli import show
from rfscore.cli.options import Overwrite, Seed

if TYPE_CHECKING:
    from rfscore.validation import Claim, Paper, Result
    from rfscore.validation.expectations import Change

Only = Annotated[
    list[str] | None, typer.Option("--only", help="Check this claim; may be repeated.", show_default=False)
]
Name = Annotated[
    str | None, typer.Option("--paper", help="Only the claims of this paper: bonnaire2025, frozen_noise, neighbours.")
]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="Only claims of about two seconds each on a free core: minutes in all."),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder of the report [default: rfscore-validation for a whole run].")
]
Json = Annotated[bool, typer.Option("--json", help="Results as JSON on stdout instead of lines.")]
Accept = Annotated[
    bool, typer.Option("--accept", help="Take the verdicts of this run as the expected ones from now on.")
]
Papers = Annotated[Path, typer.Option("--papers", help="Folder of claims: PAPER/claims.toml and modules of checks.")]
Runs = Annotated[
    Path | None, typer.Option("--experiments", help="Folder of network runs [default: beside the claims].")
]
_MARKS = {"reproduced": "✓", "reproduced with a correction": "✓*", "not reproduced": "✗", "not testable here": "–"}


def validate(
    only: Only = None, paper: Name = None, quick: Quick = False, out: Out = None, as_json: Json = False,
    accept: Accept = False, papers: Papers = Path("claims"), experiments: Runs = None, seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Check the claims of the paper, and of its neighbours, against exact draws, theory and network runs.

    Writes report.html with every number behind every verdict. The exit code is 1 when a claim that used to hold fails.
    """
    from rfscore.validation import expectations, report
    from rfscore.validation.lab import Lab
    from rfscore.validation.paper import chosen

    claims = chosen(only or (), paper, quick, papers)
    whole = not (only or paper or quick)
    folder = Path("rfscore-validation") if out is None and whole else out
    lab = Lab(seed, papers.resolve().parent / "experiments" if experiments is None else experiments)
    if folder is None:
        results = _run(claims, lab)
    else:
        results = report.write(folder, claims, lab, _run, overwrite=overwrite, derivations=whole)
    if accept:
        expectations.accept(results, papers)
    changes = expectations.changes(results, expectations.load(papers))
    if as_json:
        from rfscore._plain import to_json

        show.put_json(to_json({"results": [r.plain() for r in results], "changes": changes}))
    else:
        _summary(results, changes, folder)
    raise typer.Exit(1 if any(x.regression for x in changes) else 0)


def _run(claims: list[tuple[Paper, Claim]], lab: object) -> list[Result]:
    """All checks, with a bar in seconds of one core and a line for each claim that is done."""
    from rfscore.cli.progress import bar
    from rfscore.validation import validate as check

    with bar("checking", sum(claim.seconds for _, claim in claims)) as now:
        count = 0

        def done(result: Result) -> None:
            nonlocal count
            count += 1
            mark = _MARKS[result.verdict.value]
            now.say(f"{mark:>2} {result.claim.id:<30} {result.verdict.value:<28} {result.seconds:5.1f} s")
            now.more(result.claim.seconds, f"{count} of {len(claims)} claims")

        return check(claims, lab, done)  # type: ignore[arg-type]


def _summary(results: list[Result], changes: list[Change], folder: Path | None) -> None:
    from rfscore.validation.expectations import besides, counts

    names = list(dict.fromkeys(r.paper.name for r in results))
    claims = [r for r in results if r.claim.kind == "claim"]
    total = {name: counts(r.verdict for r in claims if r.paper.name == name) for name in names}
    rows = [[f"{_MARKS[v.value]} {v.value}", *(str(total[name][v]) for name in names)] for v in total[names[0]]]
    show.table(f"{len(claims)} claims", ["", *names], rows)
    if apart := besides((r.claim.kind, r.verdict) for r in results):
        print(apart)
    for change in changes:
        if change.before is not None or change.regression:
            before = "new" if change.before is None else change.before.value
            print(f"{'REGRESSION' if change.regression else 'changed'}: {change.id}: {before} -> {change.now.value}")
    if new := sum(x.before is None for x in changes):
        print(f"{new} claims have no accepted verdict yet: --accept takes those of this run")
    if folder is not None:
        print(show.left(folder))
