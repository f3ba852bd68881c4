"""Hashes of a dataset and its split, as others can compute them again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.hashes import hash_again, split_hash, split_table
from molfun.data.settings import ColumnSettings, SplitSettings

ROWS = pd.DataFrame({"row": [9, 2, 4], "split": ["test", "train", "val"], "target": [1.0, 2.0, 3.0]})


def test_the_hash_is_that_of_the_lines_by_row() -> None:
    assert split_hash(ROWS) == hashlib.sha256(b"2,train\n4,val\n9,test\n").hexdigest()
    assert split_table(ROWS).to_csv(index=False) == "row,part\n2,train\n4,val\n9,test\n"


def test_the_order_of_rows_is_no_part_of_the_hash_and_a_changed_part_is() -> None:
    assert split_hash(ROWS.iloc[::-1]) == split_hash(ROWS)
    assert split_hash(ROWS.assign(split=["test", "train", "train"])) != split_hash(ROWS)


TARGETS: dict[str, Callable[[int], Any]] = {
    "regression": lambda i: i / 7, "classification": lambda i: "ab"[i % 2],
    "per_residue": lambda i: "HEC-"[: 4 - i % 2],
}  # fmt: skip


@pytest.mark.parametrize("task", TARGETS)
def test_the_hash_of_a_saved_dataset_is_found_again_whoever_reads_it(task: Any, tmp_path: Path) -> None:
    rows = [{"sequence": "ACDE"[: 4 - i % 2], "target": TARGETS[task](i)} for i in range(20)]
    columns = ColumnSettings(sequence=["sequence"], target="target", task=task)
    saved = save_dataset(tmp_path, pd.DataFrame(rows), columns, SplitSettings(seed=2), name="Any")
    assert hash_again(saved) == saved.about["sha256"]
    assert hash_again(changed(saved)) != saved.about["sha256"]


def changed(dataset: Dataset) -> Dataset:
    """Return a dataset with one residue exchanged."""
    chain = dataset.frame["chain_1"].where(dataset.frame.index > 0, "ACDF")
    return replace(dataset, frame=dataset.frame.assign(chain_1=chain))


def test_settings_count_as_they_were_written(tmp_path: Path) -> None:
    """A dataset of a version with fewer settings keeps its hash."""
    columns = ColumnSettings(sequence=["sequence"], target="target")
    rows = [{"sequence": "ACDE", "target": float(i)} for i in range(20)]
    saved = save_dataset(tmp_path, pd.DataFrame(rows), columns, SplitSettings(), name="Any")
    path = saved.folder / "dataset.yaml"
    before = hash_again(saved)
    path.write_text(path.read_text().replace("  num_folds: 0\n", ""))
    assert hash_again(saved) != before
