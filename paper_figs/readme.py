"""The sections of paper_figs/README.md, written from the .json files so that its numbers are those of the pictures."""

from __future__ import annotations

import re
from pathlib import Path

from paper_figs.job import HERE, records
from rfscore.output import write_bytes

MARKS = ("<!-- figures: written by `python -m paper_figs` -->", "<!-- /figures -->")


#: The words of captions, written plainly in the scripts, in the letters of the sentences.
_LETTERS = {
    "tau_half": "τ_half", "tau_opt": "τ_opt", "lambda_min": "λ_min", "psi_n": "ψ_n", "psi_p": "ψ_p", "Delta_t": "Δ_t",
    "tau": "τ",
}  # fmt: skip
_WORD = re.compile(r"\b(" + "|".join(_LETTERS) + r")\b")
_SAID = (("paper", "The paper"), ("here", "Here"), ("differs", "Where they differ"))


def table(folder: Path = HERE) -> str:
    """One section per figure, in Markdown: the picture, its caption beside it, three sentences."""
    found, lines = records(folder), []
    for name in sorted(found, key=lambda name: (name.startswith("beyond"), name)):
        plain = found[name]
        label = "Beyond:" if name.startswith("beyond") else plain["id"].replace("fig", "Fig ").replace("Fig 0", "Fig ")
        lines += [f"### {label} {plain['title']}", ""]
        if plain["status"] == "made":
            caption = _WORD.sub(lambda word: _LETTERS[word[1]], plain.get("caption", ""))
            lines += [f"![{plain['title']}]({name}.png)", ""]
            lines += [f"{caption} {plain['size'].capitalize()} size; [numbers]({name}.json).", ""]
        lines += [*(f"- **{head}:** {plain['row'][key]}" for key, head in _SAID), ""]
    return "\n".join(lines).rstrip()


def write(folder: Path = HERE) -> Path:
    """Put the sections between its two marks."""
    path = folder / "README.md"
    before, rest = path.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    return write_bytes(path, f"{before}{MARKS[0]}\n{table(folder)}\n{MARKS[1]}{after}".encode())
