"""Tables and configs from other programs and countries: read as they were meant, or refused with a remedy that fits."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rfscore._plain import to_json
from rfscore._text import read_json, read_toml
from rfscore.data.tables import read_table
from rfscore.errors import InputError
from rfscore.networks import config as configs
from rfscore.runs.authors import read_authors
from rfscore.runs.summary import RunSummary

MEANT = [[100000.0, 3.25], [200000.0, 22.4]]
# name: what the file holds, of one and the same table
WRITTEN = {
    "tabs and commas": b"100000\t3,25\n200000\t22,40\n",
    "blanks and commas": b"100000 3,25\n200000   22,40\n",
    "semicolons and commas": b"100000;3,25\n200000; 22,40\n",
    "semicolons and points": b"100000;3.25\n200000;22.40\n",
    "commas and points": b"100000,3.25\n200000,22.40\n",
    "commas and blanks": b"100000, 3.25\n200000, 22.4\n",
    "quoted": b'100000,"3,25"\n200000,"22,4"\n',
    "empty last column": b"100000;3,25;\n200000;22,4;\n",
    "for excel": b"sep=;\r\n100000;3,25\r\n200000;22,4\r\n",
    "old line ends": b"100000 3.25\r200000 22.4\r",
    "windows line ends": b"100000 3.25\r\n200000 22.4\r\n",
    "fortran": b"1.0D+05 3.25d0\n2.0D+05 2.24D1\n",
    "byte order mark": b"\xef\xbb\xbf100000 3.25\n200000 22.4\n",
    "powershell": "100000 3.25\r\n200000 22.4\r\n".encode("utf-16"),
    "powershell without mark": "100000 3.25\r\n200000 22.4\r\n".encode("utf-16-le"),
    "big-endian": b"\xfe\xff" + "100000 3.25\n200000 22.4\n".encode("utf-16-be"),
    "latin-1 comment": "# mémorisé\n100000 3.25\n200000 22.4\n".encode("latin-1"),
    "utf-8 comment": "# mémorisé τ\n100000 3.25\n200000 22.4\n".encode(),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_one_table_written_in_many_ways_is_one_table(tmp_path, name):
    (tmp_path / "t.txt").write_bytes(WRITTEN[name])
    table = read_table(tmp_path / "t.txt")
    assert table.names == () and table.values.tolist() == MEANT


def test_a_header_names_the_columns_and_lines_are_remembered(tmp_path):
    (tmp_path / "t.csv").write_bytes("étape;part\n\n# x\n1;2,5\n3;4\n".encode("latin-1"))
    table = read_table(tmp_path / "t.csv")
    assert table.names == ("étape", "part") and table.lines == (4, 5) and table.values.tolist() == [[1, 2.5], [3, 4]]


@pytest.mark.parametrize(("content", "message"), [
    ("100000\t3,250\n200000\t22,400\n", "decimals or thousands"), ("1.234,5\t3,2\n", "decimals or thousands"),
    ("1,234.5\t3.2\n", "decimals or thousands"), ("100000,3,25\n200000,22,40\n", "columns or decimals"),
    ("100000, 3,25\n", "separate the columns by tabs"), ("100 000 3\n", "columns or thousands"),
    ("100\u00a0000 3\n", "signs and units"), ("100'000 3\n", "signs and units"), ("1000 3.25%\n", "signs and units"),
    ("1_000 3\n", "signs and units"), ("1000 ٣\n", "numbers like"), ("1 2\n3\n", "line 2 .*1 columns"),
    ("1;;2\n", "empty field"),
    ("1 2\nx 3\n", "line 2 .*words are for the first line"), ("\n#\n", "no rows"), ("step f\n", "below the header"),
    ("step,f\n1000,3,25\n", "3 columns.*2 like the first"),
])  # fmt: skip
def test_what_could_mean_two_things_or_nothing_is_refused(tmp_path, content, message):
    (tmp_path / "t.txt").write_bytes(content.encode())
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "t.txt")


def test_a_binary_table_and_a_cut_one_are_refused_as_such(tmp_path):
    (tmp_path / "t.txt").write_bytes(b"\x93NUMPY\x01\x00v\x00")
    with pytest.raises(InputError, match="binary file"):
        read_table(tmp_path / "t.txt")
    (tmp_path / "t.txt").write_bytes("100 3\n".encode("utf-16")[:-1])
    with pytest.raises(InputError, match="cut short"):
        read_table(tmp_path / "t.txt")


def test_a_table_is_not_read_in_the_locale_of_the_machine(tmp_path, monkeypatch):
    import locale

    (tmp_path / "t.txt").write_bytes("# τ\n1 2\n".encode())
    monkeypatch.setattr(locale, "getencoding", lambda: "ascii")
    assert read_table(tmp_path / "t.txt").values.tolist() == [[1, 2]]


def test_decimal_commas_of_the_released_code_are_per_cent(tmp_path):
    folder = tmp_path / "x_n64_W8"
    folder.mkdir()
    (folder / "fraction_memorized.txt").write_text("100000\t3,25\n200000\t22,40\n")
    np.testing.assert_allclose(read_authors(folder).columns["f_mem"], [0.0325, 0.224])
    (folder / "fraction_memorized.txt").write_text("100000\t3,25\t0,51\n200000\t22,40\t0,9\n")
    found = read_authors(folder).columns
    np.testing.assert_allclose(found["f_mem_high"], [0.0325 + 1.96 * 0.0051, 0.224 + 1.96 * 0.009])


def summary(**changes):
    plain = {"kind": "rfscore run summary", "name": "a", "n": 8, "width": 2, "tau": [1, 2], "facts": {},
             "columns": {"f_mem": [0.1, 0.2], "f_mem_low": [0.0, 0.1], "f_mem_high": [0.2, None]}}  # fmt: skip
    return plain | changes


@pytest.mark.parametrize(("changes", "message"), [
    ({"columns": {"f_mem": [0.1, 20]}}, r"f_mem of run 'a' at step 2 = 20.0: expected values in \[0, 1\]; a fraction"),
    ({"columns": {"f_mem": [0.1, 0.2], "f_mem_low": [0.2, 0.1]}}, "f_mem_low .*at step 1 .*within its interval"),
    ({"columns": {"f_mem": [0.1, 0.2], "f_mem_high": [0.2, 1.8]}}, r"f_mem_high .*\[0, 1\]"),
    ({"columns": {"frechet": [3, 2], "frechet_high": [3, 1]}}, "frechet_high .*within"),
    ({"columns": {"test_loss": [3, -2]}}, r"test_loss .*\[0, inf\]"), ({"tau": [1, "nan"]}, "tau"),
    ({"tau": [-1, 2]}, "tau"), ({"n": 0}, "n >= 1"), ({"n": 8.5}, "whole numbers"), ({"n": True}, "whole numbers"),
    ({"facts": {"chance_level": 3}}, "chance_level"),
])  # fmt: skip
def test_a_summary_that_cannot_be_is_refused(tmp_path, changes, message):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summary()))
    assert RunSummary.load(path).columns["f_mem"][1] == 0.2
    path.write_text(json.dumps(summary(**changes)))
    with pytest.raises(InputError, match=message):
        RunSummary.load(path)


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
def test_marks_before_json_and_toml_are_no_part_of_them(tmp_path, coding):
    (tmp_path / "summary.json").write_bytes(json.dumps(summary()).encode(coding))
    assert RunSummary.load(tmp_path / "summary.json").n == 8
    (tmp_path / "c.toml").write_bytes('name = "é"'.encode(coding))
    assert configs.read(tmp_path / "c.toml").name == "é"


def test_other_codings_of_toml_and_json_are_named_with_the_line(tmp_path):
    (tmp_path / "c.toml").write_bytes('seed = 1\nname = "é"'.encode("latin-1"))
    with pytest.raises(InputError, match=r"not UTF-8 \(byte 0xe9 in line 2\): save it as UTF-8"):
        read_toml(tmp_path / "c.toml", "config")
    (tmp_path / "m.json").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        read_json(tmp_path / "m.json", "manifest")


@pytest.mark.parametrize("name", ["🙂 \U00020000", "τ é", 'a"b\\c', "tab\t, bell\x07, delete\x7f", "\u2028\u0085", ""])
def test_configs_are_read_as_they_were_written(tmp_path, name):
    config = configs.from_plain({"name": name, "data": {"source": f"/data/{name}/a.npz"}})
    (tmp_path / "c.toml").write_bytes(configs.to_toml(config).encode())
    assert configs.read(tmp_path / "c.toml") == config


def test_a_path_that_is_not_utf_8_is_refused_in_toml_and_kept_in_json():
    path = b"/data/\xe9.npz".decode("utf-8", "surrogateescape")
    with pytest.raises(InputError, match="rename the file"):
        configs.to_toml(configs.from_plain({"data": {"source": path}}))
    assert json.loads(to_json({"path": path}).encode()) == {"path": path}
