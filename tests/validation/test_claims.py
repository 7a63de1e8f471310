"""The claims as data: complete, with links that lead somewhere, counted in the docs; the cheap checks."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import rfscore as rf
from claims.bonnaire2025 import misprints, phases, scalings
from claims.neighbours import double_descent
from rfscore.errors import InputError
from rfscore.runs.summary import RunSummary
from rfscore.validation import NotTestable, Verdict, all_papers, expectations, judge, validate
from rfscore.validation.lab import Lab
from rfscore.validation.paper import chosen

ROOT = Path(__file__).parents[2]
CLAIMS = [(p, c) for p in all_papers() for c in p.claims]


def test_there_are_as_many_claims_as_promised() -> None:
    count = {p.name: len(p.claims) for p in all_papers()}
    assert count["bonnaire2025"] >= 45 and count["neighbours"] >= 10


@pytest.mark.parametrize(("paper", "claim"), CLAIMS, ids=lambda x: getattr(x, "id", ""))
def test_every_claim_has_its_sentences_its_check_and_links_that_lead_somewhere(paper, claim) -> None:
    assert callable(paper.function(claim)) and paper.function(claim).__doc__
    for text in (claim.sentence, claim.how, claim.place, claim.tolerance):
        assert text
    assert claim.sentence.endswith((".", "dt.")) and claim.seconds > 0
    for name in (*claim.code, f"claims/{paper.file(claim)}"):
        assert (ROOT / name).is_file(), name
    for name in claim.derivations:
        chapter, _, number = name[1:].partition(".")
        [script] = (ROOT / "derivations").glob(f"D{int(chapter):02d}_*.py")
        labels = re.findall(r"d\.equation\(\s*(\d+),", script.read_text(encoding="utf-8"))
        assert number in labels, name


def test_every_claim_has_an_accepted_verdict_and_every_accepted_verdict_a_claim() -> None:
    accepted = expectations.load()
    assert {p.name: [c.id for c in p.claims] for p in all_papers()} == {k: list(v) for k, v in accepted.items()}


def test_the_counts_in_the_docs_are_those_accepted() -> None:
    told = " ".join((ROOT / "docs" / "about" / "results.md").read_text(encoding="utf-8").split())
    assert expectations.sentence(expectations.load()) in told


def test_misprints_are_corrected_not_reproduced() -> None:
    accepted = expectations.load()["bonnaire2025"]
    printed = [c.id for c in all_papers()[0].claims if c.section == "Formulas as printed"]
    assert len(printed) >= 12 and {accepted[name] for name in printed} == {Verdict.CORRECTED}


def test_cheap_checks_give_the_accepted_verdicts() -> None:
    cheap = [(p, c) for p, c in chosen(quick=True) if c.seconds <= 0.5]
    results = validate(cheap)
    assert len(results) >= 20
    assert [x for x in expectations.changes(results, expectations.load()) if x.regression] == []


def test_an_unknown_claim_is_refused_with_its_nearest_neighbours() -> None:
    with pytest.raises(InputError, match=r"theorem-3\.1"):
        chosen(only=["theorem-31"])
    with pytest.raises(InputError, match="bonnaire2025"):
        chosen(paper="bonnaire")


def test_a_wrong_constant_of_the_package_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = rf.coefficients
    monkeypatch.setattr(rf, "coefficients", lambda q: exact(rf.ScoreProblem(1.0, 1.0, 1.001 * q.t, q.population)))
    assert judge(misprints.coefficients(Lab()))[0] == Verdict.FAILED


def test_the_closed_form_equals_the_package_at_another_point_and_knows_its_sizes() -> None:
    exact = rf.loss_curves(rf.ScoreProblem(3.0, 10.0, 0.2), [np.inf])
    train, test, _ = double_descent.closed_form(3.0, 10.0, 0.2)
    assert train == pytest.approx(exact.train[0], rel=1e-8) and test == pytest.approx(exact.test[0], rel=1e-5)
    assert double_descent.closed_form(3.0, 11.0, 0.2)[1] != pytest.approx(exact.test[0], rel=1e-2)


def _summary(folder: Path, n: int, width: int, slow: float, **facts: object) -> None:
    tau = np.concatenate([[0.0], np.geomspace(1e2, 1e6, 41)])
    scale = slow * n / width
    columns = {
        "test_loss": np.log(np.maximum(tau, 1.0) / 1e3) ** 2 / 100 + 0.5,
        "train_loss": np.log(np.maximum(np.minimum(tau, 1e3), 1.0) / 1e3) ** 2 / 100 + 0.5,
        "f_mem": np.round(2000 / (1.0 + (scale / np.maximum(tau, 1e-3)) ** 4)) / 2000,  # of 2000 samples
    }
    base = {"data": "faces, 8x8", "optimizer": "adam", "d": 64, "samples": 2000, "chance_level": 0.0, "batch": 32}
    (folder / "faces" / "summaries").mkdir(parents=True, exist_ok=True)
    RunSummary(f"n{n}-W{width}", n, width, tau, columns, base | facts).save(
        folder / "faces" / "summaries" / f"n{n}-W{width}.json"
    )


def test_network_claims_read_whatever_runs_there_are(tmp_path: Path) -> None:
    for n in (128, 256, 512):
        for width in (16, 32):
            _summary(tmp_path, n, width, 300.0)
    lab = Lab(experiments=tmp_path)
    for check in (scalings.images_mem_n, scalings.images_collapse, scalings.images_gen_n, scalings.images_mem_width):
        assert judge(check(lab))[0] == Verdict.REPRODUCED, check.__name__
    assert any("n = 128 … 512" in x.what for x in scalings.images_mem_n(lab))
    with pytest.raises(NotTestable, match="no two runs"):
        scalings.gmm_mem_n(lab)


def test_a_width_that_makes_no_images_has_no_say_in_the_law_of_the_width(tmp_path: Path) -> None:
    for width, slow in ((8, 3000.0), (16, 300.0), (32, 300.0)):  # W = 8 copies much too late
        _summary(tmp_path, 128, width, slow)
    lab = Lab(experiments=tmp_path)
    assert judge(scalings.images_mem_width(lab))[0] == Verdict.REPRODUCED
    assert "W = 16, 32" in scalings.images_mem_width(lab)[0].what


def test_other_thresholds_are_held_against_the_exponent_of_the_usual_one(tmp_path: Path) -> None:
    """Copies in tau/n at k = 1/3; at k = 1/4 the same, or in tau/n^2, which is another law."""
    for name, power in (("same", 1.0), ("other", 2.0)):
        for n in (128, 512):
            _summary(tmp_path / name, n, 16, 300.0)
            path = tmp_path / name / "faces/summaries" / f"n{n}-W16.json"
            run = RunSummary.load(path)
            late = np.round(2000 / (1.0 + (3 * n**power / np.maximum(run.tau, 1e-3)) ** 4)) / 2000
            columns = run.columns | {"f_mem_half": run.columns["f_mem"], "f_mem_quarter": late}
            facts = run.facts | {"chance_level_half": 0.0, "chance_level_quarter": 0.0}
            dataclasses.replace(run, columns=columns, facts=facts).save(path)
    assert judge(phases.same_for_other_k(Lab(experiments=tmp_path / "same")))[0] == Verdict.REPRODUCED
    assert judge(phases.same_for_other_k(Lab(experiments=tmp_path / "other")))[0] == Verdict.FAILED


def test_runs_that_disagree_are_not_reproduced(tmp_path: Path) -> None:
    for n in (128, 256, 512):
        _summary(tmp_path, n, 8, 2.0 * n)  # tau_mem ~ n^2
    lab = Lab(experiments=tmp_path)
    assert judge(scalings.images_mem_n(lab))[0] == Verdict.FAILED


def test_the_boundary_of_memorisation_is_read_at_multiples_of_tau_gen(tmp_path: Path) -> None:
    # tau_gen = 1000 at every width; f_mem(tau) leaves 0 at tau ~ slow n/W: the boundary grows with tau and with W.
    for n in (128, 256, 512, 1024, 2048, 4096):
        for width in (8, 16):
            _summary(tmp_path, n, width, 300.0)
    found = phases.phase_boundary(Lab(experiments=tmp_path))
    assert judge(found)[0] == Verdict.REPRODUCED
    n_at = {x.what.split(",")[0]: x.value for x in found if x.what.startswith("n(p) at") and x.what.endswith("W = 16")}
    assert n_at["n(p) at 1 τ_gen"] < n_at["n(p) at 3 τ_gen"] <= n_at["n(p) at 8 τ_gen"]


def test_a_boundary_that_shrinks_is_not_reproduced_and_one_width_cannot_tell(tmp_path: Path) -> None:
    for n in (128, 256, 512, 1024, 2048):
        _summary(tmp_path / "one", n, 8, 300.0)
        for width in (8, 16):
            _summary(tmp_path / "two", n, width, 300.0 * (width / 8) ** 3)  # wider networks memorise later
    with pytest.raises(NotTestable, match="W = 8"):
        phases.phase_boundary(Lab(experiments=tmp_path / "one"))
    assert judge(phases.phase_boundary(Lab(experiments=tmp_path / "two")))[0] == Verdict.FAILED


def test_runs_that_cannot_tell_do_not_keep_others_from_telling(tmp_path: Path) -> None:
    for n in (128, 256):
        _summary(tmp_path, n, 8, 300.0)
        _summary(tmp_path, n, 16, 300.0, samples=12)
    found = scalings.images_mem_n(Lab(experiments=tmp_path))
    assert judge(found)[0] == Verdict.REPRODUCED and any(x.what.startswith("cannot tell") for x in found)


def test_without_runs_network_claims_say_so_and_break_nothing(tmp_path: Path) -> None:
    claims = [(p, c) for p, c in chosen() if c.section == "Trained networks"]
    results = validate(claims, Lab(experiments=tmp_path))
    assert {r.verdict for r in results} == {Verdict.UNTESTED} and all(r.no_runs for r in results)
    assert not any(x.regression for x in expectations.changes(results, expectations.load()))


def test_expectations_are_read_strictly_and_merged_on_acceptance(tmp_path: Path) -> None:
    claims = tmp_path / "copied_claims"
    shutil.copytree(ROOT / "claims", claims, ignore=shutil.ignore_patterns("expectations.json", "__pycache__"))
    path = claims / "expectations.json"
    assert expectations.load(claims) == {}
    expectations.accept(validate(chosen(only=["mehler-sum"])), claims)
    assert json.loads(path.read_text())["bonnaire2025"] == {"mehler-sum": "reproduced with a correction"}
    expectations.accept(validate(chosen(only=["schedule"])), claims)
    assert set(json.loads(path.read_text())["bonnaire2025"]) == {"mehler-sum", "schedule"}
    path.write_text('{"bonnaire2025": {"mehler-sum": "surely"}}')
    with pytest.raises(InputError, match="--accept"):
        expectations.load(claims)
