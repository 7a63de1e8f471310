"""The page a referee could be handed: summary, index with filters, and every claim with its numbers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from rfscore._text import read_json
from rfscore.errors import InputError
from rfscore.output import RunFolder
from rfscore.report import page
from rfscore.validation import expectations, style, words
from rfscore.validation.lab import Lab
from rfscore.validation.paper import Claim, Paper
from rfscore.validation.runner import Result

Runner = Callable[[list[tuple[Paper, Claim]], Lab], list[Result]]
TITLE = "Claims on generalisation and memorisation in diffusion models, checked one by one"


def write(
    out: str | PathLike[str], claims: list[tuple[Paper, Claim]], lab: Lab, run: Runner, *, overwrite: bool = False,
    derivations: bool = False,
) -> list[Result]:  # fmt: skip
    """Run checks and leave report.html, report.md, claims.json, the sources cited and the manifest in a folder.

    Args:
        out: the folder; new, empty, or one that rfscore made. It is claimed before anything is computed.
        claims: what to check.
        lab: what the checks share.
        run: runs them; given by the caller, who shows progress.
        overwrite: take any folder; its other files stay.
        derivations: typeset the derivations into derivations.html (a minute), where the repository is at hand.

    Returns:
        The results.

    Raises:
        InputError: a folder that cannot be written.
    """
    with RunFolder(out, overwrite=overwrite, problem=None, seeds={"seed": lab.seed}) as folder:
        start = time.perf_counter()
        results = run(claims, lab)
        root = claims[0][0].root
        typeset = _derivations(folder, root) if derivations else False
        linked = _sources(folder, results, root, typeset)
        pictures = _pictures(results, root)
        folder.json("claims.json", {"results": [r.plain() for r in results], "seconds": time.perf_counter() - start})
        accepted = expectations.load(claims[0][0].folder.parent)
        changes = expectations.changes(results, accepted)
        blocks: list[page.Block] = [
            style.summary(results, changes), style.contents(results), style.index(results),
            *style.sections(results, linked, pictures),
        ]  # fmt: skip
        meta = words.meta(results, lab, time.perf_counter() - start)
        folder.text("report.md", page.to_markdown(TITLE, meta, blocks))
        folder.text("report.html", page.to_html(TITLE, meta, blocks, style.CSS))
    return results


def _derivations(folder: RunFolder, root: Path) -> bool:
    """derivations.html, made now by the repository's own command; False where it cannot be made."""
    if not (root / "derivations" / "__main__.py").is_file():
        return False
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "derivations", "--output", scratch]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        made = Path(scratch, "derivations.html")
        if done.returncode or not made.is_file():
            return False
        folder.write("derivations.html", made.read_bytes())
    return True


def _sources(folder: RunFolder, results: Sequence[Result], root: Path, typeset: bool) -> dict[str, str]:
    """Copies of the files cited, as text that a browser shows: name in the repository -> name in the folder."""
    cited = {name: root / name for r in results for name in r.claim.code}
    cited |= {r.paper.file(r.claim): r.paper.folder.parent / r.paper.file(r.claim) for r in results}
    chapters = {chapter for r in results for name in r.claim.derivations if (chapter := name.split(".")[0])}
    linked = {}
    for name, path in sorted(cited.items()):
        if path.is_file():
            linked[name] = f"sources/{name}.txt"
            folder.text(linked[name], path.read_text(encoding="utf-8"))
    for chapter in sorted(chapters):
        scripts = sorted((root / "derivations").glob(f"D{int(chapter[1:]):02d}_*.py"))
        if typeset:
            linked[chapter] = "derivations.html"
        elif scripts:
            linked[chapter] = f"sources/derivations/{scripts[0].name}.txt"
            folder.text(linked[chapter], scripts[0].read_text(encoding="utf-8"))
    return linked


def _pictures(results: Sequence[Result], root: Path) -> dict[str, list[style.Shot]]:
    """Pictures of paper_figs by the name claims give them; what is not there is not shown."""
    wanted = {name for r in results for name in r.claim.figures}
    found = {}
    for name in sorted(wanted):
        drawn = root / "paper_figs"
        files = [*drawn.glob(f"{name}.png"), *sorted(drawn.glob(f"{name}_*.png"))]
        if files:
            found[name] = [style.Shot(path.read_bytes(), _title(path)) for path in files]
    return found


def _title(picture: Path) -> str:
    """What a picture shows, from the record beside it; its name where there is none."""
    try:
        return str(read_json(picture.with_suffix(".json"), "record of a figure")["title"])
    except (InputError, KeyError):
        return picture.stem
