"""Tables of structures: one row a file or a chain, values joined by name, chains of complexes gathered to partners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from molfun.data import limits
from molfun.data.labels import is_missing
from molfun.data.proteins import STRUCTURE, Protein
from molfun.data.row_numbers import file_rows
from molfun.data.structure_files import ENDINGS, MIN_RESIDUES, is_structure_name, read_structure, stem
from molfun.errors import DataError, nearest, printable

OnProblem = Literal["refuse", "skip"]
RowsOf = Literal["file", "chain"]
MAX_FILES = 100_000
MAX_RESIDUES = 20_000_000  # of all files: 4 GB of coordinates
SHOWN = 10
NAME_COLUMNS = ("name", "structure", "file", "pdb", "pdb_id", "pdbid", "id", "entry", "complex", "target")
PARTNERS = ("partner_1", "partner_2")


def read_structures(
    source: Path | Sequence[Path],
    *,
    on_problem: OnProblem = "refuse",
    rows: RowsOf = "file",
    min_residues: int = MIN_RESIDUES,
    names: Sequence[str] = (),
) -> pd.DataFrame:
    """Read a folder or a list of structure files.

    Args:
        source: A folder, of which every file with an ending of a structure is read, in the order of names, without
            those in folders below; or files.
        on_problem: "refuse" raises one error that names every bad file; "skip" leaves them out.
        rows: "file" makes one row a file, with a column `chain_A` for every chain A (`sequence` where every file has a
            single one); "chain" makes one row a chain, named by file and chain where the file has several.
        min_residues: As in `read_structure`.
        names: File names to show and to call structures by, where `source` lists uploads' temporary copies.

    Returns:
        Columns `name`, the sequences, `structure` (`Protein`), `num_residues`, `date`, `resolution`, `method`, with
        index 0..n-1. Rows are numbered from 1 in the order of the files; `attrs["skipped"]` is a list of (file name,
        reason), `attrs["notes"]` what the reader left out of files, `attrs["file"]` the folder's name.

    Raises:
        DataError: A file is bad and none may be, there is none, or none is left.
    """  # fmt: skip
    paths, shown = _files(source)
    proteins, skipped = _read_all(paths, min_residues, names or [path.name for path in paths])
    if skipped and (on_problem == "refuse" or not proteins):
        rest = f"\n  ... and {len(skipped) - SHOWN} more." if len(skipped) > SHOWN else ""
        listed = "".join(f"\n  {reason}" for _, reason in skipped[:SHOWN])
        raise DataError(
            f"{len(skipped)} of {len(paths)} structures cannot be used; correct or remove them, or choose to skip bad "
            f"files:{listed}{rest}"
        )
    if rows == "chain":
        proteins = [one for protein in proteins for one in _single_chains(protein)]
    frame = _table(proteins)
    frame.attrs = {
        "file": shown, "first_row": 1, "skipped": skipped,
        "notes": [f"{protein.name}: {note}" for protein in proteins for note in protein.notes],
    }  # fmt: skip
    return frame


def _files(source: Path | Sequence[Path]) -> tuple[list[Path], str]:
    if not isinstance(source, str | Path):
        paths = [Path(path) for path in source]
        return paths, f"{len(paths)} structures"
    folder = Path(source).expanduser()
    if not folder.is_dir():
        return [folder], limits.shown_name(folder.name)
    shown = limits.shown_name(folder.absolute().name)
    paths = sorted(path for path in folder.iterdir() if is_structure_name(path.name) and path.is_file())
    if not paths:
        raise DataError(f"The folder {shown} has no structure; expected files that end in {', '.join(ENDINGS)} or .gz.")
    if len(paths) > MAX_FILES:
        raise DataError(f"The folder {shown} has {len(paths):,} structures, the limit is {MAX_FILES:,}; divide it.")
    return paths, shown


def _read_all(
    paths: Iterable[Path], min_residues: int, names: Iterable[str]
) -> tuple[list[Protein], list[tuple[str, str]]]:
    """Return the proteins, and (file name, reason) of every file that could not be read."""
    proteins: dict[str, Protein] = {}
    skipped, num_residues = [], 0
    for path, name in zip(paths, names, strict=True):
        shown = limits.shown_name(name)
        try:
            protein = read_structure(path, name=name, min_residues=min_residues)
        except DataError as error:
            skipped.append((shown, str(error)))
            continue
        num_residues += protein.num_residues
        if num_residues > MAX_RESIDUES:
            raise DataError(f"The structures have more than {MAX_RESIDUES:,} residues, the limit; choose fewer.")
        if protein.name.casefold() in proteins:
            skipped.append((shown, f"{shown} has the name of another file ({protein.name}); give each its own name."))
        else:
            proteins[protein.name.casefold()] = protein
    return list(proteins.values()), skipped


def _single_chains(protein: Protein) -> list[Protein]:
    """Return one protein a chain; those of several chains are named by file and chain."""
    is_alone = len(protein.chains) == 1
    return [
        replace(protein, name=protein.name if is_alone else f"{protein.name}_{chain.id}", chains=(chain,),
                notes=protein.notes if number == 0 else ())
        for number, chain in enumerate(protein.chains)
    ]  # fmt: skip


def _table(proteins: Sequence[Protein]) -> pd.DataFrame:
    are_single = all(len(protein.chains) == 1 for protein in proteins)
    named = [_with_columns(protein, "sequence" if are_single else "") for protein in proteins]
    columns = dict.fromkeys(column for protein in named for column in protein.columns)
    # Column by column: a frame made of rows would try to make arrays of the proteins.
    return pd.DataFrame({
        "name": [protein.name for protein in named],
        **{column: [protein.sequence_of(column) for protein in named] for column in columns},
        STRUCTURE: pd.Series(named, dtype=object),
        "num_residues": [protein.num_residues for protein in named],
        "date": [protein.date for protein in named],
        "resolution": [protein.resolution for protein in named],
        "method": [protein.method for protein in named],
    })  # fmt: skip


def _with_columns(protein: Protein, column: str) -> Protein:
    return replace(
        protein, chains=tuple(replace(chain, column=column or f"chain_{chain.id}") for chain in protein.chains)
    )


def join_values(frame: pd.DataFrame, table: pd.DataFrame, *, name: str = "") -> pd.DataFrame:
    """Join a table of measured values to structures by name; where it has partners, chains are gathered to them.

    Args:
        frame: Table of `read_structures`.
        table: Table of `read_table`. Names match whatever their capitals, with or without ending.
        name: Its column with the names of structures; "" takes the one whose cells are names of structures, by its name
            (`name`, `pdb`, `file`, ...) or else its content.

    Returns:
        One row a row of the table, in its order and with its row numbers, so that a structure may stand in several.
        `attrs["unmatched_rows"]` lists row numbers without a structure, which are left out; `attrs["unmatched_files"]`
        names of structures without a row.

    Raises:
        DataError: No name is in common, or a partner names a chain that is not there.
    """
    name = name or _name_column(frame, table)
    keys = {protein.name.casefold(): i for i, protein in enumerate(frame[STRUCTURE])}
    cells = table[name].map(lambda cell: "" if is_missing(cell) else stem(str(cell).strip()).casefold())
    found = cells.map(keys)
    is_known, rows = found.notna().to_numpy(), file_rows(table)
    if not is_known.any():
        raise DataError(
            f"Column {name!r} of the values names none of the {len(frame)} structures, e.g. "
            f"{printable(str(table[name].iloc[0]), 40)!r}; expected names such as {frame['name'].iloc[0]!r}."
        )
    values = table[is_known].reset_index(drop=True).drop(columns=name)
    structures = frame.iloc[found[is_known].astype(int)].reset_index(drop=True)
    own = [column for column in structures if column in values.columns]
    values = values.rename(columns={column: f"{column} of values" for column in own if column not in PARTNERS})
    joined = pd.concat([structures, values], axis=1)
    known = set(cells[is_known])
    joined.attrs = {
        **frame.attrs, "file": table.attrs.get("file", ""), "file_rows": rows[is_known].tolist(),
        "unmatched_rows": rows[~is_known].tolist(),
        "unmatched_files": [cell for cell in frame["name"] if cell.casefold() not in known],
    }  # fmt: skip
    return gather_partners(joined) if set(PARTNERS) <= set(joined.columns) else joined


def _name_column(frame: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return the column of a table that names structures."""
    known = {name.casefold() for name in frame["name"]}

    def share(column: str) -> float:
        return float(table[column].map(lambda cell: stem(str(cell).strip()).casefold() in known).mean())

    texts = [str(column) for column in table.columns if not pd.api.types.is_numeric_dtype(table[column])]
    by_name = [column for column in texts if column.strip().lower() in NAME_COLUMNS]
    best = max([*by_name, *texts], key=share, default="")
    if not best:
        raise DataError(
            f"The table of values has no column with names of structures such as {frame['name'].iloc[0]!r}; add one."
        )
    return best if share(best) or not by_name else by_name[0]


