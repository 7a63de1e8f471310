"""HTML and Markdown of the page's own parts: summary, index with filters, claims."""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from rfscore.report.page import Block, Fragment, Paragraph, inline
from rfscore.validation.evidence import Comparison, Verdict
from rfscore.validation.expectations import Change, besides, counts
from rfscore.validation.paper import Paper
from rfscore.validation.runner import Result
from rfscore.validation.words import measured, wanted

CLASSES = {Verdict.REPRODUCED: "yes", Verdict.CORRECTED: "fix", Verdict.FAILED: "no", Verdict.UNTESTED: "open"}
MARKS = {Verdict.REPRODUCED: "✓", Verdict.CORRECTED: "✓∗", Verdict.FAILED: "✗", Verdict.UNTESTED: "–"}
_FILTERS = {"all": "all", "yes": "reproduced", "fix": "with a correction", "no": "not reproduced",
            "open": "not testable here", "more": "theory says more"}  # fmt: skip
_KINDS = {"claim": "", "misprint": "misprint · ", "extension": "extension, not the paper's · "}
_FORMS = {"printed": "", "corrected": "corrected: ", "more": "more: "}
_HIDE = "".join(
    f"main:has(#show-{key}:checked) :is(.claim,tr.row,h2.part):not(.{key}){{display:none}}"
    for key in _FILTERS
    if key != "all"
)

CSS = f"""
main {{ max-width: 62rem; }} p, ul {{ max-width: 48rem; }}
.tiles {{ display: grid; grid-template-columns: repeat(4, 1fr); gap: .6rem; margin: .5rem 0 1.1rem; }}
.tile {{ border-top: 4px solid; padding: .45rem .2rem; font: .84rem/1.3 system-ui, sans-serif; color: var(--faint); }}
.tile b {{ display: block; font-size: 1.7rem; line-height: 1.15; color: var(--ink); }}
.yes {{ --tone: #00795a; }} .fix {{ --tone: #0062a3; }} .no {{ --tone: #b34700; }} .open {{ --tone: #6b6f76; }}
.tile {{ border-color: var(--tone); }}
.badge {{ color: #fff; background: var(--tone); border-radius: 3px; padding: .1rem .45rem; white-space: nowrap;
  font: 600 .76rem/1.5 system-ui, sans-serif; }}
fieldset {{ border: 1px solid var(--line); border-radius: 4px; padding: .4rem .7rem; margin: 1rem 0;
  font: .86rem/1.7 system-ui, sans-serif; }}
fieldset label {{ margin-right: 1rem; white-space: nowrap; cursor: pointer; }}
{_HIDE}
.index td, .index th, .numbers td, .numbers th {{ text-align: left; white-space: normal; }}
.index {{ width: 100%; }} .index td:first-child {{ white-space: normal; width: 55%; }}
.claim {{ border-top: 1px solid var(--line); padding: .9rem 0 .6rem; break-inside: avoid-page; }}
.claim:target {{ background: #fff9df; }}
.claim h3 {{ font: 600 1.02rem/1.4 Georgia, 'Times New Roman', serif; margin: .25rem 0 .3rem; max-width: 48rem; }}
.claim .place {{ font: .8rem/1.5 system-ui, sans-serif; color: var(--faint); }}
.claim .small {{ font-size: .88rem; line-height: 1.45; margin: .35rem 0; }}
.numbers {{ width: 100%; margin: .4rem 0; }} .numbers td:first-child {{ white-space: normal; width: 56%; }}
.numbers td:nth-child(2), .numbers td:nth-child(3) {{ white-space: nowrap; }}
.numbers .src {{ color: var(--faint); font-size: .76rem; display: block; white-space: normal; }}
.numbers .failed {{ color: #b34700; font-weight: 600; }} .numbers .extra td {{ color: var(--faint); }}
.beyond {{ background: var(--tint); border-left: 4px solid #009e73; padding: .5rem .9rem; font-size: .92rem; }}
.links {{ font: .78rem/1.7 system-ui, sans-serif; color: var(--faint); max-width: none; overflow-wrap: anywhere; }}
a {{ color: #1d4f91; text-decoration: none; }} a:hover {{ text-decoration: underline; }}
.shot img {{ width: 100%; max-width: 46rem; margin-bottom: .6rem; }}
@media (max-width: 600px) {{
  .tiles {{ grid-template-columns: repeat(2, 1fr); }}
  .index .where, :is(.index, .numbers) thead {{ display: none; }}
  :is(.index, .numbers) tr {{ display: block; border-bottom: 1px solid var(--line); padding: .35rem 0; }}
  :is(.index, .numbers) td, :is(.index, .numbers) td:first-child {{ display: block; width: auto; border: 0;
    padding: .05rem 0; white-space: normal; }}
  .numbers td:nth-child(n+3) {{ display: inline; padding-right: .6rem; }}
  .numbers td:nth-child(2)::before {{ content: "measured "; color: var(--faint); }}
  .numbers td:nth-child(3):not(:empty)::before {{ content: "must be "; color: var(--faint); }}
  .numbers td:empty {{ display: none; }}
  .shot {{ overflow-x: auto; }} .shot img {{ width: 40rem; max-width: none; min-height: 0; max-height: none; }}
}}
@media print {{ fieldset {{ display: none; }} :is(.claim, tr.row) {{ display: revert !important; }}
  .badge, .tile {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
  .claim header {{ break-inside: avoid; break-after: avoid; }}
  .shot img {{ width: 75%; }} .claim, table {{ break-inside: auto; }} tr, .beyond, .shot {{ break-inside: avoid; }}
  body {{ font-size: 9.5pt; }} h2.part {{ display: revert !important; }} }}
"""


