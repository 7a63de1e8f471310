"""The tutorials as notebooks to download: the same cells, without output."""

from __future__ import annotations

import json
import re
from pathlib import Path

from _pages import put

_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?::[^\n]*\n)*(.*?)^```$", re.M | re.S)


def cells(text: str) -> list[tuple[str, str]]:
    """(kind, source) of a tutorial: prose and code in turn."""
    body, found, last = text.split("---\n", 2)[2] if text.startswith("---\n") else text, [], 0
    for match in _CELL.finditer(body):
        found += [("markdown", body[last : match.start()]), ("code", match[1])]
        last = match.end()
    return [(kind, source.strip()) for kind, source in [*found, ("markdown", body[last:])] if source.strip()]


def notebook(text: str) -> str:
    """The .ipynb of a tutorial; what only the site can do (its directives and links) is left out."""
    made = []
    for i, (kind, source) in enumerate(cells(text)):
        if kind == "markdown":
            source = re.sub(r"^(:::|```)\{.*?^\1$", "", source, flags=re.M | re.S)
            source = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", source)
            source = re.sub(r"\{[\w-]+\}`([^`<]*?)(?: <[^`]*>)?`", r"\1", source).strip()
        cell = {"cell_type": kind, "id": f"cell-{i}", "metadata": {}, "source": source.splitlines(keepends=True)}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def write(tutorials: Path, folder: Path) -> None:
    """One notebook a tutorial."""
    for path in sorted(tutorials.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if "{code-cell}" in text:
            put(folder / f"{path.stem}.ipynb", notebook(text))
