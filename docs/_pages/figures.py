"""Every figure of the paper and beyond, with what the paper shows, what is found here, and where they differ."""

from __future__ import annotations

from pathlib import Path

from _pages import put, verdicts
from paper_figs.job import records


def _section(name: str, plain: dict) -> str:
    label = (
        "Beyond the paper" if name.startswith("beyond") else plain["id"].replace("fig", "Figure ").replace(" 0", " ")
    )
    row = plain["row"]
    parts = [f"({name})=\n## {label}: {plain['title']}"]
    if plain["status"] == "made":
        parts.append(f"![{plain['title']}](../../paper_figs/{name}.png)")
    told = {"The paper": row["paper"], "Here": row["here"], "Where they differ": row["differs"]}
    parts.append("\n".join(f"* **{what}:** {words}".replace("$", r"\$") for what, words in told.items()))
    cited = verdicts.citing("figures", plain["id"]) or verdicts.citing("figures", name)
    size = f"{plain['size']} size, " if "size" in plain else ""
    command = f"make {plain['id']}"
    claims = f" Claims: {cited.replace('../verdicts', 'verdicts')}" if cited else ""
    parts.append(f"{size}`{command}` makes it anew.{claims}")
    return "\n\n".join(parts)


def write(folder: Path, root: Path) -> None:
    """One page: a picture each, as wide as the page."""
    found = records(root / "paper_figs")
    order = sorted(found, key=lambda name: (name.startswith("beyond"), name))
    lead = (root / "paper_figs" / "README.md").read_text(encoding="utf-8").split("<!-- figures")[0]
    body = lead.replace("# The figures of the paper", "# Figures", 1).replace("(`beyond_*`)", "(“Beyond the paper”)")
    put(folder / "figures.md", "\n\n".join([body.strip(), *(_section(name, found[name]) for name in order)]) + "\n")
