"""The derivations hold, their equation numbers are the ones the package cites, and the document is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from derivations import citations, document
from derivations.__main__ import main, names, run
from derivations.record import Derivation

QUICK = ("D03", "D04", "D06", "D07", "D09", "D10", "D11", "D12", "D13", "D14")


@pytest.fixture(scope="session")
def records() -> dict[str, Derivation]:
    return {}


def record(name: str, records: dict[str, Derivation]) -> Derivation:
    if name not in records:
        records[name] = run(name)
    return records[name]


@pytest.mark.parametrize("name", [n for n in names() if n.startswith(QUICK)])
def test_every_claim_of_the_quick_derivations_holds(name: str, records: dict[str, Derivation]) -> None:
    d = record(name, records)
    assert d.number == int(name[1:3]) and len(d.checks) >= 7 and d.assumptions
    assert [e.number for e in d.equations] == [f"D{d.number}.{j + 1}" for j in range(len(d.equations))]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in names() if not n.startswith(QUICK)])
def test_every_claim_of_the_long_derivations_holds(name: str, records: dict[str, Derivation]) -> None:
    assert len(record(name, records).checks) >= 7


def test_derivations_are_numbered_without_gaps() -> None:
    assert [n[:3] for n in names()] == [f"D{j:02}" for j in range(1, len(names()) + 1)]


def defined() -> set[str]:
    """Equation numbers in the sources, without running them."""
    found = set()
    for name in names():
        source = (citations.PACKAGE.parent / "derivations" / f"{name}.py").read_text(encoding="utf-8")
        found |= {f"D{int(name[1:3])}.{label}" for label in re.findall(r"d\.equation\(\s*(\d+),", source)}
    return found


def test_sources_define_the_numbers_that_running_them_gives(records: dict[str, Derivation]) -> None:
    for name in names():
        if name.startswith(QUICK):
            d = record(name, records)
            assert {e.number for e in d.equations} == {x for x in defined() if x.startswith(f"D{d.number}.")}


def test_every_equation_number_cited_in_the_package_exists() -> None:
    cited = citations.in_package()
    assert set(cited) - defined() == set()
    assert len(cited) > 20


def test_citations_in_the_derivations_themselves_exist() -> None:
    folder = citations.PACKAGE.parent / "derivations"
    for name in names():
        assert set(citations.in_text((folder / f"{name}.py").read_text(encoding="utf-8"))) <= defined(), name


def test_ranges_of_citations_are_expanded() -> None:
    assert citations.in_text("see (D4.5)-(D4.7) and (D6.1)") == ["D4.5", "D4.6", "D4.7", "D6.1"]


def test_files_named_as_users_of_an_equation_exist(records: dict[str, Derivation]) -> None:
    root = citations.PACKAGE.parent
    for name in names():
        if name.startswith(QUICK):
            for equation in record(name, records).equations:
                for path in filter(None, (x.strip() for x in equation.code.split(","))):
                    assert (root / path).is_file(), f"{equation.number} names {path}"


def test_a_claim_that_does_not_hold_stops_the_derivation() -> None:
    d = Derivation(3, "wrong", ())
    with pytest.raises(AssertionError, match="D3: one is two: does not hold"):
        d.check("one is two", 1 == 2)
    with pytest.raises(AssertionError, match=r"required"):
        d.close("close", 1.0, 1.0001, 6)
    with pytest.raises(AssertionError, match=r"D3\.2 follows D3\.0"):
        d.equation(2, "x")


def test_document_contains_every_equation_once_and_is_self_contained(records: dict[str, Derivation]) -> None:
    pytest.importorskip("ziamath")
    done = [record(n, records) for n in names() if n.startswith(QUICK)]
    page = document.to_html(done, {3: 1.0}, citations.in_package())
    for d in done:
        for equation in d.equations:
            assert page.count(f'id="{equation.number}"') == 1
    assert not re.search(r'(?:src|href)="(?!#)', page) and "<script" not in page and "$" not in page
    widths = re.findall(r'<div class="m"><svg[^>]*width:([\d.]+)em', page)
    assert len(widths) == sum(len(d.equations) for d in done)
    assert max(map(float, widths)) < 46, "wider than the column"


def test_every_macro_is_known_to_the_typesetter(records: dict[str, Derivation]) -> None:
    """An unknown macro is set as text by the converter, silently: "\\quad s" glued to "\\quads" once was."""
    convert = pytest.importorskip("latex2mathml.converter").convert
    from derivations.formula import _portable

    for name in names():
        if name.startswith(QUICK):
            for equation in record(name, records).equations:
                assert "\\" not in convert(_portable(equation.latex)), equation.number


def test_latex_tags_every_equation(records: dict[str, Derivation]) -> None:
    done = [record(n, records) for n in names() if n.startswith(QUICK)]
    source = document.to_tex(done)
    for d in done:
        assert all(source.count(rf"\tag{{{e.number}}}") == 1 for e in d.equations)
    assert source.count(r"\begin{equation*}") == source.count(r"\end{equation*}")


def test_command_writes_the_document_and_counts_failures(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["--only", "D09", "--output", str(tmp_path)]) == 0
    assert (tmp_path / "derivations.tex").stat().st_size > 2000
    assert "Discrete optimisers" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--only", "D77", "--output", str(tmp_path)])
