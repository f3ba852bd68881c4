"""Which row is of which part, as others can hash it again."""

from __future__ import annotations

import hashlib

import pandas as pd

from molfun.data.split_hash import split_hash, split_table

ROWS = pd.DataFrame({"row": [9, 2, 4], "split": ["test", "train", "val"], "target": [1.0, 2.0, 3.0]})


def test_the_hash_is_that_of_the_lines_by_row() -> None:
    assert split_hash(ROWS) == hashlib.sha256(b"2,train\n4,val\n9,test\n").hexdigest()
    assert split_table(ROWS).to_csv(index=False) == "row,part\n2,train\n4,val\n9,test\n"


def test_the_order_of_rows_is_no_part_of_the_hash_and_a_changed_part_is() -> None:
    assert split_hash(ROWS.iloc[::-1]) == split_hash(ROWS)
    assert split_hash(ROWS.assign(split=["test", "train", "train"])) != split_hash(ROWS)
