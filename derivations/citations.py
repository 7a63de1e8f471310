"""Where the package cites an equation: (D4.5), or a range (D4.5)-(D4.7), in any source file."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "rfscore"
_CITATION = re.compile(r"\(D(\d+)\.(\d+)\)(?:\s*-\s*\(D(\d+)\.(\d+)\))?")


def in_text(text: str) -> list[str]:
    """Every equation number cited in a text, ranges expanded."""
    numbers = []
    for match in _CITATION.finditer(text):
        chapter, first, last_chapter, last = match.groups()
        if last is None or last_chapter != chapter:
            numbers.append(f"D{chapter}.{first}")
            if last is not None:
                numbers.append(f"D{last_chapter}.{last}")
        else:
            numbers += [f"D{chapter}.{j}" for j in range(int(first), int(last) + 1)]
    return numbers


def in_package(root: Path = PACKAGE) -> dict[str, set[str]]:
    """Equation number -> files (relative to the repository) that cite it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(root.rglob("*.py")):
        for number in in_text(path.read_text(encoding="utf-8")):
            found[number].add(path.relative_to(root.parent).as_posix())
    return dict(found)
