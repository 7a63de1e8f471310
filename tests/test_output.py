"""Files on disk: whole or absent; folders: ours or refused; manifests: strict JSON that names no machine."""

from __future__ import annotations

import builtins
import errno
import json
import os
import platform
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import rfscore as rf
from rfscore import _provenance, output
from rfscore._plain import to_json, to_plain
from rfscore.errors import InputError, RfscoreError
from rfscore.observables import Observable
from rfscore.output import MANIFEST, RunFolder, netcdf_bytes, write_bytes


class FullDisk:
    """A file that takes some bytes and then has no space left."""

    def __init__(self, file, fails_at: str) -> None:
        self._file, self._fails_at = file, fails_at

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, content):
        self._file.write(bytes(content[: len(content) // 2]))
        if self._fails_at == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self):
        self._file.flush()
        if self._fails_at == "flush":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fileno(self):
        return self._file.fileno()


def fill_disk(monkeypatch, fails_at: str = "write") -> None:
    real = builtins.open
    monkeypatch.setattr(output, "open", lambda *a, **k: FullDisk(real(*a, **k), fails_at), raising=False)


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def manifest(folder: Path) -> dict:
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


# --- one file ---------------------------------------------------------------------------------------------------------


def test_written_bytes_are_all_there_and_replace_the_old_ones(tmp_path):
    for content in (b"old and long", b"new", memoryview(b"view")):
        assert write_bytes(tmp_path / "a", content).read_bytes() == bytes(content)
    assert files(tmp_path) == ["a"]


def test_new_files_have_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("fails_at", ["write", "flush"])
def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new_one(tmp_path, monkeypatch, fails_at):
    write_bytes(tmp_path / "a", b"old")
    fill_disk(monkeypatch, fails_at)
    with pytest.raises(RfscoreError, match=r"disk full while writing .*free some space"):
        write_bytes(tmp_path / "a", b"new content")
    assert files(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"old"


def test_an_interrupt_between_writing_and_renaming_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(output.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a", b"x")
    assert files(tmp_path) == []


def test_a_missing_folder_and_a_folder_in_the_way_are_input_errors(tmp_path):
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "none" / "a", tmp_path / "folder"):
        with pytest.raises(InputError, match="choose a folder you may write to"):
            write_bytes(target, b"x")
    assert files(tmp_path) == []


# --- formats ----------------------------------------------------------------------------------------------------------


def test_netcdf_round_trip_keeps_numbers_names_and_attributes(tmp_path):
    data = xr.Dataset(
        {"train": ("tau", np.array([1.0, 0.5, np.nan]))},
        coords={"tau": [0.0, 1.0, np.inf]},
        attrs={"t": 0.01, "exact": True, "problem": {"psi_n": 8.0}, "commit": None, "title": "losses"},
    )
    (tmp_path / "a.nc").write_bytes(netcdf_bytes(data))
    back = xr.load_dataset(tmp_path / "a.nc", engine="h5netcdf")
    xr.testing.assert_identical(back.drop_attrs(), data.drop_attrs())
    assert back.attrs["t"] == 0.01 and back.attrs["title"] == "losses"
    assert json.loads(back.attrs["problem"]) == {"psi_n": 8.0}
    assert json.loads(back.attrs["exact"]) is True and json.loads(back.attrs["commit"]) is None


def test_complex_variables_are_refused_with_the_remedy():
    with pytest.raises(InputError, match="real and imaginary parts"):
        netcdf_bytes(xr.Dataset({"q": ("z", np.array([1j]))}))


def test_plain_data_is_strict_json_without_nan_or_addresses():
    value = {
        "problem": rf.ScoreProblem(8.0, 64.0, 0.01, activation=rf.Activation("odd", lambda x: x / (1 + x * x))),
        "time": Observable(float("nan"), (1.0, float("inf")), "censored"),
        "array": np.array([[1, 2], [3, 4]]),
        "scalars": (np.float64(0.1), np.int64(3), np.bool_(True), -np.inf, 1 + 2j),
        5: Path("a") / "b",
    }
    text = to_json(value)
    back = json.loads(text, parse_constant=lambda token: pytest.fail(f"{token} is no JSON"))
    assert "0x" not in text and back == to_plain(value)
    assert back["problem"]["activation"]["name"] == "odd" and back["problem"]["population"]["kind"] == "Isotropic"
    assert back["time"]["value"] is None and back["time"]["interval"] == [1.0, None]
    assert back["array"] == [[1, 2], [3, 4]] and back["5"] == "a/b"
    assert back["scalars"] == [0.1, 3, True, None, {"re": 1.0, "im": 2.0}]


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", np.array([object()], dtype=object)])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(InputError, match="cannot be written as JSON"):
        to_plain(value)


# --- one run ----------------------------------------------------------------------------------------------------------


def test_a_run_leaves_its_files_and_a_complete_manifest(tmp_path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2], [0, 1])
    problem = rf.ScoreProblem(8.0, 64.0, 0.01)
    with RunFolder(tmp_path / "deep" / "run", problem=problem, seeds=[3, 4]) as run:
        assert manifest(run.path)["status"] == "running"
        run.record(preset="quick", count=np.int64(5))
        run.text("report.md", "# τ_mem\n")
        run.json("numbers.json", {"tau_mem": 1e5})
        run.netcdf("curves.nc", xr.Dataset({"train": ("tau", [1.0])}))
        png = run.figure("figures/spectrum", figure)
    assert files(run.path) == sorted(
        ["curves.nc", "figures/spectrum.pdf", "figures/spectrum.png", MANIFEST, "numbers.json", "report.md"]
    )
    assert png.with_suffix(".pdf").read_bytes().startswith(b"%PDF") and png.read_bytes().startswith(b"\x89PNG")
    facts = manifest(run.path)
    assert facts["status"] == "complete" and facts["seeds"] == [3, 4] and facts["preset"] == "quick"
    assert facts["problem"]["psi_n"] == 8.0 and facts["wall_time_s"] >= 0
    assert set(facts["files"]) == set(files(run.path)) - {MANIFEST}
    assert facts["files"]["report.md"]["bytes"] == len("# τ_mem\n".encode())
    assert facts["versions"]["numpy"] == np.__version__ and facts["versions"]["python"] == platform.python_version()


def test_equal_figures_are_equal_files(tmp_path):
    from matplotlib.figure import Figure

    def draw(folder):
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([1, 2], [0, 1])
        with RunFolder(folder) as run:
            png = run.figure("f", figure)
            return [path.read_bytes() for path in (png, png.with_suffix(".pdf"))]

    assert draw(tmp_path / "a") == draw(tmp_path / "b")


def test_the_manifest_asks_for_neither_host_nor_user(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: pytest.fail("asked for the host name"))
    monkeypatch.setattr(socket, "gethostname", lambda: pytest.fail("asked for the host name"))
    monkeypatch.setenv("LOGNAME", "surely-this-user")
    monkeypatch.setenv("HOME", "/surely-this-home")
    with RunFolder(tmp_path / "run") as run:
        pass
    facts = manifest(run.path)
    assert set(facts["machine"]) == {"system", "machine", "cores"}
    assert "surely-this" not in json.dumps(facts)


def test_a_foreign_folder_is_refused_untouched_unless_overwriting_is_allowed(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="new or empty folder"), RunFolder(tmp_path):
        pytest.fail("entered a foreign folder")
    assert files(tmp_path) == ["thesis.tex"]
    with RunFolder(tmp_path, overwrite=True) as run:
        run.text("report.md", "x")
    assert files(tmp_path) == [MANIFEST, "report.md", "thesis.tex"]
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"made_by": "another"}', "not json", "[" * 100_000])
def test_a_manifest_that_is_not_ours_does_not_open_the_folder(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(InputError, match="new or empty folder"), RunFolder(tmp_path):
        pytest.fail("entered a foreign folder")


def test_a_second_run_replaces_the_first_and_removes_what_it_no_longer_makes(tmp_path):
    with RunFolder(tmp_path / "run") as run:
        run.text("report.md", "first")
        run.text("old.md", "first")
    (run.path / "notes.txt").write_text("by hand")
    with RunFolder(tmp_path / "run") as run:
        run.text("report.md", "second")
        assert (run.path / "old.md").exists()
    assert files(run.path) == [MANIFEST, "notes.txt", "report.md"]
    assert (run.path / "report.md").read_text() == "second"


def test_a_failed_run_keeps_earlier_files_says_so_and_the_next_run_clears_them(tmp_path):
    with RunFolder(tmp_path / "run") as run:
        run.text("old.md", "first")
    with pytest.raises(ZeroDivisionError), RunFolder(tmp_path / "run") as run:
        run.text("new.md", "second")
        _ = 1 / 0
    facts = manifest(run.path)
    assert facts["status"] == "failed" and "ZeroDivisionError" in facts["message"]
    assert list(facts["files"]) == ["new.md"] and facts["left_from_before"] == ["old.md"]
    with RunFolder(tmp_path / "run") as run:
        run.text("last.md", "third")
    assert files(run.path) == ["last.md", MANIFEST]


def test_a_forged_manifest_cannot_remove_files_elsewhere(tmp_path):
    (tmp_path / "precious").write_text("x")
    (tmp_path / "run").mkdir()
    forged = {
        "made_by": "rfscore",
        "files": ["../precious", str(tmp_path / "precious"), "a/../../precious", ".", "", 7, None],
        "left_from_before": 3,
    }
    (tmp_path / "run" / MANIFEST).write_text(json.dumps(forged))
    with RunFolder(tmp_path / "run"):
        pass
    assert files(tmp_path) == ["precious", f"run/{MANIFEST}"]


def test_a_disk_that_fills_during_the_run_is_reported_and_leaves_whole_files_only(tmp_path, monkeypatch):
    with pytest.raises(RfscoreError, match="disk full"), RunFolder(tmp_path / "run") as run:
        run.text("first.md", "whole")
        fill_disk(monkeypatch)
        run.netcdf("curves.nc", xr.Dataset({"train": ("tau", [1.0])}))
    assert files(run.path) == ["first.md", MANIFEST]
    assert (run.path / "first.md").read_text() == "whole"
    assert manifest(run.path)["status"] == "running"  # no space for "failed", and it never claims to be complete


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_an_unwritable_output_folder_is_found_out_before_the_work(tmp_path, monkeypatch, error):
    def refuse(*_, **__):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(output, "open", refuse, raising=False)
    with pytest.raises(RfscoreError, match="disk full" if error == errno.ENOSPC else "you may write to"):
        RunFolder(tmp_path / "run").__enter__()
    assert files(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_parent_is_an_input_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="you may write to"), RunFolder(tmp_path / "run"):
        pytest.fail("entered a read-only folder")


@pytest.mark.parametrize("inside", [False, True])
def test_a_file_where_the_folder_should_be_is_refused(tmp_path, inside):
    (tmp_path / "file").write_text("x")
    target = tmp_path / "file" / "run" if inside else tmp_path / "file"
    with pytest.raises(InputError, match="expected a folder"), RunFolder(target):
        pytest.fail("entered a file")
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("name", ["../a", "/a", "", ".", "a/../../b", "a\\b", "a\0b", MANIFEST, f"./{MANIFEST}"])
def test_file_names_stay_inside_the_folder(tmp_path, name):
    with RunFolder(tmp_path / "run") as run, pytest.raises(InputError, match="file name"):
        run.text(name, "x")
    assert files(tmp_path) == [f"run/{MANIFEST}"]


# --- provenance -------------------------------------------------------------------------------------------------------


def test_git_state_is_none_where_the_sources_are_not_tracked(tmp_path, monkeypatch):
    monkeypatch.setattr(_provenance, "_PACKAGE", tmp_path)
    assert _provenance.git_state() == {"commit": None, "changed": None}


def test_git_state_is_none_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert _provenance.git_state() == {"commit": None, "changed": None}


def test_git_state_gives_the_commit_and_whether_sources_changed(tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "errors.py").write_text("1")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], check=True)
    monkeypatch.setattr(_provenance, "_PACKAGE", tmp_path)
    clean = _provenance.git_state()
    assert len(clean["commit"]) == 40 and clean["changed"] is False
    (tmp_path / "errors.py").write_text("2")
    assert _provenance.git_state() == {"commit": clean["commit"], "changed": True}


def test_versions_record_a_missing_package_as_none(monkeypatch):
    monkeypatch.setattr(_provenance, "_RECORDED", ("numpy", "surely-not-a-package"))
    found = _provenance.versions()
    assert found["numpy"] == np.__version__ and found["surely-not-a-package"] is None


@pytest.mark.parametrize("content", ["", "[]", "null", "{"])
def test_a_folder_with_a_damaged_manifest_is_not_taken_for_rfscores(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(InputError, match="new or empty"), RunFolder(tmp_path):
        pytest.fail("taken")


def test_names_that_are_not_utf_8_do_not_stop_a_run(tmp_path):
    name = b"/data/\xe9".decode("utf-8", "surrogateescape")
    with RunFolder(tmp_path / "run") as run:
        run.record(data=name)
        run.text("report.md", name)
    assert json.loads((tmp_path / "run" / MANIFEST).read_text())["data"] == name
