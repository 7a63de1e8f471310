"""Pages of the site that are written from code, records and tables, so that none of them can fall behind."""

from __future__ import annotations

from pathlib import Path


def put(path: Path, text: str) -> None:
    """Write where the text is new, so that a second build reads only what changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
