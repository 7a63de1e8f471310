"""Encoding, terminal, inherited backend and matplotlibrc decide neither whether results appear nor how they look."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pytest

from rfscore import plotting
from rfscore.cli import show
from rfscore.runs.summary import RunSummary

NAME = "CelebA32_1024_32_SGD_Momentum_512_0.0100_index0_with_a_long_name_[a]_:tau:_é"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    tau = np.geomspace(1e2, 1e6, 33)
    for n in (256, 512):
        columns = {"test_loss": np.log(tau / 1e4) ** 2, "f_mem": 1 / (1 + (300 * n / tau) ** 4)}
        RunSummary(NAME if n == 256 else "b", n, 32, tau, columns, {"chance_level": 0.0}).save(folder / f"{n}.json")
    return folder


def compare(runs, *words, **environment):
    command = [sys.executable, "-m", "rfscore", "runs", "compare", "256.json", "512.json", "--no-theory",
               "--out", "out", *words]  # fmt: skip
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONUTF8", "LANG")} | environment
    return subprocess.run(command, cwd=runs, env=clean, capture_output=True, check=False)


@pytest.mark.parametrize("environment", [
    {"PYTHONIOENCODING": "ascii", "MPLBACKEND": "module://matplotlib_inline.backend_inline"},
    {"PYTHONIOENCODING": "cp1252", "COLUMNS": "80"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "MPLBACKEND": "nowhere"},
])  # fmt: skip
def test_a_comparison_is_printed_whole_in_any_encoding_and_with_any_backend(runs, environment):
    done = compare(runs, **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(environment.get("PYTHONIOENCODING", "ascii"))
    name = NAME if "cp1252" in environment.values() else NAME[:-1] + "e"
    assert name in text and "tau_half" in text and "..." not in text
    assert len({len(line) for line in text.splitlines() if line[:1] in "|+│"}) == 1  # the columns are straight
    assert (runs / "out/figures/comparison.png").exists()


def test_json_is_the_same_data_in_any_encoding(runs):
    plain, escaped = (compare(runs, "--json", PYTHONIOENCODING=coding) for coding in ("utf-8", "ascii"))
    found = json.loads(plain.stdout)
    assert found["runs"][0]["name"] == NAME and json.loads(escaped.stdout) == found


@pytest.mark.parametrize(("letter", "spelled"), [
    ("τ", "tau"), ("Ψ", "psi"), ("é", "e"), ("≥", ">="), ("²", "2"), ("🙂", "?"), ("\udcff", "?"), ("–", "-"),
])  # fmt: skip
def test_letters_that_an_output_lacks_are_spelled(letter, spelled):
    assert f"a{letter}b".encode("ascii", "rfscore") == f"a{spelled}b".encode()


def test_on_a_narrow_terminal_cells_are_folded_and_not_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    show.table("t", ["run", "n"], [["abcdefghijklmnopqrstuvwxyz", "1"]])
    text = capsys.readouterr().out
    assert "…" not in text and all(letter in text for letter in "abcdefghijklmnopqrstuvwxyz")


def picture() -> bytes:
    with plotting.paper():
        figure, axes = plotting.panels()
        axes[0, 0].plot([1, 2], [3, 4], label=r"$\tau$")
        axes[0, 0].set_xlabel(r"$\tau_{\rm mem}$")
        axes[0, 0].legend()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=80, metadata={"Software": None})
    return buffer.getvalue()


def test_a_matplotlibrc_changes_no_figure_and_is_as_before_afterwards():
    with matplotlib.rc_context():
        expected = picture()
    theirs = {"text.usetex": True, "axes.grid": True, "font.family": "monospace", "savefig.bbox": "tight",
              "axes.prop_cycle": matplotlib.cycler(color=["red"]), "figure.facecolor": "black", "savefig.pad_inches": 3,
              "lines.linestyle": ":", "xtick.direction": "in", "savefig.transparent": True}  # fmt: skip
    with matplotlib.rc_context(theirs), warnings.catch_warnings():
        assert picture() == expected
        assert all(matplotlib.rcParams[name] == value for name, value in theirs.items() if name != "font.family")


def test_a_reader_that_leaves_early_is_no_error():
    done = subprocess.Popen([sys.executable, "-m", "rfscore", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    done.stdout.close()
    assert done.stderr.read() == b"" and done.wait() == 1
    done.stderr.close()


def test_warnings_are_one_line_each_and_once(capsys):
    before = warnings.showwarning
    with show.notes():
        for _ in range(3):
            warnings.warn("2 files passed over", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "note: 2 files passed over\n"
    assert warnings.showwarning is before
