"""Which row is of which part, as lines of text, and the hash that names a split: anybody can compute it again."""

from __future__ import annotations

import hashlib

import pandas as pd


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
