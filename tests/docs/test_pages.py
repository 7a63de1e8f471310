"""The site's sources: short tutorials, notebooks that are their cells, and a check of links that finds dead ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted(path for path in (ROOT / "docs" / "tutorials").glob("*.md") if path.stem != "index")


@pytest.fixture(autouse=True)
def _pages_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "_pages"]:
        del sys.modules[name]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_has_fewer_than_sixty_lines_of_code_and_is_listed(path):
    from _pages import notebooks

    text = path.read_text(encoding="utf-8")
    code = [line for kind, source in notebooks.cells(text) if kind == "code" for line in source.splitlines()]
    assert 5 < len(code) < 60
    assert f"\n{path.stem}\n" in (path.parent / "index.md").read_text(encoding="utf-8")
    assert f"(tutorials/{path.stem}.md)" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_notebook_has_the_cells_of_its_tutorial_and_nothing_of_the_site(path):
    from _pages import notebooks

    text = path.read_text(encoding="utf-8")
    cells = json.loads(notebooks.notebook(text))["cells"]
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            assert source in text
        else:
            assert "{download}" not in source and "](../" not in source
    assert sum(cell["cell_type"] == "code" for cell in cells) == text.count("```{code-cell}")


def test_dead_links_and_what_is_loaded_from_elsewhere_are_found(tmp_path):
    from _pages import dead_links

    (tmp_path / "a.html").write_text('<a href="b.html#here">x</a><a href="https://else.where">x</a><p id="top">')
    (tmp_path / "b.html").write_text('<a name="here"></a><a href="a.html#top">x</a>')
    assert dead_links.dead(tmp_path) == []
    (tmp_path / "c.html").write_text('<a href="b.html#gone">x</a><img src="gone.png"><script src="//cdn.else/x.js">')
    assert len(dead_links.dead(tmp_path)) == 3
