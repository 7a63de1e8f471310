"""Text files of the paper's released code: read as they are written, refused when damaged."""

from __future__ import annotations

import numpy as np
import pytest

from rfscore.errors import InputError
from rfscore.runs.authors import is_authors_folder, read_authors
from rfscore.runs.compare import compare
from rfscore.runs.load import load_run
from rfscore.runs.report import compare_runs

NAME = "CelebA32_1024_32_SGD_Momentum_512_0.0100_index0"
STEPS = [0, 1000, 10000, 100000, 400000, 1000000]
F_MEM = [0.0, 0.0, 0.0, 0.1, 12.0, 47.2]
FID = [300.0, 200.0, 80.0, 35.1, 36.0, 40.0]


def rows(*columns):
    """As the released code appends them: a line break before each row, tabs between columns."""
    return "".join("\n" + "\t".join(f"{x:g}" for x in row) for row in zip(*columns, strict=True))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / NAME
    (made / "Memorization").mkdir(parents=True)
    (made / "FID").mkdir()
    f = np.array(F_MEM)
    (made / "Memorization" / "fraction_memorized.txt").write_text(rows(STEPS, f, 0.1 * f, 0.8 * f, 1.2 * f))
    for k in range(1, 6):
        (made / "FID" / f"FID_{k}.txt").write_text(rows(STEPS, np.array(FID) + k))
    return made


def table_of(folder):
    return folder / "Memorization" / "fraction_memorized.txt"


def test_curves_and_sizes(folder):
    assert is_authors_folder(folder)
    run = read_authors(folder)
    assert (run.n, run.width, run.name) == (1024, 32, NAME)
    assert run.tau.tolist() == STEPS
    np.testing.assert_allclose(run.columns["f_mem"], np.array(F_MEM) / 100)
    np.testing.assert_allclose(run.columns["f_mem_high"], 1.2 * np.array(F_MEM) / 100)
    np.testing.assert_allclose(run.columns["frechet"], np.array(FID) + 3)
    spread = (run.columns["frechet_high"] - run.columns["frechet"]) / 2
    np.testing.assert_allclose(spread, np.std([1, 2, 3, 4, 5], ddof=1))
    assert any("percent" in note and "confirm" in note for note in run.facts["notes"])


def test_times_by_fid(folder):
    found = compare([folder], quality="frechet", resamples=500)
    times = found.runs[0].times
    assert times["tau_opt"].observable.status == "ok" and 5e4 < times["tau_opt"].observable.value < 3e5
    assert 1e5 < times["tau_onset"].observable.value < 4e5
    assert times["tau_half"].observable.status == "undefined"
    assert any("covariance_eigenvalues" in note for note in found.notes)
    with pytest.raises(InputError, match="frechet"):
        compare([folder])


def test_a_folder_without_fid_has_its_onset_and_no_tau_opt(folder):
    for file in (folder / "FID").iterdir():
        file.unlink()
    times = compare([folder], resamples=500).runs[0].times
    assert times["tau_onset"].observable.status == "ok" and times["tau_opt"].observable.status == "undefined"
    assert "test_loss not measured" in times["tau_opt"].observable.message


def test_unsorted_rows_and_headers_are_read(folder):
    lines = table_of(folder).read_text().split("\n")[1:]
    table_of(folder).write_text("step\tf_mem\terror\tlow\thigh\n" + "\n".join(lines[::-1]))
    run = read_authors(folder)
    assert run.tau.tolist() == STEPS and any("sorted" in note for note in run.facts["notes"])
    np.testing.assert_allclose(run.columns["f_mem"], np.array(F_MEM) / 100)


def test_failed_fid_is_missing_and_so_is_f_mem_without_samples(folder):
    last = [*FID[:-1], -1.0]
    for k in range(1, 6):
        (folder / "FID" / f"FID_{k}.txt").write_text(rows(STEPS, last if k < 5 else [*last[:3], -1.0, *last[4:]]))
    f = np.array([*F_MEM[:-1], 0.0])
    table_of(folder).write_text(rows(STEPS, f, f, f, f))
    run = read_authors(folder)
    assert np.isnan(run.columns["frechet"]).tolist() == [False] * 5 + [True]
    assert run.columns["frechet"][3] == pytest.approx(35.1)
    assert np.isnan(run.columns["f_mem"]).tolist() == [False] * 5 + [True]
    assert any("no samples" in note for note in run.facts["notes"])


