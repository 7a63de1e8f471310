"""The explorer in headless Chromium: what is needed to open it, turn its knobs and time its answers."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

#: Stamps every answer in the page: [state|piece, milliseconds], after the frame in which it was drawn.
LISTEN = """() => {
  const kept = [...Bokeh.documents[0]._all_models.values()].find((m) => m.name === "kept");
  window.kept = kept; window.answers = [];
  kept.patching.connect(() => {
    const answer = kept.data.answer[0];
    requestAnimationFrame(() => setTimeout(() => window.answers.push([answer, performance.now()]), 0));
  });
}"""


def chromium() -> str | None:
    """The browser of this machine, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def served(*options: str) -> Iterator[str]:
    """`rfscore explore` in a process of its own; its address."""
    command = [sys.executable, "-m", "rfscore", "explore", "--no-browser", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextlib.contextmanager
def opened(address: str, width: int = 1300, height: int = 1300) -> Iterator[tuple[object, list[str]]]:
    """The page, its knobs ready, and the list of all that goes wrong or leaves this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        page, wrong = context.new_page(), []
        page.on(
            "request", lambda r: wrong.append(r.url) if "//127.0.0.1:" not in r.url and r.url[:4] == "http" else None
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        page.wait_for_function("() => window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
        page.evaluate(LISTEN)
        yield page, wrong
        browser.close()


def answer(page, piece: str, seconds: float = 180.0) -> float:
    """Wait for the piece of the state that the knobs have now; when it was drawn, in the page's milliseconds."""
    wanted = "() => { const a = window.answers.find(([n]) => n === kept.data.query[0] + '|%s'); return a ? a[1] : 0; }"
    return page.wait_for_function(wanted % piece, timeout=1e3 * seconds, polling=10).json_value()


def answered(page) -> None:
    """Wait until something of the first state is there."""
    page.wait_for_function("() => kept.data.answer[0]", timeout=120_000)
