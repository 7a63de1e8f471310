"""Tables of numbers from text files of any origin: read as they were meant, or refused by line and value.

Columns are separated by tabs, semicolons, commas or blanks; decimals by a point, or by a comma where the separator is
another one. What could be meant in two ways is refused: 1,234 may be a thousand and more, or 1.234.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from os import PathLike

import numpy as np
from jaxtyping import Float

from rfscore._text import read_text
from rfscore.errors import InputError, bad

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eEdD][+-]?\d+)?", re.ASCII)
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+", re.ASCII)
_BLANKS = " \t"


@dataclass(frozen=True)
class Table:
    """Numbers by row and column.

    Attributes:
        names: of the columns, empty when the file has no header.
        values: (rows, columns).
        lines: where each row stands in the file, from 1.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "rows columns"]
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Fields:
    """A table as text: names of the columns (empty without a header), fields by row, lines in the file, separator.

    `above` are the words of a comment directly above the numbers, one for each column (numpy.savetxt has such headers).
    """

    names: tuple[str, ...]
    rows: list[list[str]]
    lines: tuple[int, ...]
    separator: str
    above: tuple[str, ...] = ()


def read_table(path: str | PathLike[str]) -> Table:
    r"""A table of numbers; comments after '#' and blank lines are left out.

    Args:
        path: a text file in UTF-8 or UTF-16, or with other letters of Western Europe in names and comments.

    Returns:
        Table.

    Raises:
        InputError: unreadable, no text, rows of different lengths, words among the numbers, numbers that could mean
            two things.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from rfscore.data.tables import read_table
        >>> with tempfile.TemporaryDirectory() as scratch:
        ...     _ = Path(scratch, "curve.csv").write_text("step;f_mem\n1000;3,25\n2000;22,4\n")
        ...     table = read_table(Path(scratch, "curve.csv"))
        >>> table.names, table.values.tolist()
        (('step', 'f_mem'), [[1000.0, 3.25], [2000.0, 22.4]])
    """
    what, found = f"table {str(path)!r}", read_fields(path)
    refuse_doubtful(found.rows, found.separator, bool(found.names), what)
    values = np.array([[number(field, i, what) for field in fields]
                       for i, fields in zip(found.lines, found.rows, strict=True)])  # fmt: skip
    return Table(found.names, values, found.lines)


def read_fields(path: str | PathLike[str]) -> Fields:
    """A table as text, whatever is in its fields; refused where rows have different lengths."""
    what = f"table {str(path)!r}"
    text = read_text(path, "table", western=True)
    numbered = list(enumerate(re.split(r"\r\n|\r|\n", text), 1))
    lines = [(i, line.split("#")[0].strip(_BLANKS)) for i, line in numbered]
    lines = [(i, line) for i, line in lines if line]
    if lines and lines[0][1].lower().startswith("sep="):  # what Excel is told
        del lines[0]
    if not lines:
        raise bad(what, "no rows", "rows of numbers")
    separator = _separator([line for _, line in lines], what)
    if all(line.endswith(separator) for _, line in lines) and not any(
        line.endswith(2 * separator) for _, line in lines
    ):  # nothing behind the last separator of every line
        lines = [(i, line[:-1]) for i, line in lines]
    rows = [(i, _fields(line, separator)) for i, line in lines]
    first = rows[0][1]
    names = tuple(first) if not any(_is_number(field) for field in first) else ()
    rows = rows[bool(names) :]
    if not rows:
        raise bad(what, "no rows", "rows of numbers below the header")
    width = len(names) or len(rows[0][1])
    for i, fields in rows:
        if len(fields) != width:
            raise bad(f"line {i} of {what}", f"{len(fields)} columns", f"{width} like the first line",
                      "a row cut short, or a comma or blank inside a number")  # fmt: skip
    above = () if names else _commented(numbered, rows[0][0], separator, width)
    return Fields(names, [fields for _, fields in rows], tuple(i for i, _ in rows), separator, above)


