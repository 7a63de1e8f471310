"""The figures of the paper: each has a script, a record that is true to its picture, and sentences from numbers."""

from __future__ import annotations

import hashlib
import importlib
import json
import re

import matplotlib.figure
import numpy as np
import pytest

import rfscore as rf
from paper_figs import __main__ as command
from paper_figs import cache, diagram, finite, look, readme, samples, trained
from paper_figs.job import HERE, Job, NotRun, Row, records
from rfscore.plotting import networks
from rfscore.runs.summary import RunSummary

PAPER = {"02", "03", "04", "05", "06", "07", "09", "10", "11", "12", "13", "14", "15"}
SCRIPTS = command.names()


class Tiny(Job):
    """Sizes of a second: 2 networks, d = 8."""

    def pick(self, small, paper):
        return (8, 2) if isinstance(small, tuple) else small


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "cache")
    return tmp_path


def test_every_figure_of_the_paper_has_one_script_and_five_or_more_go_beyond():
    ids = [re.match(r"fig(\d\d)_", name).group(1) for name in SCRIPTS if name.startswith("fig")]
    assert sorted(ids) == sorted(PAPER)
    assert sum(name.startswith("beyond_") for name in SCRIPTS) >= 5


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_record_beside_a_figure_belongs_to_its_picture(name):
    record, script = records()[name], importlib.import_module(f"paper_figs.{name}")
    assert script.NAME == name and record["title"] == script.TITLE and record["row"]["paper"] == script.PAPER
    picture = HERE / f"{name}.png"
    if record["status"] == "made":
        assert hashlib.sha256(picture.read_bytes()).hexdigest() == record["picture_sha256"]
        assert record["size"] in ("small", "paper") and record["inputs"] and record["numbers"] and record["versions"]
    else:
        assert record["message"] and not picture.exists()


def test_the_readme_says_what_the_records_say():
    text = (HERE / "README.md").read_text(encoding="utf-8")
    assert readme.MARKS[0] + "\n" + readme.table() + "\n" + readme.MARKS[1] in text


@pytest.mark.parametrize("name", [n for n, x in records().items() if x["status"] == "made"])
def test_sentences_are_made_of_numbers_that_are_there(name):
    row = records()[name]["row"]
    assert not any(word in row["here"] + row["differs"] for word in ("nan", "None", "array(", "inf "))
    assert re.search(r"\d", row["here"])


def test_recorded_edges_and_times_are_those_of_the_theory():
    edges = records()["fig04_spectrum"]["numbers"]["isotropic"]["edges"]
    np.testing.assert_allclose(edges, rf.spectrum(rf.ScoreProblem(8.0, 64.0, 0.01)).edges, rtol=1e-10)
    recorded = records()["fig05_losses"]["numbers"]
    for psi_n, tau, test in zip(recorded["psi_n"], recorded["tau_mem_spectral"], recorded["test_inf"], strict=True):
        problem = rf.ScoreProblem(psi_n, 64.0, 0.1)
        assert float(rf.timescales(problem).tau_mem_edge) == pytest.approx(tau, rel=1e-9)
        assert float(rf.loss_curves(problem, [np.inf]).test[0]) == pytest.approx(test, rel=1e-9)


def test_networks_of_the_figures_agree_with_theory_better_at_larger_d(scratch):
    problem, tau = rf.ScoreProblem(4.0, 16.0, 0.1), np.array([0.0, 10.0, np.inf])
    theory = rf.loss_curves(problem, tau).test
    error = [
        abs(np.mean([x["test"] for x in finite.losses(Job(), problem, d, 3, tau)], axis=0) / theory - 1)[2]
        for d in (8, 32)
    ]
    assert error[1] < 0.6 * error[0] and error[1] < 0.25


def test_a_figure_is_built_small_from_nothing_and_again_from_the_cache_the_same(scratch):
    script = importlib.import_module("paper_figs.fig14_spectra")
    out = scratch / "out"
    out.mkdir()
    pictures = []
    for _ in range(2):
        with look.print_style():
            pictures.append(script.main(Tiny(out=out)).read_bytes())
    assert pictures[0] == pictures[1] and len(list((scratch / "cache").iterdir())) == 8
    record = json.loads((out / "fig14_spectra.json").read_text())
    assert record["inputs"]["d"] == 8 and record["id"] == "fig14"


def test_kept_arrays_are_computed_again_for_other_inputs_other_code_and_a_damaged_file(scratch):
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(3.0)}

    for inputs, code in (({"d": 1}, "a"), ({"d": 1}, "a"), ({"d": 2}, "a"), ({"d": 1}, "b")):
        np.testing.assert_array_equal(cache.kept("k", inputs, code, compute)["x"], np.arange(3.0))
    assert len(calls) == 3
    for path in (scratch / "cache").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    np.testing.assert_array_equal(cache.kept("k", {"d": 1}, "a", compute)["x"], np.arange(3.0))
    assert len(calls) == 4