def _classes(result: Result) -> str:
    return CLASSES[result.verdict] + (" more" if result.claim.beyond else "")


def _badge(verdict: Verdict) -> str:
    return f'<span class="badge {CLASSES[verdict]}">{MARKS[verdict]} {verdict.value}</span>'


_HOW = (
    "Every verdict is computed from the numbers printed below it: what was measured, its uncertainty, and the range in "
    "which the statement puts it. “With a correction”: the printed statement was tried and failed, the corrected one "
    "held. “Not testable here”: what would decide is missing, or the uncertainty is larger than the range."
)


def summary(results: Sequence[Result], changes: Sequence[Change]) -> Fragment:
    """Counts of each paper, how to read the page, and what changed against the accepted verdicts."""
    parts, lines = [], []
    for paper in dict.fromkeys(r.paper for r in results):
        of = [(r.claim.kind, r.verdict) for r in results if r.paper == paper]
        mine, apart = counts(v for kind, v in of if kind == "claim"), besides(of)
        tiles = "".join(f'<div class="tile {CLASSES[v]}"><b>{n}</b>{v.value}</div>' for v, n in mine.items())
        parts.append(f"<p><strong>{html.escape(paper.title)}</strong><br><span class=meta>")
        parts.append(f"{_reference(paper)}</span></p><div class=tiles>{tiles}</div>")
        parts.append(f"<p class=meta>{apart}</p>" if apart else "")
        told_of = ", ".join(f"{n} {v.value}" for v, n in mine.items())
        lines.append(f"**{paper.title}** ({paper.reference}): {told_of}. {apart}")
    told = [f"{x.id}: {x.before.value} → {x.now.value}" for x in changes if x.before is not None]
    new = sum(x.before is None for x in changes)
    note = f"Changed against the accepted verdicts: {'; '.join(told)}." if told else "No accepted verdict has changed."
    note += f" {new} claims had none." if new else ""
    return Fragment("".join(parts) + f"<p>{_HOW}</p><p class=meta>{html.escape(note)}</p>",
                    "\n\n".join([*lines, _HOW, note]))  # fmt: skip


def _reference(paper: Paper) -> str:
    """The reference, its words linked to where they lead."""
    text = html.escape(paper.reference)
    for words, address in paper.links:
        text = text.replace(html.escape(words), f'<a href="{html.escape(address)}">{html.escape(words)}</a>')
    return text