def gather_partners(frame: pd.DataFrame) -> pd.DataFrame:
    """Gather the chains of complexes to two partners.

    Args:
        frame: Structures with the columns `partner_1` and `partner_2`, chain ids such as "A", "HL" or "H,L".

    Returns:
        The frame with the partners' sequences in these two columns (chains one behind the other, without anything
        between them), structures of these chains in the same order, and no other column of chains.

    Raises:
        DataError: A row names no chain, one that its structure lacks, or one twice.
    """
    proteins = [
        _partners(protein, [str(cell) if not is_missing(cell) else "" for cell in cells], f"Row {row}")
        for protein, row, *cells in zip(
            frame[STRUCTURE], file_rows(frame), *(frame[name] for name in PARTNERS), strict=True
        )
    ]
    chains = dict.fromkeys(column for protein in frame[STRUCTURE] for column in protein.columns)
    gathered = frame.drop(columns=[*chains, *PARTNERS, STRUCTURE])
    for place, column in enumerate(PARTNERS, start=1):
        gathered.insert(place, column, [protein.sequence_of(column) for protein in proteins])
    gathered.insert(len(PARTNERS) + 1, STRUCTURE, pd.Series(proteins, index=frame.index, dtype=object))
    gathered["num_residues"] = [protein.num_residues for protein in proteins]
    gathered.attrs = dict(frame.attrs)
    return gathered


