"""Every link and picture of the built site leads to a file, and to a place in it; nothing is loaded from elsewhere."""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """What a page refers to, what it loads, and the names of its places."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.places |= {found[key] for key in ("id", "name") if key in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag in ("img", "script", "iframe") and "src" in found:
            self.loads.append(found["src"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(found.get("href", ""))


@cache
def read(path: Path) -> _Page:
    """A page, parsed once."""
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def dead(root: Path) -> list[str]:
    """What is wrong, one line each."""
    found = []
    for path in sorted(root.rglob("*.html")):
        page = read(path)
        if path.parent.name == "tutorials" and path.stem != "index" and not any("_images" in x for x in page.loads):
            found.append(f"{path.relative_to(root)}: a tutorial without a picture")
        found += [f"{path.relative_to(root)}: loads {x}" for x in page.loads if urlsplit(x).netloc]
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                found.append(f"{path.relative_to(root)}: no file {link}")
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(target).places:
                found.append(f"{path.relative_to(root)}: no place {link}")
    return found


if __name__ == "__main__":
    wrong = dead(Path(sys.argv[1]).resolve())
    print("\n".join(wrong) if wrong else "docs: every link leads somewhere; no page loads anything from elsewhere")
    sys.exit(bool(wrong))
