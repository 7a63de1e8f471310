"""The table of refusals in docs/your-runs.md is what the reader says: `python -m tests.runs.test_page` writes it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from rfscore.errors import InputError
from rfscore.runs.load import load_run

PAGE = Path(__file__).parents[2] / "docs" / "your-runs.md"
MARKS = ("<!-- written by python -m tests.runs.test_page -->", "<!-- end -->")
HEAD = "step,train_loss,val_loss,f_mem"
#: What is wrong, the file, its content, further arguments.
WRONG = (
    ("n not known", "log.csv", f"{HEAD}\n1,.3,.3,0\n2,.3,.3,0\n", {}),
    ("a typing error", "n64.csv", f"{HEAD}\n1,.3,.3,0\n2,.3o,.3,0\n", {}),
    ("a row cut short", "n64.csv", f"{HEAD}\n1,.3,.3,0\n2,.3\n", {}),
    ("no header", "n64.csv", "1,.3,.3,0\n2,.3,.3,0\n", {}),
    ("thousands or decimals?", "n64.csv", "step;val_loss\n1,000;.3\n2,000;.3\n", {}),
    ("two columns for one curve", "n64.csv", "step,train_loss_step,train_loss_epoch\n1,.3,.3\n2,.3,.3\n", {}),
    ("no step", "n64.csv", "when,val_loss\n1,.3\n2,.3\n", {}),
    ("no curve", "n64.csv", "step,lr\n1,.3\n2,.3\n", {}),
    ("a column that is not there", "n64.csv", f"{HEAD}\n1,.3,.3,0\n", {"test_loss": "validation"}),
    ("a step twice, without a resume", "n64.csv", f"{HEAD}\n1,.3,.3,0\n2,.3,.3,0\n2,.4,.3,0\n", {}),
    ("a step below 0", "n64.csv", f"{HEAD}\n-1,.3,.3,0\n2,.3,.3,0\n", {}),
    ("f_mem above 100", "n64.csv", f"{HEAD}\n1,.3,.3,0\n2,.3,.3,120\n", {}),
    ("a broken line", "n64.jsonl", '{"step": 1, "loss": 1}\n{"step": \n{"step": 3, "loss": 1}\n', {}),
    ("vectors of two lengths", "n64.json", json.dumps({"step": [1, 2, 3], "loss": [1, 2]}), {}),
    ("an empty file", "n64.csv", "", {}),
    ("another kind of file", "n64.xlsx", "PK", {}),
)


def message(name: str, content: str, columns: dict[str, str]) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, name).write_text(content, encoding="utf-8")
        with pytest.raises(InputError) as error:
            load_run(Path(scratch, name), columns=columns)
        return " ".join(str(error.value).replace(f"{scratch}/", "").split())


def table() -> str:
    rows = [f"| {what} | {message(name, content, columns)} |" for what, name, content, columns in WRONG]
    return "\n".join(["| wrong | the answer |", "|---|---|", *rows])


def test_the_page_holds_what_the_reader_says():
    assert table() in PAGE.read_text(encoding="utf-8"), "run python -m tests.runs.test_page"


if __name__ == "__main__":
    before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{table()}\n\n{MARKS[1]}{after}", encoding="utf-8")