def test_a_fall_to_exactly_zero_is_missing_samples_also_without_fid(folder):
    for file in (folder / "FID").iterdir():
        file.unlink()
    f = np.array([*F_MEM[:-1], 0.0])
    table_of(folder).write_text(rows(STEPS, f))
    run = read_authors(folder)
    assert "frechet" not in run.columns and "f_mem_low" not in run.columns
    assert np.isnan(run.columns["f_mem"][-1]) and run.columns["f_mem"][0] == 0


@pytest.mark.parametrize("columns", [2, 3, 4, 5])
@pytest.mark.parametrize("separator", [",", "  ", ", "])
def test_other_separators_comments_and_fewer_columns(tmp_path, columns, separator):
    made = tmp_path / "mine_n256_W16"
    made.mkdir()
    f = np.array(F_MEM)
    data = [STEPS, f, 0.1 * f, f - 0.196 * f, f + 0.196 * f][:columns]
    lines = [separator.join(f"{x:g}" for x in row) for row in zip(*data, strict=True)]
    (made / "fraction_memorized.txt").write_text("# step f_mem\n" + "\n".join(lines) + "  # last\n\n")
    run = read_authors(made)
    assert (run.n, run.width) == (256, 16)
    np.testing.assert_allclose(run.columns["f_mem"], f / 100)
    assert ("f_mem_high" in run.columns) == (columns > 2)
    if columns > 2:
        np.testing.assert_allclose(run.columns["f_mem_high"], 1.196 * f / 100, rtol=1e-5)


def test_small_values_are_percent_unless_said_otherwise(folder):
    table_of(folder).write_text(rows(STEPS, np.array(F_MEM) / 100))
    run = load_run(folder)
    assert run.columns["f_mem"].max() == pytest.approx(0.00472)
    assert any("unit=fraction" in note for note in run.facts["notes"])
    assert load_run(f"{folder}:unit=fraction").columns["f_mem"].max() == pytest.approx(0.472)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows"),
        ("1 2 3\n4 5", "cut short"),
        ("when f_mem\n1 2", "the step in the first column"),
        ("1 2\nabc 3", "line 2.*words are for the first line"),
        ("5\n6\n", "1 columns"),
        ("1 2 3 4 5 6\n", "6 columns"),
        ("5 1\n5 2\n", "training step in line 2.*keep one of each"),
        ("5 1 80\n", "standard errors.*halves of decimals"),
        ("5 10 1 12 14\n", "f_mem_low .*within its interval"),
        ("5 10 1 8 120\n", r"f_mem_high .*\[0, 1\]"),
        ("1 250\n", "values from 0 to 100"),
        ("1 -1\n", "values from 0 to 100"),
    ],
)
def test_damaged_tables_are_refused(folder, content, message):
    table_of(folder).write_text(content)
    with pytest.raises(InputError, match=message):
        read_authors(folder)


def test_damaged_fid_is_refused(folder):
    (folder / "FID" / "FID_2.txt").write_text("1 2 3\n")
    with pytest.raises(InputError, match=r"FID_2.txt.*3 columns"):
        read_authors(folder)


def test_sizes_that_the_name_does_not_say_are_asked_for(folder):
    plain = folder.rename(folder.parent / "celeba")
    with pytest.raises(InputError, match=r"n and W unknown.*n=1024,W=32"):
        load_run(plain)
    run = load_run(f"{plain}:n=512,W=8")
    assert (run.n, run.width) == (512, 8)
    with pytest.raises(InputError, match="W unknown"):
        load_run(f"{plain}:n=512")
    with pytest.raises(InputError, match="a whole number"):
        load_run(f"{plain}:n=many,W=8")


@pytest.mark.parametrize("name", ["1024_32", "x_n1024_W32", "run_n=1024_W=32", NAME])
def test_names_that_say_the_sizes(folder, name):
    run = read_authors(folder if name == NAME else folder.rename(folder.parent / name))
    assert (run.n, run.width) == (1024, 32)


def test_other_folders_are_not_mistaken(tmp_path):
    assert not is_authors_folder(tmp_path)
    with pytest.raises(InputError, match=r"fraction_memorized\.txt"):
        read_authors(tmp_path)


def test_report_without_losses(folder, tmp_path):
    compare_runs([folder], tmp_path / "out", quality="frechet", resamples=500)
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "lowest frechet" in text and "no prediction without it" in text
