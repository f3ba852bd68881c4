"""Reading tables: every format gives the same rows, every failure one sentence that names the file."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molfun.data import tables
from molfun.data.checks import Problem, check_table
from molfun.data.tables import file_rows, guess_columns, read_table
from molfun.errors import DataError

ROWS = pd.DataFrame({"seq": ["ACDEF", "GHIKL", "MNPQR"], "score": [1.5, -2.0, 0.25], "kind": ["a", "b", "NA"]})


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("t.csv", lambda path: ROWS.to_csv(path, index=False)),
        ("t.tsv", lambda path: ROWS.to_csv(path, index=False, sep="\t")),
        ("semicolons.csv", lambda path: ROWS.to_csv(path, index=False, sep=";")),
        ("bars.txt", lambda path: ROWS.to_csv(path, index=False, sep="|")),
        ("marked.csv", lambda path: ROWS.to_csv(path, index=False, encoding="utf-8-sig")),
        ("wide.csv", lambda path: ROWS.to_csv(path, index=False, encoding="utf-16")),
        ("windows.csv", lambda path: ROWS.to_csv(path, index=False, lineterminator="\r\n")),
        ("t.xlsx", lambda path: ROWS.to_excel(path, index=False)),
    ],
)
def test_read_table_gives_the_same_rows_for_every_format(tmp_path, name, save):
    save(tmp_path / name)
    frame = read_table(tmp_path / name)
    assert frame.to_dict("list") == ROWS.to_dict("list")
    assert frame["score"].dtype == np.float64
    assert file_rows(frame).tolist() == [2, 3, 4]


def test_read_table_reads_parquet_with_lists(tmp_path):
    ROWS.assign(labels=[[0, 1], [1, 1], [0, 0]]).to_parquet(tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet")
    assert [list(cell) for cell in frame["labels"]] == [[0, 1], [1, 1], [0, 0]]
    assert file_rows(frame).tolist() == [1, 2, 3]


def test_read_table_falls_back_to_latin_1(tmp_path):
    path = write(tmp_path, "t.csv", "seq,größe\nACDEF,1\n".encode("latin-1"))
    assert list(read_table(path).columns) == ["seq", "größe"]


def test_read_table_keeps_text_that_pandas_takes_for_missing(tmp_path):
    frame = read_table(write(tmp_path, "t.csv", "seq,label\nNA,None\nNAN,nan\nACD,\n"))
    assert frame["seq"].tolist() == ["NA", "NAN", "ACD"]
    assert frame["label"][:2].tolist() == ["None", "nan"]
    assert frame["label"].isna().tolist() == [False, False, True]


def test_read_table_takes_gaps_between_numbers_for_missing(tmp_path):
    frame = read_table(write(tmp_path, "t.csv", "seq,y\nACD,1\nACE,NA\nACF,\n"))
    assert frame["y"].dtype == np.float64
    assert frame["y"].isna().tolist() == [False, True, True]


def test_file_rows_skip_blank_lines(tmp_path):
    frame = read_table(write(tmp_path, "t.csv", "seq,y\nACD,1\n\n,\nACE,2\n\n"))
    assert frame.index.tolist() == [0, 1]
    assert file_rows(frame).tolist() == [2, 5]


def test_file_rows_count_blank_lines_before_the_header(tmp_path):
    assert file_rows(read_table(write(tmp_path, "t.csv", "\r\n\r\nseq,y\r\nACD,1\r\n"))).tolist() == [4]
    with pytest.raises(DataError, match=r"t\.csv, row 3: expected 1 fields, found 2"):
        read_table(write(tmp_path, "t.csv", "\nseq\nACD,1\n"))


def test_read_table_reads_one_column_and_names_an_index(tmp_path):
    assert read_table(write(tmp_path, "one.csv", "seq\nACD\nACE\n"))["seq"].tolist() == ["ACD", "ACE"]
    assert list(read_table(write(tmp_path, "r.csv", ",seq\n1,ACD\n")).columns) == ["column_1", "seq"]


def test_read_table_keeps_quoted_separators(tmp_path):
    frame = read_table(write(tmp_path, "t.csv", 'seq,"note, long"\nACD,"a, b"\n'))
    assert frame.to_dict("list") == {"seq": ["ACD"], "note, long": ["a, b"]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", "", r"empty\.csv is empty \(0 bytes\)"),
        ("blank.csv", "\n\n \n", "blank.csv holds only blank lines"),
        ("head.csv", "seq,y\n", "head.csv has a header but no rows"),
        ("head.tsv", "seq\ty\n\n\n", "head.tsv has a header but no rows"),
        ("long.csv", "seq,y\nACD,1\nACE,2,3\n", "long.csv, row 3: expected 2 fields, found 3"),
        ("long1.csv", "seq,y\nACD,1,5\nACE,2,5\n", "long1.csv, row 2: expected 2 fields, found 3"),
        ("quote.csv", 'seq,y\n"ACD,1\nACE,2\n', "quote.csv, row 2: a quotation mark is opened and never closed"),
        ("twice.csv", "seq,y,y\nACD,1,2\n", "more than one column named 'y'"),
        ("nohead.csv", "ACDEFGHIKLMNPQRSTVWYACDEF,1.0\nACDEF,2\n", "row 1, column 1: expected a column name"),
        ("bytes.csv", b"\x00\x01\x02\x03" * 10, "bytes.csv is no text file"),
        ("broken.xlsx", b"PK no zip", "broken.xlsx is no readable Excel file"),
        ("text.xlsx", "seq,y\nACD,1\n", "text.xlsx is no readable Excel file"),
        ("broken.parquet", b"PAR1 nothing", "broken.parquet is no readable Parquet file"),
        ("old.xls", b"\xd0\xcf\x11\xe0", "old.xls is in Excel's old format"),
        ("packed.csv.gz", b"\x1f\x8b", "packed.csv.gz is compressed; unpack it"),
        ("odd.pkl", b"\x80\x04", "odd.pkl has the unknown ending '.pkl'; expected CSV"),
        ("none.fasta", "ACDEF\n", "none.fasta holds no FASTA record"),
    ],
)  # fmt: skip
def test_read_table_refuses_in_one_sentence(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_table(write(tmp_path, name, content))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_read_table_names_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*gone\.csv; check the path\."):
        read_table(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="is no file; expected CSV"):
        read_table(tmp_path)


def test_read_table_refuses_a_large_file_without_reading_it(tmp_path):
    path = tmp_path / "upload"
    with path.open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    with pytest.raises(DataError, match=r"^big\.csv has 200 MB, the limit is 100 MB; keep"):
        read_table(path, name="big.csv")


def test_read_table_refuses_excel_that_unpacks_to_too_much(tmp_path, monkeypatch):
    ROWS.to_excel(tmp_path / "t.xlsx", index=False)
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 600)
    monkeypatch.setattr(tables, "check_file", lambda path, shown: None)
    with pytest.raises(DataError, match=r"t\.xlsx unpacks to"):
        read_table(tmp_path / "t.xlsx")


def test_read_table_takes_the_format_from_the_shown_name(tmp_path):
    frame = read_table(write(tmp_path, "tmp1234", "seq\ty\nACD\t1\n"), name="mine.tsv")
    assert frame["y"].tolist() == [1]


def spoil(content: bytes, places: list[tuple[float, bytes]]) -> bytes:
    """Overwrite bytes at relative places (0..1)."""
    for place, piece in places:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + 1 :]
    return content


@cache
def sound(suffix: str) -> bytes:
    """Return the bytes of a sound table."""
    file = io.BytesIO()
    if suffix == "fasta":
        return b">a v=1\nACDEF\n>b v=2\nGHIKL\n"
    save = {"csv": ROWS.to_csv, "xlsx": ROWS.to_excel, "parquet": ROWS.to_parquet}[suffix]
    save(file, index=False)
    return file.getvalue()


def read_or_refuse(path: Path) -> str | list[Problem]:
    """Return the sentence of a refusal, or what the checks find in the rows."""
    try:
        frame = read_table(path)
    except DataError as error:
        return str(error)
    return check_table(frame, guess_columns(frame), letters="ACDE", max_residues=9)


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet", "fasta"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), min_size=1, max_size=8))
def test_a_damaged_file_gives_rows_or_a_sentence_and_nothing_else(tmp_path, suffix, places):
    outcome = read_or_refuse(write(tmp_path, f"t.{suffix}", spoil(sound(suffix), places)))
    assert isinstance(outcome, list) or outcome.endswith(".")


def test_text_that_is_no_utf_8_in_parquet_is_refused(tmp_path):
    path = write(tmp_path, "t.parquet", sound("parquet").replace(b"GHIKL", b"G\xffIKL"))
    with pytest.raises(DataError, match=r"t\.parquet is no readable Parquet file"):
        read_table(path)
