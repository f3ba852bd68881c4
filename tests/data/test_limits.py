"""What is refused of a table for its size or its names, with the limit in the sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from molfun.data import limits
from molfun.data.tables import read_table
from molfun.errors import DataError


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("wide.csv", ",".join(f"c{i}" for i in range(1001)) + "\n1\n", r"wide\.csv has 1,001 columns, the limit is"),
        ("long.csv", "a\n" + "1\n" * 11, r"long\.csv has more than 10 rows, which is the limit; keep the rows"),
        ("large.csv", "a,b,c,d\n" + "1,2,3,4\n" * 9, r"large\.csv has 9 rows of 4 columns, the limit is 30 cells"),
        ("cell.csv", f"seq,y\nACD,1\n{'A' * 41},2\n", r"row 3, column 'seq': the cell has 41 characters"),
        ("name.csv", f"{'x' * 201}\n1\n", r"name\.csv, row 1, column 1: the column name has 201 characters"),
        ("line.csv", "x" * 1_000_001, r"line\.csv has more than 1,000,000 characters in its first line"),
        ("nul.csv", "a,b\n1,\0\n", r"nul\.csv is no text file: row 2 holds a NUL character; expected CSV"),
        ("page.csv", "<!DOCTYPE html><html>", r"page\.csv holds a web page, not a table; expected CSV"),
        ("rows.csv", '[{"a": 1}]', r"rows\.csv holds JSON, not a table; expected CSV"),
        ("macros.xlsm", "PK", r"macros\.xlsm is in Excel's format for macros; save it as \.xlsx or CSV\."),
        ("open.ods", "PK", r"open\.ods is an OpenDocument sheet; save it as \.xlsx or CSV\."),
        ("head.fasta", f">{'x' * 10_001}\nACD\n", r"record 1: the line that starts with '>' has 10,001"),
        ("keys.fasta", "".join(f">a k{i}=1\nACD\n" for i in range(999)), r"keys\.fasta has 1,001 columns"),
    ],
)  # fmt: skip
def test_read_table_refuses_what_is_too_large(
    tmp_path: Path, monkeypatch, name: str, content: str, message: str
) -> None:
    for limit, value in (("MAX_ROWS", 10), ("MAX_CELLS", 30), ("MAX_CELL_CHARACTERS", 40)):
        if name not in ("wide.csv", "keys.fasta"):
            monkeypatch.setattr(limits, limit, value)
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(tmp_path / name)
    assert str(caught.value).endswith(".")


def test_column_names_are_one_printable_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('"se\nq",\x1b[31my,\ufeffz\nACD,1,2\n')
    assert list(read_table(tmp_path / "t.csv").columns) == ["se q", "[31my", "z"]


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "a\0.csv", "no/such/folder.csv"])
def test_a_path_that_is_none_is_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"There is no file .*; check the path\."):
        read_table(tmp_path / name)


def test_values_keep_their_own_name_in_sentences(tmp_path: Path) -> None:
    (tmp_path / "table").write_text(">a\nACD\n")
    (tmp_path / "values").write_text("id,y\nb,1\n")
    with pytest.raises(DataError, match=r"mine\.fasta has 'a' first, kd\.csv column 'id' has 'b'"):
        read_table(tmp_path / "table", name="mine.fasta", values=tmp_path / "values", values_name="../kd.csv")
