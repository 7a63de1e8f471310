"""Pages that stand elsewhere in the repository: their links are made to lead somewhere from here."""

from __future__ import annotations

import re
from pathlib import Path

from _pages import put


def _from_here(text: str, root: Path, base: str) -> str:
    """Pictures and data lead to the file, Markdown that is no page of the site is named."""

    def link(match: re.Match) -> str:
        bang, words, target = match.groups()
        if target.startswith(("http", "#")) or (not (root / base / target).is_file() and not bang):
            return match[0] if target.startswith("http") else words
        if target.endswith(".md"):
            return f"{words} (`{base}/{target}`)"
        return f"{bang}[{words}](../../{base}/{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", link, text)


def write(folder: Path, root: Path) -> None:
    """The table of planted errors, and the runs that are kept."""
    table = (root / "tests" / "mutation" / "table.md").read_text(encoding="utf-8")
    lead = "Errors planted in the code, one by one, and the test that noticed. `python -m tests.mutation` repeats it."
    put(folder / "planted-errors.md", f"---\norphan: true\n---\n\n# Planted errors\n\n{lead}\n\n{table}")
    runs = (root / "experiments" / "README.md").read_text(encoding="utf-8")
    put(folder / "experiments.md", _from_here(runs, root, "experiments"))