def test_the_code_version_changes_with_the_sources():
    assert cache.code_version("rfscore/finite/*.py") != cache.code_version("rfscore/finite/flow.py")
    assert finite.code() != diagram.code()


def test_a_figure_without_runs_is_recorded_as_not_run_and_its_old_picture_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(trained, "load", lambda *names: {})
    (tmp_path / "fig10_classes.png").write_bytes(b"old")
    reason = command.build("fig10_classes", Job(out=tmp_path))
    record = json.loads((tmp_path / "fig10_classes.json").read_text())
    assert "mixture_classes" in reason and record["status"] == "not run here" and record["message"] == reason
    assert not (tmp_path / "fig10_classes.png").exists()


def _run(n, width=8, optimizer="adam", top=0.5):
    tau = np.geomspace(10.0, 1e4, 13)
    columns = {"f_mem": top / (1 + (30 * n / tau) ** 4), "test_loss": np.log(tau / 300) ** 2 + 1,
               "train_loss": 1.0 / np.log(tau), "kl": np.log(tau / 400) ** 2}  # fmt: skip
    return RunSummary(
        f"n{n}-W{width}", n, width, tau, columns, {"optimizer": optimizer, "batch": n, "chance_level": 0.0}
    )


def test_runs_of_one_width_and_optimiser_are_put_together(monkeypatch):
    runs = [_run(16), _run(32), _run(16, width=16), _run(64, optimizer="sgd")]
    monkeypatch.setattr(trained, "load", lambda *names: {"x": runs})
    name, found = trained.first("x")
    assert name == "x" and [(run.n, run.width) for run in found] == [(16, 8), (32, 8)]
    with pytest.raises(NotRun, match="no two runs"):
        trained.first("x", wanted=lambda run: run.n > 40)


def test_fitted_exponents_of_runs_with_known_laws_are_found():
    fit = trained.numbers([_run(16), _run(32), _run(64)])["fits"]["tau_onset"]
    assert fit.gamma == pytest.approx(1.0, abs=0.05)


def test_widths_and_classes_are_drawn_once_their_runs_exist(tmp_path, monkeypatch):
    runs = {"mixture": [_run(n, w) for n in (256, 512) for w in (64, 128)],
            "mixture_classes": [_run(256, 64), _run(512, 64)]}  # fmt: skip
    monkeypatch.setattr(trained, "load", lambda *names: {k: v for k, v in runs.items() if k in names})
    for name in ("fig09_mixture", "fig10_classes"):
        assert command.build(name, Job(out=tmp_path)) is None
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    assert "by_width" in json.loads((tmp_path / "fig09_mixture.json").read_text())["numbers"]


def test_one_n_has_one_colour_in_every_figure():
    looks = [networks.look(64, trained.sizes([_run(n) for n in ns])) for ns in ((16, 64), (64, 128, 4096))]
    assert looks[0] == looks[1]


def test_of_people_only_new_samples_of_the_early_step_are_kept():
    sheet = samples.sheet("digits")
    assert sheet.samples.shape[2:] == (8, 8) and np.all(sheet.ratio <= 1.0)
    for path in samples.FOLDER.glob("*.npz"):
        if not path.stem.startswith("digits-"):
            with np.load(path) as file:
                assert set(file.files) == {"samples", "ratio", "steps", "n", "sampler"}
                new = file["ratio"][0] > samples.NEW
                assert file["samples"].shape[:2] == (1, new.sum()) and samples.NEW >= 2 * samples.GAP
    with pytest.raises(NotRun):
        samples.sheet("portraits")


def test_maps_of_the_gap_are_the_loss_curves(scratch):
    axis = diagram.axis(1.0, 8.0, 3)
    found = diagram.gaps(Job(), axis, axis, 0.1, [10.0, 1e3])
    curves = rf.loss_curves(rf.ScoreProblem(float(axis[2]), float(axis[1]), 0.1), [10.0, 1e3])
    np.testing.assert_allclose(found[:, 2, 1], curves.gap, rtol=1e-9)


def test_an_unknown_figure_is_refused_with_the_list(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["fig99"])
    assert end.value.code == 2 and "fig05_losses" in capsys.readouterr().err


def test_the_paper_s_sizes_are_taken_and_said_with_full(tmp_path):
    job = Job(full=True, out=tmp_path)
    job.leave("x", matplotlib.figure.Figure(), title="t", row=Row("a", "b", "c"), inputs={}, numbers={})
    assert job.pick(1, 2) == 2 and json.loads((tmp_path / "x.json").read_text())["size"] == "paper"
