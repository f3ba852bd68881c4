"""Small real structures that come with Molfun: entries of the Protein Data Bank, as its files or chains of them.

Data files of the Protein Data Bank are free of copyright (CC0 1.0): wwPDB consortium 2019, Nucleic Acids Research
47:D520, doi:10.1093/nar/gky949. They were read out of the package mdanalysistests 2.11.0; mmCIF files are reduced to
the categories that say what was measured, and by whom.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from molfun.data.proteins import Protein
from molfun.data.structure_files import stem
from molfun.data.structure_tables import read_structures
from molfun.errors import DataError, nearest

FOLDER = Path(__file__).parent / "entries"
COMPLEX = "1hvr"
"""HIV-1 protease, two chains (A and B, 99 residues each) around its inhibitor, at 1.8 angstrom."""


def example_names() -> list[str]:
    """Return the names of the structures, in alphabetical order."""
    return sorted(stem(path.name) for path in FOLDER.glob("*.gz"))


def example_path(name: str) -> Path:
    """Return the file of a structure.

    Raises:
        DataError: There is none of that name.
    """
    for path in FOLDER.glob("*.gz"):
        if stem(path.name) == name:
            return path
    names = example_names()
    raise DataError(f"No example structure is named {name!r}{nearest(name, names) or '; known: ' + ', '.join(names)}.")


def example_protein(name: str) -> Protein:
    """Return a structure, with its sequence column named `sequence` where it has one chain.

    Raises:
        DataError: There is none of that name.
    """
    protein: Protein = read_structures([example_path(name)])["structure"].iloc[0]
    return protein


def example_structures() -> pd.DataFrame:
    """Return one row a chain (58 to 185 residues), each sequence once, with the columns of `read_structures`."""
    frame = read_structures(FOLDER, rows="chain")
    is_copy = frame["sequence"].duplicated()
    chosen = frame[~is_copy].reset_index(drop=True)
    copies = ", ".join(frame.loc[is_copy, "name"])
    chosen.attrs = {"first_row": 1, "file_rows": [i + 1 for i in frame.index[~is_copy]],
                    "notes": [f"Left out as copies of another chain: {copies}."]}  # fmt: skip
    return chosen
