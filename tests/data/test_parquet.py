"""Parquet files: what can be used of them, and bounds on what a few bytes may become."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from molfun.data import limits, parquet
from molfun.data.parquet import read_parquet
from molfun.errors import DataError


def save(folder: Path, columns: dict[str, pa.Array]) -> Path:
    pq.write_table(pa.table(columns), folder / "t.parquet")
    return folder / "t.parquet"


def test_columns_of_numbers_text_times_and_lists_are_read(tmp_path: Path) -> None:
    columns = {
        "seq": pa.array(["ACD", None]),
        "kind": pa.array(["a", "b"]).dictionary_encode(),
        "y": pa.array([1.5, None]),
        "when": pa.array([datetime.date(2024, 1, 2), None]),
        "price": pa.array([decimal.Decimal("1.50"), None]),
        "labels": pa.array([[0, 1], None]),
    }
    frame = read_parquet(save(tmp_path, columns), "t.parquet")
    assert frame.drop(columns=["labels", "y"]).to_dict("list") == {
        "seq": ["ACD", None], "kind": ["a", "b"], "when": ["2024-01-02", None], "price": ["1.50", None],
    }  # fmt: skip
    assert (frame["y"].tolist()[0], list(frame["labels"][0]), frame["labels"][1]) == (1.5, [0, 1], None)


def test_columns_that_nothing_here_can_use_are_left_out(tmp_path: Path) -> None:
    columns = {"y": pa.array([1]), "raw": pa.array([b"\xff"]), "map": pa.array([{"a": 1}]), "deep": pa.array([[[1]]])}
    assert list(read_parquet(save(tmp_path, columns), "t.parquet").columns) == ["y"]
    del columns["y"]
    with pytest.raises(DataError, match=r"t\.parquet has no column of numbers or text; write those into a new file\."):
        read_parquet(save(tmp_path, columns), "t.parquet")


def test_the_index_of_a_pandas_table_is_no_column(tmp_path: Path) -> None:
    pd.DataFrame({"y": [1, 2]}, index=[5, 6]).to_parquet(tmp_path / "t.parquet")
    assert list(read_parquet(tmp_path / "t.parquet", "t.parquet").columns) == ["y"]


def test_rows_and_bytes_are_refused_before_they_are_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, {"seq": pa.array(["A" * 1000] * 5000).dictionary_encode()})
    assert path.stat().st_size < 6000
    monkeypatch.setattr(parquet, "MAX_DECODED_BYTES", 4_000_000)
    with pytest.raises(DataError, match=r"t\.parquet unpacks to more than 4 MB, which is the limit"):
        read_parquet(path, "t.parquet")
    monkeypatch.setattr(limits, "MAX_ROWS", 4999)
    with pytest.raises(DataError, match=r"t\.parquet has more than 4,999 rows"):
        read_parquet(path, "t.parquet")
