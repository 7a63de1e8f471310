"""The claims of papers with the verdicts last accepted; `rfscore validate` writes the numbers behind them."""

from __future__ import annotations

import functools
from pathlib import Path

from _pages import put
from rfscore.validation import expectations
from rfscore.validation.paper import Claim, Paper, all_papers

CLAIMS = Path(__file__).resolve().parents[2] / "claims"


@functools.cache
def _papers() -> tuple[Paper, ...]:
    return all_papers(CLAIMS)


def citing(field: str, name: str) -> str:
    """Claims that cite a chapter of the derivations or a figure, as links from a folder beside `verdicts`."""
    links = []
    for paper in _papers():
        for claim in paper.claims:
            cited = {text.split(".")[0] if field == "derivations" else text for text in getattr(claim, field)}
            if name in cited:
                links.append(f"[{claim.id}](../verdicts/{paper.name}.md#{_anchor(claim.id)})")
    return ", ".join(links)


def _anchor(name: str) -> str:
    return name.replace(".", "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", r"\*").replace("_", r"\_").replace("$", r"\$")


def _claim(claim: Claim, verdict: str, figures: dict[str, str]) -> str:
    lines = [f"### {claim.id}", f"**{verdict}** · {_cell(claim.place)}", _cell(claim.sentence)]
    lines.append(f"*Check:* {_cell(claim.how)} *Ranges:* {_cell(claim.tolerance)}")
    if claim.beyond:
        lines.append(f"*Beyond:* {_cell(claim.beyond)}")
    links = [f'<a href="../derivations/{x.split(".")[0]}.html#{x}">({x})</a>' for x in claim.derivations]
    links += [f"[{figures[x]}](../figures.md#{figures[x]})" for x in claim.figures if x in figures]
    links.append(f"`rfscore validate --only {claim.id}`")
    return "\n\n".join([*lines, " · ".join(links)])


def write(folder: Path, root: Path) -> None:
    """One page a paper, and the page that counts."""
    accepted = expectations.load(CLAIMS)
    drawn = {p.stem.split("_")[0] if p.stem.startswith("fig") else p.stem: p.stem
             for p in sorted((root / "paper_figs").glob("*.png"))}  # fmt: skip
    drawn |= {stem: stem for stem in drawn.values()}
    tree, rows = [], []
    for paper in _papers():
        tree.append(paper.name)
        found = accepted.get(paper.name, {})
        parts, section = [f"# {paper.title}", paper.reference], ""
        for claim in paper.claims:
            if claim.section != section:
                section = claim.section
                parts.append(f"## {section}")
            parts.append(_claim(claim, str(found.get(claim.id, "new")), drawn))
        put(folder / f"{paper.name}.md", "\n\n".join(parts) + "\n")
        rows.append(f"* [{paper.title}]({paper.name}.md): {paper.reference}")
    sentences = expectations.sentence(accepted, CLAIMS)
    lead = (
        "Each claim is a sentence, a small function that measures, and a range that was set before the number was "
        "seen. The verdict follows from the numbers. `rfscore validate` computes all of them and writes a page with "
        "every number; here are the verdicts last accepted. Your own paper: [Extending](../../extending.md)."
    )
    put(folder / "index.md", "\n\n".join(["# Claims and verdicts", lead, sentences, "\n".join(rows),
        "```{toctree}\n:hidden:\n\n" + "\n".join(tree) + "\n```"]) + "\n")  # fmt: skip
