"""FASTA: values out of headers or a second table."""

from __future__ import annotations

import pandas as pd
import pytest

from molfun.data.tables import file_rows, read_table
from molfun.errors import DataError


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a1 value=1.5", {"value": [1.5]}),
        ("a1 ddg=-2e-1 species=human", {"ddg": [-0.2], "species": ["human"]}),
        ("a1|label=high|batch=3", {"label": ["high"], "batch": [3]}),
        ("a1 [organism=Homo sapiens] [tm=60.5]", {"organism": ["Homo sapiens"], "tm": [60.5]}),
        ("a1 some protein -0.75", {"value": [-0.75]}),
        ("a1|3", {"value": [3]}),
        ("a1", {}),
    ],
)
def test_read_table_takes_values_from_fasta_headers(tmp_path, header, expected):
    (tmp_path / "t.fasta").write_text(f">{header}\nACDEF\nGHIKL\n")
    frame = read_table(tmp_path / "t.fasta")
    assert frame["sequence"].tolist() == ["ACDEFGHIKL"]
    assert frame.drop(columns=["id", "sequence"]).to_dict("list") == expected


def test_read_table_keeps_fasta_records_of_equal_name_and_counts_records(tmp_path):
    (tmp_path / "t.fa").write_text(">a value=1\nACD\n>a value=2\nACE\n>b\nACF\n")
    frame = read_table(tmp_path / "t.fa")
    assert frame["id"].tolist() == ["a", "a", "b"]
    assert frame["value"].isna().tolist() == [False, False, True]
    assert file_rows(frame).tolist() == [1, 2, 3]


def test_read_table_recognises_fasta_without_its_ending(tmp_path):
    (tmp_path / "t.txt").write_text(">a 1.0\nACDEF\n")
    assert read_table(tmp_path / "t.txt")["value"].tolist() == [1.0]


def test_read_table_joins_values_by_id(tmp_path):
    (tmp_path / "t.fasta").write_text(">a\nACD\n>b\nACE\n>c\nACF\n")
    pd.DataFrame({"ID": ["c", "a"], "tm": [60.0, 50.0]}).to_csv(tmp_path / "v.csv", index=False)
    frame = read_table(tmp_path / "t.fasta", values=tmp_path / "v.csv")
    assert frame["tm"].fillna(-1).tolist() == [50.0, -1, 60.0]
    assert frame.index.tolist() == [0, 1, 2]


def test_values_without_an_id_are_of_no_record(tmp_path):
    (tmp_path / "t.fasta").write_text(">a\nACD\n>b\nACE\n")
    (tmp_path / "v.csv").write_text("id,tm\na,1\n,2\n,3\nb,4\n")
    assert read_table(tmp_path / "t.fasta", values=tmp_path / "v.csv")["tm"].tolist() == [1, 4]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("id,tm\nx,1\ny,2\n", "No id is in both files: t.fasta has 'a' first, v.csv column 'id' has 'x'"),
        ("id,tm\na,1\nb,2\na,3\n", "v.csv, row 4: the id 'a' stands twice"),
        ("id,tm\na,1\n,2\na,3\n", "v.csv, row 4: the id 'a' stands twice"),
        ("id,tm\n,2\n,3\n", "v.csv: column 'id' has no id"),
        ("id,tm\n", "v.csv has a header but no rows"),
    ],
)
def test_read_table_refuses_values_that_do_not_fit(tmp_path, values, message):
    (tmp_path / "t.fasta").write_text(">a\nACD\n>b\nACE\n")
    (tmp_path / "v.csv").write_text(values)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.fasta", values=tmp_path / "v.csv")


def test_read_table_refuses_values_beside_a_csv(tmp_path):
    (tmp_path / "t.csv").write_text("seq,y\nACD,1\n")
    with pytest.raises(DataError, match=r"belongs to a FASTA file, but t\.csv is none"):
        read_table(tmp_path / "t.csv", values=tmp_path / "t.csv")
