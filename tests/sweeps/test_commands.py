"""`rfscore sweep`, `rfscore sweep status` and `rfscore plot`."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rfscore as rf
from rfscore.cli import main
from rfscore.sweeps import Store
from rfscore.sweeps.diagram import boundary

FINITE = [
    "--model", "finite", "--psi-n", "1,2,4", "--psi-p", "4,8", "--t", 0.1, "--d", 10, "--seed", "0,1",
    "--tau", "10,1000,inf",
]  # fmt: skip


def call(capsys, *arguments):
    """(exit code, stdout, stderr) of one command."""
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweeps") / "store"
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in ["sweep", *FINITE, "--out", path, "--workers", 0]])
    assert stop.value.code == 0
    return path


def test_a_sweep_reports_and_leaves_its_results(store, capsys):
    code, out, _ = call(capsys, "sweep", "status", store)
    assert code == 0 and "12 points" in out and "100.0 %" in out and "failed:" not in out
    data = Store(store).dataset()
    assert data.sizes == {"psi_n": 3, "psi_p": 2, "seed": 2, "tau": 3} and float(data.t) == 0.1


def test_status_as_json_counts_and_names(store, capsys):
    code, out, _ = call(capsys, "sweep", "status", store, "--json")
    found = json.loads(out)
    assert code == 0 and sum(found["counts"].values()) == 12 and found["damaged"] == [] and found["drivers"] == 0


def test_resume_needs_no_axes(store, capsys):
    code, out, _ = call(capsys, "sweep", "--resume", "--out", store, "--workers", 0)
    assert code == 0 and "12 points" in out


def test_a_dry_run_estimates_and_writes_nothing(tmp_path, capsys):
    code, out, _ = call(capsys, "sweep", *FINITE, "--dry-run", "--out", tmp_path / "no")
    assert code == 0 and "12 points, 12 to evaluate" in out and "GiB" in out and not (tmp_path / "no").exists()


def test_a_dry_run_counts_what_is_left(store, capsys):
    code, out, _ = call(capsys, "sweep", *FINITE, "--dry-run", "--out", store, "--json")
    assert code == 0 and json.loads(out)["estimate"]["points"] == 0


@pytest.mark.parametrize(
    ("options", "size"),
    [([], 6), (["--what", "test_opt", "--at", "psi_p=4"], 1), (["--what", "gap", "--at", "psi_n=2"], 3)],
)
def test_a_plot_is_made_of_one_or_two_axes(store, tmp_path, capsys, options, size):
    picture = tmp_path / "picture.png"
    code, out, _ = call(capsys, "plot", store, "--out", picture, *options)
    assert code == 0 and picture.read_bytes()[:4] == b"\x89PNG" and str(picture) in out
    from rfscore.sweeps import figure

    at = dict(o.split("=") for o in options if "=" in o)
    names = [o for i, o in enumerate(options) if i and options[i - 1] == "--what"] or None
    drawn = figure.draw(Store(store).dataset(), names, at, None, 0.1)
    assert len([ax for ax in drawn.axes if ax.get_xlabel()]) == size


def test_finite_points_lie_on_the_heat_map_with_its_colours(store):
    from matplotlib.collections import PathCollection

    from rfscore.sweeps import figure

    data = Store(store).dataset()
    drawn = figure.draw(data, ["test_opt"], {}, data, 0.1)
    (dots,) = [c for c in drawn.axes[0].collections if isinstance(c, PathCollection)]
    np.testing.assert_allclose(np.sort(dots.get_array()), np.sort(data.test_opt.mean("seed").values.ravel()))
    assert dots.norm is drawn.axes[0].collections[0].norm


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep", "--psi-n", "1", "--psi-p", "8", "--t", "0.1"], "--out"),
        (["sweep", "--dry-run"], "no axes"),
        (["sweep", "--psi-n", "1:2", "--psi-p", "8", "--t", "0.1", "--dry-run"], "low:high:count"),
        (["sweep", "--psi-n", "1", "--psi-p", "8", "--t", "9", "--dry-run"], "t = 9.0"),
        (["sweep", "--set", "seed", "--dry-run"], "name=values"),
        (["sweep", "--from", "none.toml", "--dry-run"], "check the path"),
        (["sweep", "--psi-n", "1", "--from", "none.toml", "--dry-run"], "no axes beside it"),
        (["sweep", "--data-n", "1"], "--data-n"),
        (["sweep", "status", "nowhere"], "a folder with sweep.json"),
        (["plot", "nowhere"], "a folder with sweep.json"),
    ],
)
def test_bad_input_is_one_line_with_the_remedy(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, *arguments)
    last = err.strip().splitlines()[-1]
    assert code == 2 and last.startswith("error: ") and said in last and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--what", "loss"], "one of"), (["--at", "psi_n=3"], "one of"), (["--out", "x.gif"], ".png or .pdf"),
     (["--at", "psi_n"], "name=value")],
)  # fmt: skip
def test_a_bad_plot_is_refused(store, capsys, options, said):
    code, _, err = call(capsys, "plot", store, *options)
    assert code == 2 and said in err


def test_the_boundary_is_the_last_crossing_and_unknown_outside_the_grid():
    psi_n = np.geomspace(1.0, 100.0, 41)
    power = 5.0 / psi_n**2  # 0.05 at psi_n = 10
    hump = np.where(psi_n < 3, 0.01, power)  # below the level first: a crossing upwards does not count
    gap = np.stack([power, hump, 0 * power + 1.0, 0 * power + 0.01, np.where(psi_n > 50, np.nan, power)], axis=1)
    found = boundary(psi_n, gap, 0.05)
    np.testing.assert_allclose(found[:2], 10.0, rtol=1e-12)
    assert np.isnan(found[2:]).all()


def test_the_boundary_is_that_of_the_theory():
    import rfscore as rf

    psi_n = np.geomspace(2.0, 64.0, 12)
    gap = np.array([[float(rf.loss_curves(rf.ScoreProblem(x, 4.0, 0.1), [np.inf]).gap[0])] for x in psi_n])
    (edge,) = boundary(psi_n, gap, 0.1)
    assert float(rf.loss_curves(rf.ScoreProblem(edge, 4.0, 0.1), [np.inf]).gap[0]) == pytest.approx(0.1, rel=0.02)


def test_failed_points_end_in_exit_code_one(tmp_path, capsys, monkeypatch):
    def fail(*arguments):
        raise rf.SolveError("not today")

    monkeypatch.setattr("rfscore.sweeps.finite.evaluate", fail)
    command = ["sweep", "--psi-n", "1,2", "--psi-p", "2", "--t", "0.1", "--d", "8", "--model", "finite"]
    code, out, _ = call(capsys, *command, "--workers", 0, "--out", tmp_path / "store")
    assert code == 1 and "not today" in out


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("t=0.5", "--at t = '0.5': expected one of [0.1]"),
        ("foo=1", "--at = 'foo=1': expected an axis"),
        ("tau=10", "--at"),
    ],
)
def test_a_place_that_the_sweep_has_not_is_refused(at, said, store, tmp_path, capsys):
    code, _, err = call(capsys, "plot", store, "--at", at, "--out", tmp_path / "no.png")
    assert code == 2 and said in err and not (tmp_path / "no.png").exists()


def test_a_fixed_value_may_be_named_and_a_replaced_picture_is_said(store, tmp_path, capsys):
    asked = ["plot", store, "--at", "t=0.1", "--what", "train_inf", "--out", tmp_path / "yes.png"]
    first, again = (call(capsys, *asked) for _ in range(2))
    assert first[0] == 0 and "replaced" not in first[1] and "replaced" in again[1]


def test_status_says_of_what_a_point_is_partial_and_why(tmp_path, capsys):
    hopeless = ["--model", "finite", "--psi-n", "60", "--psi-p", "1,2", "--t", 1, "--d", 8, "--seed", 0, "--tau", "10"]
    call(capsys, "sweep", *hopeless, "--out", tmp_path / "s", "--workers", 0)
    out = call(capsys, "sweep", "status", tmp_path / "s")[1]
    [line] = [line for line in out.splitlines() if line.startswith("partial: ")]
    assert line.startswith("partial: 2 points without a number") and "tau_half" in line and "psi_p" in line
    found = json.loads(call(capsys, "sweep", "status", tmp_path / "s", "--json")[1])
    assert len(found["partial"]) == 2 and "tau_half" in found["partial"][0]["message"]
