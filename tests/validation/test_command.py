"""`rfscore validate`: the page stands alone, the exit code tells, JSON is JSON."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from rfscore.cli import main
from rfscore.report.page import inline
from rfscore.validation import Verdict, expectations

ONLY = ["--only", "mehler-sum", "--only", "schedule", "--only", "coefficients", "--only", "other-thresholds"]


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["validate", *words])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "out"
    assert run(*ONLY, "--out", str(path)) == 0
    return path


def test_the_page_needs_no_script_and_nothing_from_elsewhere(folder: Path) -> None:
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html and "http" not in re.sub(r'(src="data:|href="https://arxiv.org)[^"]*"', "", html)
    for target in re.findall(r'href="(?!https://)([^"#]+)', html):
        assert (folder / target).is_file(), target
    anchors = set(re.findall(r'id="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= anchors


def test_the_page_shows_every_claim_with_its_numbers(folder: Path) -> None:
    html, markdown = ((folder / f"report.{x}").read_text(encoding="utf-8") for x in ("html", "md"))
    results = json.loads((folder / "claims.json").read_text())["results"]
    assert [r["claim"]["id"] for r in results] == ["coefficients", "other-thresholds", "schedule", "mehler-sum"] or {
        r["claim"]["id"] for r in results
    } == set(ONLY[1::2])
    for r in results:
        assert f'id="{r["claim"]["id"]}"' in html and f"### {r['claim']['id']}" in markdown
        assert html.count("<tr") >= 4
    assert "reproduced with a correction" in html and "not testable here" in html
    assert not re.search(r"\b(nan|NaN|None)\b", re.sub(r'src="[^"]*"', "", html))


def test_the_page_has_contents_links_and_counts_misprints_apart(folder: Path) -> None:
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert 'href="https://arxiv.org/abs/2505.17638"' in html
    assert 'href="#bonnaire2025-formulas-as-printed"' in html and 'href="#index"' in html
    assert "1 misprint, 1 with the correction confirmed" in html
    tiles = dict(re.findall(r'<div class="tile (\w+)"><b>(\d+)</b>', html))
    assert tiles["fix"] == "0"  # mehler-sum is a misprint, no claim


def test_no_place_of_this_machine_is_written(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            assert str(Path.home()) + "/" not in path.read_text(encoding="utf-8")


def test_json_on_stdout_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--only", "schedule", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["results"][0]["verdict"] == "reproduced" and found["changes"] == []


def test_the_exit_code_is_one_when_a_claim_that_held_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted = {"bonnaire2025": {"guidance": Verdict.REPRODUCED}}
    monkeypatch.setattr(expectations, "load", lambda *_: accepted)
    assert run("--only", "guidance") == 1
    assert "REGRESSION: guidance" in capsys.readouterr().out


def test_a_folder_that_is_not_ours_is_refused_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    assert run("--only", "schedule", "--out", str(tmp_path)) == 2
    assert "output folder" in capsys.readouterr().err and list(tmp_path.iterdir()) == [tmp_path / "thesis.tex"]


def test_symbols_have_subscripts_and_names_with_underscores_have_none() -> None:
    assert inline("f_mem of mixture_classes-n256") == "f<sub>mem</sub> of mixture_classes-n256"
    assert inline("W τ_gen, 2Δ_t, a_t^2") == "W τ<sub>gen</sub>, 2Δ<sub>t</sub>, a<sub>t</sub><sup>2</sup>"


TABLE = """
title = "A paper"
reference = "Somebody, somewhere"

[[claim]]
id = "one-is-one"
section = "Arithmetic"
place = "Eq 1"
sentence = "1 = 1"
how = "By looking."
tolerance = "None."
check = "numbers:one"
"""
CHECK = """
from rfscore.validation.evidence import near


def one(lab):
    return [near("one", 1.0, 1.0, 0.0)]
"""


def test_anybodys_claims_are_checked_from_their_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = tmp_path / "my_claims" / "somebody2026"
    paper.mkdir(parents=True)
    (paper / "claims.toml").write_text(TABLE)
    (paper / "numbers.py").write_text(CHECK)
    words = ("--papers", str(tmp_path / "my_claims"))
    assert run(*words, "--accept", "--out", str(tmp_path / "page")) == 0 and "somebody2026" in capsys.readouterr().out
    assert json.loads((tmp_path / "my_claims/expectations.json").read_text()) == {
        "somebody2026": {"one-is-one": "reproduced"}
    }
    assert "one-is-one" in (tmp_path / "page/report.html").read_text()
    (paper / "numbers.py").write_text(CHECK.replace("1.0, 1.0", "1.0, 12.0"))
    del sys.modules["my_claims.somebody2026.numbers"]
    assert run(*words) == 1 and "REGRESSION: one-is-one" in capsys.readouterr().out


def test_a_folder_without_claims_is_refused_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--papers", str(tmp_path)) == 2 and "give --papers" in capsys.readouterr().err


def test_a_folder_named_like_a_package_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = tmp_path / "json" / "decoder"
    paper.mkdir(parents=True)
    (paper / "claims.toml").write_text(TABLE)
    (paper / "numbers.py").write_text(CHECK)
    assert run("--papers", str(tmp_path / "json")) == 2 and "rename it" in capsys.readouterr().err


def test_the_summary_counts_claims_and_names_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--only", "mehler-sum", "--only", "schedule", "--out", str(tmp_path / "out")) == 0
    out = capsys.readouterr().out
    assert "1 claims" in out and "1 misprint, 1 with the correction confirmed" in out
    left = {str(x.relative_to(tmp_path / "out")) for x in (tmp_path / "out").rglob("*") if x.is_file()}
    said = out.split("written to ")[1].strip().split(": ")[1].split(", ")
    assert set(said) == left
