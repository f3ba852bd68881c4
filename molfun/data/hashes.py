"""Hashes of a saved dataset that anybody can compute again: of its content, and of which row is of which part."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

from molfun.data.dataset import Dataset
from molfun.data.prepared import content_hash
from molfun.data.saved import FACTS, MAX_FACTS_BYTES
from molfun.yaml_files import load_mapping


def split_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `row` and `part` of every row of a dataset, by rising row number.

    Args:
        rows: As `Dataset.frame` has them.
    """
    table = rows[["row", "split"]].sort_values("row", kind="stable", ignore_index=True)
    return table.rename(columns={"split": "part"})


def split_hash(rows: pd.DataFrame) -> str:
    r"""Return the sha256 of the lines "row,part\n" of `split_table`, ASCII, without a header.

    >>> split_hash(pd.DataFrame({"row": [3, 2], "split": ["test", "train"]}))[:16]
    '98840dee4c6bcb0a'
    """
    lines = "".join(f"{row},{part}\n" for row, part in split_table(rows).itertuples(index=False))
    return hashlib.sha256(lines.encode("ascii", "replace")).hexdigest()


def recorded_facts(dataset: Dataset) -> dict[str, Any]:
    """Return what stands in the file beside the rows of a dataset, as it was written.

    Raises:
        SettingError: It cannot be read.
    """
    return load_mapping(dataset.folder / FACTS, what="dataset", most_bytes=MAX_FACTS_BYTES)


def hash_again(dataset: Dataset) -> str:
    """Return the sha256 of a dataset as it lies on the disk now; settings count as they were written.

    Raises:
        SettingError: As `recorded_facts`.
    """
    facts = recorded_facts(dataset)
    return content_hash(dataset.frame, facts["columns"], facts["split"], facts["classes"])
