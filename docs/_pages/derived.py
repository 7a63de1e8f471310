"""The derivations as pages: chapters of the document that `python -m derivations` writes, with links into the API."""

from __future__ import annotations

import html
import re
from pathlib import Path

from _pages import api, put, verdicts

_CHAPTER = re.compile(r'<h2 id="(D\d+)">\1\. (.*?)</h2>(.*?)(?=<h2 id="D|</body>)', re.S)


def _links(file: str) -> str:
    names = api.defined_in().get(file, [])
    shown = ", ".join(f'<a href="{api.page_of(n)}">{n.replace("rfscore.", "rf.", 1)}</a>' for n in names[:3])
    return f"<code>{file}</code>" + (f" ({shown})" if shown else "")


def _chapter(name: str, title: str, body: str, glyphs: str) -> str:
    body = re.sub(r"<code>(rfscore/[\w/]+\.py)</code>", lambda m: _links(m[1]), body)
    body = re.sub(r'href="#(D\d+)\.', lambda m: f'href="{m[1]}.html#{m[1]}.', body)
    claims = verdicts.citing("derivations", name)
    told = f"\n\nClaims that rest on it: {claims}\n" if claims else ""
    return f"# {name}. {title}{told}\n\n<div class=derivation>{glyphs}{body}</div>\n"


def write(folder: Path, document: Path) -> None:
    """One page a chapter, and the page that lists them.

    Raises:
        FileNotFoundError: no document; `make docs` writes it first.
    """
    source = document.read_text(encoding="utf-8")
    glyphs = re.search(r'<svg style="display:none".*?</svg>', source, re.S).group(0)
    rows, tree = [], []
    for name, title, body in _CHAPTER.findall(source):
        tree.append(name)
        title = html.unescape(title)
        counts = body.count('class="eq"'), body.count('class="ok"')
        rows.append(f"| [{name}]({name}.md) | {title} | {counts[0]} | {counts[1]} |")
        # Blank lines end a block of HTML in Markdown.
        put(folder / f"{name}.md", _chapter(name, title, re.sub(r"\n\s*\n", "\n", body), glyphs))
    table = "\n".join(["| | chapter | equations | checks |", "|---|---|---|---|", *rows])
    lead = (
        "Every formula of the package, where it comes from, and what was checked when this page was built. A tick is "
        "an assertion that ran: algebra by SymPy, or numbers. Docstrings cite equations as (D5.7); each equation names "
        "the code that uses it. Equations of the paper are those of Bonnaire, Urfin, Biroli and Mézard 2025; SM is its "
        "supplement. `python -m derivations` writes the same as one page and as LaTeX."
    )
    put(folder / "index.md", f"# Derivations\n\n{lead}\n\n{table}\n\n"
        + "```{toctree}\n:hidden:\n\n" + "\n".join(tree) + "\n```\n")  # fmt: skip
