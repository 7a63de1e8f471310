"""Formulas as SVG in one font, so that the page looks alike everywhere and needs nothing but itself."""

from __future__ import annotations

import functools
import html
import re

_SIZE = 20.0  # units per em inside the SVG
_SYMBOL = re.compile(r'<symbol id="([^"]+)".*?</symbol>', re.S)


class Typesetter:
    """Turns LaTeX into SVG; the glyphs are collected once, in `glyphs()`."""

    def __init__(self) -> None:
        import ziamath

        ziamath.config.svg2, ziamath.config.precision = True, 2
        self._latex = ziamath.Latex
        self._symbols: dict[str, str] = {}
        self.render = functools.cache(self._render)

    def _render(self, latex: str, block: bool) -> str:
        """One formula; inline ones sit on the baseline of the text."""
        formula = self._latex(_portable(latex), size=_SIZE, inline=not block)
        source = formula.svg()
        for match in _SYMBOL.finditer(source):
            outline = match.group(0).replace(f'id="{match.group(1)}"', "", 1)
            name = self._symbols.setdefault(outline, f"g{len(self._symbols)}")
            source = source.replace(f'href="#{match.group(1)}"', f'href="#{name}"')
        box = [float(x) for x in re.search(r'viewBox="([^"]+)"', source).group(1).split()]
        body = _SYMBOL.sub("", source[source.index(">") + 1 : source.rindex("</svg>")]).replace("black", "currentColor")
        style = f"width:{box[2] / _SIZE:.3f}em;height:{box[3] / _SIZE:.3f}em"
        if not block:
            style += f";vertical-align:{-(box[1] + box[3]) / _SIZE:.3f}em"
        return (
            f'<svg role="img" aria-label="{html.escape(latex)}" viewBox="{" ".join(f"{x:.2f}" for x in box)}" '
            f'style="{style}">{body}</svg>'
        )

    def glyphs(self) -> str:
        """The glyphs used so far, hidden; to be put in the page once."""
        drawn = (outline.replace("<symbol", f'<symbol id="{name}"', 1) for outline, name in self._symbols.items())
        return f'<svg style="display:none" aria-hidden="true">{"".join(drawn)}</svg>'


def _portable(latex: str) -> str:
    """The same formula in the subset that LaTeX and the typesetter read alike."""
    latex = re.sub(r"\\rm\s+([A-Za-z]+)", r"\\mathrm{\1}", latex)
    latex = re.sub(r"\\[bB]ig(?=[(\[])", r"\\left", re.sub(r"\\[bB]ig(?=[)\]])", r"\\right", latex))
    latex = re.sub(r"\\[bB]ig(?=\W)", "", latex)
    latex = re.sub(r"(?<!\\)\\ ", r"\\;", latex)  # the converter drops what follows a control space
    return latex.replace(r"\iff", r"\Longleftrightarrow")