def contents(results: Sequence[Result]) -> Fragment:
    """The sections of every paper, with how many claims each has."""
    titles, items = [], []
    for paper in dict.fromkeys(r.paper for r in results):
        sections = Counter(r.claim.section for r in results if r.paper == paper)
        links = "".join(
            f'<li><a href="#{_anchor(paper, name)}">{inline(name)}</a> ({n})</li>' for name, n in sections.items()
        )
        titles.append(f"<p><strong>{html.escape(paper.title)}</strong></p><ul>{links}</ul>")
        items += [f"- {name} ({n})" for name, n in sections.items()]
    whole = '<a href="#index">Index of all claims</a>'
    return Fragment(f"<nav><h2>Contents</h2>{''.join(titles)}<p>{whole}</p></nav>",
                    "## Contents\n\n" + "\n".join(items))  # fmt: skip


def _anchor(paper: Paper, section: str) -> str:
    return f"{paper.name}-" + "".join(c if c.isalnum() else "-" for c in section.lower())


def index(results: Sequence[Result]) -> Fragment:
    """One row per claim, and the filters, which are radio buttons and CSS."""
    buttons = "".join(
        f'<label><input type=radio name=show id="show-{key}"{" checked" if key == "all" else ""}> {word}</label>'
        for key, word in _FILTERS.items()
    )
    rows = "".join(
        f'<tr class="row {_classes(r)}"><td><a href="#{r.claim.id}">{inline(r.claim.sentence)}</a></td>'
        f"<td class=where>{inline(r.claim.place)}</td><td>{_badge(r.verdict)}</td></tr>"
        for r in results
    )
    table = ("<table class=index><thead><tr><th>claim</th><th class=where>where</th><th>verdict</th></tr></thead>"
             f"<tbody>{rows}</tbody></table>")  # fmt: skip
    marks = "\n".join(
        f"| {r.claim.id} | {r.claim.sentence.replace('|', chr(92) + '|')} | {r.claim.place} | {r.verdict.value} |"
        for r in results
    )
    return Fragment(f"<h2 id=\"index\">Index</h2><fieldset><legend>show</legend>{buttons}</fieldset>{table}",
                    f"## Index\n\n| id | claim | where | verdict |\n| --- | --- | --- | --- |\n{marks}")  # fmt: skip


def _row(x: Comparison) -> str:
    cell = "" if x.form == "more" else ("✓" if x.holds else "<span class=failed>✗</span>")
    source = "" if x.error == 0 else f"<span class=src>{inline(x.source)}</span>"
    return (
        f"<tr{' class=extra' if x.form == 'more' else ''}><td>{_FORMS[x.form]}{inline(x.what)}</td>"
        f"<td>{inline(measured(x)).replace('-', '−')}{source}</td><td>{inline(wanted(x)).replace('-', '−')}</td>"
        f"<td>{cell}</td></tr>"
    )


def _links(r: Result, linked: Mapping[str, str], shown: Mapping[str, str]) -> str:
    """Derivations, code, check and figures of one claim."""

    def link(name: str, target: str | None) -> str:
        return f'<a href="{quote(target, safe="/#")}">{html.escape(name)}</a>' if target else html.escape(name)

    derivations = []
    for name in r.claim.derivations:
        base = linked.get(name.split(".")[0])
        derivations.append(link(name, f"{base}#{name}" if base and base.endswith(".html") else base))
    parts = {
        "derivation": derivations,
        "code": [link(name, linked.get(name)) for name in r.claim.code],
        "check": [link(f"{r.paper.file(r.claim)}: {r.claim.check.split(':')[1]}",
                       linked.get(r.paper.file(r.claim)))],
        "figure": [link(name, shown.get(name)) for name in r.claim.figures if name in shown],
    }  # fmt: skip
    words = [f"{key}: {', '.join(values)}" for key, values in parts.items() if values]
    return f"<p class=links>{' · '.join(words)} · {r.seconds:.1f} s</p>"