def _partners(protein: Protein, cells: Sequence[str], row: str) -> Protein:
    chains = {chain.id: chain for chain in protein.chains}
    chosen: list[Any] = []
    for column, cell in zip(PARTNERS, cells, strict=True):
        ids = _chain_ids(cell, list(chains))
        for name in ids:
            if name not in chains:
                hint = nearest(name, chains) or f"; it has {', '.join(chains)}."
                raise DataError(f"{row}, column {column!r}: the structure {protein.name!r} has no chain {name!r}{hint}")
            if any(chain.id == name for chain in chosen):
                raise DataError(f"{row}, column {column!r}: chain {name!r} stands twice; a chain is of one partner.")
            chosen.append(replace(chains[name], column=column))
        if not ids:
            raise DataError(f"{row}, column {column!r}: expected chains such as 'A' or 'HL', found none; fill it in.")
    return replace(protein, chains=tuple(chosen))


def _chain_ids(cell: str, known: Sequence[str]) -> list[str]:
    """Return the chain ids in a cell: parted by commas, blanks and the like, or one letter each.

    >>> _chain_ids("HL", ["H", "L"]), _chain_ids("AA, BA", ["AA", "BA"]), _chain_ids("AA", ["AA"])
    (['H', 'L'], ['AA', 'BA'], ['AA'])
    """
    parts = "".join(" " if letter in ",;/+|" else letter for letter in cell).split()
    return [name for part in parts for name in ([part] if part in known else list(part))]
