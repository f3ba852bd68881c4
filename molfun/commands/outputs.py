"""Tables that commands write: where they may go, and cells that no spreadsheet runs. Nothing is written over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".tsv", ".parquet")


def check_output(output: Path, endings: tuple[str, ...] = ENDINGS) -> None:
    """Hold that a file can be written, before anything is computed for it.

    Raises:
        DataError: It has another ending, exists, or its folder does not.
    """
    from molfun.errors import DataError

    if output.suffix.lower() not in endings:
        raise DataError(f"{output.name}: expected a name that ends in {' or '.join(endings)}; choose another one.")
    if output.exists():
        raise DataError(f"{output} exists; nothing is written over. Choose another name.")
    if not output.absolute().parent.is_dir():
        raise DataError(f"There is no folder {output.absolute().parent}; make it, or choose another place.")


def check_folder(folder: Path) -> None:
    """Hold that a folder can be made for predicted structures.

    Raises:
        DataError: Something of that name is there.
    """
    from molfun.errors import DataError

    if folder.exists():
        raise DataError(f"{folder} exists, and predicted structures would go there; choose another output name.")


def write_table(table: pd.DataFrame, output: Path) -> None:
    """Write a table in the format that its name ends in."""
    from molfun.data.exports import lists_as_text, neutralise

    if output.suffix.lower() == ".parquet":
        table.to_parquet(output, index=False)
        return
    text = neutralise(lists_as_text(table))
    text.to_csv(output, index=False, sep="\t" if output.suffix.lower() == ".tsv" else ",")
