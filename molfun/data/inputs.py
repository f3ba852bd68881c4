"""Reads what a person names as data: a table, a structure file or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from molfun.data.proteins import STRUCTURE, Protein, has_structures
from molfun.data.structure_files import is_structure_name
from molfun.data.structure_tables import OnProblem, RowsOf, join_values, read_structures
from molfun.data.tables import read_table


def are_structures(path: Path) -> bool:
    """Tell whether a path is of structures: a folder, or a file with an ending of a structure."""
    return is_structure_name(path.name) or path.is_dir()


def read_input(
    path: Path,
    *,
    values: Path | None = None,
    sheet: str = "",
    bad_files: OnProblem = "refuse",
    rows: RowsOf = "file",
) -> pd.DataFrame:
    """Read a table as `read_table` does, or structures as `read_structures` does.

    Args:
        path: A table, a structure file, or a folder of structure files.
        values: Second table: of a FASTA file, or values of structures (`join_values`).
        sheet: Of an Excel file.
        bad_files: What becomes of structures that cannot be read.
        rows: Whether a structure file is one row or each of its chains is.

    Raises:
        DataError: As in these.
    """
    if not are_structures(path):
        return read_table(path, values=values, sheet=sheet)
    frame = read_structures(path, on_problem=bad_files, rows=rows)
    return frame if values is None else join_values(frame, read_table(values, sheet=sheet))


def describe_structures(frame: pd.DataFrame) -> dict[str, Any]:
    """Return what is in a table of structures, as plain values; empty where it is none.

    Returns:
        `structures`, `chains` (how many structures have a chain of that name), `residues`, `resolved` (with a known
        C-alpha), `dates` and `resolutions` (first and last, empty where no file tells), `skipped` ([file, reason]),
        `notes`, and of joined values `unmatched_rows` and `unmatched_files`.
    """
    if not has_structures(frame):
        return {}
    proteins = [cell for cell in frame[STRUCTURE] if isinstance(cell, Protein)]
    chains = [chain for protein in proteins for chain in protein.chains]
    resolutions = frame["resolution"].dropna() if "resolution" in frame else pd.Series(dtype=float)
    dates = sorted(text for text in frame["date"] if text) if "date" in frame else []
    return {
        "structures": len(proteins),
        "chains": pd.Series([chain.id for chain in chains], dtype=str).value_counts(sort=False).to_dict(),
        "residues": sum(map(len, chains)), "resolved": sum(chain.num_resolved for chain in chains),
        "dates": [dates[0], dates[-1]] if dates else [],
        "resolutions": [float(resolutions.min()), float(resolutions.max())] if len(resolutions) else [],
        **{name: list(frame.attrs.get(name, [])) for name in ("skipped", "notes", "unmatched_rows", "unmatched_files")},
    }  # fmt: skip
