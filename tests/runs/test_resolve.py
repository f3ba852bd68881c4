"""From tables, examples and saved datasets to data that the model can read, or to sentences that say why not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from molfun.adapters.catalog import find_model
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import DataError, SettingError
from molfun.runs.resolve import complete_columns, resolve_data, table_beside
from molfun.runs.spec import DataSource

ANTIBERTY, ESM2 = find_model("antiberty"), find_model("esm2_8m")


def table(num_rows: int = 20) -> pd.DataFrame:
    letters = "ACDEFGHIKLMNPQRSTVWY"
    sequences = [letters[i % 20] + letters + letters[(7 * i) % 20] for i in range(num_rows)]
    kinds = ["tight" if i % 2 else "loose" for i in range(num_rows)]
    return pd.DataFrame({"protein": sequences, "kd": [0.1 * i for i in range(num_rows)], "kind": kinds})


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "binders.csv"
    table().to_csv(path, index=False)
    return path


def test_a_table_becomes_a_saved_dataset(home: Path, csv: Path) -> None:
    dataset = resolve_data(home, DataSource(table=str(csv)), ANTIBERTY)
    assert (dataset.name, dataset.task, dataset.columns.target) == ("binders", "regression", "kd")
    assert sum(dataset.counts.values()) == 20
    again = resolve_data(home, DataSource(dataset=dataset.id), ANTIBERTY)
    assert again.frame.equals(dataset.frame)


def test_a_table_keeps_the_given_split(home: Path, csv: Path) -> None:
    split = SplitSettings(test_fraction=0.5, seed=4)
    dataset = resolve_data(home, DataSource(table=str(csv), split=split), ANTIBERTY)
    assert dataset.split == split
    assert dataset.counts["test"] == 10


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ("protein", "kd", "regression")),
        ({"target": "kind"}, ("protein", "kind", "classification")),
        ({"sequence": ["protein"], "target": "kd"}, ("protein", "kd", "regression")),
        ({"target": "kind", "task": "regression"}, ("protein", "kind", "regression")),
        ({"too_long": "crop"}, ("protein", "kd", "regression")),
        ({"target": "absent"}, ("protein", "absent", "regression")),
    ],
)
def test_columns_are_guessed_where_not_given(given: dict[str, object] | None, expected: tuple[str, str, str]) -> None:
    columns = complete_columns(table(), None if given is None else ColumnSettings.parse(given))
    assert (columns.sequence[0], columns.target, columns.task) == expected
    assert columns.too_long == (given or {}).get("too_long", "refuse")


def test_a_bad_table_is_refused_with_every_problem(home: Path, tmp_path: Path) -> None:
    frame = table()
    frame.loc[3, "protein"] = "ACDE1FGHIK"
    frame.loc[5, "protein"] = "ACDEFGHI*"
    path = tmp_path / "bad.csv"
    frame.to_csv(path, index=False)
    expected = r"(?s)bad\.csv cannot be used with AntiBERTy.*bad\.csv, row 5.*'1' at position 5.*bad\.csv, row 7"
    with pytest.raises(DataError, match=expected):
        resolve_data(home, DataSource(table=str(path)), ANTIBERTY)
    assert list((home / "datasets").glob("*")) == []


def test_a_saved_dataset_is_judged_for_the_model_at_hand(home: Path, tmp_path: Path) -> None:
    """ESM-2 knows X, AntiBERTy does not."""
    frame = table()
    frame.loc[3, "protein"] = "ACDEXFGHIK"
    path = tmp_path / "x.csv"
    frame.to_csv(path, index=False)
    dataset = resolve_data(home, DataSource(table=str(path)), ESM2)
    with pytest.raises(DataError, match=r"cannot be used with AntiBERTy.*Row 5, column 'protein': letter 'X'"):
        resolve_data(home, DataSource(dataset=dataset.id), ANTIBERTY)


@pytest.mark.parametrize(
    ("source", "came"),
    [({}, "none of them"), ({"example": "v_genes", "table": "a.csv"}, "data.example and data.table")],
)
def test_exactly_one_source_is_asked_for(home: Path, source: dict[str, str], came: str) -> None:
    with pytest.raises(SettingError, match=f"got {came}; give exactly one"):
        resolve_data(home, DataSource.parse(source), ANTIBERTY)


def test_the_seed_reaches_an_example(home: Path) -> None:
    splits = [SplitSettings(seed=seed) for seed in (1, 2)]
    one, two = (resolve_data(home, DataSource(example="gb1_stability", split=own), ANTIBERTY) for own in splits)
    assert one.split.seed == 1
    assert one.id != two.id


@pytest.mark.parametrize(
    ("given", "expected"),
    [("a.csv", "/specs/a.csv"), ("../a.csv", "/specs/../a.csv"), ("/data/a.csv", "/data/a.csv")],
)
def test_a_relative_table_lies_beside_its_spec(given: str, expected: str) -> None:
    values = table_beside({"name": "n", "data": {"table": given}}, Path("/specs"))
    assert values == {"name": "n", "data": {"table": expected}}
    assert table_beside({"data": {"example": "v_genes"}}, Path("/specs")) == {"data": {"example": "v_genes"}}


def test_a_fasta_file_takes_its_values_from_a_second_table(home: Path, tmp_path: Path) -> None:
    records = [(f"r{i}", "MKTAYIAKQR"[i % 5 :] + "G" * (i % 4 + 1)) for i in range(20)]
    (tmp_path / "s.fasta").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in records))
    (tmp_path / "v.csv").write_text("id,tm\n" + "".join(f"{name},{i * 1.5}\n" for i, (name, _) in enumerate(records)))
    given = table_beside({"data": {"table": "s.fasta", "values": "v.csv"}}, tmp_path)["data"]
    dataset = resolve_data(home, DataSource.parse(given), find_model("antiberty"))
    assert dataset.columns.target == "tm"
    assert dataset.frame["target"].tolist() == [i * 1.5 for i in range(20)]
