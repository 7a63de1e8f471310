"""How long a knob's answer takes: `python -m tests.explorer.latency` prints the table of docs/explore.md.

From the press of a key on a slider to the frame in which the piece is drawn, by the clock of the browser.
"""

from __future__ import annotations

import numpy as np

from tests.explorer.browser import answer, opened, served

KNOBS = {"psi_n": 30, "psi_p": 30, "t": 30, "ridge": 20}
PRESSED = """() => { window.answers.length = 0; window.pressed = 0;
  addEventListener("keydown", () => { window.pressed = performance.now(); }, {once: true, capture: true}); }"""
PIECES = ("losses", "spectrum", "times")


def measure(page, knob: str, presses: int) -> dict[str, list[float]]:
    """Milliseconds from the key to each piece, with a rest between two presses."""
    handle = page.locator(f"#knob-{knob} .noUi-handle")
    handle.focus()
    found: dict[str, list[float]] = {piece: [] for piece in PIECES}
    for i in range(presses):
        page.evaluate(PRESSED)
        page.keyboard.press("ArrowRight" if i % 20 < 10 else "ArrowLeft")
        page.wait_for_timeout(60)
        start = page.evaluate("() => window.pressed")
        for piece in PIECES:
            found[piece].append(answer(page, piece) - start)
    return found


def main() -> None:
    """Print median and 95th percentile of each knob and piece; the first presses compile and are left out."""
    print("| knob | " + " | ".join(f"{piece}: median, 95 %" for piece in PIECES) + " |")
    print("|---" * (len(PIECES) + 1) + "|")
    with served() as address, opened(address) as (page, _):
        page.wait_for_timeout(60_000)  # until what is compiled at the start is compiled
        for knob, presses in KNOBS.items():
            measure(page, knob, 20)
            found = measure(page, knob, presses)
            cells = [f"{np.median(x):.0f} ms, {np.percentile(x, 95):.0f} ms" for x in found.values()]
            print(f"| {knob} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
