"""The command line: what good input prints and leaves, and that bad input is one line and exit code 2."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

import rfscore as rf
from rfscore import cli
from rfscore.cli import main

SMALL = ["--psi-n", "2", "--psi-p", "6", "--t", "0.1"]


def run(arguments, capsys):
    """(exit code, stdout, stderr) of one call."""
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", ["spectrum", "curves", "timescales", "finite"])
def test_every_command_leaves_a_picture_and_its_numbers_by_default(command, tmp_path, capsys):
    code, out, err = run([command, *SMALL, *(["--d", 8] if command == "finite" else [])], capsys)
    folder = tmp_path / "rfscore-output" / command
    assert (code, err) == (0, "")
    assert "psi_n = 2" in out
    assert {p.name for p in folder.iterdir()} == {
        "manifest.json", f"{command}.json", f"{command}.nc", f"{command}.png"
    }  # fmt: skip
    assert json.loads((folder / "manifest.json").read_text())["status"] == "complete"


def test_the_picture_comes_as_pdf_where_asked(tmp_path, capsys):
    code, out, _ = run(["spectrum", *SMALL, "--pdf"], capsys)
    assert code == 0 and "spectrum.pdf" in out
    assert (tmp_path / "rfscore-output" / "spectrum" / "spectrum.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("command", ["spectrum", "curves", "timescales", "finite"])
def test_json_is_all_of_stdout_and_writes_nothing(command, tmp_path, capsys):
    code, out, err = run([command, *SMALL, "--json", *(["--d", 8] if command == "finite" else [])], capsys)
    assert (code, err) == (0, "") and list(tmp_path.iterdir()) == []
    assert json.loads(out)["problem"]["psi_n"] == 2.0


def test_curves_print_the_numbers_of_the_theory(capsys):
    _, out, _ = run(["curves", *SMALL, "--tau-min", 1, "--tau-max", 100, "--points", 5, "--json"], capsys)
    found = json.loads(out)
    tau = np.concatenate([[0.0], np.geomspace(1, 100, 5), [np.inf]])
    expected = rf.loss_curves(rf.ScoreProblem(2.0, 6.0, 0.1), tau)
    np.testing.assert_allclose(found["test"], expected.test, rtol=1e-12)
    assert found["tau"][0] == 0.0 and found["tau"][-1] is None


def test_finite_draws_the_instance_of_the_seed(capsys):
    numbers = [json.loads(run(["finite", *SMALL, "--d", 8, "--seed", s, "--json"], capsys)[1]) for s in (3, 3, 4)]
    flow = rf.finite.draw(rf.ScoreProblem(2.0, 6.0, 0.1), 8, 3).gradient_flow()
    np.testing.assert_allclose(numbers[0]["eigenvalues"], flow.eigenvalues, rtol=1e-12)
    assert numbers[0] == numbers[1] != numbers[2]


def test_out_without_plot_writes_numbers_only(tmp_path, capsys):
    code, _, _ = run(["spectrum", *SMALL, "--no-plot", "--out", tmp_path / "here"], capsys)
    assert code == 0
    assert {p.name for p in (tmp_path / "here").iterdir()} == {"manifest.json", "spectrum.json", "spectrum.nc"}


@pytest.mark.parametrize(
    ("text", "values", "weights"),
    [
        ("isotropic:2", [2.0], [1.0]),
        ("atoms:0.5,1.5", [0.5, 1.5], [0.5, 0.5]),
        ("atoms:0.5@0.3,1.5@0.7", [0.5, 1.5], [0.3, 0.7]),
        ("file:eigs.npy", [1.0, 3.0], [0.5, 0.5]),
        ("file:eigs.txt", [1.0, 3.0], [0.5, 0.5]),
        ("file:eigs.csv", [1.0, 3.0], [0.5, 0.5]),
    ],
)
def test_a_covariance_is_read_from_its_short_form(text, values, weights, tmp_path):
    from rfscore.model import text as spelled

    np.save(tmp_path / "eigs.npy", np.array([1.0, 3.0]))
    for name in ("eigs.txt", "eigs.csv"):
        np.savetxt(tmp_path / name, np.array([1.0, 3.0]), header="eigenvalues")
    nodes, found = spelled.population(text).quadrature()
    assert list(nodes) == values and list(found) == weights


def test_long_spectra_are_read_from_their_short_forms():
    from rfscore.model import text as spelled

    assert spelled.population("powerlaw:1.5,32").condition == pytest.approx(32**1.5)
    assert spelled.population("uniform:0.5,1.5").variance == pytest.approx(1.0)


BAD = {
    "no such command": (["dance"], "dance"),
    "no such option": (["curves", "--psi-m", "8"], "--psi-m"),
    "text for a number": (["curves", "--psi-n", "many"], "--psi-n"),
    "negative psi_n": (["curves", "--psi-n", "-8"], "--psi-n = -8.0"),
    "NaN psi_p": (["spectrum", "--psi-p", "nan"], "--psi-p = nan"),
    "t = 0": (["timescales", "--t", "0"], "--t = 0.0"),
    "unknown activation": (["curves", "--activation", "step"], "tanh"),
    "unknown covariance": (["curves", "--population", "circle:1"], "isotropic:1"),
    "covariance without numbers": (["curves", "--population", "uniform:a,b"], "uniform:0.5,1.5"),
    "too few numbers": (["curves", "--population", "powerlaw:1"], "powerlaw:1.0,256"),
    "half-weighted atoms": (["curves", "--population", "atoms:1@0.5,2"], "a weight for every atom"),
    "weights that do not sum": (["curves", "--population", "atoms:1@0.5,2@0.4"], "sum to 1"),
    "negative variance": (["curves", "--population", "isotropic:-1"], "-1"),
    "missing file": (["curves", "--population", "file:none.npy"], "none.npy"),
    "not a npy file": (["curves", "--population", "file:text.npy"], "numpy.save"),
    "pickled file": (["curves", "--population", "file:pickled.npy"], "numpy.save"),
    "decimal commas": (["curves", "--population", "file:commas.csv"], "one number a line"),
    "ridge below 0": (["curves", "--ridge", "-1"], "--ridge = -1.0: expected 0, or"),
    "a sweep without t": (["sweep", "--psi-n", "1,2", "--psi-p", "4", "--out", "x"], "give --t a value"),
    "matrix file": (["curves", "--population", "file:matrix.npy"], "one vector"),
    "tau-min of 0": (["curves", "--tau-min", "0"], "--tau-min"),
    "tau-max below tau-min": (["curves", "--tau-min", "10", "--tau-max", "1"], "--tau-max"),
    "one point": (["curves", "--points", "1"], "--points"),
    "n rounds to 0": (["finite", "--psi-n", "0.02", "--d", "4"], "raise d"),
    "negative seed": (["finite", "--seed", "-1"], "--seed"),
    "unknown features": (["finite", "--features", "linear"], "gaussian-equivalent"),
    "foreign folder": (["spectrum", *SMALL, "--out", "foreign"], "new or empty folder"),
    "a file in the way": (["spectrum", *SMALL, "--out", "foreign/thesis.tex"], "expected a folder"),
    "missing images": (["reproduce", "--tiny", "--data", "none.npz"], "none.npz"),
    "size of 1 pixel": (["reproduce", "--tiny", "--size", "1"], "size = 1"),
    "too many pixels": (["reproduce", "--tiny", "--data", "digits", "--size", "64"], "--size 16"),
    "two presets": (["reproduce", "--tiny", "--full"], "at most one"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_with_the_remedy_and_exit_code_2(name, tmp_path, capsys):
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "matrix.npy", np.eye(2))
    (tmp_path / "commas.csv").write_text("0,5\n1,5\n")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("years of work")
    arguments, said = BAD[name]
    code, out, err = run(arguments, capsys)
    last = err.strip().splitlines()[-1]
    assert code == 2 and said in last and last.startswith("error: ")
    assert "Traceback" not in err and (tmp_path / "foreign" / "thesis.tex").read_text() == "years of work"
    assert arguments[0] == "reproduce" or (out == "" and err.count("\n") == 1)


def test_no_command_shows_the_help(capsys):
    code, out, _ = run([], capsys)
    assert code == 0
    assert all(command in out for command in ("reproduce", "spectrum", "curves", "timescales", "finite"))


@pytest.mark.parametrize("command", ["reproduce", "spectrum", "curves", "timescales", "finite"])
def test_every_command_explains_its_options(command, capsys):
    code, out, _ = run([command, "--help"], capsys)
    assert code == 0 and "--out" in out and "--json" in out


def test_python_dash_m_is_the_same_command(tmp_path):
    command = [sys.executable, "-m", "rfscore", "curves", "--t", "9"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("error: --t = 9.0")


def test_times_do_not_depend_on_the_grid_that_is_printed(capsys):
    asked = ["curves", *SMALL, "--json", "--tau-min", "0.1", "--tau-max", "1e4", "--points"]
    few, many = (json.loads(run([*asked, points], capsys)[1]) for points in (3, 121))
    assert few["tau_opt"] == many["tau_opt"] and few["tau_half"] == many["tau_half"]
    by_scales = json.loads(run(["timescales", *SMALL, "--json"], capsys)[1])
    assert by_scales["tau_half"] == few["tau_half"]
    assert set(by_scales["spectrum"]) == {f.name for f in dataclasses.fields(rf.Timescales)}
    grid = np.geomspace(0.5, 2.0, 4001) * few["tau_opt"]["value"]
    lowest = grid[np.argmin(rf.loss_curves(rf.ScoreProblem(2.0, 6.0, 0.1), grid).test)]
    assert few["tau_opt"]["value"] == pytest.approx(lowest, rel=2e-3)


def test_every_file_is_named_and_what_was_replaced_is_said(tmp_path, capsys):
    first = run(["spectrum", *SMALL], capsys)[1]
    again = run(["spectrum", *SMALL], capsys)[1]
    assert all(f.name in first for f in (tmp_path / "rfscore-output" / "spectrum").iterdir())
    assert "replaced" in again and "replaced" not in first


def test_images_that_cannot_be_read_leave_no_folder(tmp_path, capsys):
    assert run(["reproduce", "--tiny", "--data", "nope"], capsys)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_the_package_s(capsys):
    assert run(["--version"], capsys)[1].strip() == f"rfscore {rf.__version__}"


def test_off_a_terminal_a_line_is_written_now_and_then(capsys, monkeypatch):
    from rfscore.cli import progress

    clock = iter([0.0, 4.0, 11.0, 11.0, 11.0, 15.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("training", 200) as now:
        now.to(10)
        now.to(50, words="real images")
        now.to(60)
    assert capsys.readouterr().err == " 25 %  real images  (11 s)\n"


def test_commands_of_one_problem_compile_quickly_in_a_process_of_their_own(monkeypatch):
    seen = []
    monkeypatch.setattr("rfscore._machine.compile_quickly", lambda: seen.append(1))
    monkeypatch.setattr("rfscore.cli.interrupt.watch", lambda words: None)
    for words in (["curves", "--psi-n", "x"], ["sweep", "--psi-n", "x"], ["curves", "--help"]):
        cli._run(words, watched=True)
    assert seen == [1]


OTHERS = {
    "flow matching": (["--process", "linear", "--target", "velocity", "--t", "0.3"], "excess"),
    "classes": (["--population", "mixture:0.3*0.25+0.7*2", "--target", "data", "--t", "0.1"], "excess"),
    "heavy tails": (["--population", "student:5", "--t", "0.1"], "score_error"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_curves_of_other_models_have_numbers_and_a_picture(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words, column = OTHERS[name]
    run(["curves", "--psi-n", "3", "--psi-p", "6", "--points", "9", *words], capsys)
    folder = tmp_path / "rfscore-output/curves"
    found = json.loads((folder / "curves.json").read_text())
    assert len(found[column]) == 11 and None not in found[column] and (folder / "curves.png").stat().st_size > 10_000