def _commented(numbered: list[tuple[int, str]], first: int, separator: str, width: int) -> tuple[str, ...]:
    """Names in the comment directly above the first row."""
    above = next((line for i, line in numbered if i == first - 1), "").strip(_BLANKS)
    if not above.startswith("#"):
        return ()
    names = _fields(above.lstrip("#").strip(_BLANKS), separator)
    return tuple(names) if len(names) == width and all(names) and not any(map(_is_number, names)) else ()


def _separator(lines: list[str], what: str) -> str:
    """Tab, semicolon, comma or blank. A comma between blanks separated fields is a decimal one."""
    for mark in ("\t", ";"):
        if all(mark in line for line in lines):
            return mark
    if not any(map(_is_number, re.split(r"[ \t,]+", lines[0]))):
        # As many commas in every line as between the names of the columns: they separate, whatever else is there.
        commas = {_commas(line) for line in lines}
        if len(commas) == 1 and commas != {0}:
            return ","
    if not any("," in line for line in lines):
        return " "
    quoted = any('"' in line for line in lines)
    bare = [re.sub(r"[ \t]*,[ \t]*", ",", line) for line in lines]
    if quoted or all("," in line and not re.search(r"[ \t]", line) for line in bare):
        mixed = any(re.search(r",[ \t]", line) and re.search(r",[^ \t]", line) for line in lines)
        if mixed and not quoted and not any("." in line for line in lines):
            raise bad(what, "commas with and without a blank behind", "one separator",
                      "write decimal points, or separate the columns by tabs")  # fmt: skip
        return ","
    return " "


def _commas(line: str) -> int:
    """Commas outside of quotes."""
    return re.sub(r'"[^"]*"', "", line).count(",")


def _fields(line: str, separator: str) -> list[str]:
    if separator == " ":
        return re.split(r"[ \t]+", line)  # not at other blanks: they may be inside a number
    try:
        return [field.strip(_BLANKS) for field in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]
    except csv.Error as error:
        raise InputError(f"a table's line {line[:40]!r}... cannot be read ({error}); check its quotes") from error


def _is_number(field: str) -> bool:
    return bool(_NUMBER.fullmatch(field) or _COMMA.fullmatch(field) or _GROUPS.fullmatch(field))


def refuse_doubtful(rows: list[list[str]], separator: str, named: bool, what: str) -> None:
    """Commas that may stand for a thousand, and columns that may be halves of numbers."""
    fields = [field for row in rows for field in row]
    commas = [field for field in fields if "," in field]
    if commas and (all(_GROUPS.fullmatch(field) for field in commas) or any("." in field for field in fields)):
        raise bad(f"number in {what}", commas[0], "one meaning",
                  "a comma may stand for decimals or thousands: write decimal points and no thousands")  # fmt: skip
    if separator == "," and not named and len(rows[0]) > 2 and all(re.fullmatch(r"[+-]?\d+", f) for f in fields):
        raise bad(what, f"row {','.join(rows[0])!r}", "one meaning", "a comma may separate columns or decimals here: "
                  "write decimal points (3.0), or a header")  # fmt: skip
    if separator == " " and any(re.fullmatch(r"0\d\d", field) for row in rows for field in row[1:]):
        raise bad(what, f"row {' '.join(rows[0])!r}", "one meaning", "a blank may separate columns or thousands here: "
                  "write numbers without blanks")  # fmt: skip


def number(field: str, line: int, what: str) -> float:
    """The number in a field, refused by line and value."""
    if _COMMA.fullmatch(field):
        field = field.replace(",", ".")
    if not _NUMBER.fullmatch(field):
        remedy = "an empty field" if not field else "remove signs and units" if re.match(r"[-+.,\d]", field) else \
            "words are for the first line, or after '#'"  # fmt: skip
        raise bad(f"line {line} of {what}", field, "numbers like 3.25 or 1e5", remedy)
    return float(field.lower().replace("d", "e"))  # Fortran writes 1.0D+03
