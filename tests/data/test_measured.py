"""What the training table knows of a scan's variants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.measured import changed_positions, held_out_correlation, measured_values
from molfun.data.scan import scan_rows
from molfun.data.settings import ColumnSettings, SplitSettings

WILD = "MKTAYIAKQR"


def saved(home: Path, rows: pd.DataFrame, columns: list[str], task: str = "regression") -> Dataset:
    """Save a table that is split by its column `split`."""
    settings = ColumnSettings(sequence=columns, target="y", task=task)
    split = SplitSettings(kind="column", column="split")
    return save_dataset(home / "datasets", rows, settings, split, name="Measured")


@pytest.fixture
def variants() -> pd.DataFrame:
    """Return the substitutions at the first six positions; the sixth is for test, the fifth for validation."""
    rows = scan_rows(WILD, positions=range(1, 7))
    place = rows["mutation"].str.extract(r"(\d+)")[0].astype(float).fillna(1)
    parts = np.select([place == 6, place == 5], ["test", "val"], "train")
    return rows.assign(y=np.arange(len(rows), dtype=float), split=parts)


def test_variants_find_their_measured_value_and_its_part(home: Path, variants: pd.DataFrame) -> None:
    twice = pd.concat([variants, variants[variants["mutation"] == "K2A"].assign(y=1000.0, split="test")])
    dataset = saved(home, twice, ["sequence"])
    rows = scan_rows(WILD)
    found = measured_values(dataset, rows).set_index(rows["mutation"])
    known = variants.set_index("mutation")["y"]
    assert found.loc["M1G", "measured"] == known["M1G"]
    assert found.loc["K2A", "measured"] == (known["K2A"] + 1000) / 2
    assert found.loc[["WT", "M1G", "K2A", "Y5G", "I6G", "A7G"], "part"].tolist() == [
        "train", "train", "several", "val", "test", "",
    ]  # fmt: skip
    assert np.isnan(found.loc["A7G", "measured"])


def test_both_chains_must_be_those_of_the_row(home: Path, variants: pd.DataFrame) -> None:
    dataset = saved(home, variants.rename(columns={"sequence": "heavy"}).assign(light="DIQ"), ["heavy", "light"])
    rows = scan_rows(WILD, column="heavy", kept={"light": "DIQ"})
    assert (measured_values(dataset, rows)["part"] != "").sum() == len(variants)
    assert (measured_values(dataset, rows.assign(light="DIV"))["part"] == "").all()


def test_classes_are_named_and_disagreement_is_no_class(home: Path, variants: pd.DataFrame) -> None:
    named = variants.assign(y=np.where(variants["y"] % 2 == 0, "even", "odd"))
    both = pd.concat([named, named[named["mutation"] == "M1G"].assign(y="even")])
    found = measured_values(saved(home, both, ["sequence"], "classification"), scan_rows(WILD))
    assert found["measured"].fillna("open").iloc[:3].tolist() == ["even", "open", "even"]
    assert found["part"].iloc[:3].tolist() == ["train", "train", "train"]


def test_only_test_rows_are_a_score(home: Path, variants: pd.DataFrame) -> None:
    rows = scan_rows(WILD)
    measured = measured_values(saved(home, variants, ["sequence"]), rows)
    is_test = measured["part"] == "test"
    # Right on all rows that training saw, and the wrong way round on those of test.
    found = measured["measured"].where(~is_test, -measured["measured"])
    assert held_out_correlation(found, measured) == (pytest.approx(-1.0), 19)
    assert held_out_correlation(found.where(~is_test), measured) is None
    assert held_out_correlation(found.where(~is_test, 1.0), measured) is None


def test_positions_that_training_changed_are_known(home: Path, variants: pd.DataFrame) -> None:
    dataset = saved(home, variants, ["sequence"])
    assert changed_positions(dataset, WILD, 0, first_number=24) == {24, 25, 26, 27}
    assert changed_positions(dataset, WILD + "G", 0) is None  # no row has its length
    assert changed_positions(dataset, WILD[::-1], 0) is None  # no row is alike
