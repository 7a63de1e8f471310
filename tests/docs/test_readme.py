"""The README: short, its example true, its links alive."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_is_short_and_says_how_to_test():
    assert len(TEXT.splitlines()) <= 100
    assert "\nmake test  " in TEXT and "\nmake reproduce " in TEXT


def test_the_example_prints_what_stands_below_it():
    code, printed = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", TEXT, re.S).groups()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "README.md", "exec"), {})
    assert said.getvalue() == printed


def test_every_link_leads_to_a_file():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if not link.startswith("https://")]
    assert len(links) > 10
    for link in links:
        assert (ROOT / link).is_file(), link
