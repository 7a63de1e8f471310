"""One readable page from a list of blocks, as self-contained HTML and as Markdown."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A section title."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Plain sentences; `key` sets them apart as a main result."""

    text: str
    key: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: list[str]


@dataclass(frozen=True)
class Table:
    """Rows of text under headers; the first column is a label."""

    headers: list[str]
    rows: list[list[str]]
    caption: str


@dataclass(frozen=True)
class Picture:
    """A figure: its name in the folder, PNG bytes, caption, and its panels for narrow screens."""

    name: str
    png: bytes
    caption: str
    panels: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Fragment:
    """Ready HTML and Markdown, for what the other blocks cannot say."""

    html: str
    markdown: str


Block = Heading | Paragraph | Bullets | Table | Picture | Fragment

#: Of every page: the report, the claims, the explorer.
CSS = """
:root { --ink: #1d1d1f; --faint: #5f6368; --line: #d9d9de; --tint: #f4f6f8; --accent: #0072B2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 17px/1.55 Georgia, 'Times New Roman', serif; }
main { max-width: 56rem; margin: 0 auto; padding: 1.5rem 1.1rem 4rem; }
h1, h2, th, figcaption, .meta { font-family: -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; }
h1 { font-size: 1.65rem; line-height: 1.2; margin: .5rem 0 .3rem; }
h2 { font-size: 1.18rem; margin: 2.4rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--line); }
p, ul { margin: .6rem 0; max-width: 44rem; } li { margin: .3rem 0; }
.meta, figcaption { color: var(--faint); font-size: .84rem; line-height: 1.45; }
.key { background: var(--tint); border-left: 4px solid var(--accent); padding: .7rem 1rem; max-width: none; }
figure { margin: 1.3rem 0; } img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { margin: .5rem auto 0; max-width: 46rem; } figcaption.above { margin: 0 0 .4rem; }
.narrow { display: none; } a { color: #1d4f91; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font: .84rem/1.4 -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { border-bottom: 2px solid var(--ink); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: nowrap; }
sub, sup { font-size: .72em; line-height: 0; }
@media (max-width: 600px) {
  body { font-size: 16px; } h1 { font-size: 1.35rem; } th, td { padding: .3rem .45rem; }
  .wide { display: none; } .narrow { display: block; } .narrow img { margin-bottom: .5rem; }
}
@media print {
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; } .scroll { overflow: visible; }
  figure, table, .key { break-inside: avoid; } h2 { break-after: avoid; } a { color: inherit; }
}
"""


_GREEK = {"psi": "ψ", "tau": "τ", "lambda": "λ", "mu": "μ", "Delta": "Δ", "rho": "ρ", "sigma": "σ"}


def inline(text: str) -> str:
    """Escape, then set ψ_n, 10^-3 and L_train with real sub- and superscripts, and [words](https://...) as links."""
    text = html.escape(text, quote=False)
    text = re.sub(rf"(?<![A-Za-z_])({'|'.join(_GREEK)})_(?=[A-Za-z0-9]+(?!\w))", lambda m: _GREEK[m[1]] + "_", text)
    # A letter before an underscore is a symbol only when it stands alone: names such as mixture_classes are none.
    text = re.sub(r"((?<![A-Za-z])[A-Za-z]|[ψτλΔρσΓΣμζ])_([A-Za-zΣ]+|\d)", r"\1<sub>\2</sub>", text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"\[([^\]]+)\]\((https://[^\s)]+)\)", r'<a href="\2">\1</a>', text)
    return re.sub(r"\^(-?\w+(?:\.\w+)*|\{[^}]*\})", lambda m: f"<sup>{m[1].strip('{}').replace('-', '−')}</sup>", text)


def anchor(text: str) -> str:
    """The name of a heading in links to it."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def contents(blocks: Sequence[Block]) -> Fragment:
    """Links to the headings of a page."""
    titles = [block.text for block in blocks if isinstance(block, Heading)]
    links = " · ".join(f'<a href="#{anchor(title)}">{inline(title)}</a>' for title in titles)
    return Fragment(f"<nav class=meta>{links}</nav>", " · ".join(titles))


def _image(png: bytes, words: str) -> str:
    data, alt = base64.b64encode(png).decode(), html.escape(words, quote=True)
    return f'<img src="data:image/png;base64,{data}" alt="{alt}">'


def _html_block(block: Block) -> str:
    match block:
        case Heading(text):
            return f'<h2 id="{anchor(text)}">{inline(text)}</h2>'
        case Paragraph(text, key):
            return f"<p{' class=key' if key else ''}>{inline(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{inline(x)}</li>" for x in items) + "</ul>"
        case Table(headers, rows, caption):
            head = "".join(f"<th scope=col>{inline(x)}</th>" for x in headers)
            body = "".join("<tr>" + "".join(f"<td>{inline(x)}</td>" for x in row) + "</tr>" for row in rows)
            return (
                f"<figure><figcaption class=above>{inline(caption)}</figcaption><div class=scroll tabindex=0>"
                f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></figure>"
            )
        case Fragment(ready, _):
            return ready
        case Picture(name, png, caption, panels):
            whole = _image(png, caption)
            if len(panels) > 1:
                below = "".join(_image(x, f"{caption} (panel {i})") for i, x in enumerate(panels, 1))
                whole = f"<div class=wide>{whole}</div><div class=narrow>{below}</div>"
            return f'<figure id="{html.escape(name)}">{whole}<figcaption>{inline(caption)}</figcaption></figure>'


def to_html(title: str, meta: str, blocks: list[Block], style: str = "") -> str:
    """The whole page in one file: no script, nothing loaded from elsewhere; `style` is CSS added to the page's own."""
    body = "\n".join(_html_block(block) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>\n'
        f"<style>{CSS}{style}</style>\n</head>\n<body>\n<main>\n<h1>{inline(title)}</h1>\n"
        f"<p class=meta>{inline(meta)}</p>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _markdown_block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {text}"
        case Paragraph(text, key):
            return f"> {text}" if key else text
        case Bullets(items):
            return "\n".join(f"- {x}" for x in items)
        case Table(headers, rows, caption):
            lines = [headers, ["---"] + ["---:"] * (len(headers) - 1), *rows]
            return f"{caption}\n\n" + "\n".join("| " + " | ".join(_cell(x) for x in line) + " |" for line in lines)
        case Fragment(_, ready):
            return ready
        case Picture(name, _, caption, _):
            return f"![{name}](figures/{name}.png)\n\n*{caption}*"


def to_markdown(title: str, meta: str, blocks: list[Block]) -> str:
    """The same page as Markdown; pictures are those of the folder."""
    return "\n\n".join([f"# {title}", meta, *(_markdown_block(block) for block in blocks)]) + "\n"
