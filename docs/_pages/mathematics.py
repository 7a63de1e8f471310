"""Formulas of the pages as SVG, by the typesetter of the derivations: nothing is loaded from elsewhere."""

from __future__ import annotations

from derivations.formula import Typesetter


def _drawn(latex: str, block: bool) -> str:
    typeset = Typesetter()  # one a formula: its glyphs stand beside it
    drawn = typeset.render(" ".join(latex.split()), block)
    return f'<span class="math">{typeset.glyphs()}{drawn}</span>'


def _inline(writer, node) -> None:
    from docutils import nodes

    writer.body.append(_drawn(node.astext(), False))
    raise nodes.SkipNode


def _block(writer, node) -> None:
    from docutils import nodes

    writer.body.append(f'<div class="formula">{_drawn(node.astext(), True)}</div>')
    raise nodes.SkipNode


def connect(app) -> None:
    """Offer the renderer under the name that conf.py asks for."""
    app.add_html_math_renderer("svg", (_inline, None), (_block, None))
