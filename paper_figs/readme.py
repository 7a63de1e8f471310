"""The table of paper_figs/README.md, written from the .json files so that its numbers are those of the pictures."""

from __future__ import annotations

from pathlib import Path

from paper_figs.job import HERE, records
from rfscore.output import write_bytes

MARKS = ("<!-- figures: written by `python -m paper_figs` -->", "<!-- /figures -->")


def table(folder: Path = HERE) -> str:
    """One row per figure, in Markdown."""
    lines = ["| figure | the paper | here | where they differ |", "|---|---|---|---|"]
    found = records(folder)
    for name in sorted(found, key=lambda name: (name.startswith("beyond"), name)):
        plain = found[name]
        label = "Beyond:" if name.startswith("beyond") else plain["id"].replace("fig", "Fig ").replace("Fig 0", "Fig ")
        head = f"**{label}** {plain['title']}"
        if plain["status"] == "made":
            picture = f'<a href="{name}.png"><img src="{name}.png" width="360" alt="{plain["title"]}"></a>'
            head = f"{picture}<br>{head} ({plain['size']} size; [numbers]({name}.json))"
        cells = (head, *(plain["row"][key] for key in ("paper", "here", "differs")))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def write(folder: Path = HERE) -> Path:
    """Put the table between its two marks."""
    path = folder / "README.md"
    before, rest = path.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    return write_bytes(path, f"{before}{MARKS[0]}\n{table(folder)}\n{MARKS[1]}{after}".encode())
