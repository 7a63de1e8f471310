"""Docstrings are plain text with `names`: what reStructuredText would read as markup is escaped."""

from __future__ import annotations

import re

from _pages import api
from derivations import citations


def _escaped(line: str) -> str:
    parts = line.split("`")
    if len(parts) % 2 == 0:
        return line.replace("`", r"\`")
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*|\\])", r"\\\1", parts[i])
        parts[i] = re.sub(r"_(?!\w)", r"\\_", parts[i])
        parts[i] = re.sub(r"\((D\d+)\.(\d+)\)", lambda m: api.equation(m[1], m[2]), parts[i])
    return "".join(f"``{part}``" if i % 2 else part for i, part in enumerate(parts))


def _process(app, what, name, obj, options, lines) -> None:
    """Escape prose; a doctest, from its prompt to the next blank line, stays."""
    del app, what, options
    code = False
    for i, line in enumerate(lines):
        code = bool(line.strip()) and (code or line.lstrip().startswith(">>>"))
        if not code:
            lines[i] = _escaped(line)
    module = getattr(obj, "__module__", None)
    if name.count(".") <= 2 and callable(obj) and module in api.files():
        cited = citations.in_text(api.files()[module])
        if cited:
            chapters = sorted({n.split(".")[0] for n in cited}, key=lambda n: int(n[1:]))
            lines += ["", "Derived in " + ", ".join(api.chapter(c) for c in chapters) + "."]


def _signature(app, what, name, obj, options, signature, returned) -> tuple[str | None, str | None]:
    """`Any` says nothing; shapes stay."""
    del app, what, name, obj, options
    return signature and re.sub(r": Any\b", "", signature), None if returned in ("Any", "None") else returned


def connect(app) -> None:
    """Before napoleon, which comes at 500."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-signature", _signature)
