"""One document from all derivations: self-contained HTML, formulas as SVG, and LaTeX."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from derivations.formula import Typesetter
from derivations.record import Check, Derivation, Equation, Text

_STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea; --tint: #f6f8fa; --mark: #1f6f54; }
* { box-sizing: border-box; }
body { font: 17px/1.55 Georgia, 'Times New Roman', serif; color: var(--ink); background: #fff; max-width: 60rem;
  margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin-bottom: .3rem; }
h2 { font-size: 1.4rem; margin: 3rem 0 .6rem; padding-top: .6rem; border-top: 2px solid var(--ink); }
a { color: #1d4f91; text-decoration: none; } a:hover { text-decoration: underline; }
.lead { color: var(--soft); margin-top: 0; }
.assume { background: var(--tint); border-left: 3px solid var(--line); padding: .5rem 1rem .5rem 2.2rem; }
.eq { display: grid; grid-template-columns: 1fr auto; align-items: center; gap: .2rem 1rem; margin: 1.1rem 0 .3rem; }
.eq .m { overflow-x: auto; text-align: center; padding: .2rem 0; }
.eq .n { color: var(--soft); white-space: nowrap; }
.eq .w { grid-column: 1 / -1; font: 13px/1.4 system-ui, sans-serif; color: var(--soft); text-align: right; }
.eq:target { background: #fff7d6; }
.ok { font: 14px/1.45 system-ui, sans-serif; margin: .25rem 0 .25rem 1.5rem; padding-left: 1.2rem; position: relative; }
.ok::before { content: "\\2713"; position: absolute; left: 0; color: var(--mark); font-weight: 700; }
.ok .e { color: var(--soft); }
code { font: .86em ui-monospace, Menlo, Consolas, monospace; }
table { border-collapse: collapse; font: 14px/1.4 system-ui, sans-serif; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
td.r, th.r { text-align: right; font-variant-numeric: tabular-nums; }
svg { overflow: visible; } p svg, li svg { font-size: 1.1em; } .eq .m svg { font-size: 1.08em; }
@media (max-width: 30rem) {
  th, td { padding-left: .3rem; padding-right: .3rem; } th:last-child, td:last-child { display: none; }
}
@media print { body { max-width: none; margin: 0; } h2 { break-after: avoid; } .eq, .ok { break-inside: avoid; } }
"""


def _inline(text: str, typeset: Typesetter) -> str:
    """Text with $...$ typeset and everything else escaped; equation numbers become links."""
    parts = text.split("$")
    for j, part in enumerate(parts):
        parts[j] = typeset.render(part, False) if j % 2 else _linked(html.escape(part))
    return "".join(parts)


def _link(number: str) -> str:
    return f'<a href="#{number}">({number})</a>'


def _linked(fragment: str) -> str:
    """Equation numbers in running text become links."""
    return re.sub(r"\((D\d+\.\d+)\)", lambda m: _link(m.group(1)), fragment)


def _block(block: Text | Equation | Check, cited: dict[str, set[str]], typeset: Typesetter) -> str:
    if isinstance(block, Text):
        return f"<p>{_inline(block.body, typeset)}</p>"
    if isinstance(block, Check):
        evidence = _inline(block.evidence, typeset)
        return f'<p class="ok">{_inline(block.claim, typeset)} <span class="e">({evidence})</span></p>'
    where = [f"paper: {_inline(block.paper, typeset)}"] if block.paper else []
    files = sorted({*(x.strip() for x in block.code.split(",") if x.strip()), *cited.get(block.number, ())})
    where += ["code: " + ", ".join(f"<code>{html.escape(f)}</code>" for f in files)] if files else []
    return (
        f'<div class="eq" id="{block.number}"><div class="m">{typeset.render(block.latex, True)}</div>'
        f'<div class="n">({block.number})</div><div class="w">{" · ".join(where)}</div></div>'
    )


def to_html(derivations: Iterable[Derivation], seconds: dict[int, float], cited: dict[str, set[str]]) -> str:
    """The whole document."""
    records, body, rows, typeset = list(derivations), [], [], Typesetter()
    for d in records:
        rows.append(
            f'<tr><td><a href="#D{d.number}">D{d.number}</a></td><td>{html.escape(d.title)}</td>'
            f'<td class="r">{len(d.equations)}</td><td class="r">{len(d.checks)}</td>'
            f'<td class="r">{seconds.get(d.number, 0):.1f}</td></tr>'
        )
        assumptions = "".join(f"<li>{_inline(a, typeset)}</li>" for a in d.assumptions)
        body.append(
            f'<h2 id="D{d.number}">D{d.number}. {html.escape(d.title)}</h2><ul class="assume">{assumptions}</ul>'
        )
        body += [_block(block, cited, typeset) for block in d.blocks]
    table = (
        "<table><thead><tr><th></th><th>Derivation</th><th class=r>Equations</th><th class=r>Checks</th>"
        f"<th class=r>Seconds</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Derivations of rfscore</title><style>{_STYLE}</style></head><body>{typeset.glyphs()}"
        '<h1>Derivations of rfscore</h1><p class="lead">Every formula of the package, its origin, and what was '
        "checked when this page was built. A tick is an assertion that ran. Equations of the paper refer to "
        "Bonnaire, Urfin, Biroli and Mézard 2025 (arXiv 2505.17638); SM is its supplement.</p>"
        f"{table}{''.join(body)}</body></html>\n"
    )


def _tex_text(text: str) -> str:
    """Escape what LaTeX reserves outside of $...$."""
    parts = text.split("$")
    for j in range(0, len(parts), 2):
        parts[j] = (
            re.sub(r"([%&#_])", r"\\\1", parts[j])
            .replace("~", r"\textasciitilde{}")
            .replace("^", r"\textasciicircum{}")
        )
    return "$".join(parts)


def to_tex(derivations: Iterable[Derivation]) -> str:
    """The same document as LaTeX."""
    lines = [
        r"\documentclass[11pt]{article}", r"\usepackage{amsmath,amssymb,geometry,enumitem}", r"\geometry{margin=25mm}",
        r"\title{Derivations of rfscore}", r"\date{}", r"\begin{document}", r"\maketitle", r"\allowdisplaybreaks",
    ]  # fmt: skip
    for d in derivations:
        lines += [rf"\section*{{D{d.number}. {_tex_text(d.title)}}}", r"\begin{itemize}[nosep]"]
        lines += [rf"\item {_tex_text(a)}" for a in d.assumptions] + [r"\end{itemize}"]
        for block in d.blocks:
            if isinstance(block, Text):
                lines.append(_tex_text(block.body) + "\n")
            elif isinstance(block, Check):
                lines.append(rf"\noindent\hspace*{{1em}}{{\footnotesize$\checkmark$ {_tex_text(block.claim)} "
                             rf"\emph{{({_tex_text(block.evidence)})}}}}\par")  # fmt: skip
            else:
                where = "; ".join(_tex_text(x) for x in (block.paper, block.code) if x)
                width = r"\ifdim\width>.9\linewidth .9\linewidth\else\width\fi"
                body = rf"\resizebox{{{width}}}{{!}}{{$\displaystyle {block.latex}$}}"
                lines += [rf"\begin{{equation*}}{body}\tag{{{block.number}}}\end{{equation*}}",
                          rf"{{\raggedleft\footnotesize {where}\par}}" if where else ""]  # fmt: skip
    lines.insert(2, r"\usepackage{graphicx}")
    return "\n".join([*lines, r"\end{document}", ""])