@dataclass(frozen=True)
class Shot:
    """A picture of paper_figs and what it shows."""

    png: bytes
    title: str


def _shots(r: Result, shown: dict[str, str], pictures: Mapping[str, list[Shot]]) -> str:
    """Pictures of the claim that were not shown before; `shown` remembers where they are."""
    parts = []
    for name in r.claim.figures:
        if name in pictures and name not in shown:
            shown[name] = f"#figure-{name}"
            images = "".join(
                f'<img alt="{html.escape(x.title)}" src="data:image/png;base64,{base64.b64encode(x.png).decode()}">'
                for x in pictures[name]
            )
            words = "; ".join(dict.fromkeys(x.title for x in pictures[name]))
            caption = f"<figcaption>{html.escape(name)}: {inline(words)}</figcaption>"
            parts.append(f'<figure class=shot id="figure-{name}">{images}{caption}</figure>')
    return "".join(parts)


def _claim(r: Result, linked: Mapping[str, str], shown: dict[str, str], pictures: Mapping[str, list[Shot]]) -> Fragment:
    claim = r.claim
    head = "<thead><tr><th>measured</th><th>value</th><th>must be</th><th></th></tr></thead>"
    rows = "".join(_row(x) for x in r.evidence)
    parts = [
        f'<article class="claim {_classes(r)}" id="{claim.id}"><header>{_badge(r.verdict)}',
        f"<span class=place>{_KINDS[claim.kind]}{inline(claim.place)} · {claim.id}</span>",
        f"<h3>{inline(claim.sentence)}</h3></header>",
        f"<p class=small><strong>Check.</strong> {inline(claim.how)}</p>",
        f"<p class=small><strong>Range.</strong> {inline(claim.tolerance)}</p>",
        f"<p class=small><strong>Why not:</strong> {inline(r.reason)}.</p>" if r.reason else "",
        f"<table class=numbers>{head}<tbody>{rows}</tbody></table>" if rows else "",
        f"<p class=beyond><strong>The theory says more.</strong> {inline(claim.beyond)}</p>" if claim.beyond else "",
        _shots(r, shown, pictures),
        f"{_links(r, linked, shown)}</article>",
    ]
    return Fragment(" ".join(parts), _markdown(r))


def _markdown(r: Result) -> str:
    claim = r.claim
    lines = [f"### {claim.id}: {r.verdict.value}", f"{claim.place}. {claim.sentence}", f"Check: {claim.how}",
             f"Range: {claim.tolerance}"]  # fmt: skip
    numbers = []
    for x in r.evidence:
        judged = f", must be {wanted(x)}: {'yes' if x.holds else 'NO'}" if wanted(x) else ""
        numbers.append(f"- {_FORMS[x.form]}{x.what}: {measured(x)}{judged}")
    more = [f"Why not: {r.reason}."] if r.reason else []
    return "\n\n".join([*lines, *more, "\n".join(numbers), *([f"*More:* {claim.beyond}"] if claim.beyond else [])])


def sections(
    results: Sequence[Result], linked: Mapping[str, str], pictures: Mapping[str, list[Shot]]
) -> list[Block]:  # fmt: skip
    """All claims with their numbers, under the headings of their sections."""
    blocks: list[Block] = []
    shown: dict[str, str] = {}
    heading = None
    for r in results:
        if (r.paper, r.claim.section) != heading:
            heading = (r.paper, r.claim.section)
            kinds = {c for x in results if (x.paper, x.claim.section) == heading for c in _classes(x).split()}
            name = _anchor(r.paper, r.claim.section)
            title = f'<h2 class="part {" ".join(sorted(kinds))}" id="{name}">{inline(r.claim.section)}</h2>'
            blocks.append(Fragment(title, f"## {r.claim.section}"))
        blocks.append(_claim(r, linked, shown, pictures))
    return blocks or [Paragraph("No claim was checked.")]
